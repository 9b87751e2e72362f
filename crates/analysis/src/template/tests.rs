//! Templates read, refused and resolved.

use super::*;
use crate::{Otherwise, Provider, Signal};
use shipway_base::yaml;

/// Reads a spec's text and resolves it without arguments; errors as lines.
fn check(text: &str) -> Result<Vec<Metric>, String> {
    let source = Source::new("t.yaml", text);
    let node = yaml::parse(&source, yaml::Limits::default()).map_err(|e| e.to_string())?.ok_or("empty")?;
    let (template, found) = AnalysisTemplate::parse_inline(&node, "inline", &source);
    let template = template.ok_or(found.to_string())?;
    template.resolve(&[]).map_err(|found| found.to_string())
}

fn refused(text: &str, place: &str, words: &str) {
    let message = check(text).expect_err(text);
    assert!(message.contains(words) && message.contains(place), "{message}");
}

const NO_WORSE: &str = "\
metrics:
- name: failures
  provider: {plugin: {shipway/sequential: {signals: [failure, p95], alpha: 0.01}}}
- name: success-rate
  interval: 1s
  count: 5
  successCondition: result >= 0.90
  failureLimit: 3
  provider: {plugin: {shipway/router: {query: success-rate, arm: canary}}}
";

#[test]
fn reads_a_guard_and_a_threshold() {
    let metrics = check(NO_WORSE).expect("valid");
    let Provider::Sequential(sequential) = &metrics[0].provider else { panic!("{metrics:?}") };
    let weights: Vec<_> = sequential.signals.iter().map(|s| (s.signal, s.weight)).collect();
    assert_eq!(weights, [(Signal::Failure, 0.5), (Signal::AboveP95, 0.5)]);
    assert!(metrics[0].is_guard() && !metrics[1].is_guard());
    assert_eq!((metrics[1].limits.count, metrics[1].limits.failure), (5, Some(3)));
}

#[test]
fn reads_promotion() {
    let text = "metrics: [{name: a, provider: {plugin: {shipway/sequential: {promote: {margin: 3, maxFailureRate: 0.01, \
                atMost: 10m, otherwise: promote, signals: [failure, p99]}}}}}]";
    let metrics = check(text).expect("valid");
    let Provider::Sequential(sequential) = &metrics[0].provider else { panic!("{metrics:?}") };
    let promote = sequential.promote.as_ref().expect("promote");
    assert_eq!((promote.margin, promote.alpha, promote.max_failure_rate), (3.0, 0.05, Some(0.01)));
    assert_eq!(promote.signals, [Signal::Failure, Signal::AboveP99]);
    assert_eq!(
        (promote.at_most, promote.otherwise),
        (Some(std::time::Duration::from_secs(600)), Otherwise::Promote)
    );
}

#[test]
fn refuses_with_a_place() {
    let of = |settings: &str| {
        format!("metrics:\n- name: a\n  provider: {{plugin: {{shipway/sequential: {{{settings}}}}}}}\n")
    };
    refused("metrics: []", "t.yaml:1:1: error[SW0401]", "at least one metric");
    refused("metrics: [{name: a}]", "t.yaml:1:11: error[SW0401]", "needs the key `provider`");
    refused(&of("alpha: 2"), "t.yaml:3:51: error[SW0406]", "above 0 and at most 0.5");
    refused(&of("signals: [failures]"), "error[SW0406]", "did you mean `failure`?");
    refused(&of("signals: [failure, failure]"), "error[SW0406]", "twice");
    refused(&of("promote: {signals: [p50]}"), "error[SW0406]", "cannot promote");
    refused(&of("promote: {margin: 1}"), "error[SW0406]", "1.1 to 100");
    refused(&of("promot: {}"), "error[SW0401]", "did you mean `promote`?");
    refused(
        "metrics: [{name: a, provider: {prometheus: {query: up}}}]",
        "1:32: error[SW0403]",
        "not supported yet",
    );
    refused(&format!("{}  interval: 5s\n", of("")), "t.yaml:4:13: error[SW0401]", "has no meaning");
    refused(
        &format!("{NO_WORSE}dryRun: [{{metricName: latency}}]"),
        "error[SW0401]",
        "no metric named `latency`",
    );
}

#[test]
fn fills_arguments_in() {
    let text = "\
args: [{name: limit}, {name: rate, value: 0.95}]
metrics:
- name: a
  failureLimit: '{{args.limit}}'
  successCondition: result >= {{args.rate}}
  provider: {plugin: {shipway/router: {query: success-rate}}}
";
    let source = Source::new("t.yaml", text);
    let node = yaml::parse(&source, yaml::Limits::default()).expect("yaml").expect("content");
    let (template, found) = AnalysisTemplate::parse_inline(&node, "inline", &source);
    let template = template.unwrap_or_else(|| panic!("{found}"));
    let missing = template.resolve(&[]).expect_err("limit has no value").to_string();
    assert!(missing.contains("t.yaml:4:17: error[SW0405]: the argument `limit` has no value"), "{missing}");
    let metrics =
        template.resolve(&[Argument::new("limit", "7"), Argument::new("other", "x")]).expect("resolved");
    assert_eq!(metrics[0].limits.failure, Some(7));
}

#[test]
fn reads_a_whole_document() {
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {{name: no-worse}}\nspec:\n  {}",
        NO_WORSE.trim_end().replace('\n', "\n  ")
    );
    let source = Source::new("t.yaml", text);
    let node = yaml::parse(&source, yaml::Limits::default()).expect("yaml").expect("content");
    let (template, found) = AnalysisTemplate::parse(&node, &source);
    assert!(found.is_empty(), "{found}");
    assert_eq!(template.map(|template| template.name.value), Some("no-worse".to_owned()));
}
