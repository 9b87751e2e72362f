//! The forms in which programs print a secret that they were given.

/// Below this length a section of a secret is too likely to stand in the log by chance.
const MIN_SECTION: usize = 6;
/// Quotes around a secret are only dropped when enough is left.
const MIN_QUOTED: usize = 9;
/// Whole base64 groups are only masked when they say enough.
const MIN_BASE64: usize = 8;

/// All forms but the text itself. The set is that of GitHub's runner, with the URL-safe base64 alphabet, base64 with
/// anything after it, and the quoting of shells added.
pub(super) fn forms(text: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let bytes = text.as_bytes();
    for shift in 0..3.min(bytes.len()) {
        let rest = &bytes[shift..];
        let full = base64(rest);
        let whole_groups = base64(&rest[..rest.len() / 3 * 3]);
        for form in [full, whole_groups] {
            if form.len() >= MIN_BASE64 {
                forms.push(form.replace('+', "-").replace('/', "_"));
                forms.push(form);
            }
        }
    }
    forms.push(json(text));
    forms.push(url(text));
    forms.push(xml(text));
    forms.push(text.replace('"', "\\\""));
    forms.push(text.replace('\'', "''"));
    forms.push(text.replace('\'', "'\\''"));
    forms.push(text.replace('\'', "'\"'\"'"));
    forms.extend([false, true].map(|commas| backslashed(text, commas)));
    forms.extend(ampersand_sections(text));
    if text.len() >= MIN_QUOTED && text.starts_with('"') && text.ends_with('"') {
        forms.push(text[1..text.len() - 1].to_owned());
    }
    forms.retain(|form| form != text && !form.is_empty());
    forms
}

/// PowerShell prints a failing command line in sections that end at an ampersand, and colours the character after
/// `&+` by itself.
fn ampersand_sections(text: &str) -> Vec<String> {
    let (before, after) = match (text.find("&+"), text.rfind('&')) {
        (Some(at), _) => {
            let rest = &text[at + 2..];
            let skip = rest.chars().next().map_or(0, char::len_utf8);
            (&text[..at + 2], &rest[skip..])
        }
        (None, Some(at)) => (&text[..=at], &text[at + 1..]),
        (None, None) => return Vec::new(),
    };
    [before, after].into_iter().filter(|part| part.len() >= MIN_SECTION).map(str::to_owned).collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word =
            group.iter().enumerate().fold(0_u32, |word, (i, &byte)| word | u32::from(byte) << (16 - 8 * i));
        for i in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn url(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// As `printf %q` writes it; newer shells put a backslash before commas too.
fn backslashed(text: &str, commas: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let special = " \t'\"\\|&;()<>!{}*[]?^$`".contains(character)
            || (commas && character == ',')
            || (at == 0 && "~#".contains(character));
        if special {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("~~?", "fn4/"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn shells_quote_in_four_ways() {
        let found = forms("it's, p@ss\"word<&1 x");
        for form in [
            r"it'\''s, p@ss",
            r#"it'"'"'s, p@ss"#,
            r#"it\'s,\ p@ss\"word\<\&1\ x"#,
            r#"it\'s\,\ p@ss\"word\<\&1\ x"#,
        ] {
            assert!(found.iter().any(|known| known.starts_with(form)), "{form} in {found:?}");
        }
        assert_eq!(backslashed("~a~b #c", false), r"\~a~b\ #c");
    }

    #[test]
    fn urls_keep_unreserved_characters() {
        assert_eq!(url("a-b é/"), "a-b%20%C3%A9%2F");
    }
}
