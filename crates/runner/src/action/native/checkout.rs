//! `actions/checkout` of the run's own repository: its commit, or the files of the work tree as they lie there.

use super::{Inputs, UPLOAD_PACK, addresses, copies::copy_files, others};
use crate::{
    context::Revision,
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace, Streams},
    job::Job,
    listen::Hearing,
    place::lexical,
    reach::Reach,
    remote::cause,
    steps::{Came, Current},
    work::{GIT, Settle, Work, archive, empty, empty_but_git},
};
use shipway_base::is_object_id;
use shipway_workflow::{Texts, run::Conclusion};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

/// Settings of every git that runs here: no hooks, no helpers, no network, nothing of the user's own configuration.
const SETTINGS: [&str; 14] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
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
            Some(path) => self.below_workspace(path)?,
            None => self.folders.workspace.clone(),
        };
        self.stays_inside(&to)?;
        if self.executor.may_write(&self.identity) {
            let unready = self.begin_own_work(&to).await;
            let came = self.check_out(inputs, &to, current).await;
            self.end_own_work(&to, current).await?;
            return came.map_err(|error| error.because(unready));
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

    /// The folder that `path` means, as the job sees paths; one outside of the workspace is refused, as by the official action.
    fn below_workspace(&self, path: &str) -> Result<PathBuf, RunnerError> {
        let seen = self.map.inside(&self.folders.workspace);
        let meant = lexical(&seen.join(path));
        let Ok(rest) = meant.strip_prefix(&seen) else {
            let text = format!("{path} leads out of the workspace");
            return Err(RunnerError::new(ErrorKind::ActionInput, text)
                .with_help("name a folder of the workspace, relative to it"));
        };
        Ok(if rest.as_os_str().is_empty() {
            self.folders.workspace.clone()
        } else {
            self.folders.workspace.join(rest)
        })
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
        let history = History::of(inputs)?;
        let mut is_new = !to.join(GIT).exists();
        if !is_new && let Err(error) = self.leave_branches(to, current).await {
            if matches!(error.kind, ErrorKind::Cancelled | ErrorKind::TimedOut) {
                return Err(error);
            }
            let why = error.message;
            let line = format!("what was checked out before is removed, since it cannot be used: {why}");
            self.log.line(Some(current.index), &line).await;
            is_new = true;
        }
        let left = to.to_owned();
        if is_new {
            self.beside(current, move |over| empty(&left, over)).await?;
        } else if clean {
            self.beside(current, move |over| empty_but_git(&left, over)).await?;
        }
        fs::create_dir_all(to).map_err(|error| RunnerError::io("make", to, error))?;
        let from = self.context.repository.path.to_string_lossy().into_owned();
        let wanted = inputs.text("ref").map(str::to_owned);
        self.git(current, to, &["init", "--quiet", "--template=", "."]).await?;
        if is_new {
            self.set_origin(to, &from)?;
        }
        let of_run = Standing::on(&github_text(current, "ref"));
        let (target, standing) = match (&wanted, &self.context.repository.revision) {
            (Some(reference), _) => self.resolve(current, to, &from, reference).await?,
            (None, Revision::Commit(sha)) => {
                let (target, _) = self.resolve(current, to, &from, &sha.clone()).await?;
                (target, of_run)
            }
            // A repository without any commit has files all the same.
            (None, Revision::WorkingTree) => {
                let head = self.resolve(current, to, &from, "HEAD").await;
                (head.map(|(target, _)| target).unwrap_or_default(), of_run)
            }
        };
        let standing = self.standing_there(current, to, &from, standing, &target).await;
        if !target.is_empty() {
            let beside = wanted.as_deref().and_then(|wanted| standing.beside(wanted));
            self.fetch(current, to, &from, (&target, &beside.unwrap_or_default()), &standing, &history)
                .await?;
        }
        if let Standing::Branch(branch) = &standing
            && !target.is_empty()
        {
            let remote = format!("refs/remotes/origin/{branch}");
            self.git(current, to, &["update-ref", &remote, &target]).await?;
            follow(to, branch)?;
        }
        if let Standing::Pull(request) = &standing
            && !target.is_empty()
        {
            let remote = format!("refs/remotes/pull/{request}");
            self.git(current, to, &["update-ref", &remote, &target]).await?;
        }
        if wanted.is_none() && self.context.repository.revision == Revision::WorkingTree {
            if !target.is_empty() {
                self.stand_on(current, to, &standing, &target).await?;
                // With that what a reset does, but for a look at every file, none of which is there yet.
                self.git(current, to, &["read-tree", &target]).await?;
            }
            let count = self.copy_work_tree(current, &from, to).await?;
            let line = match count {
                1 => "1 file of the work tree, committed or not, is in the workspace".to_owned(),
                _ => format!("{count} files of the work tree, committed or not, are in the workspace"),
            };
            self.log.line(Some(current.index), &line).await;
        } else {
            let mut arguments = vec!["checkout", "--quiet", "--force"];
            let request;
            match &standing {
                Standing::Pull(name) => {
                    request = format!("refs/remotes/pull/{name}");
                    arguments.extend(["--detach", request.as_str()]);
                }
                Standing::Branch(branch) => arguments.extend(["-B", branch.as_str(), target.as_str()]),
                Standing::Tag(_) | Standing::Commit => arguments.extend(["--detach", target.as_str()]),
            }
            self.git(current, to, &arguments).await?;
        }
        self.persist_token(inputs, to, current).await?;
        let outputs: Texts = [
            // As by the official action, a commit is no ref.
            (
                "ref".to_owned(),
                match wanted {
                    Some(wanted) if is_object_id(&wanted) => String::new(),
                    Some(wanted) => wanted,
                    None => github_text(current, "ref"),
                },
            ),
            ("commit".to_owned(), target),
        ]
        .into();
        Ok(Came { outputs, ..Came::of(Conclusion::Success) })
    }

    /// Makes what an earlier checkout left ready for this one: as by the official action, it is on no branch, and has none. Another
    /// repository is none that can be used.
    async fn leave_branches(&mut self, at: &Path, current: &Current) -> Result<(), RunnerError> {
        if let Some(address) = self.address() {
            let told = self.ask_git(current, at, &["config", "--get", "remote.origin.url"]).await;
            if told.is_ok_and(|told| String::from_utf8_lossy(&told).trim() != address) {
                return Err(RunnerError::new(ErrorKind::Checkout, "it is of another repository"));
            }
        }
        // Of a git that was killed.
        for lock in ["index.lock", "shallow.lock"] {
            let lock = at.join(GIT).join(lock);
            match fs::remove_file(&lock) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(RunnerError::io("remove", &lock, error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        let list = self.ask_git(current, at, &["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads"]);
        let list = String::from_utf8_lossy(&list.await?).into_owned();
        if list.is_empty() {
            return Ok(());
        }
        let head = self.ask_git(current, at, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).await;
        if let Ok(head) = head {
            let head = String::from_utf8_lossy(&head).trim().to_owned();
            self.git(current, at, &["update-ref", "--no-deref", "HEAD", &head]).await?;
        }
        let mut arguments = vec!["branch", "--quiet", "--delete", "--force", "--"];
        arguments.extend(list.lines());
        self.git(current, at, &arguments).await
    }

    /// Points `HEAD` at the branch of the run, at this commit; at the commit alone where it is not on a branch.
    async fn stand_on(
        &mut self,
        current: &Current,
        at: &Path,
        standing: &Standing,
        target: &str,
    ) -> Result<(), RunnerError> {
        match standing {
            Standing::Branch(branch) => {
                self.git(current, at, &["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).await?;
                self.git(current, at, &["update-ref", "HEAD", target]).await
            }
            Standing::Pull(request) => {
                // With the words from which git tells where it stands.
                let words = format!("checkout: moving from main to refs/remotes/pull/{request}");
                self.git(current, at, &["update-ref", "--no-deref", "-m", &words, "HEAD", target]).await
            }
            Standing::Tag(_) | Standing::Commit => {
                self.git(current, at, &["update-ref", "--no-deref", "HEAD", target]).await
            }
        }
    }

    /// Where the checkout stands when the repository has the tag at that commit; one that an event only names is none.
    async fn standing_there(
        &mut self,
        current: &Current,
        at: &Path,
        from: &str,
        standing: Standing,
        target: &str,
    ) -> Standing {
        let Standing::Tag(tag) = standing else { return standing };
        match self.resolve(current, at, from, &format!("refs/tags/{tag}")).await {
            Ok((commit, _)) if commit == target => Standing::Tag(tag),
            Ok(_) | Err(_) => Standing::Commit,
        }
    }

    /// The address of the run's repository at its forge, when the run knows its name.
    fn address(&self) -> Option<String> {
        let server = self.github_text("server_url").unwrap_or_else(|| "https://github.com".to_owned());
        Some(format!("{server}/{}", self.github_text("repository")?))
    }

    /// Tells git of the remote `origin`: the address that the repository has at its forge, found in the repository of the run.
    fn set_origin(&self, at: &Path, from: &str) -> Result<(), RunnerError> {
        let Some(address) = self.address() else { return Ok(()) };
        // Only those who see the repository under that path find it there; a line end would end the setting.
        let sees_it = self.links() == Reach::Machine && !from.contains(['\n', '\0']);
        if sees_it {
            append(&at.join(".git").join(PUSHES), &pushes(&address, from))?;
        }
        append(&at.join(".git/config"), &origin(&address, Some(from).filter(|_| sees_it)))
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

    /// The commit that a name means in the repository of the run, and what kind of name it is. A branch comes before a tag of the
    /// same name, as for the official action.
    async fn resolve(
        &mut self,
        current: &Current,
        at: &Path,
        from: &str,
        name: &str,
    ) -> Result<(String, Standing), RunnerError> {
        let mut candidates = vec![name.to_owned()];
        if !name.starts_with("refs/") && name != "HEAD" && !is_object_id(name) {
            candidates = vec![format!("refs/heads/{name}"), format!("refs/tags/{name}"), name.to_owned()];
        }
        for candidate in candidates {
            let commit = format!("{candidate}^{{commit}}");
            let arguments = ["-C", from, "rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
            if let Ok(found) = self.ask_git(current, at, &arguments).await {
                let commit = String::from_utf8_lossy(&found).trim().to_owned();
                return Ok((commit, Standing::on(&candidate)));
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
        (target, beside): (&str, &[String]),
        standing: &Standing,
        history: &History,
    ) -> Result<(), RunnerError> {
        let url = format!("file://{from}");
        let History { full, depth, tags } = history;
        let read = format!("--upload-pack={UPLOAD_PACK}");
        let mut arguments = vec!["fetch", "--quiet", "--no-recurse-submodules", "--force", &read];
        arguments.push(if *tags || *full { "--tags" } else { "--no-tags" });
        // Of a repository that is shallow itself there is what it has. An earlier checkout may have fetched less.
        arguments.push(match full {
            true if to.join(".git/shallow").exists() => "--unshallow",
            true => "--update-shallow",
            false => depth,
        });
        arguments.extend([url.as_str(), target]);
        if *full {
            arguments.push("+refs/heads/*:refs/remotes/origin/*");
        }
        let tag = match standing {
            Standing::Tag(tag) => Some(format!("+refs/tags/{tag}:refs/tags/{tag}")),
            Standing::Branch(_) | Standing::Pull(_) | Standing::Commit => None,
        };
        arguments.extend(tag.as_deref());
        arguments.extend(beside.iter().map(String::as_str).filter(|_| !*full));
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

    pub(super) async fn git(
        &mut self,
        current: &Current,
        at: &Path,
        arguments: &[&str],
    ) -> Result<(), RunnerError> {
        let program = self.git_program(at, arguments);
        let (came, heard) = self.run_quietly(&program, current, Hearing::Plain).await?;
        match came {
            Some(0) => Ok(()),
            _ => Err(git_failed(arguments, &heard)),
        }
    }

    /// Runs git for its answer.
    pub(super) async fn ask_git(
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
            files: None,
        }
    }
}

/// What of a repository is fetched.
struct History {
    full: bool,
    /// The option of git.
    depth: String,
    tags: bool,
}

impl History {
    fn of(inputs: &Inputs) -> Result<History, RunnerError> {
        // What is no number, or below 0, is the whole history for the official action too.
        let depth = inputs.text("fetch-depth").unwrap_or("1").trim().parse::<f64>().unwrap_or(0.0);
        let depth = if depth.is_finite() { depth.floor().max(0.0) } else { 0.0 };
        let tags = inputs.flag("fetch-tags", false)?;
        Ok(History { full: depth < 1.0, depth: format!("--depth={depth}"), tags })
    }
}

/// What a checkout stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// A branch, by its short name.
    Branch(String),
    /// A tag, by its short name; its commit is checked out by itself.
    Tag(String),
    /// The merge commit of a pull request, by what stands behind `refs/pull/`; it is checked out by itself.
    Pull(String),
    /// A commit by itself.
    Commit,
}

impl Standing {
    fn on(reference: &str) -> Standing {
        if let Some(request) = reference.strip_prefix("refs/pull/") {
            return Standing::Pull(request.to_owned());
        }
        match (reference.strip_prefix("refs/heads/"), reference.strip_prefix("refs/tags/")) {
            (Some(branch), _) => Standing::Branch(branch.to_owned()),
            (None, Some(tag)) => Standing::Tag(tag.to_owned()),
            (None, None) => Standing::Commit,
        }
    }

    /// What the official action fetches beside a `ref` that does not say of which kind it is: all branches and tags whose names begin
    /// with it. So a release that `v1` moves to is known by its own tag too.
    fn beside(&self, wanted: &str) -> Option<[String; 2]> {
        match self {
            Standing::Branch(name) | Standing::Tag(name) if name == wanted => Some([
                format!("+refs/heads/{name}*:refs/remotes/origin/{name}*"),
                format!("+refs/tags/{name}*:refs/tags/{name}*"),
            ]),
            Standing::Branch(_) | Standing::Tag(_) | Standing::Pull(_) | Standing::Commit => None,
        }
    }
}

/// Lets a branch follow the one of the same name at `origin`, so that `git pull` and `git status` know of it.
fn follow(at: &Path, branch: &str) -> Result<(), RunnerError> {
    let path = at.join(".git/config");
    let head = format!("[branch {}]", quoted(branch));
    let known = fs::read(&path).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&head));
    if known {
        return Ok(());
    }
    append(
        &path,
        &format!("{head}\n\tremote = origin\n\tmerge = {}\n", quoted(&format!("refs/heads/{branch}"))),
    )
}

/// Adds lines to a file of git's configuration.
pub(super) fn append(path: &Path, lines: &str) -> Result<(), RunnerError> {
    let add = || fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(lines.as_bytes());
    add().map_err(|error| RunnerError::io("write", path, error))
}

/// A text in git's configuration.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The address that pushes to the repository of the run are sent to; git shows it when it finds nothing there.
const NO_PUSH: &str = "a run does not push to the repository it came from; push to another remote";

/// The settings of a remote, in the language of git's configuration. With `from` git fetches from that folder, by a transport of its
/// own: `url.insteadOf` would show the folder wherever git is asked for the address, and a push there would go through. That
/// repository is somebody's own, and no job may change it by the way.
fn origin(address: &str, from: Option<&str>) -> String {
    let address = quoted(address);
    let mut text =
        format!("[remote \"origin\"]\n\turl = {address}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n");
    if let Some(from) = from {
        text += &format!("\tvcs = {TRANSPORT}\n");
        text += &format!("[alias]\n\tremote-{TRANSPORT} = {}\n", quoted(&transport(from)));
        text += &format!("[include]\n\tpath = {PUSHES}\n");
    }
    text
}

/// The file beside git's configuration that says where no pushes go.
const PUSHES: &str = "shipway-pushes";

/// Sends pushes to the repository of the run nowhere, and those to others whose names begin like its own where they belong.
fn pushes(address: &str, from: &str) -> String {
    let there = format!("file://{from}");
    let mut text = format!("[url {}]\n", quoted(NO_PUSH));
    for own in addresses(address).into_iter().chain([there.clone()]) {
        text += &format!("\tpushInsteadOf = {}\n", quoted(&own));
    }
    for other in others(address).chain(others(&there)) {
        let other = quoted(&other);
        text += &format!("[url {other}]\n\tpushInsteadOf = {other}\n");
    }
    text
}

/// What the transport is called; git starts `git remote-NAME`, which is an alias here.
const TRANSPORT: &str = "shipway";

/// A remote helper of git as a line for the shell: it connects who fetches with the folder, and nobody who pushes.
fn transport(from: &str) -> String {
    let from = format!("'{}'", from.replace('\'', r"'\''"));
    format!(
        "!f() {{ unset $(git rev-parse --local-env-vars); while read -r asked; do case $asked in \
         capabilities) printf 'connect\\n\\n';; \
         'connect git-upload-pack') echo; exec {UPLOAD_PACK} {from};; \
         connect*) echo '{NO_PUSH}' >&2; exit 1;; \
         '') ;; *) exit 1;; esac; done; }}; f"
    )
}

fn git_failed(arguments: &[&str], heard: &crate::listen::HeardAll) -> RunnerError {
    let said = match &heard.text {
        Some(text) => cause(&String::from_utf8_lossy(text)),
        None => cause(&heard.first_lines),
    };
    let what = arguments.iter().find(|word| !word.starts_with('-')).copied().unwrap_or("git");
    RunnerError::new(ErrorKind::Checkout, format!("git {what} failed: {said}"))
        .with_help("check that the repository of the run is whole, for example with git fsck")
}

fn github_text(current: &Current, field: &str) -> String {
    let github = current.scope.contexts.get("github");
    github.and_then(|github| github.get(field)).map(|value| value.to_text().to_string()).unwrap_or_default()
}
