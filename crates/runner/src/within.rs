//! Which command is to blame when a composite action fails, or a part of an action that has no step of its own: the first
//! whose failure counts.

use crate::{
    action::Part,
    job::{Frame, Job},
    report::{Culprit, ReportKind, WithinNews},
    steps::Current,
};
use shipway_base::{Source, Span};
use shipway_workflow::{
    document::{Step, StepKind},
    run::Conclusion,
};

/// Of a long script this much is told: so many lines, and so many bytes of each.
const MOST_LINES: usize = 40;
const MOST_BYTES: usize = 2_000;

/// What is known about the step of the job that runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blame {
    /// Whether it was told whose failure makes it fail.
    told: bool,
    /// The script or the action that was shown last.
    command: String,
}

/// What a step within an action came to.
pub(crate) struct Within<'a> {
    pub(crate) step: &'a Step,
    pub(crate) name: &'a str,
    /// Whether somebody was to blame before it began.
    pub(crate) blamed: bool,
    /// What it counts as.
    pub(crate) conclusion: Conclusion,
    pub(crate) exit_code: Option<i32>,
}

impl Job<'_> {
    /// Whether it was told, before a step begins, whose failure makes the step of the job around it fail.
    pub(crate) fn blamed(&self, frame: &Frame) -> bool {
        frame.inside.is_some() && self.blame.told
    }

    /// A step of the job begins, for the first time or anew, and nobody is to blame.
    pub(crate) fn blame_nobody(&mut self, frame: &Frame) {
        if frame.inside.is_none() {
            self.blame = Blame::default();
        }
    }

    /// A step within an action begins, or has shown what it runs: what is said from here on is its own.
    pub(crate) async fn begin_within(&mut self, step: usize, command: &str) {
        self.blame.command = command.to_owned();
        self.log.send(ReportKind::Within { step, news: WithinNews::Begins }).await;
    }

    /// The same, unless the step is one of the job's own.
    pub(crate) async fn shown_within(&mut self, current: &Current, command: &str) {
        if current.place.len() > 1 {
            self.begin_within(current.index, command).await;
        }
    }

    /// Tells whether a step within an action is to blame, or those within it no longer are.
    pub(crate) async fn end_within(&mut self, frame: &Frame, within: Within<'_>) {
        let Some(index) = frame.inside else { return };
        let failed = within.conclusion == Conclusion::Failure;
        match (within.blamed, self.blame.told) {
            (false, false) if failed => {
                self.blame.told = true;
                let command = match std::mem::take(&mut self.blame.command) {
                    shown if !shown.is_empty() => shown,
                    _ => written(&within.step.kind),
                };
                let place = (&frame.source, within.step.span);
                self.tell_culprit(index, within.name, &command, within.exit_code, place).await;
            }
            (false, true) if !failed => {
                self.blame.told = false;
                self.log.send(ReportKind::Within { step: index, news: WithinNews::LetGo }).await;
            }
            (_, _) => {}
        }
    }

    /// Tells that the post part of an action failed, whose log names no command.
    pub(crate) async fn blame_post(&mut self, index: usize, post: &BlamedPost, exit_code: Option<i32>) {
        let place = (&post.source, post.span);
        self.tell_culprit(index, &post.name, &post.command, exit_code, place).await;
    }

    async fn tell_culprit(
        &mut self,
        step: usize,
        name: &str,
        command: &str,
        exit_code: Option<i32>,
        (source, span): (&Source, Span),
    ) {
        let mask = |text: &str| self.log.masker.mask(text);
        let culprit = Culprit {
            name: mask(name),
            command: beginning(&mask(command)),
            exit_code,
            file: mask(&source.name),
            line: span.start.line,
        };
        self.log.send(ReportKind::Within { step, news: WithinNews::Failed(Box::new(culprit)) }).await;
    }
}

/// A post part, as it is named when it fails.
pub(crate) struct BlamedPost {
    name: String,
    command: String,
    source: Source,
    span: Span,
}

impl BlamedPost {
    /// The post part of the step `current`.
    pub(crate) fn of(name: &str, part: &Part, current: &Current) -> BlamedPost {
        let source = current.source.clone();
        BlamedPost { name: name.to_owned(), command: part.words(), source, span: current.span }
    }
}

/// What a step runs, as its document has it.
fn written(kind: &StepKind) -> String {
    match kind {
        StepKind::Run(run) => run.run.text().trim_end().to_owned(),
        StepKind::Uses(uses) => uses.uses.value.to_string(),
        StepKind::Wait(_) | StepKind::WaitAll | StepKind::Cancel(_) | StepKind::Parallel(_) => String::new(),
    }
}

fn beginning(text: &str) -> String {
    let lines = text.lines().take(MOST_LINES).map(|line| &line[..line.floor_char_boundary(MOST_BYTES)]);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_script_the_beginning_is_told() {
        assert_eq!(beginning("one\ntwo\n"), "one\ntwo");
        assert_eq!(beginning(&"x\n".repeat(100)).lines().count(), MOST_LINES);
        let cut = beginning(&"é".repeat(MOST_BYTES));
        assert_eq!(cut.len(), MOST_BYTES);
        assert_eq!(beginning(&format!("a{}", "é".repeat(MOST_BYTES))).len(), MOST_BYTES - 1);
    }
}
