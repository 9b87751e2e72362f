//! Landlock: what a step may write to and read, held by the kernel beside the mounts. It stays in force whatever the step
//! does with its namespaces.

use super::{Refusal, Trying};
use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use std::path::Path;

/// The newest version whose rights are known here; older kernels hold what they know of them.
const NEWEST: ABI = ABI::V6;

/// Where a step may write beside the job's own folder. What belongs to others there is not in the mounts.
const WRITABLE: [&str; 5] = ["/tmp", "/var/tmp", "/dev", "/run", "/proc"];

/// Holds this process and all that it starts. Answers whether the kernel does; one without Landlock does not.
pub(super) fn hold(own: &Path) -> Result<bool, Refusal> {
    let what = "set Landlock's rules";
    let writable = WRITABLE.iter().map(Path::new).chain([own]).filter(|path| path.exists());
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.add_rules(path_beneath_rules(["/"], AccessFs::from_read(NEWEST))))
        .and_then(|rules| rules.add_rules(path_beneath_rules(writable, AccessFs::from_all(NEWEST))))
        .and_then(|rules| rules.restrict_self())
        .trying(what)?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
