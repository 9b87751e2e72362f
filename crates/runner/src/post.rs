//! What actions want to run when all steps have: in reverse order, each under its own condition.

use crate::{
    executor::Program,
    job::{Frame, Job},
    listen::Hearing,
    report::ReportKind,
    steps::{Came, Current},
};
use shipway_workflow::{expr::Condition, run::Conclusion};
use std::collections::BTreeMap;

/// The post part of a JavaScript action.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    /// The name shown to people.
    pub(crate) name: String,
    /// The path of its file.
    pub(crate) file: String,
    /// How its main part was started.
    pub(crate) program: Program,
    /// What it saved.
    pub(crate) state: BTreeMap<String, String>,
    /// `post-if`.
    pub(crate) condition: Condition,
    /// The step it belongs to.
    pub(crate) current: Current,
}

impl Job<'_> {
    /// Runs what is left to run, the last one first.
    pub(crate) async fn run_posts(&mut self, frame: &mut Frame) {
        while let Some(post) = self.posts.pop() {
            if self.stop.check().is_some() && frame.status == Conclusion::Success {
                frame.status = Conclusion::Cancelled;
            }
            let began = self.context.clock.now();
            let index = self.next_step;
            self.next_step += 1;
            let name = self.log.masker.mask(&post.name);
            self.log.send(ReportKind::StepStarted { index, name }).await;
            let came = self.run_post(frame, post, index).await;
            if came.outcome == Conclusion::Failure {
                frame.status = Conclusion::Failure;
            }
            let duration = self.context.clock.now().since(began);
            let (outcome, exit_code) = (came.outcome, came.exit_code);
            let finished =
                ReportKind::StepFinished { index, outcome, conclusion: outcome, exit_code, duration };
            self.log.send(finished).await;
        }
    }

    async fn run_post(&mut self, frame: &Frame, post: Post, index: usize) -> Came {
        let env = post.current.scope.env.clone();
        let scope = self.scope(frame, &env, Some(&post.current.id));
        let runs = post.condition.eval(&scope);
        let survives = post.condition.eval(&scope.with_status(Conclusion::Cancelled)).unwrap_or(false);
        let current = Current { index, survives, limit: None, ..post.current };
        match runs {
            Ok(false) => return Came::of(Conclusion::Skipped),
            Ok(true) => {}
            Err(found) => {
                self.complain_at(index, &current.source, current.span, &found.to_string()).await;
                return Came::of(Conclusion::Failure);
            }
        }
        // What later steps wrote to GITHUB_ENV and GITHUB_PATH counts here too; the action's own variables win.
        let mut later = current.scope.clone();
        later.env = self.env.clone();
        let mut program = post.program;
        for (key, value) in self.environment(&later) {
            if key == "PATH" {
                program.env.insert(key, value);
            } else {
                program.env.entry(key).or_insert(value);
            }
        }
        // The last word of the main part's command line is its file.
        program.argv.pop();
        program.argv.push(post.file);
        for (name, value) in post.state {
            program = program.with_env(&format!("STATE_{name}"), value);
        }
        match self.run_program(&program, &current, Hearing::Step).await {
            Ok((came, _)) => came,
            Err(error) => {
                self.complain_about(&current, &error).await;
                Came::of(Conclusion::Failure)
            }
        }
    }
}
