//! The built-in functions that depend on nothing but their arguments.

use super::{ExprError, ExprErrorKind, Value, eval::Budget, fold, json, newtonsoft};
use std::sync::Arc;

/// Calls a built-in function by its canonical name; none when it is not one of these.
pub(super) fn call(name: &str, arguments: &[Value], budget: &mut Budget) -> Option<Result<Value, ExprError>> {
    Some(match (name, arguments) {
        ("contains", [search, item]) => Ok(Value::Bool(contains(search, item))),
        ("startsWith", [text, part]) => Ok(Value::Bool(both_text(text, part, fold::starts_with))),
        ("endsWith", [text, part]) => Ok(Value::Bool(both_text(text, part, fold::ends_with))),
        ("format", [pattern, rest @ ..]) => format(&pattern.to_text(), rest, budget),
        ("join", [items, rest @ ..]) => join(items, rest.first(), budget),
        ("toJSON", [value]) => to_json(value, budget),
        ("fromJSON", [text]) => from_json(&text.to_text(), budget),
        _ => return None,
    })
}

fn contains(search: &Value, item: &Value) -> bool {
    match search {
        Value::Array(items) => items.iter().any(|found| found.loosely_equals(item)),
        Value::Object(_) => false,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            both_text(search, item, fold::contains)
        }
    }
}

fn both_text(text: &Value, part: &Value, holds: fn(&str, &str) -> bool) -> bool {
    text.is_primitive() && part.is_primitive() && holds(&text.to_text(), &part.to_text())
}

fn join(items: &Value, separator: Option<&Value>, budget: &mut Budget) -> Result<Value, ExprError> {
    let separator = match separator {
        Some(given) if given.is_primitive() => given.to_text(),
        Some(_) | None => Arc::from(","),
    };
    let mut out = String::new();
    match items {
        Value::Object(_) => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => out.push_str(&items.to_text()),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let text = item.to_text();
                let between = if i > 0 { &*separator } else { "" };
                push(&mut out, between, budget)?;
                push(&mut out, &text, budget)?;
            }
        }
    }
    Ok(out.into())
}

fn to_json(value: &Value, budget: &mut Budget) -> Result<Value, ExprError> {
    let mut out = String::new();
    json::write(value, 0, &mut out);
    budget.spend_text(&out)?;
    Ok(out.into())
}

fn from_json(text: &str, budget: &mut Budget) -> Result<Value, ExprError> {
    budget.spend_text(text)?;
    newtonsoft::read(text).map_err(|error| {
        let message = match text.trim().is_empty() {
            true => "fromJSON was given an empty text, which is not JSON".to_owned(),
            false => format!("fromJSON was given a text that is not JSON: {error}"),
        };
        ExprError::new(ExprErrorKind::Evaluation, message)
    })
}

/// `{0}` stands for the first argument after the pattern; `{{` and `}}` for single braces.
fn format(pattern: &str, arguments: &[Value], budget: &mut Budget) -> Result<Value, ExprError> {
    let refused = |what: &str| ExprError::new(ExprErrorKind::Evaluation, format!("{what}: {pattern}"));
    let invalid = || refused("The following format string is invalid");
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, braces) = rest.split_at(at);
        push(&mut out, text, budget)?;
        if braces.starts_with("{{") || braces.starts_with("}}") {
            push(&mut out, &braces[..1], budget)?;
            rest = &braces[2..];
            continue;
        }
        let inner = braces.strip_prefix('{').ok_or_else(invalid)?;
        let (index, after) = inner.split_once('}').ok_or_else(invalid)?;
        if index.is_empty() || !index.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let index: usize = index.parse::<u8>().map_err(|_| invalid())?.into();
        let argument = arguments.get(index).ok_or_else(|| {
            refused("The following format string references more arguments than were supplied")
        })?;
        push(&mut out, &argument.to_text(), budget)?;
        rest = after;
    }
    push(&mut out, rest, budget)?;
    Ok(out.into())
}

fn push(out: &mut String, text: &str, budget: &mut Budget) -> Result<(), ExprError> {
    budget.spend_text(text)?;
    out.push_str(text);
    Ok(())
}
