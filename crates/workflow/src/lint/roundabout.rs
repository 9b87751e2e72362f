//! Texts of outsiders that reach a script by way of something else: a variable of `env`, the output of another job, or
//! the whole event as JSON.

use super::{
    untrusted::{self, Author},
    view::{JobView, Site, Slot, View},
};
use crate::expr::{Node, Reference};
use shipway_base::yaml::{self, Mapping};

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

/// Where a variable that a place sees is set with an expression: by its step, its job or the workflow, the nearest.
fn variable<'v, 'a>(view: &'v View<'a>, site: &Site<'_>, name: &str) -> Option<&'v Site<'a>> {
    let set = |job: Option<usize>, step: Option<usize>| {
        view.sites.iter().find(|other| {
            matches!(other.slot, Slot::Env(own) if own.eq_ignore_ascii_case(name))
                && (other.job, other.step) == (job, step)
        })
    };
    let has = |map: &Mapping| {
        let env = map.get("env").and_then(yaml::Node::as_mapping);
        env.is_some_and(|env| env.iter().any(|(key, _)| key.value.eq_ignore_ascii_case(name)))
    };
    // A variable's own text sees those around it, not itself. The nearest counts, also when it is a plain text.
    let step = view.step(site).filter(|_| !matches!(site.slot, Slot::Env(_)));
    if step.is_some_and(|step| has(step.map)) {
        return set(site.job, site.step);
    }
    let job = view.job(site).filter(|_| site.step.is_some() || !matches!(site.slot, Slot::Env(_)));
    if job.is_some_and(|job| has(job.map)) {
        return set(site.job, None);
    }
    set(None, None)
}

/// Where the output of a job is written with an expression.
fn output<'v, 'a>(view: &'v View<'a>, job: &str, name: &str) -> Option<&'v Site<'a>> {
    let at = view.jobs.iter().position(|other: &JobView<'_>| other.id.value.eq_ignore_ascii_case(job))?;
    view.sites.iter().find(|site| {
        site.job == Some(at)
            && site.step.is_none()
            && matches!(site.slot, Slot::JobOutput(own) if own.eq_ignore_ascii_case(name))
    })
}
