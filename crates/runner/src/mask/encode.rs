//! The forms in which programs print a secret that they were given.

/// Below this length a section of a secret is too likely to stand in the log by chance.
const MIN_SECTION: usize = 6;
/// Quotes around a secret are only dropped when enough is left.
const MIN_QUOTED: usize = 9;
/// Whole base64 groups are only masked when they say enough.
const MIN_BASE64: usize = 8;

/// What RFC 3986 leaves alone in a URL, beside letters and digits.
const UNRESERVED: &str = "-_.~";

/// All forms but the text itself, each once. The set is that of GitHub's runner, with the URL-safe base64 alphabet, base64 with
/// anything after it, the quoting of shells, and how the usual libraries write JSON, URLs and XML added.
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
    forms.extend(jsons(text));
    forms.extend(urls(text));
    forms.extend(xmls(text));
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
    forms.sort_unstable();
    forms.dedup();
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

/// The alphabet of RFC 4648, with `=` at the end.
pub(crate) fn base64(bytes: &[u8]) -> String {
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

/// The ways in which libraries write it in JSON: as it is, in ASCII with digits of either case, with `/` escaped (PHP), without
/// what means something in HTML (Go, PowerShell), and with quotes and signs as numbers (.NET).
fn jsons(text: &str) -> [String; 7] {
    let plain = json(text);
    let beyond = |c: char| !c.is_ascii();
    [
        numbered(&plain, beyond, false),
        numbered(&plain, beyond, true),
        numbered(&plain, beyond, false).replace('/', "\\/"),
        numbered(&plain, |c| "<>&".contains(c), false),
        numbered(&plain, |c| "<>&'".contains(c), false),
        numbered(&plain.replace("\\\"", "\""), |c| beyond(c) || "\"<>&'+`".contains(c), true),
        plain,
    ]
}

/// Writes some characters as `\u` and the hexadecimal digits of their UTF-16.
fn numbered(text: &str, is_written: impl Fn(char) -> bool, upper: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if !is_written(character) {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
        }
    }
    out
}

/// The ways in which libraries write it in URLs: as RFC 3986 says, with digits of either case, as a path, as a value of a form
/// (Python, browsers and Java), and as JavaScript's `encodeURIComponent`.
fn urls(text: &str) -> [String; 6] {
    let form = |kept| url(text, kept, true).replace("%20", "+");
    [
        url(text, UNRESERVED, true),
        url(text, UNRESERVED, false),
        url(text, "-_.~/", true),
        url(text, "-_.~!*'()", true),
        form(UNRESERVED),
        form("-_.*"),
    ]
}

/// With all escaped but letters, digits and what is kept; a `%` of the text is escaped too.
fn url(text: &str, kept: &str, upper: bool) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = if upper { write!(out, "%{byte:02X}") } else { write!(out, "%{byte:02x}") };
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

/// The ways in which libraries write it in XML and HTML: with both quotes by their names or numbers, with one, or with none.
fn xmls(text: &str) -> [String; 6] {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let quoted = |double: &str, single: &str| plain.replace('"', double).replace('\'', single);
    [
        quoted("&quot;", "&apos;"),
        quoted("&quot;", "&#39;"),
        quoted("&quot;", "&#x27;"),
        quoted("&#34;", "&#39;"),
        quoted("&quot;", "'"),
        plain,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What stands behind the escapes of a URL.
    fn unescaped(form: &str) -> String {
        let bytes = form.as_bytes();
        let (mut out, mut at) = (Vec::new(), 0);
        while let Some(&byte) = bytes.get(at) {
            let digits = form.get(at + 1..at + 3).filter(|_| byte == b'%');
            out.push(digits.map_or(byte, |digits| u8::from_str_radix(digits, 16).expect("two digits")));
            at += if digits.is_some() { 3 } else { 1 };
        }
        String::from_utf8(out).expect("text")
    }

    proptest! {
        #[test]
        fn every_form_says_the_same(text in "[ -~éß😀\\n\t]{0,24}") {
            for form in jsons(&text) {
                let back: String = serde_json::from_str(&format!("\"{form}\"")).expect("a text of JSON");
                prop_assert_eq!(&back, &text, "{}", form);
            }
            for (index, form) in urls(&text).into_iter().enumerate() {
                let plain = if index < 4 { form.clone() } else { form.replace('+', " ") };
                prop_assert_eq!(&unescaped(&plain), &text, "{}", form);
            }
            for form in xmls(&text) {
                let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'"), ("&#39;", "'")];
                let names = names.into_iter().chain([("&#x27;", "'"), ("&amp;", "&")]);
                let back = names.fold(form.clone(), |text, (name, sign)| text.replace(name, sign));
                prop_assert_eq!(&back, &text, "{}", form);
            }
        }
    }

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

    /// Whether this is among the forms of a secret that has something of all that anybody escapes.
    #[track_caller]
    fn check(form: &str) {
        let found = forms("p@ss w\"rd<&>1/é'(😀");
        assert!(found.iter().any(|known| known == form), "{form} in {found:#?}");
    }

    #[test]
    fn json_is_written_in_many_ways() {
        // Python's and Ruby's dumps, .NET's with and without its own encoder, PHP, Go, PowerShell.
        check(r#"p@ss w\"rd<&>1/é'(😀"#);
        check(r#"p@ss w\"rd<&>1/\u00e9'(\ud83d\ude00"#);
        check(r#"p@ss w\"rd<&>1/\u00E9'(\uD83D\uDE00"#);
        check(r"p@ss w\u0022rd\u003C\u0026\u003E1/\u00E9\u0027(\uD83D\uDE00");
        check(r#"p@ss w\"rd<&>1\/\u00e9'(\ud83d\ude00"#);
        check(r#"p@ss w\"rd\u003c\u0026\u003e1/é'(😀"#);
        check(r#"p@ss w\"rd\u003c\u0026\u003e1/é\u0027(😀"#);
    }

    #[test]
    fn urls_are_written_in_many_ways() {
        // RFC 3986, in upper and lower case, Python's quote and quote_plus, browsers and Java, encodeURIComponent.
        check("p%40ss%20w%22rd%3C%26%3E1%2F%C3%A9%27%28%F0%9F%98%80");
        check("p%40ss%20w%22rd%3c%26%3e1%2f%c3%a9%27%28%f0%9f%98%80");
        check("p%40ss%20w%22rd%3C%26%3E1/%C3%A9%27%28%F0%9F%98%80");
        check("p%40ss+w%22rd%3C%26%3E1%2F%C3%A9%27%28%F0%9F%98%80");
        check("p%40ss%20w%22rd%3C%26%3E1%2F%C3%A9'(%F0%9F%98%80");
        assert!(forms("a ~*").contains(&"a+%7E*".to_owned()));
        assert!(forms("100% +").contains(&"100%25+%2B".to_owned()));
    }

    #[test]
    fn xml_is_written_in_many_ways() {
        for (double, single) in [
            ("&quot;", "&apos;"),
            ("\"", "'"),
            ("&quot;", "'"),
            ("&quot;", "&#39;"),
            ("&quot;", "&#x27;"),
            ("&#34;", "&#39;"),
        ] {
            check(&format!("p@ss w{double}rd&lt;&amp;&gt;1/é{single}(😀"));
        }
    }

    #[test]
    fn a_plain_secret_has_no_form_twice_and_none_but_base64() {
        let found = forms("hunter2-hunter2");
        assert!(found.windows(2).all(|pair| pair[0] != pair[1]), "{found:?}");
        // Three places in a group of three bytes, whole and to the last whole group, some of which are the same.
        assert!(found.len() <= 6 && found.iter().all(|form| !form.contains("hunter")), "{found:?}");
    }
}
