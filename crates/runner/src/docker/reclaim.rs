//! Files of a job that change hands where the container of the job cannot do it: what containers have left to somebody else, when the
//! runner is not root, and what the runner has made for a container whose root may do nothing.
//!
//! While the container of a job runs, root in there does it. A container that has ended, one whose root may not, and the containers of
//! Docker actions leave it to a short one of the same image, which sees the folders of the job and nothing else. Its root has what an
//! engine gives to any container, whatever the options of the job took away.

use super::{
    draft::Draft,
    engine::{Engine, failed, words},
    label,
    own::exit_of,
    started::{container_error, last_lines},
};
use crate::{error::RunnerError, executor::Ending};
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptions};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::timeout;

/// Where that container sees the folders of the job.
const HERE: &str = "/shipway";
/// How long it may take; a million files take a few seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// Gives `$1` with all that is in it to `$2`, or else to whom the folder of the job belongs, who has another number in there when the
/// engine is not root's. No link is followed.
const SCRIPT: &str = r#"owner=${2:-$(stat -c %u:%g /shipway)} && exec chown -hR "$owner" "$1""#;

/// The folders of a job, and images that the engine has.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    /// The folder of the job on this machine, which belongs to the runner, as nothing in it need.
    pub(crate) root: PathBuf,
    /// Images of its containers; the last ones are tried first.
    pub(crate) images: Vec<String>,
}

impl Left {
    /// Takes a tree in the folder of a job for the runner, when something in it is not.
    pub(super) async fn reclaim(
        &self,
        engine: &Engine,
        tracking: &str,
        tree: &Path,
    ) -> Result<(), RunnerError> {
        if self.images.is_empty() || !is_strange(tree).await {
            return Ok(());
        }
        self.give(engine, tracking, tree, "").await.map_err(|why: RunnerError| {
            let message = format!(
                "files in {} belong to somebody else since a container left them there, and {}",
                tree.display(),
                why.message
            );
            why.with_message(message).with_help(
                "use an image with sh, stat and chown, or an engine of this user; root removes what is left",
            )
        })
    }

    /// Gives a tree in the folder of a job to somebody, or to the runner. The error continues a sentence.
    pub(super) async fn give(
        &self,
        engine: &Engine,
        tracking: &str,
        tree: &Path,
        to: &str,
    ) -> Result<(), RunnerError> {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let below = || real(tree)?.strip_prefix(real(&self.root)?).ok().map(Path::to_owned);
        // What a link leads out to is no file of the job.
        let Some(below) = below() else { return Ok(()) };
        let mut outcome = Ok(());
        let seen = Path::new(HERE).join(&below);
        let script = ["-c", SCRIPT, "sh", &seen.to_string_lossy(), to].map(str::to_owned).to_vec();
        for image in self.images.iter().rev() {
            outcome = self.by(engine, tracking, image, script.clone()).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Runs a script in a container of this image.
    async fn by(
        &self,
        engine: &Engine,
        tracking: &str,
        image: &str,
        script: Vec<String>,
    ) -> Result<(), RunnerError> {
        let mut draft = Draft { labels: label::labels(tracking), ..Draft::default() };
        draft.body.image = Some(image.to_owned());
        draft.body.user = Some("0".to_owned());
        draft.body.working_dir = Some("/".to_owned());
        draft.body.entrypoint = Some(vec!["sh".to_owned()]);
        draft.body.cmd = Some(script);
        draft.host.network_mode = Some("none".to_owned());
        draft.mount(&self.root, Path::new(HERE), false);
        let doing = |what: &str| failed(&format!("{what} a container from {image} that gives them away"));
        let made = engine.api.create_container(None::<CreateContainerOptions>, draft.finish(None)).await;
        let made = made.map_err(doing("cannot make"))?;
        let run = async {
            engine.api.start_container(&made.id, None).await.map_err(doing("cannot start"))?;
            exit_of(engine, &made.id).await
        };
        let late = || container_error(format!("a container from {image} does not give them away in time"));
        let outcome = match timeout(PATIENCE, run).await.unwrap_or_else(|_| Err(late())) {
            Ok(Ending::Exited(0)) => Ok(()),
            Ok(Ending::Exited(code)) => {
                let said = last_lines(engine, &made.id, 1).await.pop().unwrap_or_default();
                Err(container_error(format!(
                    "a container from {image} that gives them away ended with exit code {code}: {said}"
                )))
            }
            Ok(Ending::Signalled(_) | Ending::Stopped) => Err(late()),
            Err(error) => Err(error),
        };
        let options = RemoveContainerOptions { v: true, force: true, link: false };
        if let Err(error) = engine.api.remove_container(&made.id, Some(options)).await {
            // It carries the label of the job and is removed with the rest of it.
            tracing::warn!(error = words(&error), "a container of the runner cannot be removed yet");
        }
        outcome
    }
}

/// Whether the runner is not root and something in this folder is not the runner's.
pub(super) async fn is_strange(folder: &Path) -> bool {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return false;
    }
    let folder = folder.to_owned();
    let looked = tokio::task::spawn_blocking(move || has_strange(&folder, user.as_raw()));
    // A look that ended early has found nothing; what cannot be removed is told of by whoever tries.
    looked.await.unwrap_or(false)
}

/// Whether this, or something in it, belongs to somebody else. What cannot be looked at is nobody's.
fn has_strange(path: &Path, user: u32) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    meta.uid() != user
        || meta.is_dir()
            && fs::read_dir(path)
                .is_ok_and(|entries| entries.flatten().any(|entry| has_strange(&entry.path(), user)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_somebody_else_is_found_and_no_link_is_followed() {
        let dir = tempfile::tempdir().expect("a folder");
        let user = fs::metadata(dir.path()).expect("a folder").uid();
        fs::create_dir_all(dir.path().join("deep/er")).expect("folders");
        fs::write(dir.path().join("deep/er/file"), "").expect("a file");
        std::os::unix::fs::symlink("/proc/1", dir.path().join("deep/link")).expect("a link");
        assert!(!has_strange(dir.path(), user));
        assert!(has_strange(dir.path(), user + 1));
        assert!(!has_strange(&dir.path().join("none"), user));
        if user == 0 {
            std::os::unix::fs::lchown(dir.path().join("deep/er/file"), Some(1234), None).expect("given away");
            assert!(has_strange(dir.path(), user));
        }
    }
}
