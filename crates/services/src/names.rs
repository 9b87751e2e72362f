//! What names of artifacts and keys of caches may hold.

/// Characters that some file system refuses; the toolkit refuses them everywhere, and so does this.
const FORBIDDEN: [(char, &str); 11] = [
    ('"', "a double quote"),
    (':', "a colon"),
    ('<', "a less-than sign"),
    ('>', "a greater-than sign"),
    ('|', "a vertical bar"),
    ('*', "an asterisk"),
    ('?', "a question mark"),
    ('\r', "a carriage return"),
    ('\n', "a line feed"),
    ('\\', "a backslash"),
    ('/', "a slash"),
];

/// The longest name of an artifact in bytes; a file name may have 255, and an ending is added.
const MOST_NAME: usize = 240;

/// The longest key of a cache, in UTF-16 code units as the toolkit counts.
const MOST_KEY: usize = 512;

/// The most keys in one request to restore a cache, the first one included.
const MOST_KEYS: usize = 10;

/// Checks the name of an artifact as the toolkit does, and that it can be the name of a file.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn check_artifact_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name of an artifact must not be empty".to_owned());
    }
    if let Some((_, what)) = FORBIDDEN.iter().find(|(character, _)| name.contains(*character)) {
        return Err(format!("{name:?} cannot be the name of an artifact: it holds {what}"));
    }
    if name.chars().any(char::is_control) {
        return Err(format!("{name:?} cannot be the name of an artifact: it holds a control character"));
    }
    if name == "." || name == ".." {
        return Err(format!("{name:?} cannot be the name of an artifact: it means a folder"));
    }
    if name.len() > MOST_NAME {
        return Err(format!(
            "the name of an artifact has at most {MOST_NAME} bytes, and this one has {}",
            name.len()
        ));
    }
    Ok(())
}

/// Checks the key of a cache.
pub(crate) fn check_cache_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("the key of a cache must not be empty".to_owned());
    }
    let length = key.encode_utf16().count();
    if length > MOST_KEY {
        return Err(format!(
            "the key of a cache has at most {MOST_KEY} characters, and this one has {length}"
        ));
    }
    if key.contains(',') {
        return Err(format!("the key of a cache must not hold a comma: {key:?}"));
    }
    Ok(())
}

/// Checks the keys of a request to restore a cache.
pub(crate) fn check_cache_keys(keys: &[String]) -> Result<(), String> {
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return Err(format!("a cache is asked for by 1 to {MOST_KEYS} keys, not by {}", keys.len()));
    }
    keys.iter().try_for_each(|key| check_cache_key(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_those_of_the_toolkit() {
        for good in ["artifact", "a b", "näme", ".hidden", "web-1.2 (linux)", "a.zip", "..."] {
            assert_eq!(check_artifact_name(good), Ok(()), "{good}");
        }
        for bad in ["", "a/b", "a\\b", "..", ".", "a:b", "a\nb", "a\0b", "x*", "\"x\"", "a?b", "<a>", "a|b"] {
            assert!(check_artifact_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_artifact_name(&"x".repeat(241)).is_err());
    }

    #[test]
    fn keys_are_those_of_the_toolkit() {
        assert_eq!(check_cache_keys(&["a-b_c/d é".to_owned()]), Ok(()));
        assert!(check_cache_key("a,b").is_err());
        assert!(check_cache_key("").is_err());
        assert_eq!(check_cache_key(&"k".repeat(512)), Ok(()));
        assert!(check_cache_key(&"k".repeat(513)).is_err());
        assert!(check_cache_keys(&vec!["k".to_owned(); 11]).is_err());
        assert!(check_cache_keys(&[]).is_err());
    }

    proptest! {
        #[test]
        fn a_good_name_is_one_file_in_its_folder(name in ".{0,60}") {
            if check_artifact_name(&name).is_ok() {
                let path = std::path::Path::new("/folder").join(&name);
                prop_assert_eq!(path.parent(), Some(std::path::Path::new("/folder")));
                prop_assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(name.as_str()));
            }
        }
    }
}
