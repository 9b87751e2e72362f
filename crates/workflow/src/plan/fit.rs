//! Whether a call gives a workflow what it takes: inputs and secrets.

use crate::{
    document::{CallJob, CallSecrets, Maybe},
    event::{CallInput, CallInputKind, WorkflowCall},
    expr::{Object, Scope, Value},
};
use shipway_base::{Diagnostic, Diagnostics, Source, Span, Spanned, yaml::closest};

/// Finds what can be told without running anything.
pub(super) fn check(source: &Source, call: &CallJob, interface: &WorkflowCall, found: &mut Diagnostics) {
    let inputs: Vec<&str> = interface.inputs.iter().map(|input| input.name.value.as_str()).collect();
    for (name, value) in &call.with {
        match interface.inputs.iter().find(|input| input.name.value.eq_ignore_ascii_case(&name.value)) {
            None => {
                let span = match value {
                    Maybe::Literal(literal) => literal.span,
                    Maybe::Expression(template) => template.span(),
                };
                found.push(unknown(source, name, span, "input", &inputs));
            }
            Some(input) => {
                if let Maybe::Literal(literal) = value
                    && let Err(why) = typed(input, literal.value.clone())
                {
                    found.push(Diagnostic::error("SW0122", source, literal.span, why));
                }
            }
        }
    }
    for input in &interface.inputs {
        if input.required && input.default.is_none() && given(call, input).is_none() {
            let message = format!("the called workflow requires the input {:?}", input.name.value);
            let error = Diagnostic::error("SW0122", source, call.uses.span, message);
            found.push(error.with_help(format!("add it under `with`: {}: ...", input.name.value)));
        }
    }
    let CallSecrets::Given(secrets) = &call.secrets else { return };
    let names: Vec<&str> = interface.secrets.iter().map(|secret| secret.name.value.as_str()).collect();
    for (name, value) in secrets {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(&name.value)) {
            found.push(unknown(source, name, value.span(), "secret", &names));
        }
    }
    for secret in interface.secrets.iter().filter(|secret| secret.required) {
        if !secrets.iter().any(|(name, _)| name.value.eq_ignore_ascii_case(&secret.name.value)) {
            let message = format!("the called workflow requires the secret {:?}", secret.name.value);
            let error = Diagnostic::error("SW0122", source, call.uses.span, message);
            found.push(error.with_help("give it under `secrets`, or write `secrets: inherit`"));
        }
    }
}

fn unknown(source: &Source, name: &Spanned<String>, at: Span, what: &str, known: &[&str]) -> Diagnostic {
    let message = format!("the called workflow has no {what} {:?}", name.value);
    let error = Diagnostic::error("SW0122", source, at, message);
    match closest(&name.value, known.iter().copied()) {
        Some(close) => error.with_help(format!("did you mean {close:?}?")),
        None if known.is_empty() => error.with_help(format!("it declares no {what}s")),
        None => error.with_help(format!("its {what}s: {}", known.join(", "))),
    }
}

fn given<'a>(call: &'a CallJob, input: &CallInput) -> Option<&'a (Spanned<String>, Maybe<Value>)> {
    call.with.iter().find(|(name, _)| name.value.eq_ignore_ascii_case(&input.name.value))
}

/// A value as the kind of an input. As on GitHub, a text takes any scalar, and nothing else is turned into another kind.
fn typed(input: &CallInput, value: Value) -> Result<Value, String> {
    let kind = input.kind;
    if kind == CallInputKind::String && value.is_primitive() {
        Ok(value.to_text().as_ref().into())
    } else if kind.fits(&value) {
        Ok(value)
    } else {
        let (name, is) = (&input.name.value, value.kind().to_lowercase());
        Err(format!("the input {name:?} must be a {}, and this is a value of the kind {is}", kind.as_str()))
    }
}

/// The `inputs` context of a called workflow: what is given, evaluated by the caller's `scope`, and defaults for the
/// rest, evaluated with what a workflow knows before its jobs.
///
/// # Errors
/// What cannot be evaluated (SW02xx), or is not of the input's kind (SW0122).
pub(crate) fn inputs(
    source: &Source,
    call: &CallJob,
    interface: &WorkflowCall,
    scope: &dyn Scope,
) -> Result<Object, Diagnostic> {
    let mut inputs = Object::new();
    for input in &interface.inputs {
        let name = input.name.value.as_str();
        let value = match given(call, input) {
            Some((_, Maybe::Literal(literal))) => typed(input, literal.value.clone())
                .map_err(|why| Diagnostic::error("SW0122", source, literal.span, why))?,
            Some((_, Maybe::Expression(template))) => {
                typed(input, template.eval_value(scope)?).map_err(|why| {
                    let error = Diagnostic::error("SW0122", source, template.span(), why);
                    error.with_help("a text is turned into another kind by fromJSON(...)")
                })?
            }
            None => default(input, scope, &inputs)?,
        };
        inputs.insert(name, value);
    }
    Ok(inputs)
}

/// The `inputs` context of a workflow that is started as if it was called: what is `given`, and defaults for the rest.
///
/// # Errors
/// What cannot be evaluated (SW02xx), or is not of the input's kind (SW0122).
pub(super) fn with_defaults(
    interface: &WorkflowCall,
    given: &Value,
    scope: &dyn Scope,
) -> Result<Object, Diagnostic> {
    let mut inputs = Object::new();
    for input in &interface.inputs {
        let name = input.name.value.as_str();
        let value = match given.get(name) {
            Some(value) => value.clone(),
            None => default(input, scope, &inputs)?,
        };
        inputs.insert(name, value);
    }
    Ok(inputs)
}

/// What an input is that nobody gives, after those `before` it.
fn default(input: &CallInput, scope: &dyn Scope, before: &Object) -> Result<Value, Diagnostic> {
    match &input.default {
        Some(Maybe::Literal(literal)) => Ok(literal.value.clone()),
        Some(Maybe::Expression(template)) => {
            let value = template.eval_value(&Defaults { outer: scope, inputs: before })?;
            let wrong = |why| Diagnostic::error("SW0122", template.source(), template.span(), why);
            typed(input, value).map_err(wrong)
        }
        None => Ok(input.kind.empty()),
    }
}

/// What a default sees: `github` and `vars` of the run, and the inputs before it.
struct Defaults<'a> {
    outer: &'a dyn Scope,
    inputs: &'a Object,
}

impl Scope for Defaults<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "inputs" => Some(self.inputs.clone().into()),
            "github" | "vars" => self.outer.context(name),
            _ => None,
        }
    }

    fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}
