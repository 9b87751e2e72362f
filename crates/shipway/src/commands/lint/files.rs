//! Finding and reading the files.

use crate::{
    environment::Environment,
    exit::{Exit, Failure},
};
use shipway_base::Source;
use shipway_workflow::lint::Kind;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file that is looked at.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Its path with slashes, relative to the repository where it lies in it.
    pub(super) path: String,
    /// Where it is.
    pub(super) at: PathBuf,
    /// What it is.
    pub(super) kind: Kind,
    /// Its text.
    pub(super) source: Source,
}

/// Folders that hold what was fetched or built, never what was written by hand.
const SKIPPED: &[&str] = &[".git", "node_modules", "target", "vendor", ".venv", "dist"];

/// How deep actions are looked for.
const DEPTH: usize = 8;

/// The repository that a folder is in.
pub(super) fn root(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|above| above.join(".git").exists()).map(Path::to_path_buf)
}

/// The failure of a call that names no file and is in no repository.
pub(super) fn no_repository(folder: &Path) -> Failure {
    let message =
        format!("{} is not in a git repository: neither it nor a folder above has .git", folder.display());
    Failure::new(Exit::NotFound, message)
        .with_code("SW1010")
        .with_help("go to the project, or name the files")
}

/// All workflow files and all actions of a repository, by path.
pub(super) fn all(root: &Path) -> Result<Vec<File>, Failure> {
    let mut paths = Vec::new();
    let workflows = root.join(".github/workflows");
    for path in entries(&workflows)? {
        let yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if yaml && path.is_file() && Kind::of(&path.to_string_lossy()) == Kind::Workflow {
            paths.push(path);
        }
    }
    actions(root, DEPTH, &mut paths)?;
    paths.sort();
    paths.iter().map(|path| read(root, path)).collect()
}

fn actions(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for path in entries(folder)? {
        // A link may lead around in a circle.
        let Ok(kind) = fs::symlink_metadata(&path).map(|meta| meta.file_type()) else { continue };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if kind.is_dir() && depth > 0 && !SKIPPED.contains(&name) {
            actions(&path, depth - 1, found)?;
        } else if kind.is_file() && matches!(name, "action.yml" | "action.yaml") {
            found.push(path);
        }
    }
    Ok(())
}

/// What is in a folder; nothing when there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(Exit::Usage, format!("cannot read the folder {}: {error}", folder.display()))
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(unreadable(error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(unreadable)).collect()
}

/// A file given on the command line.
pub(super) fn named(environment: &Environment, root: &Path, path: &Path) -> Result<File, Failure> {
    let candidates =
        [environment.folder.join(path), root.join(path), root.join(".github/workflows").join(path)];
    match candidates.iter().find(|path| path.is_file()) {
        Some(at) => read(root, at),
        None => Err(Failure::new(Exit::NotFound, format!("there is no file {}", path.display()))
            .with_help("name a workflow or action file, or none to look at all of the repository")),
    }
}

fn read(root: &Path, at: &Path) -> Result<File, Failure> {
    let path = at.strip_prefix(root).unwrap_or(at).to_string_lossy().replace('\\', "/");
    let bytes =
        fs::read(at).map_err(|error| Failure::new(Exit::Usage, format!("cannot read {path}: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::new(Exit::Usage, format!("{path}:{line}: this is not UTF-8 text"))
            .with_help("save the file in the encoding UTF-8")
    })?;
    Ok(File { kind: Kind::of(&path), source: Source::new(path.as_str(), text), at: at.to_path_buf(), path })
}
