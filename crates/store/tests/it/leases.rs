//! Leases under a virtual clock.

use crate::support::{event, run, store};
use shipway_store::{Append, Expected, StoreError};
use std::time::Duration;

const TERM: Duration = Duration::from_secs(10);

#[test]
fn a_lease_passes_on_only_when_it_lapses() {
    let (_dir, store, hand) = store();
    run(async move {
        let first = store.claim("loop", "a", TERM).await.unwrap().unwrap();
        assert_eq!((first.token, first.expires), (1, hand.now() + TERM));
        assert_eq!(store.claim("loop", "b", TERM).await.unwrap(), None);
        hand.advance(TERM - Duration::from_micros(1));
        assert_eq!(store.claim("loop", "b", TERM).await.unwrap(), None);
        let renewed = store.renew(&first, TERM).await.unwrap();
        assert_eq!(renewed.token, 1);
        hand.advance(TERM);
        assert_eq!(store.lease("loop").await.unwrap(), None);
        let error = store.renew(&renewed, TERM).await.unwrap_err();
        assert_eq!(error.code(), "SW0603");
        let second = store.claim("loop", "b", TERM).await.unwrap().unwrap();
        assert_eq!((second.holder.as_str(), second.token), ("b", 2));
        assert_eq!(store.lease("loop").await.unwrap(), Some(second.clone()));
        store.release(&first).await.unwrap();
        assert_eq!(store.lease("loop").await.unwrap(), Some(second.clone()), "not the first one's to give");
        store.release(&second).await.unwrap();
        assert_eq!(store.claim("loop", "a", TERM).await.unwrap().unwrap().token, 3);
    });
}

#[test]
fn a_late_write_is_refused() {
    let (_dir, store, hand) = store();
    run(async move {
        let write = |fence| Append::new("s", Expected::Any).events(vec![event("x", b"1")]).fence(fence);
        let old = store.claim("loop", "a", TERM).await.unwrap().unwrap();
        store.commit(write(old.fence())).await.unwrap();
        // The same holder after a restart gets a new token, and its former self is shut out.
        let new = store.claim("loop", "a", TERM).await.unwrap().unwrap();
        let error = store.commit(write(old.fence())).await.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { token: 1, .. }), "{error}");
        store.commit(write(new.fence())).await.unwrap();
        hand.advance(TERM);
        let error = store.commit(write(new.fence())).await.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { token: 2, .. }), "lapsed: {error}");
        assert_eq!(store.read("s", 1).await.unwrap().len(), 2);
    });
}

#[test]
fn one_of_many_claims_wins() {
    let (_dir, store, _) = store();
    run(async move {
        let claims: Vec<_> = (0..16)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { store.claim("loop", &number.to_string(), TERM).await.unwrap() })
            })
            .collect();
        let mut granted = 0;
        for claim in claims {
            granted += usize::from(claim.await.unwrap().is_some());
        }
        assert_eq!(granted, 1);
    });
}
