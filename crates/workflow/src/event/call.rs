//! `on.workflow_call`: what a workflow takes and gives when another one calls it.

use crate::{
    document::{Maybe, Reader, scalar_value},
    expr::{self, Template, Value},
};
use shipway_base::{
    Spanned,
    yaml::{Mapping, Node},
};

/// `on.workflow_call`.
#[derive(Clone, Debug, Default)]
pub struct WorkflowCall {
    /// `inputs` in the order of the text.
    pub inputs: Vec<CallInput>,
    /// `secrets` in the order of the text.
    pub secrets: Vec<CallSecret>,
    /// `outputs` in the order of the text, evaluated when all jobs have ended.
    pub outputs: Vec<CallOutput>,
}

/// An entry of `inputs`.
#[derive(Clone, Debug)]
pub struct CallInput {
    /// The key; compared without case.
    pub name: Spanned<String>,
    /// `description`.
    pub description: Option<String>,
    /// `type`.
    pub kind: CallInputKind,
    /// `required`.
    pub required: bool,
    /// `default`; where absent, the empty text, `false` or 0 by kind.
    pub default: Option<Maybe<Value>>,
    /// `deprecationMessage`, shown when a caller gives the input.
    pub deprecation_message: Option<String>,
}

/// `type` of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallInputKind {
    /// `string`.
    String,
    /// `boolean`.
    Boolean,
    /// `number`.
    Number,
}

/// An entry of `secrets`.
#[derive(Clone, Debug)]
pub struct CallSecret {
    /// The key; compared without case.
    pub name: Spanned<String>,
    /// `description`.
    pub description: Option<String>,
    /// `required`.
    pub required: bool,
}

/// An entry of `outputs`.
#[derive(Clone, Debug)]
pub struct CallOutput {
    /// The key.
    pub name: Spanned<String>,
    /// `description`.
    pub description: Option<String>,
    /// `value`.
    pub value: Template,
}

impl CallInputKind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            CallInputKind::String => "string",
            CallInputKind::Boolean => "boolean",
            CallInputKind::Number => "number",
        }
    }

    /// Whether a value is of this kind.
    pub fn fits(self, value: &Value) -> bool {
        match self {
            CallInputKind::String => value.as_str().is_some(),
            CallInputKind::Boolean => value.as_bool().is_some(),
            CallInputKind::Number => value.as_number().is_some(),
        }
    }

    /// What an input is that nobody gives and that has no default.
    pub fn empty(self) -> Value {
        match self {
            CallInputKind::String => "".into(),
            CallInputKind::Boolean => false.into(),
            CallInputKind::Number => 0.0.into(),
        }
    }

    const ALL: [CallInputKind; 3] = [CallInputKind::String, CallInputKind::Boolean, CallInputKind::Number];
}

/// Reads one of the keys of `workflow_call`.
pub(super) fn read(reader: &mut Reader<'_>, call: &mut WorkflowCall, key: &Spanned<String>, node: &Node) {
    let Some(mapping) = reader.mapping(node, &key.value) else { return };
    for (name, value) in mapping.iter() {
        if reader.special_key(name) {
            continue;
        }
        if name.value.is_empty() {
            reader.error("SW0103", name.span, format!("a key of {} must not be empty", key.value));
            continue;
        }
        let place = format!("{:?} of {}", name.value, key.value);
        match key.value.as_str() {
            "inputs" => call.inputs.extend(input(reader, name, value, &place)),
            "secrets" => call.secrets.extend(secret(reader, name, value, &place)),
            _ => call.outputs.extend(output(reader, name, value, &place)),
        }
    }
}

fn input(reader: &mut Reader<'_>, name: &Spanned<String>, node: &Node, place: &str) -> Option<CallInput> {
    const KNOWN: &[&str] = &["description", "type", "required", "default", "deprecationMessage"];
    let (mut description, mut deprecation_message, mut default, mut kind) = (None, None, None, None);
    let mut required = false;
    let mapping = reader.mapping(node, place)?;
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "description" => description = plain(reader, value, "description"),
            "deprecationMessage" => deprecation_message = plain(reader, value, "deprecationMessage"),
            "required" => required = reader.boolean(value, "required").unwrap_or(false),
            "default" => default = Some(value),
            "type" => {
                kind = CallInputKind::ALL.into_iter().find(|kind| value.as_text() == Some(kind.as_str()));
                if kind.is_none() {
                    let message = format!("the type of {place} must be one of: string, boolean, number");
                    reader.error("SW0104", value.span, message);
                }
            }
            _ => reader.unknown_key(key, place, KNOWN),
        }
    }
    needs(reader, mapping, node, place, "type");
    let kind = kind?;
    let default = default.and_then(|node| read_default(reader, node, kind, place));
    Some(CallInput { name: name.clone(), description, kind, required, default, deprecation_message })
}

/// A default: a literal of the input's kind, or an expression that is evaluated when the workflow is called.
fn read_default(
    reader: &mut Reader<'_>,
    node: &Node,
    kind: CallInputKind,
    place: &str,
) -> Option<Maybe<Value>> {
    let Some(value) = scalar_value(node) else {
        reader.wrong_kind(node, "default", "a string, number or boolean");
        return None;
    };
    if value.as_str().is_some_and(expr::has_expression) {
        return reader.template(node, "default", &expr::RUN_NAMES).map(Maybe::Expression);
    }
    if value == Value::Null {
        return None;
    }
    if kind == CallInputKind::String {
        // As on GitHub any scalar is text where text is wanted; nothing is turned into the other kinds.
        return Some(Maybe::Literal(Spanned::new(value.to_text().into(), node.span)));
    }
    if !kind.fits(&value) {
        let message = format!("this default of {place} is no {}", kind.as_str());
        let help = match kind == CallInputKind::Number {
            true => "write a number without quotes",
            false => "write true or false without quotes",
        };
        reader.error_with_help("SW0103", node.span, message, help);
        return None;
    }
    Some(Maybe::Literal(Spanned::new(value, node.span)))
}

fn secret(reader: &mut Reader<'_>, name: &Spanned<String>, node: &Node, place: &str) -> Option<CallSecret> {
    let mut secret = CallSecret { name: name.clone(), description: None, required: false };
    let mapping = match node.is_null() {
        true => return Some(secret),
        false => reader.mapping(node, place)?,
    };
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "description" => secret.description = plain(reader, value, "description"),
            "required" => secret.required = reader.boolean(value, "required").unwrap_or(false),
            _ => reader.unknown_key(key, place, &["description", "required"]),
        }
    }
    Some(secret)
}

fn output(reader: &mut Reader<'_>, name: &Spanned<String>, node: &Node, place: &str) -> Option<CallOutput> {
    let (mut description, mut found) = (None, None);
    let mapping = reader.mapping(node, place)?;
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "description" => description = plain(reader, value, "description"),
            "value" => found = reader.template(value, "value", &expr::WORKFLOW_OUTPUT),
            _ => reader.unknown_key(key, place, &["description", "value"]),
        }
    }
    needs(reader, mapping, node, place, "value");
    Some(CallOutput { name: name.clone(), description, value: found? })
}

fn plain(reader: &mut Reader<'_>, node: &Node, place: &str) -> Option<String> {
    reader.literal(node, place).map(|text| text.value)
}

fn needs(reader: &mut Reader<'_>, mapping: &Mapping, node: &Node, place: &str, key: &str) {
    if mapping.get(key).is_none() {
        reader.missing(node.span, place, key);
    }
}
