//! Node for JavaScript actions in the container of a job, which is this machine's own wherever that can be.
//!
//! An image need not have Node, nor the C library that this machine's was made for. So the program is lent with its loader and its
//! libraries, all of them below `/__e` as on GitHub, and is told to look for them there ([`elf`]). What the image has is used
//! only when that cannot run.

mod elf;
mod externals;

pub(super) use externals::Externals;

use super::{
    inside::{Answer, ask},
    place::Place,
    started::Started,
};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::JobIdentity,
    host::HostExecutor,
    nodes::{MachineNode, OLDEST, PlacedNode, version},
};

/// Where containers see what they are lent, as on GitHub.
pub(super) const EXTERNALS: &str = "/__e";

/// Prints the version, and what the image says of itself.
const LOOK: &str = "const fs = require('fs'); console.log(process.version);
try {
  for (const name of fs.readdirSync('/etc')) {
    if (name.endsWith('release')) {
      const lines = fs.readFileSync('/etc/' + name, 'utf8').split('\\n');
      lines.filter(line => line.startsWith('ID')).forEach(line => console.log(line));
    }
  }
} catch {}";

/// Looks for a Node of at least this version: of this machine, of the image, then older ones in the same order.
pub(super) async fn choose(
    externals: &Externals,
    host: &HostExecutor,
    job: &JobIdentity,
    (place, container): (&Place, &Started),
    nodes: &[MachineNode],
    wanted: u32,
) -> Result<PlacedNode, RunnerError> {
    let mut why = Vec::new();
    let mut best: Option<PlacedNode> = None;
    let enough = |node: &MachineNode| node.major >= wanted;
    let own = nodes.iter().find(|node| enough(node)).or_else(|| nodes.iter().max_by_key(|node| node.major));
    if let Some(own) = own.filter(|node| node.major >= OLDEST) {
        match lent(externals, host, job, (place, container), own, wanted).await {
            Ok(node) if node.major >= wanted => return Ok(node),
            Ok(node) => best = Some(node),
            Err(error) => why.push(format!("{} of this machine {error}", own.path.display())),
        }
    } else if let Some(old) = own {
        why.push(format!("{} of this machine is Node {}, which is too old", old.path.display(), old.major));
    } else {
        why.push("this machine has no node on the PATH of the runner".to_owned());
    }
    let answer = ask(&place.engine, &container.id, &["node", "--version"]).await;
    match answer.map(|answer| version(&answer.text).filter(|_| answer.code == 0)) {
        Ok(Some(major)) if major >= OLDEST && best.as_ref().is_none_or(|own| own.major < major) => {
            return Ok(PlacedNode { argv: vec!["node".to_owned()], major });
        }
        Ok(Some(major)) => why.push(format!("the image {} has Node {major}", container.image)),
        Ok(None) | Err(_) => why.push(format!("the image {} has none that runs", container.image)),
    }
    best.ok_or_else(|| {
        let message = format!("no Node runs in the container of the job: {}", why.join("; "));
        RunnerError::new(ErrorKind::NodeMissing, message).with_help(format!(
            "install Node {wanted} or newer on this machine, for example from nodejs.org, or use an image that has it"
        ))
    })
}

/// Lends a Node of this machine and looks whether it runs in the container. The error continues a sentence.
async fn lent(
    externals: &Externals,
    host: &HostExecutor,
    job: &JobIdentity,
    (place, container): (&Place, &Started),
    node: &MachineNode,
    wanted: u32,
) -> Result<PlacedNode, String> {
    let name = externals.lend(host, job, &node.path).await?;
    let program = format!("{EXTERNALS}/{name}/bin/node");
    let answer = ask(&place.engine, &container.id, &[&program, "-e", LOOK]).await;
    let Answer { code, text } =
        answer.map_err(|error| format!("cannot be tried in it: {}", error.message))?;
    let mut lines = text.lines();
    let Some(major) = lines.next().and_then(version).filter(|_| code == 0) else {
        let said = text.trim();
        return Err(format!("does not run in it (exit code {code}): {said}"));
    };
    let build = build(&format!("node{wanted}"), lines);
    externals.name(&build, &name).map_err(|error| format!("cannot be lent: {error}"))?;
    Ok(PlacedNode { argv: vec![format!("{EXTERNALS}/{build}/bin/node")], major })
}

/// The folder that GitHub's runner keeps a Node for such an image in. What is in it here runs with any C library, and
/// scripts that look for one of these names find it.
fn build<'l>(version: &str, ids: impl IntoIterator<Item = &'l str>) -> String {
    let is_alpine = |line: &str| line.to_ascii_lowercase().contains("alpine");
    if ids.into_iter().any(is_alpine) { format!("{version}_alpine") } else { version.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformance_node_in_container() {
        crate::conformance::run_file("node-in-container.json", |input, expect| {
            let version = input["runs_using"].as_str()?;
            let lines = input["os_release_id_lines"].as_array()?.iter().filter_map(|line| line.as_str());
            let found = build(version, lines);
            Some(if Some(&*found) == expect["node"].as_str() { Ok(()) } else { Err(found) })
        });
    }
}
