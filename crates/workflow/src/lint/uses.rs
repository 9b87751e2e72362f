//! Actions and images of others: how they are pinned, whether they still run, and what they leave behind.

use super::{
    File, Level, Rule,
    finding::{Edit, Findings, Fix},
    popular,
    view::{JobView, StepView, Target, View, text},
};
use crate::expr;
use shipway_base::{is_object_id, yaml::Node};

pub(super) const UNPINNED_ACTION: Rule = Rule {
    id: "unpinned-action",
    level: Level::Warning,
    pedantic: false,
    what: "An action or reusable workflow of another repository is named by a branch or tag, which its owner, or who \
           took over the account, can move. A warning for branches, a note for tags of others; tags of GitHub's own \
           `actions` and `github` only with `--pedantic`.",
    example: "uses: aquasecurity/trivy-action@master",
    fix: "name the commit, with the version as a comment: `uses: owner/repo@<40 digits> # v1.2.3`",
    zizmor: &["unpinned-uses"],
};

pub(super) const UNPINNED_IMAGE: Rule = Rule {
    id: "unpinned-image",
    level: Level::Note,
    pedantic: true,
    what: "A container, service or `docker://` image is named by a tag or nothing, so what runs can change.",
    example: "image: postgres:latest",
    fix: "name the digest: `image: postgres:16@sha256:...`",
    zizmor: &["unpinned-images"],
};

pub(super) const DEPRECATED_ACTION: Rule = Rule {
    id: "deprecated-action",
    level: Level::Warning,
    pedantic: false,
    what: "A version of a well-known action that runs on Node 12 or 16, which are gone, or that GitHub switched off.",
    example: "uses: actions/cache@v2",
    fix: "use a newer major version",
    zizmor: &[],
};

pub(super) const ARCHIVED_ACTION: Rule = Rule {
    id: "archived-action",
    level: Level::Warning,
    pedantic: false,
    what: "An action whose repository is archived: nobody mends it any more.",
    example: "uses: actions-rs/toolchain@v1",
    fix: "use its successor",
    zizmor: &["archived-uses"],
};

pub(super) const PERSISTED_CREDENTIALS: Rule = Rule {
    id: "persisted-credentials",
    level: Level::Note,
    pedantic: true,
    what: "`actions/checkout` leaves the job's token on disk. An error when a later step uploads the whole workspace \
           with its hidden files (`include-hidden-files: true`, or upload-artifact before v4.4); otherwise only with \
           `--pedantic`.",
    example: "uses: actions/checkout@v4 # and later upload-artifact with `path: .` and `include-hidden-files: true`",
    fix: "give checkout `persist-credentials: false`, and upload only what is meant",
    zizmor: &["artipacked"],
};

/// The same finding where it is certain to matter; never silent.
const UPLOADED_CREDENTIALS: Rule = Rule { pedantic: false, level: Level::Error, ..PERSISTED_CREDENTIALS };

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let view = file.view;
    for job in &view.jobs {
        if let Some(calls) = &job.calls {
            pinned(&Target::parse(calls.value), calls.span, out);
        }
        for step in &job.steps {
            let Some((target, span)) = &step.uses else { continue };
            pinned(target, *span, out);
            if let Some(first) = popular::outdated(target) {
                let name = target.name();
                let why = match popular::switched_off(target) {
                    true => "GitHub has switched this version off",
                    false => "this version runs on a Node that is no longer there",
                };
                out.report(&DEPRECATED_ACTION, *span, format!("{why}: {name}"))
                    .help(format!("use {name}@v{first} or later"));
            }
            if let Some(instead) = popular::archived(target) {
                let message = format!("{} is archived and no longer looked after", target.name());
                out.report(&ARCHIVED_ACTION, *span, message).help(format!("use {instead}"));
            }
        }
        images(job, out);
        credentials(view, job, out);
    }
}

fn pinned(target: &Target<'_>, span: shipway_base::Span, out: &mut Findings<'_>) {
    let (owner, reference) = match target {
        Target::Repository { owner, reference, .. } => (*owner, *reference),
        Target::Docker(image) => return image_pinned(image, span, out),
        Target::Local(_) | Target::Other => return,
    };
    if is_object_id(reference) {
        return;
    }
    let own = owner.eq_ignore_ascii_case("actions") || owner.eq_ignore_ascii_case("github");
    let version = reference.trim_start_matches('v');
    let tag = version.starts_with(|c: char| c.is_ascii_digit());
    if tag && own && !out.pedantic() {
        return;
    }
    let kind = if tag { "tag" } else { "branch" };
    let level = if tag { Level::Note } else { Level::Warning };
    let message = format!("{} is pinned to the {kind} {reference:?}, which can change", target.name());
    let help =
        if tag { "pin the commit that the tag names today" } else { "pin a commit, or at least a version" };
    out.report(&UNPINNED_ACTION, span, message).level(level).help(help);
}

fn images(job: &JobView<'_>, out: &mut Findings<'_>) {
    let container = job.map.get("container");
    let services = job.map.get("services").and_then(Node::as_mapping);
    let nodes = container.into_iter().chain(services.iter().flat_map(|map| map.iter()).map(|(_, node)| node));
    for node in nodes {
        let image = node.as_mapping().map_or(Some(node), |map| map.get("image")).and_then(text);
        if let Some(image) = image {
            image_pinned(image.value, image.span, out);
        }
    }
}

fn image_pinned(image: &str, span: shipway_base::Span, out: &mut Findings<'_>) {
    if image.is_empty() || image.contains("@sha256:") || expr::has_expression(image) {
        return;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    let message = match name.split_once(':') {
        None => format!("the image {image:?} has no tag, so the newest one runs"),
        Some((_, "latest")) => format!("the image {image:?} is whatever is newest"),
        Some(_) => format!("the image {image:?} is pinned to a tag, which can change"),
    };
    out.report(&UNPINNED_IMAGE, span, message).help("name its digest: @sha256:...");
}

fn credentials(view: &View<'_>, job: &JobView<'_>, out: &mut Findings<'_>) {
    for (at, step) in job.steps.iter().enumerate() {
        let Some((_, span)) = step.uses.as_ref().filter(|(target, _)| target.is("actions/checkout")) else {
            continue;
        };
        if step.with("persist-credentials").is_some() {
            continue;
        }
        let later = &job.steps[at + 1..];
        let folder = step.with("path").and_then(Node::as_text).unwrap_or(".");
        let upload =
            later.iter().find(|step| step.is_action("actions/upload-artifact") && uploads(step, folder));
        let pushes = later.iter().any(|step| {
            step.script().is_some_and(|script| script.contains("git "))
                || step.uses.as_ref().is_some_and(foreign)
        });
        let fix = if pushes { None } else { without_credentials(view, step) };
        match upload {
            Some(upload) => {
                let line = upload.span.start.line;
                let message = format!(
                    "the job's token stays in the checked out folder, and the step on line {line} uploads that folder"
                );
                out.report(&UPLOADED_CREDENTIALS, *span, message)
                    .help("give this step `persist-credentials: false`, and upload only what is meant")
                    .fix(fix);
            }
            None => {
                out.report(&PERSISTED_CREDENTIALS, *span, "the job's token stays on disk after this step")
                    .help("give it `persist-credentials: false`, or `true` where git needs the token")
                    .fix(fix);
            }
        }
    }
}

/// Whether an action may use the token that checkout leaves: all but those that are known not to.
fn foreign((target, _): &(Target<'_>, shipway_base::Span)) -> bool {
    let quiet = ["actions/upload-artifact", "actions/download-artifact", "actions/cache", "actions/setup-"];
    let name = target.name().to_ascii_lowercase();
    !quiet.iter().any(|known| name.starts_with(known))
}

/// Whether an upload takes the whole of a folder that was checked out.
fn uploads(step: &StepView<'_>, folder: &str) -> bool {
    let hidden = step.with("include-hidden-files").and_then(Node::as_bool).unwrap_or(false);
    // From version 4.4 on hidden files stay behind unless they are asked for.
    let (Some((target, _)), Some(paths)) = (&step.uses, step.with("path").and_then(Node::as_text)) else {
        return false;
    };
    let early = |version: &str| {
        let mut numbers = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
        matches!((numbers.next(), numbers.next()), (Some(Ok(4)), Some(Ok(minor))) if minor < 4)
    };
    let old = popular::major(target).is_some_and(|major| major < 4)
        || matches!(target, Target::Repository { reference, .. } if early(reference));
    let normal = |path: &str| {
        let path = path.trim().trim_start_matches("./").trim_end_matches("/**").trim_end_matches("/*");
        let path = path.trim_end_matches('/').replace(' ', "");
        if matches!(path.as_str(), "" | "." | "*" | "**" | "${{github.workspace}}") {
            ".".to_owned()
        } else {
            path
        }
    };
    let folder = normal(folder);
    (old || hidden)
        && paths.lines().filter(|path| !path.trim().is_empty()).any(|path| {
            let path = normal(path);
            path == "." || path == folder
        })
}

/// Adds `persist-credentials: false` to a step in block style.
fn without_credentials(view: &View<'_>, step: &StepView<'_>) -> Option<Fix> {
    let title = "do not keep the token".to_owned();
    let (key, anchor) = match step.map.iter().find(|(key, _)| key.value == "with") {
        Some((_, with)) => {
            let (first, _) = with.as_mapping()?.iter().next()?;
            (first, "persist-credentials: false\n".to_owned())
        }
        None => {
            let (uses, _) = step.map.iter().find(|(key, _)| key.value == "uses")?;
            let indent = " ".repeat(uses.span.start.column as usize + 1);
            (uses, format!("with:\n{indent}persist-credentials: false\n"))
        }
    };
    let at = view.block_key(key.span)?;
    let indent = " ".repeat(key.span.start.column as usize - 1);
    Some(Fix { title, edits: vec![Edit { range: at..at, text: format!("{anchor}{indent}") }] })
}
