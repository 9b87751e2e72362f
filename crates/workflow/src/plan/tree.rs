//! A workflow and all workflows that it calls, as one tree: a called workflow stands in it once for each call.

use super::{
    called::{Called, WorkflowFile},
    fit, graph,
    permit::Granted,
};
use crate::{
    document::{Job, Workflow},
    event::WorkflowCall,
};
use shipway_base::{Diagnostic, Diagnostics, Source};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A workflow at its place in the tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) file: WorkflowFile,
    /// The commit of another repository that the file was read from.
    pub(crate) commit: Option<String>,
    pub(crate) workflow: Arc<Workflow>,
    /// The ids of its jobs, each after those that it needs.
    pub(crate) order: Vec<String>,
    /// What its calls lead to, by job id.
    pub(crate) calls: BTreeMap<String, Arc<Node>>,
}

impl Node {
    /// What it declares for those that call it.
    pub(crate) fn interface(&self) -> Option<&WorkflowCall> {
        interface(&self.workflow)
    }
}

fn interface(workflow: &Workflow) -> Option<&WorkflowCall> {
    workflow.on.iter().find_map(|trigger| trigger.call.as_deref())
}

/// Builds the tree of a workflow and finds everything that is wrong with its calls.
pub(super) fn build(workflow: Arc<Workflow>, called: &Called, found: &mut Diagnostics) -> Arc<Node> {
    let root = WorkflowFile::local(&*workflow.source.name);
    let granted = Granted::of_run(&workflow);
    let mut builder = Builder { called, found, told: BTreeSet::new(), jobs: 0, chain: vec![root.clone()] };
    let node = builder.node((root, None), workflow, &granted);
    if called.too_many() {
        let source = &node.workflow.source;
        let span = first_call(&node.workflow).map_or(shipway_base::Span::START, |job| job.id.span);
        let message = format!("this run calls more than {} different workflows", called.limits().files);
        found.push(Diagnostic::error("SW0121", source, span, message));
    }
    Arc::new(node)
}

fn first_call(workflow: &Workflow) -> Option<&Arc<Job>> {
    workflow.jobs.values().find(|job| job.call().is_some())
}

struct Builder<'a> {
    called: &'a Called,
    found: &'a mut Diagnostics,
    /// Files whose own findings were told.
    told: BTreeSet<WorkflowFile>,
    jobs: usize,
    /// The files from the root to here.
    chain: Vec<WorkflowFile>,
}

impl Builder<'_> {
    fn node(
        &mut self,
        (file, commit): (WorkflowFile, Option<String>),
        workflow: Arc<Workflow>,
        granted: &Granted,
    ) -> Node {
        let needs: Vec<_> = workflow.jobs.values().map(|job| (&job.id, job.needs.as_slice())).collect();
        let order = graph::order(&needs);
        let (before, most) = (self.jobs, self.called.limits().jobs);
        self.jobs += workflow.jobs.len();
        let mut calls = BTreeMap::new();
        if self.jobs > most && before <= most {
            let span = workflow.jobs.values().next().map_or(shipway_base::Span::START, |job| job.id.span);
            let message = format!("with those of called workflows, this run has more than {most} jobs");
            self.found.push(Diagnostic::error("SW0121", &workflow.source, span, message));
        }
        for job in workflow.jobs.values() {
            if self.jobs > most {
                break;
            }
            if let Some(node) = self.call(&file, &workflow.source, job, granted) {
                calls.insert(job.id.value.clone(), Arc::new(node));
            }
        }
        Node { file, commit, workflow, order, calls }
    }

    fn call(&mut self, from: &WorkflowFile, source: &Source, job: &Job, granted: &Granted) -> Option<Node> {
        let call = job.call()?;
        let span = call.uses.span;
        let file = from.named(&call.uses.value);
        let levels = self.called.limits().levels;
        let mut refuse = |message: String| {
            self.found.push(Diagnostic::error("SW0121", source, span, message));
        };
        if self.chain.contains(&file) {
            let chain: Vec<String> = self.chain.iter().chain([&file]).map(ToString::to_string).collect();
            refuse(format!("these workflows call each other: {}", chain.join(" -> ")));
            return None;
        }
        if self.chain.len() >= levels {
            let chain: Vec<String> = self.chain.iter().chain([&file]).map(ToString::to_string).collect();
            let chain = chain.join(" -> ");
            refuse(format!("workflows may call each other over {levels} levels at most: {chain}"));
            return None;
        }
        let document = match self.called.get(&file) {
            // Too many files: nobody was asked for this one, and that is told once.
            None if self.called.too_many() => return None,
            None => {
                refuse(format!("the workflow {file} was not loaded, so it cannot be called"));
                return None;
            }
            Some(Err(refused)) => {
                self.found.push(refused.told(source, span, &file));
                return None;
            }
            Some(Ok(document)) => document,
        };
        if self.told.insert(file.clone()) {
            self.found.append(document.found.clone());
        }
        let workflow = document.workflow.clone()?;
        let Some(interface) = interface(&workflow) else {
            let error = Diagnostic::error(
                "SW0121",
                source,
                span,
                format!("the workflow {file} cannot be called, since workflow_call is not among its events"),
            );
            self.found.push(error.with_help("add workflow_call to its `on`"));
            return None;
        };
        fit::check(source, call, interface, self.found);
        let granted = granted.to_job(job);
        granted.check(source, job, &file, &workflow, self.found);
        let granted = granted.to_called(&workflow);
        self.chain.push(file.clone());
        let node = self.node((file, document.commit.clone()), workflow, &granted);
        self.chain.pop();
        Some(node)
    }
}
