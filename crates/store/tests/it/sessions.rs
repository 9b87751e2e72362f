//! Signing in, and keys that are made once.

use crate::support::{run, store};
use shipway_base::Secret;
use std::{fs, time::Duration};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_token_opens_one_session() {
    let (dir, store, hand) = store();
    run(async move {
        let (token, key) = (Secret::new("token-0123456789"), Secret::new("session-0123456789"));
        store.offer_sign_in(&token, "operator", HOUR).await.unwrap();
        assert_eq!(store.sign_in(&Secret::new("guess"), &key, HOUR).await.unwrap(), None);
        let session = store.sign_in(&token, &key, HOUR).await.unwrap().unwrap();
        assert_eq!(session.user, "operator");
        assert_eq!(store.sign_in(&token, &Secret::new("other"), HOUR).await.unwrap(), None, "used");
        assert_eq!(store.session(&key).await.unwrap(), Some(session));
        assert_eq!(store.session(&Secret::new("other")).await.unwrap(), None);
        for name in ["shipway.db", "shipway.db-wal"] {
            let bytes = fs::read(dir.path().join(name)).unwrap();
            for secret in [&token, &key] {
                let text = secret.expose().as_bytes();
                assert!(!bytes.windows(text.len()).any(|window| window == text), "a secret is in {name}");
            }
        }
        hand.advance(HOUR);
        assert_eq!(store.session(&key).await.unwrap(), None, "over");
    });
}

#[test]
fn a_session_ends_when_told_and_a_token_when_old() {
    let (_dir, store, hand) = store();
    run(async move {
        let (token, key) = (Secret::new("token"), Secret::new("session"));
        store.offer_sign_in(&token, "operator", HOUR).await.unwrap();
        store.sign_in(&token, &key, 2 * HOUR).await.unwrap().unwrap();
        store.sign_out(&key).await.unwrap();
        assert_eq!(store.session(&key).await.unwrap(), None);
        let late = Secret::new("late");
        store.offer_sign_in(&late, "operator", HOUR).await.unwrap();
        hand.advance(HOUR);
        assert_eq!(store.sign_in(&late, &key, HOUR).await.unwrap(), None);
    });
}

#[test]
fn a_key_is_made_once() {
    let (_dir, store, _) = store();
    run(async move {
        let tries: Vec<_> = (0..8_u8)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { store.setting_or("affinity key", vec![number]).await.unwrap() })
            })
            .collect();
        let mut keys = Vec::new();
        for attempt in tries {
            keys.push(attempt.await.unwrap());
        }
        keys.dedup();
        assert_eq!(keys.len(), 1, "everyone got the same key");
        assert_eq!(store.setting("affinity key").await.unwrap().as_ref(), keys.first());
        store.put_setting("affinity key", b"other".to_vec()).await.unwrap();
        assert_eq!(store.setting_or("affinity key", b"fresh".to_vec()).await.unwrap(), b"other");
        assert_eq!(store.setting("unknown").await.unwrap(), None);
        store.put_setting("affinity", b"shorter".to_vec()).await.unwrap();
        store.put_setting("affinity key of another", b"longer".to_vec()).await.unwrap();
        store.put_setting("affinitz", b"beside".to_vec()).await.unwrap();
        let names = async || {
            let found = store.settings_like("affinity key").await.unwrap();
            found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names().await, ["affinity key", "affinity key of another"]);
        store.batch(vec![shipway_store::forget_setting("affinity key")]).await.unwrap();
        assert_eq!(names().await, ["affinity key of another"]);
    });
}
