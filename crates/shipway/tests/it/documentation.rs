//! The commands that the documentation shows are run, so that they stay true.
//!
//! In `README.md` and `docs/*.md`, a block fenced as ```` ```sh run ```` is a script that must succeed in an empty
//! folder with `shipway` on the `PATH`; one fenced as ```` ```sh run=N ```` must end with exit code N.

use crate::support::{Folder, binary, command, project};
use std::{fs, path::PathBuf};

#[test]
fn the_commands_of_the_documentation_do_what_they_say() {
    let mut pages: Vec<PathBuf> = vec![project().join("README.md")];
    pages.extend(
        fs::read_dir(project().join("docs")).expect("docs").map(|entry| entry.expect("an entry").path()),
    );
    pages.sort();
    let mut run = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(page).expect("a page");
        for (line, expected, script) in scripts(&text) {
            let folder = Folder::new();
            let tools = binary().parent().expect("a folder").display().to_string();
            let script_with_path = format!("export PATH='{tools}':\"$PATH\"\n{script}");
            let output = command("bash", folder.path())
                .args(["-euo", "pipefail", "-c", &script_with_path])
                .env("GIT_AUTHOR_NAME", "Reader")
                .env("GIT_AUTHOR_EMAIL", "reader@example.com")
                .env("GIT_COMMITTER_NAME", "Reader")
                .env("GIT_COMMITTER_EMAIL", "reader@example.com")
                .output()
                .expect("bash");
            let said = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(
                output.status.code(),
                Some(expected),
                "{}:{line}:\n{script}\n---\n{said}",
                page.display()
            );
            run += 1;
        }
    }
    assert!(run > 0, "no page shows a command that is run");
}

/// The scripts of a page: the line they begin on, the exit code they must have, and their text.
fn scripts(text: &str) -> Vec<(usize, i32, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(flags) = line.strip_prefix("```sh run") else { continue };
        let expected = flags.strip_prefix('=').map_or(0, |code| code.trim().parse().expect("an exit code"));
        let script: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        found.push((number + 1, expected, script.join("\n")));
    }
    found
}
