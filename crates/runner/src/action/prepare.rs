//! Fetches the actions of a job before its first step, those within composite actions too, as GitHub does.

use super::{Loaded, Manifests};
use crate::{
    env,
    error::{ErrorKind, RunnerError},
    job::Job,
    reach::Reach,
    remote::Wanted,
    slots,
    steps::written,
};
use shipway_base::{Source, Span};
use shipway_workflow::{
    action::Runs,
    document::{Step, StepKind, Uses},
    lock::Locked,
    plan::RemoteRepository,
    run::Origin,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// So long may fetching keep the slot of its job.
const MOMENT: Duration = Duration::from_secs(1);

/// An action that could not be fetched, and the place that asks for it.
#[derive(Debug)]
pub(crate) struct Unfetched {
    /// Why.
    pub(crate) error: RunnerError,
    /// The document with the step.
    pub(crate) source: Source,
    /// The value of its `uses`.
    pub(crate) span: Span,
}

impl Job<'_> {
    /// Fetches what the steps name, and what the composite actions among that name. `root` is the folder of the repository
    /// that the document comes from, when that is not the repository of the run. `step` is the one whose log tells of it.
    pub(crate) async fn fetch_actions(
        &mut self,
        steps: &[Step],
        source: &Source,
        root: Option<PathBuf>,
        step: Option<usize>,
    ) -> Result<(), Unfetched> {
        if !self.executor.is_real() {
            return Ok(());
        }
        // A server that does not answer keeps this job waiting, and no other.
        let slots = self.context.slots.clone();
        slots::away(&slots, MOMENT, self.fetch_named(names(steps), source, root, step)).await
    }

    async fn fetch_named(
        &mut self,
        names: Vec<(Uses, Span)>,
        source: &Source,
        root: Option<PathBuf>,
        step: Option<usize>,
    ) -> Result<(), Unfetched> {
        let mut open = vec![(names, source.clone(), root)];
        while let Some((names, source, root)) = open.pop() {
            for (uses, span) in names {
                let key = key(&uses, root.as_deref());
                if self.native(&uses).is_some() || self.loaded.contains_key(&key) {
                    continue;
                }
                let loaded = self.fetch_action(&uses, root.as_deref(), step).await;
                let loaded = loaded.map_err(|error| Unfetched { error, source: source.clone(), span })?;
                let Some(loaded) = loaded else { continue };
                if let Runs::Composite(composite) = &loaded.action.runs {
                    let inner = self::names(&composite.steps);
                    open.push((inner, loaded.action.source.clone(), loaded.root.clone()));
                }
                self.loaded.insert(key, loaded);
            }
        }
        Ok(())
    }

    /// Fetches one action; `None` when it is none that is fetched.
    pub(super) async fn fetch_action(
        &mut self,
        uses: &Uses,
        root: Option<&Path>,
        step: Option<usize>,
    ) -> Result<Option<Loaded>, RunnerError> {
        let (folder, path, repository, reference, root) = match uses {
            Uses::Local { .. } | Uses::Docker { .. } => return Ok(None),
            Uses::Repository { owner, repo, path, reference } => {
                let folder = self.place(Wanted { owner, repo, reference }, step).await?;
                (folder.clone(), path, format!("{owner}/{repo}"), reference.clone(), Some(folder))
            }
            Uses::SelfRepository { path } => {
                let folder = match root {
                    Some(root) => root.to_owned(),
                    None => self.own_repository(step).await?,
                };
                let (repository, reference) = self.own_origin(root);
                (folder, path, repository, reference, root.map(Path::to_owned))
            }
        };
        let dir = super::normal(&folder, path)?;
        let manifests = Manifests { folder: &folder, dir: &dir, reach: Reach::Folder };
        let action = Arc::new(super::load(&manifests, &written(uses), "in its repository")?);
        Ok(Some(Loaded { uses: written(uses), action, dir, repository, reference, root }))
    }

    /// The repository that `$/` means, and the reference it is had by: those of the action around whose repository lies in `root`, or of
    /// the workflow file.
    fn own_origin(&self, root: Option<&Path>) -> (String, String) {
        if root.is_some() {
            let around = self.loaded.values().find(|loaded| loaded.root.as_deref() == root);
            return around
                .map(|loaded| (loaded.repository.clone(), loaded.reference.clone()))
                .unwrap_or_default();
        }
        let job = env::job_context(self.request);
        let text = |key| job.get(key).map(|value| value.to_text().to_string()).unwrap_or_default();
        (text("workflow_repository"), text("workflow_sha"))
    }

    /// Makes the files of a repository in the folder of the job, once.
    async fn place(&mut self, wanted: Wanted<'_>, step: Option<usize>) -> Result<PathBuf, RunnerError> {
        let Wanted { owner, repo, reference } = wanted;
        let name = format!("{}/{}@{reference}", owner.to_lowercase(), repo.to_lowercase());
        if let Some(placed) = self.placed.get(&name) {
            return Ok(placed.clone());
        }
        if [owner, repo].iter().any(|name| matches!(*name, "." | "..")) {
            let text = format!("{owner}/{repo} is not the name of a repository");
            return Err(RunnerError::new(ErrorKind::ActionFetch, text));
        }
        let store = self.context.actions.clone();
        let commit = match self.locked(wanted).await? {
            Some(commit) => commit,
            None => store.resolve(wanted).await?,
        };
        let above = self.folders.actions.join(owner).join(repo);
        let named = is_plain(reference).then(|| above.join(reference));
        // A branch `v1/next` would lie among the files of a tag `v1`.
        let taken =
            |path: &PathBuf| path.exists() || self.placed.values().any(|known| path.starts_with(known));
        let folder = named.filter(|path| !taken(path)).unwrap_or_else(|| above.join(&commit));
        if !folder.exists() {
            store.place(wanted, &commit, &folder).await?;
        }
        let line = format!("Download action repository '{owner}/{repo}@{reference}' (SHA:{commit})");
        self.log.line(step, &line).await;
        self.placed.insert(name, folder.clone());
        Ok(folder)
    }

    /// The commit to which the lock file of the run's repository binds an action of this workflow, whatever its reference
    /// means by now; none where it binds nothing.
    async fn locked(&mut self, wanted: Wanted<'_>) -> Result<Option<String>, RunnerError> {
        if self.lock.is_none() {
            let store = self.context.actions.clone();
            self.lock = Some(store.lock(&self.context.repository).await?.map(Arc::new));
        }
        let Some(Some(lock)) = &self.lock else { return Ok(None) };
        let Wanted { owner, repo, reference } = wanted;
        let [owner, repo, reference] = [owner, repo, reference].map(str::to_owned);
        let uses = Uses::Repository { owner, repo, path: String::new(), reference };
        match lock.locked(&self.request.workflow.source.name, &uses) {
            Locked::Free => Ok(None),
            Locked::Commit(commit) => Ok(Some(commit.to_owned())),
            Locked::Missing => {
                let message = format!("{} does not stand in {}", written(&uses), lock.source.name);
                Err(RunnerError::new(ErrorKind::Unlocked, message)
                    .with_help("run `gh actions-lock` and commit what it writes"))
            }
        }
    }

    /// Makes the files of the repository that the job's workflow file is of in the folder of the job, once; whatever steps do to the
    /// workspace.
    async fn own_repository(&mut self, step: Option<usize>) -> Result<PathBuf, RunnerError> {
        let name = "$".to_owned();
        if let Some(placed) = self.placed.get(&name) {
            return Ok(placed.clone());
        }
        let folder = match self.request.workflow_origin.clone() {
            Some(origin) => self.place_origin(&origin, step).await?,
            None => {
                let folder = self.folders.actions.join("_self");
                self.context.actions.place_own(&self.context.repository, &folder).await?;
                folder
            }
        };
        self.placed.insert(name, folder.clone());
        Ok(folder)
    }

    /// The same of the repository that a called workflow comes from, at the commit of its file. The lock file of the run's repository
    /// has no say: it does not list what belongs to the called file.
    async fn place_origin(&mut self, origin: &Origin, step: Option<usize>) -> Result<PathBuf, RunnerError> {
        let RemoteRepository { owner, repo, reference } = &origin.repository;
        let wanted = Wanted { owner, repo, reference };
        let store = self.context.actions.clone();
        let commit = match &origin.commit {
            Some(commit) => commit.clone(),
            None => store.resolve(wanted).await?,
        };
        let folder = self.folders.actions.join("_called");
        store.place(wanted, &commit, &folder).await?;
        let line = format!("Download action repository '{owner}/{repo}@{commit}' (SHA:{commit})");
        self.log.line(step, &line).await;
        Ok(folder)
    }
}

/// Whether the files of a reference may lie in a folder of that name, as they do on GitHub; the commit is always safe.
fn is_plain(reference: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    reference.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain))
}

/// Under which name an action is remembered: account and repository are compared without case, and `$/` depends on the
/// repository around.
pub(super) fn key(uses: &Uses, root: Option<&Path>) -> String {
    match uses {
        Uses::Repository { owner, repo, path, reference } => {
            format!("{}/{}/{path}@{reference}", owner.to_lowercase(), repo.to_lowercase())
        }
        Uses::SelfRepository { path } => format!("$/{path}@{}", root.unwrap_or(Path::new("")).display()),
        Uses::Local { .. } | Uses::Docker { .. } => written(uses),
    }
}

fn names(steps: &[Step]) -> Vec<(Uses, Span)> {
    let all = steps.iter().flat_map(Step::with_inner);
    all.filter_map(|step| match &step.kind {
        StepKind::Uses(uses) => Some((uses.uses.value.clone(), uses.uses.span)),
        StepKind::Run(_)
        | StepKind::Wait(_)
        | StepKind::WaitAll
        | StepKind::Cancel(_)
        | StepKind::Parallel(_) => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_references_name_folders() {
        for plain in ["v4", "v4.2.0", "releases/v1", "main", "8f4b7f84864484a7bf31766abe9204da3cbe65b3"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in ["", "..", "a/../b", "/a", "a/", ".git", "a/.b", "a b", "refs\\x", "ä"] {
            assert!(!is_plain(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_reference_stays_in_its_folder(reference in "[a./-]{1,12}") {
            let path = Path::new("/above").join(&reference);
            if is_plain(&reference) {
                let normal = |part| matches!(part, std::path::Component::Normal(_) | std::path::Component::RootDir);
                prop_assert!(path.starts_with("/above") && path.components().all(normal));
            }
        }
    }
}
