//! `actions/upload-artifact` and `actions/download-artifact`, with the inputs of their versions 3 and 4.

use super::{Inputs, place::single_has_folder};
use crate::{
    artifacts::{Artifact, ArtifactError, Artifacts, NewArtifact},
    error::{ErrorKind, RunnerError},
    glob::matches_name,
    job::Job,
    pack,
    report::{Annotation, Level},
    steps::{Came, Current},
    work::{Done, Pack, Unpack, Work},
};
use shipway_workflow::{document::Uses, run::Conclusion};
use std::{fs::File, path::PathBuf, sync::Arc};

/// The longest name of an artifact in bytes; a file name may have 255, and an ending is added.
const MOST_NAME: usize = 240;

impl Job<'_> {
    pub(super) async fn upload_artifact(
        &mut self,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let step = Some(current.index);
        let name = inputs.text("name").unwrap_or("artifact").to_owned();
        check_name(&name)?;
        let level = level(inputs)?;
        let archive = inputs.flag("archive", true)?;
        let Some(path) = inputs.text("path") else {
            return Err(RunnerError::new(ErrorKind::ActionInput, "upload-artifact needs the input path"));
        };
        let hidden = inputs.flag("include-hidden-files", false)?;
        let overwrite = inputs.flag("overwrite", false)?;
        let without = Without::parse(inputs.text("if-no-files-found"))?;
        let pack = Pack {
            seek: self.seek(&self.patterns_here(path)?),
            hidden,
            through_links: self.sees_this_machine(),
            single: !archive,
            level,
            map: self.map.clone(),
        };
        let (upload, file) = self.scratch_file("upload")?;
        let Done { files, names } = self.work(Work::Pack(pack), Some(file), current).await?;
        if files == 0 {
            let patterns: Vec<&str> =
                path.lines().map(str::trim).filter(|pattern| !pattern.is_empty()).collect();
            let text = format!("no files were found at {}; nothing is uploaded", patterns.join(", "));
            return match without {
                Without::Ignore => {
                    self.log.line(step, &text).await;
                    Ok(Came::of(Conclusion::Success))
                }
                Without::Error => Err(RunnerError::new(ErrorKind::Artifact, text)
                    .with_help("check path: it is read relative to the workspace")),
                Without::Warn => {
                    self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
                    Ok(Came::of(Conclusion::Success))
                }
            };
        }
        let (name, mime_type) = match (archive, files) {
            (true, _) => (name, pack::ZIP),
            (false, 1) => {
                // Named after its file, as by the official action.
                let name = String::from_utf8_lossy(&names).into_owned();
                check_name(&name)?;
                let mime_type = mime_type(&name);
                (name, mime_type)
            }
            (false, _) => {
                let text = format!("archive: false is for a single file, and {files} were found");
                return Err(RunnerError::new(ErrorKind::ActionInput, text));
            }
        };
        let file = upload.to_owned();
        let (digest, size) = self.beside(current, move |over| pack::hash(&file, over)).await?;
        let (file, mime_type) = (upload.to_owned(), mime_type.to_owned());
        let new = NewArtifact { name: name.clone(), file, size, digest, mime_type };
        let kept = tokio::select! {
            kept = self.context.artifacts.put(new, overwrite) => kept.map_err(artifact_error)?,
            stopped = self.stop.error(current.survives, current.limit) => return Err(stopped),
        };
        let line = format!("artifact {name}: {files} files, {size} bytes, {digest}");
        self.log.line(step, &line).await;
        let outputs = [
            ("artifact-id".to_owned(), kept.id.to_string()),
            ("artifact-digest".to_owned(), digest.hex()),
            ("artifact-url".to_owned(), self.artifact_url(kept.id)),
        ];
        Ok(Came { outputs: outputs.into(), ..Came::of(Conclusion::Success) })
    }

    /// Where the forge would have the artifact: the address that the real action gives, whatever server keeps it.
    fn artifact_url(&self, id: i64) -> String {
        let server = self.github_text("server_url");
        let server = server.as_deref().unwrap_or("https://github.com");
        let [repository, run] =
            ["repository", "run_id"].map(|field| self.github_text(field).unwrap_or_default());
        format!("{server}/{repository}/actions/runs/{run}/artifacts/{id}")
    }

    /// The run whose artifacts are asked for, when it is another one. As with the real action, `run-id` counts only beside
    /// `github-token`, which is empty on a server that has no token of the forge.
    fn other_run<'i>(&self, inputs: &'i Inputs) -> Option<&'i str> {
        let other = inputs.text("run-id").filter(|_| inputs.has("github-token"))?;
        let own = self.request.github.get("run_id").map(|id| id.to_text());
        own.is_none_or(|own| *own != *other).then_some(other)
    }

    /// The artifacts of another run, when the token that is given may read them. As on GitHub that of the job needs `actions: read`
    /// once `permissions` are written; where none are, a setting of the repository decides there, and here they may be read.
    async fn artifacts_of(&self, run: &str, inputs: &Inputs) -> Result<Arc<dyn Artifacts>, ArtifactError> {
        let artifacts = self.context.artifacts.of_run(run).await?;
        let own = self.request.github.get("token").map(|token| token.to_text()).unwrap_or_default();
        let is_own = inputs.text("github-token").is_none_or(|token| *token == *own);
        if is_own && self.request.permissions_written && !self.request.permissions.contains_key("actions") {
            return Err(ArtifactError::NotPermitted { run: run.to_owned() });
        }
        Ok(artifacts)
    }

    /// What it has not of what a download asks for: the artifacts of another run.
    pub(in crate::action) async fn has_not(&self, inputs: &Inputs) -> Result<Option<String>, RunnerError> {
        let Some(other) = self.other_run(inputs) else { return Ok(None) };
        match self.artifacts_of(other, inputs).await {
            Ok(_) => Ok(None),
            Err(ArtifactError::OtherRun { run, why }) => {
                Ok(Some(format!("does not have the artifacts of run {run} ({why})")))
            }
            Err(error) => Err(artifact_error(error)),
        }
    }

    pub(super) async fn download_artifact(
        &mut self,
        uses: &Uses,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let other = self.other_run(inputs);
        let failed = |error| match (error, other) {
            (error @ ArtifactError::Missing { .. }, Some(run)) => artifact_error(error)
                .with_help(format!("check the name, and that run {run} is the one that is meant")),
            (error, _) => artifact_error(error),
        };
        let artifacts = match other {
            Some(other) => self.artifacts_of(other, inputs).await.map_err(failed)?,
            None => self.context.artifacts.clone(),
        };
        if inputs.text("run-id").is_some() && !inputs.has("github-token") {
            let text =
                "the input run-id counts only beside github-token; this is about the artifacts of this run";
            let step = Some(current.index);
            self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
        }
        let path = inputs.text("path").unwrap_or_default();
        let from = match path.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", self.map.inside_text(&self.folders.home)),
            None => self.map.inside(&self.folders.workspace).join(path).to_string_lossy().into_owned(),
        };
        let to = self.here(&from)?;
        let merge = inputs.flag("merge-multiple", false)?;
        let wanted: Vec<(String, PathBuf)> = match (inputs.text("name"), inputs.text("artifact-ids")) {
            (Some(_), Some(_)) => {
                let text = "the inputs name and artifact-ids exclude each other";
                return Err(RunnerError::new(ErrorKind::ActionInput, text));
            }
            (Some(name), None) => vec![(name.to_owned(), to.clone())],
            (None, ids) => {
                // As for the real action, wildcards find no name that begins with a dot.
                let fits = |name: &str| {
                    inputs.text("pattern").is_none_or(|pattern| {
                        matches_name(pattern, name) && (pattern.starts_with('.') || !name.starts_with('.'))
                    })
                };
                let known = artifacts.list().await.map_err(failed)?;
                let names: Vec<String> = match ids {
                    Some(ids) => by_ids(ids, &known)?,
                    None => {
                        known.into_iter().map(|artifact| artifact.name).filter(|name| fits(name)).collect()
                    }
                };
                let single = names.len() == 1 && !single_has_folder(uses);
                let place = |name: &String| if merge || single { to.clone() } else { to.join(name) };
                names.iter().map(|name| (name.clone(), place(name))).collect()
            }
        };
        if wanted.is_empty() {
            let text = "no artifact was found to download".to_owned();
            let step = Some(current.index);
            self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
        }
        for (name, place) in wanted {
            let (artifact, file) = artifacts.get(&name).await.map_err(failed)?;
            let single = (artifact.mime_type != pack::ZIP).then_some(artifact.name);
            let data = File::open(&file).map_err(|error| RunnerError::io("open", &file, error))?;
            let through_links = self.sees_this_machine();
            let unpack = Unpack { into: place.clone(), through_links, single };
            let count = self.work(Work::Unpack(unpack), Some(data), current).await?.files;
            let line = format!("artifact {name}: {count} files in {}", self.map.inside(&place).display());
            self.log.line(Some(current.index), &line).await;
        }
        let outputs = [("download-path".to_owned(), self.map.inside_text(&to))];
        Ok(Came { outputs: outputs.into(), ..Came::of(Conclusion::Success) })
    }
}

/// What to do when there are no files.
#[derive(Clone, Copy, Debug)]
enum Without {
    Ignore,
    Warn,
    Error,
}

impl Without {
    /// Reads `if-no-files-found`.
    fn parse(text: Option<&str>) -> Result<Without, RunnerError> {
        match text {
            Some("ignore") => Ok(Without::Ignore),
            Some("warn") | None => Ok(Without::Warn),
            Some("error") => Ok(Without::Error),
            Some(other) => Err(RunnerError::new(
                ErrorKind::ActionInput,
                format!("if-no-files-found must be warn, error or ignore, and is {other:?}"),
            )),
        }
    }
}

fn by_ids(ids: &str, known: &[Artifact]) -> Result<Vec<String>, RunnerError> {
    let find = |id: &str| {
        let found = known.iter().find(|artifact| artifact.id.to_string() == id.trim());
        found.map(|artifact| artifact.name.clone()).ok_or_else(|| {
            RunnerError::new(
                ErrorKind::Artifact,
                format!("there is no artifact with the id {} in the run", id.trim()),
            )
        })
    };
    ids.split(',').filter(|id| !id.trim().is_empty()).map(find).collect()
}

/// The input `compression-level`. Nothing is compressed unless it is given: the artifact stays on this machine.
fn level(inputs: &Inputs) -> Result<u8, RunnerError> {
    let Some(text) = inputs.text("compression-level") else { return Ok(0) };
    text.parse().ok().filter(|level| *level <= 9).ok_or_else(|| {
        let text = format!("the input compression-level must be a number from 0 to 9, and is {text:?}");
        RunnerError::new(ErrorKind::ActionInput, text)
    })
}

/// Checks a name as the official action does, and that it can be the name of a file.
fn check_name(name: &str) -> Result<(), RunnerError> {
    let forbidden = |character: char| "\":<>|*?\\/".contains(character) || character.is_control();
    if name.is_empty() || name == "." || name == ".." || name.len() > MOST_NAME || name.contains(forbidden) {
        let text = format!(
            "{name:?} cannot be the name of an artifact; it may hold no slash, colon, quote, angle bracket, bar or wildcard, \
             and has at most {MOST_NAME} bytes"
        );
        return Err(RunnerError::new(ErrorKind::ActionInput, text));
    }
    Ok(())
}

/// The type of a single file, by the ending of its name.
fn mime_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("md") => "text/markdown",
        Some("html" | "htm") => "text/html",
        Some("css") => "text/css",
        Some("csv") => "text/csv",
        Some("xml") => "text/xml",
        Some("js" | "mjs") => "text/javascript",
        Some("json" | "map") => "application/json",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("svg") => "image/svg+xml",
        Some("webp") => "image/webp",
        Some("pdf") => "application/pdf",
        Some("gz" | "tgz") => "application/gzip",
        Some("tar") => "application/x-tar",
        // Not as an archive of ours: it would be unpacked.
        _ => "application/octet-stream",
    }
}

fn artifact_error(error: ArtifactError) -> RunnerError {
    let text = error.to_string();
    let failed = RunnerError::new(ErrorKind::Artifact, text);
    match error {
        ArtifactError::Io { what, path, source } => RunnerError::io(what, &path, source),
        ArtifactError::OtherRun { .. } => failed,
        ArtifactError::NotPermitted { .. } => {
            failed.with_help("add actions: read to the permissions of the job")
        }
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
