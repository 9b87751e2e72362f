//! Where an artifact is unpacked: it depends on the version of the action that a step names.

use shipway_base::is_object_id;
use shipway_workflow::document::Uses;

/// The commits of the releases of version 4, as workflows pin them, by their beginnings: 4.0.0 to 4.3.0.
const FOURTH: [&str; 14] = [
    "7a1cd321", "f44cd7b4", "6b208ae0", "eaceaf80", "87c55149", "c850b930", "8caf195a", "9c19ed7f",
    "65a9edc5", "fa0a91b8", "cc203385", "b14cf4c9", "95815c38", "d3f86a10",
];

/// Whether a single artifact that was not asked for by its name goes into a folder of its own: up to version 4. A branch, or a commit
/// that is none of those, is taken for a newer one.
pub(super) fn single_has_folder(uses: &Uses) -> bool {
    let Uses::Repository { reference, .. } = uses else { return false };
    if is_object_id(reference) {
        let reference = reference.to_ascii_lowercase();
        return FOURTH.iter().any(|commit| reference.starts_with(commit));
    }
    let number = reference.strip_prefix("refs/tags/").unwrap_or(reference);
    let number = number.strip_prefix('v').unwrap_or(number).split('.').next().unwrap_or_default();
    number.parse::<u32>().is_ok_and(|major| major <= 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(reference: &str) -> bool {
        single_has_folder(&Uses::Repository {
            owner: "actions".to_owned(),
            repo: "download-artifact".to_owned(),
            path: String::new(),
            reference: reference.to_owned(),
        })
    }

    #[test]
    fn versions_are_told_apart() {
        for old in ["v4", "v4.1.8", "v3", "4", "refs/tags/v4", "d3f86a106a0bac45b974a628896c90dbdf5c8093"] {
            assert!(of(old), "{old}");
        }
        for new in ["v5", "v8.0.1", "main", "v", "", "d3f86a1", &"0".repeat(40)] {
            assert!(!of(new), "{new}");
        }
    }

    proptest! {
        #[test]
        fn no_reference_makes_it_panic(reference in "\\PC{0,41}") {
            let _ = of(&reference);
        }
    }
}
