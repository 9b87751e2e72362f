//! Several templates used together become one.

use super::AnalysisTemplate;
use shipway_base::Spanned;
use std::fmt;

/// Why templates do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeError {
    /// Two metrics have the same name.
    MetricTwice(String),
    /// Two dry-run rules name the same metric.
    DryRunTwice(String),
    /// Two retention rules name the same metric.
    RetentionTwice(String),
    /// Two templates give an argument different values.
    ArgumentTwice {
        /// The argument.
        name: String,
        /// The two values.
        values: [String; 2],
    },
}

/// Joins templates in their order: metrics and rules one after the other, arguments by name.
///
/// # Errors
/// The first conflict.
pub fn merge(name: Spanned<String>, templates: &[&AnalysisTemplate]) -> Result<AnalysisTemplate, MergeError> {
    let mut all = AnalysisTemplate {
        name,
        args: Vec::new(),
        metrics: Vec::new(),
        dry_run: Vec::new(),
        retention: Vec::new(),
    };
    for template in templates {
        all.metrics.extend(template.metrics.iter().cloned());
        all.dry_run.extend(template.dry_run.iter().cloned());
        all.retention.extend(template.retention.iter().cloned());
        for argument in &template.args {
            let Some(known) = all.args.iter_mut().find(|known| known.name.value == argument.name.value)
            else {
                all.args.push(argument.clone());
                continue;
            };
            match (&known.value, &argument.value) {
                (Some(a), Some(b)) if a != b => {
                    let values = [a.clone(), b.clone()];
                    return Err(MergeError::ArgumentTwice { name: argument.name.value.clone(), values });
                }
                (None, Some(value)) => known.value = Some(value.clone()),
                (Some(_) | None, _) => {}
            }
        }
    }
    let metrics = all.metrics.iter().filter_map(|(node, _)| node.as_mapping()?.get("name")?.as_text());
    if let Some(name) = repeated(metrics) {
        return Err(MergeError::MetricTwice(name));
    }
    if let Some(name) = repeated(all.dry_run.iter().map(|rule| rule.name.value.as_str())) {
        return Err(MergeError::DryRunTwice(name));
    }
    match repeated(all.retention.iter().map(|(rule, _)| rule.name.value.as_str())) {
        Some(name) => Err(MergeError::RetentionTwice(name)),
        None => Ok(all),
    }
}

/// The first name that comes a second time.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Some(name.to_owned());
        }
    }
    None
}

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MergeError::MetricTwice(name) => write!(f, "two metrics have the same name `{name}`"),
            MergeError::DryRunTwice(name) => write!(f, "two dry-run rules name the same metric `{name}`"),
            MergeError::RetentionTwice(name) => {
                write!(f, "two retention rules name the same metric `{name}`")
            }
            MergeError::ArgumentTwice { name, values: [a, b] } => {
                write!(f, "two templates give the argument `{name}` different values, `{a}` and `{b}`")
            }
        }
    }
}

impl std::error::Error for MergeError {}
