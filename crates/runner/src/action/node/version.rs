//! Which Node runs a JavaScript action.

use super::NodePart;
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Hands, Program, ProgramPlace, Streams},
    host::{Installed, find_program},
    job::Job,
    listen::Hearing,
    nodes::{MachineNode, PlacedNode, best, version, wanted},
    report::{Annotation, Level},
    steps::Current,
};
use std::{fs, path::PathBuf};

/// The variable of GitHub's runner by which actions for Node 20 are run by Node 24.
const FORCE: &str = "FORCE_JAVASCRIPT_ACTIONS_TO_NODE24";
/// The version that it means.
const FORCED: u32 = 24;

impl Job<'_> {
    /// The beginning of the command line for an action. On this machine it is the Node of the runner's own PATH or of the
    /// tool cache, whatever steps put on their PATH, since an action is not to change its Node because a step sets
    /// another one up for the project.
    pub(super) async fn node(
        &mut self,
        part: &NodePart,
        current: &Current,
    ) -> Result<Vec<String>, RunnerError> {
        let said = current.scope.env.get(FORCE).map(|said| said.trim());
        let forced = said.is_some_and(|said| said == "1" || said.eq_ignore_ascii_case("true"));
        let wanted = if forced { wanted(&part.using).max(FORCED) } else { wanted(&part.using) };
        if self.nodes.is_none() {
            let found = self.look_for_nodes(current).await?;
            self.offer_installed(found.first()).await;
            self.nodes = Some(found);
        }
        let nodes = self.nodes.as_deref().unwrap_or_default();
        let about = format!("{} is a JavaScript action ({})", part.uses, part.using);
        let placed = self.executor.node(&self.identity, nodes, wanted).await.map_err(|error| {
            let message = format!("{about}, and {}", error.message);
            error.with_message(message)
        })?;
        let node = match (placed, best(nodes, wanted)) {
            (Some(placed), _) => placed,
            (None, Some(best)) => {
                PlacedNode { argv: vec![best.path.to_string_lossy().into_owned()], major: best.major }
            }
            (None, None) => {
                let why = match nodes.first() {
                    None => "there is no node on the PATH of the runner".to_owned(),
                    Some(old) => {
                        format!("{} is Node {}, which is too old", old.path.display(), old.major)
                    }
                };
                let error = RunnerError::new(ErrorKind::NodeMissing, format!("{about}, and {why}"));
                let help = format!("install Node {wanted} or newer, or put it on the PATH of the runner");
                return Err(error.with_help(help));
            }
        };
        if node.major < wanted && !self.told_of_node {
            self.told_of_node = true;
            let why = if forced {
                format!("to be run by Node {wanted}, as {FORCE} says,")
            } else {
                format!("made for Node {wanted}")
            };
            let text = format!(
                "{} is {why} and is run by Node {} here; install Node {wanted} or newer to have what GitHub has",
                part.uses, node.major
            );
            let annotation =
                Annotation { step: Some(current.index), ..Annotation::new(Level::Warning, text) };
            self.log.annotate(annotation).await;
        }
        Ok(node.argv)
    }

    async fn look_for_nodes(&mut self, current: &Current) -> Result<Vec<MachineNode>, RunnerError> {
        let path = self.context.host_env.get("PATH").cloned().unwrap_or_default();
        let mut candidates: Vec<PathBuf> =
            find_program("node", &path, &self.folders.root).into_iter().collect();
        let arch = tool_arch();
        let kept = fs::read_dir(self.folders.tools.join("node")).into_iter().flatten().flatten();
        let mut kept: Vec<PathBuf> = kept.map(|entry| entry.path().join(arch).join("bin/node")).collect();
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
                streams: Streams::default(),
                files: None,
            };
            let (code, heard) = self.run_quietly(&program, current, Hearing::Capture).await?;
            let text = String::from_utf8_lossy(&heard.text.unwrap_or_default()).into_owned();
            if let (Some(0), Some(major)) = (code, version(&text)) {
                let version = text.trim().trim_start_matches('v').to_owned();
                found.push(MachineNode { path, version, major });
            }
        }
        Ok(found)
    }

    /// Shows what this machine has in the tool cache of the job, where its programs see the same files. An action that does not
    /// find it there installs what it needs, so a job does not fail by this.
    async fn offer_installed(&self, node: Option<&MachineNode>) {
        if !self.executor.is_real() || self.contained || self.executor.hands(&self.identity) != Hands::Runner
        {
            return;
        }
        let path = self.context.host_env.get("PATH").cloned().unwrap_or_default();
        let node = node.and_then(|node| Installed::node(&node.path, &node.version));
        let go = find_program("go", &path, &self.folders.root).and_then(|go| Installed::go(&go));
        for tool in node.into_iter().chain(go) {
            if let Err(error) = tool.offer(&self.folders.tools, tool_arch()) {
                tracing::warn!(%error, "a tool of this machine cannot be shown in the tool cache");
            }
        }
    }
}

/// This machine's architecture as Node and the tool cache name it.
fn tool_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    }
}
