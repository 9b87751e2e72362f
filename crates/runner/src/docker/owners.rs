//! Whose the files of a job are: the runner's, which makes many of them, or the user's that the programs of its container run as.
//!
//! Owners change inside of the container, where root may do it whoever the runner is, and where both are counted alike.

use super::{
    engine::Engine,
    gone::gone,
    inside::{Answer, ask, ask_as},
    node::EXTERNALS,
    place::Place,
    reclaim::is_strange,
    started::{Started, container_error, inspect, running},
};
use crate::{error::RunnerError, executor::Folders, glob::escaped};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Two users with their groups, by number, such as `1000:1000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owners {
    /// Whom the programs of the job run as.
    job: String,
    /// Whom the runner's files belong to.
    runner: String,
}

impl Owners {
    /// Asks the container. None when no file has to change hands: both are one, or both are root.
    async fn of(engine: &Engine, container: &Started) -> Result<Option<Owners>, RunnerError> {
        let named = container.user.as_str();
        let is_root = matches!(named.split(':').next(), None | Some("" | "0" | "root"));
        if is_root && rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let id = async |option: &str| match ask_as(engine, &container.id, None, &["id", option]).await {
            Ok(Answer { code: 0, text }) => text.trim().parse::<u32>().ok(),
            Ok(_) | Err(_) => None,
        };
        let job = match (id("-u").await, id("-g").await) {
            (Some(0), _) if rustix::process::geteuid().is_root() => return Ok(None),
            (Some(user), Some(group)) => format!("{user}:{group}"),
            _ if is_root => "0:0".to_owned(),
            _ => by_number(named).ok_or_else(|| {
                container_error(format!(
                    "the image {} has no program id that tells which number its user {named:?} has",
                    container.image
                ))
            })?,
        };
        let runner = runner(engine, &container.id).await;
        Ok((runner != job).then_some(Owners { job, runner }))
    }
}

impl Place {
    /// Makes ready for work of the runner's own on a tree of the job. Folders on the way to it are made by the job's own user, whose
    /// they are; what is in it becomes the runner's, unless that is root.
    pub(super) async fn take_tree(&self, folders: &Folders, tree: &Path) -> Result<(), RunnerError> {
        if let Some((container, _)) = self.owners().await?
            && fs::symlink_metadata(tree).is_err()
        {
            let inside = self.paths.inside_text(tree);
            // Where it cannot be made, the work says why.
            let _made = ask_as(&self.engine, &container.id, None, &["mkdir", "-p", "--", &inside]).await;
        }
        if !is_strange(tree).await {
            return Ok(());
        }
        if let Some(container) = &self.container {
            let owner = runner(&self.engine, &container.id).await;
            if self.give(container, &owner, &[self.seen(folders, tree)]).await.is_ok() {
                return Ok(());
            }
        }
        self.left().reclaim(&self.engine, &self.tracking, tree).await
    }

    /// Makes a tree that the runner has worked on the job's.
    pub(super) async fn give_tree(&self, folders: &Folders, tree: &Path) -> Result<(), RunnerError> {
        let Some((container, owners)) = self.owners().await? else { return Ok(()) };
        if !tree.exists() {
            return Ok(());
        }
        let Err(error) = self.give(container, &owners.job, &[self.seen(folders, tree)]).await else {
            return Ok(());
        };
        if let Some(gone) = gone(&self.engine, container).await {
            return Err(gone);
        }
        self.left().give(&self.engine, &self.tracking, tree, &owners.job).await.map_err(|_same| error)
    }

    /// Gives what is in the folders of the job to the user that the runner runs as, who removes it.
    pub(super) async fn give_back(&self) -> Result<(), RunnerError> {
        let left = self.left();
        if !is_strange(&left.root).await {
            return Ok(());
        }
        if let Some(container) = &self.container
            && inspect(&self.engine, &container.id).await.is_ok_and(|seen| running(&seen).is_ok())
        {
            let owner = runner(&self.engine, &container.id).await;
            if self.give(container, &owner, &self.own).await.is_ok() {
                return Ok(());
            }
        }
        left.reclaim(&self.engine, &self.tracking, &left.root).await
    }

    /// Gives folders with all that is in them to somebody. No link is followed, and what a workflow has mounted in them stays
    /// whose it is.
    async fn give(&self, container: &Started, owner: &str, folders: &[PathBuf]) -> Result<(), RunnerError> {
        let others: Vec<&Path> =
            container.mounts.iter().filter(|mount| !self.own.contains(mount)).map(PathBuf::as_path).collect();
        let mut whole = ["chown", "-hR", owner].map(str::to_owned).to_vec();
        let fixed = whole.len();
        for folder in folders {
            let mounted = mounted_in(folder, &others);
            if mounted.is_empty() {
                whole.push(folder.to_string_lossy().into_owned());
            } else {
                carry_out(&self.engine, container, &around(&mounted, owner, folder)).await?;
            }
        }
        if whole.len() == fixed {
            return Ok(());
        }
        carry_out(&self.engine, container, &whole).await
    }

    /// The container of the job and its owners, where they differ.
    async fn owners(&self) -> Result<Option<(&Started, &Owners)>, RunnerError> {
        let Some(container) = &self.container else { return Ok(None) };
        match self.owners.get_or_try_init(|| Owners::of(&self.engine, container)).await {
            Ok(owners) => Ok(owners.as_ref().map(|owners| (container, owners))),
            Err(error) => Err(gone(&self.engine, container).await.unwrap_or(error)),
        }
    }

    /// Where the container sees a tree of the job that is there, without the links on the way to it.
    fn seen(&self, folders: &Folders, tree: &Path) -> PathBuf {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let below =
            || real(tree)?.strip_prefix(real(&folders.root)?).ok().map(|rest| folders.root.join(rest));
        self.paths.inside(&below().unwrap_or_else(|| tree.to_owned()))
    }
}

/// The owner of the runner's files as the container sees them: in an engine without root it is root in there.
async fn runner(engine: &Engine, container: &str) -> String {
    match ask(engine, container, &["stat", "-c", "%u:%g", EXTERNALS]).await {
        Ok(Answer { code: 0, text }) if is_owner(text.trim()) => text.trim().to_owned(),
        Ok(_) | Err(_) => {
            let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
            format!("{}:{}", user.as_raw(), group.as_raw())
        }
    }
}

async fn carry_out(engine: &Engine, container: &Started, argv: &[String]) -> Result<(), RunnerError> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let Answer { code, text } = ask(engine, &container.id, &words).await?;
    if code == 0 {
        return Ok(());
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let program = words.first().copied().unwrap_or_default();
    let message = format!("{program} in the container of the job ended with exit code {code}: {first}");
    Err(container_error(message)
        .with_help("use an image with chown and find, and do not drop what root may do"))
}

/// What is mounted below a folder.
fn mounted_in<'m>(folder: &Path, mounts: &[&'m Path]) -> Vec<&'m Path> {
    mounts.iter().copied().filter(|mount| mount.starts_with(folder) && *mount != folder).collect()
}

/// The words that change the owner of a folder with all that is in it but for what is mounted there.
fn around(mounted: &[&Path], owner: &str, folder: &Path) -> Vec<String> {
    let mut argv = vec!["find".to_owned(), folder.to_string_lossy().into_owned(), "(".to_owned()];
    for (number, mount) in mounted.iter().enumerate() {
        if number > 0 {
            argv.push("-o".to_owned());
        }
        argv.push("-path".to_owned());
        argv.push(escaped(&mount.to_string_lossy()));
    }
    argv.extend([")", "-prune", "-o", "-exec", "chown", "-h", owner, "{}", "+"].map(str::to_owned));
    argv
}

/// The numbers of a user that is written as numbers; without a group it is that of root, as for a user whom an image does not know.
fn by_number(named: &str) -> Option<String> {
    let (user, group) = named.split_once(':').unwrap_or((named, "0"));
    let numbers = (user.parse::<u32>().ok()?, group.parse::<u32>().ok()?);
    Some(format!("{}:{}", numbers.0, numbers.1))
}

/// Whether a text is the numbers of a user and a group, and not what an image has in the place of `stat`.
fn is_owner(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(user, group)| user.parse::<u32>().is_ok() && group.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn users_are_known_by_their_numbers() {
        for (named, expect) in [
            ("1000", Some("1000:0")),
            ("1000:1001", Some("1000:1001")),
            ("me", None),
            ("1000:me", None),
            ("-1", None),
            ("99999999999", None),
        ] {
            assert_eq!(by_number(named).as_deref(), expect, "{named}");
        }
        assert!(is_owner("0:12") && !is_owner("0") && !is_owner("File: x") && !is_owner(":"));
    }

    #[test]
    fn what_is_mounted_in_a_folder_is_left_out() {
        let mounts = ["/w", "/w/a", "/wa", "/w/b*/c", "/x"].map(Path::new);
        let found = mounted_in(Path::new("/w"), &mounts);
        assert_eq!(found, [Path::new("/w/a"), Path::new("/w/b*/c")]);
        let words = around(&found, "1:2", Path::new("/w")).join(" ");
        assert_eq!(words, r"find /w ( -path /w/a -o -path /w/b\*/c ) -prune -o -exec chown -h 1:2 {} +");
        assert!(mounted_in(Path::new("/x"), &mounts).is_empty());
    }

    proptest! {
        #[test]
        fn no_name_of_a_user_makes_it_panic(named in "\\PC{0,24}") {
            let numbers = by_number(&named);
            prop_assert!(numbers.is_none_or(|numbers| is_owner(&numbers)));
        }
    }
}
