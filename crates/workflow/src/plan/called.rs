//! The documents of called workflows: which ones a run needs, and what whoever can read files found.
//!
//! Deciding is pure, so reading is done elsewhere: ask [`Called::wanted`] until there is nothing more, and give an
//! answer for each file that it names.

use crate::document::{Workflow, WorkflowRef};
use shipway_base::{Diagnostic, Diagnostics, Source, Span};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
};

/// How far calls may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// How many workflows may stand in each other, the one that was started among them.
    pub levels: usize,
    /// How many different files may be called.
    pub files: usize,
    /// How many jobs there may be, those of called workflows among them.
    pub jobs: usize,
}

impl Default for CallLimits {
    /// GitHub's limits. It does not say how many jobs a run may have; ours is far beyond what anybody looks through.
    fn default() -> CallLimits {
        CallLimits { levels: 10, files: 50, jobs: MOST_JOBS }
    }
}

/// How many jobs a run may have, those of called workflows and the legs of matrices among them.
pub(crate) const MOST_JOBS: usize = 5_000;

/// A workflow file, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkflowFile {
    /// The repository that it comes from; none for the one that the run is about, at the run's commit.
    pub repository: Option<RemoteRepository>,
    /// The path from the root of the repository.
    pub path: String,
}

/// A repository at a branch, tag or commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteRepository {
    /// The account.
    pub owner: String,
    /// The repository.
    pub repo: String,
    /// The branch, tag or commit.
    pub reference: String,
}

/// A file that is wanted, and where its name stands.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which file.
    pub file: WorkflowFile,
    /// The commit of its repository, where another file of that branch or tag was given: both are read from the same one, wherever
    /// the branch is by now.
    pub commit: Option<String>,
    /// The document that calls it.
    pub source: Source,
    /// The place of `uses` in it.
    pub span: Span,
}

/// The documents that were given so far.
#[derive(Clone, Debug, Default)]
pub struct Called {
    limits: CallLimits,
    files: BTreeMap<WorkflowFile, Result<Document, Refused>>,
}

#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) source: Source,
    pub(super) commit: Option<String>,
    pub(super) workflow: Option<Arc<Workflow>>,
    pub(super) found: Diagnostics,
}

#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) why: String,
    pub(super) help: Option<String>,
}

impl WorkflowFile {
    /// A file of the repository that the run is about.
    pub fn local(path: impl Into<String>) -> WorkflowFile {
        WorkflowFile { repository: None, path: path.into() }
    }

    /// The file that a call names which stands in this file. Paths without a repository are of the same repository and
    /// commit as the calling file.
    #[must_use]
    pub fn named(&self, uses: &WorkflowRef) -> WorkflowFile {
        match uses {
            WorkflowRef::Local { path } | WorkflowRef::SelfRepository { path } => {
                WorkflowFile { repository: self.repository.clone(), path: path.clone() }
            }
            WorkflowRef::Repository { owner, repo, path, reference } => WorkflowFile {
                repository: Some(RemoteRepository {
                    owner: owner.clone(),
                    repo: repo.clone(),
                    reference: reference.clone(),
                }),
                path: path.clone(),
            },
        }
    }

    /// Reads what `Display` writes: a path, or `owner/repo/path@ref`.
    pub fn parse(text: &str) -> Option<WorkflowFile> {
        let Some((file, reference)) = text.split_once('@') else {
            return (!text.is_empty()).then(|| WorkflowFile::local(text));
        };
        let mut parts = file.splitn(3, '/').map(str::to_owned);
        let (owner, repo, path) = (parts.next()?, parts.next()?, parts.next()?);
        let reference = reference.to_owned();
        Some(WorkflowFile { repository: Some(RemoteRepository { owner, repo, reference }), path })
    }
}

impl fmt::Display for WorkflowFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repository {
            None => f.write_str(&self.path),
            Some(RemoteRepository { owner, repo, reference }) => {
                write!(f, "{owner}/{repo}/{}@{reference}", self.path)
            }
        }
    }
}

impl Called {
    /// No documents.
    pub fn new() -> Called {
        Called::default()
    }

    /// No documents, and limits other than GitHub's.
    pub fn within(limits: CallLimits) -> Called {
        Called { limits, files: BTreeMap::new() }
    }

    /// A file that the workflow calls, directly or through others, and that was not given yet; none when there is none,
    /// or when there are more files than a run may have, which planning then refuses.
    pub fn wanted(&self, workflow: &Workflow) -> Option<Wanted> {
        if self.too_many() {
            return None;
        }
        let root = WorkflowFile::local(&*workflow.source.name);
        let mut seen = BTreeSet::from([root.clone()]);
        let mut open = VecDeque::from([(root, workflow)]);
        while let Some((from, workflow)) = open.pop_front() {
            for call in workflow.jobs.values().filter_map(|job| job.call()) {
                let file = from.named(&call.uses.value);
                match self.files.get(&file) {
                    // A workflow that calls itself is refused when the run is planned; its text is there already.
                    None if seen.contains(&file) => {}
                    None => {
                        let (source, span) = (workflow.source.clone(), call.uses.span);
                        let commit = self.commit_of(&file).map(str::to_owned);
                        return Some(Wanted { file, commit, source, span });
                    }
                    Some(Ok(Document { workflow: Some(called), .. })) if seen.insert(file.clone()) => {
                        open.push_back((file, called));
                    }
                    Some(Ok(_) | Err(_)) => {}
                }
            }
        }
        None
    }

    /// The commit that was read of the repository of a file of another repository.
    fn commit_of(&self, file: &WorkflowFile) -> Option<&str> {
        file.repository.as_ref()?;
        let given = self.files.iter().filter(|(other, _)| other.repository == file.repository);
        given.filter_map(|(_, found)| found.as_ref().ok()?.commit.as_deref()).next()
    }

    /// Gives the text of a file; with the commit of its repository that it was read from, where that is another repository than
    /// the run's.
    pub fn give(&mut self, file: WorkflowFile, text: &str, commit: Option<String>) {
        let source = Source::new(file.to_string(), text);
        let (workflow, found) = Workflow::parse(&source);
        self.files.insert(file, Ok(Document { source, commit, workflow: workflow.map(Arc::new), found }));
    }

    /// Says that a file cannot be had, and why, in one sentence without the file's name; it is told at each call.
    pub fn refuse(&mut self, file: WorkflowFile, why: impl Into<String>, help: Option<String>) {
        self.files.insert(file, Err(Refused { why: why.into(), help }));
    }

    /// The texts that were given, in the order of their names, so that they can be kept and given again.
    pub fn texts(&self) -> impl Iterator<Item = (String, &str)> {
        let given = self.files.iter().filter_map(|(file, found)| Some((file, found.as_ref().ok()?)));
        given.map(|(file, document)| (file.to_string(), &*document.source.text))
    }

    /// The commits that the files were read from, where they were given, by the same names as the texts.
    pub fn commits(&self) -> impl Iterator<Item = (String, &str)> {
        let given = self.files.iter();
        given.filter_map(|(file, found)| Some((file.to_string(), found.as_ref().ok()?.commit.as_deref()?)))
    }

    /// The documents that were given and can be read.
    pub fn workflows(&self) -> impl Iterator<Item = &Arc<Workflow>> {
        self.files.values().filter_map(|found| found.as_ref().ok()?.workflow.as_ref())
    }

    pub(super) fn too_many(&self) -> bool {
        self.files.len() > self.limits.files
    }

    pub(super) fn limits(&self) -> CallLimits {
        self.limits
    }

    pub(super) fn get(&self, file: &WorkflowFile) -> Option<Result<&Document, &Refused>> {
        self.files.get(file).map(Result::as_ref)
    }
}

impl Refused {
    /// The finding at a call.
    pub(super) fn told(&self, source: &Source, span: Span, file: &WorkflowFile) -> Diagnostic {
        let message = format!("the workflow {file} cannot be called: {}", self.why);
        let error = Diagnostic::error("SW0121", source, span, message);
        match &self.help {
            Some(help) => error.with_help(help.clone()),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_branch_are_read_from_one_commit() {
        let text = "on: push\njobs:\n  a: {uses: o/r/w/one.yml@v1}\n  b: {uses: o/r/w/two.yml@v1}\n  c: {uses: o/r/w/two.yml@v2}\n";
        let (workflow, _) = Workflow::parse(&Source::new("w/root.yml", text));
        let (workflow, mut called) = (workflow.expect("a workflow"), Called::new());
        let mut asked = Vec::new();
        while let Some(Wanted { file, commit, .. }) = called.wanted(&workflow) {
            asked.push((file.to_string(), commit.clone()));
            let new = if file.to_string().ends_with("v1") { "1111" } else { "2222" };
            called.give(file, "on: workflow_call\njobs: {}\n", commit.or(Some(new.to_owned())));
        }
        let of = |name: &str, commit: Option<&str>| (name.to_owned(), commit.map(str::to_owned));
        let wanted = [
            of("o/r/w/one.yml@v1", None),
            of("o/r/w/two.yml@v1", Some("1111")),
            of("o/r/w/two.yml@v2", None),
        ];
        assert_eq!(asked, wanted);
        let commits: Vec<_> = called.commits().collect();
        assert_eq!(commits[1], ("o/r/w/two.yml@v1".to_owned(), "1111"));
    }

    #[test]
    fn files_are_named_from_where_the_call_stands() {
        let root = WorkflowFile::local(".github/workflows/a.yml");
        let remote = WorkflowFile::parse("o/r/.github/workflows/b.yml@refs/heads/x@y").expect("a file");
        assert_eq!(remote.to_string(), "o/r/.github/workflows/b.yml@refs/heads/x@y");
        let local = WorkflowRef::Local { path: "w/c.yml".to_owned() };
        assert_eq!(root.named(&local).to_string(), "w/c.yml");
        assert_eq!(remote.named(&local).to_string(), "o/r/w/c.yml@refs/heads/x@y");
        assert_eq!(WorkflowFile::parse("a.yml"), Some(WorkflowFile::local("a.yml")));
        assert_eq!(WorkflowFile::parse("a.yml@v1"), None);
    }
}
