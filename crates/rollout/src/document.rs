//! What a person writes down about a service: how it runs, who is let in, and by which steps a new version goes live.

mod canary;
mod documents;
mod fields;
mod service;

use shipway_analysis::{AnalysisTemplate, Metric, template::Argument};
use shipway_base::{Share, Span, Spanned};
use std::{collections::BTreeMap, time::Duration};

pub use documents::Documents;
pub(crate) use documents::pick;

/// A service: one program in several copies behind one route (`apiVersion: shipway.dev/v1`, `kind: Service`).
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// `metadata.name`: lower case letters, digits and dashes, at most 63 characters.
    pub name: Spanned<String>,
    /// `spec.replicas`, at least 1; 1 when absent.
    pub replicas: u32,
    /// `spec.command`: the program and its arguments, relative to the unpacked artifact.
    pub command: Vec<String>,
    /// `spec.env`: added to the instance's environment.
    pub env: BTreeMap<String, String>,
    /// `spec.healthCheck`.
    pub health_check: HealthCheck,
    /// `spec.drainTimeout`: how long an instance may finish its requests after it left the route; 10 s when absent.
    pub drain_timeout: Duration,
    /// `spec.stopTimeout`: how long an instance may take after TERM before it is killed; 10 s when absent.
    pub stop_timeout: Duration,
    /// `spec.progressDeadlineSeconds`: how long a rollout may wait for instances without any getting ready; 600 s when
    /// absent, as in Argo.
    pub progress_deadline: Duration,
    /// `spec.restart`.
    pub restart: Restart,
    /// `spec.route`.
    pub route: RouteSpec,
    /// `spec.strategy.canary`; without one, a new version goes to full weight once it is ready.
    pub canary: CanaryStrategy,
}

/// How an instance is asked whether it may serve: `GET` on its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path; an answer from 200 to 399 is healthy. `/` when absent.
    pub path: String,
    /// The time from one check to the next; 1 s when absent.
    pub interval: Duration,
    /// How long an answer may take; 1 s when absent.
    pub timeout: Duration,
    /// Healthy answers in a row that make an instance ready; 1 when absent.
    pub healthy_threshold: u32,
    /// Failures in a row that take it out of the route; 3 when absent.
    pub unhealthy_threshold: u32,
    /// How long it may take to become ready for the first time, and how long it may stay unhealthy before it is
    /// replaced; 30 s when absent.
    pub start_timeout: Duration,
}

/// What happens when instances die by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The pause before the first replacement, doubled with each death in a row; 500 ms when absent.
    pub backoff: Duration,
    /// The longest pause; 30 s when absent.
    pub max_backoff: Duration,
    /// Deaths in a row after which a version on trial is given up; 3 when absent.
    pub limit: u32,
    /// How long an instance must have been ready for its death to count as the first in a row; 60 s when absent.
    pub reset_after: Duration,
}

/// Which requests belong to the service, and who counts as one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// `Host` names, lower case, without port; empty for the default route.
    pub hosts: Vec<String>,
    /// Who counts as one client.
    pub client: shipway_traffic::Client,
    /// How long a request may wait for the first byte of an answer; 30 s when absent.
    pub response_timeout: Duration,
}

/// `strategy.canary`, as Argo Rollouts spells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CanaryStrategy {
    /// `analysis`: runs beside the steps, from the first weight on.
    pub background: Option<Background>,
    /// `steps`, in order.
    pub steps: Vec<Spanned<CanaryStep>>,
}

/// One step of a canary.
#[derive(Clone, Debug, PartialEq)]
pub enum CanaryStep {
    /// `setWeight`: the share of clients that the new version serves.
    SetWeight(Share),
    /// `pause`: for a while, or until somebody promotes.
    Pause {
        /// How long; `None` waits for a person.
        duration: Option<Duration>,
    },
    /// `analysis`: goes on when the metrics are satisfied.
    Analysis(Box<AnalysisStep>),
}

/// `canary.analysis`.
#[derive(Clone, Debug, PartialEq)]
pub struct Background {
    /// What is measured.
    pub analysis: AnalysisStep,
    /// `startingStep`: the first step (from 0) at which it runs.
    pub starting_step: usize,
}

/// Which metrics judge.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisStep {
    /// `templates`: the templates by name.
    pub templates: Vec<Spanned<String>>,
    /// `args`: values for the templates' arguments.
    pub args: Vec<Argument>,
    /// `dryRun`: names of metrics that only watch, `*` for all.
    pub dry_run: Vec<Spanned<String>>,
    /// `measurementRetention`: how many measurements of a metric are kept.
    pub retention: Vec<(Spanned<String>, u32)>,
    /// `metrics` that stand in the step itself.
    pub inline: Option<AnalysisTemplate>,
    /// The metrics of all these together; empty until the names were looked up.
    pub metrics: Vec<Metric>,
    /// Where the block stands.
    pub span: Span,
}

impl Default for AnalysisStep {
    fn default() -> AnalysisStep {
        AnalysisStep {
            templates: Vec::new(),
            args: Vec::new(),
            dry_run: Vec::new(),
            retention: Vec::new(),
            inline: None,
            metrics: Vec::new(),
            span: Span::START,
        }
    }
}
