//! One file of another repository: the document of a called workflow.

use super::{ActionStore, Wanted, part};
use crate::error::{ErrorKind, RunnerError};
use shipway_workflow::plan::RemoteRepository;
use std::{fs, path::Path};

/// GitHub's limit on a workflow file.
const MOST_BYTES: u64 = 1 << 20;

impl ActionStore {
    /// The text of a file of another repository at a branch, tag or commit, and the commit that it was read from. With `at` it is
    /// read from that commit, whatever the name means by now.
    ///
    /// # Errors
    /// When the repository or the reference cannot be had, or it has no such file of text.
    pub async fn document(
        &self,
        repository: &RemoteRepository,
        at: Option<&str>,
        path: &str,
    ) -> Result<(String, String), RunnerError> {
        let RemoteRepository { owner, repo, reference } = repository;
        let wanted = Wanted { owner, repo, reference };
        let commit = match at {
            Some(commit) => commit.to_owned(),
            None => self.resolve(wanted).await?,
        };
        let folder = self.cache.join(part("document"));
        let placed = self.place(wanted, &commit, &folder).await;
        let text = placed.and_then(|()| {
            read(&folder.join(path)).map_err(|why| RunnerError::new(ErrorKind::ActionFetch, why))
        });
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| RunnerError::io("remove", &folder, error))?;
        }
        Ok((text?, commit))
    }
}

fn read(path: &Path) -> Result<String, String> {
    let about = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
    let about = about.ok_or_else(|| "there is no such file".to_owned())?;
    if about.len() > MOST_BYTES {
        return Err(format!("the file is longer than {MOST_BYTES} bytes"));
    }
    let bytes = fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())
}
