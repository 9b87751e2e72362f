//! Which Node runs a JavaScript action.

use super::NodePart;
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace},
    host::find_program,
    job::Job,
    listen::Hearing,
    report::{Annotation, Level},
    steps::Current,
};
use std::{fs, path::PathBuf};

/// The oldest Node that is tried. Actions for Node 12 and 16 are run by 20 as on GitHub.
const OLDEST: u32 = 20;

/// A Node on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    path: PathBuf,
    major: u32,
}

impl Job<'_> {
    /// The Node for an action: that of the runner's own PATH or of the tool cache, whatever steps put on their PATH, since
    /// an action is not to change its Node because a step sets another one up for the project.
    pub(super) async fn node(&mut self, part: &NodePart, current: &Current) -> Result<String, RunnerError> {
        let wanted = wanted(&part.using);
        if self.nodes.is_none() {
            let found = self.look_for_nodes(current).await?;
            self.nodes = Some(found);
        }
        let nodes = self.nodes.as_deref().unwrap_or_default();
        let Some(best) = best(nodes, wanted) else {
            let uses = &part.uses;
            let message = match nodes.first() {
                None => format!(
                    "{uses} is a JavaScript action ({}), and there is no node on the PATH of the runner",
                    part.using
                ),
                Some(old) => format!(
                    "{uses} is a JavaScript action ({}), and {} is Node {}, which is too old",
                    part.using,
                    old.path.display(),
                    old.major
                ),
            };
            return Err(RunnerError::new(ErrorKind::NodeMissing, message)
                .with_help(format!("install Node {wanted} or newer, or put it on the PATH of the runner")));
        };
        let (path, major) = (best.path.to_string_lossy().into_owned(), best.major);
        if major < wanted && !self.told_of_node {
            self.told_of_node = true;
            let text = format!(
                "{} is made for Node {wanted} and is run by Node {major} here; install Node {wanted} or newer to have \
                 what GitHub has",
                part.uses
            );
            let annotation =
                Annotation { step: Some(current.index), ..Annotation::new(Level::Warning, text) };
            self.log.annotate(annotation).await;
        }
        Ok(path)
    }

    async fn look_for_nodes(&mut self, current: &Current) -> Result<Vec<Found>, RunnerError> {
        let path = self.context.host_env.get("PATH").cloned().unwrap_or_default();
        let mut candidates: Vec<PathBuf> =
            find_program("node", &path, &self.folders.root).into_iter().collect();
        let kept = fs::read_dir(self.folders.tools.join("node")).into_iter().flatten().flatten();
        let mut kept: Vec<PathBuf> = kept.map(|entry| entry.path().join("x64/bin/node")).collect();
        kept.retain(|path| find_program(&path.to_string_lossy(), "", &self.folders.root).is_some());
        kept.sort_unstable();
        candidates.append(&mut kept);
        let mut found = Vec::new();
        for path in candidates {
            let program = Program {
                job: self.identity.clone(),
                folders: self.folders.clone(),
                argv: vec![path.to_string_lossy().into_owned(), "--version".to_owned()],
                script: None,
                directory: self.folders.root.clone(),
                env: self.context.host_env.as_ref().clone(),
                place: ProgramPlace::Machine,
            };
            let (code, heard) = self.run_quietly(&program, current, Hearing::Capture).await?;
            let text = String::from_utf8_lossy(&heard.text.unwrap_or_default()).into_owned();
            if let (Some(0), Some(major)) = (code, major(&text)) {
                found.push(Found { path, major });
            }
        }
        Ok(found)
    }
}

/// The version that `using` asks for.
fn wanted(using: &str) -> u32 {
    let number = using.to_ascii_lowercase().trim_start_matches("node").parse().unwrap_or(OLDEST);
    number.max(OLDEST)
}

/// `v20.11.1` is 20.
fn major(text: &str) -> Option<u32> {
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The first that is new enough; else the newest that may do.
fn best(nodes: &[Found], wanted: u32) -> Option<&Found> {
    let enough = nodes.iter().find(|node| node.major >= wanted);
    enough.or_else(|| nodes.iter().filter(|node| node.major >= OLDEST).max_by_key(|node| node.major))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_a_node_that_is_new_enough() {
        let check = |majors: &[u32], using: &str, expect: Option<u32>| {
            let nodes: Vec<Found> =
                majors.iter().map(|&major| Found { path: PathBuf::from("node"), major }).collect();
            assert_eq!(best(&nodes, wanted(using)).map(|node| node.major), expect, "{majors:?} {using}");
        };
        check(&[20, 24], "node20", Some(20));
        check(&[20, 24], "node24", Some(24));
        check(&[20, 22], "node24", Some(22));
        check(&[22], "node12", Some(22));
        check(&[18], "node16", None);
        check(&[], "node20", None);
        assert_eq!(major("v24.1.0\n"), Some(24));
        assert_eq!(major("nonsense"), None);
    }
}
