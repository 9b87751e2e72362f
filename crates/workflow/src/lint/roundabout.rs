//! Texts of outsiders that reach a script by way of something else: a variable of `env`, the output of another job, or
//! the whole event as JSON.

use super::{
    set::Variables,
    untrusted::{self, Author},
    view::{Site, Slot, View},
};
use crate::expr::{Node, Reference};

/// So many variables and outputs are followed, one from another.
const DEPTH: usize = 4;

/// Who chooses what an expression gives, the reference that they choose it by, and the name that it is used under.
pub(super) fn author(view: &View<'_>, site: &Site<'_>, node: &Node) -> Option<((Author, Reference), String)> {
    let mut found = Vec::new();
    each(node, &mut |node| {
        // In a script of `actions/github-script` JSON is a value; in a shell its quotes end those around it.
        let through = if let Node::Call(name, arguments) = node
            && name.eq_ignore_ascii_case("toJSON")
            && site.slot == Slot::Run
        {
            let reference = arguments.first().and_then(Node::as_reference);
            let whole = reference.filter(untrusted::holds_texts).filter(|_| view.started_by(OUTSIDE));
            whole.map(|reference| {
                let text = format!("toJSON({})", reference.text());
                ((Author::Anybody, reference), text)
            })
        } else {
            node.as_reference().and_then(|reference| {
                let found = follow(view, site, &reference, DEPTH)?;
                Some((found, reference.text()))
            })
        };
        found.extend(through);
    });
    found.into_iter().max_by_key(|((author, _), _)| *author)
}

/// Events whose bodies hold texts of people without write access.
const OUTSIDE: &[&str] = &[
    "issues",
    "issue_comment",
    "pull_request",
    "pull_request_target",
    "pull_request_review",
    "pull_request_review_comment",
    "discussion",
    "discussion_comment",
    "workflow_run",
    "gollum",
    "fork",
];

/// Every part of an expression whose text may reach the result.
fn each(node: &Node, look: &mut impl FnMut(&Node)) {
    look(node);
    if node.as_reference().is_none() {
        node.carriers().for_each(|part| each(part, look));
    }
}

fn follow(
    view: &View<'_>,
    site: &Site<'_>,
    reference: &Reference,
    depth: usize,
) -> Option<(Author, Reference)> {
    if depth == 0 {
        return None;
    }
    let from: &Site<'_> = match reference.context.to_ascii_lowercase().as_str() {
        "env" => variable(view, site, reference.name(0)?)?,
        "needs" if reference.name(1)?.eq_ignore_ascii_case("outputs") => {
            output(view, reference.name(0)?, reference.name(2)?)?
        }
        _ => return None,
    };
    from.expressions()
        .filter_map(|written| {
            let root = &written.expr.root;
            untrusted::author(view, root).or_else(|| follow(view, from, &root.as_reference()?, depth - 1))
        })
        .max_by_key(|found| found.0)
}

/// Where a variable that a place sees is set with an expression: by its step, its job or the workflow, the nearest. One that is
/// spelled otherwise is another, but on Windows it is the same.
fn variable<'v, 'a>(view: &'v View<'a>, site: &Site<'_>, name: &str) -> Option<&'v Site<'a>> {
    let found = nearest(view, site, |variables| variables.site(name))
        .or_else(|| nearest(view, site, |variables| variables.site_in_any_case(name)))?;
    view.sites.get(found?)
}

/// What the nearest place that has an answer says; a plain text is one, too.
fn nearest(
    view: &View<'_>,
    site: &Site<'_>,
    ask: impl Fn(&Variables<'_>) -> Option<Option<usize>>,
) -> Option<Option<usize>> {
    let set = |job: Option<usize>, step: Option<usize>| ask(view.set.variables(job, step)?);
    // A variable's own text sees those around it, not itself.
    let is_variable = matches!(site.slot, Slot::Env(_));
    let of_step = || site.step.filter(|_| !is_variable).and_then(|step| set(site.job, Some(step)));
    let of_job =
        || site.job.filter(|_| site.step.is_some() || !is_variable).and_then(|job| set(Some(job), None));
    of_step().or_else(of_job).or_else(|| set(None, None))
}

/// Where the output of a job is written with an expression.
fn output<'v, 'a>(view: &'v View<'a>, job: &str, name: &str) -> Option<&'v Site<'a>> {
    view.sites.get(view.set.output(job, name)?)
}
