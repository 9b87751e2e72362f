//! What a forge has and this repository has not yet: asked for when a forge says that something happened there.

use super::{Git, GitError};
use std::{collections::BTreeMap, time::Duration};

/// A large repository takes its time; whoever sends nothing for half a minute is given up long before.
const PATIENCE: Duration = Duration::from_secs(600);

/// A server that sends nothing is given up.
const SETTINGS: [&str; 4] = ["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30"];

impl Git {
    /// The objects that refs of `origin` name there now, by the refs; those that it does not have are left out.
    ///
    /// # Errors
    /// When there is no `origin`, or it does not answer.
    pub async fn remote_refs(&self, references: &[&str]) -> Result<BTreeMap<String, String>, GitError> {
        let mut question = vec!["ls-remote", "--quiet", "origin"];
        question.extend(references);
        let text = self.ask_far(&question).await?;
        // The end of a longer name fits too.
        let found = text.lines().filter_map(|line| line.split_once('\t'));
        let found = found.filter(|(_, name)| references.contains(name));
        Ok(found.map(|(sha, name)| (name.to_owned(), sha.to_owned())).collect())
    }

    /// Brings what refs of `origin` name, or objects themselves, here and moves no ref.
    ///
    /// # Errors
    /// When there is no `origin` or none of these refs or objects, or it does not answer.
    pub async fn fetch_objects(&self, wanted: &[&str]) -> Result<(), GitError> {
        let mut question =
            vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "origin"];
        question.extend(wanted);
        self.ask_far(&question).await.map(drop)
    }

    /// Fetches from `origin` as the repository says that it is fetched from: a mirror's branches move, a clone's
    /// remote-tracking branches do.
    ///
    /// # Errors
    /// When there is no `origin`, or it does not answer.
    pub async fn fetch(&self) -> Result<(), GitError> {
        self.ask_far(&["fetch", "--quiet", "--no-write-fetch-head", "origin"]).await.map(drop)
    }

    async fn ask_far(&self, question: &[&str]) -> Result<String, GitError> {
        self.ask_within(PATIENCE, &[&SETTINGS, question].concat()).await
    }
}
