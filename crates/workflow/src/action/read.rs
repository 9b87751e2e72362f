//! Reading `action.yml`.

use super::{Action, ActionInput, ActionOutput, Composite, Docker, Node as NodeAction, Runs};
use crate::{
    document::{Fields, Home, Reader, read_steps},
    expr::{self, Condition},
};
use shipway_base::{
    Diagnostic, Diagnostics, Severity, Source, Spanned,
    yaml::{Mapping, Node},
};

const KEYS: &[&str] = &["name", "description", "author", "inputs", "outputs", "runs", "branding"];
const INPUT_KEYS: &[&str] = &["description", "required", "default", "deprecationMessage"];
const NODE_VERSIONS: &[&str] = &["node12", "node16", "node20", "node24"];
const NODE_KEYS: &[&str] = &["using", "main", "pre", "pre-if", "post", "post-if"];
const DOCKER_KEYS: &[&str] = &[
    "using",
    "image",
    "entrypoint",
    "args",
    "env",
    "pre-entrypoint",
    "pre-if",
    "post-entrypoint",
    "post-if",
];

impl Action {
    /// Reads an action's manifest and everything that is wrong with it. There is an action exactly when no finding is
    /// an error.
    ///
    /// Unknown keys are errors within `runs`, where they change what
    /// happens, and ignored elsewhere, as GitHub's runner does: published actions carry keys of other tools.
    pub fn parse(source: &Source) -> (Option<Action>, Diagnostics) {
        let mut reader = Reader::new(source);
        let action = reader.tree("an action").and_then(|tree| read(&mut reader, &tree));
        let found = reader.finish();
        let warns = |found: &&Diagnostic| found.code == "SW0101" && found.severity == Severity::Warning;
        let misspelt = found.iter().filter(warns).map(ToString::to_string).collect();
        let action = action.filter(|_| !found.has_errors());
        (action.map(|action| Action { misspelt, ..action }), found)
    }
}

fn read(reader: &mut Reader<'_>, tree: &Node) -> Option<Action> {
    let (mut name, mut description, mut runs) = (None, None, None);
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for (key, value) in reader.mapping(tree, "an action")?.iter() {
        match key.value.as_str() {
            "name" => name = reader.literal(value, "name"),
            "description" => description = reader.literal(value, "description").map(|text| text.value),
            "inputs" => {
                let mapping = reader.mapping(value, "inputs");
                inputs = mapping
                    .iter()
                    .flat_map(|m| m.iter())
                    .map(|(key, value)| input(reader, key, value))
                    .collect();
            }
            "outputs" => {
                let mapping = reader.mapping(value, "outputs");
                outputs = mapping
                    .iter()
                    .flat_map(|m| m.iter())
                    .map(|(key, value)| output(reader, key, value))
                    .collect();
            }
            "runs" => runs = Some(read_runs(reader, value)),
            _ => {}
        }
    }
    if runs.is_none() {
        reader.missing(tree.span, "an action", "runs");
        near_miss(reader, tree);
    }
    Some(Action {
        source: reader.source.clone(),
        name,
        description,
        inputs,
        outputs,
        runs: runs??,
        misspelt: Vec::new(),
    })
}

/// A key that is almost a known one, when a needed one is missing.
fn near_miss(reader: &mut Reader<'_>, tree: &Node) {
    for (key, _) in tree.as_mapping().iter().flat_map(|mapping| mapping.iter()) {
        if !KEYS.contains(&key.value.as_str()) {
            reader.unknown_key(key, "an action", KEYS);
        }
    }
}

fn input(reader: &mut Reader<'_>, name: &Spanned<String>, node: &Node) -> ActionInput {
    let mut input = ActionInput {
        name: name.clone(),
        description: None,
        required: false,
        default: None,
        deprecation_message: None,
    };
    let place = format!("the input {:?}", name.value);
    let Some(mapping) = reader.mapping(node, &place) else { return input };
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "description" => input.description = reader.literal(value, "description").map(|text| text.value),
            // Published actions write 'true', TRUE and worse; as it is not enforced, anything is taken.
            "required" => {
                input.required = value.as_text().is_some_and(|text| text.eq_ignore_ascii_case("true"))
            }
            "default" => input.default = reader.template(value, "default", &expr::ACTION_INPUT_DEFAULT),
            "deprecationMessage" => {
                input.deprecation_message =
                    reader.literal(value, "deprecationMessage").map(|text| text.value);
            }
            // Keys of other tools are let pass, and so is a typing error, since the action runs on GitHub.
            _ => reader.misspelt_key(key, &place, INPUT_KEYS),
        }
    }
    input
}

fn output(reader: &mut Reader<'_>, name: &Spanned<String>, node: &Node) -> ActionOutput {
    let mut output = ActionOutput { name: name.clone(), description: None, value: None };
    let place = format!("the output {:?}", name.value);
    let Some(mapping) = reader.mapping(node, &place) else { return output };
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "description" => output.description = reader.literal(value, "description").map(|text| text.value),
            "value" => output.value = reader.template(value, "value", &expr::ACTION_OUTPUT),
            _ => reader.unknown_key(key, &place, &["description", "value"]),
        }
    }
    output
}

const PLUGIN: &str = "a plugin is a part of GitHub's own runner and cannot be run here";

fn read_runs(reader: &mut Reader<'_>, node: &Node) -> Option<Runs> {
    let mapping = reader.mapping(node, "runs")?;
    let Some((_, using)) = mapping.iter().find(|(key, _)| key.value == "using") else {
        match mapping.iter().find(|(key, _)| key.value == "plugin") {
            Some((key, _)) => reader.error("SW0105", key.span, PLUGIN),
            None => reader.missing(node.span, "runs", "using"),
        }
        return None;
    };
    let using = reader.name(using, "using")?;
    match using.value.to_lowercase().as_str() {
        "composite" => composite(reader, node, mapping),
        "docker" => docker_action(reader, node, mapping, &using),
        version if NODE_VERSIONS.contains(&version) => node_action(reader, node, mapping, using),
        "plugin" => {
            reader.error("SW0105", using.span, PLUGIN);
            None
        }
        other => {
            let message = format!("an action cannot be run with {other:?}");
            let help = format!("use composite, docker or one of {}", NODE_VERSIONS.join(", "));
            reader.error_with_help("SW0104", using.span, message, help);
            None
        }
    }
}

fn composite(reader: &mut Reader<'_>, node: &Node, mapping: &Mapping) -> Option<Runs> {
    let mut steps = None;
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "using" => {}
            "steps" => steps = Some(read_steps(reader, value, Home::Composite)),
            _ => reader.unknown_key(key, "runs of a composite action", &["using", "steps"]),
        }
    }
    if steps.is_none() {
        reader.missing(node.span, "runs of a composite action", "steps");
    }
    Some(Runs::Composite(Composite { steps: steps? }))
}

fn node_action(
    reader: &mut Reader<'_>,
    node: &Node,
    mapping: &Mapping,
    using: Spanned<String>,
) -> Option<Runs> {
    let (mut main, mut pre, mut post) = (None, None, None);
    let always = Condition::parse("always()", using.span, reader.source, &expr::ACTION_RUNS_IF);
    let (mut pre_if, mut post_if) = (always.clone().ok(), always.ok());
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "using" => {}
            "main" => main = reader.name(value, "main"),
            "pre" => pre = reader.name(value, "pre"),
            "post" => post = reader.name(value, "post"),
            "pre-if" => pre_if = reader.condition(value, "pre-if", &expr::ACTION_RUNS_IF),
            "post-if" => post_if = reader.condition(value, "post-if", &expr::ACTION_RUNS_IF),
            _ => reader.unknown_key(key, "runs of a JavaScript action", NODE_KEYS),
        }
    }
    if mapping.get("main").is_none() {
        reader.missing(node.span, "runs of a JavaScript action", "main");
    }
    Some(Runs::Node(Box::new(NodeAction {
        using,
        main: main?,
        pre,
        pre_if: pre_if?,
        post,
        post_if: post_if?,
    })))
}

fn docker_action(
    reader: &mut Reader<'_>,
    node: &Node,
    mapping: &Mapping,
    using: &Spanned<String>,
) -> Option<Runs> {
    let (mut image, mut entrypoint, mut args, mut env) = (None, None, Vec::new(), Fields::default());
    let (mut pre_entrypoint, mut post_entrypoint) = (None, None);
    let always = Condition::parse("always()", using.span, reader.source, &expr::ACTION_RUNS_IF);
    let (mut pre_if, mut post_if) = (always.clone().ok(), always.ok());
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "using" => {}
            "image" => image = reader.name(value, "image"),
            "entrypoint" => entrypoint = reader.name(value, "entrypoint"),
            "args" => {
                let items = reader.sequence(value, "args").iter();
                args = items.filter_map(|item| reader.template(item, "args", &expr::ACTION_DOCKER)).collect();
            }
            "env" => env = reader.fields(value, "env", &expr::ACTION_DOCKER),
            "pre-entrypoint" => pre_entrypoint = reader.name(value, "pre-entrypoint"),
            "post-entrypoint" => post_entrypoint = reader.name(value, "post-entrypoint"),
            "pre-if" => pre_if = reader.condition(value, "pre-if", &expr::ACTION_RUNS_IF),
            "post-if" => post_if = reader.condition(value, "post-if", &expr::ACTION_RUNS_IF),
            _ => reader.unknown_key(key, "runs of a Docker action", DOCKER_KEYS),
        }
    }
    if mapping.get("image").is_none() {
        reader.missing(node.span, "runs of a Docker action", "image");
    }
    Some(Runs::Docker(Box::new(Docker {
        image: image?,
        entrypoint,
        args,
        env,
        pre_entrypoint,
        pre_if: pre_if?,
        post_entrypoint,
        post_if: post_if?,
    })))
}
