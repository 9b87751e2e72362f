//! GitHub's own schemas, key by key: what they allow at a place is allowed here, what they do not is refused, and every
//! key offers the contexts and functions that its schema lists, and no others. What differs is listed with its reason.

use crate::conformance::{Tally, folder, json};
use serde_json::Value as Json;
use shipway_base::{Diagnostics, Source};
use shipway_workflow::{action::Action, document::Workflow, event};
use std::collections::{BTreeMap, BTreeSet};

/// A mapping of a schema, and a document in which its entries go: `@` stands for them. `base` entries are there unless
/// the entry under test takes their place.
struct Place {
    definition: &'static str,
    document: &'static str,
    base: &'static [(&'static str, &'static str)],
    /// The contexts and functions that hold where the mapping itself lists none, by the definition around it.
    around: Option<&'static str>,
}

const fn place(
    definition: &'static str,
    document: &'static str,
    base: &'static [(&'static str, &'static str)],
    around: Option<&'static str>,
) -> Place {
    Place { definition, document, base, around }
}

const STEP: &str = "{on: push, jobs: {a: {runs-on: x, steps: [{id: b, run: x, background: true}, {@}]}}}";

const WORKFLOW: &[Place] = &[
    place("workflow-root-strict", "{@}", &[("on", "push"), ("jobs", "{a: {runs-on: x}}")], None),
    place("job-factory", "{on: push, jobs: {a: {@}}}", &[("runs-on", "x")], None),
    place("workflow-job", "{on: push, jobs: {a: {@}}}", &[("uses", "./.github/workflows/x.yml")], None),
    place("strategy", "{on: push, jobs: {a: {runs-on: x, strategy: {@}}}}", &[], None),
    place("runs-on-mapping", "{on: push, jobs: {a: {runs-on: {@}}}}", &[("labels", "x")], Some("runs-on")),
    place(
        "concurrency-mapping",
        "{on: push, jobs: {a: {runs-on: x}}, concurrency: {@}}",
        &[("group", "x")],
        Some("workflow-concurrency"),
    ),
    place(
        "concurrency-mapping",
        "{on: push, jobs: {a: {runs-on: x, concurrency: {@}}}}",
        &[("group", "x")],
        Some("job-concurrency"),
    ),
    place(
        "job-environment-mapping",
        "{on: push, jobs: {a: {runs-on: x, environment: {@}}}}",
        &[("name", "x")],
        Some("job-environment"),
    ),
    place("job-defaults", "{on: push, jobs: {a: {runs-on: x, defaults: {@}}}}", &[], None),
    place("job-defaults-run", "{on: push, jobs: {a: {runs-on: x, defaults: {run: {@}}}}}", &[], None),
    place("workflow-defaults", "{on: push, jobs: {a: {runs-on: x}}, defaults: {@}}", &[], None),
    place("workflow-defaults-run", "{on: push, jobs: {a: {runs-on: x}}, defaults: {run: {@}}}", &[], None),
    place(
        "snapshot-mapping",
        "{on: push, jobs: {a: {runs-on: x, snapshot: {@}}}}",
        &[("image-name", "x")],
        None,
    ),
    place("permissions-mapping", "{on: push, jobs: {a: {runs-on: x}}, permissions: {@}}", &[], None),
    place("run-step", STEP, &[("run", "x")], None),
    place("regular-step", STEP, &[("uses", "a/b@c")], None),
    place("wait-step", STEP, &[("wait", "b")], None),
    place("wait-all-step", STEP, &[("wait-all", "true")], None),
    place("cancel-step", STEP, &[("cancel", "b")], None),
    place("parallel-step", STEP, &[("parallel", "[{run: x}]")], None),
    place(
        "container-mapping",
        "{on: push, jobs: {a: {runs-on: x, container: {@}}}}",
        &[("image", "x")],
        Some("container"),
    ),
    place(
        "service-container-mapping",
        "{on: push, jobs: {a: {runs-on: x, services: {b: {@}}}}}",
        &[("image", "x")],
        Some("services-container"),
    ),
    place(
        "container-registry-credentials",
        "{on: push, jobs: {a: {runs-on: x, container: {image: x, credentials: {@}}}}}",
        &[],
        None,
    ),
    place(
        "cron-mapping",
        "{on: {schedule: [{@}]}, jobs: {a: {runs-on: x}}}",
        &[("cron", "'0 0 * * *'")],
        None,
    ),
    place("workflow-call-mapping", "{on: {workflow_call: {@}}, jobs: {a: {runs-on: x}}}", &[], None),
    place(
        "workflow-call-input-definition",
        "{on: {workflow_call: {inputs: {a: {@}}}}, jobs: {a: {runs-on: x}}}",
        &[("type", "string")],
        None,
    ),
    place(
        "workflow-call-secret-mapping-definition",
        "{on: {workflow_call: {secrets: {a: {@}}}}, jobs: {a: {runs-on: x}}}",
        &[],
        None,
    ),
    place(
        "workflow-call-output-definition",
        "{on: {workflow_call: {outputs: {a: {@}}}}, jobs: {a: {runs-on: x}}}",
        &[("value", "x")],
        None,
    ),
    place("workflow-dispatch-mapping", "{on: {workflow_dispatch: {@}}, jobs: {a: {runs-on: x}}}", &[], None),
    place(
        "workflow-dispatch-input",
        "{on: {workflow_dispatch: {inputs: {a: {@}}}}, jobs: {a: {runs-on: x}}}",
        &[("type", "choice"), ("options", "[x]")],
        None,
    ),
];

const ACTION: &[Place] = &[
    place(
        "container-runs-strict",
        "{name: x, runs: {@}}",
        &[("using", "docker"), ("image", "Dockerfile")],
        None,
    ),
    place("node-runs-strict", "{name: x, runs: {@}}", &[("using", "node20"), ("main", "x.js")], None),
    place("composite-runs-strict", "{name: x, runs: {@}}", &[("using", "composite"), ("steps", "[]")], None),
    place(
        "run-step",
        "{name: x, runs: {using: composite, steps: [{@}]}}",
        &[("run", "x"), ("shell", "bash")],
        None,
    ),
    place("uses-step", "{name: x, runs: {using: composite, steps: [{@}]}}", &[("uses", "a/b@c")], None),
    place(
        "output-definition",
        "{name: x, outputs: {a: {@}}, runs: {using: composite, steps: []}}",
        &[],
        None,
    ),
];

/// A definition, a key, and why it is otherwise here.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("workflow-root-strict", "cache-mode", "newer than the schema"),
    ("job-factory", "cache-mode", "newer than the schema"),
    ("workflow-job", "cache-mode", "newer than the schema"),
    ("workflow-call-input-definition", "deprecationMessage", "documented, and missing in the schema"),
    ("workflow-dispatch-input", "deprecationMessage", "documented, and missing in the schema"),
];

/// Keys that no schema has and that might be known here.
const OWN: &[&str] = &["cache-mode", "deprecationMessage", "no-such-key", "<<"];

struct Schema(Json);

impl Schema {
    fn load(name: &str) -> Option<Schema> {
        let file = folder("github-actions/workflow-parser/src")?.join(name);
        Some(Schema(json(&file)["definitions"].clone()))
    }

    fn properties(&self, definition: &str) -> BTreeMap<String, String> {
        let properties = self.0[definition]["mapping"]["properties"].as_object();
        properties
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                let kind = value.as_str().or(value["type"].as_str()).unwrap_or_default();
                (key.clone(), kind.to_owned())
            })
            .collect()
    }

    fn all_keys(&self) -> BTreeSet<String> {
        let definitions = self.0.as_object().into_iter().flatten();
        let mut keys: BTreeSet<String> =
            definitions.flat_map(|(name, _)| self.properties(name).into_keys()).collect();
        keys.extend(OWN.iter().map(|key| (*key).to_owned()));
        keys
    }

    fn names(&self, definition: &str) -> Option<Vec<String>> {
        let names = self.0[definition]["context"].as_array()?;
        Some(names.iter().filter_map(Json::as_str).map(str::to_owned).collect())
    }

    /// How a scalar is written at a place of this type, and which names it offers: none where no scalar may be an
    /// expression.
    fn scalar(
        &self,
        kind: &str,
        names: Option<Vec<String>>,
        depth: usize,
    ) -> Option<(String, Option<Vec<String>>)> {
        let names = self.names(kind).or(names);
        let definition = match kind {
            "string" | "boolean" | "number" => return Some(("@".to_owned(), names)),
            _ if depth > 6 => return None,
            kind => &self.0[kind],
        };
        if ["string", "boolean", "number", "allowed-values"].iter().any(|word| definition.get(word).is_some())
        {
            return Some(("@".to_owned(), names));
        }
        if let Some(options) = definition["one-of"].as_array() {
            let mut options = options.iter().filter_map(Json::as_str);
            return options.find_map(|option| self.scalar(option, names.clone(), depth + 1));
        }
        if let Some(item) = definition["sequence"]["item-type"].as_str() {
            let (text, names) = self.scalar(item, names, depth + 1)?;
            return Some((format!("[{text}]"), names));
        }
        let value = definition["mapping"]["loose-value-type"].as_str()?;
        let (text, names) = self.scalar(value, names, depth + 1)?;
        Some((format!("{{k: {text}}}"), names))
    }
}

fn document(place: &Place, key: &str, value: &str) -> String {
    let base = place.base.iter().filter(|(known, _)| *known != key);
    let mut entries: Vec<String> = base.map(|(key, value)| format!("{key}: {value}")).collect();
    entries.push(format!("{key}: {value}"));
    place.document.replace('@', &entries.join(", "))
}

fn findings(is_action: bool, text: &str) -> Diagnostics {
    let source = Source::new("x.yml", text);
    match is_action {
        true => Action::parse(&source).1,
        false => Workflow::parse(&source).1,
    }
}

/// Whether a key is refused as one that does not belong here.
fn is_refused(found: &Diagnostics, key: &str) -> bool {
    let (quoted, ticked) = (format!("{key:?}"), format!("`{key}`"));
    found.iter().any(|error| match error.code {
        "SW0101" => error.message.contains(&quoted) || (key == "<<" && error.message.contains("<<")),
        "SW0110" => error.message.contains(&quoted) || error.message.contains(&ticked),
        _ => false,
    })
}

fn keys(is_action: bool, schema: &Schema, places: &[Place], tally: &mut Tally) {
    let all = schema.all_keys();
    for place in places {
        let known = schema.properties(place.definition);
        assert!(!known.is_empty(), "{} is in the schema", place.definition);
        for key in &all {
            let text = document(place, key, "x");
            let refused = is_refused(&findings(is_action, &text), key);
            let differs = DIFFERENT
                .iter()
                .any(|(definition, other, _)| *definition == place.definition && other == key);
            let right = (known.contains_key(key) != differs) != refused;
            let result = if right { Ok(()) } else { Err(format!("refused: {refused}\n  {text}")) };
            tally.record(&format!("{}.{key}", place.definition), result);
        }
    }
}

/// Every context and function at every key.
fn names(is_action: bool, schema: &Schema, places: &[Place], tally: &mut Tally) {
    const CONTEXTS: &[&str] = &[
        "github", "env", "vars", "job", "jobs", "steps", "runner", "secrets", "strategy", "matrix", "needs",
        "inputs",
    ];
    const FUNCTIONS: &[(&str, &str)] = &[
        ("always", "always()"),
        ("cancelled", "cancelled()"),
        ("success", "success()"),
        ("failure", "failure()"),
        ("success", "success('a')"),
        ("failure", "failure('a')"),
        ("hashFiles", "hashFiles('a')"),
    ];
    for place in places {
        let around = place.around.and_then(|definition| schema.names(definition));
        let around = schema.names(place.definition).or(around);
        for (key, kind) in schema.properties(place.definition) {
            let Some((shape, offered)) = schema.scalar(&kind, around.clone(), 0) else { continue };
            let contexts = CONTEXTS.iter().map(|name| (*name, (*name).to_owned()));
            let functions = FUNCTIONS.iter().map(|(name, call)| (*name, (*call).to_owned()));
            for (name, expression) in contexts.chain(functions) {
                let text =
                    document(place, &key, &shape.replace('@', &format!("\"${{{{ {expression} }}}}\"")));
                let found = findings(is_action, &text);
                let refused = found.iter().any(|error| {
                    matches!(
                        error.code,
                        "SW0202" | "SW0203" | "SW0111" | "SW0103" | "SW0104" | "SW0106" | "SW0112" | "SW0114"
                    )
                });
                let takes_jobs = expression.ends_with("('a')") && name != "hashFiles";
                let wanted = offered.as_ref().is_some_and(|offered| {
                    offered.iter().any(|known| {
                        known == name && !expression.contains('(')
                            || known.starts_with(&format!("{name}("))
                                && expression.contains('(')
                                && (!takes_jobs || known.contains("MAX"))
                    })
                });
                let result = if wanted != refused {
                    Ok(())
                } else {
                    Err(format!("refused: {refused}\n  {text}\n{found}"))
                };
                tally.record(&format!("{}.{key} {expression}", place.definition), result);
            }
        }
    }
}

#[test]
fn conformance_schema_keys() {
    let (Some(workflow), Some(action)) =
        (Schema::load("workflow-v1.0.json"), Schema::load("action-v1.0.json"))
    else {
        return;
    };
    let mut tally = Tally::new("GitHub's schemas, keys");
    keys(false, &workflow, WORKFLOW, &mut tally);
    keys(true, &action, ACTION, &mut tally);
    tally.finish(3_000);
}

#[test]
fn conformance_schema_names() {
    let (Some(workflow), Some(action)) =
        (Schema::load("workflow-v1.0.json"), Schema::load("action-v1.0.json"))
    else {
        return;
    };
    let mut tally = Tally::new("GitHub's schemas, contexts and functions");
    names(false, &workflow, WORKFLOW, &mut tally);
    names(true, &action, ACTION, &mut tally);
    tally.finish(1_500);
}

/// Events, their filters and their activity types.
#[test]
fn conformance_schema_events() {
    // Written as another event in the schema by mistake.
    const MISTAKEN: &[&str] = &["pull_request_comment"];
    let Some(schema) = Schema::load("workflow-v1.0.json") else { return };
    let mut tally = Tally::new("GitHub's schemas, events");
    let events = schema.properties("on-mapping-strict");
    let all = schema.all_keys();
    for (name, definition) in &events {
        if name == "schedule" || name.starts_with("workflow_call") || name.starts_with("workflow_dispatch") {
            continue;
        }
        let options = schema.0[definition]["one-of"].as_array();
        let mapping = options.into_iter().flatten().filter_map(Json::as_str).find(|option| *option != "null");
        let known = mapping.map(|mapping| schema.properties(mapping)).unwrap_or_default();
        for key in &all {
            let text = format!("{{on: {{{name}: {{{key}: x}}}}, jobs: {{a: {{runs-on: x}}}}}}");
            let refused = is_refused(&findings(false, &text), key);
            let result =
                if known.contains_key(key) != refused { Ok(()) } else { Err(format!("refused: {refused}")) };
            tally.record(&format!("{name}.{key}"), result);
        }
        let Some(types) = known.get("types").filter(|_| !MISTAKEN.contains(&name.as_str())) else { continue };
        let kind = schema.0[types]["one-of"][0].as_str().unwrap_or(types);
        for word in schema.0[kind]["allowed-values"].as_array().into_iter().flatten().filter_map(Json::as_str)
        {
            let text =
                format!("{{on: {{{name}: {{types: [{word}], workflows: x}}}}, jobs: {{a: {{runs-on: x}}}}}}");
            let found = findings(false, &text);
            let refused = found.iter().any(|error| error.code == "SW0104");
            tally.record(&format!("{name} {word}"), if refused { Err(found.to_string()) } else { Ok(()) });
        }
    }
    for name in event::names() {
        let result = if events.contains_key(name) { Ok(()) } else { Err("is not in the schema".to_owned()) };
        tally.record(name, result);
    }
    tally.finish(1_000);
}
