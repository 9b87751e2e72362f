//! `container`, `services` and `snapshot`: their form is checked, so that what is wrong is told now, and then they are
//! refused as not supported yet.

use super::reader::Reader;
use crate::expr;
use shipway_base::{
    Spanned,
    yaml::{Mapping, Node},
};

/// Known keys; the first is needed.
const CONTAINER: &[&str] = &["image", "options", "env", "ports", "volumes", "credentials"];
const SERVICE: &[&str] =
    &["image", "options", "env", "ports", "volumes", "credentials", "entrypoint", "command"];

/// Checks and refuses one of these keys of a job.
pub(super) fn refuse(reader: &mut Reader<'_>, key: &Spanned<String>, node: &Node) {
    match key.value.as_str() {
        "container" => check(reader, node, "container", CONTAINER),
        "services" => {
            if !is_expression(node)
                && let Some(services) = reader.optional_mapping(node, "services")
            {
                for (name, service) in services.iter() {
                    check(reader, service, &format!("the service {:?}", name.value), SERVICE);
                }
            }
        }
        _ => check(reader, node, "snapshot", &["image-name", "version", "if"]),
    }
    reader.not_supported(key.span, &key.value);
}

fn check(reader: &mut Reader<'_>, node: &Node, place: &str, known: &[&str]) {
    if node.as_text().is_some() || node.is_null() {
        return;
    }
    let Some(mapping) = reader.mapping(node, place) else { return };
    if mapping.get(known[0]).is_none() {
        reader.missing(node.span, place, known[0]);
    }
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            word if !known.contains(&word) => reader.unknown_key(key, place, known),
            "env" => {
                reader.fields(value, "env", &expr::JOB_OUTPUTS);
            }
            "ports" | "volumes" if !is_expression(value) => {
                for item in reader.sequence(value, &key.value) {
                    reader.filled(item, &key.value, &expr::JOB);
                }
            }
            "credentials" if !is_expression(value) => {
                for (key, value) in
                    reader.mapping(value, "credentials").iter().flat_map(|m: &&Mapping| m.iter())
                {
                    match key.value.as_str() {
                        "username" | "password" => {
                            reader.filled(value, &key.value, &expr::CREDENTIALS);
                        }
                        _ => reader.unknown_key(key, "credentials", &["username", "password"]),
                    }
                }
            }
            "image" if value.is_null() => reader.wrong_kind(value, "image", "a string"),
            "if" => {
                reader.condition(value, "if", &expr::JOB);
            }
            _ => {
                reader.template(value, &key.value, &expr::JOB);
            }
        }
    }
}

fn is_expression(node: &Node) -> bool {
    node.as_text().is_some_and(expr::has_expression)
}
