//! Argo's `AnalysisTemplate` documents: read with places, merged, and resolved into metrics once arguments are known.
//!
//! A template keeps its metrics as written, because `{{args.name}}` may stand anywhere in them; [`AnalysisTemplate::resolve`]
//! fills the arguments in and reads the result.

mod args;
mod merge;
mod metric;
mod provider;

use crate::{
    Metric,
    fields::{Fields, SHAPE},
};
use shipway_base::{Diagnostic, Diagnostics, Source, Spanned, yaml::Node};

pub use args::Argument;
pub use merge::{MergeError, merge};

/// A form of the document that Argo knows and this version does not.
pub(crate) const UNSUPPORTED: &str = "SW0403";

/// A template: metrics, the arguments they need, and which of them only watch.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisTemplate {
    /// `metadata.name`.
    pub name: Spanned<String>,
    /// `spec.args`, in order.
    pub args: Vec<Argument>,
    /// `spec.metrics` as written, each with the text it stands in.
    pub(crate) metrics: Vec<(Node, Source)>,
    /// `spec.dryRun`: metrics that decide nothing.
    pub(crate) dry_run: Vec<Rule>,
    /// `spec.measurementRetention`: how many measurements of which metrics are kept.
    pub(crate) retention: Vec<(Rule, u32)>,
}

/// What a rule is about: the metric of that name, or every metric (`*`).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: Spanned<String>,
    source: Source,
}

impl AnalysisTemplate {
    /// Reads a whole document of the kind `AnalysisTemplate` or `ClusterAnalysisTemplate`. All that can be checked
    /// before arguments are known is checked.
    pub fn parse(node: &Node, source: &Source) -> (Option<AnalysisTemplate>, Diagnostics) {
        let mut found = Diagnostics::new();
        let template = document(node, source, &mut found);
        (template.filter(|_| !found.has_errors()), found)
    }

    /// Reads a mapping with `metrics` (and optionally `args`, `dryRun`, `measurementRetention`), as it may stand
    /// directly in a rollout's step; `name` is what messages call it.
    pub fn parse_inline(node: &Node, name: &str, source: &Source) -> (Option<AnalysisTemplate>, Diagnostics) {
        let mut found = Diagnostics::new();
        let template = spec(node, Spanned::new(name.to_owned(), node.span), source, &mut found);
        (template.filter(|_| !found.has_errors()), found)
    }

    /// The metrics with arguments filled in: the values given, else the template's own.
    ///
    /// # Errors
    /// All that is wrong, among it each argument that has no value.
    pub fn resolve(&self, given: &[Argument]) -> Result<Vec<Metric>, Diagnostics> {
        let mut found = Diagnostics::new();
        let args = args::merged(&self.args, given);
        let filled: Vec<(Node, Source)> = self
            .metrics
            .iter()
            .filter_map(|(node, source)| match args::fill(node, &args, source) {
                Ok(node) => Some((node, source.clone())),
                Err(unresolved) => {
                    found.append(unresolved);
                    None
                }
            })
            .collect();
        let mut metrics = metric::read_all(&filled, &mut found);
        for rule in self.dry_run.iter().chain(self.retention.iter().map(|(rule, _)| rule)) {
            // With errors some metrics may be missing for another reason.
            if !found.has_errors() && !metrics.iter().any(|metric| rule.is_about(metric)) {
                let message = format!("there is no metric named `{}`", rule.name.value);
                found.push(Diagnostic::error(SHAPE, &rule.source, rule.name.span, message));
            }
        }
        for metric in &mut metrics {
            metric.dry_run = self.dry_run.iter().any(|rule| rule.is_about(metric));
            if let Some((_, kept)) = self.retention.iter().find(|(rule, _)| rule.is_about(metric)) {
                metric.retention = *kept;
            }
        }
        if found.has_errors() { Err(found) } else { Ok(metrics) }
    }
}

impl Rule {
    fn is_about(&self, metric: &Metric) -> bool {
        self.name.value == "*" || self.name.value == metric.name
    }
}

fn document(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<AnalysisTemplate> {
    let fields = Fields::open(
        node,
        "an analysis template",
        &["apiVersion", "kind", "metadata", "spec"],
        source,
        found,
    )?;
    let version = fields.text("apiVersion", found);
    if let Some(other) = version.filter(|version| version.value != "argoproj.io/v1alpha1") {
        let message = format!("`{}` is not an apiVersion of analysis templates", other.value);
        found.push(
            Diagnostic::error(SHAPE, source, other.span, message).with_help("write argoproj.io/v1alpha1"),
        );
    }
    let metadata = fields.required("metadata", found)?;
    let known = ["name", "namespace", "labels", "annotations"];
    let metadata = Fields::open(metadata, "the metadata of a template", &known, source, found)?;
    metadata.required("name", found);
    let name = metadata.text("name", found)?;
    spec(fields.required("spec", found)?, name, source, found)
}

fn spec(
    node: &Node,
    name: Spanned<String>,
    source: &Source,
    found: &mut Diagnostics,
) -> Option<AnalysisTemplate> {
    let known = ["metrics", "args", "dryRun", "measurementRetention", "templates"];
    let fields = Fields::open(node, "an analysis", &known, source, found)?;
    if let Some(nested) = fields.get("templates") {
        let message = "templates that refer to other templates are not supported yet";
        found.push(
            Diagnostic::error(UNSUPPORTED, source, nested.span, message)
                .with_help("name all templates where the analysis is used; they are merged"),
        );
    }
    let metrics: Vec<(Node, Source)> =
        fields.items("metrics", found).iter().map(|node| (node.clone(), source.clone())).collect();
    if metrics.is_empty() {
        found.push(Diagnostic::error(SHAPE, source, fields.span, "an analysis needs at least one metric"));
    }
    let args: Vec<Argument> =
        fields.items("args", found).iter().filter_map(|node| Argument::parse(node, source, found)).collect();
    args::refuse_repeated(&args, source, found);
    let mut dry_run = Vec::new();
    for node in fields.items("dryRun", found) {
        let rule = Fields::open(node, "a dry-run rule", &["metricName"], source, found);
        let name = rule.and_then(|rule| rule.text("metricName", found));
        dry_run.extend(name.map(|name| Rule { name, source: source.clone() }));
    }
    let mut retention = Vec::new();
    for node in fields.items("measurementRetention", found) {
        let known = ["metricName", "limit"];
        let Some(rule) = Fields::open(node, "a retention rule", &known, source, found) else { continue };
        let name = rule.text("metricName", found);
        let limit = rule.integer("limit", found).map_or(10, |limit| limit.value.clamp(1, 1_000) as u32);
        retention.extend(name.map(|name| (Rule { name, source: source.clone() }, limit)));
    }
    let template = AnalysisTemplate { name, args, metrics, dry_run, retention };
    template.check(found);
    Some(template)
}

impl AnalysisTemplate {
    /// Reads the metrics that need no argument without a value, for their errors only.
    fn check(&self, found: &mut Diagnostics) {
        let ready: Vec<(Node, Source)> = self
            .metrics
            .iter()
            .filter_map(|(node, source)| Some((args::fill(node, &self.args, source).ok()?, source.clone())))
            .collect();
        metric::read_all(&ready, found);
    }
}

#[cfg(test)]
mod tests;
