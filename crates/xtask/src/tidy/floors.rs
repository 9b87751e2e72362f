//! Floors strictly downward, and nothing impure on the floors that decide.

use super::{Crate, Finding};
use std::collections::BTreeMap;

/// Dependencies between domain crates (floors 1 and 2) that are allowed besides `base`.
const DOMAIN_EDGES: [(&str, &str); 2] = [("rollout", "analysis"), ("rollout", "traffic")];

/// The highest floor that must stay pure.
const PURE_FLOOR: i64 = 2;

/// Crates that bring clocks, input and output, threads or chance.
const IMPURE_CRATES: [&str; 12] = [
    "tokio",
    "tokio-util",
    "hyper",
    "hyper-util",
    "axum",
    "rusqlite",
    "rand",
    "rand_chacha",
    "getrandom",
    "rustix",
    "tempfile",
    "futures-util",
];

/// Words that mean a clock, input and output, processes, threads or chance.
const IMPURE_WORDS: [&str; 15] = [
    "async fn",
    "async move",
    ".await",
    "tokio::",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "getrandom",
];

/// Checks both rules for all crates.
pub(super) fn check(crates: &[Crate], findings: &mut Vec<Finding>) {
    let floors: BTreeMap<&str, i64> =
        crates.iter().filter_map(|krate| Some((krate.name.as_str(), krate.floor()?))).collect();
    for krate in crates {
        let place = format!("crates/{}/Cargo.toml", krate.name);
        let mut found = |message: String| findings.push(Finding { place: place.clone(), message });
        let Some(floor) = krate.floor() else {
            found("declare `[package.metadata.layer] floor = n`".to_owned());
            continue;
        };
        for (name, _) in krate.dependencies("dependencies") {
            if floor <= PURE_FLOOR && IMPURE_CRATES.contains(&name) {
                found(format!("floor {floor} is pure and cannot depend on `{name}`"));
            }
            let Some(other) = name.strip_prefix("shipway-") else { continue };
            match floors.get(other) {
                None => found(format!("`{name}` is not a crate of this workspace")),
                // Beside the house (testkit, xtask) everything may be used.
                Some(below) if floor <= 5 && *below >= floor => {
                    found(format!(
                        "floor {floor} depends on `{name}` on floor {below}; floors go strictly downward"
                    ));
                }
                Some(1..=2)
                    if floor <= PURE_FLOOR && !DOMAIN_EDGES.contains(&(krate.name.as_str(), other)) =>
                {
                    found(format!(
                        "domain crates meet in `base`; `{}` -> `{other}` is not an allowed edge",
                        krate.name
                    ));
                }
                Some(_) => {}
            }
        }
        if floor <= PURE_FLOOR {
            words(krate, floor, findings);
        }
    }
}

fn words(krate: &Crate, floor: i64, findings: &mut Vec<Finding>) {
    for (path, text) in krate.product_files() {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE_WORDS.iter().filter(|word| code.contains(**word)) {
                findings.push(Finding {
                    place: format!("{path}:{}", number + 1),
                    message: format!(
                        "floor {floor} is pure: no `{word}`; pass time, chance and data in as arguments"
                    ),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::planted, *};

    fn findings(crates: &[Crate]) -> Vec<String> {
        let mut findings = Vec::new();
        check(crates, &mut findings);
        findings.into_iter().map(|found| format!("{}: {}", found.place, found.message)).collect()
    }

    #[test]
    fn a_dependency_upward_or_sideways_is_found() {
        let upward = planted("base", 0, "[dependencies]\nshipway-store = {workspace = true}", "");
        let store = planted("store", 3, "[dependencies]\nshipway-router = {workspace = true}", "");
        let router = planted("router", 3, "", "");
        let found = findings(&[upward, store, router]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|line| line.contains("strictly downward")), "{found:?}");
    }

    #[test]
    fn an_unlisted_edge_between_domains_is_found() {
        let rollout = planted(
            "rollout",
            2,
            "[dependencies]\nshipway-analysis = {workspace = true}\nshipway-workflow = {workspace = true}",
            "",
        );
        let found = findings(&[rollout, planted("analysis", 1, "", ""), planted("workflow", 1, "", "")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`rollout` -> `workflow`"));
    }

    #[test]
    fn impurity_is_found_in_words_and_in_manifests() {
        let text = "//! Doc.\n// SystemTime in a comment is fine.\nfn f() { std::fs::read(\"x\"); }\n";
        let found = findings(&[planted("flags", 1, "[dependencies]\ntokio = {workspace = true}", text)]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].starts_with("crates/flags/src/lib.rs:3"), "{found:?}");
    }

    #[test]
    fn a_missing_floor_is_found() {
        let mut krate = planted("x", 1, "", "");
        krate.manifest.remove("package");
        assert_eq!(findings(&[krate]).len(), 1);
    }
}
