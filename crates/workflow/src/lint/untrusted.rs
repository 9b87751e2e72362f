//! Values that somebody without write access can choose.

use super::{Kind, view::View};
use crate::expr::{Key, Node, Reference};

/// Who can choose a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Author {
    /// Someone with write access, or the caller of a workflow.
    Member,
    /// Anybody who can open an issue or a pull request.
    Anybody,
}

/// Texts of outsiders, without the context `github`. `*` is any property.
const ANYBODY: &[&[&str]] = &[
    &["head_ref"],
    &["event", "issue", "title"],
    &["event", "issue", "body"],
    &["event", "pull_request", "title"],
    &["event", "pull_request", "body"],
    &["event", "pull_request", "head", "ref"],
    &["event", "pull_request", "head", "label"],
    &["event", "pull_request", "head", "repo", "default_branch"],
    &["event", "pull_request", "head", "repo", "description"],
    &["event", "pull_request", "head", "repo", "homepage"],
    &["event", "comment", "body"],
    &["event", "review", "body"],
    &["event", "review_comment", "body"],
    &["event", "discussion", "title"],
    &["event", "discussion", "body"],
    &["event", "pages", "*", "page_name"],
    &["event", "commits", "*", "message"],
    &["event", "commits", "*", "author", "email"],
    &["event", "commits", "*", "author", "name"],
    &["event", "head_commit", "message"],
    &["event", "head_commit", "author", "email"],
    &["event", "head_commit", "author", "name"],
    &["event", "workflow_run", "head_branch"],
    &["event", "workflow_run", "display_title"],
    &["event", "workflow_run", "head_commit", "message"],
    &["event", "workflow_run", "head_commit", "author", "email"],
    &["event", "workflow_run", "head_commit", "author", "name"],
    &["event", "workflow_run", "head_repository", "description"],
];

/// Who can choose what an expression gives, as far as it is text that reaches the result unchanged.
pub(super) fn author(view: &View<'_>, node: &Node) -> Option<(Author, Reference)> {
    match node.as_reference() {
        Some(reference) => of_reference(view, &reference).map(|author| (author, reference)),
        None => node.carriers().filter_map(|part| author(view, part)).max_by_key(|found| found.0),
    }
}

/// Whether a reference is an object with texts of outsiders somewhere in it, such as `github.event`.
pub(super) fn holds_texts(reference: &Reference) -> bool {
    let keys: Option<Vec<&str>> = (0..reference.keys.len()).map(|at| reference.name(at)).collect();
    let Some(keys) = keys.filter(|_| reference.context.eq_ignore_ascii_case("github")) else { return false };
    ANYBODY.iter().any(|path| {
        path.len() > keys.len()
            && path.iter().zip(&keys).all(|(wanted, key)| *wanted == "*" || key.eq_ignore_ascii_case(wanted))
    })
}

fn of_reference(view: &View<'_>, reference: &Reference) -> Option<Author> {
    let github = reference.context.eq_ignore_ascii_case("github");
    if github && ANYBODY.iter().any(|path| reaches(reference, path)) {
        return Some(Author::Anybody);
    }
    if github && reference.starts_with(&["github", "event", "inputs", "*"])
        || reference.is(&["github", "ref_name"])
        || reference.is(&["inputs", "*"]) && free_text(view, reference)
    {
        return Some(Author::Member);
    }
    None
}

/// Whether an input is of a type that can hold any text.
fn free_text(view: &View<'_>, reference: &Reference) -> bool {
    let Some(name) = reference.name(0) else { return true };
    let declared = view.triggers.iter().filter_map(|(_, map)| {
        let inputs = map.and_then(|map| map.get("inputs"))?.as_mapping()?;
        let (_, input) = inputs.iter().find(|(key, _)| key.value.eq_ignore_ascii_case(name))?;
        Some(
            input
                .as_mapping()
                .and_then(|map| map.get("type"))
                .and_then(|kind| kind.as_text())
                .unwrap_or("string"),
        )
    });
    let kinds: Vec<&str> = declared.collect();
    view.kind == Kind::Action || kinds.contains(&"string")
}

/// Whether a reference gives the text at a path, or something that has it within. The whole of `github.event` does
/// not count as its texts: it is used in one piece only as JSON, where quotes are escaped.
fn reaches(reference: &Reference, path: &[&str]) -> bool {
    let keys = &reference.keys;
    keys.len() >= path.len()
        && path.iter().zip(keys).all(|(wanted, key)| match key {
            Key::Name(name) => *wanted == "*" || name.eq_ignore_ascii_case(wanted),
            Key::Computed | Key::Wildcard => true,
        })
        && keys.iter().take(2).all(|key| matches!(key, Key::Name(_)))
}
