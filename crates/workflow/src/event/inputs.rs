//! Inputs of `workflow_dispatch`, and what is given for them and for those of `workflow_call`.

use super::{CallInputKind, Event};
use crate::{
    document::{DispatchInput, InputKind, Maybe, Reader, Workflow, scalar_value},
    expr::{Object, Value},
};
use shipway_base::{Diagnostic, Diagnostics, Span, Spanned, yaml, yaml::Node};
use std::collections::BTreeMap;

/// GitHub's limit on the inputs of one workflow.
const MOST: usize = 25;

/// GitHub's limit on what is given for them, in characters of its JSON.
const MOST_GIVEN: usize = 65_535;

const KEYS: &[&str] = &["description", "required", "default", "type", "options", "deprecationMessage"];

pub(super) fn read_dispatch(reader: &mut Reader<'_>, node: &Node) -> Vec<DispatchInput> {
    let Some(mapping) = reader.optional_mapping(node, "inputs") else { return Vec::new() };
    if mapping.len() > MOST {
        let message = format!("a workflow may have {MOST} inputs, and this one has {}", mapping.len());
        reader.error("SW0104", node.span, message);
    }
    mapping.iter().map(|(name, value)| dispatch_input(reader, name, value)).collect()
}

fn dispatch_input(reader: &mut Reader<'_>, name: &Spanned<String>, node: &Node) -> DispatchInput {
    let mut input = DispatchInput {
        name: name.clone(),
        description: None,
        required: false,
        default: None,
        kind: InputKind::String,
    };
    let place = format!("the input {:?}", name.value);
    let Some(mapping) = reader.optional_mapping(node, &place) else { return input };
    let (mut kind, mut options, mut default) = (None, None, None);
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "description" => input.description = reader.literal(value, "description").map(|text| text.value),
            "deprecationMessage" => {
                reader.literal(value, "deprecationMessage");
            }
            "required" => input.required = reader.boolean(value, "required").unwrap_or(false),
            "default" => default = Some(value),
            "type" => kind = reader.name(value, "type"),
            "options" => options = Some((value.span, reader.names(value, "options"))),
            _ => reader.idle_key(key, &place, KEYS),
        }
    }
    let words = options.as_ref().map(|(_, words)| words.iter().map(|word| word.value.clone()).collect());
    input.kind = match kind.as_ref().map_or("string", |kind| kind.value.as_str()) {
        "string" => InputKind::String,
        "boolean" => InputKind::Boolean,
        "number" => InputKind::Number,
        "environment" => InputKind::Environment,
        "choice" => {
            if options.is_none() {
                reader.missing(node.span, &place, "options");
            }
            InputKind::Choice(words.unwrap_or_default())
        }
        unknown => {
            // As on GitHub, which reads the types of this event alone without a list of them.
            let message = format!("{place} cannot have the type {unknown:?} and is taken as a string");
            let span = kind.as_ref().map_or(node.span, |kind| kind.span);
            let help = "use string, boolean, number, choice or environment";
            reader.warn("SW0104", span, message, help);
            InputKind::String
        }
    };
    if let Some((span, _)) = options.filter(|_| !matches!(input.kind, InputKind::Choice(_))) {
        reader.error("SW0110", span, "`options` belongs to an input of the type choice");
    }
    input.default = default.and_then(|node| default_value(reader, &input, node));
    input
}

/// The default, whose text must be one that can be given. GitHub takes `'true'` for a boolean and `3` for a text; what is written as
/// another type is a finding of lint.
fn default_value(reader: &mut Reader<'_>, input: &DispatchInput, node: &Node) -> Option<Spanned<String>> {
    let fits = match scalar_value(node) {
        None => false,
        Some(Value::Null) => return None,
        Some(value) => typed(input, Some(&value.to_text())).is_ok(),
    };
    if !fits {
        let message = format!("this default does not fit the type of the input {:?}", input.name.value);
        let help = match &input.kind {
            InputKind::Boolean => "write true or false".to_owned(),
            InputKind::Number => "write a number".to_owned(),
            InputKind::String | InputKind::Environment => "write a text".to_owned(),
            InputKind::Choice(options) => format!("the options are: {}", options.join(", ")),
        };
        reader.error_with_help("SW0103", node.span, message, help);
        return None;
    }
    reader.literal(node, "default")
}

/// Why nothing is started with what is given for the inputs of `workflow_dispatch`, whatever the workflow declares: more than GitHub
/// takes. It is for whoever asks for a run; one that was made keeps its inputs.
pub fn too_large(given: &BTreeMap<String, String>) -> Option<String> {
    if given.len() > MOST {
        return Some(format!("{} inputs are given, and GitHub takes at most {MOST}", given.len()));
    }
    // A lower bound, so that what is far too large is not written out.
    let bytes: usize = given.iter().map(|(name, text)| name.len() + text.len()).sum();
    let json = || serde_json::Value::from_iter(given.clone()).to_string().chars().count();
    let count = if bytes > MOST_GIVEN * 4 { bytes / 4 } else { json() };
    let about = if bytes > MOST_GIVEN * 4 { "more than " } else { "" };
    (count > MOST_GIVEN).then(|| {
        format!("the inputs are too large: as JSON they have {about}{count} characters, and GitHub takes at most {MOST_GIVEN}")
    })
}

/// The `inputs` context: what was given, checked and typed, with defaults for the rest. Empty for other events than
/// `workflow_dispatch`, and `workflow_call` for a workflow that is started as if it was called; defaults that are expressions are
/// left out then, since what they may name is not known yet.
///
/// # Errors
/// SW0115 for each input that is unknown, missing or does not fit its type.
pub(crate) fn resolve(
    workflow: &Workflow,
    event: &Event,
    given: &BTreeMap<String, String>,
) -> Result<Value, Diagnostics> {
    let trigger = workflow.on.iter().find(|trigger| trigger.event.value == event.name);
    let by_hand = trigger.map_or(&[][..], |trigger| &trigger.inputs);
    let called = trigger.and_then(|trigger| trigger.call.as_deref()).map_or(&[][..], |call| &call.inputs);
    let names = || by_hand.iter().map(|input| &input.name).chain(called.iter().map(|input| &input.name));
    let mut found = Diagnostics::new();
    for name in given.keys() {
        if names().any(|known| known.value.eq_ignore_ascii_case(name)) {
            continue;
        }
        let span = trigger.map_or(Span::START, |trigger| trigger.span);
        let message = format!("this workflow has no input {name:?}");
        let error = Diagnostic::error("SW0115", &workflow.source, span, message);
        let known: Vec<&str> = names().map(|name| name.value.as_str()).collect();
        found.push(match yaml::closest(name, known.iter().copied()) {
            Some(close) => error.with_help(format!("did you mean {close:?}?")),
            None if known.is_empty() => error.with_help(format!("for {} it declares no inputs", event.name)),
            None => error.with_help(format!("its inputs: {}", known.join(", "))),
        });
    }
    let text = |name: &Spanned<String>| {
        let found = given.iter().find(|(given, _)| name.value.eq_ignore_ascii_case(given));
        found.map(|(_, text)| text.as_str())
    };
    let mut values = Object::new();
    let mut take = |name: &Spanned<String>, value: Result<Value, String>| match value {
        Ok(value) => values.insert(name.value.as_str(), value),
        Err(message) => found.push(Diagnostic::error("SW0115", &workflow.source, name.span, message)),
    };
    for input in by_hand {
        take(&input.name, typed(input, text(&input.name)));
    }
    for input in called {
        let name = &input.name.value;
        let value = match (text(&input.name), &input.default) {
            (Some(text), _) => of_text(name, &input.kind.into(), text),
            (None, Some(Maybe::Literal(default))) => Ok(default.value.clone()),
            (None, Some(Maybe::Expression(_))) => continue,
            (None, None) if input.required => Err(missing(name)),
            (None, None) => Ok(input.kind.empty()),
        };
        take(&input.name, value);
    }
    if found.has_errors() { Err(found) } else { Ok(values.into()) }
}

impl From<CallInputKind> for InputKind {
    fn from(kind: CallInputKind) -> InputKind {
        match kind {
            CallInputKind::String => InputKind::String,
            CallInputKind::Boolean => InputKind::Boolean,
            CallInputKind::Number => InputKind::Number,
        }
    }
}

fn typed(input: &DispatchInput, given: Option<&str>) -> Result<Value, String> {
    let name = &input.name.value;
    let default = input.default.as_ref().map(|default| default.value.as_str());
    match given.or(default) {
        Some(text) => of_text(name, &input.kind, text),
        None if input.required => Err(missing(name)),
        None => Ok(match &input.kind {
            InputKind::String | InputKind::Environment => "".into(),
            InputKind::Boolean => false.into(),
            // As GitHub documents for `workflow_call`.
            InputKind::Number => 0.0.into(),
            InputKind::Choice(options) => options.first().map_or("", String::as_str).into(),
        }),
    }
}

fn missing(name: &str) -> String {
    format!("the input {name:?} is required and was not given")
}

fn of_text(name: &str, kind: &InputKind, text: &str) -> Result<Value, String> {
    match kind {
        InputKind::String | InputKind::Environment => Ok(text.into()),
        InputKind::Boolean => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(format!("the input {name:?} is a boolean; {text:?} is neither true nor false")),
        },
        InputKind::Number => match Value::from(text).to_number() {
            number if number.is_nan() => Err(format!("the input {name:?} is a number; {text:?} is none")),
            number => Ok(number.into()),
        },
        InputKind::Choice(options) if options.iter().any(|option| option == text) => Ok(text.into()),
        InputKind::Choice(options) => {
            Err(format!("the input {name:?} cannot be {text:?}; the options are: {}", options.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("a".to_owned(), text.to_owned())])
    }

    #[test]
    fn what_is_given_has_githubs_limits() {
        // {"a":""} has 8 characters.
        let most = MOST_GIVEN - 8;
        for (text, expect) in [
            ("x".repeat(most), None),
            ("ä".repeat(most), None),
            ("x".repeat(most + 1), Some("65536 characters")),
            // A line end takes two.
            ("\n".repeat(most / 2), None),
            ("\n".repeat(most / 2 + 1), Some("characters")),
            ("\u{1f600}".repeat(MOST_GIVEN * 2), Some("more than 131070 characters")),
        ] {
            let found = too_large(&given(&text));
            assert_eq!(found.is_some(), expect.is_some(), "{found:?}");
            let found = found.unwrap_or_default();
            assert!(found.contains(expect.unwrap_or_default()), "{found}");
        }
        let many = |count: usize| (0..count).map(|number| (number.to_string(), String::new())).collect();
        assert_eq!(too_large(&many(25)), None);
        assert_eq!(too_large(&many(26)).as_deref(), Some("26 inputs are given, and GitHub takes at most 25"));
    }
}
