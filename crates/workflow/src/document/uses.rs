//! Reading `uses` of a step.

use super::{Uses, reader::Reader};
use shipway_base::{Spanned, yaml::Node};
use std::fmt;

/// Reads which action a step uses.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Uses>> {
    let text = reader.name(node, "uses")?;
    let uses = parse(&text.value);
    if uses.is_none() {
        let help = "write OWNER/REPO@REF, OWNER/REPO/PATH@REF, ./PATH, $/PATH or docker://IMAGE";
        reader.error_with_help("SW0112", text.span, "this does not name an action", help);
    }
    Some(Spanned::new(uses?, text.span))
}

fn parse(text: &str) -> Option<Uses> {
    // GitHub's runner takes any path that begins with a dot and a slash or backslash, and no dot alone.
    if text.starts_with("./") || text.starts_with(".\\") {
        return Some(Uses::Local { path: text.replace('\\', "/") });
    }
    if let Some(path) = text.strip_prefix("$/") {
        let path = path.trim_matches('/');
        let plain = path.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        return plain.then(|| Uses::SelfRepository { path: path.to_owned() });
    }
    if let Some(image) = text.strip_prefix("docker://") {
        return (!image.trim().is_empty()).then(|| Uses::Docker { image: image.to_owned() });
    }
    let (path, reference) = text.split_once('@')?;
    let mut parts = path.split(['/', '\\']).filter(|part| !part.is_empty());
    let (owner, repo) = (parts.next()?, parts.next()?);
    let legal = |name: &str| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    // As on GitHub a reference holds no `@`, though one of git may.
    if reference.is_empty()
        || reference.contains('@')
        || !legal(owner)
        || !legal(repo)
        || owner.starts_with('.')
    {
        return None;
    }
    Some(Uses::Repository {
        owner: owner.to_owned(),
        repo: repo.to_owned(),
        path: parts.collect::<Vec<_>>().join("/"),
        reference: reference.to_owned(),
    })
}

impl fmt::Display for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uses::Local { path } => f.write_str(path),
            Uses::SelfRepository { path } => write!(f, "$/{path}"),
            Uses::Docker { image } => write!(f, "docker://{image}"),
            Uses::Repository { owner, repo, path, reference } if path.is_empty() => {
                write!(f, "{owner}/{repo}@{reference}")
            }
            Uses::Repository { owner, repo, path, reference } => {
                write!(f, "{owner}/{repo}/{path}@{reference}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let read = parse(text).map(|uses| match uses {
            Uses::Local { path } => format!("local {path}"),
            Uses::SelfRepository { path } => format!("self {path:?}"),
            Uses::Docker { image } => format!("docker {image}"),
            Uses::Repository { owner, repo, path, reference } => {
                format!("{owner} {repo} {path:?} {reference}")
            }
        });
        assert_eq!(read.as_deref(), expect, "{text}");
    }

    #[test]
    fn names_actions() {
        check("actions/checkout@v4", Some("actions checkout \"\" v4"));
        check("actions/aws/ec2@main", Some("actions aws \"ec2\" main"));
        check("a/b/c/d@refs/heads/x", Some("a b \"c/d\" refs/heads/x"));
        check("a\\b\\c@v1", Some("a b \"c\" v1"));
        check("./.github/actions/mine", Some("local ./.github/actions/mine"));
        check("./", Some("local ./"));
        check("$/", Some("self \"\""));
        check("$//a/b/", Some("self \"a/b\""));
        check("docker://ghcr.io/a/b:1", Some("docker ghcr.io/a/b:1"));
        for text in [
            "checkout@v4",
            "a/b@refs/heads/x@y",
            ".",
            "actions/checkout",
            "actions/checkout@",
            "...x://y/z@1",
            "$$docker://a@b",
            "../up",
            "$/../up",
            "docker://",
        ] {
            check(text, None);
        }
    }
}
