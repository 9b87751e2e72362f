//! Reading `on`.

use super::{
    Filter, Schedule, Trigger, call, inputs,
    pattern::Pattern,
    table::{self, Known},
};
use crate::document::Reader;
use shipway_base::{Spanned, yaml, yaml::Node};

/// Reads `on`: one event, a sequence of events, or a mapping from events to their filters.
pub(crate) fn read_triggers(reader: &mut Reader<'_>, node: &Node) -> Vec<Trigger> {
    let mut triggers = Vec::new();
    if let Some(mapping) = node.as_mapping() {
        for (key, value) in mapping.iter() {
            if let Some(known) = event(reader, key) {
                triggers.push(read_trigger(reader, known, key, value));
            }
        }
    } else {
        for name in reader.names(node, "on") {
            if let Some(known) = event(reader, &name) {
                if known.name == "schedule" {
                    reader.missing(name.span, "the event \"schedule\"", "cron");
                }
                triggers.push(Trigger::bare(name));
            }
        }
    }
    if triggers.is_empty() && !reader.found.has_errors() {
        reader.error("SW0113", node.span, "on names no event, so nothing would ever start this workflow");
    }
    triggers
}

fn event(reader: &mut Reader<'_>, name: &Spanned<String>) -> Option<&'static Known> {
    let known = table::find(&name.value);
    if known.is_none() {
        let message = format!("there is no event {:?}", name.value);
        match yaml::closest(&name.value, table::EVENTS.iter().map(|known| known.name)) {
            Some(close) => {
                reader.error_with_help("SW0104", name.span, message, format!("did you mean {close:?}?"));
            }
            None => reader.error("SW0104", name.span, message),
        }
    }
    known
}

fn read_trigger(reader: &mut Reader<'_>, known: &Known, name: &Spanned<String>, node: &Node) -> Trigger {
    let mut trigger = Trigger { span: node.span, ..Trigger::bare(name.clone()) };
    let place = format!("the event {:?}", known.name);
    if known.name == "schedule" {
        trigger.schedules =
            reader.sequence(node, "schedule").iter().filter_map(|item| schedule(reader, item)).collect();
        return trigger;
    }
    let Some(mapping) = reader.optional_mapping(node, &place) else { return trigger };
    for (key, value) in mapping.iter() {
        let word = key.value.as_str();
        if !known.keys.contains(&word) {
            reader.idle_key(key, &place, known.keys);
            continue;
        }
        match word {
            "types" => trigger.types = Some(types(reader, known, value)),
            "branches" | "branches-ignore" => filter(reader, key, value, &mut trigger.branches),
            "tags" | "tags-ignore" => filter(reader, key, value, &mut trigger.tags),
            "paths" | "paths-ignore" => filter(reader, key, value, &mut trigger.paths),
            "workflows" => trigger.workflows = reader.names(value, "workflows"),
            "inputs" if known.name == "workflow_dispatch" => {
                trigger.inputs = inputs::read_dispatch(reader, value);
            }
            "inputs" | "secrets" | "outputs" => {
                call::read(reader, trigger.call.get_or_insert_default(), key, value);
            }
            "names" => filter(reader, key, value, &mut trigger.names),
            _ => filter(reader, key, value, &mut trigger.versions),
        }
    }
    warn_of_empty(reader, &trigger);
    if known.name == "workflow_run" && trigger.workflows.is_empty() {
        reader.missing(name.span, &place, "workflows");
    }
    trigger
}

fn types(reader: &mut Reader<'_>, known: &Known, node: &Node) -> Vec<Spanned<String>> {
    let types = reader.names(node, "types");
    // `repository_dispatch` has types of the sender's own choosing.
    for unknown in
        types.iter().filter(|name| !known.types.is_empty() && !known.types.contains(&name.value.as_str()))
    {
        let message = format!("the event {:?} has no activity type {:?}", known.name, unknown.value);
        let help = match yaml::closest(&unknown.value, known.types.iter().copied()) {
            Some(close) => format!("did you mean {close:?}?"),
            None => format!("known types: {}", known.types.join(", ")),
        };
        reader.error_with_help("SW0104", unknown.span, message, help);
    }
    types
}

fn filter(reader: &mut Reader<'_>, key: &Spanned<String>, node: &Node, slot: &mut Option<Filter>) {
    let ignore = key.value.ends_with("-ignore");
    let mut patterns = Vec::new();
    for text in reader.names(node, &key.value) {
        match Pattern::parse(&text.value) {
            Ok(pattern) => patterns.push(Spanned::new(pattern, text.span)),
            Err(why) => reader.error("SW0114", text.span, format!("the pattern {:?} {why}", text.value)),
        }
    }
    if slot.is_some() {
        let stem = key.value.trim_end_matches("-ignore");
        let message = format!("{stem:?} and \"{stem}-ignore\" cannot stand together");
        reader.error_with_help("SW0110", key.span, message, "use one list with `!` patterns");
        return;
    }
    *slot = Some(Filter { ignore, patterns });
}

/// Warns of filters that let nothing in. Beside `branches` it is a usual way to say that no tag is meant, and the other way round.
fn warn_of_empty(reader: &mut Reader<'_>, trigger: &Trigger) {
    let (branches, tags) = (trigger.branches.is_some(), trigger.tags.is_some());
    let filters = [
        ("branches", &trigger.branches, tags),
        ("tags", &trigger.tags, branches),
        ("paths", &trigger.paths, false),
    ];
    for (key, filter, _) in filters.into_iter().filter(|(_, _, meant)| !meant) {
        let Some(filter) = filter.as_ref().filter(|filter| !filter.ignore) else { continue };
        if let Some(first) = filter.patterns.first()
            && filter.patterns.iter().all(|pattern| pattern.value.negative())
        {
            let help = format!("begin with a pattern that lets in, such as '**', or use \"{key}-ignore\"");
            let message = format!("{key:?} has only patterns that take away, so nothing can match");
            reader.warn("SW0114", first.span, message, help);
        }
    }
}

fn schedule(reader: &mut Reader<'_>, node: &Node) -> Option<Schedule> {
    let (mut cron, mut timezone, mut found) = (None, None, false);
    for (key, value) in reader.mapping(node, "an entry of schedule")?.iter() {
        match key.value.as_str() {
            "cron" => {
                found = true;
                cron = reader.name(value, "cron");
            }
            "timezone" => {
                timezone = reader.name(value, "timezone");
                if let Some(name) = timezone.as_ref().filter(|name| super::cron::zone(&name.value).is_none())
                {
                    let message = format!("there is no time zone {:?}", name.value);
                    let help = "use an IANA name, such as Europe/Berlin or UTC";
                    reader.error_with_help("SW0104", name.span, message, help);
                }
            }
            _ => reader.idle_key(key, "an entry of schedule", &["cron", "timezone"]),
        }
    }
    if !found {
        reader.missing(node.span, "an entry of schedule", "cron");
    }
    let cron = cron?;
    if let Err(why) = super::cron::parse(&cron.value) {
        reader.error("SW0114", cron.span, format!("{:?} is not a cron expression: {why}", cron.value));
    }
    Some(Schedule { cron, timezone })
}
