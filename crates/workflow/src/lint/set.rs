//! What is set where: the variables of `env` and the outputs of jobs, found by their names however many there are.

use super::view::{JobView, Site, Slot};
use shipway_base::yaml::Mapping;
use std::collections::{BTreeMap, BTreeSet};

/// A job and a step of it; a job as a whole, or the workflow, where there is less.
type Place = (Option<usize>, Option<usize>);

/// All of a document.
#[derive(Default)]
pub(super) struct Set<'a> {
    variables: BTreeMap<Place, Variables<'a>>,
    /// The jobs by their ids, in lower case.
    jobs: BTreeMap<String, usize>,
    /// By the job and the name in lower case, the site that an output is written at.
    outputs: BTreeMap<(usize, String), usize>,
}

/// What one `env` sets.
#[derive(Default)]
pub(super) struct Variables<'a> {
    /// As they are written; none when `env` is no mapping, so that it may be anything.
    pub(super) names: Option<BTreeSet<&'a str>>,
    /// By the name, the site of its text, where that has expressions.
    sites: BTreeMap<&'a str, Option<usize>>,
    /// The same by the name in lower case, which Windows finds too.
    folded: BTreeMap<String, Option<usize>>,
}

impl<'a> Set<'a> {
    pub(super) fn of(root: &'a Mapping, jobs: &[JobView<'a>], sites: &[Site<'a>]) -> Set<'a> {
        let mut set = Set::default();
        set.env((None, None), root);
        for (at, job) in jobs.iter().enumerate() {
            set.jobs.entry(job.id.value.to_ascii_lowercase()).or_insert(at);
            set.env((Some(at), None), job.map);
            for (number, step) in job.steps.iter().enumerate() {
                set.env((Some(at), Some(number)), step.map);
            }
        }
        for (at, site) in sites.iter().enumerate() {
            match (site.slot, site.job, site.step) {
                (Slot::Env(name), job, step) => {
                    let variables = set.variables.entry((job, step)).or_default();
                    // The first counts: a mapping under a variable is no text, and what is in it comes after.
                    variables.sites.entry(name).or_default().get_or_insert(at);
                    variables.folded.entry(name.to_ascii_lowercase()).or_default().get_or_insert(at);
                }
                (Slot::JobOutput(name), Some(job), None) => {
                    set.outputs.entry((job, name.to_ascii_lowercase())).or_insert(at);
                }
                (
                    Slot::JobOutput(_) | Slot::Run | Slot::If | Slot::With(_) | Slot::Output | Slot::Other(_),
                    _,
                    _,
                ) => {}
            }
        }
        set
    }

    fn env(&mut self, place: Place, map: &'a Mapping) {
        let Some(node) = map.get("env") else { return };
        let names: Option<BTreeSet<&str>> =
            node.as_mapping().map(|env| env.iter().map(|(key, _)| key.value.as_str()).collect());
        let variables = self.variables.entry(place).or_default();
        let all = || Option::iter(&names).flatten();
        variables.sites = all().map(|name| (*name, None)).collect();
        variables.folded = all().map(|name| (name.to_ascii_lowercase(), None)).collect();
        variables.names = names;
    }

    /// What the `env` of a place sets; nothing where it has none.
    pub(super) fn variables(&self, job: Option<usize>, step: Option<usize>) -> Option<&Variables<'a>> {
        self.variables.get(&(job, step))
    }

    /// The site at which the output of a job is written with an expression, by their names in any case.
    pub(super) fn output(&self, job: &str, name: &str) -> Option<usize> {
        let job = self.jobs.get(&job.to_ascii_lowercase())?;
        self.outputs.get(&(*job, name.to_ascii_lowercase())).copied()
    }
}

impl Variables<'_> {
    /// The site of a variable's text, where it has expressions; the outer `None` when it is not set here.
    pub(super) fn site(&self, name: &str) -> Option<Option<usize>> {
        self.sites.get(name).copied()
    }

    /// The same in any case.
    pub(super) fn site_in_any_case(&self, name: &str) -> Option<Option<usize>> {
        self.folded.get(&name.to_ascii_lowercase()).copied()
    }
}
