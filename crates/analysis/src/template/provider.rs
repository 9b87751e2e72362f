//! Where a metric's values come from.

use super::UNSUPPORTED;
use crate::{
    Arm, Otherwise, Promote, Provider, Query, RouterQuery, Sequential, Signal, SignalWeight,
    fields::{Fields, SHAPE},
};
use shipway_base::{
    Diagnostic, Diagnostics, Source, Spanned,
    yaml::{Node, closest},
};

/// Settings of the sequential test are out of range.
const SETTINGS: &str = "SW0406";

/// Providers of Argo's that this version cannot ask.
const LATER: &[&str] = &[
    "prometheus",
    "kayenta",
    "web",
    "datadog",
    "wavefront",
    "newRelic",
    "job",
    "cloudWatch",
    "graphite",
    "influxdb",
    "skywalking",
];

/// Reads `provider`.
pub(crate) fn read(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<Provider> {
    let known: Vec<&'static str> = LATER.iter().copied().chain(["plugin"]).collect();
    let fields = Fields::open(node, "a provider", &known, source, found)?;
    let given: Vec<&Spanned<String>> = node.as_mapping()?.iter().map(|(key, _)| key).collect();
    if given.len() != 1 {
        let message =
            format!("a provider names exactly one source of values, but this names {}", given.len());
        found.push(Diagnostic::error(SHAPE, source, node.span, message));
        return None;
    }
    if let Some(later) = given.iter().find(|key| LATER.contains(&key.value.as_str())) {
        let message = format!("the provider `{}` is not supported yet", later.value);
        found.push(
            Diagnostic::error(UNSUPPORTED, source, later.span, message)
                .with_help("use `plugin` with `shipway/sequential` or `shipway/router`"),
        );
        return None;
    }
    plugin(fields.get("plugin")?, source, found)
}

fn plugin(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<Provider> {
    const KNOWN: [&str; 2] = ["shipway/sequential", "shipway/router"];
    let pairs = node.as_mapping().map(|mapping| mapping.iter().collect::<Vec<_>>()).unwrap_or_default();
    let [(name, settings)] = pairs.as_slice() else {
        let message = "`plugin` names exactly one plugin with its settings";
        found.push(Diagnostic::error(SHAPE, source, node.span, message));
        return None;
    };
    match name.value.as_str() {
        "shipway/sequential" => sequential(settings, source, found).map(Provider::Sequential),
        "shipway/router" => router(settings, source, found).map(Provider::Router),
        other => {
            let message = format!("the plugin `{other}` is not supported");
            let help = match closest(other, KNOWN) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known plugins are {}", KNOWN.join(" and ")),
            };
            found.push(Diagnostic::error(UNSUPPORTED, source, name.span, message).with_help(help));
            None
        }
    }
}

fn sequential(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<Sequential> {
    let fields = Fields::open(node, "shipway/sequential", &["signals", "alpha", "promote"], source, found)?;
    let signals = match fields.get("signals") {
        Some(node) => weights(node, source, found),
        None => vec![SignalWeight { signal: Signal::Failure, weight: 1.0 }],
    };
    let alpha = level(&fields, 0.01, source, found);
    let promote = fields.get("promote").and_then(|node| promote(node, source, found));
    Some(Sequential { signals, alpha, promote })
}

/// Signals in a sequence (equal weights) or as a mapping from signal to weight; the weights come to 1.
fn weights(node: &Node, source: &Source, found: &mut Diagnostics) -> Vec<SignalWeight> {
    let mut signals: Vec<SignalWeight> = Vec::new();
    let mut add = |name: &str, weight: f64, at: &Node, found: &mut Diagnostics| {
        let Some(signal) = signal(name, at, source, found) else { return };
        if signals.iter().any(|known| known.signal == signal) {
            let message = format!("the signal `{signal}` stands here twice");
            found.push(Diagnostic::error(SETTINGS, source, at.span, message));
        }
        signals.push(SignalWeight { signal, weight });
    };
    if let Some(pairs) = node.as_mapping() {
        for (name, value) in pairs.iter() {
            let at = Node { value: value.value.clone(), span: name.span };
            match value.as_number().filter(|weight| *weight > 0.0 && weight.is_finite()) {
                Some(weight) => add(&name.value, weight, &at, found),
                None => {
                    let message = format!("the weight of `{}` must be a number above 0", name.value);
                    found.push(Diagnostic::error(SETTINGS, source, value.span, message));
                }
            }
        }
    } else {
        for item in node.as_sequence().unwrap_or_default() {
            add(item.as_text().unwrap_or_default(), 1.0, item, found);
        }
    }
    if signals.is_empty() && !found.has_errors() {
        let message = "`signals` names at least one of failure, p50, p95 and p99";
        found.push(Diagnostic::error(SETTINGS, source, node.span, message));
    }
    let sum: f64 = signals.iter().map(|weighted| weighted.weight).sum();
    signals.iter_mut().for_each(|weighted| weighted.weight /= sum);
    signals
}

fn signal(name: &str, at: &Node, source: &Source, found: &mut Diagnostics) -> Option<Signal> {
    let signal = Signal::by_name(name);
    if signal.is_none() {
        let names = Signal::ALL.map(Signal::name);
        let help = match closest(name, names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("signals are {}", names.join(", ")),
        };
        let message = format!("there is no signal `{name}`");
        found.push(Diagnostic::error(SETTINGS, source, at.span, message).with_help(help));
    }
    signal
}

fn level(fields: &Fields<'_>, default: f64, source: &Source, found: &mut Diagnostics) -> f64 {
    match fields.number("alpha", found) {
        Some(alpha) if alpha.value > 0.0 && alpha.value <= 0.5 => alpha.value,
        Some(alpha) => {
            let message = "`alpha` is a chance of error: above 0 and at most 0.5";
            found.push(Diagnostic::error(SETTINGS, source, alpha.span, message));
            default
        }
        None => default,
    }
}

fn promote(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<Promote> {
    let known = ["margin", "alpha", "signals", "maxFailureRate", "atMost", "otherwise"];
    let fields = Fields::open(node, "`promote`", &known, source, found)?;
    let margin = fields.number("margin", found);
    if let Some(margin) = margin.as_ref().filter(|margin| margin.value < 1.1 || margin.value > 100.0) {
        let message = "`margin` is how many times as often is too often: 1.1 to 100";
        found.push(Diagnostic::error(SETTINGS, source, margin.span, message));
    }
    let max_failure_rate = fields.number("maxFailureRate", found);
    if let Some(rate) = max_failure_rate.as_ref().filter(|rate| rate.value <= 0.0 || rate.value >= 1.0) {
        let message = "`maxFailureRate` is a fraction of clients: above 0 and below 1";
        found.push(Diagnostic::error(SETTINGS, source, rate.span, message));
    }
    let signals = signals_to_promote(&fields, source, found);
    let alpha = level(&fields, 0.05, source, found);
    let at_most = fields.duration("atMost", found).map(|limit| limit.value);
    let otherwise = match fields.text("otherwise", found) {
        None => Otherwise::Pause,
        Some(text) if text.value == "pause" => Otherwise::Pause,
        Some(text) if text.value == "promote" => Otherwise::Promote,
        Some(text) => {
            let message = format!("`otherwise` is `pause` or `promote`, not `{}`", text.value);
            found.push(Diagnostic::error(SETTINGS, source, text.span, message));
            Otherwise::Pause
        }
    };
    Some(Promote {
        margin: margin.map_or(2.0, |margin| margin.value),
        alpha,
        signals,
        max_failure_rate: max_failure_rate.map(|rate| rate.value),
        at_most,
        otherwise,
    })
}

fn signals_to_promote(fields: &Fields<'_>, source: &Source, found: &mut Diagnostics) -> Vec<Signal> {
    let mut signals = Vec::new();
    for item in fields.items("signals", found) {
        match signal(item.as_text().unwrap_or_default(), item, source, found) {
            Some(Signal::AboveP50) => {
                let message = "`p50` cannot promote: half of all requests are above the median, so nearly every client \
                               of either version is hit and the ratio of clients says nothing";
                found.push(
                    Diagnostic::error(SETTINGS, source, item.span, message).with_help("use p95 or p99"),
                );
            }
            Some(signal) if !signals.contains(&signal) => signals.push(signal),
            Some(_) | None => {}
        }
    }
    if signals.is_empty() { vec![Signal::Failure] } else { signals }
}

fn router(node: &Node, source: &Source, found: &mut Diagnostics) -> Option<RouterQuery> {
    let fields = Fields::open(node, "shipway/router", &["query", "arm"], source, found)?;
    fields.required("query", found);
    let query = fields.text("query", found)?;
    let Some(known) = Query::by_name(&query.value) else {
        let names = Query::ALL.map(Query::name);
        let help = match closest(&query.value, names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("queries are {}", names.join(", ")),
        };
        let message = format!("there is no query `{}`", query.value);
        found.push(Diagnostic::error(SETTINGS, source, query.span, message).with_help(help));
        return None;
    };
    let arm = match fields.text("arm", found) {
        None => Arm::Canary,
        Some(text) if text.value == "canary" => Arm::Canary,
        Some(text) if text.value == "stable" => Arm::Stable,
        Some(text) => {
            let message = format!("`arm` is `canary` or `stable`, not `{}`", text.value);
            found.push(Diagnostic::error(SETTINGS, source, text.span, message));
            Arm::Canary
        }
    };
    Some(RouterQuery { query: known, arm })
}
