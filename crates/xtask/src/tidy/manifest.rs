//! Manifests: lints and dependencies come from the workspace.

use super::{Crate, Finding};

/// Checks that every crate inherits the lint tables and every dependency.
pub(super) fn check(crates: &[Crate], findings: &mut Vec<Finding>) {
    for krate in crates {
        let place = format!("crates/{}/Cargo.toml", krate.name);
        let mut found = |message: String| findings.push(Finding { place: place.clone(), message });
        let inherits = |value: Option<&toml::Value>| {
            value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
        };
        if !inherits(krate.manifest.get("lints")) {
            found("every crate has `[lints] workspace = true`".to_owned());
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in krate.dependencies(table) {
                if !inherits(Some(value)) {
                    found(format!(
                        "`{name}` belongs into [workspace.dependencies]; refer to it with `workspace = true`"
                    ));
                }
            }
        }
        if krate.product_files().all(|(_, text)| text.lines().count() < 3) {
            found("a crate exists once it has content; this one is empty".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::planted, *};

    #[test]
    fn planted_faults_are_found() {
        let mut krate = planted("x", 1, "[dependencies]\nserde = \"1\"", "//! A.\n\nfn f() {}\n");
        krate.manifest.remove("lints");
        let mut findings = Vec::new();
        check(&[krate, planted("empty", 1, "", "//! Nothing.")], &mut findings);
        assert_eq!(findings.len(), 3, "{findings:?}");
    }
}
