//! What follows from the facts about runs: the first bad commit, and whether a failure was seen before.

use crate::history::record::InnerRecord;
use shipway_base::Timestamp;

/// A run as far as it matters here. Lists of them begin with the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its id.
    pub(super) id: String,
    /// What people call the workflow.
    pub(super) workflow: String,
    /// The event.
    pub(super) event: String,
    /// The branch or tag.
    pub(super) branch: String,
    /// The commit.
    pub(super) sha: String,
    /// Whether something beside the commit decided: changes in the work tree, a hand at a failed step.
    pub(super) impure: bool,
    /// When it began.
    pub(super) began: Timestamp,
    /// `success`, `failure` and so on.
    pub(super) conclusion: String,
    /// Its jobs.
    pub(super) jobs: Vec<JobFacts>,
}

/// A job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JobFacts {
    /// The name shown to people, which tells legs of a matrix apart.
    pub(super) name: String,
    /// What it came to.
    pub(super) conclusion: String,
    /// Why, when its steps do not say it.
    pub(super) reason: Option<String>,
    /// The steps that failed.
    pub(super) failures: Vec<Failed>,
}

/// A step that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// Its name.
    pub(super) step: String,
    /// What it ran; within a composite action the command that is to blame.
    pub(super) command: String,
    /// Where that stands, when it is within an action.
    pub(super) inner: Option<InnerRecord>,
    /// The exit code.
    pub(super) exit_code: Option<i32>,
    /// The last lines.
    pub(super) lines: Vec<String>,
    /// The annotations.
    pub(super) notes: Vec<String>,
    /// What makes it the same as another failure.
    pub(super) fingerprint: String,
    /// Whether its `continue-on-error` let the job go on.
    pub(super) tolerated: bool,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Why a run failed.
    Explained(Explained),
    /// None of the runs that were looked at failed, and there is at least one.
    NothingFailed {
        /// How many runs were looked at.
        looked_at: usize,
        /// The newest of them: id, workflow and conclusion.
        newest: Vec<(String, String, String)>,
    },
}

/// A run explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Explained {
    /// The run.
    pub(super) run: Facts,
    /// What is known of each failed job, in the order of the workflow.
    pub(super) jobs: Vec<Why>,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why {
    /// The job.
    pub(super) job: JobFacts,
    /// Since when it fails.
    pub(super) since: Since,
    /// The other runs in which a step failed in the same way, the newest first.
    pub(super) seen: Vec<Seen>,
    /// How many runs were looked through for that.
    pub(super) looked_at: usize,
}

/// Since when a job fails on a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// No earlier run of it on this branch went well.
    Unknown,
    /// It went well at this very commit too.
    SameCommit {
        /// In that run.
        run: String,
    },
    /// It went well last at `good`, and failed first at `bad`.
    Between {
        /// The last good commit.
        good: String,
        /// The first bad one that was run.
        bad: String,
        /// The commits after the good one up to the bad one, the newest first, when git knows them: id and subject.
        commits: Option<Vec<(String, String)>>,
    },
}

/// Where the same failure was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The run.
    pub(super) run: String,
    /// When it began.
    pub(super) at: Timestamp,
    /// Its commit.
    pub(super) sha: String,
    /// Its branch.
    pub(super) branch: String,
}

/// So many other runs with the same failure are listed.
const SEEN: usize = 10;

/// Explains a run by the others of its workflow; `all` may hold later ones, earlier ones and the run itself.
pub(super) fn explain(run: Facts, all: &[Facts]) -> Explained {
    let failed = run.jobs.iter().filter(|job| job.conclusion == "failure");
    let jobs = failed.map(|job| why(&run, job, all)).collect();
    Explained { run, jobs }
}

fn why(run: &Facts, job: &JobFacts, all: &[Facts]) -> Why {
    let own = |other: &&Facts| other.workflow == run.workflow && other.id != run.id;
    let prints: Vec<&str> = job.failures.iter().map(|failed| failed.fingerprint.as_str()).collect();
    // A job whose steps did not fail is known by its reason.
    let early = |other: &JobFacts| {
        let stepless = job.failures.is_empty() && other.failures.is_empty() && job.reason.is_some();
        stepless && other.name == job.name && other.conclusion == "failure" && other.reason == job.reason
    };
    let same = |other: &&Facts| {
        let mut failures = other.jobs.iter().flat_map(|job| &job.failures);
        failures.any(|failed| prints.contains(&failed.fingerprint.as_str())) || other.jobs.iter().any(early)
    };
    let seen = all.iter().filter(own).filter(same).take(SEEN).map(|other| Seen {
        run: other.id.clone(),
        at: other.began,
        sha: other.sha.clone(),
        branch: other.branch.clone(),
    });
    Why {
        job: job.clone(),
        since: since(run, job, all),
        seen: seen.collect(),
        looked_at: all.iter().filter(own).count(),
    }
}

/// Walks back from the run through the earlier ones of its workflow and branch, until the job went well.
fn since(run: &Facts, job: &JobFacts, all: &[Facts]) -> Since {
    let mut earlier: Vec<&Facts> = all
        .iter()
        .filter(|other| other.workflow == run.workflow && other.branch == run.branch && other.id != run.id)
        .filter(|other| other.began <= run.began)
        .collect();
    earlier.sort_by_key(|other| std::cmp::Reverse(other.began));
    let mut bad = &run.sha;
    for other in earlier {
        let Some(then) = other.jobs.iter().find(|other| other.name == job.name) else { continue };
        match then.conclusion.as_str() {
            "failure" => bad = &other.sha,
            // What a hand or a change beside the commit made go well says nothing about the commit.
            "success" if !other.impure => {
                if other.sha == *bad {
                    return Since::SameCommit { run: other.id.clone() };
                }
                return Since::Between { good: other.sha.clone(), bad: bad.clone(), commits: None };
            }
            _ => {}
        }
    }
    Since::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs from the oldest to the newest, as `commit:conclusion`; `~` before it marks an impure one.
    fn runs(text: &str) -> Vec<Facts> {
        let mut all: Vec<Facts> = text
            .split_whitespace()
            .enumerate()
            .map(|(number, word)| {
                let (impure, word) = (word.starts_with('~'), word.trim_start_matches('~'));
                let (sha, conclusion) = word.split_once(':').expect("commit:conclusion");
                let failed = Failed { fingerprint: format!("print of {conclusion}"), ..Failed::default() };
                let job = JobFacts {
                    name: "test".to_owned(),
                    conclusion: if conclusion == "ok" { "success" } else { "failure" }.to_owned(),
                    failures: if conclusion == "ok" { Vec::new() } else { vec![failed] },
                    ..JobFacts::default()
                };
                Facts {
                    id: number.to_string(),
                    sha: sha.to_owned(),
                    impure,
                    began: Timestamp::from_millis(i64::try_from(number).expect("a number")),
                    jobs: vec![job],
                    ..Facts::default()
                }
            })
            .collect();
        all.reverse();
        all
    }

    fn check(text: &str, expect: &Since, seen: &[&str]) {
        let all = runs(text);
        let explained = explain(all[0].clone(), &all);
        assert_eq!(&explained.jobs[0].since, expect, "{text}");
        let found: Vec<&str> = explained.jobs[0].seen.iter().map(|seen| seen.run.as_str()).collect();
        assert_eq!(found, seen, "{text}");
    }

    #[test]
    fn the_first_bad_commit_is_found() {
        let between = |good: &str, bad: &str| Since::Between {
            good: good.to_owned(),
            bad: bad.to_owned(),
            commits: None,
        };
        check("a:ok b:ok c:x", &between("b", "c"), &[]);
        check("a:ok b:x c:y d:x", &between("a", "b"), &["1"]);
        check("a:x b:ok c:x", &between("b", "c"), &["0"]);
        check("a:x b:x", &Since::Unknown, &["0"]);
        check("a:ok ~b:ok c:x", &between("a", "c"), &[]);
        check("a:ok a:x", &Since::SameCommit { run: "0".to_owned() }, &[]);
        check("a:ok b:x b:x", &between("a", "b"), &["1"]);
    }

    #[test]
    fn other_branches_are_seen_but_do_not_count() {
        let mut all = runs("a:ok b:x c:x");
        all[1].branch = "other".to_owned();
        let explained = explain(all[0].clone(), &all);
        assert_eq!(
            explained.jobs[0].since,
            Since::Between { good: "a".to_owned(), bad: "c".to_owned(), commits: None }
        );
        assert_eq!(explained.jobs[0].seen.len(), 1);
    }
}
