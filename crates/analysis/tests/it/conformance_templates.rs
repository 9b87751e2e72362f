//! Argo's validation of metrics, merging of templates and filling in of arguments.

use crate::cases::{Outcome, Tally, cases, expect, json};
use serde_json::{Value as Json, json};
use shipway_analysis::{
    AnalysisTemplate, Provider,
    template::{Argument, merge},
};
use shipway_base::{Diagnostics, Source, Span, Spanned, yaml};

/// A provider that this version has, so that the other rules can be seen at work.
fn provider() -> Json {
    json!({"plugin": {"shipway/router": {"query": "requests"}}})
}

fn tree(json: &Json) -> (yaml::Node, Source) {
    let text = serde_json::to_string_pretty(json).expect("JSON");
    let source = Source::new("case.yaml", text);
    let node =
        yaml::parse(&source, yaml::Limits::default()).unwrap_or_else(|e| panic!("{e}")).expect("content");
    (node, source)
}

fn read(spec: &Json) -> Result<AnalysisTemplate, Diagnostics> {
    let (node, source) = tree(spec);
    let (template, found) = AnalysisTemplate::parse_inline(&node, "case", &source);
    template.ok_or(found)
}

#[test]
fn conformance_metric_validation() {
    let Some(file) = json("argo-rollouts/metric_validation.json") else { return };
    let mut tally = Tally::new("argo-rollouts/metric_validation");
    for (name, input, wanted) in cases(&file) {
        let mut spec = input.clone();
        for metric in spec["metrics"].as_array_mut().expect("metrics") {
            if metric["provider"] == json!({"prometheus": {}}) {
                metric["provider"] = provider();
            }
        }
        let (node, source) = tree(&spec);
        let (_, found) = AnalysisTemplate::parse_inline(&node, "case", &source);
        let text = wanted["error"].as_str().or(wanted["error"]["$matches"].as_str());
        // The error must be about the metric that Argo's is about.
        let index = text.and_then(|text| text.chars().find(char::is_ascii_digit)?.to_digit(10)).unwrap_or(0);
        let metrics =
            node.as_mapping().and_then(|spec| spec.get("metrics")).and_then(yaml::Node::as_sequence);
        let about =
            metrics.and_then(|metrics| metrics.get(index as usize)).map_or(node.span, |metric| metric.span);
        let inside = found.iter().any(|one| about.start <= one.span.start && one.span.end <= about.end);
        tally.record(
            name,
            expect(text.is_some() == inside && found.has_errors() == inside, || found.to_string()),
        );
    }
    tally.finish(17);
}

#[test]
fn conformance_template_merging() {
    let Some(file) = json("argo-rollouts/template_merging.json") else { return };
    let mut tally = Tally::new("argo-rollouts/template_merging");
    for (name, input, wanted) in cases(&file) {
        let lists = ["templates", "cluster_templates"].map(|key| input[key].as_array().expect("a list"));
        let mut templates = Vec::new();
        for (index, template) in lists.into_iter().flatten().enumerate() {
            let mut spec = template["spec"].clone();
            if spec["metrics"].is_null() {
                spec["metrics"] = json!([{"name": format!("filler-{index}")}]);
            }
            for metric in spec["metrics"].as_array_mut().expect("metrics") {
                metric["provider"] = provider();
            }
            templates.push(read(&spec).unwrap_or_else(|found| panic!("{name}: {found}")));
        }
        let all: Vec<&AnalysisTemplate> = templates.iter().collect();
        let merged = merge(Spanned::new("merged".to_owned(), Span::START), &all);
        tally.record(name, merged_as(merged, wanted));
    }
    tally.finish(10);
}

fn merged_as(
    merged: Result<AnalysisTemplate, shipway_analysis::template::MergeError>,
    wanted: &Json,
) -> Outcome {
    let template = match merged {
        Err(error) => return expect(wanted["error"].is_string(), || error.to_string()),
        Ok(_) if wanted["error"].is_string() => return Outcome::Failed("no error".to_owned()),
        Ok(template) => template,
    };
    let spec = &wanted["template.spec"];
    let length = |key: &str, list: &Json| {
        wanted[format!("template.spec.{key}.length")].as_u64().or(list.as_array().map(|l| l.len() as u64))
    };
    let (metrics, args) = (length("metrics", &spec["metrics"]), length("args", &spec["args"]));
    let resolved = template.resolve(&[]).map(|metrics| metrics.len() as u64).ok();
    let values_known = template.args.iter().all(|argument| argument.value.is_some());
    let got = format!("{:?} metrics, {} arguments", resolved, template.args.len());
    expect(
        metrics.is_none_or(|count| resolved == Some(count) || (count == 0 && resolved == Some(0)))
            && args.is_none_or(|count| template.args.len() as u64 == count)
            && values_known,
        || got,
    )
}

#[test]
fn conformance_argument_resolution() {
    let Some(file) = json("argo-rollouts/argument_resolution.json") else { return };
    let mut tally = Tally::new("argo-rollouts/argument_resolution");
    for (name, input, wanted) in cases(&file) {
        let text = wanted["metric.successCondition"].as_str().expect("a condition");
        let args = input["args"].as_array().expect("arguments");
        // The filled-in texts of these cases are no valid conditions, so the name of the metric carries them.
        let template = input["metric"]["successCondition"].clone();
        let spec = json!({
            "metrics": [{"name": template, "provider": provider()}],
            "args": args.iter().map(|arg| json!({"name": arg["name"]})).collect::<Vec<_>>(),
        });
        let given: Vec<Argument> = args
            .iter()
            .map(|arg| {
                Argument::new(arg["name"].as_str().expect("a name"), arg["value"].as_str().expect("a value"))
            })
            .collect();
        let metrics = read(&spec).and_then(|template| template.resolve(&given));
        let got = metrics.as_ref().map(|metrics| metrics[0].name.clone()).map_err(ToString::to_string);
        assert!(metrics.iter().flatten().all(|metric| matches!(metric.provider, Provider::Router(_))));
        tally.record(name, expect(got.as_deref() == Ok(text), || format!("{got:?}")));
    }
    tally.finish(3);
}

#[test]
fn conformance_argument_merging() {
    let Some(file) = json("argo-rollouts/argument_merging.json") else { return };
    let mut tally = Tally::new("argo-rollouts/argument_merging");
    for (name, input, wanted) in cases(&file) {
        let list = |key: &str| input[key].as_array().cloned().unwrap_or_default();
        let (declared, incoming) = (list("template"), list("incoming"));
        if declared.iter().any(|argument| !argument["valueFrom"].is_null()) {
            tally.record(name, Outcome::LeftOut("arguments from secrets"));
            continue;
        }
        // A metric that needs every declared argument shows which value each got.
        let uses: Vec<String> = declared
            .iter()
            .map(|arg| format!("{{{{args.{}}}}}", arg["name"].as_str().expect("a name")))
            .collect();
        let spec = json!({
            "metrics": [{"name": format!("m {}", uses.join(" ")), "provider": provider()}],
            "args": declared,
        });
        let given: Vec<Argument> = incoming
            .iter()
            .filter_map(|arg| Some(Argument::new(arg["name"].as_str()?, arg["value"].as_str()?)))
            .collect();
        let got = read(&spec).and_then(|template| template.resolve(&given));
        let outcome = match got {
            Err(found) => expect(wanted["error"].is_string(), || found.to_string()),
            Ok(metrics) => {
                let values: Vec<String> = (0..declared.len())
                    .filter_map(|index| Some(wanted[format!("args[{index}].value")].as_str()?.to_owned()))
                    .collect();
                let name = format!("m {}", values.join(" "));
                expect(wanted["error"].is_null() && metrics[0].name == name, || metrics[0].name.clone())
            }
        };
        tally.record(name, outcome);
    }
    tally.finish(5);
}
