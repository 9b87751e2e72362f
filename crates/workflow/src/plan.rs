//! The plan of one run: a workflow and the event that started it, checked.

use crate::{document::Workflow, event::Event};
use std::sync::Arc;

/// A workflow that is certain to be runnable: every need exists and no job waits for itself.
#[derive(Clone, Debug)]
pub struct RunPlan {
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) event: Event,
}

impl RunPlan {
    /// The document.
    pub fn workflow(&self) -> &Arc<Workflow> {
        &self.workflow
    }

    /// What started it.
    pub fn event(&self) -> &Event {
        &self.event
    }
}
