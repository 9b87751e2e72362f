//! Findings about workflow and action files beyond what makes them invalid: what cannot mean what its author meant,
//! what an outsider can misuse, and what GitHub no longer supports.
//!
//! Rules look at the tree of a document ([`View`]) rather than at [`crate::document::Workflow`], so that a file with
//! errors, or with keys that cannot be run here, is judged as well. Each rule is a [`Rule`] with its words and a
//! function in a file of its family; all of them are in [`RULES`]. Nothing here reads a file: what other files of
//! the repository offer comes as [`Interfaces`].
//!
//! The classes of findings follow what actionlint and zizmor have taught people to look for; texts, tables and code
//! are our own.

mod actions;
mod caches;
mod commands;
mod compare;
mod context;
mod context_needs;
mod context_steps;
mod evaluated;
mod finding;
mod fix;
mod ignore;
mod injection;
mod injection_fix;
mod inputs;
mod interfaces;
mod jobs;
mod matrix;
mod permissions;
mod popular;
mod quotes;
mod reusable;
mod roundabout;
mod rule;
mod secrets;
mod set;
mod shape;
mod triggers;
mod types;
mod untrusted;
mod uses;
mod view;

pub use finding::{Edit, Finding, Fix, Level};
pub use fix::{apply, difference};
pub use interfaces::{Interface, InterfaceInput, Interfaces};
pub use rule::{DOCUMENT, RULES, Rule, find as find_rule};

use crate::{action::Action, document::Workflow};
use finding::Findings;
use shipway_base::{Diagnostic, Severity, Source, yaml};
use view::View;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `.github/workflows/*.yml`
    Workflow,
    /// `action.yml`
    Action,
}

impl Kind {
    /// What a file of this name is.
    pub fn of(path: &str) -> Kind {
        let mut parts = path.rsplit(['/', '\\']);
        match (parts.next(), parts.next(), parts.next()) {
            // A workflow may have that name.
            (Some("action.yml" | "action.yaml"), Some("workflows"), Some(".github")) => Kind::Workflow,
            (Some("action.yml" | "action.yaml"), ..) => Kind::Action,
            _ => Kind::Workflow,
        }
    }
}

/// How to look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether rules of taste and of thoroughness speak as well.
    pub pedantic: bool,
}

/// All findings about one file, in the order of the text. What comments ask to ignore is left out.
pub fn lint(source: &Source, kind: Kind, interfaces: &Interfaces, options: Options) -> Vec<Finding> {
    let mut out = Findings::new(source, options);
    for found in diagnostics(source, kind) {
        // What this version cannot run is no fault of the document.
        match (kind, found.code) {
            (_, "SW0105") => {}
            // A key of `on` that means nothing keeps no workflow from running, and is a mistake all the same.
            (Kind::Workflow, "SW0101") => out.document(Diagnostic { severity: Severity::Error, ..found }),
            _ => out.document(found),
        }
    }
    if let Ok(Some(tree)) = yaml::parse(source, yaml::Limits::default())
        && let Some(view) = View::new(source, kind, &tree)
    {
        let file = File { view: &view, interfaces };
        for check in CHECKS {
            check(&file, &mut out);
        }
    }
    ignore::filter(source, out)
}

fn diagnostics(source: &Source, kind: Kind) -> impl Iterator<Item = Diagnostic> {
    let found = match kind {
        Kind::Workflow => Workflow::parse(source).1,
        Kind::Action => Action::parse(source).1,
    };
    found.into_iter()
}

/// What a check looks at.
struct File<'a> {
    view: &'a View<'a>,
    interfaces: &'a Interfaces,
}

type Check = fn(&File<'_>, &mut Findings<'_>);

const CHECKS: &[Check] = &[
    context::check,
    context_steps::check,
    context_needs::check,
    compare::check,
    types::check,
    injection::check,
    uses::check,
    caches::check,
    actions::check,
    reusable::check,
    commands::check,
    triggers::check,
    inputs::check,
    permissions::check,
    secrets::check,
    jobs::check,
    matrix::check,
];

impl From<Severity> for Level {
    fn from(severity: Severity) -> Level {
        match severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        }
    }
}
