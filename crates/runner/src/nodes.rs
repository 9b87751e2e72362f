//! Nodes for JavaScript actions: those of this machine, and the one that an action gets where its job runs.

use std::path::PathBuf;

/// The oldest Node that is tried. Actions for Node 12 and 16 are run by 20 as on GitHub.
pub(crate) const OLDEST: u32 = 20;

/// A Node on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineNode {
    /// The program.
    pub path: PathBuf,
    /// Its version, `20.11.1`.
    pub version: String,
    /// Its major version.
    pub major: u32,
}

/// A Node as the programs of a job start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedNode {
    /// The beginning of a command line.
    pub argv: Vec<String>,
    /// Its major version.
    pub major: u32,
}

/// The version that the `using` of an action asks for.
pub(crate) fn wanted(using: &str) -> u32 {
    let number = using.to_ascii_lowercase().trim_start_matches("node").parse().unwrap_or(OLDEST);
    number.max(OLDEST)
}

/// What `node --version` prints: `v20.11.1` is 20.
pub(crate) fn version(text: &str) -> Option<u32> {
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// The first that is new enough; else the newest that may do.
pub(crate) fn best(nodes: &[MachineNode], wanted: u32) -> Option<&MachineNode> {
    let enough = nodes.iter().find(|node| node.major >= wanted);
    enough.or_else(|| nodes.iter().filter(|node| node.major >= OLDEST).max_by_key(|node| node.major))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_a_node_that_is_new_enough() {
        let check = |majors: &[u32], using: &str, expect: Option<u32>| {
            let node = |&major: &u32| MachineNode {
                path: PathBuf::from("node"),
                version: format!("{major}.1.0"),
                major,
            };
            let nodes: Vec<MachineNode> = majors.iter().map(node).collect();
            assert_eq!(best(&nodes, wanted(using)).map(|node| node.major), expect, "{majors:?} {using}");
        };
        check(&[20, 24], "node20", Some(20));
        check(&[20, 24], "node24", Some(24));
        check(&[20, 22], "node24", Some(22));
        check(&[22], "node12", Some(22));
        check(&[18], "node16", None);
        check(&[], "node20", None);
        assert_eq!(version("v24.1.0\n"), Some(24));
        assert_eq!(version("nonsense"), None);
    }
}
