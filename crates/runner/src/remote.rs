//! Actions of other repositories: which commit a reference means, and the files of that commit.
//!
//! A commit's files are kept in one tar file, `<cache>/<owner>/<repo>/<commit>.tar`, which is written beside its place
//! and renamed into it when it is whole. So two runs may fetch the same commit at once, and a run that is killed leaves
//! nothing but a file that the next store removes. Every job unpacks its own copy: what one job does to the files of an
//! action no other job sees.

mod document;
mod git;
mod lock;
mod unpack;

pub(crate) use git::cause;
pub(crate) use unpack::unpack_within;

use crate::{
    action::copy_files,
    aside::Aside,
    context::{Repository, Revision},
    error::{ErrorKind, RunnerError},
};
use git::{Git, Said};
use shipway_base::is_object_id;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Where actions of other repositories come from, and where they are kept.
#[derive(Debug)]
pub struct ActionStore {
    cache: PathBuf,
    mirror: Option<PathBuf>,
    server: String,
    git: Git,
}

/// An action's repository, and the reference that its step names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The account.
    pub(crate) owner: &'a str,
    /// The repository.
    pub(crate) repo: &'a str,
    /// The branch, tag or commit.
    pub(crate) reference: &'a str,
}

/// The parts of a file name that is still being written.
const PART: &str = ".part-";

/// A name that nothing else has, for what is still being written.
fn part(of: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{of}{PART}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl ActionStore {
    /// A store that keeps what it fetched in `cache`. With `mirror`, a folder of git repositories `<owner>/<repo>` or
    /// `<owner>/<repo>.git`, nothing is fetched from elsewhere; otherwise from `server`, such as `https://github.com`.
    /// `host_env` is what git may see of the environment; `PATH` and proxies count.
    pub fn new(
        cache: PathBuf,
        mirror: Option<PathBuf>,
        server: &str,
        host_env: &BTreeMap<String, String>,
    ) -> ActionStore {
        let server = server.trim_end_matches('/').to_owned();
        ActionStore { cache, mirror, server, git: Git::new(host_env) }
    }

    /// The same with the configuration of git that somebody with this environment has, for what is fetched from the server:
    /// his credentials, rewritten addresses, proxies and certificates. No job sees any of it, but each may name a repository
    /// that he may read.
    #[must_use]
    pub fn lent(mut self, environment: &BTreeMap<String, String>) -> ActionStore {
        self.git.lend(environment);
        self
    }

    /// The commit that the reference means: a branch, a tag or a whole commit id.
    pub(crate) async fn resolve(&self, wanted: Wanted<'_>) -> Result<String, RunnerError> {
        let reference = wanted.reference;
        if is_object_id(reference) && self.is_kept(wanted, reference) {
            return Ok(reference.to_ascii_lowercase());
        }
        match self.local(wanted)? {
            Some(repository) => self.resolve_there(wanted, &repository).await,
            None if is_object_id(reference) => Ok(reference.to_ascii_lowercase()),
            None => self.resolve_far(wanted).await,
        }
    }

    /// Makes the files of a commit in the folder `into`, which must not be there yet.
    pub(crate) async fn place(
        &self,
        wanted: Wanted<'_>,
        commit: &str,
        into: &Path,
    ) -> Result<(), RunnerError> {
        let kept = self.kept(wanted, commit);
        if !kept.is_file() {
            self.fetch(wanted, commit, &kept).await?;
        }
        let (tar, into) = (kept.clone(), into.to_owned());
        // Beside its place, where nobody takes half of an action for the whole.
        let beside = into.with_file_name(part(commit));
        let unpack = move || {
            let unpacked = unpack::unpack(&tar, &beside).and_then(|()| {
                fs::rename(&beside, &into).map_err(|error| RunnerError::io("make", &into, error))
            });
            if unpacked.is_err() {
                // What is left of it goes with the folder around at the latest.
                let _ = fs::remove_dir_all(&beside);
            }
            unpacked
        };
        let unpacked = tokio::task::spawn_blocking(unpack).await;
        let unpacked =
            unpacked.unwrap_or_else(|error| Err(failed(wanted, format!("unpacking stopped: {error}"))));
        if let Err(error) = &unpacked
            && error.kind == ErrorKind::ActionFetch
        {
            // It cannot be used by anybody; the next one fetches it anew.
            remove(&kept)?;
        }
        unpacked
    }

    /// Makes the files of a run's own repository in the folder `into`, which must not be there yet.
    pub(crate) async fn place_own(&self, own: &Repository, into: &Path) -> Result<(), RunnerError> {
        let broken = |why: String| {
            let message = format!("the repository {} cannot be read: {why}", own.path.display());
            RunnerError::new(ErrorKind::ActionFetch, message)
        };
        let into = into.to_owned();
        let done = match &own.revision {
            Revision::Commit(commit) => {
                let tar = into.with_extension("tar");
                let output = format!("--output={}", tar.display());
                if let Some(parent) = into.parent() {
                    fs::create_dir_all(parent).map_err(|error| RunnerError::io("make", parent, error))?;
                }
                let said = self.git.ask(&own.path, &["archive", "--format=tar", &output, commit]).await?;
                if !said.ok {
                    return Err(broken(said.why()));
                }
                Aside::begin(move |_| unpack::unpack(&tar, &into).and_then(|()| remove(&tar)))
            }
            Revision::WorkingTree => {
                let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
                let said = self.git.ask(&own.path, &arguments).await?;
                if !said.ok {
                    return Err(broken(said.why()));
                }
                let from = own.path.clone();
                Aside::begin(move |over| copy_files(said.bytes(), &from, &into, over).map(drop))
            }
        };
        // Whoever does not wait any longer ends it by that.
        done.until(std::future::pending()).await?
    }

    /// The address of a repository, for people and for git.
    fn address(&self, wanted: Wanted<'_>) -> String {
        format!("{}/{}/{}", self.server, wanted.owner, wanted.repo)
    }

    fn kept(&self, wanted: Wanted<'_>, commit: &str) -> PathBuf {
        let folder = self.cache.join(wanted.owner.to_lowercase()).join(wanted.repo.to_lowercase());
        folder.join(format!("{}.tar", commit.to_ascii_lowercase()))
    }

    fn is_kept(&self, wanted: Wanted<'_>, commit: &str) -> bool {
        self.kept(wanted, commit).is_file()
    }

    /// The repository in the mirror; an error when there is a mirror and it is not in it.
    fn local(&self, wanted: Wanted<'_>) -> Result<Option<PathBuf>, RunnerError> {
        let Some(mirror) = &self.mirror else { return Ok(None) };
        let found = entry(mirror, &[wanted.owner]).and_then(|owner| {
            let bare = format!("{}.git", wanted.repo);
            entry(&owner, &[wanted.repo, &bare])
        });
        found.map(Some).ok_or_else(|| {
            let message =
                format!("there is no repository {}/{} in {}", wanted.owner, wanted.repo, mirror.display());
            RunnerError::new(ErrorKind::ActionFetch, message).with_help(format!(
                "clone it there, with git clone --mirror {} {}/{}/{}.git, or run without --action-mirror",
                self.address(wanted),
                mirror.display(),
                wanted.owner,
                wanted.repo,
            ))
        })
    }

    async fn resolve_there(&self, wanted: Wanted<'_>, repository: &Path) -> Result<String, RunnerError> {
        let reference = wanted.reference;
        let names = match reference {
            _ if is_object_id(reference) || reference.starts_with("refs/") => vec![reference.to_owned()],
            _ => vec![format!("refs/tags/{reference}"), format!("refs/heads/{reference}")],
        };
        for name in names {
            let commit = format!("{name}^{{commit}}");
            let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
            let said = self.git.ask(repository, &arguments).await?;
            if said.ok {
                return Ok(said.text().trim().to_owned());
            }
        }
        Err(no_reference(wanted, &repository.display().to_string()))
    }

    async fn resolve_far(&self, wanted: Wanted<'_>) -> Result<String, RunnerError> {
        let (address, reference) = (self.address(wanted), wanted.reference);
        let (tag, peeled) = (format!("refs/tags/{reference}"), format!("refs/tags/{reference}^{{}}"));
        let branch = format!("refs/heads/{reference}");
        let names = match reference.starts_with("refs/") {
            true => vec![format!("{reference}^{{}}"), reference.to_owned()],
            false => vec![peeled, tag, branch],
        };
        let mut arguments = vec!["ls-remote", "--quiet", "--", &address];
        arguments.extend(names.iter().map(String::as_str));
        let said = self.git.ask_far(Path::new("/"), &arguments).await?;
        if !said.ok {
            return Err(self.unreachable(wanted, &said));
        }
        let text = said.text();
        let found: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.split_once('\t')).map(|(id, name)| (name, id)).collect();
        let commit = names.iter().find_map(|name| found.get(name.as_str())).copied();
        commit.filter(|id| is_object_id(id)).map(str::to_owned).ok_or_else(|| no_reference(wanted, &address))
    }

    /// Writes the tar file of a commit to its place.
    async fn fetch(&self, wanted: Wanted<'_>, commit: &str, kept: &Path) -> Result<(), RunnerError> {
        let folder = kept.parent().unwrap_or(&self.cache);
        fs::create_dir_all(folder).map_err(|error| RunnerError::io("make", folder, error))?;
        sweep(folder)?;
        let part = folder.join(part(commit));
        let fetched = match self.local(wanted)? {
            Some(repository) => self.archive(wanted, &repository, commit, &part).await,
            None => self.download(wanted, commit, &part).await,
        };
        let done = fetched.and_then(|()| {
            let synced = fs::File::open(&part).and_then(|file| file.sync_all());
            synced
                .and_then(|()| fs::rename(&part, kept))
                .map_err(|error| RunnerError::io("keep", kept, error))
        });
        if done.is_err() {
            remove(&part)?;
        }
        done
    }

    async fn archive(
        &self,
        wanted: Wanted<'_>,
        repository: &Path,
        commit: &str,
        to: &Path,
    ) -> Result<(), RunnerError> {
        let output = format!("--output={}", to.display());
        let said = self.git.ask(repository, &["archive", "--format=tar", &output, commit]).await?;
        if said.ok {
            return Ok(());
        }
        let message =
            format!("the commit {commit} cannot be read from {}: {}", repository.display(), said.why());
        Err(failed(wanted, message))
    }

    /// Fetches one commit without its history into a repository of its own, which goes away afterwards.
    async fn download(&self, wanted: Wanted<'_>, commit: &str, to: &Path) -> Result<(), RunnerError> {
        let repository = to.with_extension("git");
        fs::create_dir_all(&repository).map_err(|error| RunnerError::io("make", &repository, error))?;
        let address = self.address(wanted);
        let fetched = async {
            let init = self.git.ask(&repository, &["init", "--quiet", "--bare", "--template=", "."]).await?;
            if !init.ok {
                return Err(failed(wanted, format!("git init failed: {}", init.why())));
            }
            let fetch = ["fetch", "--quiet", "--no-tags", "--depth=1", "--", &address, commit];
            let said = self.git.ask_far(&repository, &fetch).await?;
            if !said.ok {
                return Err(self.unreachable(wanted, &said));
            }
            self.archive(wanted, &repository, commit, to).await
        }
        .await;
        fs::remove_dir_all(&repository).map_err(|error| RunnerError::io("remove", &repository, error))?;
        fetched
    }

    fn unreachable(&self, wanted: Wanted<'_>, said: &Said) -> RunnerError {
        let Wanted { owner, repo, reference } = wanted;
        let message = format!(
            "the action {owner}/{repo}@{reference} cannot be fetched from {}: {}",
            self.address(wanted),
            said.why()
        );
        let credentials = match self.git.is_lent() {
            true => {
                "for a private one, let git ls-remote of that address work where this was started, without a question"
            }
            false => {
                "git's own configuration, with its credentials and rewritten addresses, does not count for this run"
            }
        };
        RunnerError::new(ErrorKind::ActionFetch, message).with_help(format!(
            "check the name and the network; {credentials}; or give --action-mirror DIR with the git repository \
             DIR/{owner}/{repo}"
        ))
    }
}

fn failed(wanted: Wanted<'_>, why: String) -> RunnerError {
    let Wanted { owner, repo, reference } = wanted;
    RunnerError::new(
        ErrorKind::ActionFetch,
        format!("the action {owner}/{repo}@{reference} is not there: {why}"),
    )
}

fn no_reference(wanted: Wanted<'_>, place: &str) -> RunnerError {
    let Wanted { owner, repo, reference } = wanted;
    let short = (7..40).contains(&reference.len()) && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    let message = format!(
        "the action {owner}/{repo}@{reference} cannot be resolved: there is no branch or tag {reference:?} in {place}"
    );
    let error = RunnerError::new(ErrorKind::ActionFetch, message);
    if is_object_id(reference) {
        error.with_help("it has no such commit: check the id, and bring the repository up to date")
    } else if short {
        error.with_help("a shortened commit id is not taken, as on GitHub; write all 40 digits")
    } else {
        error.with_help("check the name of the branch or tag, or write a whole commit id")
    }
}

/// The entry of a folder with one of these names, compared without case as GitHub does; an exact one first.
fn entry(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    if let Some(exact) = names.iter().map(|name| folder.join(name)).find(|path| path.is_dir()) {
        return Some(exact);
    }
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| {
            let own = entry.file_name();
            names.iter().any(|name| own.to_str().is_some_and(|own| own.eq_ignore_ascii_case(name)))
        })
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort_unstable();
    found.into_iter().next()
}

/// Removes what processes that are gone left half-written.
fn sweep(folder: &Path) -> Result<(), RunnerError> {
    let read = |error| RunnerError::io("read", folder, error);
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((_, who)) = name.split_once(PART) else { continue };
        let pid = who.split_once('-').map_or(who, |(pid, _)| pid);
        if Path::new("/proc").join(pid).exists() {
            continue;
        }
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(|error| RunnerError::io("remove", &path, error))?;
        } else {
            remove(&path)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), RunnerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunnerError::io("remove", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
