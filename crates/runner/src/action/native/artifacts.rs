//! `actions/upload-artifact` and `actions/download-artifact`, with the inputs of their versions 3 and 4.

use super::Inputs;
use crate::{
    artifacts::ArtifactError,
    error::{ErrorKind, RunnerError},
    glob::{Patterns, matches_name},
    job::Job,
    pack,
    report::{Annotation, Level},
    steps::{Came, Current},
};
use shipway_workflow::run::Conclusion;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Characters that some file system refuses; GitHub refuses them everywhere, and so does this.
const FORBIDDEN: [char; 11] = ['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/'];

impl Job<'_> {
    pub(super) async fn upload_artifact(
        &mut self,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let step = Some(current.index);
        let name = inputs.text("name").unwrap_or("artifact").to_owned();
        if name.contains(FORBIDDEN) || name.starts_with('.') {
            return Err(RunnerError::new(
                ErrorKind::ActionInput,
                format!(
                    "{name:?} cannot be the name of an artifact; it may hold no slash, quote or wildcard, nor begin with a dot"
                ),
            ));
        }
        let Some(path) = inputs.text("path") else {
            return Err(RunnerError::new(ErrorKind::ActionInput, "upload-artifact needs the input path"));
        };
        let hidden = inputs.flag("include-hidden-files", false)?;
        let overwrite = inputs.flag("overwrite", false)?;
        let patterns = Patterns::parse([path], &self.folders.workspace, &self.folders.home);
        let found = patterns.files(hidden)?;
        if found.is_empty() {
            let text = format!("no files were found at {:?}; nothing is uploaded", path.trim());
            return match inputs.text("if-no-files-found").unwrap_or("warn") {
                "ignore" => {
                    self.log.line(step, &text).await;
                    Ok(Came::of(Conclusion::Success))
                }
                "error" => Err(RunnerError::new(ErrorKind::Artifact, text)
                    .with_help("check path: it is read relative to the workspace")),
                "warn" => {
                    self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
                    Ok(Came::of(Conclusion::Success))
                }
                other => Err(RunnerError::new(
                    ErrorKind::ActionInput,
                    format!("if-no-files-found must be warn, error or ignore, and is {other:?}"),
                )),
            };
        }
        let root = common_root(&patterns.bases(), &found);
        let files: BTreeMap<String, PathBuf> = found
            .into_iter()
            .map(|path| (pack::archive_name(path.strip_prefix(&root).unwrap_or(&path)), path))
            .collect();
        let tar = self.folders.temp.join(format!("_upload_{name}.tar"));
        let to = tar.clone();
        let packed = tokio::task::spawn_blocking(move || pack::pack(&files, &to))
            .await
            .map_err(|error| RunnerError::new(ErrorKind::Artifact, format!("packing stopped: {error}")))??;
        self.context.artifacts.put(&name, tar, &packed, overwrite).await.map_err(artifact_error)?;
        let (count, size) = (packed.files, packed.size);
        let line = format!("artifact {name}: {count} files, {size} bytes, {}", packed.digest);
        self.log.line(step, &line).await;
        let outputs = [("artifact-id".to_owned(), name), ("artifact-digest".to_owned(), packed.digest.hex())];
        Ok(Came { outcome: Conclusion::Success, exit_code: None, outputs: outputs.into() })
    }

    pub(super) async fn download_artifact(
        &mut self,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let to = match inputs.text("path") {
            Some(path) if Path::new(path).is_absolute() => PathBuf::from(path),
            Some(path) => match path.strip_prefix("~/") {
                Some(rest) => self.folders.home.join(rest),
                None => super::super::normal(&self.folders.workspace, path)?,
            },
            None => self.folders.workspace.clone(),
        };
        let merge = inputs.flag("merge-multiple", false)?;
        let wanted: Vec<(String, PathBuf)> = match inputs.text("name") {
            Some(name) => vec![(name.to_owned(), to.clone())],
            None => {
                let pattern = inputs.text("pattern").unwrap_or("*");
                let names = self.context.artifacts.names().await.map_err(artifact_error)?;
                let names = names.into_iter().filter(|name| matches_name(pattern, name));
                let place = |name: &String| if merge { to.clone() } else { to.join(name) };
                names.map(|name| (name.clone(), place(&name))).collect()
            }
        };
        if wanted.is_empty() {
            let text = "no artifact was found to download".to_owned();
            let step = Some(current.index);
            self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
        }
        for (name, place) in wanted {
            let tar = self.context.artifacts.get(&name).await.map_err(artifact_error)?;
            let into = place.clone();
            let count =
                tokio::task::spawn_blocking(move || pack::unpack(&tar, &into)).await.map_err(|error| {
                    RunnerError::new(ErrorKind::Artifact, format!("unpacking stopped: {error}"))
                })??;
            let line = format!("artifact {name}: {count} files in {}", place.display());
            self.log.line(Some(current.index), &line).await;
        }
        let outputs = [("download-path".to_owned(), to.to_string_lossy().into_owned())];
        Ok(Came { outcome: Conclusion::Success, exit_code: None, outputs: outputs.into() })
    }
}

/// The folder that paths in the artifact are relative to: where the search began, the folder of a single file, or what
/// several searches have in common.
fn common_root(bases: &[&Path], found: &[PathBuf]) -> PathBuf {
    let folder = |base: &Path| match found {
        [only] if only == base => base.parent().unwrap_or(base).to_owned(),
        _ if base.is_dir() => base.to_owned(),
        _ => base.parent().unwrap_or(base).to_owned(),
    };
    let mut roots = bases.iter().map(|base| folder(base));
    let first = roots.next().unwrap_or_default();
    roots.fold(first, |common, root| {
        common.components().zip(root.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    })
}

fn artifact_error(error: ArtifactError) -> RunnerError {
    let text = error.to_string();
    let failed = RunnerError::new(ErrorKind::Artifact, text);
    match error {
        ArtifactError::Io { what, path, source } => RunnerError::io(what, &path, source),
        ArtifactError::Exists { .. } => failed
            .with_help("give each its own name, with the matrix in it for example, or set overwrite: true"),
        ArtifactError::Missing { .. } => {
            failed.with_help("check the name, and that this job needs the one that uploads it")
        }
        ArtifactError::Other(source) => {
            RunnerError::new(ErrorKind::Artifact, format!("cannot keep or fetch the artifact: {source}"))
                .with_source(source)
        }
    }
}
