//! Inputs of `workflow_dispatch`.

use super::{File, Level, Rule, finding::Findings};
use crate::{document::scalar_value, expr::Value};
use shipway_base::yaml::Node;

pub(super) const DEFAULT_OF_ANOTHER_TYPE: Rule = Rule {
    id: "default-of-another-type",
    level: Level::Error,
    pedantic: false,
    what: "The default of an input of `workflow_dispatch` is written as another type than the input has. GitHub takes its \
           text all the same; the schema that editors use refuses it.",
    example: "flag: {type: boolean, default: 'true'}",
    fix: "write booleans and numbers without quotes, and texts that look like them in quotes",
    zizmor: &[],
};

pub(super) fn check(file: &File<'_>, out: &mut Findings<'_>) {
    let by_hand = file.view.triggers.iter().filter(|(event, _)| event.value == "workflow_dispatch");
    let inputs = by_hand.filter_map(|(_, map)| map.as_ref()?.get("inputs")?.as_mapping());
    for (name, input) in inputs.flat_map(|inputs| inputs.iter()) {
        let Some(input) = input.as_mapping() else { continue };
        let (Some(kind), Some(node)) = (input.get("type").and_then(Node::as_text), input.get("default"))
        else {
            continue;
        };
        let Some(value) = scalar_value(node).filter(|value| *value != Value::Null) else { continue };
        let (fits, help) = match kind {
            "boolean" => (value.as_bool().is_some(), "write true or false without quotes"),
            "number" => (value.as_number().is_some(), "write the number without quotes"),
            "string" | "environment" => (value.as_str().is_some(), "put it in quotes"),
            _ => continue,
        };
        if !fits {
            let message = format!("the default of the {kind} {:?} is written as another type", name.value);
            out.report(&DEFAULT_OF_ANOTHER_TYPE, node.span, message).help(help);
        }
    }
}
