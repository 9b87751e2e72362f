//! What a forge tells is written down before anything is done about it, and forgotten when that is done: a forge waits ten seconds
//! for an answer, and the merge of a pull request, or a slow origin, takes longer.

use super::{HookError, RunError, Runs};
use crate::{
    backend::{BackendError, BackendErrorKind, Hook},
    control::world::unavailable,
};
use shipway_api as api;
use shipway_base::{Digest, Timestamp};
use shipway_store::{StoreError, forget_setting};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What the names of settings begin with that hold what was told.
const HEARD: &str = "heard ";

/// So many things that were told are seen to at once; a forge is refused more.
pub(in crate::control::runs) const MOST_HEARD: usize = 64;

/// Their bodies are at most so long together, in KiB: all of them are in memory, and a body of small objects takes there a dozen times
/// its length. One of the largest fits beside others.
pub(in crate::control::runs) const MOST_KIB: usize = 32 << 10;

/// What is wrong while something that was told cannot be done.
const HEARING: &str = "doing what a webhook asked for";

/// The longest pause before it is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// For so long it is tried again.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// Something that was told.
struct Heard {
    hook: Hook,
    at: Timestamp,
}

/// Room for one of them, and for its body.
#[derive(Debug)]
#[expect(dead_code, reason = "held for what its end does")]
struct Turn(OwnedSemaphorePermit, OwnedSemaphorePermit);

/// Who waits for the outcome, as long as it does.
type Asker = oneshot::Sender<Result<api::HookOutcome, BackendError>>;

impl Runs {
    /// Makes the runs that an event of the forge asks for. The same delivery makes them once. One that takes long is answered before
    /// they are made, and makes them all the same, also after a crash.
    pub(crate) async fn hook(self: &Arc<Self>, hook: Hook) -> Result<api::HookOutcome, BackendError> {
        self.check(&hook)?;
        let context = context(&hook);
        let refused =
            |why| BackendError { context: context.clone(), kind: BackendErrorKind::Unavailable(why) };
        let turn = self.turn(&hook).map_err(refused)?;
        let heard = Heard { hook, at: self.world.clock.now() };
        let kept = self.world.store.put_setting(&heard.name(), heard.text().into_bytes()).await;
        kept.map_err(|error| unavailable(&context, error))?;
        let (asker, told) = oneshot::channel();
        self.world.tasks.spawn(self.clone().see_to(heard, Some(asker), turn));
        match tokio::time::timeout(self.settings.answer_within, told).await {
            Ok(Ok(outcome)) => outcome,
            // It takes long, or the process stops and goes on with it when it is started again.
            Err(_) | Ok(Err(_)) => {
                let waiting =
                    "it is written down, and its runs are made when its commits are here".to_owned();
                Ok(api::HookOutcome { waiting: Some(waiting), ..api::HookOutcome::default() })
            }
        }
    }

    /// Room for a webhook, or why there is none.
    fn turn(&self, hook: &Hook) -> Result<Turn, String> {
        let Ok(one) = self.hearing.clone().try_acquire_owned() else {
            return Err(format!("{MOST_HEARD} webhooks are being seen to already"));
        };
        match self.hearing_kib.clone().try_acquire_many_owned(kib(hook)) {
            Ok(kib) => Ok(Turn(one, kib)),
            Err(_) => Err(format!("webhooks of {} MiB are being seen to already", MOST_KIB >> 10)),
        }
    }

    /// Goes on with what was told before the process ended.
    pub(crate) async fn resume_heard(self: &Arc<Self>) -> Result<(), StoreError> {
        for (name, stored) in self.world.store.settings_like(HEARD).await? {
            let Some(heard) = Heard::parse(&String::from_utf8_lossy(&stored)) else {
                tracing::error!(name, "what a webhook told cannot be read any more");
                self.world.store.batch(vec![forget_setting(&name)]).await?;
                continue;
            };
            let runs = self.clone();
            self.world.tasks.spawn(async move {
                let (one, kib) = (runs.hearing.clone(), runs.hearing_kib.clone());
                // The semaphores are never closed.
                if let Ok(one) = one.acquire_owned().await
                    && let Ok(kib) = kib.acquire_many_owned(self::kib(&heard.hook)).await
                {
                    runs.see_to(heard, None, Turn(one, kib)).await;
                }
            });
        }
        Ok(())
    }

    /// Does what was told until it is done, or the process stops.
    async fn see_to(self: Arc<Self>, heard: Heard, asker: Option<Asker>, turn: Turn) {
        let stopping = self.world.stopping.clone();
        tokio::select! {
            () = stopping.cancelled() => {}
            () = self.try_until_done(&heard, asker) => {}
        }
        drop(turn);
    }

    async fn try_until_done(self: &Arc<Self>, heard: &Heard, mut asker: Option<Asker>) {
        let mut pause = self.settings.merge_wait;
        loop {
            let made = self.make_told(&heard.hook).await;
            let trouble = match &made {
                Ok(_) | Err(HookError::Payload(_)) => None,
                Err(HookError::NoOrigin(why)) => Some(why.clone()),
                Err(HookError::Run(error)) => Some(error.to_string()),
            };
            if trouble.is_none() {
                self.forget_heard(heard).await;
            }
            if let Some(asker) = asker.take()
                && asker.send(made.map_err(|error| answer(&heard.hook, error))).is_ok()
            {
                // Whoever is told that it failed tells again.
                if trouble.is_some() {
                    self.forget_heard(heard).await;
                }
                return;
            }
            let Some(trouble) = trouble else { return self.world.well(HEARING) };
            if self.world.clock.now().since(heard.at) > PATIENCE {
                tracing::error!("the webhook {} is given up after a day: {trouble}", heard.hook.event);
                return self.forget_heard(heard).await;
            }
            self.world.trouble(HEARING, format_args!("{}: {trouble}", heard.hook.event));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn forget_heard(&self, heard: &Heard) {
        // What stays is done once more at the next start, and makes its runs once.
        if let Err(error) = self.world.store.batch(vec![forget_setting(&heard.name())]).await {
            tracing::warn!(%error, "a webhook that was seen to is not forgotten");
        }
    }
}

pub(super) fn context(hook: &Hook) -> String {
    format!("answering the webhook {}", hook.event)
}

/// The length of a body in KiB, of which there are never more than all of them may have.
fn kib(hook: &Hook) -> u32 {
    let kib = hook.body.len().div_ceil(1 << 10).min(MOST_KIB);
    u32::try_from(kib).unwrap_or(u32::MAX)
}

fn answer(hook: &Hook, error: HookError) -> BackendError {
    let context = context(hook);
    match error {
        HookError::Payload(why) => BackendError { context, kind: BackendErrorKind::Invalid(why) },
        HookError::NoOrigin(why) => BackendError { context, kind: BackendErrorKind::NoOrigin(why) },
        HookError::Run(RunError::Store(error)) => unavailable(&context, error),
        HookError::Run(error) => BackendError::internal(context, error),
    }
}

impl Heard {
    /// The name of its setting: what is sent again has the same.
    fn name(&self) -> String {
        let Hook { event, delivery, body, .. } = &self.hook;
        let delivery = delivery.as_deref().unwrap_or_default();
        let parts = [event, "\n", delivery, "\n", body].map(str::as_bytes);
        format!("{HEARD}{}", Digest::of_parts(&parts).hex())
    }

    fn text(&self) -> String {
        let Hook { event, delivery, body, .. } = &self.hook;
        format!("{}\n{event}\n{}\n{body}", self.at.as_millis(), delivery.as_deref().unwrap_or_default())
    }

    fn parse(stored: &str) -> Option<Heard> {
        let mut lines = stored.splitn(4, '\n');
        let at = Timestamp::from_millis(lines.next()?.parse().ok()?);
        let (event, delivery, body) = (lines.next()?, lines.next()?, lines.next()?);
        let delivery = Some(delivery).filter(|delivery| !delivery.is_empty()).map(str::to_owned);
        let hook = Hook::read(event.to_owned(), delivery, body.to_owned()).ok()?;
        Some(Heard { hook, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Names of events and deliveries are values of headers, which have no line ends.
        #[test]
        fn what_is_heard_is_read_again(event in "[!-~]{1,20}", delivery in proptest::option::of("[!-~]{1,20}"), word in "\\PC*") {
            let payload = serde_json::json!({ "word": word, "lines": "a\nb" });
            let body = format!("{payload:#}");
            let hook = Hook::read(event, delivery, body).expect("JSON");
            let heard = Heard { hook, at: Timestamp::from_millis(7) };
            let again = Heard::parse(&heard.text()).expect("it is read");
            prop_assert_eq!((&again.hook, again.at, again.name()), (&heard.hook, heard.at, heard.name()));
        }

        #[test]
        fn no_text_is_more_than_not_understood(text in "\\PC*|([0-9]{1,30}\n)?\\PC*\n\\PC*\n(\\{\\}|\\PC*)") {
            let _heard = Heard::parse(&text);
        }
    }
}
