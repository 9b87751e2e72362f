//! Workflow commands in a line of output: `::name key=value,key=value::data` and the old `##[name key=value;]data`.

/// A command as written in a line. Whether its name means anything is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The name.
    pub(crate) name: String,
    /// The properties in the order of the line; those with an empty value are left out.
    pub(crate) properties: Vec<(String, String)>,
    /// What follows.
    pub(crate) data: String,
}

impl Command {
    /// The form with colons; it must begin the line, blanks aside.
    pub(crate) fn parse_colon(line: &str) -> Option<Command> {
        let rest = line.trim_start().strip_prefix("::")?;
        let (head, data) = rest.split_once("::")?;
        let (name, properties) = split_head(head, ',', &COLON_PROPERTY)?;
        Some(Command { name, properties, data: unescape(data, &COLON_DATA) })
    }

    /// The form with a hash; it may stand anywhere in the line.
    pub(crate) fn parse_hash(line: &str) -> Option<Command> {
        let (_, rest) = line.split_once("##[")?;
        let (head, data) = rest.split_once(']')?;
        let (name, properties) = split_head(head, ';', &HASH)?;
        Some(Command { name, properties, data: unescape(data, &HASH) })
    }

    /// A property, its name compared without regard to case.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

type Escapes = [(&'static str, &'static str)];

const COLON_DATA: [(&str, &str); 3] = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")];
const COLON_PROPERTY: [(&str, &str); 5] =
    [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];
const HASH: [(&str, &str); 5] = [("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%")];

fn split_head(head: &str, separator: char, escapes: &Escapes) -> Option<(String, Vec<(String, String)>)> {
    let (name, rest) = head.split_once(' ').unwrap_or((head, ""));
    if name.is_empty() {
        return None;
    }
    let properties = rest
        .trim()
        .split(separator)
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), unescape(value, escapes)))
        .filter(|(key, value)| !key.is_empty() && !value.is_empty())
        .collect();
    Some((name.to_owned(), properties))
}

/// One pass from left to right, so that an escaped percent sign never becomes part of another escape.
fn unescape(text: &str, escapes: &Escapes) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match escapes.iter().find(|(escaped, _)| rest.starts_with(escaped)) {
            Some((escaped, plain)) => {
                out.push_str(plain);
                rest = &rest[escaped.len()..];
            }
            None => {
                out.push('%');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A line as a command in either form.
    fn read(line: &str) -> Option<Command> {
        Command::parse_colon(line).or_else(|| Command::parse_hash(line))
    }

    fn check(line: &str, name: &str, properties: &[(&str, &str)], data: &str) {
        let expect = Command {
            name: name.to_owned(),
            properties: properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            data: data.to_owned(),
        };
        assert_eq!(read(line), Some(expect), "{line}");
    }

    #[test]
    fn reads_both_forms() {
        check(
            "::error file=a.rs,line=3::no %25 a%0Ab",
            "error",
            &[("file", "a.rs"), ("line", "3")],
            "no % a\nb",
        );
        check("  ::group::Build", "group", &[], "Build");
        check("x ##[warning file=a%3Bb;]careful", "warning", &[("file", "a;b")], "careful");
        check("::set-output name=a,b=::c::d", "set-output", &[("name", "a")], "c::d");
    }

    #[test]
    fn other_lines_are_not_commands() {
        for line in ["", "::", "::::", ":: ::x", "plain", "a ::b::c", "##[", "##[]x", "std::vec::Vec"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    fn escape(text: &str, escapes: &Escapes) -> String {
        escapes.iter().rev().fold(text.to_owned(), |text, (escaped, plain)| text.replace(plain, escaped))
    }

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(value in "[a%0-9A-F:,;\\]\\r\\n]{1,12}", data in "[a%0-9A-F:,;\\r\\n]{0,12}") {
            let line = format!("::x k={}::{}", escape(&value, &COLON_PROPERTY), escape(&data, &COLON_DATA));
            let command = read(&line).expect("a command");
            prop_assert_eq!(command.property("K"), Some(value.as_str()));
            prop_assert_eq!(command.data, data);
        }

        #[test]
        fn never_panics(line in "[:#\\[\\]%;,= a-c\u{e9}]{0,30}") {
            let _ = read(&line);
        }
    }
}
