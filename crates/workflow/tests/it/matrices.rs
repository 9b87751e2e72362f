//! Matrices: act's table, and what GitHub's rules say beyond it.

use crate::{
    conformance::{Tally, folder, json},
    worlds::{context, plan, second, workflow},
};
use serde_json::{Value as Json, json};
use shipway_base::Source;
use shipway_workflow::{
    document::{Job, Maybe, Workflow},
    expr::{Scope, Value},
    matrix::Leg,
    run::{Conclusion, Effect, Input, JobKey, Run},
};
use std::{collections::BTreeSet, sync::Arc};

struct Empty;

impl Scope for Empty {
    fn context(&self, _name: &str) -> Option<Value> {
        None
    }

    fn function(&self, _name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        None
    }
}

fn document(strategy: &str) -> String {
    let block: String = strategy.lines().map(|line| format!("      {line}\n")).collect();
    format!("on: push\njobs:\n  a:\n    runs-on: here\n    steps: [{{run: make}}]\n    strategy:\n{block}")
}

fn job(text: &str) -> Arc<Job> {
    workflow(text).jobs.values().next().cloned().expect("there is one job")
}

fn legs(strategy: &str) -> Result<Vec<Leg>, String> {
    let text = document(strategy);
    let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
    let workflow = workflow.ok_or_else(|| found.to_string().trim().to_owned())?;
    let job = workflow.jobs.values().next().expect("there is one job");
    let matrix =
        job.strategy.as_ref().and_then(|strategy| strategy.matrix.as_ref()).expect("there is a matrix");
    matrix.legs(&workflow.source, &Empty).map_err(|error| error.to_string())
}

/// The names of the legs and their values, a line each.
fn check(strategy: &str, expect: &str) {
    let found = match legs(strategy) {
        Ok(legs) => legs
            .iter()
            .map(|leg| format!("{} {}", leg.name("a"), Value::from(leg.values.clone()).to_json()))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => error,
    };
    let expect = expect.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(found, expect, "{strategy}");
}

#[test]
fn conformance_act_strategies() {
    let Some(file) = folder("act-tables/strategy.json") else { return };
    let mut tally = Tally::new("act strategies");
    for case in json(&file)["cases"].as_array().into_iter().flatten() {
        let job = job(&document(case["input"]["strategy"].as_str().unwrap_or_default()));
        let strategy = job.strategy.clone().expect("there is a strategy");
        let matrix = match &strategy.matrix {
            Some(matrix) => matrix.legs(&Source::new("w.yml", ""), &Empty).expect("it expands"),
            None => vec![Leg { values: Default::default(), suffix: String::new() }],
        };
        let found: Vec<Json> = matrix.into_iter().map(|leg| Value::from(leg.values).to_json()).collect();
        let mut result = Ok(());
        if !case["expect"]["matrix"].is_null() && json!(found) != case["expect"]["matrix"] {
            result = Err(format!("{found:?}"));
        }
        if let Some(expected) = case["expect"]["fail_fast"].as_bool() {
            let fail_fast =
                strategy.fail_fast.is_none_or(|maybe| matches!(maybe, Maybe::Literal(v) if v.value));
            if fail_fast != expected {
                result = Err(format!("fail-fast is {fail_fast}"));
            }
        }
        if let Some(expected) = case["expect"]["max_parallel"].as_f64() {
            let most = strategy.max_parallel.map(|maybe| maybe.eval(&Empty));
            if most != Some(Ok(expected)) {
                result = Err(format!("max-parallel is {most:?}"));
            }
        }
        tally.record(case["name"].as_str().unwrap_or_default(), result);
    }
    tally.finish(5);
}

#[test]
fn the_last_vector_varies_fastest() {
    check(
        "matrix: {b: [1, 2], a: [x, y]}",
        r#"
        a (1, x) {"b":1,"a":"x"}
        a (1, y) {"b":1,"a":"y"}
        a (2, x) {"b":2,"a":"x"}
        a (2, y) {"b":2,"a":"y"}"#,
    );
}

#[test]
fn the_items_of_an_array_take_the_place_of_its_expression() {
    check(
        "matrix:
  v: [1, \"${{ fromJSON('[2, [3]]') }}\", \"${{ fromJSON('[]') }}\", [\"${{ fromJSON('[4]') }}\"]]
  include:
  - {v: 1, first: yes}
  - ${{ fromJSON('[{\"v\":2,\"w\":9},{\"v\":7}]') }}
  - ${{ fromJSON('{\"v\":8}') }}
  exclude:
  - ${{ fromJSON('[{\"v\":[3]}]') }}",
        r#"
        a (1) {"v":1,"first":"yes"}
        a (2) {"v":2,"w":9}
        a (4) {"v":[4]}
        a (7) {"v":7}
        a (8) {"v":8}"#,
    );
    // A vector that comes out empty has no values, and a matrix of it no legs.
    check("matrix: {v: [\"${{ fromJSON('[]') }}\"]}", "w.yml:7:15: error[SW0116]: matrix.v has no values");
}

#[test]
fn include_grows_legs_or_adds_them() {
    // The example of GitHub's documentation.
    check(
        "matrix:
  fruit: [apple, pear]
  animal: [cat, dog]
  include:
  - color: green
  - color: pink
    animal: cat
  - fruit: apple
    shape: circle
  - fruit: banana
  - fruit: banana
    animal: cat",
        r#"
        a (apple, cat) {"fruit":"apple","animal":"cat","color":"pink","shape":"circle"}
        a (apple, dog) {"fruit":"apple","animal":"dog","color":"green","shape":"circle"}
        a (pear, cat) {"fruit":"pear","animal":"cat","color":"pink"}
        a (pear, dog) {"fruit":"pear","animal":"dog","color":"green"}
        a (banana) {"fruit":"banana"}
        a (banana, cat) {"fruit":"banana","animal":"cat"}"#,
    );
}

#[test]
fn exclude_matches_leaves_in_any_case() {
    check(
        "matrix:
  os: [{name: Linux, arch: x64}, {name: linux, arch: arm}, mac]
  version: [1.10, 2]
  exclude:
  - os: {name: LINUX, arch: x64}
  - {OS: mac, version: '2'}",
        r#"
        a (linux, arm, 1.1) {"os":{"name":"linux","arch":"arm"},"version":1.1}
        a (linux, arm, 2) {"os":{"name":"linux","arch":"arm"},"version":2}
        a (mac, 1.1) {"os":"mac","version":1.1}"#,
    );
}

#[test]
fn values_keep_their_kind_and_long_names_are_cut() {
    check(
        "matrix: {v: ['1.10', true, null, [a, {b: c}], '']}",
        r#"
        a (1.10) {"v":"1.10"}
        a (true) {"v":true}
        a {"v":null}
        a (a, c) {"v":["a",{"b":"c"}]}
        a {"v":""}"#,
    );
    let long = "é".repeat(120);
    let legs = legs(&format!("matrix: {{v: [{long}]}}")).expect("it expands");
    assert_eq!(legs[0].name("job"), format!("job ({}...", "é".repeat(92)));
}

#[test]
fn what_is_no_matrix_is_refused() {
    // The whole file is, where no expression has a part in it.
    let parsed = |matrix: &str| {
        let (_, found) = Workflow::parse(&Source::new("w.yml", document(&format!("matrix: {matrix}"))));
        found.iter().map(|found| format!("{} {}", found.code, found.message)).collect::<Vec<_>>()
    };
    let needs = "SW0116 a matrix needs at least one vector, or an entry of include";
    assert_eq!(parsed("{include: []}"), [needs]);
    let unknown = "SW0116 matrix.exclude names \"b\", which is no key of the matrix";
    assert_eq!(parsed("{exclude: [{b: 1}]}"), [unknown]);
    assert_eq!(parsed("{a: [1], exclude: [{b: 1}]}"), [unknown]);
    assert_eq!(parsed("{a: [1], exclude: [{b: 1}], include: [{c: '${{ github.ref }}'}]}"), [unknown]);
    assert_eq!(parsed("{a: [1], '${{ github.ref }}': [1], exclude: [{b: 1}]}"), [""; 0]);
    assert_eq!(parsed("{a: [], b: [1]}"), ["SW0113 matrix.a has no values"]);
    assert_eq!(parsed("{a: [1], A: [2]}").len(), 1);
    check(
        "matrix: {include: \"${{ fromJSON('[]') }}\"}",
        &format!("w.yml:7:15: {}", needs.replacen("SW0116 ", "error[SW0116]: ", 1)),
    );
    check("matrix: {os: []}", "w.yml:7:20: error[SW0113]: matrix.os has no values");
    check(
        "matrix: {os: linux}",
        "w.yml:7:20: error[SW0103]: matrix.os must be a sequence, but this is a string",
    );
    check(
        "matrix: {os: [a], exclude: [{oss: a}]}",
        "w.yml:7:36: error[SW0116]: matrix.exclude names \"oss\", which is no key of the matrix",
    );
    check(
        "matrix: ${{ fromJSON('[1]') }}",
        "w.yml:7:15: error[SW0116]: the matrix must be an object, but it is an array",
    );
    check(
        "matrix: {os: [a], include: [{}]}",
        "w.yml:7:35: error[SW0113]: this entry of matrix.include is empty",
    );
    let numbers: Vec<String> = (0..17).map(|n| n.to_string()).collect();
    let vector = numbers.join(", ");
    check(
        &format!("matrix: {{a: [{vector}], b: [{vector}]}}"),
        "w.yml:7:15: error[SW0116]: this matrix has 289 legs; at most 256 are run",
    );
    check(
        &format!("matrix: {{a: [{vector}], b: [{vector}], c: [{vector}], d: [{vector}]}}"),
        "w.yml:7:15: error[SW0116]: this matrix has 83521 legs; at most 256 are run",
    );
}

#[test]
fn only_chosen_legs_are_run() {
    let check = |choice: &[(&str, &[&str])], expect: &[&str]| {
        let text =
            document("matrix: {os: [linux, mac], n: [1, 2], include: [{os: linux, extra: yes}, {os: bsd}]}");
        let choice = choice.iter().map(|(key, values)| {
            ((*key).to_owned(), values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<String>>())
        });
        let plan = Arc::new((*plan(&text)).clone().only_legs(choice.collect()));
        let mut run = Run::new(plan.clone(), context(&plan));
        let _asked = run.apply(&Input::Start, second(0));
        let names: Vec<String> = run.jobs().into_iter().map(|job| job.name).collect();
        assert_eq!(names, expect);
    };
    check(&[], &["a (linux, 1)", "a (linux, 2)", "a (mac, 1)", "a (mac, 2)", "a (bsd)"]);
    check(&[("OS", &["mac"])], &["a (mac, 1)", "a (mac, 2)"]);
    check(&[("os", &["mac", "linux"]), ("n", &["2"])], &["a (linux, 2)", "a (mac, 2)"]);
    check(&[("n", &["2"])], &["a (linux, 2)", "a (mac, 2)", "a (bsd)"]);
    check(&[("os", &["none"])], &["a"]);
}

#[test]
fn a_strategy_may_be_one_expression() {
    let check = |json: &str, expect: &str| {
        let text = format!(
            "on: push\njobs: {{a: {{runs-on: x, strategy: \"${{{{ {json} }}}}\", steps: [{{run: make}}]}}}}"
        );
        let job = job(&text);
        let strategy = job.strategy.as_ref().expect("there is a strategy");
        let found = match strategy.eval(&Source::new("w.yml", text), &Empty) {
            Ok(found) => {
                let legs: Vec<String> = found.legs.iter().flatten().map(|leg| leg.name("a")).collect();
                format!("{legs:?} {} {:?}", found.fail_fast, found.max_parallel)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expect, "{json}");
    };
    check(
        r#"fromJSON('{\"fail-fast\":false,\"max-parallel\":2,\"matrix\":{\"v\":[1,2],\"include\":[{\"v\":3}]}}')"#,
        r#"["a (1)", "a (2)", "a (3)"] false Some(2)"#,
    );
    check("fromJSON('{}')", "[] true None");
    let place = "w.yml:2:34: error";
    check(
        "format('v')",
        &format!(
            "{place}[SW0116]: the strategy must be an object, but it is a string (fromJSON(..) turns text into the value that it stands for)"
        ),
    );
    check(
        r#"fromJSON('{\"matrix\":[1]}')"#,
        &format!("{place}[SW0116]: the matrix must be an object, but it is an array"),
    );
    check(
        r#"fromJSON('{\"matrices\":{}}')"#,
        &format!(
            "{place}[SW0116]: the strategy has the key \"matrices\", which is none of a strategy (known keys: matrix, fail-fast, max-parallel)"
        ),
    );
    check(
        r#"fromJSON('{\"fail-fast\":\"no\"}')"#,
        &format!("{place}[SW0116]: fail-fast must be a boolean, but it is a string"),
    );
    check(
        r#"fromJSON('{\"max-parallel\":0.5}')"#,
        &format!("{place}[SW0104]: max-parallel must be a whole number, but it is 0.5"),
    );
}

#[test]
fn the_context_tells_the_limit_as_it_is_written() {
    let check = |strategy: &str, expect: &str| {
        let text =
            format!("on: push\njobs: {{a: {{runs-on: x, strategy: {strategy}, steps: [{{run: make}}]}}}}");
        let mut run = crate::worlds::run(&text);
        let asked = run.apply(&Input::Start, second(0));
        let Some(Effect::StartJob(request)) = asked.0.first() else { panic!("{asked:?}") };
        assert_eq!(request.strategy.to_json()["max-parallel"].to_string(), expect, "{strategy}");
    };
    check("{max-parallel: 10, matrix: {v: [1, 2]}}", "10");
    check("{max-parallel: 1, matrix: {v: [1, 2]}}", "1");
    check("{max-parallel: 0, matrix: {v: [1, 2]}}", "2");
    check("{matrix: {v: [1, 2]}}", "2");
    check("{max-parallel: 10}", "1");
}

#[test]
fn a_matrix_of_which_nothing_is_left_is_one_job_without_it() {
    let text = "on: push
jobs:
  a:
    runs-on: x
    strategy: {fail-fast: false, max-parallel: 3, matrix: {os: [b, c], exclude: [{os: b}, {os: c}]}}
    steps: [{run: make}]
";
    let mut run = crate::worlds::run(text);
    let asked = run.apply(&Input::Start, second(0));
    let Some(Effect::StartJob(request)) = asked.0.first() else { panic!("{asked:?}") };
    assert_eq!((request.key.0.as_str(), request.name.as_str()), ("a", "a"));
    assert_eq!(request.matrix.to_json().to_string(), "null");
    assert_eq!(
        request.strategy.to_json().to_string(),
        r#"{"fail-fast":false,"job-index":0,"job-total":1,"max-parallel":1}"#
    );
}

#[test]
fn a_strategy_that_an_output_gives_is_run() {
    let text = r#"
on: push
jobs:
  g: {runs-on: x, outputs: {s: '1'}, steps: [{run: make}]}
  a: {needs: g, runs-on: x, strategy: "${{ fromJSON(needs.g.outputs.s) }}", steps: [{run: make}]}
"#;
    let mut run = crate::worlds::run(text);
    let _asked = run.apply(&Input::Start, second(0));
    let outputs = [("s".to_owned(), r#"{"max-parallel":1,"matrix":{"v":["p","q"]}}"#.to_owned())];
    let ended = Input::JobFinished {
        job: JobKey("g".to_owned()),
        attempt: 1,
        conclusion: Conclusion::Success,
        outputs: outputs.into_iter().collect(),
    };
    let _asked = run.apply(&ended, second(1));
    let names: Vec<String> = run.jobs().into_iter().map(|job| job.name).collect();
    assert_eq!(names, ["g", "a (p)", "a (q)"]);
}

#[test]
fn keys_of_a_matrix_may_be_expressions() {
    check(
        "matrix:
  ${{ format('{0}s', 'o') }}: [linux]
  ${{ insert }}: ${{ fromJSON('{\"n\":[1,2]}') }}
  include: [{os: bsd, '${{ insert }}': \"${{ fromJSON('{\\\"n\\\":3}') }}\"}]",
        r#"
        a (linux, 1) {"os":"linux","n":1}
        a (linux, 2) {"os":"linux","n":2}
        a (bsd, 3) {"os":"bsd","n":3}"#,
    );
    check(
        "matrix:
  ${{ insert }}: {os: [linux], include: [{os: bsd, '${{ insert }}': {n: 3, '${{ insert }}': {m: 4}}}]}",
        r#"
        a (linux) {"os":"linux"}
        a (bsd, 3, 4) {"os":"bsd","n":3,"m":4}"#,
    );
    check(
        "matrix:
  a: [1]
  ${{ insert }}: {A: [2]}",
        "w.yml:9:9: error[SW0107]: \"A\" is already defined in this mapping (keys are compared without case; choose another)",
    );
    check(
        "matrix:
  a: [1]
  ${{ 'A' }}: [2]",
        "w.yml:9:9: error[SW0107]: \"A\" is already defined on line 8 (keys are compared without case; choose another)",
    );
    check(
        "matrix:
  a: [1]
  ${{ insert }}: ${{ 'x' }}",
        "w.yml:9:24: error[SW0103]: the value of ${{ insert }} must be a mapping or an expression, but this is a string",
    );
    check(
        "matrix:
  a: [1]
  ${{ insert }}: ${{ format('x') }}",
        "w.yml:9:9: error[SW0116]: what is inserted must be an object, but it is a string",
    );
}
