//! The page of one rollout: how it goes in words, its steps, the split, the evidence, and what a person can do.

use super::{
    View, evidence, icons, instances,
    layout::heading,
    marks::{Mark, Tone, of_decision, of_phase},
    parts, rollouts,
};
use maud::{Markup, html};
use shipway_api::{
    CommandOffer, Decision, Rollout, RolloutCommand, RolloutEventKind, RolloutPhase, RolloutStep, StepKind,
    StepState,
};
use shipway_base::{Timestamp, human_duration};
use std::time::Duration;

/// The page.
pub fn view(rollout: &Rollout, now: Timestamp) -> View {
    let summary = &rollout.summary;
    let mark = of_phase(summary.phase);
    let mut view =
        View::new(format!("{} {}", summary.service, summary.release.version), "/rollouts", "rollout")
            .with("head", head(rollout, now))
            .with("verdict", verdict(rollout, now))
            .with("progress", progress(rollout, now))
            .with("commands", commands(rollout))
            .with("evidence", evidence::section(rollout))
            .with("instances", instances::section(&rollout.instances, now))
            .with("events", events(rollout));
    view.word = Some(mark.word.into());
    view.tone = mark.tone;
    view.lives_on(format!("/live/rollouts/{}", summary.id), now);
    view
}

fn head(rollout: &Rollout, now: Timestamp) -> Markup {
    let summary = &rollout.summary;
    let mark = of_phase(summary.phase);
    html! {
        p class="crumbs" { a href="/rollouts" { "Rollouts" } " / " (summary.service) }
        (heading(mark.tone, mark.shape, &html! { (summary.service) ": " (rollouts::way(summary)) }))
        p class="lead" { (summary.headline) }
        dl class="facts" {
            div { dt { "State" } dd { (mark.word) } }
            div { dt { "Release" } dd { (summary.release.version) " " code class="dim" { (summary.release.digest.short()) } } }
            @if let Some(from) = &summary.from {
                div { dt { "Before" } dd { (from.version) " " code class="dim" { (from.digest.short()) } } }
            }
            div { dt { "Began" } dd { (parts::ago(summary.created_at, now)) } }
            div { dt { "Took" } dd { (parts::took(Some(summary.created_at), summary.finished_at, now)) } }
            @if let Some(millis) = rollout.verdict_after_ms {
                div { dt { "Verdict after" } dd { (human_duration(Duration::from_millis(millis))) } }
            }
            @if let Some(run) = summary.run { div { dt { "Built by" } dd { a href={ "/runs/" (run) } { "this run" } } } }
        }
    }
}

/// The judgement in words, and why it does not go on.
fn verdict(rollout: &Rollout, now: Timestamp) -> Markup {
    let (mark, tone) = standing(rollout);
    html! {
        section class={ "box " (tone.class()) } aria-labelledby="verdict-title" {
            h2 id="verdict-title" {
                span class={ "sign " (mark.tone.class()) } { (icons::icon(mark.shape)) } (mark.word)
            }
            @if let Some(verdict) = &rollout.verdict {
                ul class="words" { @for words in verdict.words.iter().take(12) { li { (words) } } }
                @if let Some(needed) = &verdict.needed {
                    p {
                        "Still needed: " (parts::plural(needed.clients, "client"))
                        @if let Some(millis) = needed.duration_ms {
                            ", about " (human_duration(Duration::from_millis(millis))) " at the present rate"
                        }
                        "."
                    }
                }
                @if verdict.exposure.requests > 0 {
                    p class="dim" { (evidence::exposure(&rollout.summary.release.version, &verdict.exposure)) }
                }
                @if let Some(fixed) = &verdict.fixed_threshold { p class="dim" { (fixed) } }
            } @else if rollout.split.canary == 0 && !rollout.summary.phase.is_over() {
                p { "There is nothing to judge before the new version has traffic." }
            } @else {
                p { (rollout.summary.headline) }
            }
            @if !rollout.waiting.is_empty() {
                h3 { "Why is it waiting?" }
                ul class="words" {
                    @for reason in rollout.waiting.iter().take(12) {
                        li {
                            (reason.text)
                            @if let Some(until) = reason.until { " " span class="dim" { (parts::until(until, now)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The judgement as a mark. After a rollback nothing is called good, whatever the last measurement said.
fn standing(rollout: &Rollout) -> (Mark, Tone) {
    let phase = rollout.summary.phase;
    let decision = rollout.verdict.as_ref().map(|verdict| verdict.decision);
    let mark = match (phase, decision) {
        (
            RolloutPhase::RollingBack | RolloutPhase::RolledBack | RolloutPhase::Failed,
            Some(Decision::Regressed),
        ) => of_decision(Decision::Regressed),
        (
            RolloutPhase::RollingBack
            | RolloutPhase::RolledBack
            | RolloutPhase::Failed
            | RolloutPhase::Promoted
            | RolloutPhase::Superseded,
            _,
        ) => of_phase(phase),
        (RolloutPhase::Progressing | RolloutPhase::Paused, Some(decision)) => of_decision(decision),
        (RolloutPhase::Progressing | RolloutPhase::Paused, None) => of_phase(phase),
    };
    (mark, mark.tone)
}

/// The rail of steps, and the split below it.
fn progress(rollout: &Rollout, now: Timestamp) -> Markup {
    html! {
        h2 { "Steps" }
        @if rollout.steps.is_empty() {
            p class="dim" { "The strategy has no steps: everyone gets the release once its instances are ready." }
        } @else {
            ol class="rail" {
                @for step in rollout.steps.iter().take(40) { (self::step(step, now)) }
            }
        }
        (split(rollout))
    }
}

fn step(step: &RolloutStep, now: Timestamp) -> Markup {
    let (class, word) = match step.state {
        StepState::Done => ("done", "Done"),
        StepState::Current => ("current", "Now"),
        StepState::Ahead => ("ahead", "Ahead"),
        StepState::Failed => ("failed", "Failed here"),
        StepState::Skipped => ("passed", "Skipped"),
    };
    html! {
        li class=(class) aria-current=[(step.state == StepState::Current).then_some("step")] {
            span class="knob" aria-hidden="true" {}
            strong {
                @match &step.kind {
                    StepKind::SetWeight { share } => (parts::share(*share)),
                    StepKind::Pause { duration_ms: Some(millis) } => { "Pause " (human_duration(Duration::from_millis(*millis))) },
                    StepKind::Pause { duration_ms: None } => "Approval",
                    StepKind::Analysis { .. } => "Analysis",
                }
            }
            @if let StepKind::Analysis { templates } = &step.kind { span class="dim" { (templates.join(", ")) } }
            span class="dim" { (word) @if step.entered_at.is_some() { ", " (parts::took(step.entered_at, step.left_at, now)) } }
        }
    }
}

fn split(rollout: &Rollout) -> Markup {
    let split = &rollout.split;
    let summary = &rollout.summary;
    let canary = f64::from(split.canary.min(10_000)) / 100.0;
    let before = summary.from.as_ref().map_or("nothing", |from| from.version.as_str());
    let words = format!(
        "{} of clients get {}, {} get {before}",
        parts::share(split.canary),
        summary.release.version,
        parts::share(10_000 - split.canary.min(10_000)),
    );
    html! {
        figure class="split" {
            svg viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label=(words) {
                rect class="stable" width="100" height="4" {}
                rect class="canary" width=(canary) height="4" {}
                @if split.wanted != split.canary && split.wanted > 0 && split.wanted < 10_000 {
                    rect class="wanted" x=(f64::from(split.wanted) / 100.0 - 0.2) width="0.4" height="4" {}
                }
            }
            figcaption {
                span class="key canary" {} strong { (parts::share(split.canary)) } " " (summary.release.version)
                @if split.wanted != split.canary { span class="dim" { " (wanted: " (parts::share(split.wanted)) ")" } }
                @if summary.phase.is_over() { span class="dim" { " when it ended" } }
                span class="gap" {}
                @if summary.from.is_some() {
                    span class="key stable" {} strong { (parts::share(10_000 - split.canary.min(10_000))) } " " (before)
                }
            }
        }
        @if let Some(reason) = &split.closed { p class="why" { "Nothing is served: " (reason) } }
        p class=(if split.dropped == 0 { "dim" } else { "why" }) {
            (parts::plural(split.dropped, "request")) " failed by the shifting itself."
        }
    }
}

/// What a person can do, and what each would do.
fn commands(rollout: &Rollout) -> Markup {
    let possible: Vec<&CommandOffer> = rollout.commands.iter().filter(|offer| offer.possible).collect();
    let others: Vec<&CommandOffer> = rollout.commands.iter().filter(|offer| !offer.possible).collect();
    html! {
        @if !rollout.commands.is_empty() {
            h2 { "What you can do" }
            @if possible.is_empty() { p class="dim" { "Nothing at this moment." } }
            @for offer in possible { (command(rollout, offer)) }
            @if !others.is_empty() {
                details {
                    summary class="dim" { "Not possible now" }
                    dl class="others" {
                        @for offer in others { dt { (label(offer.command)) } dd class="dim" { (offer.effect) } }
                    }
                }
            }
        }
    }
}

fn command(rollout: &Rollout, offer: &CommandOffer) -> Markup {
    let segment = offer.command.segment();
    let action = format!("/rollouts/{}/{segment}", rollout.summary.id);
    let effect = format!("effect-{segment}");
    let named = match offer.command {
        RolloutCommand::Abort | RolloutCommand::Undo => true,
        RolloutCommand::Promote
        | RolloutCommand::PromoteFull
        | RolloutCommand::Pause
        | RolloutCommand::Resume
        | RolloutCommand::Retry => false,
    };
    let class = match offer.command {
        RolloutCommand::Abort => "danger",
        RolloutCommand::Promote | RolloutCommand::Resume => "main",
        RolloutCommand::PromoteFull
        | RolloutCommand::Pause
        | RolloutCommand::Retry
        | RolloutCommand::Undo => "",
    };
    let form = html! {
        form class="command-form" method="post" action=(action) {
            p id=(effect) { (offer.effect) }
            @if offer.command == RolloutCommand::Promote {
                // The step that the page shows: a form that is sent twice, or late, skips no other one.
                input type="hidden" name="step" value=(rollout.summary.steps_done + 1);
            }
            @if let Some(from) = rollout.summary.from.as_ref().filter(|_| offer.command == RolloutCommand::Undo) {
                // As well: an undo is not undone by pressing twice.
                input type="hidden" name="to" value=(from.id);
            }
            @if named {
                input type="text" name="reason" id={ "reason-" (segment) } maxlength="300"
                    placeholder="Why, for the record" aria-label="Why, for the record";
            }
            button class=(class) aria-describedby=(effect) { (label(offer.command)) }
        }
    };
    match offer.command {
        // What gives everyone another version asks twice: the button is behind a fold that tells what will happen.
        RolloutCommand::PromoteFull | RolloutCommand::Undo => html! {
            details class="twice" { summary { (label(offer.command)) "…" } (form) }
        },
        RolloutCommand::Promote
        | RolloutCommand::Pause
        | RolloutCommand::Resume
        | RolloutCommand::Abort
        | RolloutCommand::Retry => form,
    }
}

fn label(command: RolloutCommand) -> &'static str {
    match command {
        RolloutCommand::Promote => "Promote",
        RolloutCommand::PromoteFull => "Promote fully",
        RolloutCommand::Pause => "Pause",
        RolloutCommand::Resume => "Resume",
        RolloutCommand::Abort => "Abort",
        RolloutCommand::Retry => "Retry",
        RolloutCommand::Undo => "Undo",
    }
}

fn events(rollout: &Rollout) -> Markup {
    html! {
        @if !rollout.events.is_empty() {
            h2 { "What happened" }
            ol class="events" {
                @for event in rollout.events.iter().take(50) {
                    li class=(event_class(event.kind)) {
                        (parts::time_of_day(event.at))
                        span {
                            (event.text)
                            @if let Some(by) = event.by.as_deref().filter(|by| !event.text.contains(by)) { span class="dim" { " (" (by) ")" } }
                            @if !event.details.is_empty() {
                                details {
                                    summary { "The numbers" }
                                    @for detail in &event.details { p { (detail) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn event_class(kind: RolloutEventKind) -> &'static str {
    match kind {
        RolloutEventKind::Started | RolloutEventKind::Step | RolloutEventKind::Traffic => "busy",
        RolloutEventKind::Instance | RolloutEventKind::Superseded => "quiet",
        RolloutEventKind::Verdict | RolloutEventKind::Command => "wait",
        RolloutEventKind::Promoted => "good",
        RolloutEventKind::RolledBack | RolloutEventKind::Failed => "bad",
    }
}
