//! Events, and which workflows they start.

mod call;
mod cron;
mod explain;
mod inputs;
mod pattern;
mod read;
mod skip;
mod table;
mod trigger;

use crate::{document::DispatchInput, expr::Value};
use shipway_base::{Span, Spanned};

pub use call::{CallInput, CallInputKind, CallOutput, CallSecret, WorkflowCall};
pub(crate) use inputs::resolve as resolve_inputs;
pub use inputs::too_large as inputs_too_large;
pub use pattern::Pattern;
pub(crate) use read::read_triggers;
pub use skip::skip_mark;
pub use table::{is_typed, names};
pub use trigger::Triggered;

/// Something that happened and may start workflows.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// GitHub's name of it: `push`, `pull_request`, `workflow_dispatch` and so on.
    pub name: String,
    /// The webhook's body, `github.event`. It may be large, and whoever copies an event shares it.
    pub payload: Value,
    /// The full ref: `refs/heads/main`, `refs/tags/v1`, `refs/pull/7/merge`.
    pub reference: String,
    /// The commit, 40 hexadecimal digits.
    pub sha: String,
    /// Paths changed by it, relative to the repository; `None` when unknown, so that path filters let it pass, as GitHub
    /// does when a diff is too large.
    pub changed: Option<Vec<String>>,
}

/// One event named under `on`, with its filters.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// The event's name.
    pub event: Spanned<String>,
    /// `types`: activity types; `None` means GitHub's default for the event.
    pub types: Option<Vec<Spanned<String>>>,
    /// `branches` or `branches-ignore`.
    pub branches: Option<Filter>,
    /// `tags` or `tags-ignore`.
    pub tags: Option<Filter>,
    /// `paths` or `paths-ignore`.
    pub paths: Option<Filter>,
    /// `workflows` of `workflow_run`.
    pub workflows: Vec<Spanned<String>>,
    /// The entries of `schedule`.
    pub schedules: Vec<Schedule>,
    /// `inputs` of `workflow_dispatch`.
    pub inputs: Vec<DispatchInput>,
    /// What `workflow_call` declares; none for other events.
    pub call: Option<Box<WorkflowCall>>,
    /// `names` of `image_version`: names of images.
    pub names: Option<Filter>,
    /// `versions` of `image_version`: versions of images.
    pub versions: Option<Filter>,
    /// Its place.
    pub span: Span,
}

/// A list of patterns that lets names in (`branches`) or keeps them out (`branches-ignore`).
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whether it is the `-ignore` form.
    pub ignore: bool,
    /// The patterns in the order of the text; a leading `!` takes back what earlier ones let in.
    pub patterns: Vec<Spanned<Pattern>>,
}

/// An entry of `on.schedule`.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// `cron`: five fields.
    pub cron: Spanned<String>,
    /// `timezone`, an IANA name; UTC when absent.
    pub timezone: Option<Spanned<String>>,
}

impl Trigger {
    /// An event without filters.
    fn bare(event: Spanned<String>) -> Trigger {
        Trigger {
            span: event.span,
            call: (event.value == "workflow_call").then(Box::default),
            names: None,
            versions: None,
            event,
            types: None,
            branches: None,
            tags: None,
            paths: None,
            workflows: Vec::new(),
            schedules: Vec::new(),
            inputs: Vec::new(),
        }
    }
}
