//! Reading `container` and `services`; refusing `snapshot`.

use super::{
    Container, ContainerMapping, Credentials, Fields, Items, Key, Services, reader::Reader,
    types::SNAPSHOT_KEYS,
};
use crate::expr;
use shipway_base::yaml::{Mapping, Node};

const CONTAINER: &[&str] = &["image", "options", "env", "ports", "volumes", "credentials"];
const SERVICE: &[&str] =
    &["image", "options", "env", "ports", "volumes", "credentials", "entrypoint", "command"];

/// What an empty image means where it is written, which GitHub asks only where nothing is left to evaluate
/// (actions/runner, "ConvertToJobContainer"); what turns out empty later is no container.
#[derive(Clone, Copy)]
struct Rules {
    /// An empty image is a mistake.
    filled: bool,
    /// Nothing behind `docker://` is a mistake.
    behind_scheme: bool,
}

/// Reads `container` of a job. An empty text or image means none, as on GitHub.
pub(super) fn container(reader: &mut Reader<'_>, node: &Node) -> Option<Container> {
    if node.as_text() == Some("") || node.is_null() {
        return None;
    }
    let rules = Rules { filled: false, behind_scheme: !has_expressions(node) };
    let container = read(reader, node, "container", CONTAINER, rules)?;
    (container.image().as_literal() != Some("")).then_some(container)
}

fn has_expressions(node: &Node) -> bool {
    let mut entries = node.as_mapping().into_iter().flat_map(Mapping::iter);
    node.as_text().is_some_and(expr::has_expression)
        || entries.any(|(key, value)| expr::has_expression(&key.value) || has_expressions(value))
        || node.as_sequence().unwrap_or_default().iter().any(has_expressions)
}

/// Reads `services`.
pub(super) fn services(reader: &mut Reader<'_>, node: &Node) -> Option<Services> {
    if node.as_text().is_some_and(expr::has_expression) {
        let whole = reader.whole(node, "services", "a mapping or an expression", &expr::JOB)?;
        return Some(Services::Expression(whole));
    }
    let mapping = reader.mapping(node, "services")?;
    let literal = !has_expressions(node);
    let rules = Rules { filled: literal, behind_scheme: literal };
    let mut entries = Vec::new();
    for (name, service) in mapping.iter() {
        if expr::has_expression(&name.value) {
            let Some(key) = reader.key(name, &expr::JOB) else { continue };
            let container = match &key {
                Key::Insert(_) => reader.inserted(service, &expr::JOB).map(Container::Image),
                Key::Name(_) | Key::Expression(_) => read(reader, service, "a service", SERVICE, rules),
            };
            entries.extend(container.map(|container| (key, container)));
            continue;
        }
        if reader.special_key(name) {
            continue;
        }
        let place = format!("the service {:?}", name.value);
        if name.value.is_empty() {
            reader.error("SW0103", name.span, "the name of a service must not be empty");
        } else if let Some(service) = read(reader, service, &place, SERVICE, rules) {
            entries.push((Key::Name(name.clone()), service));
        }
    }
    Some(Services::Entries(entries))
}

fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    place: &str,
    known: &[&str],
    rules: Rules,
) -> Option<Container> {
    let Some(mapping) = node.as_mapping() else {
        if node.as_sequence().is_some() {
            reader.wrong_kind(node, place, "a string or a mapping");
            return None;
        }
        return image(reader, node, place, rules).map(Container::Image);
    };
    let (mut found, mut credentials, mut options) = (None, None, None);
    let (mut entrypoint, mut command) = (None, None);
    let (mut env, mut ports, mut volumes) = (Fields::default(), Items::default(), Items::default());
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            word if !known.contains(&word) => reader.unknown_key(key, place, known),
            "image" => found = image(reader, value, "image", rules),
            "env" => env = reader.fields(value, "env", &expr::JOB_OUTPUTS),
            "ports" => ports = items(reader, value, "ports"),
            "volumes" => volumes = items(reader, value, "volumes"),
            "credentials" => credentials = read_credentials(reader, value),
            "options" => options = reader.template(value, "options", &expr::JOB),
            "entrypoint" => entrypoint = reader.template(value, "entrypoint", &expr::JOB),
            _ => command = reader.template(value, "command", &expr::JOB),
        }
    }
    if mapping.get("image").is_none() {
        reader.missing(node.span, place, "image");
    }
    let (image, span) = (found?, node.span);
    let mapping =
        ContainerMapping { image, credentials, env, ports, volumes, options, entrypoint, command, span };
    Some(Container::Mapping(Box::new(mapping)))
}

/// An image; `docker://` alone names none.
fn image(reader: &mut Reader<'_>, node: &Node, place: &str, rules: Rules) -> Option<expr::Template> {
    if rules.behind_scheme && node.as_text() == Some("docker://") {
        reader.error("SW0103", node.span, format!("{place} names no image behind `docker://`"));
        return None;
    }
    // An image that was forgotten is a mistake in any case, one that is written as `''` says that there is none.
    if node.is_null() || rules.filled && node.as_text() == Some("") {
        let message = format!("{place} must not be empty");
        let help = "an expression may give an empty image, which means that the service is left out";
        reader.error_with_help("SW0103", node.span, message, help);
        return None;
    }
    reader.template(node, place, &expr::JOB)
}

fn items(reader: &mut Reader<'_>, node: &Node, place: &str) -> Items {
    if node.as_text().is_some_and(expr::has_expression) {
        let whole = reader.whole(node, place, "a sequence or an expression", &expr::JOB);
        return whole.map_or_else(Items::default, Items::Expression);
    }
    let items = reader.sequence(node, place).iter();
    Items::Entries(items.filter_map(|item| reader.filled(item, place, &expr::JOB)).collect())
}

fn read_credentials(reader: &mut Reader<'_>, node: &Node) -> Option<Credentials> {
    if node.as_text().is_some_and(expr::has_expression) {
        let whole = reader.whole(node, "credentials", "a mapping or an expression", &expr::CREDENTIALS);
        return whole.map(Credentials::Expression);
    }
    let (mut username, mut password) = (None, None);
    for (key, value) in reader.mapping(node, "credentials")?.iter() {
        match key.value.as_str() {
            "username" => username = reader.filled(value, "username", &expr::CREDENTIALS),
            "password" => password = reader.filled(value, "password", &expr::CREDENTIALS),
            _ => reader.unknown_key(key, "credentials", &["username", "password"]),
        }
    }
    Some(Credentials::Entries { username, password })
}

/// Checks and refuses `snapshot`: it asks GitHub to keep the machine as an image, and no other machine can be kept so.
pub(super) fn refuse_snapshot(reader: &mut Reader<'_>, key: &shipway_base::Spanned<String>, node: &Node) {
    for (key, value) in node.as_mapping().iter().flat_map(|mapping: &&Mapping| mapping.iter()) {
        match key.value.as_str() {
            word if !SNAPSHOT_KEYS.contains(&word) => reader.unknown_key(key, "snapshot", SNAPSHOT_KEYS),
            "if" => {
                reader.condition(value, "if", &expr::JOB);
            }
            word => {
                reader.name(value, word);
            }
        }
    }
    match node.as_mapping() {
        Some(mapping) if mapping.get("image-name").is_none() => {
            reader.missing(node.span, "snapshot", "image-name");
        }
        Some(_) => {}
        None => {
            reader.name(node, "snapshot");
        }
    }
    let message = "snapshot is not supported: it asks GitHub to keep its own machine as an image";
    reader.error_with_help(
        "SW0105",
        key.span,
        message,
        "remove it from what is to run here; on GitHub it needs larger runners",
    );
}
