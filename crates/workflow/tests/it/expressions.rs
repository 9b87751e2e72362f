//! GitHub's expression cases, act's table of functions, and the runner's status functions.

use crate::conformance::{Tally, folder, json};
use serde_json::{Map, Value as Json};
use shipway_workflow::expr::{
    AllowedNames, ExprError, ExprErrorKind, Scope, Value, eval, evaluate_json, has_expression, parse,
};

struct Contexts<'a>(&'a Map<String, Json>);

impl Scope for Contexts<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name).map(Value::from_json)
    }

    fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}

fn evaluate(text: &str, contexts: &Map<String, Json>) -> Result<Value, ExprError> {
    let names: Vec<&str> = contexts.keys().map(String::as_str).collect();
    eval(&parse(text, &AllowedNames::new(&names, &[]))?, &Contexts(contexts))
}

fn contexts(case: &Json) -> Map<String, Json> {
    case.get("contexts").and_then(Json::as_object).cloned().unwrap_or_default()
}

fn text<'a>(json: &'a Json, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

/// A case of actions/languageservices: a value of a kind, or an error of a kind whose message begins as given.
fn languageservices(case: &Json) -> Result<(), String> {
    let expr = text(case, "/expr");
    let found = evaluate(expr, &contexts(case));
    if let Some(expect) = case.get("err") {
        let error = match found {
            Err(error) => error,
            Ok(value) => return Err(format!("gives {value:?}, but {expect} was expected")),
        };
        let kind = match error.kind {
            ExprErrorKind::Lexing => "lexing",
            ExprErrorKind::Parsing
            | ExprErrorKind::Name
            | ExprErrorKind::Arguments
            | ExprErrorKind::Limit => "parsing",
            ExprErrorKind::Evaluation | ExprErrorKind::Memory => "evaluation",
        };
        let message = format!("{error} within expression: {expr}");
        return match kind == text(expect, "/kind") && message.contains(text(expect, "/value")) {
            true => Ok(()),
            false => Err(format!("{kind}: {message}, but {expect} was expected")),
        };
    }
    let value = found.map_err(|error| error.to_string())?;
    let expect = &case["result"];
    match value.kind() == text(expect, "/kind") && value == Value::from_json(&expect["value"]) {
        true => Ok(()),
        false => Err(format!("gives {value:?}, but {expect} was expected")),
    }
}

#[test]
fn conformance_github_expression_cases() {
    let Some(folder) = folder("github-actions/expressions/testdata") else { return };
    let mut tally = Tally::new("GitHub's expression cases");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is readable")
        .map(|entry| entry.expect("the entry is readable").path())
        .collect();
    files.sort();
    for file in files {
        for (group, cases) in json(&file).as_object().expect("groups of cases") {
            for case in cases.as_array().expect("a list of cases") {
                let name = format!(
                    "{} {group}: {:.100}",
                    file.file_name().unwrap_or_default().display(),
                    text(case, "/expr")
                );
                tally.record(&name, languageservices(case));
            }
        }
    }
    tally.finish(1_020);
}

#[test]
fn conformance_act_functions() {
    let Some(file) = folder("act-tables/functions.json") else { return };
    let mut tally = Tally::new("act's table of functions");
    for case in json(&file)["cases"].as_array().expect("a list of cases") {
        let expression = text(case, "/input/expression");
        let found = evaluate(expression, &contexts(&case["input"]));
        let expect = &case["expect"];
        let right = match (&found, expect.get("value")) {
            (Ok(value), Some(expect)) => *value == Value::from_json(expect),
            (Err(_), None) => expect["error"] == true,
            (Ok(_), None) | (Err(_), Some(_)) => false,
        };
        let complaint = || format!("{expression} gives {found:?}, but {expect} was expected");
        tally.record(text(case, "/name"), if right { Ok(()) } else { Err(complaint()) });
    }
    tally.finish(60);
}

#[test]
fn conformance_runner_status_functions() {
    let Some(file) = folder("actions-runner/status-functions.json") else { return };
    let mut tally = Tally::new("the runner's status functions");
    for case in json(&file)["cases"].as_array().expect("a list of cases") {
        let input = &case["input"];
        let mut contexts = Map::new();
        contexts.insert("job".to_owned(), serde_json::json!({"status": input["job_status"]}));
        if text(input, "/step_of") == "composite-action" {
            let github = serde_json::json!({"action_status": input["action_status"]});
            contexts.insert("github".to_owned(), github);
        }
        let found = evaluate_json(text(input, "/condition"), &contexts);
        let right = found.as_ref().is_ok_and(|value| *value == case["expect"]["value"]);
        tally.record(text(case, "/name"), if right { Ok(()) } else { Err(format!("{found:?}")) });
    }
    tally.finish(26);
}

#[test]
fn conformance_runner_manifest_expressions() {
    let Some(file) = folder("actions-runner/manifest-expressions.json") else { return };
    let mut tally = Tally::new("the runner's manifest expressions");
    for case in json(&file)["cases"].as_array().expect("a list of cases") {
        let (input, expect) = (&case["input"], &case["expect"]);
        // The scalars of `args` and `env` one by one, and the default of an input.
        let pairs = [("/args", "/args"), ("/env", "/env"), ("/input_default", "/value")];
        let scalars = |pointer: &str, of: &Json| -> Vec<Json> {
            match of.pointer(pointer) {
                Some(Json::Array(items)) => items.clone(),
                Some(Json::Object(pairs)) => pairs.values().cloned().collect(),
                Some(scalar) => vec![scalar.clone()],
                None => Vec::new(),
            }
        };
        let contexts = contexts(input);
        for (given, wanted) in pairs {
            for (text, wanted) in scalars(given, input).iter().zip(scalars(wanted, expect)) {
                let text = text.as_str().unwrap_or_default();
                let found = match has_expression(text) {
                    true => evaluate_json(text, &contexts),
                    false => Ok(Json::from(text)),
                };
                let right = found.as_ref().is_ok_and(|found| *found == wanted);
                tally.record(text, if right { Ok(()) } else { Err(format!("{found:?}")) });
            }
        }
    }
    tally.finish(5);
}
