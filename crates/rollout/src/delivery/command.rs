//! What people and pipelines ask of a delivery.

use super::{Event, Release, Rollout};
use shipway_base::Id;
use std::fmt;

/// What somebody asks for. Ids are supplied by the caller, as chance and time are.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Roll out a release.
    Deploy {
        /// The id for the rollout.
        rollout: Id<Rollout>,
        /// What.
        release: Release,
        /// Who or what asks.
        by: String,
    },
    /// Skip the current step (also a pause), or with `full` all of them.
    Promote {
        /// Whether all remaining steps are skipped.
        full: bool,
        /// The step that is meant, from 1; whichever is the current one when `None`. Full weight is the one after the last.
        step: Option<usize>,
        /// Who asks.
        by: String,
    },
    /// Go no further; weights stay.
    Pause {
        /// Who asks.
        by: String,
    },
    /// Go on.
    Resume {
        /// Who asks.
        by: String,
    },
    /// Give the version on trial up.
    Abort {
        /// Who asks.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// Roll out the release again whose rollout was given up.
    Retry {
        /// The id for the rollout.
        rollout: Id<Rollout>,
        /// Who asks.
        by: String,
    },
    /// Go back to a release that was stable before; without steps, as it has proved itself.
    Undo {
        /// The id for the rollout.
        rollout: Id<Rollout>,
        /// The version or digest to go back to; the one before the present when `None`.
        to: Option<String>,
        /// Who asks.
        by: String,
    },
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Decided {
    /// What happened; empty when there was nothing to do.
    pub events: Vec<Event>,
    /// The answer in words: what will happen, or why nothing will.
    pub words: String,
}

/// Why a command cannot be obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No rollout is under way.
    NoRollout {
        /// What was asked.
        command: &'static str,
        /// What there is instead.
        state: String,
    },
    /// Nothing is paused.
    NotPaused,
    /// The rollout goes to full weight without steps, so that there is none to skip.
    NoStep {
        /// The version.
        version: String,
    },
    /// Another step is the current one: what was asked for has happened already, or was not seen to come.
    StepOver {
        /// The version.
        version: String,
        /// The step that was meant, from 1.
        asked: usize,
        /// The current one.
        current: usize,
        /// How many steps there are.
        steps: usize,
    },
    /// There is no such earlier release.
    NoSuchRelease {
        /// What was asked for; `None` for "the one before".
        asked: Option<String>,
        /// The releases there are, newest first.
        known: Vec<String>,
    },
    /// The rollout is being rolled back already, and nothing leads forward from there.
    RollingBack {
        /// The version.
        version: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoRollout { command, state } => write!(f, "there is nothing to {command}: {state}"),
            Refusal::NotPaused => f.write_str("there is nothing to resume: the rollout is not paused"),
            Refusal::NoStep { version } => {
                write!(f, "{version} has no step to skip: it takes all traffic as soon as it is ready")
            }
            Refusal::StepOver { version, asked, current, steps } => {
                write!(f, "step {asked} of {version} is not the current one: ")?;
                if current > steps {
                    f.write_str("it is past its last step")?;
                } else {
                    write!(f, "it is at step {current} of {steps}")?;
                }
                f.write_str("; look at it again before you promote it further")
            }
            Refusal::NoSuchRelease { asked: None, .. } => {
                f.write_str("there is no earlier release to go back to")
            }
            Refusal::NoSuchRelease { asked: Some(asked), known } if known.is_empty() => {
                write!(f, "cannot go back to {asked}: no release was stable before the present one")
            }
            Refusal::NoSuchRelease { asked: Some(asked), known } => {
                write!(
                    f,
                    "cannot go back to {asked}: the releases that were stable before are {}",
                    known.join(", ")
                )
            }
            Refusal::RollingBack { version } => {
                write!(f, "{version} is being rolled back; retry it or deploy another version")
            }
        }
    }
}

impl std::error::Error for Refusal {}
