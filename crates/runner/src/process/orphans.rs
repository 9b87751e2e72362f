//! The record of running jobs on disk, by which a new server ends what a killed one left running.

use super::{
    end::end_tree,
    proc::{Leader, Scope, boot_id, leader},
};
#[cfg(feature = "docker")]
use crate::docker::Left;
use crate::{
    error::RunnerError,
    executor::{JobIdentity, Patience},
};
use rustix::process::{Pid, Signal};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The file about one running job: the boot it runs in, its tracking text, and a line for each leader of a process
/// group. It is there before the first process is, and gone after the last.
#[derive(Debug)]
pub(crate) struct OrphanRecord {
    path: PathBuf,
}

impl OrphanRecord {
    /// Writes the file.
    pub(crate) fn create(dir: &Path, job: &JobIdentity) -> Result<OrphanRecord, RunnerError> {
        let path = Self::path(dir, job);
        let text = format!("boot {}\ntracking {}\n", boot_id(), job.tracking);
        fs::write(&path, text).map_err(|error| RunnerError::io("write", &path, error))?;
        Ok(OrphanRecord { path })
    }

    /// The record of a job that has one.
    pub(crate) fn of(dir: &Path, job: &JobIdentity) -> OrphanRecord {
        OrphanRecord { path: Self::path(dir, job) }
    }

    fn path(dir: &Path, job: &JobIdentity) -> PathBuf {
        dir.join(format!("{}.job", job.folder))
    }

    /// Adds a leader. One that has ended and was waited for already needs no line.
    pub(crate) fn leader(&self, pid: Pid) -> Result<Option<Leader>, RunnerError> {
        let leader = leader(pid);
        if let Some(Leader { start, session, .. }) = leader {
            self.append(&format!("leader {} {start} {session}\n", pid.as_raw_pid()))?;
        }
        Ok(leader)
    }

    /// Adds the address of an engine that has containers of the job. The record is made when it is not there.
    #[cfg(feature = "docker")]
    pub(crate) fn note_engine(dir: &Path, job: &JobIdentity, address: &str) -> Result<(), RunnerError> {
        let record = Self::of(dir, job);
        if !record.path.exists() {
            Self::create(dir, job)?;
        }
        record.append(&format!("engine {address}\n"))
    }

    /// Adds the image of a container that sees the folder of the job.
    #[cfg(feature = "docker")]
    pub(crate) fn note_image(
        dir: &Path,
        job: &JobIdentity,
        root: &Path,
        image: &str,
    ) -> Result<(), RunnerError> {
        // A record is made of lines; a folder whose name is several is removed by its owner.
        match root.to_str().filter(|root| !root.contains('\n')) {
            Some(root) => Self::of(dir, job).append(&format!("folder {root}\nimage {image}\n")),
            None => Ok(()),
        }
    }

    fn append(&self, line: &str) -> Result<(), RunnerError> {
        fs::OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| RunnerError::io("write", &self.path, error))
    }

    /// Engines that have containers of the job, and the tracking text they carry.
    fn engines(&self) -> Result<Vec<(String, String)>, RunnerError> {
        self.text().map(|text| parse_engines(&text))
    }

    /// The folder of the job and the images of containers that see it.
    #[cfg(feature = "docker")]
    fn left(&self) -> Result<Option<Left>, RunnerError> {
        self.text().map(|text| parse_left(&text))
    }

    /// What is written; nothing where there is no record.
    fn text(&self) -> Result<String, RunnerError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(RunnerError::io("read", &self.path, error)),
        }
    }

    /// What to look for when the job's processes are to be found.
    pub(crate) fn scope(&self) -> Result<Option<Scope>, RunnerError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(parse(&text, &boot_id())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RunnerError::io("read", &self.path, error)),
        }
    }

    /// Removes the file.
    pub(crate) fn remove(self) -> Result<(), RunnerError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(RunnerError::io("remove", &self.path, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Ends every process that jobs recorded in `dir` left running when their server was killed, and removes the records.
/// `dir` is the folder that was given to [`HostExecutor`](crate::HostExecutor). A process is only touched when it
/// carries the job's tracking text or is in a group whose leader is the recorded one of the same boot. Containers and
/// networks of the jobs are removed too. Answers with the number of jobs it cleaned up after.
///
/// # Errors
/// A record that cannot be read or removed; and, when all others are done, an engine that does not answer
/// ([`ErrorKind::EngineMissing`](crate::ErrorKind::EngineMissing)). The record of that job stays, for the next time.
pub async fn reap_orphans(dir: &Path, patience: &Patience) -> Result<usize, RunnerError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(RunnerError::io("read", dir, error)),
    };
    let (mut jobs, mut left) = (0, None);
    for entry in entries {
        let path = entry.map_err(|error| RunnerError::io("read", dir, error))?.path();
        if path.extension().is_none_or(|extension| extension != "job") {
            continue;
        }
        let record = OrphanRecord { path };
        if let Some(scope) = record.scope()? {
            end_tree(&scope, Signal::TERM, patience).await;
        }
        if let Err(error) = remove_containers(&record).await {
            left.get_or_insert(error);
            continue;
        }
        record.remove()?;
        jobs += 1;
    }
    left.map_or(Ok(jobs), Err)
}

async fn remove_containers(record: &OrphanRecord) -> Result<(), RunnerError> {
    #[cfg(feature = "docker")]
    let left = record.left()?;
    for (address, tracking) in record.engines()? {
        #[cfg(feature = "docker")]
        crate::docker::reap(&address, &tracking, left.as_ref()).await?;
        #[cfg(not(feature = "docker"))]
        tracing::warn!(address, tracking, "containers of a killed runner are left in this engine");
    }
    Ok(())
}

/// Containers outlive a boot, so that of the record does not matter.
fn parse_engines(text: &str) -> Vec<(String, String)> {
    let Some(tracking) = text.lines().nth(1).and_then(|line| line.strip_prefix("tracking ")) else {
        return Vec::new();
    };
    let engines = text.lines().filter_map(|line| line.strip_prefix("engine "));
    engines.map(|address| (address.to_owned(), tracking.to_owned())).collect()
}

#[cfg(feature = "docker")]
fn parse_left(text: &str) -> Option<Left> {
    let lines = |name: &'static str| text.lines().filter_map(move |line| line.strip_prefix(name));
    let root = lines("folder ").next_back()?.into();
    Some(Left { root, images: lines("image ").map(str::to_owned).collect() })
}

/// `None` when the file is of another boot, whose processes are gone, or was cut short before its tracking text.
fn parse(text: &str, boot: &str) -> Option<Scope> {
    let mut lines = text.lines();
    if lines.next()?.strip_prefix("boot ")? != boot {
        return None;
    }
    let tracking = lines.next()?.strip_prefix("tracking ")?.to_owned();
    let leaders: Vec<Leader> = lines.filter_map(parse_leader).collect();
    // No process of the job is older than the first one the runner started for it.
    let not_before = leaders.iter().map(|leader| leader.start).min().unwrap_or_default();
    Some(Scope { tracking, leaders, not_before, follows: None })
}

fn parse_leader(line: &str) -> Option<Leader> {
    let mut words = line.strip_prefix("leader ")?.split(' ');
    let pid = Pid::from_raw(words.next()?.parse().ok()?)?;
    Some(Leader { pid, start: words.next()?.parse().ok()?, session: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_another_boot_names_nobody() {
        let text = "boot a\ntracking t\nleader 12 34 5\nleader 13 33 5\nleader x\n";
        let scope = parse(text, "a").expect("a scope");
        assert_eq!((scope.tracking.as_str(), scope.leaders.len(), scope.not_before), ("t", 2, 33));
        assert!(parse(text, "b").is_none());
        assert!(parse("boot a\n", "a").is_none());
        let engines = parse_engines("boot a\ntracking t\nengine unix:///x\nleader 1 2 3\nengine tcp://y\n");
        let expect = [("unix:///x", "t"), ("tcp://y", "t")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(engines, expect);
        assert!(parse_engines("boot a\nengine x\n").is_empty());
    }

    #[cfg(feature = "docker")]
    #[test]
    fn a_record_names_the_images_that_have_seen_the_folder() {
        let text = "boot a\ntracking t\nengine e\nfolder /w/a b\nimage x:1\nfolder /w/a b\nimage y\n";
        let left = parse_left(text).expect("a folder");
        assert_eq!((left.root, left.images), ("/w/a b".into(), vec!["x:1".to_owned(), "y".to_owned()]));
        assert!(parse_left("boot a\ntracking t\nengine e\n").is_none());
    }
}
