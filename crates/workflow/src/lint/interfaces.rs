//! What the actions and reusable workflows of the same repository take and give.

use super::Kind;
use shipway_base::{
    Source,
    yaml::{self, Mapping, Node},
};
use std::collections::{BTreeMap, BTreeSet};

/// What can be named with `./`: actions by their folder, workflows by their path.
#[derive(Clone, Debug, Default)]
pub struct Interfaces {
    known: BTreeMap<String, Interface>,
    whole: bool,
}

/// What an action or a reusable workflow takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its inputs in order.
    pub inputs: Vec<InterfaceInput>,
    /// The names of its outputs.
    pub outputs: Vec<String>,
    /// Its secrets, of a reusable workflow that names them, and whether each is needed.
    pub secrets: Option<Vec<(String, bool)>>,
    /// Whether it can give nothing beside the outputs that it names: a composite action or a workflow.
    pub closed: bool,
    /// Whether it is a workflow with `workflow_call`, or an action.
    pub callable: bool,
    /// The workflows of this repository that a workflow calls, without the leading `./`.
    pub calls: Vec<String>,
    /// The folders of the actions that its steps name with `./` where the workspace can only hold this repository.
    pub uses: Vec<String>,
}

/// An input of an action or reusable workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceInput {
    /// Its name as written; compared without case.
    pub name: String,
    /// Whether it must be given: required and without a default.
    pub needed: bool,
    /// `type`, of a reusable workflow: `string`, `boolean` or `number`.
    pub kind: Option<String>,
    /// `deprecationMessage`.
    pub deprecated: Option<String>,
}

impl Interfaces {
    /// No file.
    pub fn new() -> Interfaces {
        Interfaces::default()
    }

    /// Says that every file of the repository was added, so that what is not known does not exist.
    #[must_use]
    pub fn whole(self) -> Interfaces {
        Interfaces { whole: true, ..self }
    }

    /// Adds a file by its path in the repository; one that cannot be read at all is left out.
    pub fn add(&mut self, path: &str, source: &Source) {
        let Ok(Some(tree)) = yaml::parse(source, yaml::Limits::default()) else { return };
        let Some(root) = tree.as_mapping() else { return };
        match Kind::of(path) {
            Kind::Action => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                self.known.insert(folder.to_owned(), action(root));
            }
            Kind::Workflow => {
                self.known.insert(path.to_owned(), workflow(root));
            }
        }
    }

    /// What a path names, its leading `./` left aside.
    pub fn find(&self, path: &str) -> Option<&Interface> {
        self.known.get(path.trim_start_matches("./").trim_end_matches('/'))
    }

    /// The workflows through which a call of the workflow `called` leads back to `caller`, both included; none when it
    /// does not. Paths are those of the repository.
    pub(super) fn way_back(&self, caller: &str, called: &str) -> Option<Vec<&str>> {
        let own = |path: &str| self.known.get_key_value(path).map(|(path, _)| path.as_str());
        let mut before: BTreeMap<&str, Option<&str>> = BTreeMap::from([(own(called)?, None)]);
        let mut open = vec![own(called)?];
        while let Some(at) = open.pop() {
            if at == caller {
                let mut way: Vec<&str> = std::iter::successors(Some(at), |at| *before.get(at)?).collect();
                way.reverse();
                return Some(way);
            }
            for next in self.known[at].calls.iter().filter_map(|path| own(path)) {
                if !before.contains_key(next) {
                    before.insert(next, Some(at));
                    open.push(next);
                }
            }
        }
        None
    }

    /// Whether a path certainly names nothing.
    pub fn is_absent(&self, path: &str) -> bool {
        self.whole && self.find(path).is_none()
    }

    /// Whether the action in a folder is used where the workspace can only hold this repository, so that what it names itself
    /// with `./` is looked for here: by a workflow, or by another such action.
    pub(super) fn is_used_here(&self, folder: &str) -> bool {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let workflows = self.known.iter().filter(|(path, _)| self.is_workflow(path));
        let mut open: Vec<&str> = workflows.flat_map(|(_, one)| &one.uses).map(String::as_str).collect();
        while let Some(next) = open.pop() {
            if next == folder {
                return true;
            }
            if reached.insert(next)
                && let Some(action) = self.known.get(next)
            {
                open.extend(action.uses.iter().map(String::as_str));
            }
        }
        false
    }

    /// Workflows are known by their files, actions by their folders.
    fn is_workflow(&self, path: &str) -> bool {
        path.ends_with(".yml") || path.ends_with(".yaml")
    }

    /// All paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(String::as_str)
    }
}

fn entries<'a>(map: &'a Mapping, key: &str) -> impl Iterator<Item = (&'a str, Option<&'a Mapping>)> {
    let entries = map.get(key).and_then(Node::as_mapping);
    entries.into_iter().flat_map(Mapping::iter).map(|(key, node)| (key.value.as_str(), node.as_mapping()))
}

fn input((name, map): (&str, Option<&Mapping>)) -> InterfaceInput {
    let get = |key: &str| map.and_then(|map| map.get(key));
    let required =
        get("required").and_then(Node::as_text).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    InterfaceInput {
        name: name.to_owned(),
        needed: required && get("default").is_none(),
        kind: get("type").and_then(Node::as_text).map(str::to_owned),
        deprecated: get("deprecationMessage").and_then(Node::as_text).map(str::to_owned),
    }
}

fn action(root: &Mapping) -> Interface {
    let runs = root.get("runs").and_then(Node::as_mapping);
    let using = runs.and_then(|runs| runs.get("using")).and_then(Node::as_text);
    Interface {
        inputs: entries(root, "inputs").map(input).collect(),
        outputs: entries(root, "outputs").map(|(name, _)| name.to_owned()).collect(),
        secrets: None,
        closed: using.is_some_and(|using| using.eq_ignore_ascii_case("composite")),
        callable: true,
        calls: Vec::new(),
        uses: runs.map(uses).unwrap_or_default(),
    }
}

/// The folders that the steps of a job or of a composite action name with `./`; none where another repository is checked out,
/// too, since its files may be meant.
fn uses(job: &Mapping) -> Vec<String> {
    let steps = job.get("steps").and_then(Node::as_sequence).unwrap_or_default();
    let steps = || steps.iter().filter_map(Node::as_mapping);
    let named = |step: &Mapping| step.get("uses").and_then(Node::as_text).map(str::to_owned);
    let elsewhere = steps().any(|step| {
        let with = step.get("with").and_then(Node::as_mapping);
        named(step).is_some_and(|uses| uses.to_ascii_lowercase().starts_with("actions/checkout@"))
            && with.is_some_and(|with| with.get("path").is_some() || with.get("repository").is_some())
    });
    if elsewhere {
        return Vec::new();
    }
    let local = steps().filter_map(named);
    local.filter_map(|uses| Some(uses.strip_prefix("./")?.trim_end_matches('/').to_owned())).collect()
}

fn workflow(root: &Mapping) -> Interface {
    let uses: Vec<String> = entries(root, "jobs").filter_map(|(_, job)| job).flat_map(uses).collect();
    let Some(on) = root.get("on") else { return Interface { closed: true, uses, ..Interface::default() } };
    let named = |name: &Node| name.as_text() == Some("workflow_call");
    let callable = named(on)
        || on.as_sequence().is_some_and(|items| items.iter().any(named))
        || on.as_mapping().is_some_and(|map| map.get("workflow_call").is_some());
    let call = on.as_mapping().and_then(|on| on.get("workflow_call")).and_then(Node::as_mapping);
    let calls: Vec<String> = entries(root, "jobs")
        .filter_map(|(_, job)| job?.get("uses")?.as_text()?.strip_prefix("./").map(str::to_owned))
        .collect();
    let Some(call) = call else {
        return Interface { closed: true, callable, calls, uses, ..Interface::default() };
    };
    let needed = |map: Option<&Mapping>| {
        map.and_then(|map| map.get("required")).and_then(Node::as_bool).unwrap_or(false)
    };
    Interface {
        inputs: entries(call, "inputs").map(input).collect(),
        outputs: entries(call, "outputs").map(|(name, _)| name.to_owned()).collect(),
        secrets: call
            .get("secrets")
            .map(|_| entries(call, "secrets").map(|(name, map)| (name.to_owned(), needed(map))).collect()),
        closed: true,
        callable,
        calls,
        uses,
    }
}
