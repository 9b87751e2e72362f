//! Finding and reading the files.

use crate::{
    commands::entry::{Entry, odd},
    environment::Environment,
    exit::{Exit, Failure},
    replace::{Outlives, replace},
};
use shipway_base::{Diagnostic, Source};
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
    /// What is wrong when it is no text; its source is then what can be shown of it.
    pub(super) unread: Option<Diagnostic>,
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
    let mut found = Vec::new();
    workflows(&root.join(".github/workflows"), &mut found)?;
    actions(root, DEPTH, &mut found)?;
    found.sort_by(|one, other| one.path().cmp(other.path()));
    found.iter().map(|entry| look(root, entry)).collect()
}

/// The workflow files of a folder.
fn workflows(folder: &Path, found: &mut Vec<Entry>) -> Result<(), Failure> {
    let paths = entries(folder)?.into_iter();
    let of_workflows = paths.filter(|path| Kind::of(&path.to_string_lossy()) == Kind::Workflow);
    found.extend(of_workflows.filter_map(Entry::of));
    Ok(())
}

fn actions(folder: &Path, depth: usize, found: &mut Vec<Entry>) -> Result<(), Failure> {
    for path in entries(folder)? {
        // A link may lead around in a circle.
        let Ok(kind) = fs::symlink_metadata(&path).map(|meta| meta.file_type()) else { continue };
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if kind.is_dir() && depth > 0 && !SKIPPED.contains(&name) {
            actions(&path, depth - 1, found)?;
        } else if kind.is_file() && Kind::of(&path.to_string_lossy()) == Kind::Action {
            found.push(Entry::File(path));
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

/// What a path of the command line means: a file, or the workflows and actions in a folder.
pub(super) fn named(environment: &Environment, root: &Path, path: &Path) -> Result<Vec<File>, Failure> {
    let candidates =
        [environment.folder.join(path), root.join(path), root.join(".github/workflows").join(path)];
    if let Some(at) = candidates.iter().find(|path| path.is_file()) {
        return Ok(vec![read(root, at)?]);
    }
    let Some(folder) = candidates.iter().find(|path| path.is_dir()) else {
        return Err(Failure::new(Exit::NotFound, format!("there is no file {}", path.display())).with_help(
            "name a workflow or action file or a folder with some, or none to look at all of the repository",
        ));
    };
    // `.`, and what leads through links, by its real name.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let mut found = Vec::new();
    let own = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match own {
        "workflows" => workflows(&folder, &mut found)?,
        ".github" => workflows(&folder.join("workflows"), &mut found)?,
        _ => workflows(&folder.join(".github/workflows"), &mut found)?,
    }
    actions(&folder, DEPTH, &mut found)?;
    found.sort_by(|one, other| one.path().cmp(other.path()));
    found.dedup();
    if found.is_empty() {
        let message = format!("there is no workflow and no action in the folder {}", path.display());
        return Err(Failure::new(Exit::NotFound, message).with_help(
            "workflows are *.yml and *.yaml in .github/workflows, or in a folder called workflows; actions are called \
             action.yml",
        ));
    }
    found.iter().map(|entry| look(&root, entry)).collect()
}

/// Writes the new text of a file, unless somebody else has changed it since it was read. A link that leads out of the
/// repository is not followed: what it leads to belongs to others.
pub(super) fn write(file: &File, text: &str, root: &Path) -> Result<(), Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("cannot write {}: {why}", file.path))
    };
    let path = file.at.canonicalize().map_err(|error| failed(&error))?;
    let is_link = fs::symlink_metadata(&file.at).is_ok_and(|meta| meta.is_symlink());
    if is_link && !root.canonicalize().is_ok_and(|root| path.starts_with(root)) {
        let why = format!("it is a link to {}, which is outside of the repository", path.display());
        return Err(failed(&why).with_help("name that file itself to have it mended"));
    }
    let now = fs::read(&path).map_err(|error| failed(&error))?;
    if now != file.source.text.as_bytes() {
        return Err(failed(&"it was changed meanwhile").with_help("run the command again"));
    }
    replace(&path, text.as_bytes(), Outlives::PowerLoss).map_err(|error| failed(&error))
}

/// What stands at a place that was found.
fn look(root: &Path, entry: &Entry) -> Result<File, Failure> {
    match entry {
        Entry::File(at) => read(root, at),
        Entry::Odd(at, why) => {
            let path = shown(root, at);
            let found = odd(&path, why);
            let source = found.source.clone();
            Ok(File { kind: Kind::Workflow, source, unread: Some(found), at: at.clone(), path })
        }
    }
}

fn shown(root: &Path, at: &Path) -> String {
    at.strip_prefix(root).unwrap_or(at).to_string_lossy().replace('\\', "/")
}

fn read(root: &Path, at: &Path) -> Result<File, Failure> {
    let path = shown(root, at);
    let bytes =
        fs::read(at).map_err(|error| Failure::new(Exit::Usage, format!("cannot read {path}: {error}")))?;
    let (source, unread) = match Source::from_bytes(path.as_str(), bytes) {
        Ok(source) => (source, None),
        Err(found) => (found.source.clone(), Some(found)),
    };
    Ok(File { kind: Kind::of(&path), source, unread, at: at.to_path_buf(), path })
}
