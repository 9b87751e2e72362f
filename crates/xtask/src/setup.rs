//! What the tests need beside Rust, installed by package name where that is allowed.

use crate::process::{command, exists, run, say};
use anyhow::Result;
use std::path::Path;

/// A program and the Debian package that brings it.
const NEEDS: [(&str, &str); 7] = [
    ("git", "git"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("chromium", "chromium"),
    ("python3", "python3"),
    ("dockerd", "docker.io"),
    ("busybox", "busybox-static"),
];

/// What only the benches need.
const BENCH_NEEDS: [(&str, &str); 3] = [("nginx", "nginx-light"), ("haproxy", "haproxy"), ("wrk", "wrk")];

/// Installs what is missing; what cannot be had is said loudly and its tests say so again.
pub(crate) fn install(root: &Path, benches: bool) -> Result<()> {
    let needs = NEEDS.iter().chain(BENCH_NEEDS.iter().filter(|_| benches));
    let missing: Vec<&str> =
        needs.filter(|(program, _)| !exists(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("set-up: missing {}", missing.join(", ")));
    if !exists("apt-get") || !is_root(root) {
        say(&format!("SET-UP INCOMPLETE: install by hand: {}; their tests will not run", missing.join(" ")));
        return Ok(());
    }
    run(command(root, "apt-get").args(["update", "-qq"]).env("DEBIAN_FRONTEND", "noninteractive"))?;
    run(command(root, "apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_root(root: &Path) -> bool {
    crate::process::output(command(root, "id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
