//! Reading a workflow file.

use super::{Workflow, job, reader::Reader, values};
use crate::{event, expr, plan};
use indexmap::IndexMap;
use shipway_base::{Diagnostics, Source, Span, yaml::Node};
use std::{collections::BTreeMap, sync::Arc};

const KEYS: &[&str] = &[
    "name",
    "description",
    "run-name",
    "on",
    "permissions",
    "env",
    "defaults",
    "concurrency",
    "cache-mode",
    "jobs",
];

impl Workflow {
    /// Reads a workflow file and everything that is wrong with it. There is a workflow exactly when no finding is an
    /// error.
    ///
    /// Unknown keys are errors. The few keys that GitHub knows and that nothing here can ever honour (`snapshot`) are
    /// errors of their own code (SW0105), so that nothing is silently ignored. What is read here and cannot be run yet
    /// is refused where a run is planned.
    pub fn parse(source: &Source) -> (Option<Workflow>, Diagnostics) {
        let mut reader = Reader::new(source);
        let workflow = reader.tree("a workflow").and_then(|tree| read(&mut reader, &tree));
        let found = reader.finish();
        (workflow.filter(|_| !found.has_errors()), found)
    }
}

fn read(reader: &mut Reader<'_>, tree: &Node) -> Option<Workflow> {
    let mapping = reader.mapping(tree, "a workflow")?;
    let mut workflow = Workflow {
        source: reader.source.clone(),
        name: None,
        description: None,
        run_name: None,
        on: Vec::new(),
        permissions: None,
        env: super::Fields::default(),
        defaults: super::Defaults::default(),
        concurrency: None,
        cache_mode: None,
        jobs: IndexMap::new(),
    };
    let (mut on, mut jobs) = (false, false);
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "name" => workflow.name = reader.literal(value, "name"),
            "description" => workflow.description = reader.literal(value, "description"),
            "run-name" => workflow.run_name = reader.template(value, "run-name", &expr::RUN_NAMES),
            "on" => {
                on = true;
                workflow.on = event::read_triggers(reader, value);
            }
            "permissions" => workflow.permissions = values::permissions(reader, value),
            "env" => workflow.env = reader.fields(value, "env", &expr::WORKFLOW_ENV),
            "defaults" => workflow.defaults = values::defaults(reader, value, None),
            "concurrency" => workflow.concurrency = values::concurrency(reader, value, &expr::RUN_NAMES),
            "cache-mode" => workflow.cache_mode = values::cache_mode(reader, value),
            "jobs" => {
                jobs = true;
                workflow.jobs = read_jobs(reader, value);
            }
            _ => reader.unknown_key(key, "a workflow", KEYS),
        }
    }
    let start = Span { start: tree.span.start, end: tree.span.start };
    if !on {
        reader.missing(start, "a workflow", "on");
    }
    if !jobs {
        reader.missing(start, "a workflow", "jobs");
    }
    Some(workflow)
}

fn read_jobs(reader: &mut Reader<'_>, node: &Node) -> IndexMap<String, Arc<super::Job>> {
    let mut jobs = IndexMap::new();
    let Some(mapping) = reader.mapping(node, "jobs") else { return jobs };
    if mapping.is_empty() {
        reader.error("SW0113", node.span, "jobs is empty; a workflow needs at least one job");
    }
    for (key, value) in mapping.iter() {
        if reader.special_key(key) {
            continue;
        }
        values::check_id(reader, key, "a job");
        if let Some(job) = job::read(reader, key, value) {
            jobs.insert(key.value.clone(), Arc::new(job));
        }
    }
    let ids: Vec<&str> = mapping.iter().map(|(key, _)| key.value.as_str()).collect();
    let needs: Vec<_> = jobs.values().map(|job: &Arc<super::Job>| (&job.id, job.needs.as_slice())).collect();
    reader.found.append(plan::check(reader.source, &ids, &needs));
    // Needs are spelled as the jobs spell themselves, so that later lookups need not think of case.
    let spelling: BTreeMap<String, String> = jobs.keys().map(|id| (id.to_lowercase(), id.clone())).collect();
    for job in jobs.values_mut() {
        for need in &mut Arc::make_mut(job).needs {
            if let Some(spelled) = spelling.get(&need.value.to_lowercase()) {
                need.value.clone_from(spelled);
            }
        }
    }
    jobs
}
