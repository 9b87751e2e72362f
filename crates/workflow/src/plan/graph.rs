//! The graph that `needs` draws.

use shipway_base::{Diagnostic, Diagnostics, Source, Spanned, yaml};
use std::collections::{BTreeMap, BTreeSet};

/// A job and what it needs.
pub(crate) type Needs<'a> = (&'a Spanned<String>, &'a [Spanned<String>]);

/// Finds needs that do not exist and jobs that wait for themselves. `ids` may name more jobs than `jobs` has: those
/// that could not be read.
pub(crate) fn check(source: &Source, ids: &[&str], jobs: &[Needs<'_>]) -> Diagnostics {
    let mut found = Diagnostics::new();
    let known: BTreeSet<String> = ids.iter().map(|id| id.to_lowercase()).collect();
    for (id, needs) in jobs {
        for need in *needs {
            if known.contains(&need.value.to_lowercase()) {
                continue;
            }
            let message = format!("the job {:?} needs {:?}, and there is no such job", id.value, need.value);
            let error = Diagnostic::error("SW0108", source, need.span, message);
            found.push(match yaml::closest(&need.value, ids.iter().copied()) {
                Some(close) => error.with_help(format!("did you mean {close:?}?")),
                None => error.with_help(format!("jobs: {}", ids.join(", "))),
            });
        }
    }
    for cycle in cycles(jobs) {
        // A cycle is told from the job that comes first in the text, at the need that leads into it.
        let [first, second, ..] = cycle.as_slice() else { continue };
        let names: Vec<&str> = cycle.iter().map(|(id, _)| id.value.as_str()).collect();
        let need = first.1.iter().find(|need| need.value.eq_ignore_ascii_case(&second.0.value));
        let span = need.map_or(first.0.span, |need| need.span);
        let message = match names.as_slice() {
            [only, _] => format!("the job {only:?} needs itself"),
            _ => format!("these jobs wait for each other: {}", names.join(" -> ")),
        };
        found.push(Diagnostic::error("SW0109", source, span, message).with_help("remove one of these needs"));
    }
    found
}

/// The ids, each after those it needs, otherwise in the given order; jobs in or behind a cycle are left out.
pub(super) fn order(jobs: &[Needs<'_>]) -> Vec<String> {
    sorted(jobs).into_iter().map(|job| jobs[job].0.value.clone()).collect()
}

/// Kahn's algorithm: what needs nothing that is still left is taken next, the earliest in the text first.
fn sorted(jobs: &[Needs<'_>]) -> Vec<usize> {
    let at = positions(jobs);
    let mut waiting = vec![0_usize; jobs.len()];
    let mut dependants: Vec<Vec<usize>> = vec![Vec::new(); jobs.len()];
    for (job, (_, needs)) in jobs.iter().enumerate() {
        for need in needs.iter().filter_map(|need| at.get(&need.value.to_lowercase())) {
            waiting[job] += 1;
            dependants[*need].push(job);
        }
    }
    let mut free: BTreeSet<usize> = (0..jobs.len()).filter(|job| waiting[*job] == 0).collect();
    let mut order = Vec::new();
    while let Some(job) = free.pop_first() {
        order.push(job);
        for dependant in &dependants[job] {
            waiting[*dependant] -= 1;
            if waiting[*dependant] == 0 {
                free.insert(*dependant);
            }
        }
    }
    order
}

/// One cycle for each knot of jobs, its first job repeated at the end.
fn cycles<'a>(jobs: &[Needs<'a>]) -> Vec<Vec<Needs<'a>>> {
    let at = positions(jobs);
    let next = |job: usize| -> Vec<usize> {
        jobs[job].1.iter().filter_map(|need| at.get(&need.value.to_lowercase()).copied()).collect()
    };
    let mut left: BTreeSet<usize> = (0..jobs.len()).collect();
    for job in sorted(jobs) {
        left.remove(&job);
    }
    let mut found = Vec::new();
    while let Some(&start) = left.first() {
        // Following needs within what is left must come back to a job already seen.
        let mut path = vec![start];
        let cycle = loop {
            let last = path[path.len() - 1];
            let Some(need) = next(last).into_iter().find(|need| left.contains(need)) else {
                break Vec::new();
            };
            if let Some(from) = path.iter().position(|job| *job == need) {
                break path.split_off(from);
            }
            path.push(need);
        };
        // What was walked through is told about once: either it is the cycle, or it leads into one.
        for job in path.iter().chain(&cycle) {
            left.remove(job);
        }
        if let Some(first) = (0..cycle.len()).min_by_key(|i| cycle[*i]) {
            let ring = cycle[first..].iter().chain(&cycle[..=first]);
            found.push(ring.map(|job| jobs[*job]).collect());
        }
    }
    found
}

fn positions(jobs: &[Needs<'_>]) -> BTreeMap<String, usize> {
    jobs.iter().enumerate().map(|(at, (id, _))| (id.value.to_lowercase(), at)).collect()
}
