//! `strategy.canary` as Argo Rollouts spells it: the steps, and the analysis beside them.

use super::{
    AnalysisStep, Background, CanaryStep, CanaryStrategy,
    fields::{Fields, Reader, SHAPE, VALUE},
};
use shipway_analysis::{
    AnalysisTemplate,
    template::{Argument, MergeError, merge},
};
use shipway_base::{Diagnostic, Share, Span, Spanned, yaml::Node};
use std::time::Duration;

/// A template that an analysis refers to is missing, or does not go together with the others.
const TEMPLATE: &str = "SW0305";
/// A step is not exactly one of the kinds there are.
const STEP: &str = "SW0306";
/// Steps that are allowed and cannot do what they seem to.
const POINTLESS: &str = "SW0307";

/// Keys of Argo's block that belong to Kubernetes or to forms of this version's future, with what to do instead.
const OTHER_KEYS: [(&str, &str); 14] = [
    ("canaryService", "leave it out: the router tells the arms apart by itself"),
    ("stableService", "leave it out: the router tells the arms apart by itself"),
    ("trafficRouting", "leave it out: Shipway's own router shifts the traffic"),
    ("maxUnavailable", "leave it out: the stable version keeps all its instances until the end"),
    ("maxSurge", "leave it out: the stable version keeps all its instances until the end"),
    ("antiAffinity", "leave it out: instances are processes of one machine"),
    ("canaryMetadata", "leave it out: there are no pods to label"),
    ("stableMetadata", "leave it out: there are no pods to label"),
    ("scaleDownDelaySeconds", "use `spec.drainTimeout`"),
    ("scaleDownDelayRevisionLimit", "leave it out"),
    ("abortScaleDownDelaySeconds", "use `spec.drainTimeout`"),
    ("dynamicStableScale", "leave it out: the stable version keeps all its instances until the end"),
    ("pingPong", "leave it out: the router tells the arms apart by itself"),
    ("minPodsPerReplicaSet", "leave it out"),
];

/// Kinds of steps that Argo knows and this version does not.
const OTHER_STEPS: [(&str, &str); 5] = [
    ("setCanaryScale", "leave it out: the version on trial gets its part of the replicas"),
    ("setHeaderRoute", "use `setWeight`"),
    ("setMirrorRoute", "use `setWeight`"),
    ("experiment", "use an `analysis` step: it compares both arms"),
    ("plugin", "use an `analysis` step"),
];

impl CanaryStrategy {
    /// Reads the block under `canary`, with all findings. Names of templates are not looked up yet.
    pub fn parse(
        node: &Node,
        source: &shipway_base::Source,
    ) -> (Option<CanaryStrategy>, shipway_base::Diagnostics) {
        let mut reader = Reader::new(source);
        let strategy = strategy(node, &mut reader);
        (strategy.filter(|_| !reader.found.has_errors()), reader.found)
    }
}

pub(super) fn strategy(node: &Node, reader: &mut Reader<'_>) -> Option<CanaryStrategy> {
    let fields = reader.open(node, "a canary strategy", &["analysis", "steps"], &OTHER_KEYS)?;
    let items = fields.items("steps", reader);
    let steps: Vec<Spanned<CanaryStep>> = items.iter().filter_map(|node| step(node, reader)).collect();
    let background = fields.get("analysis").and_then(|node| background(node, reader));
    if steps.len() == items.len() {
        look_at_order(&steps, reader);
    }
    Some(CanaryStrategy { background, steps })
}

fn step(node: &Node, reader: &mut Reader<'_>) -> Option<Spanned<CanaryStep>> {
    let known = ["setWeight", "pause", "analysis"];
    let fields = reader.open(node, "a step", &known, &OTHER_STEPS)?;
    if fields.keys().any(|kind| !known.contains(&kind.value.as_str())) {
        // Refused by name when the mapping was opened.
        return None;
    }
    let mut kinds = fields.keys();
    let Some(kind) = kinds.next() else {
        reader.error(
            STEP,
            node.span,
            "a step must be one of setWeight, pause or analysis; this one is empty",
        );
        return None;
    };
    if let Some(second) = kinds.next() {
        let message =
            format!("a step must be exactly one thing, but this is `{}` and `{}`", kind.value, second.value);
        reader.found.push(
            Diagnostic::error(STEP, reader.source, second.span, message).with_help("make two steps of it"),
        );
        return None;
    }
    let value = match kind.value.as_str() {
        "setWeight" => CanaryStep::SetWeight(weight(&fields, reader)?),
        "pause" => CanaryStep::Pause { duration: pause(&fields, reader)? },
        "analysis" => {
            let node = fields.required("analysis", reader)?;
            let fields = reader.open(node, "an analysis step", &ANALYSIS[..5], &METADATA)?;
            CanaryStep::Analysis(Box::new(analysis(node, &fields, "an analysis step", reader)))
        }
        _ => return None,
    };
    Some(Spanned::new(value, node.span))
}

fn weight(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Share> {
    fields.required("setWeight", reader)?;
    let percent = fields.integer("setWeight", 0..=100, reader)?;
    Some(Share::percent(u8::try_from(percent).unwrap_or(100)))
}

/// `pause: {}` and `pause:` wait for a person; the outer `None` means that the step is wrong.
#[expect(
    clippy::option_option,
    reason = "a pause without a duration is valid and differs from a wrong pause"
)]
fn pause(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Option<Duration>> {
    let node = fields.get_even_empty("pause")?;
    if node.is_null() {
        return Some(None);
    }
    let fields = reader.open(node, "a pause", &["duration"], &[])?;
    match fields.get("duration") {
        None => Some(None),
        Some(_) => fields.duration("duration", reader).map(Some),
    }
}

/// The keys of an analysis, background or step.
const ANALYSIS: [&str; 6] =
    ["templates", "args", "dryRun", "measurementRetention", "metrics", "startingStep"];
const METADATA: [(&str, &str); 1] = [("analysisRunMetadata", "leave it out: there are no objects to label")];

fn background(node: &Node, reader: &mut Reader<'_>) -> Option<Background> {
    let fields = reader.open(node, "a background analysis", &ANALYSIS, &METADATA)?;
    let starting_step = fields.integer("startingStep", 0..=1_000, reader).unwrap_or(0) as usize;
    Some(Background { analysis: analysis(node, &fields, "a background analysis", reader), starting_step })
}

fn analysis(node: &Node, fields: &Fields<'_>, what: &'static str, reader: &mut Reader<'_>) -> AnalysisStep {
    let mut step = AnalysisStep { span: node.span, ..AnalysisStep::default() };
    for item in fields.items("templates", reader) {
        let Some(template) =
            reader.open(item, "a template reference", &["templateName", "clusterScope"], &[])
        else {
            continue;
        };
        // Cluster templates and others share one set of names here: there is one machine.
        template.boolean("clusterScope", reader);
        template.required("templateName", reader);
        step.templates.extend(template.text("templateName", reader));
    }
    let (source, items) = (reader.source, fields.items("args", reader));
    step.args = items.iter().filter_map(|node| Argument::parse(node, source, &mut reader.found)).collect();
    for item in fields.items("dryRun", reader) {
        let rule = reader.open(item, "a dry-run rule", &["metricName"], &[]);
        step.dry_run.extend(rule.and_then(|rule| rule.text("metricName", reader)));
    }
    for item in fields.items("measurementRetention", reader) {
        let Some(rule) = reader.open(item, "a retention rule", &["metricName", "limit"], &[]) else {
            continue;
        };
        let limit = rule.integer("limit", 1..=1_000, reader);
        step.retention.extend(rule.text("metricName", reader).zip(limit));
    }
    if fields.get("metrics").is_some() {
        step.inline = inline(node, what, reader);
    }
    if step.templates.is_empty() && fields.get("metrics").is_none() {
        reader.error(SHAPE, node.span, format!("{what} needs `templates` or `metrics`"));
    }
    step
}

/// Metrics that stand in the step itself are read as a template of their own.
fn inline(node: &Node, what: &'static str, reader: &mut Reader<'_>) -> Option<AnalysisTemplate> {
    let metrics = only(node, "metrics")?;
    let (template, found) = AnalysisTemplate::parse_inline(&metrics, what, reader.source);
    reader.found.append(found);
    template
}

/// The mapping with only one of its keys.
fn only(node: &Node, key: &str) -> Option<Node> {
    use shipway_base::yaml::Value;
    let pairs = node.as_mapping()?.iter().filter(|(name, _)| name.value == key).cloned();
    Some(Node { value: Value::Mapping(pairs.collect()), span: node.span })
}

impl AnalysisStep {
    /// Looks the templates up and makes the metrics.
    pub(super) fn resolve(&mut self, templates: &[AnalysisTemplate], reader: &mut Reader<'_>) {
        let mut used = Vec::new();
        for name in &self.templates {
            match templates.iter().find(|template| template.name.value == name.value) {
                Some(template) => used.push(template),
                None => {
                    let known = templates.iter().map(|template| template.name.value.as_str());
                    let help = match shipway_base::yaml::closest(&name.value, known) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "add an AnalysisTemplate of that name to this file".to_owned(),
                    };
                    let message = format!("there is no analysis template `{}`", name.value);
                    reader
                        .found
                        .push(Diagnostic::error(TEMPLATE, reader.source, name.span, message).with_help(help));
                    return;
                }
            }
        }
        used.extend(&self.inline);
        if used.is_empty() {
            return;
        }
        let merged = match merge(Spanned::new("analysis".to_owned(), self.span), &used) {
            Ok(merged) => merged,
            Err(error) => {
                let help = match error {
                    MergeError::ArgumentTwice { .. } => {
                        "give the argument one value where the analysis is used"
                    }
                    MergeError::MetricTwice(_)
                    | MergeError::DryRunTwice(_)
                    | MergeError::RetentionTwice(_) => "rename one of them, or leave one template out",
                };
                let message = format!("these templates do not go together: {error}");
                reader
                    .found
                    .push(Diagnostic::error(TEMPLATE, reader.source, self.span, message).with_help(help));
                return;
            }
        };
        match merged.resolve(&self.args) {
            Ok(metrics) => self.metrics = metrics,
            Err(found) => reader.found.append(found),
        }
        for metric in &mut self.metrics {
            let named = |name: &Spanned<String>| name.value == "*" || name.value == metric.name;
            metric.dry_run |= self.dry_run.iter().any(named);
            if let Some((_, kept)) = self.retention.iter().find(|(name, _)| named(name)) {
                metric.retention = *kept;
            }
        }
    }
}

/// Warns of steps that cannot do what they seem to, and refuses a strategy that goes nowhere.
fn look_at_order(steps: &[Spanned<CanaryStep>], reader: &mut Reader<'_>) {
    let mut weight = Share::ZERO;
    for step in steps {
        match &step.value {
            CanaryStep::SetWeight(share) => weight = *share,
            CanaryStep::Analysis(_) if weight == Share::ZERO => {
                warn(step.span, "this analysis sees no traffic: no weight is set before it", reader);
            }
            CanaryStep::Analysis(_) if weight == Share::ALL => {
                warn(
                    step.span,
                    "this analysis has nothing to compare with: the weight before it is 100",
                    reader,
                );
            }
            CanaryStep::Analysis(_) | CanaryStep::Pause { .. } => {}
        }
    }
    if steps.len() > 1_000 {
        let span = steps.last().map_or(Span::START, |step| step.span);
        reader.error(VALUE, span, "a strategy may have at most 1000 steps");
    }
}

fn warn(span: Span, message: &str, reader: &mut Reader<'_>) {
    reader.found.push(
        Diagnostic::warning(POINTLESS, reader.source, span, message)
            .with_help("put it after a `setWeight` from 1 to 99"),
    );
}
