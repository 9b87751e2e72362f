//! What actions want to run when all steps have: in reverse order, each under its own condition.

use crate::{
    action::Part,
    job::{Frame, Job},
    report::ReportKind,
    steps::{Came, Current},
    within::BlamedPost,
};
use shipway_workflow::{expr::Condition, run::Conclusion};

/// The post part of an action.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    /// The name shown to people.
    pub(crate) name: String,
    /// What to run.
    pub(crate) part: Part,
    /// `post-if`.
    pub(crate) condition: Condition,
    /// The step it belongs to.
    pub(crate) current: Current,
}

impl Job<'_> {
    /// Runs what is left to run, the last one first.
    pub(crate) async fn run_posts(&mut self, frame: &mut Frame) {
        while let Some(post) = self.posts.pop() {
            if self.stop.check().is_some() {
                frame.cancel();
            }
            let began = self.context.clock.now();
            let index = self.next_step;
            self.next_step += 1;
            let name = self.log.masker.mask(&post.name);
            self.log.send(ReportKind::StepStarted { index, name }).await;
            let (id, tolerant) = (post.current.id.clone(), post.current.tolerant.clone());
            let blamed = BlamedPost::of(&post.name, &post.part, &post.current);
            let came = self.run_post(frame, post, index).await;
            let mut conclusion = came.outcome;
            if came.failed() {
                self.blame_post(index, &blamed, came.exit_code).await;
                // The post part is as tolerant as its step, as on GitHub.
                match self.tolerates(frame, tolerant.as_ref(), &id) {
                    Ok(true) => conclusion = Conclusion::Success,
                    Ok(false) => {}
                    Err(found) => self.complain_of(index, &found).await,
                }
            }
            frame.count(conclusion);
            let duration = self.context.clock.now().since(began);
            let (outcome, exit_code) = (came.outcome, came.exit_code);
            let finished = ReportKind::StepFinished { index, outcome, conclusion, exit_code, duration };
            self.log.send(finished).await;
        }
    }

    async fn run_post(&mut self, frame: &Frame, post: Post, index: usize) -> Came {
        // What later steps wrote to GITHUB_ENV counts here too; the step's own variables win.
        let mut env = self.env.clone();
        env.extend(post.current.own_env.clone());
        let scope = post.part.scope(&self.scope(frame, &env, Some(&post.current.id)));
        let runs = post.condition.eval(&scope);
        let survives = post.condition.eval(&scope.cancelled()).unwrap_or(false);
        let current = Current { index, survives, scope, limit: None, ..post.current };
        match runs {
            Ok(false) => return Came::of(Conclusion::Skipped),
            Ok(true) => {}
            Err(found) => {
                self.complain_at(index, &current.source, current.span, &found.to_string()).await;
                return Came::of(Conclusion::Failure);
            }
        }
        self.log.line(Some(index), "Post job cleanup.").await;
        match self.run_part(&post.part, &current).await {
            Ok(came) => came,
            Err(error) => {
                self.complain_about(&current, &error).await;
                Came::of(error.outcome())
            }
        }
    }
}
