//! Facts from a server.

use super::explain::{Answer, Facts, Failed, JobFacts, explain as explain_run};
use crate::{
    cli::Server,
    commands::{connect::Connection, run::script},
    environment::Environment,
    exit::{Exit, Failure},
    history::{fingerprint::fingerprint, record::InnerRecord},
};
use shipway_api::{
    Annotation, AnnotationLevel, Conclusion, Culprit, Job, LineKind, LogLine, PageQuery, Run, RunId,
    RunQuery, RunSummary, request,
};

/// So many earlier runs of the workflow are looked through.
const RUNS: u32 = 30;

/// So many lines of a failed step are read for its command and its end.
const LINES: u32 = 30;

/// Explains the newest failed run, or the one with this id or number.
pub(super) async fn explain(
    environment: &Environment,
    server: &Server,
    named: Option<&str>,
) -> Result<Answer, Failure> {
    let connection = Connection::find(environment, server)?;
    let id = match find(&connection, named).await? {
        Found::Run(id) => id,
        Found::NothingFailed(runs) => return Ok(nothing_failed(&runs)),
    };
    let run = connection.ask(&request::run(id)).await?;
    let mut facts = facts(&run);
    for job in run.jobs.iter().filter(|job| job.conclusion == Some(Conclusion::Failure)) {
        fill(&connection, &run, job, &mut facts).await?;
    }
    let query = RunQuery {
        workflow: Some(run.summary.workflow.clone()),
        page: PageQuery { limit: RUNS, ..PageQuery::default() },
        ..RunQuery::default()
    };
    let mut all = Vec::new();
    for other in connection.ask(&request::runs(&query)).await?.items {
        if other.id == id {
            continue;
        }
        let whole = connection.ask(&request::run(other.id)).await?;
        let mut other = self::facts(&whole);
        for job in whole.jobs.iter().filter(|job| job.conclusion == Some(Conclusion::Failure)) {
            fill(&connection, &whole, job, &mut other).await?;
        }
        all.push(other);
    }
    Ok(Answer::Explained(explain_run(facts, &all)))
}

/// What a question for a run finds.
enum Found {
    /// The run.
    Run(RunId),
    /// None failed; these are the newest.
    NothingFailed(Vec<RunSummary>),
}

fn nothing_failed(runs: &[RunSummary]) -> Answer {
    let newest = runs.iter().take(5);
    let newest =
        newest.map(|run| (run.id.to_string(), run.workflow.clone(), word(run.conclusion).to_owned()));
    Answer::NothingFailed { looked_at: runs.len(), newest: newest.collect() }
}

async fn find(connection: &Connection, named: Option<&str>) -> Result<Found, Failure> {
    let query = |conclusion| RunQuery {
        conclusion,
        page: PageQuery { limit: 100, ..PageQuery::default() },
        ..RunQuery::default()
    };
    let Some(named) = named else {
        let failed = connection.ask(&request::runs(&query(Some(Conclusion::Failure)))).await?;
        if let Some(run) = failed.items.first() {
            return Ok(Found::Run(run.id));
        }
        let runs = connection.ask(&request::runs(&query(None))).await?.items;
        if runs.is_empty() {
            return Err(Failure::new(Exit::NotFound, "the server has no runs")
                .with_code("SW1051")
                .with_help("push a commit, or start a workflow with `shipway dispatch`"));
        }
        return Ok(Found::NothingFailed(runs));
    };
    let runs: Vec<RunSummary> = connection.ask(&request::runs(&query(None))).await?.items;
    let by_number = runs.iter().find(|run| run.number.to_string() == named).map(|run| run.id);
    by_number.or_else(|| named.parse::<RunId>().ok()).map(Found::Run).ok_or_else(|| {
        Failure::new(Exit::NotFound, format!("the server has no run {named}"))
            .with_code("SW1051")
            .with_help("give the id of a run, or its number")
    })
}

fn facts(run: &Run) -> Facts {
    let summary = &run.summary;
    let jobs = run.jobs.iter().map(|job| JobFacts {
        name: job.name.clone(),
        conclusion: word(job.conclusion).to_owned(),
        reason: job.reason.clone(),
        failures: Vec::new(),
    });
    Facts {
        id: summary.id.to_string(),
        workflow: summary.workflow.clone(),
        event: summary.event.clone(),
        branch: summary.branch.clone(),
        sha: summary.commit.sha.clone(),
        // A server runs commits, and nobody sits beside it.
        impure: false,
        began: summary.started_at.unwrap_or(summary.created_at),
        conclusion: word(summary.conclusion).to_owned(),
        jobs: jobs.collect(),
    }
}

/// Adds the failed steps of a job, with what they said.
async fn fill(connection: &Connection, run: &Run, job: &Job, facts: &mut Facts) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for (place, step) in job.steps.iter().enumerate() {
        if step.conclusion != Some(Conclusion::Failure) {
            continue;
        }
        let culprit = step.culprit.as_ref();
        let first = step.first_line.unwrap_or(1);
        let next = job.steps[place + 1..].iter().find_map(|step| step.first_line);
        let end = next.unwrap_or(job.log_lines + 1);
        let head = connection.ask(&request::log(run.summary.id, &job.key, first, LINES)).await?.lines;
        let (command, body) = command(&head);
        let (first, end) = match culprit {
            Some(culprit) => (culprit.first_line, culprit.last_line + 1),
            None => (first + body, end),
        };
        let from = end.saturating_sub(u64::from(LINES)).max(first);
        let tail = connection.ask(&request::log(run.summary.id, &job.key, from, LINES)).await?.lines;
        let shown = |line: &&LogLine| line.n >= first && line.n < end && is_said(line.kind);
        let lines: Vec<String> = tail.iter().filter(shown).map(|line| line.text.clone()).collect();
        let notes = notes_of(run, job, culprit);
        let inner = culprit.filter(|culprit| culprit.name != step.name).map(|culprit| InnerRecord {
            step: culprit.name.clone(),
            action: command.clone(),
            file: culprit.file.clone(),
            line: culprit.line,
        });
        let id = job.key.to_string();
        let id = id.split('/').next().unwrap_or_default();
        failures.push(Failed {
            fingerprint: fingerprint(&run.summary.path, id, &step.name, &lines, &notes),
            step: step.name.clone(),
            command: culprit.map_or(command, |culprit| culprit.command.clone()),
            inner,
            exit_code: step.exit_code.or(culprit.and_then(|culprit| culprit.exit_code)),
            lines,
            notes,
            // Those that were tolerated have ended well for the server.
            tolerated: false,
        });
    }
    if let Some(found) = facts.jobs.iter_mut().find(|found| found.name == job.name) {
        if failures.is_empty() && found.reason.is_none() {
            // It failed before or after its steps: what it complained of first is why.
            let first =
                notes_of(run, job, None).first().map(|note| note.trim_start_matches("error: ").to_owned());
            found.reason = first;
        }
        found.failures = failures;
    }
    Ok(())
}

/// The errors of a job as compilers write them. Where it is known which command is to blame, what the runner says of other
/// steps is none of its errors: their failure may not even count.
fn notes_of(run: &Run, job: &Job, culprit: Option<&Culprit>) -> Vec<String> {
    let errors = run.annotations.iter().filter(|note| note.job == job.key);
    let errors = errors.filter(|note| note.level == AnnotationLevel::Error);
    let by_runner =
        |note: &Annotation| note.file.as_ref().is_some_and(|file| note.message.starts_with(&**file));
    let own = |note: &&Annotation| {
        culprit.is_none_or(|culprit| {
            let at = note.file.as_ref() == Some(&culprit.file) && note.line == Some(culprit.line);
            at || !by_runner(note)
        })
    };
    let words = errors.filter(own).map(|note| match (&note.file, note.line) {
        // What the runner says of a document names the place itself.
        (Some(_), _) if by_runner(note) => format!("error: {}", note.message),
        (Some(file), Some(line)) => format!("error: {file}:{line}: {}", note.message),
        (Some(file), None) => format!("error: {file}: {}", note.message),
        (None, _) => format!("error: {}", note.message),
    });
    words.collect()
}

/// Whether the line is something that the step said, and not a mark or what comes as an annotation too.
fn is_said(kind: LineKind) -> bool {
    match kind {
        LineKind::Text | LineKind::Command | LineKind::Debug | LineKind::Group => true,
        LineKind::Error | LineKind::Warning | LineKind::Notice | LineKind::EndGroup => false,
    }
}

/// The script or action that a step's log begins with, and how many lines that takes.
fn command(head: &[LogLine]) -> (String, u64) {
    let Some(first) = head.first().filter(|line| line.kind == LineKind::Group) else {
        return (String::new(), 0);
    };
    let inside = head.iter().take_while(|line| line.kind != LineKind::EndGroup);
    let lines: Vec<&str> = inside.map(|line| line.text.as_str()).collect();
    let count = u64::try_from(lines.len()).unwrap_or_default() + 1;
    match script(&lines) {
        Some(script) => (script.join("\n"), count),
        None => (first.text.trim_start_matches("Run ").to_owned(), count),
    }
}

fn word(conclusion: Option<Conclusion>) -> &'static str {
    match conclusion {
        None => "in_progress",
        Some(Conclusion::Success) => "success",
        Some(Conclusion::Failure) => "failure",
        Some(Conclusion::Cancelled) => "cancelled",
        Some(Conclusion::Skipped) => "skipped",
    }
}
