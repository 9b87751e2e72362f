//! What conditions mean.

use super::*;
use proptest::prelude::*;

fn check(text: &str, expect: Value) {
    let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let result = Value::array(vec![Value::Float(0.5), Value::Int(2)]);
    assert_eq!(condition.eval(&[("result", result)]), Ok(expect), "{text}");
}

fn refused(text: &str, words: &str) {
    let error = Condition::parse(text).expect_err(text);
    assert!(error.to_string().contains(words), "{text}: {error}");
}

fn fails(text: &str, words: &str) {
    let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let error = condition.eval(&[("result", Value::Nil)]).expect_err(text);
    assert!(error.to_string().contains(words), "{text}: {error}");
}

#[test]
fn operators_bind_as_in_expr() {
    check("1 + 2 * 3 ** 2", Value::Float(19.0));
    check("-2 ** 2", Value::Float(-4.0));
    check("2 ** 3 ** 2", Value::Float(512.0));
    check("1 + 2 == 3 and not false", Value::Bool(true));
    check("not false == true", Value::Bool(true));
    check("1 < 2 < 3", Value::Bool(true));
    check("1 < 3 < 2", Value::Bool(false));
    check("7 % 4", Value::Int(3));
    check("1 / 2", Value::Float(0.5));
    check("nil ?? 1 + 1", Value::Int(2));
    check("true ? 1 : 2", Value::Int(1));
    check("if false {1} else if true {2} else {3}", Value::Int(2));
}

#[test]
fn lists_and_predicates() {
    check("result[0] < 1 && result[-1] == 2", Value::Bool(true));
    check("all(result, {# > 0.1})", Value::Bool(true));
    check("count(result, # > 1)", Value::Int(1));
    check("result | map(# * 2) | sum()", Value::Float(5.0));
    check("reduce(1..4, # + #acc)", Value::Int(10));
    check("2 in result and 3 not in result", Value::Bool(true));
    check("filter([{a: 1}, {a: 2}], .a > 1)[0].a", Value::Int(2));
    check("len(result[1:])", Value::Int(1));
    check("let x = result[1]; x * x", Value::Int(4));
    check("{a: nil}.a?.b.c ?? 'none'", Value::string("none"));
    check("max(1, [2.5, 2])", Value::Float(2.5));
}

#[test]
fn what_cannot_be_meant_is_refused_when_read() {
    refused("resul > 1", "unknown name `resul`; did you mean `result`?");
    refused("result >", "ends too early");
    refused("result matches 'x'", "`matches` is not supported");
    refused("now() > 1", "`now` is not supported");
    refused("lenn(result)", "did you mean `len`?");
    refused("result.Name()", "methods cannot be called");
    refused("'x", "never closed");
    refused("# > 1", "only inside a predicate");
    refused("len(1, 2)", "does not take 2 arguments");
    refused(&"(".repeat(500), "too deep");
    refused("result @ 1", "has no meaning here (at character 8)");
}

#[test]
fn what_goes_wrong_says_so() {
    fails("1 == '1'", "can never equal");
    fails("result[0]", "nil has no member");
    fails("1 and true", "truth value");
    fails("9223372036854775807 + 1", "too large");
    fails("1..100000000", "too much work");
    fails("1 % 0", "division by zero");
    let error = Condition::parse("1").and_then(|c| c.holds(&Value::Nil)).expect_err("not a truth value");
    assert_eq!(error.message, "a condition must be true or false, but this one is int");
}

#[test]
fn two_conditions_make_argos_table() {
    let phase = |success: &str, failure: &str| {
        let parse = |text: &str| (!text.is_empty()).then(|| Condition::parse(text).expect(text));
        assess(parse(success).as_ref(), parse(failure).as_ref(), &Value::Int(1), Timestamp::EPOCH).phase
    };
    use MeasurementPhase::{Error, Failed, Inconclusive, Successful};
    assert_eq!(phase("", ""), Successful);
    assert_eq!((phase("true", ""), phase("false", "")), (Successful, Failed));
    assert_eq!((phase("", "true"), phase("", "false")), (Failed, Successful));
    assert_eq!((phase("true", "true"), phase("true", "false")), (Failed, Successful));
    assert_eq!((phase("false", "true"), phase("false", "false")), (Failed, Inconclusive));
    assert_eq!((phase("result", ""), phase("false", "result[0]")), (Error, Error));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn never_panics(text in "(result|map|all|len|max|let x = |#|#acc|not|in|nil|true|if|else|'a'|[0-9]{1,3}|[-+*/%^<>=!?.:,;|(){}\\[\\] &]){0,24}") {
        if let Ok(condition) = Condition::parse(&text) {
            let _ = condition.eval(&[("result", Value::array(vec![Value::Int(1), Value::Nil]))]);
        }
    }

    #[test]
    fn sums_agree_with_a_loop(numbers in prop::collection::vec(-1_000_i64..1_000, 0..20), least in -1_000_i64..1_000) {
        let result = Value::array(numbers.iter().copied().map(Value::Int).collect());
        let condition = Condition::parse(&format!("sum(filter(result, # >= {least})) == sum(result | filter({{let a = #; not (a < {least})}}))"))
            .expect("valid");
        prop_assert_eq!(condition.holds(&result), Ok(true));
        let total = Condition::parse("sum(result)").expect("valid").eval(&[("result", result)]);
        prop_assert_eq!(total, Ok(Value::Int(numbers.iter().sum())));
    }
}
