//! Licences of all dependencies against the list in `deny.toml`.

use crate::process::{command, output, say};
use anyhow::{Context as _, Result, bail};
use std::{fs, path::Path};

/// Checks every package of the lock file; `cargo deny` (advisories, sources) is run as well where it is installed.
pub(super) fn run(root: &Path) -> Result<()> {
    let deny: toml::Table = fs::read_to_string(root.join("deny.toml"))?.parse().context("deny.toml")?;
    let allowed = texts(deny.get("licenses").and_then(|licenses| licenses.get("allow")));
    let metadata = output(command(root, "cargo").args(["metadata", "--format-version=1", "--locked"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| {
            let mut allowed = allowed.clone();
            allowed.extend(excepted(&deny, package["name"].as_str().unwrap_or_default()));
            !is_allowed(package["license"].as_str().unwrap_or_default(), &allowed)
        })
        .map(|package| format!("{} ({})", package["name"], package["license"]))
        .collect();
    if !refused.is_empty() {
        bail!("licences that deny.toml does not allow: {}", refused.join(", "));
    }
    say(&format!("licences: {} packages, all allowed by deny.toml", packages.len()));
    Ok(())
}

/// The licences that a package may have beside those that all may have.
fn excepted<'d>(deny: &'d toml::Table, name: &str) -> Vec<&'d str> {
    let exceptions = deny.get("licenses").and_then(|licenses| licenses.get("exceptions")?.as_array());
    let of_it = exceptions
        .into_iter()
        .flatten()
        .filter(|exception| exception.get("crate").and_then(toml::Value::as_str) == Some(name));
    of_it.flat_map(|exception| texts(exception.get("allow"))).collect()
}

fn texts(list: Option<&toml::Value>) -> Vec<&str> {
    let list = list.and_then(toml::Value::as_array);
    list.into_iter().flatten().filter_map(toml::Value::as_str).collect()
}

/// Whether an SPDX expression can be satisfied from the allowed licences.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    // `AND` binds tighter than `OR`; the few nested expressions in use are satisfied by this reading as well.
    plain.split(" OR ").any(|choice| {
        choice.split(" AND ").map(str::trim).all(|term| !term.is_empty() && allowed.contains(&term))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exceptions() {
        let deny = "[licenses]\nallow = ['MIT']\nexceptions = [{ crate = 'a', allow = ['MPL-2.0'] }]";
        let deny: toml::Table = deny.parse().expect("a document");
        assert_eq!((excepted(&deny, "a"), excepted(&deny, "b")), (vec!["MPL-2.0"], Vec::new()));
    }

    #[test]
    fn reads_spdx_expressions() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"];
        assert!(is_allowed("MIT OR GPL-3.0", &allowed));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed));
        assert!(is_allowed("MIT/Apache-2.0", &allowed));
        assert!(!is_allowed("GPL-3.0", &allowed));
        assert!(!is_allowed("MIT AND GPL-3.0", &allowed));
        assert!(!is_allowed("", &allowed));
    }
}
