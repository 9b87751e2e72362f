//! How long things will take, by how long they took.

use super::record::Record;
use std::{collections::BTreeMap, time::Duration};

/// So many of the newest successful runs count.
const RUNS: usize = 10;

/// How long jobs of a workflow took lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    /// The median of each job and each leg of a matrix, by its name.
    jobs: BTreeMap<String, Duration>,
    /// The longest of these for each id of a job.
    ids: BTreeMap<String, Duration>,
}

/// Where a job of a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has been running so long.
    Runs(Duration),
    /// It is over.
    Over,
}

/// A job of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its id in the workflow.
    pub(crate) id: String,
    /// The ids of the jobs it needs.
    pub(crate) needs: Vec<String>,
    /// Its names with where each stands: one, or one for each leg of its matrix; none while that is not known.
    pub(crate) legs: Vec<(String, Standing)>,
}

impl Durations {
    /// The medians of the newest successful runs of a job in these records, the newest of which come first.
    pub(crate) fn of<'r>(records: impl Iterator<Item = &'r Record>) -> Durations {
        let mut all: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
        for record in records.filter(|record| !record.by_hand) {
            for job in record.jobs.iter().filter(|job| job.conclusion == "success") {
                let took = all.entry((job.id(), &job.name)).or_default();
                if let Some(millis) = job.took_ms.filter(|_| took.len() < RUNS) {
                    took.push(millis);
                }
            }
        }
        let mut durations = Durations::default();
        for ((id, name), took) in all {
            let Some(took) = median(took) else { continue };
            durations.jobs.insert(name.to_owned(), took);
            let longest = durations.ids.entry(id.to_owned()).or_default();
            *longest = took.max(*longest);
        }
        durations
    }

    /// How long a job will take, when it is known.
    pub(crate) fn job(&self, name: &str) -> Option<Duration> {
        self.jobs.get(name).copied()
    }

    /// How long a job of which only the id is known will take: as long as the longest of its legs.
    fn any_leg(&self, id: &str) -> Option<Duration> {
        self.ids.get(id).copied()
    }

    /// How long it will be until all jobs are over, along the longest way through the graph, as if every job had a place
    /// as soon as its needs are over. None when nothing is known of a job on which that depends, or in a circle.
    pub(crate) fn left(&self, nodes: &[Node]) -> Option<Duration> {
        let mut known: BTreeMap<&str, Duration> = BTreeMap::new();
        let mut open: Vec<&Node> = nodes.iter().collect();
        while !open.is_empty() {
            let before = open.len();
            let mut later = Vec::new();
            for node in open {
                let ids = nodes.iter().map(|node| node.id.as_str());
                let needs = ids.filter(|id| node.needs.iter().any(|need| need.eq_ignore_ascii_case(id)));
                let needs: Option<Vec<Duration>> = needs.map(|id| known.get(id).copied()).collect();
                let Some(needs) = needs else {
                    later.push(node);
                    continue;
                };
                let after = needs.into_iter().max().unwrap_or_default();
                known.insert(&node.id, self.left_of(node, after)?);
            }
            if later.len() == before {
                return None;
            }
            open = later;
        }
        known.into_values().max()
    }

    fn left_of(&self, node: &Node, after: Duration) -> Option<Duration> {
        if node.legs.is_empty() {
            return Some(after + self.any_leg(&node.id)?);
        }
        let legs = node.legs.iter().map(|(name, standing)| match standing {
            Standing::Over => Some(Duration::ZERO),
            Standing::Runs(so_far) => {
                Some(self.job(name).or_else(|| self.any_leg(&node.id))?.saturating_sub(*so_far))
            }
        });
        legs.collect::<Option<Vec<Duration>>>()?.into_iter().max()
    }
}

fn median(mut took: Vec<u64>) -> Option<Duration> {
    took.sort_unstable();
    let middle = took.len() / 2;
    let upper = *took.get(middle)?;
    let lower = if took.len().is_multiple_of(2) { took[middle - 1] } else { upper };
    Some(Duration::from_millis(lower + (upper - lower) / 2))
}

#[cfg(test)]
mod tests {
    use super::{super::record::tests::record, *};

    fn durations(jobs: &[(&str, u64)]) -> Durations {
        let mut all = Durations::default();
        for (name, ms) in jobs {
            let (id, took) = (name.split(' ').next().unwrap_or_default(), Duration::from_millis(*ms));
            all.jobs.insert((*name).to_owned(), took);
            let longest = all.ids.entry(id.to_owned()).or_default();
            *longest = took.max(*longest);
        }
        all
    }

    fn node(id: &str, needs: &[&str], legs: &[(&str, Standing)]) -> Node {
        Node {
            id: id.to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            legs: legs.iter().map(|(key, standing)| ((*key).to_owned(), *standing)).collect(),
        }
    }

    #[test]
    fn the_median_of_the_newest_successes_counts() {
        let records: Vec<Record> = (0..30)
            .rev()
            .map(|id| {
                let mut record = record(id);
                record.jobs[0].conclusion = if id % 2 == 0 { "success" } else { "failure" }.to_owned();
                record.jobs[0].took_ms = Some(u64::try_from(id).expect("a number") * 10);
                record
            })
            .collect();
        let durations = Durations::of(records.iter());
        // The ten newest that are even: 28, 26, ..., 10.
        assert_eq!(durations.job("test"), Some(Duration::from_millis(190)));
        assert_eq!(durations.job("other"), None);
    }

    #[test]
    fn the_longest_way_counts() {
        let durations = durations(&[("a", 100), ("b", 50), ("c", 500), ("m (1)", 70), ("m (2)", 90)]);
        let left = |nodes: &[Node]| durations.left(nodes).map(|left| left.as_millis());
        let runs = |ms| Standing::Runs(Duration::from_millis(ms));
        assert_eq!(left(&[node("b", &["A"], &[]), node("a", &[], &[])]), Some(150));
        assert_eq!(left(&[node("a", &[], &[("a", runs(60))]), node("b", &["a"], &[])]), Some(90));
        assert_eq!(left(&[node("a", &[], &[("a", runs(600))]), node("b", &["a"], &[])]), Some(50));
        assert_eq!(left(&[node("a", &[], &[("a", Standing::Over)]), node("m", &["a"], &[])]), Some(90));
        assert_eq!(left(&[node("m", &[], &[("m (1)", Standing::Over), ("m (2)", runs(30))])]), Some(60));
        assert_eq!(left(&[node("new", &[], &[])]), None);
        assert_eq!(left(&[node("a", &["b"], &[]), node("b", &["a"], &[])]), None);
        assert_eq!(left(&[]), None);
    }
}
