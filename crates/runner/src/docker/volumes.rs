//! Volumes as `docker create -v` takes them.

use super::draft::Draft;

/// Adds `[source:]target[:mode]` to a container. The source is an absolute path of this machine or the name of a volume.
/// The error continues a sentence.
pub(super) fn add(draft: &mut Draft, text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => (None, target, None),
        [target, mode] if is_mode(mode) => (None, target, Some(mode)),
        [source, target] => (Some(source), target, None),
        [source, target, mode] => (Some(source), target, Some(mode)),
        _ => return Err("it has more than three parts".to_owned()),
    };
    if !target.starts_with('/') {
        return Err(format!("{target:?} must be an absolute path in the container"));
    }
    if let Some(mode) = mode
        && !is_mode(mode)
    {
        return Err(format!("{mode:?} is no mode such as ro or rw"));
    }
    match source {
        None if mode.is_some() => Err("a volume without a source has no mode".to_owned()),
        None => {
            draft.anonymous.push(target.to_owned());
            Ok(())
        }
        Some(source) if !source.starts_with('/') && !is_name(source) => {
            Err(format!("{source:?} is neither an absolute path of this machine nor the name of a volume"))
        }
        Some(_) => {
            draft.host.binds.get_or_insert_default().push(text.to_owned());
            Ok(())
        }
    }
}

fn is_mode(text: &str) -> bool {
    const MODES: [&str; 15] = [
        "ro",
        "rw",
        "z",
        "Z",
        "nocopy",
        "cached",
        "delegated",
        "consistent",
        "shared",
        "slave",
        "private",
        "rshared",
        "rslave",
        "rprivate",
        "U",
    ];
    !text.is_empty() && text.split(',').all(|word| MODES.contains(&word))
}

/// The names that engines give to volumes.
fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    text.len() > 1
        && characters.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && characters.all(|character| character.is_ascii_alphanumeric() || "_.-".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn volumes_are_told_apart() {
        let check = |text: &str, binds: &[&str], anonymous: &[&str]| {
            let mut draft = Draft::default();
            add(&mut draft, text).expect(text);
            assert_eq!(draft.host.binds.unwrap_or_default(), binds, "{text}");
            assert_eq!(draft.anonymous, anonymous, "{text}");
        };
        check("/data", &[], &["/data"]);
        check("cache:/data", &["cache:/data"], &[]);
        check("/a:/data:ro", &["/a:/data:ro"], &[]);
        for wrong in ["", "data", "./a:/b", "a/b:/c", "/a:/b:x", "/a:/b:ro:c", "x:y", "/a:ro", ":/a"] {
            add(&mut Draft::default(), wrong).expect_err(wrong);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-z/:.,]{0,14}") {
            let _ = add(&mut Draft::default(), &text);
        }
    }
}
