//! Reading a job that calls a reusable workflow.

use super::{CallJob, CallSecrets, Maybe, WorkflowRef, reader::Reader, scalar_value};
use crate::expr::{self, Value};
use shipway_base::{
    Spanned,
    yaml::{Mapping, Node},
};

/// The parts of a call; those that every job has are read elsewhere.
pub(super) fn read(reader: &mut Reader<'_>, mapping: &Mapping) -> Option<CallJob> {
    let (mut uses, mut with, mut secrets) = (None, Vec::new(), CallSecrets::Given(Vec::new()));
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "uses" => uses = read_uses(reader, value),
            "with" => with = read_with(reader, value),
            "secrets" => secrets = read_secrets(reader, value),
            _ => {}
        }
    }
    Some(CallJob { uses: uses?, with, secrets })
}

fn read_uses(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<WorkflowRef>> {
    let text = reader.name(node, "uses")?;
    let found = parse(&text.value);
    if found.is_none() {
        let help = "write ./.github/workflows/FILE.yml, $/.github/workflows/FILE.yml or \
                    OWNER/REPO/.github/workflows/FILE.yml@REF";
        reader.error_with_help("SW0112", text.span, "this does not name a reusable workflow", help);
    }
    Some(Spanned::new(found?, text.span))
}

fn parse(text: &str) -> Option<WorkflowRef> {
    let named = |path: &str| {
        let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        (plain && (path.ends_with(".yml") || path.ends_with(".yaml"))).then(|| path.to_owned())
    };
    if let Some(path) = text.strip_prefix("./") {
        return named(path).map(|path| WorkflowRef::Local { path });
    }
    if let Some(path) = text.strip_prefix("$/") {
        return named(path.trim_start_matches('/')).map(|path| WorkflowRef::SelfRepository { path });
    }
    let (file, reference) = text.split_once('@')?;
    let mut parts = file.splitn(3, '/');
    let (owner, repo, path) = (parts.next()?, parts.next()?, named(parts.next()?)?);
    let legal = |name: &str| {
        !matches!(name, "" | "." | "..")
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    (legal(owner) && legal(repo) && !reference.is_empty()).then(|| WorkflowRef::Repository {
        owner: owner.to_owned(),
        repo: repo.to_owned(),
        path,
        reference: reference.to_owned(),
    })
}

fn read_with(reader: &mut Reader<'_>, node: &Node) -> Vec<(Spanned<String>, Maybe<Value>)> {
    let mut entries: Vec<(Spanned<String>, Maybe<Value>)> = Vec::new();
    let mapping = reader.mapping(node, "with");
    for (key, value) in mapping.iter().flat_map(|mapping| mapping.iter()) {
        if !usable(reader, key, "with") {
            continue;
        }
        match scalar_value(value) {
            None => reader.wrong_kind(value, &format!("with.{}", key.value), "a string, number or boolean"),
            Some(literal) if !literal.as_str().is_some_and(expr::has_expression) => {
                entries.push((key.clone(), Maybe::Literal(Spanned::new(literal, value.span))));
            }
            Some(_) => {
                let template = reader.template(value, &format!("with.{}", key.value), &expr::JOB);
                entries.extend(template.map(|template| (key.clone(), Maybe::Expression(template))));
            }
        }
    }
    entries
}

fn read_secrets(reader: &mut Reader<'_>, node: &Node) -> CallSecrets {
    if node.as_text() == Some("inherit") {
        return CallSecrets::Inherit(node.span);
    }
    let mut entries = Vec::new();
    if node.as_text().is_some_and(|text| !text.is_empty() && !expr::has_expression(text)) {
        reader.error("SW0104", node.span, "secrets must be `inherit` or a mapping of names to values");
        return CallSecrets::Given(entries);
    }
    let mapping = reader.mapping(node, "secrets");
    for (key, value) in mapping.iter().flat_map(|mapping| mapping.iter()) {
        if usable(reader, key, "secrets") {
            let template = reader.template(value, &format!("secrets.{}", key.value), &expr::CALL_SECRETS);
            entries.extend(template.map(|template| (key.clone(), template)));
        }
    }
    CallSecrets::Given(entries)
}

fn usable(reader: &mut Reader<'_>, key: &Spanned<String>, place: &str) -> bool {
    if reader.special_key(key) {
        return false;
    }
    if key.value.is_empty() {
        reader.error("SW0103", key.span, format!("a key of {place} must not be empty"));
    }
    !key.value.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_workflows() {
        let check = |text: &str, expect: bool| {
            let found = parse(text);
            assert_eq!(found.as_ref().map(ToString::to_string), expect.then(|| text.to_owned()), "{text}");
        };
        check("./.github/workflows/a.yml", true);
        check("$/.github/workflows/a.yaml", true);
        check("o/r/.github/workflows/a.yml@refs/heads/x@y", true);
        for text in [
            "./a",
            "./../a.yml",
            "o/r/a.yml",
            "o/r/a.yml@",
            "o/a.yml@v1",
            "/r/a.yml@v1",
            "o/r/../a.yml@v1",
            "$a.yml",
            "",
        ] {
            check(text, false);
        }
    }
}
