//! `.github/workflows/actions.lock`: which commit each action of a workflow is.
//!
//! The file is made by GitHub's `gh actions-lock` and read here in its version v0.0.2. It binds the workflows that it
//! lists: each action of another repository that such a workflow uses, and each that those use, must stand in it, and
//! the commit that is recorded is the one that runs, wherever the tag or branch has moved. Workflows that it does not
//! list are as free as without it. Local actions and calls of reusable workflows are never in it.
//!
//! Source: docs.github.com "Workflow dependency lockfiles" (public preview).

use crate::document::{Reader, StepKind, Uses, Workflow};
use indexmap::IndexMap;
use shipway_base::{
    Diagnostic, Diagnostics, Source, Span, Spanned,
    yaml::{self, Node},
};

/// The version of the format that is read.
pub const VERSION: &str = "v0.0.2";

/// Where the file lies in a repository.
pub const PATH: &str = ".github/workflows/actions.lock";

/// A lock file.
#[derive(Clone, Debug)]
pub struct Lock {
    /// The text it was read from.
    pub source: Source,
    /// `workflows`: paths of workflows, and the actions that each uses itself, as `owner/repo@ref`.
    pub workflows: IndexMap<String, Vec<Spanned<String>>>,
    /// `dependencies` by `owner/repo@ref`.
    pub dependencies: IndexMap<String, LockedAction>,
}

/// An entry of `dependencies`.
#[derive(Clone, Debug)]
pub struct LockedAction {
    /// `ref`: the branch or tag, as it is written in `uses`.
    pub reference: String,
    /// `commit`, without the name of its hash: 40 hexadecimal digits, or 64 of SHA-256.
    pub commit: Spanned<String>,
    /// `owner_id`: the account's number, which outlives its name.
    pub owner_id: u64,
    /// `repo_id`: the repository's number.
    pub repo_id: u64,
    /// `uses`: the actions that this one uses itself, as `owner/repo@ref`.
    pub uses: Vec<Spanned<String>>,
}

/// What a lock says about an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locked<'a> {
    /// It does not bind this workflow, or an action of this kind.
    Free,
    /// It binds it to this commit.
    Commit(&'a str),
    /// It binds the workflow and does not know the action, which must not run.
    Missing,
}

impl Lock {
    /// Reads a lock file and everything that is wrong with it. There is a lock exactly when no finding is an error.
    pub fn parse(source: &Source) -> (Option<Lock>, Diagnostics) {
        let mut reader = Reader::new(source);
        let lock = reader.tree("a lock file").and_then(|tree| read(&mut reader, &tree));
        let found = reader.finish();
        (lock.filter(|_| !found.has_errors()), found)
    }

    /// Whether the workflow at a path, such as `.github/workflows/ci.yml`, is bound by it.
    pub fn binds(&self, workflow: &str) -> bool {
        self.workflows.contains_key(workflow)
    }

    /// The commit of an action that the workflow at a path uses, itself or through another action.
    pub fn locked(&self, workflow: &str, uses: &Uses) -> Locked<'_> {
        match uses {
            Uses::Local { .. } | Uses::SelfRepository { .. } | Uses::Docker { .. } => Locked::Free,
            Uses::Repository { .. } if !self.binds(workflow) => Locked::Free,
            Uses::Repository { owner, repo, reference, .. } => self
                .dependencies
                .iter()
                .find(|(key, _)| names(key, owner, repo, reference))
                .map_or(Locked::Missing, |(_, entry)| Locked::Commit(&entry.commit.value)),
        }
    }

    /// The actions of a workflow that must stand in the lock and do not (SW0119), so that nothing of it may run.
    pub fn check(&self, workflow: &str, document: &Workflow) -> Diagnostics {
        let mut found = Diagnostics::new();
        let Some(listed) = self.workflows.get(workflow) else { return found };
        let bodies = document.jobs.values().filter_map(|job| job.steps());
        for step in bodies.flat_map(|body| &body.steps).flat_map(|step| step.with_inner()) {
            let StepKind::Uses(step) = &step.kind else { continue };
            let Uses::Repository { owner, repo, reference, .. } = &step.uses.value else { continue };
            let known = listed.iter().any(|key| names(&key.value, owner, repo, reference));
            if known && self.locked(workflow, &step.uses.value) != Locked::Missing {
                continue;
            }
            let message = format!("{owner}/{repo}@{reference} does not stand in {}", self.source.name);
            let error = Diagnostic::error("SW0119", &document.source, step.uses.span, message);
            found.push(error.with_help("run `gh actions-lock` and commit what it writes"));
        }
        found
    }
}

/// Whether a key of the lock names an action: accounts and repositories are compared without case, refs with it.
fn names(key: &str, owner: &str, repo: &str, reference: &str) -> bool {
    key.split_once('@').is_some_and(|(name, known)| {
        known == reference
            && name.split_once('/').is_some_and(|(known_owner, known_repo)| {
                known_owner.eq_ignore_ascii_case(owner) && known_repo.eq_ignore_ascii_case(repo)
            })
    })
}

fn read(reader: &mut Reader<'_>, tree: &Node) -> Option<Lock> {
    const KEYS: &[&str] = &["version", "workflows", "dependencies"];
    let mapping = reader.mapping(tree, "a lock file")?;
    let (mut workflows, mut dependencies) = (IndexMap::new(), IndexMap::new());
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "version" => version(reader, value),
            "workflows" => {
                for (path, list) in reader.optional_mapping(value, "workflows").iter().flat_map(|m| m.iter())
                {
                    workflows.insert(path.value.clone(), keys(reader, list, "workflows"));
                }
            }
            "dependencies" => {
                let entries = reader.optional_mapping(value, "dependencies");
                for (name, entry) in entries.iter().flat_map(|m| m.iter()) {
                    check_key(reader, name);
                    if let Some(entry) = dependency(reader, name, entry) {
                        dependencies.insert(name.value.clone(), entry);
                    }
                }
            }
            _ => reader.unknown_key(key, "a lock file", KEYS),
        }
    }
    for needed in KEYS.iter().filter(|key| mapping.get(key).is_none()) {
        reader.missing(Span { start: tree.span.start, end: tree.span.start }, "a lock file", needed);
    }
    let lock = Lock { source: reader.source.clone(), workflows, dependencies };
    // What is listed and has no commit would be found only when it runs.
    let listed = lock.workflows.values().chain(lock.dependencies.values().map(|entry| &entry.uses)).flatten();
    for key in listed.filter(|key| !lock.dependencies.contains_key(&key.value)) {
        let message = format!("{:?} is used and has no entry under dependencies", key.value);
        let help = match yaml::closest(&key.value, lock.dependencies.keys().map(String::as_str)) {
            Some(close) => format!("did you mean {close:?}?"),
            None => "run `gh actions-lock` and commit what it writes".to_owned(),
        };
        reader.error_with_help("SW0119", key.span, message, help);
    }
    Some(lock)
}

fn version(reader: &mut Reader<'_>, node: &Node) {
    if let Some(found) = reader.name(node, "version").filter(|found| found.value != VERSION) {
        let message = format!("the version {:?} of lock files is not known", found.value);
        let help = format!("{VERSION} is read; write the file with a `gh actions-lock` that makes it");
        reader.error_with_help("SW0105", found.span, message, help);
    }
}

fn keys(reader: &mut Reader<'_>, node: &Node, place: &str) -> Vec<Spanned<String>> {
    if node.is_null() {
        return Vec::new();
    }
    let items = reader.sequence(node, place).iter();
    let keys: Vec<Spanned<String>> = items.filter_map(|item| reader.name(item, place)).collect();
    keys.iter().for_each(|key| check_key(reader, key));
    keys
}

fn check_key(reader: &mut Reader<'_>, key: &Spanned<String>) {
    let named = key.value.split_once('@').is_some_and(|(name, reference)| {
        let mut parts = name.split('/');
        let two = parts.by_ref().take(2).filter(|part| !part.is_empty()).count() == 2;
        two && parts.next().is_none() && !reference.is_empty()
    });
    if !named {
        let message = format!("{:?} is not of the form OWNER/REPO@REF", key.value);
        reader.error("SW0112", key.span, message);
    }
}

fn dependency(reader: &mut Reader<'_>, name: &Spanned<String>, node: &Node) -> Option<LockedAction> {
    const KEYS: &[&str] = &["ref", "commit", "owner_id", "repo_id", "uses"];
    let place = format!("the dependency {:?}", name.value);
    let (mut reference, mut commit, mut owner_id, mut repo_id) = (None, None, None, None);
    let mut uses = Vec::new();
    let mapping = reader.mapping(node, &place)?;
    for (key, value) in mapping.iter() {
        match key.value.as_str() {
            "ref" => reference = reader.name(value, "ref"),
            "commit" => commit = read_commit(reader, value),
            "owner_id" => owner_id = number(reader, value, "owner_id"),
            "repo_id" => repo_id = number(reader, value, "repo_id"),
            "uses" => uses = keys(reader, value, "uses"),
            _ => reader.unknown_key(key, &place, KEYS),
        }
    }
    for needed in KEYS.iter().filter(|key| **key != "uses" && mapping.get(key).is_none()) {
        reader.missing(node.span, &place, needed);
    }
    Some(LockedAction {
        reference: reference?.value,
        commit: commit?,
        owner_id: owner_id?,
        repo_id: repo_id?,
        uses,
    })
}

/// A commit behind the name of its hash. Without the name it is refused, so that one hash is never taken for another.
fn read_commit(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<String>> {
    let text = reader.name(node, "commit")?;
    let digits = match text.value.split_once('-') {
        Some(("sha1", digits)) if digits.len() == 40 => digits,
        Some(("sha256", digits)) if digits.len() == 64 => digits,
        Some(_) | None => "",
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        let help = "it is sha1- and 40 hexadecimal digits, or sha256- and 64";
        reader.error_with_help("SW0104", text.span, "this is no commit", help);
        return None;
    }
    Some(Spanned::new(digits.to_ascii_lowercase(), text.span))
}

fn number(reader: &mut Reader<'_>, node: &Node, place: &str) -> Option<u64> {
    let number =
        node.as_number().filter(|number| *number >= 0.0 && number.fract() == 0.0 && *number < 9.0e15);
    if number.is_none() {
        reader.wrong_kind(node, place, "a whole number");
    }
    // In range by the check above.
    number.map(|number| number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHA: &str = "5273d0df9c603edc4284ac8402cf650b4f1f6686";

    fn lock(text: &str) -> Result<Lock, String> {
        let (lock, found) = Lock::parse(&Source::new("actions.lock", text.replace("SHA", SHA)));
        lock.ok_or_else(|| found.to_string())
    }

    const GOOD: &str = "version: 'v0.0.2'
workflows:
  .github/workflows/ci.yml: ['actions/checkout@v4', 'a/b@main']
  .github/workflows/none.yml: []
dependencies:
  actions/checkout@v4: {ref: v4, commit: sha1-SHA, owner_id: 44036562, repo_id: 197814629}
  a/b@main: {ref: main, commit: sha1-SHA, owner_id: 1, repo_id: 2, uses: ['c/d@v1']}
  c/d@v1: {ref: v1, commit: sha1-SHA, owner_id: 1, repo_id: 2}
";

    fn repository(text: &str) -> Uses {
        let mut parts = text.split(['/', '@']).map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Uses::Repository { owner: next(), repo: next(), path: String::new(), reference: next() }
    }

    #[test]
    fn tells_the_commit_of_what_it_binds() {
        let lock = lock(GOOD).expect("a lock");
        let check = |path: &str, uses: &str, expect| {
            assert_eq!(lock.locked(path, &repository(uses)), expect, "{path} {uses}");
        };
        check(".github/workflows/ci.yml", "Actions/Checkout@v4", Locked::Commit(SHA));
        check(".github/workflows/ci.yml", "c/d@v1", Locked::Commit(SHA));
        check(".github/workflows/ci.yml", "actions/checkout@V4", Locked::Missing);
        check(".github/workflows/none.yml", "x/y@v1", Locked::Missing);
        check(".github/workflows/other.yml", "x/y@v1", Locked::Free);
        let local = Uses::Local { path: "./x".to_owned() };
        assert_eq!(lock.locked(".github/workflows/ci.yml", &local), Locked::Free);
    }

    #[test]
    fn what_a_workflow_uses_must_stand_in_it() {
        let text = "on: push
jobs:
  a:
    runs-on: x
    steps: [{uses: actions/checkout@v4}, {uses: ./here}, {uses: a/b/sub@main}, {uses: c/d@v1}]
  b: {runs-on: x, steps: [{parallel: [{uses: x/y@v1}]}]}
";
        let (workflow, found) = Workflow::parse(&Source::new("ci.yml", text));
        let workflow = workflow.unwrap_or_else(|| panic!("{found}"));
        let lock = lock(GOOD).expect("a lock");
        let found = lock.check(".github/workflows/ci.yml", &workflow).to_string();
        // c/d is locked as what a/b uses, and not as what the workflow uses itself.
        assert_eq!(
            found.trim(),
            "ci.yml:5:87: error[SW0119]: c/d@v1 does not stand in actions.lock (run `gh actions-lock` and commit what it writes)
ci.yml:6:46: error[SW0119]: x/y@v1 does not stand in actions.lock (run `gh actions-lock` and commit what it writes)"
        );
        assert!(lock.check(".github/workflows/free.yml", &workflow).iter().next().is_none());
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let check = |text: &str, expect: &str| {
            let found = lock(text).expect_err("it is no lock");
            assert!(found.contains(expect), "{text}\n{found}");
        };
        check(
            "version: v0.0.1\nworkflows: {}\ndependencies: {}",
            "1:10: error[SW0105]: the version \"v0.0.1\"",
        );
        check("version: v0.0.2\nworkflows: {}", "a lock file needs the key \"dependencies\"");
        check(&GOOD.replace("commit: sha1-SHA", "commit: SHA"), "error[SW0104]: this is no commit");
        check(&GOOD.replace("repo_id: 2", "repo: 2"), "SW0101");
        check(&GOOD.replace("'c/d@v1'", "'c/e@v1'"), "SW0119");
        check(&GOOD.replace("  c/d@v1:", "  c/d/e@v1:"), "SW0112");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9@/:{}\\[\\] \n'.-]{0,200}") {
            let (found, wrong) = Lock::parse(&Source::new("actions.lock", text));
            prop_assert_eq!(found.is_none(), wrong.has_errors());
        }
    }
}
