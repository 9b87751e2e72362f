//! The files that describe problem matchers, and what is wrong with them.

use super::pattern::{PatternError, Regexp};
use serde_json::{Map, Value};
use std::fmt;

/// A larger file is not a problem matcher.
pub(crate) const MAX_FILE: u64 = 1024 * 1024;

/// A matcher as its file describes it.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The name under which it is replaced and removed, compared without regard to case.
    pub(crate) owner: String,
    /// The severity of a match that names none.
    pub(crate) severity: Option<String>,
    /// The project file of a match that names none.
    pub(crate) from_path: Option<String>,
    /// The patterns of consecutive lines; at least one.
    pub(crate) patterns: Vec<Pattern>,
}

/// The pattern of one line.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// What the line looks like.
    pub(crate) regexp: Regexp,
    /// Which group holds which property.
    pub(crate) groups: [Option<usize>; Property::ALL.len()],
    /// Whether further lines may match it too, each a problem of its own.
    pub(crate) repeats: bool,
}

/// What a pattern can take from a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    File,
    Line,
    Column,
    Severity,
    Code,
    Message,
    FromPath,
}

impl Property {
    /// All, in the order in which they are stored.
    pub(crate) const ALL: [Property; 7] = [
        Property::File,
        Property::Line,
        Property::Column,
        Property::Severity,
        Property::Code,
        Property::Message,
        Property::FromPath,
    ];

    /// The key in the file.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Property::File => "file",
            Property::Line => "line",
            Property::Column => "column",
            Property::Severity => "severity",
            Property::Code => "code",
            Property::Message => "message",
            Property::FromPath => "fromPath",
        }
    }
}

/// What is wrong with a file of matchers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The file cannot be used, on GitHub as well: a sentence.
    File(String),
    /// The matcher of this owner has a pattern that works on GitHub and not here: a sentence.
    Matcher { owner: String, why: String },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::File(text) => f.write_str(text),
            Wrong::Matcher { why, .. } => f.write_str(why),
        }
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::File(text.into()))
}

/// What a file has.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) matchers: Vec<Config>,
    /// The owners of those that work on GitHub and not here, each with a sentence that says why.
    pub(crate) left_out: Vec<(String, String)>,
}

impl File {
    fn has(&self, owner: &str) -> bool {
        let owners = self.matchers.iter().map(|known| &known.owner);
        owners
            .chain(self.left_out.iter().map(|(known, _)| known))
            .any(|known| known.eq_ignore_ascii_case(owner))
    }
}

/// Reads the text of a file: JSON in which, as in GitHub's runner, comments and trailing commas are let pass. Keys that
/// other tools put there are ignored. One matcher that is wrong makes the file useless, as on GitHub; one that only GitHub can
/// use is left out.
pub(crate) fn parse(text: &str) -> Result<File, Wrong> {
    let text = relaxed(text.strip_prefix('\u{feff}').unwrap_or(text));
    let value: Value =
        serde_json::from_str(&text).map_err(|error| Wrong::File(format!("it is not JSON: {error}")))?;
    let Some(list) = field(value.as_object(), "problemMatcher") else { return Ok(File::default()) };
    let Some(list) = list.as_array() else { return wrong("'problemMatcher' must be a list") };
    let mut found = File::default();
    for one in list {
        let read = matcher(one);
        let owner = match &read {
            Ok(matcher) => &matcher.owner,
            Err(Wrong::Matcher { owner, .. }) => owner,
            Err(Wrong::File(_)) => return read.map(|_| found),
        };
        if found.has(owner) {
            return wrong(format!("Duplicate owner name '{owner}'"));
        }
        match read {
            Ok(matcher) => found.matchers.push(matcher),
            Err(Wrong::Matcher { owner, why }) => found.left_out.push((owner, why)),
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

/// The owners in a file whose matchers are to be removed.
pub(crate) fn owners(text: &str) -> Result<Vec<String>, Wrong> {
    let found = parse(text)?;
    let left_out = found.left_out.into_iter().map(|(owner, _)| owner);
    Ok(found.matchers.into_iter().map(|matcher| matcher.owner).chain(left_out).collect())
}

/// One matcher.
pub(crate) fn matcher(value: &Value) -> Result<Config, Wrong> {
    let Some(object) = value.as_object() else { return wrong("a matcher must be an object") };
    let owner = text(object, "owner")?.unwrap_or_default();
    if owner.is_empty() {
        return wrong("Owner must not be empty");
    }
    let severity = text(object, "severity")?.filter(|severity| !severity.is_empty());
    if let Some(severity) = &severity
        && !["error", "warning", "notice"].contains(&severity.to_ascii_lowercase().as_str())
    {
        return wrong(format!(
            "the severity of '{owner}' must be error, warning or notice, and is '{severity}'"
        ));
    }
    let from_path = text(object, "fromPath")?;
    let list = match field(Some(object), "pattern") {
        Some(Value::Array(list)) if !list.is_empty() => list,
        None | Some(Value::Null | Value::Array(_)) => {
            return wrong(format!("Matcher with owner '{owner}' does not contain any patterns"));
        }
        Some(_) => return wrong(format!("'pattern' of '{owner}' must be a list")),
    };
    let mut patterns: Vec<Pattern> = Vec::with_capacity(list.len());
    for (number, one) in list.iter().enumerate() {
        let last = number + 1 == list.len();
        patterns.push(pattern(one, &owner, number == 0, last, &patterns)?);
    }
    let message = Property::Message as usize;
    if patterns.iter().all(|pattern| pattern.groups[message].is_none()) {
        return wrong("At least one pattern must set 'message'");
    }
    Ok(Config { owner, severity, from_path, patterns })
}

fn pattern(
    value: &Value,
    owner: &str,
    first: bool,
    last: bool,
    before: &[Pattern],
) -> Result<Pattern, Wrong> {
    let Some(object) = value.as_object() else { return wrong("a pattern must be an object") };
    let repeats = match field(Some(object), "loop") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(other) => return wrong(format!("'loop' must be true or false, and is {other}")),
    };
    if repeats && (first || !last) {
        return wrong("Only the last pattern in a multiline matcher may set 'loop'");
    }
    let mut groups = [None; Property::ALL.len()];
    let message = number(object, Property::Message.key())?;
    if repeats && message.is_none() {
        return wrong("The loop pattern must set 'message'");
    }
    let regexp = Regexp::new(&text(object, "regexp")?.unwrap_or_default()).map_err(|error| match error {
        PatternError::Invalid(why) => Wrong::File(why),
        PatternError::Beyond(why) => Wrong::Matcher { owner: owner.to_owned(), why },
    })?;
    for property in Property::ALL {
        let key = property.key();
        let Some(group) = number(object, key)? else { continue };
        if before.iter().any(|pattern| pattern.groups[property as usize].is_some()) {
            return wrong(format!("The property '{key}' is set twice"));
        }
        match usize::try_from(group) {
            Ok(group) if group < regexp.groups() => groups[property as usize] = Some(group),
            Ok(_) | Err(_) => {
                return wrong(format!("The property '{key}' is set to {group} which is out of range"));
            }
        }
    }
    Ok(Pattern { regexp, groups, repeats })
}

/// A field whose name is compared without regard to case, as GitHub's runner reads JSON.
fn field<'a>(object: Option<&'a Map<String, Value>>, key: &str) -> Option<&'a Value> {
    let object = object?;
    object
        .get(key)
        .or_else(|| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value))
}

fn text(object: &Map<String, Value>, key: &str) -> Result<Option<String>, Wrong> {
    match field(Some(object), key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => wrong(format!("'{key}' must be a text, and is {other}")),
    }
}

fn number(object: &Map<String, Value>, key: &str) -> Result<Option<i64>, Wrong> {
    let value = match field(Some(object), key) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    match number {
        Some(number) => Ok(Some(number)),
        None => wrong(format!("'{key}' must be the number of a group, and is {value}")),
    }
}

/// The text without comments and without commas before a closing bracket.
fn relaxed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Where a comma stands that nothing but blanks follow so far.
    let mut comma: Option<usize> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            ('"', _) => {
                comma = None;
                out.push('"');
                let mut escaped = false;
                for character in rest.by_ref() {
                    out.push(character);
                    match character {
                        _ if escaped => escaped = false,
                        '\\' => escaped = true,
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => {
                for character in rest.by_ref() {
                    if character == '\n' {
                        out.push('\n');
                        break;
                    }
                }
            }
            ('/', Some('*')) => {
                rest.next();
                let mut star = false;
                for character in rest.by_ref() {
                    if star && character == '/' {
                        break;
                    }
                    star = character == '*';
                }
                out.push(' ');
            }
            (',', _) => {
                comma = Some(out.len());
                out.push(',');
            }
            (']' | '}', _) => {
                if let Some(at) = comma.take() {
                    out.replace_range(at..=at, " ");
                }
                out.push(character);
            }
            _ => {
                if !character.is_whitespace() {
                    comma = None;
                }
                out.push(character);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn reads_what_people_write() {
        let found = parse(
            "\u{feff}{ // a comment\n \"problemMatcher\": [ /* another */ {\"owner\": \"a\", \"severity\": \"Warning\",\n\
             \"pattern\": [{\"regexp\": \"^(.+), \\\"]// (.+)$\", \"file\": \"1\", \"message\": 2,},],},],}",
        )
        .expect("a matcher");
        assert_eq!(found.matchers[0].owner, "a");
        assert_eq!(found.matchers[0].patterns[0].groups[Property::File as usize], Some(1));
        assert!(parse("{}").expect("none").matchers.is_empty());
    }

    #[test]
    fn a_matcher_that_only_github_can_use_is_left_out_alone() {
        let one = |owner: &str, regexp: &str| serde_json::json!({"owner": owner, "pattern": [{"regexp": regexp, "message": 0}]});
        let file = |list: &[Value]| parse(&serde_json::json!({"problemMatcher": list}).to_string());
        let found = file(&[one("a", "x"), one("b", "(?<n-m>x)"), one("c", "[a-z-[b]]")]).expect("matchers");
        let owners: Vec<&str> = found.matchers.iter().map(|one| one.owner.as_str()).collect();
        assert_eq!(owners, ["a", "c"]);
        assert_eq!(
            found.left_out,
            [(
                "b".to_owned(),
                "the pattern \"(?<n-m>x)\" has what is not known here: a balancing group".to_owned()
            )]
        );
        assert!(
            file(&[one("b", "(?<n-m>x)"), one("B", "x")])
                .expect_err("twice")
                .to_string()
                .contains("Duplicate")
        );
        // What .NET refuses as well costs the whole file, as on GitHub.
        assert!(matches!(file(&[one("a", "x"), one("b", "x++")]), Err(Wrong::File(_))));
        let both = serde_json::json!({"problemMatcher": [one("b", "(?<n-m>x)"), one("a", "x")]}).to_string();
        assert_eq!(owners_sorted(&both), ["a", "b"]);
    }

    fn owners_sorted(text: &str) -> Vec<String> {
        let mut owners = owners(text).expect("owners");
        owners.sort();
        owners
    }

    #[test]
    fn says_what_is_wrong() {
        let one = |pattern: &str| {
            refusal(&format!(r#"{{"problemMatcher": [{{"owner": "a", "pattern": [{pattern}]}}]}}"#))
        };
        assert!(refusal("nonsense").starts_with("it is not JSON"));
        assert!(one(r#"{"regexp": "(", "message": 1}"#).contains("the pattern \"(\""));
        assert!(one(r#"{"regexp": "(.)", "message": "x"}"#).contains("must be the number of a group"));
        assert!(
            refusal(r#"{"problemMatcher": [{"owner": "a", "severity": "bad"}]}"#)
                .contains("error, warning or notice")
        );
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]{},:/*\"a\\\\ \n]{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn valid_json_stays_what_it_is(texts in prop::collection::vec("[a,\\]}/*\"\\\\ ]{0,8}", 0..5)) {
            let json = serde_json::json!({"k": texts}).to_string();
            prop_assert_eq!(relaxed(&json), json);
        }
    }
}
