//! The last words about a run: a line for each job, one for the run, and where artifacts are.

use super::{
    lines::{Style, Tone},
    show::Ended,
};
use crate::render::counted;
use shipway_base::human_duration;
use shipway_workflow::run::{Conclusion, JobKey, JobView};
use std::path::Path;

/// The first thing that went wrong in a job, or that was stopped in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// The step, when it was in one.
    pub(super) step: Option<String>,
    /// What.
    pub(super) why: String,
}

/// The lines of the summary, without line ends.
pub(super) fn lines(
    name: &str,
    ended: &Ended,
    conclusion: Conclusion,
    artifacts: Option<(&Path, &[String])>,
    failed: impl Fn(&JobKey) -> Option<Failed>,
    style: Style,
) -> Vec<String> {
    let jobs = &ended.jobs;
    let width = jobs.iter().map(|job| job.name.chars().count()).max().unwrap_or_default().min(60);
    let mut lines = vec![String::new()];
    for job in jobs {
        let took = job.started.zip(job.finished).map(|(from, to)| human_duration(to.since(from)));
        let why = why(job, failed(&job.key)).map(|why| style.clean(&one_line(&why))).unwrap_or_default();
        let word = word(job.conclusion.unwrap_or(Conclusion::Skipped), style);
        let text =
            format!("{word} {:<width$}  {:>8}  {why}", style.clean(&job.name), took.unwrap_or_default());
        lines.push(text.trim_end().to_owned());
    }
    let count = |wanted| jobs.iter().filter(|job| job.conclusion == Some(wanted)).count();
    let others = [
        (count(Conclusion::Failure), "failed"),
        (count(Conclusion::Cancelled), "stopped"),
        (count(Conclusion::Skipped), "skipped"),
    ];
    let others = others.into_iter().filter(|(count, _)| *count > 0);
    let others: String = others.map(|(count, word)| format!(", {count} {word}")).collect();
    let took = ended.took.map(human_duration);
    let all = counted(jobs.len(), "job");
    let (word, name) = (word(conclusion, style), style.clean(name));
    lines.push(format!("{word} {name}: {all}{others}, {}", took.unwrap_or_default()));
    if let Some((folder, names)) = artifacts {
        lines.push(format!("artifacts in {}: {}", folder.display(), names.join(", ")));
    }
    lines
}

fn why(job: &JobView, failed: Option<Failed>) -> Option<String> {
    let told = match failed {
        Some(Failed { step: Some(step), why }) => Some(format!("{step}: {why}")),
        Some(Failed { step: None, why }) => Some(why),
        None => job.reason.clone(),
    };
    match job.conclusion? {
        Conclusion::Success => None,
        Conclusion::Failure if job.continue_on_error => {
            Some(format!("{} (continue-on-error)", told.unwrap_or_default()))
        }
        Conclusion::Failure => told,
        // Who stopped the run or the job knows best why; what a job did by itself, such as taking too long, it told.
        Conclusion::Cancelled => job.reason.clone().or(told),
        Conclusion::Skipped => job.reason.clone(),
    }
}

/// A text of several lines in one.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

fn word(conclusion: Conclusion, style: Style) -> String {
    match conclusion {
        Conclusion::Success => style.paint(Tone::Good, "ok     "),
        Conclusion::Failure => style.paint(Tone::Bad, "failed "),
        Conclusion::Cancelled => style.paint(Tone::Warn, "stopped"),
        Conclusion::Skipped => style.paint(Tone::Faint, "skipped"),
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn words_of_two_lines_stay_apart() {
        let check = |text: &str, expect: &str| assert_eq!(one_line(text), expect);
        check("T\nx: multi\r\n  line\n", "T x: multi line");
        check("one  line", "one  line");
        check("\n", "");
    }
}
