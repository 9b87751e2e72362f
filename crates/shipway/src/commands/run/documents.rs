//! The workflow files of the work tree: found, read with all their errors, chosen and planned.

use super::{Options, drive::actions, event, labels, legs, pairs::Given, repository::Here};
use crate::{
    cli::{say, talk},
    commands::entry::{Entry, odd},
    environment::Environment,
    exit::{Exit, Failure},
    render::{self, counted},
};
use shipway_base::{Diagnostics, Secret, Severity, Source, yaml::closest};
use shipway_runner::{ActionStore, NO_TOKEN};
use shipway_server::source::{ContextFacts, github_context, github_facts};
use shipway_workflow::{
    document::{Job, Workflow},
    event::{Event, Triggered},
    expr::Object,
    plan::{Called, ConcurrencyGroup, RunPlan},
    run::RunContext,
};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where GitHub looks for workflows.
const FOLDER: &str = ".github/workflows";

/// The files that were read.
#[derive(Debug)]
pub(super) struct Documents {
    sources: Vec<Source>,
    /// What is wrong with those that are no text.
    unread: Diagnostics,
}

/// A workflow that is to be run.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// What people call it.
    pub(super) name: String,
    /// Its file, relative to the repository.
    pub(super) path: String,
    /// The state of the work tree, for the headline.
    pub(super) state: String,
    /// The run's id.
    pub(super) id: i64,
    /// The plan.
    pub(super) plan: Arc<RunPlan>,
    /// What its expressions see.
    pub(super) context: RunContext,
    /// The group of runs it belongs to.
    pub(super) group: Option<ConcurrencyGroup>,
}

/// A workflow that the event does not start.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// What people call it.
    pub(super) name: String,
    /// Its file, relative to the repository.
    pub(super) path: String,
    /// Why, one sentence.
    pub(super) why: String,
    /// What each of its filters makes of the event.
    pub(super) filters: Vec<String>,
}

impl Planned {
    /// One line about it: what it is, what started it, and of which state of the repository.
    pub(super) fn headline(&self) -> String {
        let file = if self.name == self.path { String::new() } else { format!(" ({})", self.path) };
        format!("{}{file}: {}, {}", self.name, self.plan.event().name, self.state)
    }
}

impl Documents {
    /// Reads the workflow files, or those that are asked for.
    pub(super) fn read(
        environment: &Environment,
        here: &Here,
        options: &Options,
    ) -> Result<Documents, Failure> {
        let entries = if options.workflows.is_empty() {
            all(&here.root)?
        } else {
            let found = options.workflows.iter().map(|path| Ok(Entry::File(named(environment, here, path)?)));
            found.collect::<Result<Vec<Entry>, Failure>>()?
        };
        let mut documents = Documents { sources: Vec::new(), unread: Diagnostics::new() };
        for entry in &entries {
            let path = match entry {
                Entry::File(path) => path,
                Entry::Odd(path, why) => {
                    documents.unread.push(odd(&here.shown(path), why));
                    continue;
                }
            };
            match Source::from_bytes(here.shown(path), read(here, path)?) {
                Ok(source) => documents.sources.push(source),
                Err(found) => documents.unread.push(found),
            }
        }
        Ok(documents)
    }

    /// The workflows that the event does not start, and why. Files with errors are left out; they are told elsewhere.
    pub(super) fn held_back(&self, options: &Options, event: &Event) -> Vec<Held> {
        let named = !options.workflows.is_empty();
        let mut held = Vec::new();
        for workflow in self.sources.iter().filter_map(|source| Workflow::parse(source).0) {
            let knows = workflow.on.iter().any(|trigger| trigger.event.value == event.name);
            let Triggered::No(why) = workflow.triggered_by(event) else { continue };
            if named && knows {
                continue;
            }
            let path = workflow.source.name.to_string();
            held.push(Held {
                name: workflow.name.as_ref().map_or_else(|| path.clone(), |name| name.value.clone()),
                path,
                why,
                filters: workflow.explain(event),
            });
        }
        held
    }

    /// Parses all files, shows everything that is wrong in them at once, and plans those that the event starts. None
    /// when something is wrong.
    pub(super) async fn plan(
        &self,
        environment: &Environment,
        here: &Here,
        options: &Options,
        given: &Given,
        event: Event,
    ) -> Result<Option<Vec<Planned>>, Failure> {
        let mut found = self.unread.clone();
        let mut workflows = Vec::new();
        for source in &self.sources {
            let (workflow, more) = Workflow::parse(source);
            found.append(more);
            workflows.extend(workflow);
        }
        if found.has_errors() {
            tell(&found, environment, options);
            return Ok(None);
        }
        let chosen = choose(workflows, options, &event);
        let chosen = chosen.and_then(|chosen| only_wanted(chosen, &options.wanted));
        // What is warned of may be why nothing starts, such as a misspelt filter.
        let chosen = chosen.inspect_err(|_| tell(&found, environment, options))?;
        let mut ids =
            shipway_store::IdSequence::new(u16::try_from(std::process::id() & 0x3ff).unwrap_or_default());
        let mut planned = Vec::new();
        let store = actions(environment, options);
        for workflow in chosen {
            let name = workflow.name.as_ref().map_or(&*workflow.source.name, |name| &name.value).to_owned();
            let path = workflow.source.name.to_string();
            let called = called(here, &store, &workflow).await?;
            let event = event::of_workflow(event.clone(), &workflow);
            let state = here.state(&event);
            match RunPlan::calling(Arc::new(workflow), event, &given.inputs, &called) {
                Err(more) => found.append(more),
                Ok(plan) => {
                    let plan = plan.only_legs(given.legs.clone());
                    let id = ids.next::<()>(environment.clock.now()).number();
                    let mut context = context(here, given, &plan, &name, &path, id);
                    match plan.inputs_in(&context) {
                        Ok(inputs) => context.inputs = inputs,
                        Err(wrong) => found.push(wrong),
                    }
                    // What is only planned needs none.
                    if !options.dry_run {
                        found.append(plan.missing_secrets(|name| {
                            given.secrets.keys().any(|known| known.eq_ignore_ascii_case(name))
                        }));
                    }
                    found.append(labels::foreign(&plan, &context));
                    let group = plan.concurrency(&context).unwrap_or_else(|wrong| {
                        found.push(wrong);
                        None
                    });
                    // GitHub starts no run whose title cannot be made.
                    if let Err(wrong) = plan.run_name(&context) {
                        found.push(wrong);
                    }
                    planned.push(Planned { name, path, state, id, plan: Arc::new(plan), context, group });
                }
            }
        }
        let plans: Vec<_> = planned.iter().map(|planned| (&*planned.plan, &planned.context)).collect();
        legs::check(&given.legs, &plans)?;
        tell(&found, environment, options);
        Ok((!found.has_errors()).then_some(planned))
    }
}

fn read(here: &Here, path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(|error| Failure::new(Exit::Usage, format!("cannot read {}: {error}", here.shown(path))))
}

/// The documents that a workflow calls: of this repository as they lie in the work tree, of others as git gives them.
async fn called(here: &Here, store: &ActionStore, workflow: &Workflow) -> Result<Called, Failure> {
    let mut called = Called::new();
    while let Some(wanted) = called.wanted(workflow) {
        let path = here.root.join(&wanted.file.path);
        if let Some(repository) = &wanted.file.repository {
            match store.document(repository, wanted.commit.as_deref(), &wanted.file.path).await {
                Ok((text, commit)) => called.give(wanted.file, &text, Some(commit)),
                Err(error) => called.refuse(wanted.file, error.message, error.help),
            }
        } else if path.is_file() {
            match Source::from_bytes(here.shown(&path), read(here, &path)?) {
                Ok(source) => called.give(wanted.file, &source.text, None),
                Err(found) => called.refuse(wanted.file, found.message, found.help.map(String::from)),
            }
        } else {
            called.refuse(wanted.file, "there is no such file", None);
        }
    }
    Ok(called)
}

/// All workflow files, in the order of their names.
fn all(root: &Path) -> Result<Vec<Entry>, Failure> {
    let folder = root.join(FOLDER);
    let unreadable = |error: io::Error| {
        Failure::new(Exit::Usage, format!("cannot read the folder {}: {error}", folder.display()))
    };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_workflow(root)),
        Err(error) => return Err(unreadable(error)),
    };
    let paths = entries.map(|entry| Ok(entry.map_err(unreadable)?.path()));
    let mut found: Vec<Entry> =
        paths.collect::<Result<Vec<PathBuf>, Failure>>()?.into_iter().filter_map(Entry::of).collect();
    found.sort_unstable_by(|one, other| one.path().cmp(other.path()));
    if found.is_empty() { Err(no_workflow(root)) } else { Ok(found) }
}

fn no_workflow(root: &Path) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no workflow in {}", root.join(FOLDER).display()))
        .with_code("SW1012")
        .with_help(format!("write one, such as {FOLDER}/ci.yml, or name a file with -W"))
}

/// A file given with `-W`: a path from here, or a name among the repository's workflows.
fn named(environment: &Environment, here: &Here, path: &Path) -> Result<PathBuf, Failure> {
    let folder = here.root.join(FOLDER);
    for candidate in [environment.folder.join(path), here.root.join(path), folder.join(path)] {
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    let failure =
        Failure::new(Exit::NotFound, format!("there is no workflow {}", path.display())).with_code("SW1012");
    let names: Vec<String> = all(&here.root)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some(entry.path().file_name()?.to_str()?.to_owned()))
        .collect();
    let wanted = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Err(match closest(wanted, names.iter().map(String::as_str)) {
        Some(close) => failure.with_help(format!("did you mean {close}?")),
        None if names.is_empty() => failure,
        None => failure.with_help(format!("workflows: {}", names.join(", "))),
    })
}

/// The workflows that the event starts. One that is named counts whatever its filters say, as long as it knows the event
/// at all.
fn choose(workflows: Vec<Workflow>, options: &Options, event: &Event) -> Result<Vec<Workflow>, Failure> {
    let is_named = !options.workflows.is_empty();
    let mut reasons = Vec::new();
    let mut known = BTreeSet::new();
    let mut chosen = Vec::new();
    for workflow in workflows {
        let knows = workflow.on.iter().any(|trigger| trigger.event.value == event.name);
        match workflow.triggered_by(event) {
            Triggered::Yes => chosen.push(workflow),
            Triggered::No(_) if is_named && knows => chosen.push(workflow),
            Triggered::No(why) => {
                let events: Vec<String> =
                    workflow.on.iter().map(|trigger| trigger.event.value.clone()).collect();
                let instead = if knows { String::new() } else { format!(", but by {}", events.join(", ")) };
                reasons.push(format!("\n  {}: {why}{instead}", workflow.source.name));
                known.extend(events);
            }
        }
    }
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let message = format!("the event {} starts no workflow here:{}", event.name, reasons.concat());
    let failure = Failure::new(Exit::NotFound, message).with_code("SW1013");
    Err(if known.contains(&event.name) {
        failure.with_help("name the workflow with -W to run it whatever its filters say")
    } else {
        match closest(&event.name, known.iter().map(String::as_str)) {
            Some(close) => failure.with_help(format!("did you mean: shipway run {close}")),
            None => failure.with_help(match known.first() {
                Some(first) => format!("name an event, for example: shipway run {first}"),
                None => "add the event under `on`".to_owned(),
            }),
        }
    })
}

/// Leaves only the jobs asked for and those that they need; workflows without any of them are left out.
fn only_wanted(workflows: Vec<Workflow>, wanted: &[String]) -> Result<Vec<Workflow>, Failure> {
    if wanted.is_empty() {
        return Ok(workflows);
    }
    for name in wanted {
        if workflows.iter().any(|workflow| job(workflow, name).is_some()) {
            continue;
        }
        let ids: BTreeSet<&str> = workflows.iter().flat_map(|w| w.jobs.keys()).map(String::as_str).collect();
        let failure =
            Failure::new(Exit::NotFound, format!("there is no job {name:?} here")).with_code("SW1014");
        let all: Vec<&str> = ids.iter().copied().collect();
        return Err(match closest(name, ids) {
            Some(close) => failure.with_help(format!("did you mean {close:?}? jobs: {}", all.join(", "))),
            None => failure.with_help(format!("jobs: {}", all.join(", "))),
        });
    }
    let keep = workflows.into_iter().filter_map(|mut workflow| {
        let mut open: Vec<String> = wanted.iter().map(|name| name.to_lowercase()).collect();
        let mut kept = BTreeSet::new();
        while let Some(name) = open.pop() {
            if let Some(job) = job(&workflow, &name)
                && kept.insert(name)
            {
                open.extend(job.needs.iter().map(|need| need.value.to_lowercase()));
            }
        }
        workflow.jobs.retain(|id, _| kept.contains(&id.to_lowercase()));
        (!workflow.jobs.is_empty()).then_some(workflow)
    });
    Ok(keep.collect())
}

/// A job by its id, which is compared without case.
fn job<'a>(workflow: &'a Workflow, id: &str) -> Option<&'a Job> {
    workflow.jobs.values().map(|job| &**job).find(|job| job.id.value.eq_ignore_ascii_case(id))
}

fn context(here: &Here, given: &Given, plan: &RunPlan, name: &str, path: &str, id: i64) -> RunContext {
    let origin = event::Origin::of(&plan.event().payload, here);
    let facts = ContextFacts {
        repository: &origin.repository,
        run_id: id,
        run_number: 1,
        run_attempt: 1,
        workflow: name,
        path,
        actor: &origin.actor,
        triggering_actor: &origin.actor,
        server_url: "https://github.com",
        token: given.secrets.get("GITHUB_TOKEN").map_or(NO_TOKEN, Secret::expose),
    };
    let mut github = github_facts(plan.event(), &facts);
    event::complete(&mut github);
    RunContext {
        github: github_context(&github, plan.event(), Some(plan)),
        vars: given
            .vars
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect::<Object>()
            .into(),
        inputs: plan.inputs().clone(),
    }
}

/// Shows findings with their places; as data too when data is what the caller reads.
fn tell(found: &Diagnostics, environment: &Environment, options: &Options) {
    let colour = environment.wants_colour();
    for one in found.iter() {
        talk(&render::diagnostic(one, colour));
        if options.json {
            say(&super::json::diagnostic(one).to_string());
        }
    }
    let errors = found.iter().filter(|one| one.severity == Severity::Error).count();
    if errors > 0 {
        let files: BTreeSet<&str> =
            found.iter().filter(|one| one.severity == Severity::Error).map(|one| &*one.source.name).collect();
        let (errors, files) = (counted(errors, "error"), counted(files.len(), "file"));
        talk(&format!("{errors} in {files}; nothing was run. Each code is explained in docs/errors."));
    }
}
