//! Arguments of templates: their values, and `{{args.name}}` filled in.

use super::UNSUPPORTED;
use crate::fields::Fields;
use shipway_base::{
    Diagnostic, Diagnostics, Source, Span, Spanned,
    yaml::{Node, Scalar, ScalarKind, Value},
};

/// An argument is missing, given twice, or cannot be filled in.
pub(crate) const ARGUMENT: &str = "SW0405";

/// A named value that metrics refer to as `{{args.name}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: Spanned<String>,
    /// Its value; `None`: whoever uses the template must give it.
    pub value: Option<String>,
}

impl Argument {
    /// Reads one item of `args`.
    pub fn parse(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<Argument> {
        let fields = Fields::open(node, "an argument", &["name", "value", "valueFrom"], source, found)?;
        if let Some(other) = fields.get("valueFrom") {
            let message = "arguments from secrets and fields (`valueFrom`) are not supported yet";
            found.push(
                Diagnostic::error(UNSUPPORTED, source, other.span, message).with_help("give a `value`"),
            );
        }
        let value = fields.text("value", found).map(|value| value.value);
        fields.required("name", found);
        Some(Argument { name: fields.text("name", found)?, value })
    }

    /// An argument that does not come from a document.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Argument {
        Argument { name: Spanned::new(name.into(), Span::START), value: Some(value.into()) }
    }
}

/// The template's arguments with the given values put over them. Given arguments that the template does not declare
/// are left out, as Argo does.
pub(crate) fn merged(declared: &[Argument], given: &[Argument]) -> Vec<Argument> {
    let over = |argument: &Argument| {
        let value = given
            .iter()
            .find(|other| other.name.value == argument.name.value)
            .and_then(|other| other.value.clone());
        Argument { name: argument.name.clone(), value: value.or_else(|| argument.value.clone()) }
    };
    declared.iter().map(over).collect()
}

/// Refuses two arguments of the same name.
pub(crate) fn refuse_repeated(args: &[Argument], source: &Source, found: &mut Diagnostics) {
    for (index, argument) in args.iter().enumerate() {
        if args[..index].iter().any(|other| other.name.value == argument.name.value) {
            let message = format!("the argument `{}` is declared twice", argument.name.value);
            found.push(Diagnostic::error(ARGUMENT, source, argument.name.span, message));
        }
    }
}

/// A copy of the tree with every `{{args.name}}` replaced by its value. Texts that change become plain strings or
/// numbers again by their readers, which take both.
pub(crate) fn fill(node: &Node, args: &[Argument], source: &Source) -> Result<Node, Diagnostics> {
    let mut found = Diagnostics::new();
    let filled = fill_node(node, args, source, &mut found);
    if found.has_errors() { Err(found) } else { Ok(filled) }
}

fn fill_node(node: &Node, args: &[Argument], source: &Source, found: &mut Diagnostics) -> Node {
    let value = match &node.value {
        Value::Scalar(scalar) if scalar.text.contains("{{") => match fill_text(&scalar.text, args) {
            Ok(text) => Value::Scalar(Scalar { text, kind: ScalarKind::String, plain: false }),
            Err(name) => {
                let (message, help) = unresolved(&name, args);
                found.push(Diagnostic::error(ARGUMENT, source, node.span, message).with_help(help));
                node.value.clone()
            }
        },
        Value::Scalar(_) => node.value.clone(),
        Value::Sequence(items) => {
            Value::Sequence(items.iter().map(|item| fill_node(item, args, source, found)).collect())
        }
        Value::Mapping(pairs) => Value::Mapping(
            pairs.iter().map(|(key, value)| (key.clone(), fill_node(value, args, source, found))).collect(),
        ),
    };
    Node { value, span: node.span }
}

fn unresolved(name: &str, args: &[Argument]) -> (String, String) {
    match name.strip_prefix("args.") {
        Some(plain) if args.iter().any(|argument| argument.name.value == plain) => {
            (format!("the argument `{plain}` has no value"), "give it where the template is used".to_owned())
        }
        Some(plain) => (format!("there is no argument `{plain}`"), "declare it under `args`".to_owned()),
        None => (
            format!("`{{{{{name}}}}}` cannot be filled in"),
            "only `{{args.<name>}}` can stand in double braces".to_owned(),
        ),
    }
}

/// Replaces each `{{args.name}}`; the error is what stood in braces and has no value. Braces that are never closed
/// are text.
fn fill_text(text: &str, args: &[Argument]) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((tag, behind)) = after.split_once("}}") else { break };
        out.push_str(before);
        let tag = tag.trim();
        let value = tag
            .strip_prefix("args.")
            .and_then(|name| args.iter().find(|argument| argument.name.value == name))
            .and_then(|argument| argument.value.as_deref());
        out.push_str(value.ok_or_else(|| tag.to_owned())?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        let args = [Argument::new("a", "1"), Argument::new("b-c", "{{args.a}}")];
        let got = fill_text(text, &args);
        assert_eq!(got.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn fills_in_values_once() {
        check("x {{args.a}} y {{ args.a }}", Ok("x 1 y 1"));
        check("{{args.b-c}}", Ok("{{args.a}}"));
        check("{{args.d}}", Err("args.d"));
        check("{{other}}", Err("other"));
        check("{{ open", Ok("{{ open"));
    }
}
