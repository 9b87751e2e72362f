//! Secrets that are written down, or handed to more than need them.

use super::{
    File, Level, Rule,
    finding::Findings,
    view::{JobView, Target, text},
};
use crate::expr::{self, Key, Node as Expression};
use shipway_base::yaml::Node;

pub(super) const HARD_CODED_CREDENTIAL: Rule = Rule {
    id: "hard-coded-credential",
    level: Level::Error,
    pedantic: false,
    what: "The password of a container registry stands in the file.",
    example: "credentials: {username: me, password: hunter2}",
    fix: "make it a secret: `password: ${{ secrets.REGISTRY_PASSWORD }}`, and change it, as it is known now",
    zizmor: &["hardcoded-container-credentials"],
};

pub(super) const SECRETS_INHERIT: Rule = Rule {
    id: "secrets-inherit",
    level: Level::Warning,
    pedantic: false,
    what: "All secrets are handed to a reusable workflow of another repository.",
    example: "secrets: inherit",
    fix: "name the secrets that it needs",
    zizmor: &["secrets-inherit"],
};

pub(super) const ALL_SECRETS: Rule = Rule {
    id: "all-secrets",
    level: Level::Warning,
    pedantic: false,
    what: "The whole `secrets` context is written out, so that a step gets all of them.",
    example: "env: {SECRETS: \"${{ toJSON(secrets) }}\"}",
    fix: "hand over the secrets that are needed, one by one",
    zizmor: &["overprovisioned-secrets"],
};

pub(super) const UNREDACTED_SECRET: Rule = Rule {
    id: "unredacted-secret",
    level: Level::Warning,
    pedantic: false,
    what: "A part of a secret is taken out with `fromJSON`; only the whole of it is masked in logs.",
    example: "${{ fromJSON(secrets.CREDENTIALS).password }}",
    fix: "make each part a secret of its own",
    zizmor: &["unredacted-secrets"],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    for job in &file.view.jobs {
        credentials(job, out);
        if let (Some(calls), Some(secrets)) = (&job.calls, job.map.get("secrets").and_then(text))
            && secrets.value == "inherit"
            && let Target::Repository { owner, repo, .. } = Target::parse(calls.value)
        {
            let message = format!("all secrets are handed to {owner}/{repo}");
            out.report(&SECRETS_INHERIT, secrets.span, message).help("name the secrets that it needs");
        }
    }
    for site in &file.view.sites {
        for written in site.expressions() {
            written.expr.root.visit(&mut |node| {
                if let Expression::Call(name, arguments) = node {
                    let all = arguments.first().and_then(Expression::as_reference).is_some_and(|reference| {
                        reference.is(&["secrets"])
                            || reference.context.eq_ignore_ascii_case("secrets")
                                && reference.keys == [Key::Wildcard]
                    });
                    if name.eq_ignore_ascii_case("toJSON") && all {
                        out.report(&ALL_SECRETS, written.span(), "this hands over every secret there is")
                            .help("hand over the secrets that are needed, one by one");
                    }
                }
                if let Expression::Index(inner, _) = node
                    && let Expression::Call(name, arguments) = &**inner
                    && name.eq_ignore_ascii_case("fromJSON")
                    && arguments
                        .first()
                        .and_then(Expression::as_reference)
                        .is_some_and(|reference| reference.is(&["secrets", "*"]))
                {
                    out.report(
                        &UNREDACTED_SECRET,
                        written.span(),
                        "a part of a secret is not masked in logs",
                    )
                    .help("make it a secret of its own");
                }
            });
        }
    }
}

fn credentials(job: &JobView<'_>, out: &mut Findings<'_>) {
    let services = job.map.get("services").and_then(Node::as_mapping);
    let services = services.iter().flat_map(|map| map.iter()).map(|(_, node)| node);
    for node in job.map.get("container").into_iter().chain(services) {
        let credentials = node.as_mapping().and_then(|map| map.get("credentials")).and_then(Node::as_mapping);
        let password = credentials.and_then(|map| map.get("password")).and_then(text);
        if let Some(password) =
            password.filter(|text| !text.value.is_empty() && !expr::has_expression(text.value))
        {
            out.report(&HARD_CODED_CREDENTIAL, password.span, "this password stands in the file")
                .help("make it a secret, and change it: whoever can read the repository knows it");
        }
    }
}
