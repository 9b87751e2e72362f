//! `kind: Service`: how a program runs, and which requests are its own.

use super::{
    CanaryStrategy, HealthCheck, Restart, RouteSpec, Service, canary,
    fields::{Fields, Reader, SHAPE, VALUE},
};
use shipway_base::Spanned;
use shipway_traffic::Client;
use std::{collections::BTreeMap, time::Duration};

const REPLICAS: u32 = 1_000;

/// Reads the document's `metadata` and `spec`.
pub(super) fn service(document: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Service> {
    let name = name(document, reader);
    let node = document.required("spec", reader)?;
    let known = [
        "replicas",
        "command",
        "env",
        "healthCheck",
        "drainTimeout",
        "stopTimeout",
        "progressDeadlineSeconds",
        "restart",
        "route",
        "strategy",
    ];
    let unsupported = [
        ("image", "build an artifact and name its program under `command`"),
        ("minReadySeconds", "raise `healthCheck.healthyThreshold`"),
        ("revisionHistoryLimit", "leave it out: the last ten releases are kept"),
        ("rollbackWindow", "leave it out: going back to any kept release skips the steps"),
        ("progressDeadlineAbort", "leave it out: a rollout that makes no progress is given up"),
        ("paused", "use `shipway rollout pause`"),
        ("template", "this is a service of processes; name its program under `command`"),
    ];
    let fields = reader.open(node, "a service", &known, &unsupported)?;
    let command: Vec<String> = fields.texts("command", reader).into_iter().map(|text| text.value).collect();
    if command.first().is_none_or(|program| program.is_empty()) {
        let span = fields.get("command").map_or(fields.span, |node| node.span);
        reader.error(SHAPE, span, "a service needs `command`: the program and its arguments as a sequence");
    }
    let deadline = fields.integer("progressDeadlineSeconds", 1..=1_000_000, reader);
    Some(Service {
        name: name?,
        replicas: fields.integer("replicas", 1..=REPLICAS, reader).unwrap_or(1),
        command,
        env: env(&fields, reader),
        health_check: health_check(&fields, reader),
        drain_timeout: fields.duration("drainTimeout", reader).unwrap_or(Duration::from_secs(10)),
        stop_timeout: fields.duration("stopTimeout", reader).unwrap_or(Duration::from_secs(10)),
        progress_deadline: Duration::from_secs(u64::from(deadline.unwrap_or(600))),
        restart: restart(&fields, reader),
        route: route(&fields, reader),
        canary: strategy(&fields, reader).unwrap_or_default(),
    })
}

fn name(document: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Spanned<String>> {
    let node = document.required("metadata", reader)?;
    let unsupported = [("namespace", "leave it out: service names are unique on this machine")];
    let fields =
        reader.open(node, "the metadata of a service", &["name", "labels", "annotations"], &unsupported)?;
    fields.required("name", reader)?;
    let name = fields.text("name", reader)?;
    let text = &name.value;
    let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !letters || text.is_empty() || text.len() > 63 || text.starts_with('-') || text.ends_with('-') {
        let message = format!(
            "`{text}` cannot be a service's name: at most 63 lower case letters, digits and inner dashes make one"
        );
        reader.error(VALUE, name.span, message);
        return None;
    }
    Some(name)
}

fn env(fields: &Fields<'_>, reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let Some(node) = fields.get("env") else { return env };
    let Some(mapping) = node.as_mapping() else {
        reader.error(SHAPE, node.span, format!("`env` must be a mapping, but this is {}", node.kind_name()));
        return env;
    };
    for (key, node) in mapping.iter() {
        if key.value == "PORT" {
            reader.error(
                VALUE,
                key.span,
                "PORT is given to every instance by the target; choose another name",
            );
        } else if key.value.is_empty() || key.value.contains(['=', '\0']) {
            reader.error(VALUE, key.span, format!("`{}` cannot be the name of a variable", key.value));
        } else if node.is_null() {
            env.insert(key.value.clone(), String::new());
        } else if let Some(value) = reader.text_of(&key.value, node) {
            env.insert(key.value.clone(), value.value);
        }
    }
    env
}

fn health_check(fields: &Fields<'_>, reader: &mut Reader<'_>) -> HealthCheck {
    let mut check = HealthCheck::default();
    let known = ["path", "interval", "timeout", "healthyThreshold", "unhealthyThreshold", "startTimeout"];
    let Some(node) = fields.get("healthCheck") else { return check };
    let Some(fields) = reader.open(node, "a health check", &known, &[]) else { return check };
    if let Some(path) = fields.text("path", reader) {
        let plain = path.value.starts_with('/') && path.value.bytes().all(|b| b.is_ascii_graphic());
        if !plain {
            reader.error(
                VALUE,
                path.span,
                "the path of a health check must begin with `/` and hold no spaces",
            );
        }
        check.path = path.value;
    }
    check.interval = fields.duration("interval", reader).unwrap_or(check.interval);
    check.timeout = fields.duration("timeout", reader).unwrap_or(check.timeout);
    check.start_timeout = fields.duration("startTimeout", reader).unwrap_or(check.start_timeout);
    check.healthy_threshold =
        fields.integer("healthyThreshold", 1..=100, reader).unwrap_or(check.healthy_threshold);
    check.unhealthy_threshold =
        fields.integer("unhealthyThreshold", 1..=100, reader).unwrap_or(check.unhealthy_threshold);
    check
}

fn restart(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Restart {
    let mut restart = Restart::default();
    let Some(node) = fields.get("restart") else { return restart };
    let known = ["backoff", "maxBackoff", "limit", "resetAfter"];
    let Some(fields) = reader.open(node, "a restart policy", &known, &[]) else { return restart };
    restart.backoff = fields.duration("backoff", reader).unwrap_or(restart.backoff);
    restart.max_backoff =
        fields.duration("maxBackoff", reader).unwrap_or(restart.max_backoff.max(restart.backoff));
    restart.limit = fields.integer("limit", 1..=100, reader).unwrap_or(restart.limit);
    restart.reset_after = fields.duration("resetAfter", reader).unwrap_or(restart.reset_after);
    restart
}

fn route(fields: &Fields<'_>, reader: &mut Reader<'_>) -> RouteSpec {
    let mut route = RouteSpec::default();
    let Some(node) = fields.get("route") else { return route };
    let Some(fields) = reader.open(node, "a route", &["hosts", "client", "responseTimeout"], &[]) else {
        return route;
    };
    for host in fields.texts("hosts", reader) {
        let lower = host.value.to_lowercase();
        if lower.is_empty() || lower.contains([':', '/', '*', ' ']) {
            let message =
                format!("`{}` cannot be a host: write a name without port, path or wildcard", host.value);
            reader.error(VALUE, host.span, message);
        } else if route.hosts.contains(&lower) {
            reader.error(VALUE, host.span, format!("the host `{lower}` stands here twice"));
        } else {
            route.hosts.push(lower);
        }
    }
    if let Some(client) = fields.get("client")
        && let Some(fields) = reader.open(client, "a client rule", &["cookie", "header"], &[])
    {
        route.client.cookie = fields.boolean("cookie", reader).unwrap_or(true);
        if let Some(header) = fields.text("header", reader) {
            let token = header.value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !token || header.value.is_empty() {
                reader.error(
                    VALUE,
                    header.span,
                    format!("`{}` cannot be the name of a header", header.value),
                );
            }
            route.client.header = Some(header.value.to_lowercase());
        }
    }
    route.response_timeout = fields.duration("responseTimeout", reader).unwrap_or(route.response_timeout);
    route
}

fn strategy(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<CanaryStrategy> {
    let node = fields.get("strategy")?;
    let unsupported = [("blueGreen", "use `canary` with the steps you need")];
    let fields = reader.open(node, "a strategy", &["canary"], &unsupported)?;
    canary::strategy(fields.get("canary")?, reader)
}

impl Default for HealthCheck {
    fn default() -> HealthCheck {
        HealthCheck {
            path: "/".to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            healthy_threshold: 1,
            unhealthy_threshold: 3,
            start_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for Restart {
    fn default() -> Restart {
        Restart {
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            limit: 3,
            reset_after: Duration::from_secs(60),
        }
    }
}

impl Default for RouteSpec {
    fn default() -> RouteSpec {
        let client = Client { header: None, cookie: true };
        RouteSpec { hosts: Vec::new(), client, response_timeout: Duration::from_secs(30) }
    }
}
