//! Slots of jobs that wait for something outside this machine, and so could be used by others meanwhile.

use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::Semaphore, time::sleep};

/// The place of a waiting job among the running ones, while another job may have it.
#[derive(Debug)]
pub(crate) struct Lent {
    slots: Arc<Semaphore>,
    owed: bool,
}

impl Lent {
    /// Lets another job have the slot.
    pub(crate) fn lend(slots: &Arc<Semaphore>) -> Lent {
        slots.add_permits(1);
        Lent { slots: slots.clone(), owed: true }
    }

    /// Waits until a slot is free again.
    pub(crate) async fn take_back(mut self) {
        // Where the slots are closed nothing is lent any more, and the job is about to be cancelled.
        if let Ok(permit) = self.slots.acquire().await {
            permit.forget();
        }
        self.owed = false;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.owed || self.slots.forget_permits(1) == 1 {
            return;
        }
        // Another job has it still; the next one that is free goes away, so that there is none too many.
        let slots = self.slots.clone();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Ok(permit) = slots.acquire().await {
                    permit.forget();
                }
            });
        }
    }
}

/// Waits for something that is done elsewhere. After a moment others may have the slot meanwhile.
pub(crate) async fn away<T>(slots: &Arc<Semaphore>, moment: Duration, waiting: impl Future<Output = T>) -> T {
    tokio::pin!(waiting);
    tokio::select! {
        biased;
        done = &mut waiting => return done,
        () = sleep(moment) => {}
    }
    let slot = Lent::lend(slots);
    let done = waiting.await;
    slot.take_back().await;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{sync::oneshot, task::yield_now};

    const MOMENT: Duration = Duration::ZERO;

    fn slots(count: usize) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(count))
    }

    #[tokio::test]
    async fn a_slot_is_lent_after_a_moment_and_taken_back() {
        let slots = slots(1);
        let own = slots.clone().acquire_owned().await.expect("a slot");
        assert_eq!(away(&slots, MOMENT, async { 7 }).await, 7);
        assert_eq!(slots.available_permits(), 0, "what is quick lends nothing");
        let (done, waiting) = oneshot::channel::<()>();
        let job = tokio::spawn({
            let slots = slots.clone();
            async move { away(&slots, MOMENT, waiting).await }
        });
        let other = slots.acquire().await.expect("the lent slot");
        done.send(()).expect("it waits");
        yield_now().await;
        assert!(!job.is_finished(), "there is no slot for it");
        drop(other);
        job.await.expect("joined").expect("told");
        assert_eq!(slots.available_permits(), 0);
        drop(own);
        assert_eq!(slots.available_permits(), 1);
    }

    #[tokio::test]
    async fn who_is_stopped_while_it_waits_leaves_no_slot_too_many() {
        for taken in [false, true] {
            let slots = slots(1);
            let own = slots.clone().acquire_owned().await.expect("a slot");
            let job = tokio::spawn({
                let slots = slots.clone();
                async move { away(&slots, MOMENT, std::future::pending::<()>()).await }
            });
            let other = slots.acquire().await.expect("the lent slot");
            let other = taken.then_some(other);
            job.abort();
            assert!(job.await.is_err());
            drop(own);
            drop(other);
            while slots.available_permits() != 1 {
                yield_now().await;
            }
            assert!(slots.try_acquire_many(2).is_err());
        }
    }
}
