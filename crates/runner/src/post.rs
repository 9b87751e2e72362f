//! What actions want to run when all steps have: in reverse order, each under its own condition.

use crate::{
    action::Part,
    job::{Frame, Job},
    report::ReportKind,
    scope::Halt,
    steps::{Came, Current},
    within::BlamedPost,
};
use shipway_workflow::{action::Action, expr::Condition, run::Conclusion};
use std::sync::Arc;

/// The post part of an action.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    /// When it was asked for, by a number that grows with each, whichever step beside others asked.
    pub(crate) order: usize,
    /// The name shown to people.
    pub(crate) name: String,
    /// What to run.
    pub(crate) part: Part,
    /// The manifest of the action, where one was read.
    pub(crate) action: Option<Arc<Action>>,
    /// `post-if`.
    pub(crate) condition: Condition,
    /// The step it belongs to.
    pub(crate) current: Current,
}

impl Job<'_> {
    /// Remembers what is to run when all steps have; once a step, whose pre part may have asked for it before.
    pub(crate) fn keep_post(&mut self, post: Post) {
        match self.posts.iter_mut().find(|known| known.current.place == post.current.place) {
            Some(known) => *known = Post { order: known.order, ..post },
            None => {
                let at = self.posts.partition_point(|known| known.order < post.order);
                self.posts.insert(at, post);
            }
        }
    }

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
            let current = post.current.clone();
            let blamed = BlamedPost::of(&post.name, &post.part, &current);
            let came = self.run_post(frame, post, index).await;
            let mut conclusion = came.outcome;
            if came.failed() {
                self.blame_post(index, &blamed, came.exit_code).await;
                // The post part is as tolerant as its step, as on GitHub.
                match self.tolerates_part(frame, &current) {
                    Ok(true) if !came.unbegun => conclusion = Conclusion::Success,
                    Ok(_) => {}
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
        let unbegun = Came { unbegun: true, ..Came::of(Conclusion::Failure) };
        let Some(call) = post.current.call.clone() else {
            self.complain(Some(index), "no step with uses is known for this post part", None).await;
            return unbegun;
        };
        // What later steps wrote to GITHUB_ENV counts here too; the step's own variables win.
        let anew = match self.anew(frame, &call) {
            Ok(anew) => anew,
            Err(error) => {
                self.complain_about(&post.current, &error).await;
                return unbegun;
            }
        };
        let scope = post.part.scope(&anew.scope);
        let (runs, survives) = match post.condition.eval(&scope) {
            Ok(runs) => (runs, post.condition.eval(&scope.cancelled()).unwrap_or(false)),
            Err(found) => {
                let Current { source, span, .. } = &post.current;
                self.complain_at(index, source, *span, &found.to_string()).await;
                return unbegun;
            }
        };
        if !runs {
            return Came::of(Conclusion::Skipped);
        }
        let limit = match self.limit_anew(&call, frame) {
            Ok(limit) => limit,
            Err(found) => {
                self.tell_no_limit(index, &found).await;
                None
            }
        };
        let inputs = self.given_anew(post.action.as_deref(), &call, &anew, &post.current.id);
        let mut current = Current { index, survives, scope, limit, own_env: anew.own_env, ..post.current };
        current.scope.halt = Some(Halt { stop: self.stop.clone(), survives, limit });
        self.log.line(Some(index), "Post job cleanup.").await;
        let ran = match inputs.and_then(|inputs| post.part.with_inputs(inputs)) {
            Ok(part) => self.run_part(&part, &current).await,
            Err(error) => Err(error),
        };
        match ran {
            Ok(came) => came,
            Err(error) => {
                self.complain_about(&current, &error).await;
                Came::of(error.outcome())
            }
        }
    }
}
