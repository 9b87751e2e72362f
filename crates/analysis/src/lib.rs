//! How a release is judged: evidence, sequential tests, conditions, and the words for it.
//!
//! Pure: the router (or a simulation) gathers [`Evidence`]; functions here turn it into a [`Verdict`]. Nothing in
//! this crate reads a clock or draws a random number: [`judge`] is told the instant and the state it left behind the
//! last time.

pub mod condition;
mod evidence;
mod fields;
pub mod histogram;
mod judge;
pub mod measure;
mod metric;
pub mod sequential;
pub mod template;
mod verdict;

pub use condition::Condition;
pub use evidence::{Arm, ArmCount, ArmTotals, Evidence, FirstEvents, Signal};
pub use histogram::Histogram;
pub use judge::{Case, Judgement, judge};
pub use metric::{
    Limits, Measurement, MeasurementPhase, Measurements, Metric, MetricState, Otherwise, Promote, Provider,
    Query, RouterQuery, Sequential, SignalWeight,
};
pub use template::AnalysisTemplate;
pub use verdict::{
    Cause, Decision, Exposure, Interval, Level, MetricReport, Needed, Phase, Promotion, SignalReport, Test,
    Thresholds, Verdict,
};
