//! Actions of GitHub's that are carried out here, without Node and without a network.

mod artifacts;
mod cache;
mod checkout;
mod copies;
mod credentials;
mod hands;
mod place;

use super::unexpected;
use crate::{
    error::{ErrorKind, RunnerError},
    job::Job,
    report::{Annotation, Level},
    steps::{Came, Current},
};
use shipway_workflow::{Texts, document::Uses};
use std::{collections::BTreeMap, fmt};

pub(super) use cache::SaveCache;
pub(crate) use copies::copy_files;

/// How the repository of the run is read by a git that fetches from it: no settings of that git reach this program, and
/// whose the repository is was decided by whoever started the run there.
pub(super) const UPLOAD_PACK: &str = "git -c safe.directory='*' upload-pack";

/// The same for programs that may fetch from elsewhere too: only the repository in this folder is trusted.
pub(super) fn upload_pack(folder: &str) -> String {
    let quoted = folder.replace('\'', r"'\''");
    format!("git -c safe.directory='{quoted}' -c safe.directory='{quoted}/.git' upload-pack")
}

/// What the name of a repository may go on with.
const NAME: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

/// The addresses of a repository, to each of which git finds `/` too.
pub(super) fn addresses(address: &str) -> [String; 2] {
    [address.to_owned(), format!("{address}.git")]
}

/// What addresses of other repositories begin with that begin with this one. git replaces by beginnings (`insteadOf`), of which the
/// longest counts, so each of these is to be replaced by itself.
pub(super) fn others(address: &str) -> impl Iterator<Item = String> {
    addresses(address).into_iter().flat_map(|own| NAME.chars().map(move |more| format!("{own}{more}")))
}

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
            Native::DownloadArtifact => &[
                "name",
                "artifact-ids",
                "path",
                "pattern",
                "merge-multiple",
                "github-token",
                "repository",
                "run-id",
            ],
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

    /// What these inputs ask for that only the real action does; none when there is nothing. `own` is the name of the
    /// run's own repository.
    pub(super) fn cannot(self, inputs: &Inputs, own: &str) -> Option<String> {
        if let Some(name) = self.unsupported().iter().find(|name| inputs.text(name).is_some()) {
            return Some(format!("has no input {name}"));
        }
        match self {
            Native::Checkout => {
                if let Some(other) = inputs.text("repository").filter(|name| !name.eq_ignore_ascii_case(own))
                {
                    return Some(format!("does not check out {other}"));
                }
                let asked = |name: &&str| inputs.text(name).is_some_and(|value| !is_false(value));
                ["submodules", "lfs"]
                    .iter()
                    .find(|name| asked(name))
                    .map(|name| format!("does not do {name}"))
            }
            Native::DownloadArtifact => {
                // Without a token the real action looks at neither of the two.
                let other = inputs.text("repository").filter(|_| inputs.has("github-token"));
                let other = other.filter(|name| !name.eq_ignore_ascii_case(own));
                let pattern = inputs.text("pattern").filter(|pattern| is_extended(pattern));
                other
                    .map(|other| format!("does not download from {other}"))
                    .or_else(|| pattern.map(|pattern| format!("does not know patterns such as {pattern}")))
            }
            Native::UploadArtifact | Native::Cache | Native::RestoreCache | Native::SaveCache => None,
        }
    }

    /// What inputs come to that are not given, in the order of the real action's manifest. `own` is the name of the run's
    /// own repository.
    pub(super) fn defaults(self, own: &str) -> Vec<(&'static str, &str)> {
        match self {
            Native::Checkout => vec![
                ("repository", own),
                ("clean", "true"),
                ("fetch-depth", "1"),
                ("fetch-tags", "false"),
                ("lfs", "false"),
                ("submodules", "false"),
            ],
            Native::UploadArtifact => vec![
                ("name", "artifact"),
                ("if-no-files-found", "warn"),
                ("compression-level", "6"),
                ("overwrite", "false"),
                ("include-hidden-files", "false"),
                ("archive", "true"),
            ],
            Native::DownloadArtifact => vec![("merge-multiple", "false")],
            Native::Cache | Native::RestoreCache => vec![
                ("enableCrossOsArchive", "false"),
                ("fail-on-cache-miss", "false"),
                ("lookup-only", "false"),
            ],
            Native::SaveCache => vec![("enableCrossOsArchive", "false")],
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
            Native::UploadArtifact | Native::DownloadArtifact => &[],
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
pub(super) struct Inputs(BTreeMap<String, String>);

impl Inputs {
    /// Those that a step gives.
    pub(super) fn of(given: &Texts) -> Inputs {
        Inputs(given.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect())
    }

    /// Whether one is given, empty or not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(&name.to_lowercase())
    }

    /// A text; empty counts as absent.
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A truth value, in the spellings of YAML 1.2.
    fn flag(&self, name: &str, default: bool) -> Result<bool, RunnerError> {
        match self.text(name) {
            None => Ok(default),
            Some("true" | "True" | "TRUE") => Ok(true),
            Some(text) if is_false(text) => Ok(false),
            Some(other) => Err(RunnerError::new(
                ErrorKind::ActionInput,
                format!("the input {name} must be true or false, and is {other:?}"),
            )),
        }
    }
}

/// Whether a pattern has more than wildcards and classes: braces, groups, a negation, or is a comment.
fn is_extended(pattern: &str) -> bool {
    let group = |pair: &[u8]| b"?*+@!".contains(&pair[0]) && pair[1] == b'(';
    pattern.starts_with(['!', '#']) || pattern.contains('{') || pattern.as_bytes().windows(2).any(group)
}

fn is_false(text: &str) -> bool {
    matches!(text, "false" | "False" | "FALSE")
}

impl Job<'_> {
    pub(super) async fn run_native(
        &mut self,
        native: Native,
        uses: &Uses,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let step = Some(current.index);
        let line = format!(
            "The built-in {native} is used in place of {uses} (--no-native-actions runs the real one)"
        );
        self.log.line(step, &line).await;
        for name in inputs.0.keys().map(String::as_str) {
            // Without a value it asks for nothing.
            if !native.inputs().contains(&name) && !native.unsupported().contains(&name) {
                let warning = unexpected(name, native.inputs());
                let step = Some(current.index);
                self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, warning) }).await;
            }
        }
        match native {
            Native::Checkout => Box::pin(self.checkout(inputs, current)).await,
            Native::UploadArtifact => self.upload_artifact(inputs, current).await,
            Native::DownloadArtifact => self.download_artifact(uses, inputs, current).await,
            Native::Cache | Native::RestoreCache => self.restore_cache(native, inputs, current).await,
            Native::SaveCache => self.save_cache_now(inputs, current).await,
        }
    }
}
