//! Which pushes were seen: found in the repository's refs by the one who watches it, or told by a forge.
//!
//! A push is seen twice where the repository follows its origin: told by the forge, and found in the refs. Two quick ones are
//! told as two and may be found as one, so that what they went from and to does not show that they are the same. Whoever reads
//! and then writes here lets nobody else do so meanwhile.

use shipway_store::{Store, StoreError, put_setting};
use std::collections::BTreeMap;

/// Refs and what they point to.
pub(crate) type Refs = BTreeMap<String, String>;

/// The setting that holds the refs as they were last found.
const SEEN: &str = "watch.refs";

/// The setting that holds what was told of each ref since it was last found to have moved.
const TOLD: &str = "hook.refs";

/// The setting that holds the push whose runs are being made; empty when there is none.
const BEGUN: &str = "hook.begun";

/// As many pushes of one ref are remembered that were told and not found: a clone that somebody works in finds few of them.
const MOST_TOLD: usize = 50;

/// Commits that refs were told to be at, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told(BTreeMap<String, Vec<String>>);

impl Told {
    /// Whether a ref was told to be at a commit.
    pub(crate) fn has(&self, reference: &str, sha: &str) -> bool {
        self.0.get(reference).is_some_and(|told| told.iter().any(|told| told == sha))
    }

    fn add(&mut self, reference: &str, sha: &str) {
        let told = self.0.entry(reference.to_owned()).or_default();
        told.push(sha.to_owned());
        told.drain(..told.len().saturating_sub(MOST_TOLD));
    }

    fn text(&self) -> String {
        let lines = self.0.iter().map(|(name, told)| (name.clone(), told.join(" ")));
        text(&lines.collect())
    }

    fn parse(stored: &str) -> Told {
        let lines = parse(stored).into_iter();
        Told(lines.map(|(name, told)| (name, told.split(' ').map(str::to_owned).collect())).collect())
    }
}

/// The refs as they were last found; none before the very first look.
pub(crate) async fn seen(store: &Store) -> Result<Option<Refs>, StoreError> {
    Ok(store.setting(SEEN).await?.map(|stored| parse(&String::from_utf8_lossy(&stored))))
}

/// Remembers the refs as they were found, when the runs of those that moved are made.
pub(crate) async fn put_seen(store: &Store, refs: &Refs, moved: &[&str]) -> Result<(), StoreError> {
    store.put_setting(SEEN, text(refs).into_bytes()).await?;
    // A crash before the rest leaves what was told of a ref. It counts only where the ref is found to move to just that commit.
    let mut told = told(store).await?;
    let known = told.0.len();
    told.0.retain(|name, _| !moved.contains(&name.as_str()));
    if told.0.len() == known { Ok(()) } else { store.put_setting(TOLD, told.text().into_bytes()).await }
}

/// What was told of each ref, and not found yet.
pub(crate) async fn told(store: &Store) -> Result<Told, StoreError> {
    let stored = store.setting(TOLD).await?.unwrap_or_default();
    Ok(Told::parse(&String::from_utf8_lossy(&stored)))
}

/// A push whose runs are being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// The full ref.
    pub(crate) reference: String,
    /// What it pointed to before.
    pub(crate) before: String,
    /// The commit.
    pub(crate) sha: String,
    /// The body of the webhook.
    pub(crate) payload: String,
}

/// Remembers a push before its runs are made. Whoever watches the refs would take it for another one when a crash came
/// between the runs and the remembering that they were made: two pushes may be found as one.
pub(crate) async fn begin(store: &Store, push: &Begun) -> Result<(), StoreError> {
    let Begun { reference, before, sha, payload } = push;
    store.put_setting(BEGUN, format!("{reference}\n{before}\n{sha}\n{payload}").into_bytes()).await
}

/// The push whose runs were being made when the process ended.
pub(crate) async fn begun(store: &Store) -> Result<Option<Begun>, StoreError> {
    let stored = store.setting(BEGUN).await?.unwrap_or_default();
    let text = String::from_utf8_lossy(&stored).into_owned();
    let mut lines = text.splitn(4, '\n').map(str::to_owned);
    let mut next = || lines.next();
    Ok(match (next(), next(), next(), next()) {
        (Some(reference), Some(before), Some(sha), Some(payload)) => {
            Some(Begun { reference, before, sha, payload })
        }
        _ => None,
    })
}

/// Remembers that a ref was told to be at a commit, when the runs of that are made.
pub(crate) async fn tell(store: &Store, reference: &str, sha: &str) -> Result<(), StoreError> {
    let mut told = told(store).await?;
    told.add(reference, sha);
    let now = store.clock().now();
    store
        .batch(vec![put_setting(TOLD, told.text().into_bytes(), now), put_setting(BEGUN, Vec::new(), now)])
        .await
}

/// Forgets what was told of a ref that is gone.
pub(crate) async fn forget(store: &Store, reference: &str) -> Result<(), StoreError> {
    let mut told = told(store).await?;
    if told.0.remove(reference).is_none() {
        return Ok(());
    }
    store.put_setting(TOLD, told.text().into_bytes()).await
}

/// Whether a ref was found at a commit before that was told.
pub(crate) async fn is_known(store: &Store, reference: &str, sha: &str) -> Result<bool, StoreError> {
    if told(store).await?.0.contains_key(reference) {
        // The forge is ahead of the repository here.
        return Ok(false);
    }
    Ok(seen(store).await?.is_some_and(|seen| seen.get(reference).is_some_and(|seen| seen == sha)))
}

fn text(refs: &Refs) -> String {
    refs.iter().map(|(name, sha)| format!("{name} {sha}\n")).collect()
}

fn parse(text: &str) -> Refs {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, sha)| (name.into(), sha.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_kept_as_text() {
        let refs = Refs::from([
            ("refs/heads/main".to_owned(), "a".repeat(40)),
            ("refs/tags/v1".to_owned(), "b".repeat(40)),
        ]);
        assert_eq!(parse(&text(&refs)), refs);
        assert_eq!(parse(""), Refs::new());
    }

    #[test]
    fn what_was_told_is_kept_within_bounds() {
        let mut told = Told::default();
        for number in 0..60 {
            told.add("refs/heads/main", &format!("{number:040}"));
        }
        told.add("refs/tags/v1", "a");
        assert_eq!(Told::parse(&told.text()), told);
        assert_eq!(Told::parse(""), Told::default());
        let main = |number: u32| told.has("refs/heads/main", &format!("{number:040}"));
        assert!(!main(9) && main(10) && main(59) && !told.has("refs/heads/other", "a"));
    }
}
