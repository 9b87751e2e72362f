//! The rules of the house that a machine can check, each a function from the tree to findings.
//!
//! `cargo xtask tidy` and `cargo test -p xtask` run the same code; every rule has a test with a planted fault.

mod errors;
mod files;
mod floors;
mod licences;
mod manifest;

use crate::process::say;
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A rule that is broken at some place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, relative to the root, with a line where there is one.
    pub(crate) place: String,
    /// What is wrong and which rule it breaks.
    pub(crate) message: String,
}

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Crate {
    /// The folder name below `crates/`.
    pub(crate) name: String,
    /// The manifest.
    pub(crate) manifest: toml::Table,
    /// The Rust files: path relative to the root, and text.
    pub(crate) files: Vec<(String, String)>,
}

/// Runs every rule over the tree and prints what it found.
pub(crate) fn run(root: &Path) -> Result<()> {
    let findings = check(root)?;
    for Finding { place, message } in &findings {
        say(&format!("{place}: {message}"));
    }
    say(&files::statistics(&load(root)?));
    licences::run(root)?;
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    say("tidy: no findings");
    Ok(())
}

/// All findings, sorted.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let crates = load(root)?;
    let mut findings = Vec::new();
    floors::check(&crates, &mut findings);
    manifest::check(&crates, &mut findings);
    files::check(&crates, &mut findings);
    errors::check(root, &crates, &mut findings)?;
    for message in crate::compatibility::check(root)? {
        findings.push(Finding { place: "compatibility".to_owned(), message });
    }
    findings.sort();
    Ok(findings)
}

fn load(root: &Path) -> Result<Vec<Crate>> {
    let mut crates = Vec::new();
    let folder = root.join("crates");
    for entry in fs::read_dir(&folder).with_context(|| format!("no folder {}", folder.display()))? {
        let path = entry?.path();
        let Ok(text) = fs::read_to_string(path.join("Cargo.toml")) else { continue };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let manifest = text.parse().with_context(|| format!("crates/{name}/Cargo.toml"))?;
        let mut files = Vec::new();
        collect(root, &path, &mut files)?;
        files.sort();
        crates.push(Crate { name, manifest, files });
    }
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(crates)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != "node_modules") {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push((relative, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

impl Crate {
    /// The floor declared in the manifest.
    fn floor(&self) -> Option<i64> {
        self.manifest.get("package")?.get("metadata")?.get("layer")?.get("floor")?.as_integer()
    }

    /// Names of the dependencies in a table of the manifest.
    fn dependencies(&self, table: &str) -> Vec<(&str, &toml::Value)> {
        let table = self.manifest.get(table).and_then(toml::Value::as_table);
        table.into_iter().flatten().map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// The files that are part of the product (not tests, examples or benches).
    fn product_files(&self) -> impl Iterator<Item = &(String, String)> {
        let prefix = format!("crates/{}/src/", self.name);
        self.files.iter().filter(move |(path, _)| path.starts_with(&prefix))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A crate with this manifest body (dependencies and so on) and one file.
    pub(crate) fn planted(name: &str, floor: i64, body: &str, text: &str) -> Crate {
        let manifest = format!(
            "[package]\n[package.metadata.layer]\nfloor = {floor}\n[lints]\nworkspace = true\n{body}"
        );
        Crate {
            name: name.to_owned(),
            manifest: manifest.parse().expect("a manifest"),
            files: vec![(format!("crates/{name}/src/lib.rs"), text.to_owned())],
        }
    }

    #[test]
    fn the_tree_is_tidy() {
        let findings = check(&crate::root()).expect("the tree can be read");
        assert!(findings.is_empty(), "{findings:#?}");
    }
}
