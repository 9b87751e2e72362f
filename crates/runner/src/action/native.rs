//! Actions of GitHub's that are carried out here, without Node and without a network.

mod artifacts;
mod cache;
mod checkout;
mod copies;

use super::unexpected;
use crate::{
    error::{ErrorKind, RunnerError},
    job::Job,
    report::{Annotation, Level},
    steps::{Came, Current},
};
use shipway_workflow::document::Uses;
use std::{collections::BTreeMap, fmt};

pub(super) use cache::SaveCache;
pub(crate) use copies::copy_files;

/// Such an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Native {
    /// `actions/checkout`.
    Checkout,
    /// `actions/upload-artifact`.
    UploadArtifact,
    /// `actions/download-artifact`.
    DownloadArtifact,
    /// `actions/cache`, which saves at the end of the job.
    Cache,
    /// `actions/cache/restore`.
    RestoreCache,
    /// `actions/cache/save`.
    SaveCache,
}

impl Native {
    /// The action of that name under `actions/`, in that folder of its repository.
    pub(super) fn named(repo: &str, path: &str) -> Option<Native> {
        match (repo.to_ascii_lowercase().as_str(), path.trim_matches('/')) {
            ("checkout", "") => Some(Native::Checkout),
            ("upload-artifact", "") => Some(Native::UploadArtifact),
            ("download-artifact", "") => Some(Native::DownloadArtifact),
            ("cache", "") => Some(Native::Cache),
            ("cache", "restore") => Some(Native::RestoreCache),
            ("cache", "save") => Some(Native::SaveCache),
            _ => None,
        }
    }

    /// Whether it is about caches, which need more of the machine than the others.
    pub(super) fn is_cache(self) -> bool {
        match self {
            Native::Cache | Native::RestoreCache | Native::SaveCache => true,
            Native::Checkout | Native::UploadArtifact | Native::DownloadArtifact => false,
        }
    }

    /// The inputs that are honoured, and those that mean nothing on one machine.
    fn inputs(self) -> &'static [&'static str] {
        match self {
            Native::Checkout => &[
                "repository",
                "ref",
                "path",
                "clean",
                "fetch-depth",
                "fetch-tags",
                "token",
                "persist-credentials",
                "show-progress",
                "set-safe-directory",
                "submodules",
                "lfs",
            ],
            Native::UploadArtifact => &[
                "name",
                "path",
                "if-no-files-found",
                "retention-days",
                "compression-level",
                "overwrite",
                "include-hidden-files",
                "archive",
            ],
            Native::DownloadArtifact => &["name", "artifact-ids", "path", "pattern", "merge-multiple"],
            Native::Cache => &[
                "path",
                "key",
                "restore-keys",
                "upload-chunk-size",
                "enablecrossosarchive",
                "fail-on-cache-miss",
                "lookup-only",
            ],
            Native::RestoreCache => {
                &["path", "key", "restore-keys", "enablecrossosarchive", "fail-on-cache-miss", "lookup-only"]
            }
            Native::SaveCache => &["path", "key", "upload-chunk-size", "enablecrossosarchive"],
        }
    }

    /// Inputs that the real action has and this one cannot honour.
    fn unsupported(self) -> &'static [&'static str] {
        match self {
            Native::Checkout => &[
                "ssh-key",
                "ssh-known-hosts",
                "ssh-strict",
                "ssh-user",
                "filter",
                "sparse-checkout",
                "sparse-checkout-cone-mode",
                "github-server-url",
            ],
            Native::UploadArtifact => &[],
            Native::DownloadArtifact => &["github-token", "repository", "run-id"],
            Native::Cache => &["save-always"],
            Native::RestoreCache | Native::SaveCache => &[],
        }
    }
}

impl fmt::Display for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Native::Checkout => "checkout",
            Native::UploadArtifact => "upload-artifact",
            Native::DownloadArtifact => "download-artifact",
            Native::Cache => "cache",
            Native::RestoreCache => "cache/restore",
            Native::SaveCache => "cache/save",
        })
    }
}

/// The inputs of a native action, by their names in lower case.
#[derive(Clone, Debug)]
struct Inputs(BTreeMap<String, String>);

impl Inputs {
    /// A text; empty counts as absent.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A truth value, in the spellings of YAML 1.2.
    fn flag(&self, name: &str, default: bool) -> Result<bool, RunnerError> {
        match self.text(name) {
            None => Ok(default),
            Some("true" | "True" | "TRUE") => Ok(true),
            Some("false" | "False" | "FALSE") => Ok(false),
            Some(other) => Err(RunnerError::new(
                ErrorKind::ActionInput,
                format!("the input {name} must be true or false, and is {other:?}"),
            )),
        }
    }
}

impl Job<'_> {
    pub(super) async fn run_native(
        &mut self,
        native: Native,
        uses: &Uses,
        given: &BTreeMap<String, String>,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let step = Some(current.index);
        let line = format!(
            "The built-in {native} is used in place of {uses} (--no-native-actions runs the real one)"
        );
        self.log.line(step, &line).await;
        let inputs = Inputs(given.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect());
        for name in inputs.0.keys() {
            if native.unsupported().contains(&name.as_str()) && inputs.text(name).is_some() {
                return Err(RunnerError::new(
                    ErrorKind::ActionInput,
                    format!("the input {name} is not supported yet"),
                )
                .with_help("remove it, or do that part in a run step"));
            }
            if !native.inputs().contains(&name.as_str()) {
                let warning = unexpected(name, native.inputs());
                let step = Some(current.index);
                self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, warning) }).await;
            }
        }
        self.executor.before_own_work(&self.identity)?;
        let came = match native {
            Native::Checkout => self.checkout(&inputs, current).await,
            Native::UploadArtifact => self.upload_artifact(&inputs, current).await,
            Native::DownloadArtifact => self.download_artifact(&inputs, current).await,
            Native::Cache | Native::RestoreCache => {
                self.restore_cache(native, &uses.to_string(), &inputs, current).await
            }
            Native::SaveCache => self.save_cache_now(&inputs, current).await,
        };
        self.executor.after_own_work(&self.identity, &self.folders)?;
        came
    }
}
