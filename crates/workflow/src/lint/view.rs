//! A document as the rules see it: its tree with jobs, steps and expressions picked out, as far as they can be read.

use super::{Kind, set::Set, shape::Shape};
use crate::expr::{self, AllowedNames, Condition, Expr, Function, Reference, Template};
use shipway_base::{
    Source, Span, Spanned,
    yaml::{Mapping, Node},
};

/// A workflow or action.
pub(super) struct View<'a> {
    pub(super) source: &'a Source,
    pub(super) kind: Kind,
    pub(super) root: &'a Mapping,
    /// The events under `on` with what is written below them.
    pub(super) triggers: Vec<(Spanned<&'a str>, Option<&'a Mapping>)>,
    /// The jobs; the steps of a composite action are one job here.
    pub(super) jobs: Vec<JobView<'a>>,
    /// Every scalar with expressions, in the order of the text.
    pub(super) sites: Vec<Site<'a>>,
    /// The variables and outputs, by their names.
    pub(super) set: Set<'a>,
}

pub(super) struct JobView<'a> {
    pub(super) id: Spanned<&'a str>,
    pub(super) map: &'a Mapping,
    pub(super) needs: Vec<Spanned<&'a str>>,
    pub(super) matrix: Shape<'a>,
    pub(super) steps: Vec<StepView<'a>>,
    /// The reusable workflow that it calls.
    pub(super) calls: Option<Spanned<&'a str>>,
}

pub(super) struct StepView<'a> {
    pub(super) map: &'a Mapping,
    pub(super) id: Option<Spanned<&'a str>>,
    pub(super) uses: Option<(Target<'a>, Span)>,
    pub(super) run: Option<&'a Node>,
    pub(super) span: Span,
}

/// What `uses` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// `./path` or `$/path`, without its beginning.
    Local(&'a str),
    Repository {
        owner: &'a str,
        repo: &'a str,
        path: &'a str,
        reference: &'a str,
    },
    Docker(&'a str),
    /// Something that names no action.
    Other,
}

/// A scalar with expressions, and where it stands.
pub(super) struct Site<'a> {
    pub(super) template: Template,
    pub(super) job: Option<usize>,
    pub(super) step: Option<usize>,
    pub(super) slot: Slot<'a>,
    /// Its expressions, each with its text and its references, read once.
    read: Vec<Read>,
}

struct Read {
    text: String,
    start: usize,
    from: u32,
    length: u32,
    references: Vec<Reference>,
}

/// The key that a scalar stands under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot<'a> {
    Run,
    If,
    With(&'a str),
    Env(&'a str),
    /// An output of a job.
    JobOutput(&'a str),
    /// `value` of an output of `on.workflow_call` or of an action.
    Output,
    /// The nearest key of the workflow, job or step.
    Other(&'a str),
}

const ALL_CONTEXTS: &[&str] = &[
    "github", "env", "vars", "job", "jobs", "steps", "runner", "secrets", "strategy", "matrix", "needs",
    "inputs",
];

/// Names are checked by the parser, key by key; here everything is let pass.
const ANY: AllowedNames<'static> = AllowedNames::new(
    ALL_CONTEXTS,
    &[
        Function::new("always", 0, 255),
        Function::new("failure", 0, 255),
        Function::new("cancelled", 0, 255),
        Function::new("success", 0, 255),
        Function::new("hashFiles", 0, 255),
    ],
);

impl<'a> View<'a> {
    /// None when the document is not even a mapping.
    pub(super) fn new(source: &'a Source, kind: Kind, tree: &'a Node) -> Option<View<'a>> {
        let root = tree.as_mapping()?;
        let (triggers, jobs, sites) = (Vec::new(), Vec::new(), Vec::new());
        let mut view = View { source, kind, root, triggers, jobs, sites, set: Set::default() };
        match kind {
            Kind::Workflow => view.workflow(),
            Kind::Action => view.action(),
        }
        view.set = Set::of(root, &view.jobs, &view.sites);
        Some(view)
    }

    fn workflow(&mut self) {
        let root: &'a Mapping = self.root;
        if let Some(on) = root.get("on") {
            self.triggers = triggers(on);
        }
        for (key, value) in root.iter() {
            match key.value.as_str() {
                "jobs" => {}
                "on" => self.walk_outputs(value),
                "env" => self.walk_fields(value, None, None, &Slot::Env),
                word => self.walk(value, None, None, Slot::Other(word)),
            }
        }
        for (id, node) in root.get("jobs").and_then(Node::as_mapping).iter().flat_map(|jobs| jobs.iter()) {
            let Some(map) = node.as_mapping() else { continue };
            let at = self.jobs.len();
            self.jobs.push(JobView {
                id: Spanned::new(&id.value, id.span),
                map,
                needs: map.get("needs").map(names).unwrap_or_default(),
                matrix: Shape::of(map.get("strategy")),
                steps: steps(map.get("steps")),
                calls: map.get("uses").and_then(text),
            });
            for (key, value) in map.iter() {
                match key.value.as_str() {
                    "steps" => self.walk_steps(value, at),
                    "if" => self.condition(value, Some(at), None),
                    "env" => self.walk_fields(value, Some(at), None, &Slot::Env),
                    "with" => self.walk_fields(value, Some(at), None, &Slot::With),
                    "outputs" => self.walk_fields(value, Some(at), None, &Slot::JobOutput),
                    word => self.walk(value, Some(at), None, Slot::Other(word)),
                }
            }
        }
    }

    fn action(&mut self) {
        let root: &'a Mapping = self.root;
        if let Some(outputs) = root.get("outputs") {
            self.walk(outputs, Some(0), None, Slot::Output);
        }
        let runs = root.iter().find(|(key, _)| key.value == "runs");
        let Some((key, Some(map))) = runs.map(|(key, runs)| (key, runs.as_mapping())) else { return };
        self.jobs.push(JobView {
            id: Spanned::new(&key.value, key.span),
            map,
            needs: Vec::new(),
            matrix: Shape::Unknown,
            steps: steps(map.get("steps")),
            calls: None,
        });
        for (key, value) in map.iter() {
            match key.value.as_str() {
                "steps" => self.walk_steps(value, 0),
                word => self.walk(value, Some(0), None, Slot::Other(word)),
            }
        }
    }

    /// Expressions under `on`: only `workflow_call` has some, in defaults and outputs.
    fn walk_outputs(&mut self, on: &'a Node) {
        let call = on.as_mapping().and_then(|on| on.get("workflow_call")).and_then(Node::as_mapping);
        for (key, value) in call.iter().flat_map(|call| call.iter()) {
            let slot = if key.value == "outputs" { Slot::Output } else { Slot::Other(&key.value) };
            self.walk(value, None, None, slot);
        }
    }

    fn walk_steps(&mut self, node: &'a Node, job: usize) {
        let items = node.as_sequence().unwrap_or_default();
        let maps = flat(items);
        for (step, map) in maps.into_iter().enumerate() {
            for (key, value) in map.0.iter() {
                let (job, step) = (Some(job), Some(step));
                match key.value.as_str() {
                    "run" => self.walk(value, job, step, Slot::Run),
                    "if" => self.condition(value, job, step),
                    "with" => self.walk_fields(value, job, step, &Slot::With),
                    "env" => self.walk_fields(value, job, step, &Slot::Env),
                    "parallel" => {}
                    word => self.walk(value, job, step, Slot::Other(word)),
                }
            }
        }
    }

    fn walk_fields(
        &mut self,
        node: &'a Node,
        job: Option<usize>,
        step: Option<usize>,
        slot: &dyn Fn(&'a str) -> Slot<'a>,
    ) {
        match node.as_mapping() {
            Some(map) => {
                for (key, value) in map.iter() {
                    self.walk_key(key, job, step);
                    self.walk(value, job, step, slot(&key.value));
                }
            }
            None => self.walk(node, job, step, slot("")),
        }
    }

    /// Notes all scalars with expressions below a node.
    fn walk(&mut self, node: &'a Node, job: Option<usize>, step: Option<usize>, slot: Slot<'a>) {
        if let Some(map) = node.as_mapping() {
            for (key, value) in map.iter() {
                self.walk_key(key, job, step);
                self.walk(value, job, step, slot);
            }
        } else if let Some(items) = node.as_sequence() {
            items.iter().for_each(|item| self.walk(item, job, step, slot));
        } else if let Some(text) = node.as_text().filter(|text| expr::has_expression(text))
            && let Ok(template) = Template::parse(text, node.span, self.source, &ANY)
        {
            self.sites.push(Site::new(template, job, step, slot));
        }
    }

    /// Notes a key that is an expression.
    fn walk_key(&mut self, key: &'a Spanned<String>, job: Option<usize>, step: Option<usize>) {
        if expr::has_expression(&key.value)
            && let Ok(template) = Template::parse(&key.value, key.span, self.source, &ANY)
        {
            self.sites.push(Site::new(template, job, step, Slot::Other("key")));
        }
    }

    fn condition(&mut self, node: &'a Node, job: Option<usize>, step: Option<usize>) {
        if let Some(text) = node.as_text()
            && let Ok(condition) = Condition::parse(text, node.span, self.source, &ANY)
            && let Some(template) = condition.written()
        {
            self.sites.push(Site::new(template.clone(), job, step, Slot::If));
        }
    }

    /// What is written below an event; none when the workflow is not started by it.
    pub(super) fn trigger(&self, name: &str) -> Option<Option<&'a Mapping>> {
        self.triggers.iter().find(|(event, _)| event.value == name).map(|(_, map)| *map)
    }

    /// Whether any of these events starts the workflow.
    pub(super) fn started_by(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.trigger(name).is_some())
    }

    /// The job that a site stands in.
    pub(super) fn job(&self, site: &Site<'a>) -> Option<&JobView<'a>> {
        self.jobs.get(site.job?)
    }

    /// The step that a site stands in.
    pub(super) fn step(&self, site: &Site<'a>) -> Option<&StepView<'a>> {
        self.job(site)?.steps.get(site.step?)
    }

    /// All steps with their jobs.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&JobView<'a>, &StepView<'a>)> {
        self.jobs.iter().flat_map(|job| job.steps.iter().map(move |step| (job, step)))
    }
}

impl<'a> Site<'a> {
    fn new(template: Template, job: Option<usize>, step: Option<usize>, slot: Slot<'a>) -> Site<'a> {
        let all = template.text();
        let after = |at: usize, count: u32| {
            let rest = all.get(at..).unwrap_or_default();
            at + rest.char_indices().nth(count as usize).map_or(rest.len(), |(end, _)| end)
        };
        // The byte and the character where the expression before ended.
        let (mut at, mut number) = (0, 0);
        let read = template
            .placed()
            .map(|(expr, from, length)| {
                let start = after(at, from.saturating_sub(number));
                (at, number) = (after(start, length), from + length);
                let text = all.get(start..at).unwrap_or_default().to_owned();
                Read { references: expr.references(&text), text, start, from, length }
            })
            .collect();
        Site { template, job, step, slot, read }
    }

    /// Each expression with its text.
    pub(super) fn expressions(&self) -> impl Iterator<Item = Written<'_>> {
        self.template.expressions().zip(&self.read).map(|(expr, read)| Written {
            template: &self.template,
            expr,
            text: &read.text,
            start: read.start,
            from: read.from,
            length: read.length,
        })
    }

    /// Each reference of each expression, with its place.
    pub(super) fn references(&self) -> impl Iterator<Item = (&Reference, At<'_>)> {
        self.read.iter().flat_map(|read| {
            read.references.iter().map(|reference| {
                let from = read.from + reference.from;
                (reference, At { template: &self.template, from, length: reference.length })
            })
        })
    }
}

/// A part of a scalar, looked up in the source only when it is asked for.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    template: &'a Template,
    from: u32,
    length: u32,
}

impl At<'_> {
    /// Where it stands.
    pub(super) fn span(self) -> Span {
        self.template.locate(self.from, self.length)
    }
}

/// An expression of a site.
pub(super) struct Written<'a> {
    pub(super) template: &'a Template,
    pub(super) expr: &'a Expr,
    /// Its text, trimmed.
    pub(super) text: &'a str,
    /// The byte of the scalar that it begins at.
    pub(super) start: usize,
    pub(super) from: u32,
    pub(super) length: u32,
}

impl Written<'_> {
    pub(super) fn span(&self) -> Span {
        self.template.locate(self.from, self.length)
    }
}

impl<'a> JobView<'a> {
    /// Its steps before one of them; all when the place is the job's own.
    pub(super) fn steps_before(&self, step: Option<usize>) -> &[StepView<'a>] {
        &self.steps[..step.unwrap_or(self.steps.len()).min(self.steps.len())]
    }

    /// The labels of `runs-on` that are written out; none when an expression is among them.
    pub(super) fn labels(&self) -> Option<Vec<Spanned<&'a str>>> {
        let node = self.map.get("runs-on")?;
        let node = node.as_mapping().map_or(Some(node), |map| map.get("labels"))?;
        let labels = names(node);
        (!labels.iter().any(|label| expr::has_expression(label.value))).then_some(labels)
    }
}

impl<'a> StepView<'a> {
    /// The value of an input given with `with`.
    pub(super) fn with(&self, name: &str) -> Option<&'a Node> {
        let with = self.map.get("with")?.as_mapping()?;
        with.iter().find(|(key, _)| key.value.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether it uses this action, whatever the version.
    pub(super) fn is_action(&self, name: &str) -> bool {
        self.uses.as_ref().is_some_and(|(target, _)| target.is(name))
    }

    /// The script.
    pub(super) fn script(&self) -> Option<&'a str> {
        self.run.and_then(Node::as_text)
    }
}

impl<'a> Target<'a> {
    pub(super) fn parse(text: &'a str) -> Target<'a> {
        if let Some(image) = text.strip_prefix("docker://") {
            return Target::Docker(image);
        }
        if let Some(path) = text.strip_prefix("./").or_else(|| text.strip_prefix("$/")) {
            return Target::Local(path.trim_end_matches('/'));
        }
        let Some((path, reference)) = text.split_once('@') else { return Target::Other };
        let Some((owner, rest)) = path.split_once('/') else { return Target::Other };
        let (repo, path) = rest.split_once('/').unwrap_or((rest, ""));
        if owner.is_empty() || repo.is_empty() || reference.is_empty() {
            return Target::Other;
        }
        Target::Repository { owner, repo, path, reference }
    }

    /// Whether it is this action (`owner/repo` or `owner/repo/path`), whatever the version.
    pub(super) fn is(&self, name: &str) -> bool {
        match self {
            Target::Repository { .. } => self.name().eq_ignore_ascii_case(name),
            Target::Local(_) | Target::Docker(_) | Target::Other => false,
        }
    }

    /// `owner/repo` or `owner/repo/path`; empty for what is no repository's.
    pub(super) fn name(&self) -> String {
        match self {
            Target::Repository { owner, repo, path: "", .. } => format!("{owner}/{repo}"),
            Target::Repository { owner, repo, path, .. } => format!("{owner}/{repo}/{path}"),
            Target::Local(_) | Target::Docker(_) | Target::Other => String::new(),
        }
    }
}

fn triggers(on: &Node) -> Vec<(Spanned<&str>, Option<&Mapping>)> {
    match on.as_mapping() {
        Some(map) => map
            .iter()
            .map(|(key, value)| (Spanned::new(key.value.as_str(), key.span), value.as_mapping()))
            .collect(),
        None => names(on).into_iter().map(|name| (name, None)).collect(),
    }
}

/// One text or several.
pub(super) fn names(node: &Node) -> Vec<Spanned<&str>> {
    match node.as_sequence() {
        Some(items) => items.iter().filter_map(text).collect(),
        None => text(node).into_iter().collect(),
    }
}

pub(super) fn text(node: &Node) -> Option<Spanned<&str>> {
    node.as_text().map(|text| Spanned::new(text, node.span))
}

/// The steps that are mappings, those of `parallel` groups after their group.
fn flat(items: &[Node]) -> Vec<(&Mapping, Span)> {
    let mut all = Vec::new();
    for item in items {
        let Some(map) = item.as_mapping() else { continue };
        all.push((map, item.span));
        let group = map.get("parallel").and_then(Node::as_sequence).unwrap_or_default();
        all.extend(group.iter().filter_map(|step| Some((step.as_mapping()?, step.span))));
    }
    all
}

fn steps(node: Option<&Node>) -> Vec<StepView<'_>> {
    let items = node.and_then(Node::as_sequence).unwrap_or_default();
    flat(items)
        .into_iter()
        .map(|(map, span)| StepView {
            map,
            id: map.get("id").and_then(text),
            uses: map.get("uses").and_then(text).map(|uses| (Target::parse(uses.value), uses.span)),
            run: map.get("run"),
            span,
        })
        .collect()
}

impl View<'_> {
    /// The byte at which a key of a block mapping begins, where something may be put before it; none in flow style, and
    /// where something else than indentation and dashes stands before the key.
    pub(super) fn block_key(&self, key: Span) -> Option<usize> {
        let at = self.source.byte_range(key).start;
        let line = self.source.text[..at].rsplit('\n').next()?;
        line.chars().all(|c| c == ' ' || c == '-').then_some(at)
    }
}

/// A scalar as a text with expressions, whose parts can be found in the source; names are not checked.
pub(super) fn read(text: &str, span: Span, source: &Source) -> Option<Template> {
    Template::parse(text, span, source, &ANY).ok()
}
