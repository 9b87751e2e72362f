//! Caches that hold nothing, and caches that a release should do without.

use super::{
    File, Level, Rule,
    finding::Findings,
    view::{JobView, StepView, View},
};
use shipway_base::yaml::{Mapping, Node, Value};

pub(super) const CACHE_IN_RELEASE: Rule = Rule {
    id: "cache-in-release",
    level: Level::Note,
    pedantic: false,
    what: "A workflow that publishes restores a cache, which any run of the default branch could have filled with \
           something else.",
    example: "on: release ... uses: actions/cache@v4",
    fix: "build releases without a cache",
    zizmor: &["cache-poisoning"],
};

pub(super) const UNUSED_CACHE: Rule = Rule {
    id: "unused-cache",
    level: Level::Warning,
    pedantic: false,
    what: "A folder under `/tmp` is cached, and no other step of the job names it, so nothing is ever put there.",
    example: "path: /tmp/.buildx-cache # and no cache-to: type=local,dest=/tmp/.buildx-cache",
    fix: "let a step use the folder, or remove the cache",
    zizmor: &[],
};

pub(super) const LOCKFILE_ELSEWHERE: Rule = Rule {
    id: "lockfile-elsewhere",
    level: Level::Warning,
    pedantic: false,
    what: "`setup-node` looks for the lock file in the root of the repository and fails without one, and the job \
           installs its packages in other folders only.",
    example: "with: {cache: npm} # and later: cd backend && npm ci",
    fix: "add `cache-dependency-path`, such as `'*/package-lock.json'`",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    releases(file.view, out);
    for (job, step) in file.view.steps() {
        unused(job, step, out);
        lockfile(job, step, out);
    }
}

fn releases(view: &View<'_>, out: &mut Findings<'_>) {
    let tags = view.trigger("push").flatten().is_some_and(|push| push.get("tags").is_some());
    if !(view.started_by(&["release"]) || tags) {
        return;
    }
    for (_, step) in view.steps() {
        let Some((target, span)) = &step.uses else { continue };
        let always = ["actions/cache", "actions/cache/restore", "swatinem/rust-cache"];
        let by_input =
            step.with("cache").and_then(Node::as_text).is_some_and(|text| !matches!(text, "" | "false"));
        let setup = target.name().to_ascii_lowercase().starts_with("actions/setup-");
        if always.iter().any(|name| target.is(name)) || setup && by_input {
            let message = "a cache is restored in a workflow that publishes";
            out.report(&CACHE_IN_RELEASE, *span, message)
                .help("build releases from what is checked out alone, without a cache");
        }
    }
}

fn unused(job: &JobView<'_>, step: &StepView<'_>, out: &mut Findings<'_>) {
    let Some(node) = step.with("path").filter(|_| step.is_action("actions/cache")) else { return };
    let paths: Vec<&str> =
        node.as_text().unwrap_or_default().lines().map(str::trim).filter(|path| !path.is_empty()).collect();
    let Some(name) = paths.first().and_then(|path| path.trim_end_matches('/').rsplit('/').next()) else {
        return;
    };
    let private = paths.len() == 1 && paths[0].starts_with("/tmp/") && !paths[0].contains(['*', '$', '{']);
    let named = |map: &Mapping| map.iter().any(|(_, node)| mentions(node, name));
    let others = job.steps.iter().filter(|other| !std::ptr::eq(*other, step)).any(|other| named(other.map));
    let around = job.map.iter().filter(|(key, _)| key.value != "steps").any(|(_, node)| mentions(node, name));
    // Actions and scripts of the repository may know the folder without its being named here.
    let hidden = job
        .steps
        .iter()
        .any(|step| step.uses.as_ref().is_some_and(|(target, _)| super::context::local(target).is_some()));
    if private && !others && !around && !hidden {
        out.report(&UNUSED_CACHE, node.span, format!("no other step of this job names {}", paths[0]))
            .help("let a step use the folder (buildx: cache-to: type=local,dest=..), or remove the cache");
    }
}

fn mentions(node: &Node, part: &str) -> bool {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.contains(part),
        Value::Sequence(items) => items.iter().any(|item| mentions(item, part)),
        Value::Mapping(map) => map.iter().any(|(_, node)| mentions(node, part)),
    }
}

fn lockfile(job: &JobView<'_>, step: &StepView<'_>, out: &mut Findings<'_>) {
    let Some(cache) = step.with("cache").filter(|_| step.is_action("actions/setup-node")) else { return };
    let manager = cache.as_text().unwrap_or_default();
    let given = step.with("cache-dependency-path").is_some();
    if given || !matches!(manager, "npm" | "yarn" | "pnpm") {
        return;
    }
    let (mut elsewhere, mut here) = (0, 0);
    for step in &job.steps {
        let moved = step.map.get("working-directory").is_some();
        let mut away = moved;
        for line in step.script().unwrap_or_default().lines() {
            away |= line.trim_start().starts_with("cd ");
            let installs = ["ci", "install"].iter().any(|word| line.contains(&format!("{manager} {word}")));
            let prefixed = line.contains("--prefix") || line.contains("--cwd") || line.contains(" -C ");
            match (installs, away || prefixed) {
                (true, true) => elsewhere += 1,
                (true, false) => here += 1,
                (false, _) => {}
            }
        }
    }
    let default = job.map.get("defaults").is_some();
    if elsewhere > 0 && here == 0 && !default {
        out.report(
            &LOCKFILE_ELSEWHERE,
            cache.span,
            "the lock file is looked for in the root of the repository, and packages are installed in other folders",
        )
        .help("add cache-dependency-path, such as '*/package-lock.json'");
    }
}
