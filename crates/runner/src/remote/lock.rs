//! The lock file of a run's own repository, at the state that the run is about.

use super::ActionStore;
use crate::{
    context::{Repository, Revision},
    error::{ErrorKind, RunnerError},
};
use shipway_base::Source;
use shipway_workflow::lock::{Lock, PATH};
use std::{fs, io};

/// GitHub's limit on a file of workflows.
const MOST_BYTES: u64 = 1 << 20;

impl ActionStore {
    /// The lock; none where the repository has no such file.
    ///
    /// # Errors
    /// [`ErrorKind::Unlocked`] for a file that cannot be read or is no lock file: what is bound by it must not run then.
    pub(crate) async fn lock(&self, own: &Repository) -> Result<Option<Lock>, RunnerError> {
        let refused = |why: String| RunnerError::new(ErrorKind::Unlocked, format!("{PATH}: {why}"));
        let text = match &own.revision {
            Revision::WorkingTree => {
                let path = own.path.join(PATH);
                match fs::symlink_metadata(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(refused(error.to_string())),
                    Ok(about) if !about.is_file() || about.len() > MOST_BYTES => {
                        return Err(refused(format!("it is no file of at most {MOST_BYTES} bytes")));
                    }
                    Ok(_) => fs::read(&path).map_err(|error| refused(error.to_string()))?,
                }
            }
            Revision::Commit(commit) => {
                let listed = self.git.ask(&own.path, &["ls-tree", "--name-only", commit, PATH]).await?;
                if !listed.ok {
                    return Err(refused(listed.why()));
                }
                if listed.text().trim().is_empty() {
                    return Ok(None);
                }
                let said =
                    self.git.ask(&own.path, &["cat-file", "blob", &format!("{commit}:{PATH}")]).await?;
                if !said.ok {
                    return Err(refused(said.why()));
                }
                said.bytes().to_vec()
            }
        };
        let text = String::from_utf8(text).map_err(|_| refused("it is not UTF-8 text".to_owned()))?;
        let (lock, found) = Lock::parse(&Source::new(PATH, text));
        let all = || found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        lock.map(Some).ok_or_else(|| RunnerError::new(ErrorKind::Unlocked, all()))
    }
}
