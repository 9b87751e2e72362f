//! Events that outsiders cause, filters that never match, and schedules.

use super::{
    File, Kind, Level, Rule,
    finding::Findings,
    view::{JobView, StepView, View, names},
};
use shipway_base::{
    Spanned,
    yaml::{Mapping, Node},
};

pub(super) const DANGEROUS_CHECKOUT: Rule = Rule {
    id: "dangerous-checkout",
    level: Level::Error,
    pedantic: false,
    what: "A workflow that outsiders start with write access and secrets (`pull_request_target`, `workflow_run`, \
           `issue_comment`) checks out what the outsider wrote.",
    example: "ref: ${{ github.event.pull_request.head.sha }} # on pull_request_target",
    fix: "use `pull_request`, or split: build without secrets there, and publish in a second workflow that runs no \
          code of the pull request",
    zizmor: &[],
};

pub(super) const DANGEROUS_TRIGGER: Rule = Rule {
    id: "dangerous-trigger",
    level: Level::Note,
    pedantic: true,
    what: "A workflow is started by outsiders with write access and secrets.",
    example: "on: pull_request_target",
    fix: "use `pull_request` where neither is needed",
    zizmor: &["dangerous-triggers"],
};

pub(super) const SELF_HOSTED_FOR_FORKS: Rule = Rule {
    id: "self-hosted-for-forks",
    level: Level::Warning,
    pedantic: false,
    what: "Pull requests, which in a public repository anybody can open, run on a machine of one's own.",
    example: "runs-on: self-hosted # on pull_request",
    fix: "use a hosted or throw-away runner, or ask that the pull request is not from a fork",
    zizmor: &["self-hosted-runner"],
};

pub(super) const CRON_TOO_OFTEN: Rule = Rule {
    id: "cron-too-often",
    level: Level::Warning,
    pedantic: false,
    what: "A schedule asks for more than one run in five minutes, which GitHub does not do.",
    example: "- cron: '* * * * *'",
    fix: "use `*/5` or less",
    zizmor: &[],
};

pub(super) const FILTER_NEVER_MATCHES: Rule = Rule {
    id: "filter-never-matches",
    level: Level::Warning,
    pedantic: false,
    what: "A pattern of `branches`, `tags` or `paths` that no name can match.",
    example: "branches: [refs/heads/main]",
    fix: "branches and tags are short names, paths are relative to the repository without `./`",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    if view.kind == Kind::Action {
        return;
    }
    dangerous(view, out);
    own_machines(view, out);
    for (_, map) in &view.triggers {
        map.iter().for_each(|map| filters(map, out));
    }
    let schedule = view.root.get("on").and_then(Node::as_mapping).and_then(|on| on.get("schedule"));
    for entry in schedule.and_then(Node::as_sequence).unwrap_or_default() {
        let cron = entry.as_mapping().and_then(|map| map.get("cron"));
        if let Some(gap) = cron.and_then(Node::as_text).and_then(smallest_gap).filter(|gap| *gap < 5)
            && let Some(node) = cron
        {
            let message =
                format!("this asks for a run every {gap} minutes; GitHub runs no more than one in five");
            out.report(&CRON_TOO_OFTEN, node.span, message.replace("every 1 minutes", "every minute"))
                .help("use */5 or less");
        }
    }
}

fn dangerous(view: &View<'_>, out: &mut Findings<'_>) {
    let events = ["pull_request_target", "workflow_run", "issue_comment"];
    for (event, _) in view.triggers.iter().filter(|(event, _)| events[..2].contains(&event.value)) {
        let message = format!("outsiders start this with write access and secrets through {}", event.value);
        out.report(&DANGEROUS_TRIGGER, event.span, message).help("use pull_request where neither is needed");
    }
    if !view.started_by(&events) {
        return;
    }
    for (job, step) in view.steps() {
        if let Some(what) = head(step) {
            // Who asks for the label or the author first has thought about it; what can be checked is said.
            let guarded = guards(job, step);
            let message = format!("this checks out {what}, in a workflow that has secrets and write access");
            let found = out.report(&DANGEROUS_CHECKOUT, step.span, message);
            found.span = step.uses.as_ref().map_or(step.span, |(_, span)| *span);
            if guarded {
                found.level(Level::Warning);
            }
            found.help("run code of a pull request on pull_request only; publish in a second workflow");
        }
    }
}

/// What of an outsider a step checks out.
fn head(step: &StepView<'_>) -> Option<&'static str> {
    if step.is_action("actions/checkout") {
        let text =
            |name: &str| step.with(name).and_then(Node::as_text).unwrap_or_default().to_ascii_lowercase();
        let (reference, repository) = (text("ref"), text("repository"));
        let head =
            ["pull_request.head.", "github.head_ref", "workflow_run.head_", "refs/pull/", "issue.number"];
        if head.iter().any(|part| reference.contains(part))
            || repository.contains("head.repo")
            || repository.contains("head_repository")
        {
            return Some("the head of a pull request");
        }
    }
    let script = step.script()?;
    script.contains("gh pr checkout").then_some("the head of a pull request")
}

/// Whether a condition asks who wrote it.
fn guards(job: &JobView<'_>, step: &StepView<'_>) -> bool {
    let asks = |map: &Mapping| {
        let text = map.get("if").and_then(Node::as_text).unwrap_or_default().to_ascii_lowercase();
        ["label", "author_association", "github.actor", "user.login", "head.repo", "head_repository"]
            .iter()
            .any(|part| text.contains(part))
    };
    asks(job.map) || asks(step.map) || job.map.get("environment").is_some()
}

fn own_machines(view: &View<'_>, out: &mut Findings<'_>) {
    if !view.started_by(&["pull_request", "pull_request_target"]) {
        return;
    }
    for job in &view.jobs {
        let Some(label) =
            job.labels().into_iter().flatten().find(|label| label.value.eq_ignore_ascii_case("self-hosted"))
        else {
            continue;
        };
        let text = job.map.get("if").and_then(Node::as_text).unwrap_or_default();
        if text.contains("head.repo") || text.contains("event_name") {
            continue;
        }
        let message = format!(
            "pull requests, also those of forks, run the job {:?} on a machine of one's own",
            job.id.value
        );
        out.report(&SELF_HOSTED_FOR_FORKS, label.span, message)
            .help("use a hosted or throw-away runner, or ask that head.repo is this repository");
    }
}

fn filters(map: &Mapping, out: &mut Findings<'_>) {
    for (key, node) in map.iter() {
        let refs = matches!(key.value.as_str(), "branches" | "branches-ignore" | "tags" | "tags-ignore");
        let paths = matches!(key.value.as_str(), "paths" | "paths-ignore");
        if !refs && !paths {
            continue;
        }
        let patterns = names(node);
        for pattern in &patterns {
            let text = pattern.value.trim_start_matches('!');
            if let Some((why, help)) = if refs { never_a_ref(text) } else { never_a_path(text) } {
                out.report(&FILTER_NEVER_MATCHES, pattern.span, format!("no {} {why}", singular(&key.value)))
                    .help(help);
            }
        }
        taken_back(&key.value, &patterns, out);
    }
}

fn singular(key: &str) -> &str {
    match key {
        "branches" | "branches-ignore" => "branch",
        "tags" | "tags-ignore" => "tag",
        _ => "path",
    }
}

fn never_a_ref(text: &str) -> Option<(String, String)> {
    for prefix in ["refs/heads/", "refs/tags/"] {
        if let Some(short) = text.strip_prefix(prefix) {
            return Some((format!("begins with {prefix} here"), format!("write {short:?}")));
        }
    }
    if text.starts_with('/') || text.ends_with('/') {
        return Some((
            "begins or ends with a slash".to_owned(),
            format!("write {:?}", text.trim_matches('/')),
        ));
    }
    let bad = [" ", "~", "^", ":", "..", "@{"].into_iter().find(|part| text.contains(part))?;
    Some((format!("has {bad:?} in its name"), "git does not allow it".to_owned()))
}

fn never_a_path(text: &str) -> Option<(String, String)> {
    let plain = text.strip_prefix("./").or_else(|| text.strip_prefix('/'));
    if let Some(plain) = plain {
        return Some((
            "begins with a slash or ./".to_owned(),
            format!("write {plain:?}: paths are relative to the repository"),
        ));
    }
    if text.starts_with("../") {
        return Some(("leads out of the repository".to_owned(), "name a path within it".to_owned()));
    }
    text.ends_with('/').then(|| {
        ("is a folder".to_owned(), format!("write {:?}: only files are compared", format!("{text}**")))
    })
}

/// A positive pattern that a later one takes back as a whole.
fn taken_back(key: &str, patterns: &[Spanned<&str>], out: &mut Findings<'_>) {
    for (at, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| !pattern.value.starts_with('!')) {
        let later = patterns[at + 1..].iter().find(|later| {
            let body = later.value.strip_prefix('!');
            body.is_some_and(|body| body == pattern.value || body == "**")
        });
        if let Some(later) = later {
            let message = format!("{:?} is taken back as a whole by {:?}", pattern.value, later.value);
            out.report(&FILTER_NEVER_MATCHES, pattern.span, message)
                .help(format!("in {key} the last pattern that matches decides; put the general ones first"));
        }
    }
}

/// The least number of minutes between two runs within an hour that has some.
fn smallest_gap(cron: &str) -> Option<u32> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let [minute, hour, ..] = fields.as_slice() else { return None };
    let mut minutes = Vec::new();
    for part in minute.split(',') {
        let (range, step) = part.split_once('/').unwrap_or((part, "1"));
        let step: u32 = step.parse().ok().filter(|step| *step > 0)?;
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (0, 59),
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None if part.contains('/') => (range.parse().ok()?, 59),
            None => (range.parse().ok()?, range.parse().ok()?),
        };
        minutes.extend((from..=59.min(to)).step_by(step as usize));
    }
    minutes.sort_unstable();
    minutes.dedup();
    let around = (*hour == "*").then(|| Some(minutes.first()? + 60 - minutes.last()?)).flatten();
    minutes.windows(2).map(|pair| pair[1] - pair[0]).chain(around).min()
}

#[cfg(test)]
mod tests {
    use super::smallest_gap;

    #[test]
    fn measures_schedules() {
        for (cron, gap) in [
            ("* * * * *", Some(1)),
            ("*/3 * * * *", Some(3)),
            ("0,2 5 * * *", Some(2)),
            ("*/5 * * * *", Some(5)),
            ("59,1 * * * *", Some(2)),
            ("30 5 * * 1", None),
            ("10-12 * * * *", Some(1)),
            ("*/40 * * * *", Some(20)),
        ] {
            assert_eq!(smallest_gap(cron), gap, "{cron}");
        }
    }
}
