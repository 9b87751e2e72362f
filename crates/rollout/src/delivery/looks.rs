//! Which analyses are to be asked now, and what they say.

use super::{AnalysisKey, Delivery, Judged, Phase};
use crate::document::CanaryStep;
use shipway_analysis::{Case, Evidence, Measurements, Metric, judge};
use shipway_base::{Share, Timestamp};
use std::collections::BTreeMap;

/// An analysis that is to be asked now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Analysis<'a> {
    /// Which run of it; a verdict must carry the same key.
    pub key: AnalysisKey,
    /// What is measured.
    pub metrics: &'a [Metric],
    /// When it began.
    pub began: Timestamp,
    /// When it began, or when a person let it begin anew: from then on it has its time to find an answer.
    pub waits_since: Timestamp,
    /// What had been counted when it began; `None` counts from the beginning of the epoch.
    pub baseline: Option<&'a Evidence>,
    /// The canary's share now.
    pub share: Share,
}

/// What earlier looks measured, for each run of an analysis. Kept in memory by whoever asks: after a restart the
/// threshold metrics of the present step begin anew, and the sequential tests, which live on counts alone, do not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looks {
    measured: BTreeMap<AnalysisKey, Measurements>,
}

impl Delivery {
    /// The analyses that are to be asked now: the background's, and the present step's.
    pub fn analyses(&self) -> Vec<Analysis<'_>> {
        let Some(rollout) = self.active() else { return Vec::new() };
        let mut analyses = Vec::new();
        let share = rollout.share;
        let waits_since = |began: Timestamp| rollout.renewed_at.map_or(began, |renewed| renewed.max(began));
        if let (Some(key), Some(background), Some(exposure)) =
            (rollout.background_key(self.epoch), rollout.background(), rollout.exposure)
        {
            let metrics = background.analysis.metrics.as_slice();
            let began = exposure.since;
            let waits_since = waits_since(began);
            analyses.push(Analysis { key, metrics, began, waits_since, baseline: None, share });
        }
        if let (Some(key), Phase::Step { index, entered_at, baseline }) =
            (rollout.step_key(self.epoch), &rollout.phase)
            && let Some(CanaryStep::Analysis(step)) =
                rollout.release.spec.service.canary.steps.get(*index).map(|step| &step.value)
        {
            let baseline = baseline.as_deref().filter(|baseline| baseline.epoch == self.epoch);
            let (metrics, began) = (step.metrics.as_slice(), *entered_at);
            let waits_since = waits_since(began);
            analyses.push(Analysis { key, metrics, began, waits_since, baseline, share });
        }
        analyses
    }
}

impl Looks {
    /// Asks every analysis of a delivery once and remembers what was measured. Evidence of another epoch counts as
    /// none.
    pub fn look(&mut self, delivery: &Delivery, evidence: Option<&Evidence>, now: Timestamp) -> Vec<Judged> {
        let analyses = delivery.analyses();
        self.measured.retain(|key, _| analyses.iter().any(|analysis| analysis.key == *key));
        let none = Evidence { epoch: delivery.epoch, ..Evidence::default() };
        let total = evidence.filter(|evidence| evidence.epoch == delivery.epoch).unwrap_or(&none);
        let mut judged = Vec::new();
        for analysis in analyses {
            let measurements = self.measured.entry(analysis.key).or_default();
            let case = Case {
                metrics: analysis.metrics,
                total,
                baseline: analysis.baseline.unwrap_or(&none),
                share: analysis.share,
                began: analysis.began,
                waits_since: analysis.waits_since,
                measurements,
                now,
            };
            let judgement = judge(&case);
            *measurements = judgement.measurements;
            judged.push(Judged { key: analysis.key, verdict: judgement.verdict });
        }
        judged
    }
}
