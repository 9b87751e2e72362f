//! The user's own editor, on the terminal that the run was started from.

use crate::environment::Environment;
use std::{ffi::OsString, path::Path};

/// Editors that take the line to begin on as `+LINE`.
const WITH_LINE: [&str; 9] = ["vi", "vim", "nvim", "nano", "emacs", "emacsclient", "micro", "joe", "kak"];

/// Opens a file at a line and waits until the editor is closed.
#[expect(
    clippy::disallowed_methods,
    reason = "the user's own editor on the user's own terminal, in the foreground group; it is waited for"
)]
pub(super) async fn open(environment: &Environment, path: &Path, line: u32) -> Result<(), String> {
    let shown = path.display();
    let named = environment.variable("VISUAL").or_else(|| environment.variable("EDITOR"));
    let Some((program, arguments)) = named.and_then(|named| words(named, path, line)) else {
        return Err(format!(
            "Neither VISUAL nor EDITOR is set. Edit {shown}:{line} elsewhere, then press r."
        ));
    };
    let ended = tokio::process::Command::new(&program)
        .args(arguments)
        .current_dir(&environment.folder)
        .kill_on_drop(true)
        .status()
        .await;
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{program} ended with {status}")),
        Err(error) => Err(format!("{program} cannot be started: {error}")),
    }
}

/// The program and its arguments.
fn words(named: &str, path: &Path, line: u32) -> Option<(String, Vec<OsString>)> {
    let mut words = named.split_whitespace();
    let program = words.next()?.to_owned();
    let mut arguments: Vec<OsString> = words.map(OsString::from).collect();
    let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if WITH_LINE.contains(&name) {
        arguments.push(format!("+{line}").into());
    }
    arguments.push(path.into());
    Some((program, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_are_called_as_they_like() {
        let check = |named: &str, expect: &[&str]| {
            let (program, arguments) = words(named, Path::new("/a b"), 3).expect("an editor");
            let all: Vec<String> = std::iter::once(program)
                .chain(arguments.iter().map(|word| word.to_string_lossy().into_owned()))
                .collect();
            assert_eq!(all, expect, "{named}");
        };
        check("/usr/bin/vim -n", &["/usr/bin/vim", "-n", "+3", "/a b"]);
        check("code --wait", &["code", "--wait", "/a b"]);
        assert_eq!(words("  ", Path::new("/a"), 1), None);
    }
}
