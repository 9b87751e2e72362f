//! An explanation as lines for people, and as JSON.

use super::explain::{Explained, Since, Why};
use crate::{history::record::InnerRecord, render::counted};
use serde_json::{Value, json};

/// The lines.
pub(super) fn lines(explained: &Explained) -> Vec<String> {
    let run = &explained.run;
    let mut lines = vec![format!(
        "{}: {}, {} at {}, {} ({})",
        run.workflow,
        run.event,
        run.branch,
        short(&run.sha),
        run.conclusion,
        run.id
    )];
    if run.impure {
        lines.push("  with changes in the work tree, or a step decided by hand".to_owned());
    }
    if explained.jobs.is_empty() {
        lines.push("  no job failed".to_owned());
    }
    for why in &explained.jobs {
        lines.push(String::new());
        job(why, &mut lines);
    }
    lines.iter().map(|line| clean(line)).collect()
}

/// That nothing failed.
pub(super) fn nothing_failed(looked_at: usize, newest: &[(String, String, String)]) -> Vec<String> {
    let first = match looked_at {
        1 => "the only run that is known did not fail".to_owned(),
        _ => format!("none of the last {looked_at} runs failed"),
    };
    vec![first, format!("the newest: {}", runs(newest))]
}

/// The same for programs: the keys of an explanation, without one.
pub(super) fn nothing_failed_json(looked_at: usize, newest: &[(String, String, String)]) -> Value {
    let newest = newest.iter().map(
        |(id, workflow, conclusion)| json!({ "run": id, "workflow": workflow, "conclusion": conclusion }),
    );
    json!({ "run": null, "jobs": [], "looked_at": looked_at, "newest": newest.collect::<Vec<_>>() })
}

/// Runs by id, workflow and conclusion, in a line.
pub(super) fn runs(runs: &[(String, String, String)]) -> String {
    let texts = runs.iter().map(|(id, workflow, conclusion)| format!("{id} ({workflow}, {conclusion})"));
    clean(&texts.collect::<Vec<_>>().join(", "))
}

fn job(why: &Why, lines: &mut Vec<String>) {
    let name = &why.job.name;
    if why.job.failures.is_empty() {
        let reason = why.job.reason.clone().unwrap_or_else(|| "no step of it failed".to_owned());
        lines.push(format!("{name} failed: {reason}"));
    }
    for failed in &why.job.failures {
        let within = |inner: &InnerRecord| format!(", in {} ({}:{})", inner.step, inner.file, inner.line);
        let code = failed.exit_code.map(|code| format!(", exit code {code}"));
        let code = failed.inner.as_ref().map(within).unwrap_or_default() + &code.unwrap_or_default();
        lines.push(match failed.tolerated {
            false => format!("{name} failed at {}{code}", failed.step),
            true => format!("{name} went on after {} failed{code} (continue-on-error)", failed.step),
        });
        for (number, line) in failed.command.lines().enumerate() {
            lines.push(format!("  {} {line}", if number == 0 { "$" } else { " " }));
        }
        lines.extend(failed.lines.iter().map(|line| format!("  | {line}")));
        lines.extend(failed.notes.iter().flat_map(|note| note.lines()).map(|line| format!("  {line}")));
    }
    match &why.since {
        Since::Unknown => lines.push("  since when: no earlier run of it on this branch went well".to_owned()),
        Since::SameCommit { run } => lines.push(format!(
            "  since when: at this very commit it went well in run {run}; it may be flaky, or depend on what is outside"
        )),
        Since::Between { good, bad, commits } => {
            lines.push(format!("  good at {}, bad since {}", short(good), short(bad)));
            match commits {
                Some(commits) if commits.len() == 1 => {
                    let (sha, subject) = &commits[0];
                    lines.push(format!("  the first bad commit is {} {subject}", short(sha)));
                }
                Some(commits) => {
                    lines.push(format!("  one of these {} commits made it bad:", commits.len()));
                    let shown = commits.iter().take(20);
                    lines.extend(shown.map(|(sha, subject)| format!("    {} {subject}", short(sha))));
                    if commits.len() > 20 {
                        lines.push(format!("    ... and {} more", commits.len() - 20));
                    }
                }
                None => {}
            }
        }
    }
    match why.seen.as_slice() {
        [] => lines.push(format!("  not seen before in {}", counted(why.looked_at, "other run"))),
        seen => {
            lines.push(format!(
                "  the same failure in {} of {}:",
                seen.len(),
                counted(why.looked_at, "other run")
            ));
            lines.extend(
                seen.iter().map(|seen| {
                    format!("    {} {} {} at {}", seen.at, seen.run, seen.branch, short(&seen.sha))
                }),
            );
        }
    }
}

/// The same for programs.
pub(super) fn json(explained: &Explained) -> Value {
    let run = &explained.run;
    let jobs = explained.jobs.iter().map(|why| {
        let failures = why.job.failures.iter().map(|failed| {
            json!({
                "step": failed.step, "command": failed.command, "exit_code": failed.exit_code, "lines": failed.lines,
                "annotations": failed.notes, "fingerprint": failed.fingerprint,
                "continue_on_error": failed.tolerated, "inner": failed.inner.as_ref().map(InnerRecord::to_json),
            })
        });
        let since = match &why.since {
            Since::Unknown => Value::Null,
            Since::SameCommit { run } => json!({ "good_run_at_same_commit": run }),
            Since::Between { good, bad, commits } => json!({
                "last_good": good, "first_bad": bad,
                "commits": commits.as_ref().map(|commits| {
                    commits.iter().map(|(sha, subject)| json!({ "sha": sha, "subject": subject })).collect::<Vec<_>>()
                }),
            }),
        };
        let seen = why.seen.iter().map(|seen| {
            json!({ "run": seen.run, "at": seen.at.to_string(), "sha": seen.sha, "branch": seen.branch })
        });
        json!({
            "job": why.job.name, "reason": why.job.reason, "failures": failures.collect::<Vec<_>>(), "since": since,
            "seen": seen.collect::<Vec<_>>(), "looked_at": why.looked_at,
        })
    });
    json!({
        "run": run.id, "workflow": run.workflow, "event": run.event, "branch": run.branch, "sha": run.sha,
        "began": run.began.to_string(), "conclusion": run.conclusion, "impure": run.impure,
        "jobs": jobs.collect::<Vec<_>>(),
    })
}

fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

/// Texts of runs must not steer the terminal.
fn clean(line: &str) -> String {
    line.chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}
