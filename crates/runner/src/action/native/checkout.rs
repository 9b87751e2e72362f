//! `actions/checkout` of the run's own repository: its commit, or the files of the work tree as they lie there.

use super::{Inputs, copies::copy_files};
use crate::{
    context::Revision,
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace, Streams},
    job::Job,
    listen::Hearing,
    reach::Reach,
    steps::{Came, Current},
    work::{Settle, Work, archive, empty},
};
use shipway_workflow::{Texts, run::Conclusion};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

/// Settings of every git that runs here: no hooks, no helpers, no network, nothing of the user's own configuration.
const SETTINGS: [&str; 12] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "protocol.allow=never",
    "-c",
    "protocol.file.allow=always",
    "-c",
    "credential.helper=",
    "-c",
    "advice.detachedHead=false",
    "-c",
    "safe.directory=*",
];

impl Job<'_> {
    /// Checks the repository out: where the runner may write itself, and else somewhere of its own first, from where a helper with
    /// the rights of the job takes it to its place.
    pub(super) async fn checkout(&mut self, inputs: &Inputs, current: &Current) -> Result<Came, RunnerError> {
        let to = match inputs.text("path") {
            Some(path) => super::super::normal(&self.folders.workspace, path)?,
            None => self.folders.workspace.clone(),
        };
        self.stays_inside(&to)?;
        if self.executor.may_write(&self.identity) {
            let came = self.check_out(inputs, &to, current).await;
            self.executor.after_own_work(&self.identity, &self.folders)?;
            return came;
        }
        let (path, file) = self.scratch_file("checkout.tar")?;
        let tree = path.with_extension("tree");
        let came = self.check_out(inputs, &tree, current).await;
        let settled = match came {
            Ok(_) => self.settle_tree(&tree, (&path, file), to, inputs, current).await,
            Err(_) => Ok(()),
        };
        // The next checkout of the job is made anew.
        if let Err(error) = fs::remove_dir_all(&tree) {
            tracing::warn!(%error, folder = %tree.display(), "a checkout stays until the job ends");
        }
        settled.and(came)
    }

    /// Takes a tree that the runner has made to its place in the workspace, with the rights of the job.
    async fn settle_tree(
        &mut self,
        tree: &Path,
        (path, file): (&Path, File),
        to: PathBuf,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<(), RunnerError> {
        let settle = Settle { into: to, keep: !inputs.flag("clean", true)? };
        let made = tree.to_owned();
        self.beside(current, move |over| archive(&made, file, over)).await?;
        let data = File::open(path).map_err(|error| RunnerError::io("read", path, error))?;
        self.work(Work::Settle(settle), Some(data), current).await.map(drop)
    }

    async fn check_out(
        &mut self,
        inputs: &Inputs,
        to: &Path,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let clean = inputs.flag("clean", true)?;
        let full = inputs.text("fetch-depth") == Some("0");
        let tags = inputs.flag("fetch-tags", false)?;
        let is_new = !to.join(".git").exists();
        if is_new {
            let to = to.to_owned();
            self.beside(current, move |over| empty(&to, over)).await?;
        }
        fs::create_dir_all(to).map_err(|error| RunnerError::io("make", to, error))?;
        let from = self.context.repository.path.to_string_lossy().into_owned();
        let wanted = inputs.text("ref").map(str::to_owned);
        let revision = match (&wanted, &self.context.repository.revision) {
            (Some(reference), _) => Some(reference.clone()),
            (None, Revision::Commit(sha)) => Some(sha.clone()),
            (None, Revision::WorkingTree) => None,
        };
        self.git(current, to, &["init", "--quiet", "--template=", "."]).await?;
        if is_new {
            self.set_origin(to, &from)?;
        }
        let target = match &revision {
            Some(revision) => self.resolve(current, to, &from, revision).await?,
            // A repository without any commit has files all the same.
            None => self.resolve(current, to, &from, "HEAD").await.unwrap_or_default(),
        };
        if !target.is_empty() {
            self.fetch(current, to, &from, &target, full, tags).await?;
        }
        let commit = match &revision {
            Some(_) => {
                let branch = self.branch(current, wanted.as_deref());
                let start = "FETCH_HEAD^0";
                let mut arguments = vec!["checkout", "--quiet", "--force"];
                match &branch {
                    Some(branch) => arguments.extend(["-B", branch.as_str(), target.as_str()]),
                    None => arguments.extend(["--detach", if full { target.as_str() } else { start }]),
                }
                self.git(current, to, &arguments).await?;
                if let Some(branch) = branch.filter(|_| !full) {
                    let remote = format!("refs/remotes/origin/{branch}");
                    self.git(current, to, &["update-ref", &remote, &target]).await?;
                }
                if clean {
                    self.git(current, to, &["clean", "-ffdxq"]).await?;
                }
                target
            }
            None => {
                if !target.is_empty() {
                    let branch = self.branch(current, None);
                    self.stand_on(current, to, branch, &target).await?;
                    // With that what a reset does, but for a look at every file, none of which is there yet.
                    self.git(current, to, &["read-tree", &target]).await?;
                }
                let count = self.copy_work_tree(current, &from, to).await?;
                let line = match count {
                    1 => "1 file of the work tree, committed or not, is in the workspace".to_owned(),
                    _ => format!("{count} files of the work tree, committed or not, are in the workspace"),
                };
                self.log.line(Some(current.index), &line).await;
                target
            }
        };
        let outputs: Texts = [
            ("ref".to_owned(), wanted.unwrap_or_else(|| github_text(current, "ref"))),
            ("commit".to_owned(), commit),
        ]
        .into();
        Ok(Came { outcome: Conclusion::Success, exit_code: None, outputs })
    }

    /// Points `HEAD` at the branch of the run, at this commit; at the commit alone where it is not on a branch.
    async fn stand_on(
        &mut self,
        current: &Current,
        at: &Path,
        branch: Option<String>,
        target: &str,
    ) -> Result<(), RunnerError> {
        let Some(branch) = branch else {
            return self.git(current, at, &["update-ref", "--no-deref", "HEAD", target]).await;
        };
        self.git(current, at, &["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).await?;
        self.git(current, at, &["update-ref", "HEAD", target]).await?;
        self.git(current, at, &["update-ref", &format!("refs/remotes/origin/{branch}"), target]).await
    }

    /// Tells git of the remote `origin`: the address that the repository has at its forge, found in the repository of the run.
    fn set_origin(&self, at: &Path, from: &str) -> Result<(), RunnerError> {
        let github = |field: &str| {
            let value = self.request.github.get(field).map(|value| value.to_text().to_string());
            value.filter(|text| !text.is_empty())
        };
        let server = github("server_url").unwrap_or_else(|| "https://github.com".to_owned());
        let Some(name) = github("repository") else { return Ok(()) };
        // Only those who see the repository under that path find it there; a line end would end the setting.
        let sees_it = self.links() == Reach::Machine && !from.contains(['\n', '\0']);
        let config = origin(&format!("{server}/{name}"), Some(from).filter(|_| sees_it));
        let path = at.join(".git/config");
        let add = || fs::OpenOptions::new().append(true).open(&path)?.write_all(config.as_bytes());
        add().map_err(|error| RunnerError::io("write", &path, error))
    }

    /// Refuses a folder that a link in the workspace leads out to, where the runner may write what the job may not.
    fn stays_inside(&self, to: &Path) -> Result<(), RunnerError> {
        if self.links() == Reach::Machine {
            return Ok(());
        }
        let fail = |path: &Path, error| RunnerError::io("look at", path, error);
        let workspace = &self.folders.workspace;
        let real = fs::canonicalize(workspace).map_err(|error| fail(workspace, error))?;
        for above in to.ancestors() {
            // A link to nowhere would be gone through once something is there.
            if fs::symlink_metadata(above).is_err() {
                continue;
            }
            let found = fs::canonicalize(above).map_err(|error| fail(above, error))?;
            if found.starts_with(&real) {
                return Ok(());
            }
            let text = format!("{} is a link that leads out of the workspace", above.display());
            return Err(RunnerError::new(ErrorKind::ActionInput, text)
                .with_help("check the repository out to a folder of the workspace"));
        }
        Ok(())
    }

    /// The local branch to stand on: that of the run, when its own commit is checked out.
    fn branch(&self, current: &Current, wanted: Option<&str>) -> Option<String> {
        let reference = wanted.map_or_else(|| github_text(current, "ref"), str::to_owned);
        reference.strip_prefix("refs/heads/").map(str::to_owned)
    }

    /// The commit that a name means in the repository of the run.
    async fn resolve(
        &mut self,
        current: &Current,
        at: &Path,
        from: &str,
        name: &str,
    ) -> Result<String, RunnerError> {
        let candidates = [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}")];
        for candidate in candidates {
            let commit = format!("{candidate}^{{commit}}");
            let arguments = ["-C", from, "rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
            if let Ok(found) = self.ask_git(current, at, &arguments).await {
                return Ok(String::from_utf8_lossy(&found).trim().to_owned());
            }
        }
        Err(RunnerError::new(
            ErrorKind::Checkout,
            format!("there is no commit, branch or tag {name:?} in {from}"),
        )
        .with_help("check ref:, and that the commit of the run is in this repository"))
    }

    async fn fetch(
        &mut self,
        current: &Current,
        to: &Path,
        from: &str,
        target: &str,
        full: bool,
        tags: bool,
    ) -> Result<(), RunnerError> {
        let url = format!("file://{from}");
        let mut arguments = vec!["fetch", "--quiet", "--no-recurse-submodules", "--force"];
        arguments.push(if tags || full { "--tags" } else { "--no-tags" });
        if !full {
            arguments.push("--depth=1");
        }
        arguments.extend([url.as_str(), target]);
        if full {
            arguments.push("+refs/heads/*:refs/remotes/origin/*");
        }
        self.git(current, to, &arguments).await
    }

    /// Copies tracked files, and untracked ones that are not ignored, from the work tree.
    async fn copy_work_tree(
        &mut self,
        current: &Current,
        from: &str,
        to: &Path,
    ) -> Result<usize, RunnerError> {
        let arguments = ["-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let list = self.ask_git(current, to, &arguments).await?;
        let (from, to) = (PathBuf::from(from), to.to_owned());
        self.beside(current, move |over| copy_files(&list, &from, &to, over)).await
    }

    async fn git(&mut self, current: &Current, at: &Path, arguments: &[&str]) -> Result<(), RunnerError> {
        let program = self.git_program(at, arguments);
        let (came, heard) = self.run_quietly(&program, current, Hearing::Plain).await?;
        match came {
            Some(0) => Ok(()),
            _ => Err(git_failed(arguments, &heard)),
        }
    }

    /// Runs git for its answer.
    async fn ask_git(
        &mut self,
        current: &Current,
        at: &Path,
        arguments: &[&str],
    ) -> Result<Vec<u8>, RunnerError> {
        let program = self.git_program(at, arguments);
        let (came, heard) = self.run_quietly(&program, current, Hearing::Capture).await?;
        match came {
            Some(0) => Ok(heard.text.unwrap_or_default()),
            _ => Err(git_failed(arguments, &heard)),
        }
    }

    fn git_program(&self, at: &Path, arguments: &[&str]) -> Program {
        let mut env = BTreeMap::new();
        if let Some(path) = self.context.host_env.get("PATH") {
            env.insert("PATH".to_owned(), path.clone());
        } else {
            env.insert("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
        }
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C.UTF-8"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        env.insert("HOME".to_owned(), self.folders.home.to_string_lossy().into_owned());
        let argv =
            ["git"].into_iter().chain(SETTINGS).chain(arguments.iter().copied()).map(str::to_owned).collect();
        Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv,
            script: None,
            directory: at.to_owned(),
            env,
            place: ProgramPlace::Machine,
            streams: Streams::default(),
        }
    }
}

/// The settings of a remote, in the language of git's configuration. With `from` git finds it in that folder.
fn origin(address: &str, from: Option<&str>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let address = quoted(address);
    let mut text =
        format!("[remote \"origin\"]\n\turl = {address}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
    if let Some(from) = from {
        text += &format!("[url {}]\n\tinsteadOf = {address}\n", quoted(&format!("file://{from}")));
    }
    text
}

fn git_failed(arguments: &[&str], heard: &crate::listen::HeardAll) -> RunnerError {
    let text = heard.text.as_ref().map(|text| String::from_utf8_lossy(text).trim().to_owned());
    let said = text.filter(|text| !text.is_empty()).unwrap_or_else(|| heard.last_line.clone());
    let what = arguments.iter().find(|word| !word.starts_with('-')).copied().unwrap_or("git");
    RunnerError::new(ErrorKind::Checkout, format!("git {what} failed: {said}"))
        .with_help("check that the repository of the run is whole, for example with git fsck")
}

fn github_text(current: &Current, field: &str) -> String {
    let github = current.scope.contexts.get("github");
    github.and_then(|github| github.get(field)).map(|value| value.to_text().to_string()).unwrap_or_default()
}
