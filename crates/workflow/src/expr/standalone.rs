//! One expression over contexts given as JSON, and the status functions that follow from a status alone.

use super::{AllowedNames, Function, Object, Scope, Template, Value, has_expression};
use serde_json::{Map, Value as Json};
use shipway_base::{Diagnostic, Pos, Source, Span};

/// Evaluates an expression, or a text with `${{ }}` parts, over contexts by name. The status functions look at
/// `job.status` and `github.action_status`; `hashFiles` has no meaning without files.
///
/// # Errors
/// What is wrong with the text or its evaluation, at its place in a source named `expression`.
pub fn evaluate_json(text: &str, contexts: &Map<String, Json>) -> Result<Json, Diagnostic> {
    let names: Vec<&str> = contexts.keys().map(String::as_str).collect();
    let allowed = AllowedNames::new(&names, STATUS);
    let source = Source::new("expression", text);
    let lines = text.split('\n');
    let last = lines.clone().next_back().unwrap_or_default();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let end = Pos::new(number(lines.count()), number(last.chars().count() + 1));
    let span = Span::new(Pos::START, end);
    let template = match has_expression(text) {
        true => Template::parse(text, span, &source, &allowed),
        false => Template::parse_bare(text, span, &source, &allowed),
    };
    let template = template.map_err(|found| match names.is_empty() && found.code == "SW0202" {
        true => {
            found.with_help("no contexts were given; without them only functions and literals can be used")
        }
        false => found,
    })?;
    Ok(template.eval_value(&Contexts(contexts))?.to_json())
}

/// What `success()`, `failure()`, `cancelled()` or `always()` says when things stand like this so far: `success`,
/// `failure`, `cancelled`, or nothing yet. None for other names.
pub fn status_function(name: &str, status: Option<&str>) -> Option<bool> {
    match name {
        "always" => Some(true),
        "success" => Some(status.is_none_or(|status| status == "success")),
        "failure" => Some(status == Some("failure")),
        "cancelled" => Some(status == Some("cancelled")),
        _ => None,
    }
}

const STATUS: &[Function<'static>] = &[
    Function::new("always", 0, 0),
    Function::new("failure", 0, 255),
    Function::new("cancelled", 0, 0),
    Function::new("success", 0, 255),
];

struct Contexts<'a>(&'a Map<String, Json>);

impl Scope for Contexts<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match (name, self.0.get(name)?) {
            // Variables that differ in case are two, as in a step.
            (name, Json::Object(variables)) if name.eq_ignore_ascii_case("env") => {
                let mut env = Object::exact();
                variables.iter().for_each(|(key, value)| env.insert(key.as_str(), Value::from_json(value)));
                Some(env.into())
            }
            (_, json) => Some(Value::from_json(json)),
        }
    }

    fn function(&self, name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        let of = |context: &str, key: &str| Some(self.context(context)?.get(key)?.to_text());
        // Within a composite action its own status so far counts, except that a cancelled job is cancelled everywhere.
        let status = match name {
            "cancelled" => of("job", "status"),
            _ => of("github", "action_status").or_else(|| of("job", "status")),
        };
        let status = status.filter(|status| !status.is_empty());
        status_function(name, status.as_deref()).map(|value| Ok(value.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, contexts: &Json, expect: Result<Json, &str>) {
        let contexts = contexts.as_object().cloned().unwrap_or_default();
        let found = evaluate_json(text, &contexts).map_err(|error| error.to_string());
        assert_eq!(found, expect.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn variables_are_found_as_they_are_spelled() {
        let contexts = json!({"env": {"Foo": "1", "FOO": "2"}, "vars": {"Foo": "3"}});
        check("env.Foo", &contexts, Ok(json!("1")));
        check("ENV['FOO']", &contexts, Ok(json!("2")));
        check("env.foo", &contexts, Ok(Json::Null));
        check("env", &contexts, Ok(json!({"Foo": "1", "FOO": "2"})));
        check("join(env.*, ' ')", &contexts, Ok(json!("1 2")));
        check("vars.FOO", &contexts, Ok(json!("3")));
    }

    #[test]
    fn evaluates_with_and_without_braces() {
        let contexts = json!({"github": {"ref": "main", "n": 1.0}});
        check("github.n", &contexts, Ok(json!(1)));
        check("${{ github }}", &contexts, Ok(json!({"ref": "main", "n": 1})));
        check("on ${{ github.ref }}", &contexts, Ok(json!("on main")));
        check("success() && !cancelled()", &contexts, Ok(json!(true)));
        check(
            "github.ref",
            &json!({}),
            Err(
                "expression:1:1: error[SW0202]: Unrecognized named-value: 'github' (no contexts were given; without \
                 them only functions and literals can be used)",
            ),
        );
        check(
            "github.n &&\n  gitub.n",
            &contexts,
            Err("expression:2:3: error[SW0202]: Unrecognized named-value: 'gitub' (did you mean `github`?)"),
        );
    }
}
