//! Argo's conditions and expr's own cases.
//!
//! Error texts are ours; what counts is that there is an error where there must be one.

use crate::cases::{Outcome, Tally, cases, expect, float, json, value};
use serde_json::Value as Json;
use shipway_analysis::{
    MeasurementPhase,
    condition::{Condition, ConditionError, Value, assess},
};
use shipway_base::Timestamp;

#[test]
fn conformance_argo_conditions() {
    let Some(file) = json("argo-rollouts/conditions.json") else { return };
    let mut tally = Tally::new("argo-rollouts/conditions");
    for (name, input, wanted) in cases(&file) {
        let result = match input["result_is_float"].as_bool() {
            Some(true) => Value::Float(float(&input["result"])),
            Some(false) | None => value(&input["result"]),
        };
        let outcome = match input["condition"].as_str() {
            Some(text) => one(text, &result, wanted),
            None => both(input, &result, wanted),
        };
        tally.record(name, outcome);
    }
    tally.finish(50);
}

fn one(text: &str, result: &Value, wanted: &Json) -> Outcome {
    let got = Condition::parse(text).and_then(|condition| condition.holds(result));
    let fails = !wanted["error"].is_null() || !wanted["error_matches"].is_null();
    expect(got.is_err() == fails && got.as_ref().copied().unwrap_or(false) == wanted["value"], || {
        format!("{got:?}")
    })
}

fn both(input: &Json, result: &Value, wanted: &Json) -> Outcome {
    let read = |key: &str| match input[key].as_str() {
        None | Some("") => Ok(None),
        Some(text) => Condition::parse(text).map(Some),
    };
    // A condition that cannot be read is refused with its document here; in Argo it makes each measurement an error.
    let phase = match (read("successCondition"), read("failureCondition")) {
        (Ok(success), Ok(failure)) => {
            assess(success.as_ref(), failure.as_ref(), result, Timestamp::EPOCH).phase
        }
        (Err(_), _) | (_, Err(_)) => MeasurementPhase::Error,
    };
    expect(wanted["phase"] == format!("{phase:?}"), || format!("{phase:?}"))
}

/// expr goes on with some value where two kinds do not fit together; here that is an error, so that a condition that
/// cannot be meant is no verdict.
const KINDS: &str = "kinds that do not fit, refused";

/// Why a refusal is not a failure: the words of our errors that stand for what is not supported on purpose.
const LEFT_OUT: &[(&str, &str)] = &[
    ("not supported", "dates, regular expressions, bytes, JSON texts, bit operations"),
    ("unknown name", "functions as values"),
    ("there is no function", "functions of the host"),
    ("methods cannot", "methods"),
    ("only functions can", "functions as values"),
    ("never equal", KINDS),
    ("truth value must stand", KINDS),
    ("have no order", KINDS),
    ("needs a list, but this is", KINDS),
    ("needs a list or a map", KINDS),
    ("needs a number", KINDS),
    ("needs a text", KINDS),
    ("has no member", KINDS),
    ("has no items", KINDS),
    ("numbers must stand", KINDS),
    ("two whole numbers", KINDS),
    ("two texts must stand", KINDS),
    ("list of pairs", KINDS),
    ("keys are texts", "keys that are no texts"),
    ("groups are named", "keys that are no texts"),
    ("have no text", "texts of lists and maps"),
    ("`b` has no meaning", "bytes"),
];

fn left_out(error: &ConditionError) -> Option<Outcome> {
    LEFT_OUT.iter().find(|(words, _)| error.message.contains(words)).map(|(_, what)| Outcome::LeftOut(what))
}

/// Evaluates each expression with the file's variables.
fn evaluate(suite: &'static str, path: &str, at_least: usize) {
    let Some(file) = json(path) else { return };
    let env: Vec<(&str, Value)> = match file["env"].as_object() {
        Some(pairs) => pairs.iter().map(|(name, item)| (name.as_str(), value(item))).collect(),
        None => Vec::new(),
    };
    let names: Vec<&str> = env.iter().map(|(name, _)| *name).collect();
    let mut tally = Tally::new(suite);
    for (name, input, wanted) in cases(&file) {
        let text = input["expr"].as_str().expect("an expression");
        let got = Condition::parse_with(text, &names).and_then(|expression| expression.eval(&env));
        let outcome = match &got {
            Err(error) => left_out(error).unwrap_or_else(|| Outcome::Failed(format!("{text}: {error}"))),
            Ok(got) if wanted["value"].is_null() && wanted["type"] != "nil" => {
                expect(kind(wanted, got), || format!("{text}: {got:?}"))
            }
            Ok(got) => expect(same(got, &value(&wanted["value"])), || {
                format!("{text}: {got:?}, not {}", wanted["value"])
            }),
        };
        let outcome = match outcome {
            Outcome::Failed(_) if host(text) => Outcome::LeftOut("types, methods and functions of the host"),
            other @ (Outcome::Failed(_) | Outcome::Passed | Outcome::LeftOut(_)) => other,
        };
        tally.record(name, outcome);
    }
    tally.finish(at_least);
}

/// Whether an expression looks at what only a program in Go could give it: the functions `add` and `greet` in `$env`,
/// the method `String` and the type of `foo`, typed maps, or the identity of `list`.
fn host(text: &str) -> bool {
    let words = ["$env", ".String", "type(", "sortBy(list, i) == list"];
    words.iter().any(|word| text.contains(word)) || (text.starts_with("groupBy") && text.contains(")."))
}

fn kind(wanted: &Json, got: &Value) -> bool {
    wanted["type"].as_str().is_none_or(|kind| kind == got.kind() || (kind == "foo" && got.kind() == "map"))
}

/// Equality of kinds and numbers, NaN being NaN.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9 * b.abs()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|((k, a), (l, b))| k == l && same(a, b))
        }
        (a, b) => a == b,
    }
}

#[test]
fn conformance_expr_values() {
    evaluate("expr/builtins", "expr/builtins.json", 140);
    evaluate("expr/examples", "expr/examples.json", 4);
    evaluate("expr/generated_sample", "expr/generated_sample.json", 3_100);
}

#[test]
fn conformance_expr_errors() {
    let Some(file) = json("expr/builtin_errors.json") else { return };
    let mut tally = Tally::new("expr/builtin_errors");
    for (name, input, _) in cases(&file) {
        let text = input["expr"].as_str().expect("an expression");
        let got = Condition::parse_with(text, &[]).and_then(|expression| expression.eval(&[]));
        let outcome = match &got {
            Ok(got) => Outcome::Failed(format!("{got:?}")),
            Err(error) if error.message.contains("not supported") => Outcome::LeftOut(LEFT_OUT[0].1),
            Err(_) => Outcome::Passed,
        };
        tally.record(name, outcome);
    }
    tally.finish(23);
}

/// Conditions that users of another product wrote; they only have to be read.
#[test]
fn conformance_expr_read() {
    let Some(file) = json("expr/crowdsec.json") else { return };
    let mut tally = Tally::new("expr/crowdsec");
    for (name, input, _) in cases(&file) {
        let text = input["expr"].as_str().expect("an expression");
        let outcome = match Condition::parse_with(text, &["evt"]) {
            Ok(_) => Outcome::Passed,
            Err(error) => left_out(&error).unwrap_or_else(|| Outcome::Failed(format!("{text}: {error}"))),
        };
        tally.record(name, outcome);
    }
    tally.finish(414);
}
