//! Commands of an editor or an agent: JSON objects on standard input, one a line.
//!
//! A command is only read once a step waits for one, so that a script may write all of them at once.

use serde::Deserialize;
use std::io::Read as _;
use tokio::sync::mpsc;

/// A longer line is no command.
const LONGEST: usize = 1024 * 1024;

/// What is read at once.
const READ: usize = 16 * 1024;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Command {
    /// The break it is about; the first that waits when it names none.
    pub(super) at: Option<u32>,
    /// What is wanted.
    pub(super) wish: Wish,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Try the step again, with this script when there is one.
    Retry(Option<String>),
    /// Run a script where the step ran.
    Exec(String),
    /// Let the step count as successful.
    Skip,
    /// Let its failure count.
    GoOn,
    /// End all runs.
    Abort,
}

/// A command as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    command: String,
    #[serde(rename = "break")]
    at: Option<u32>,
    run: Option<String>,
}

impl Command {
    /// Reads a line.
    pub(super) fn parse(line: &[u8]) -> Result<Command, String> {
        let written: Written = serde_json::from_slice(line).map_err(|error| {
            format!("a command must be an object such as {{\"command\":\"retry\"}}: {error}")
        })?;
        let Written { command, at, run } = written;
        let wish = match (command.as_str(), run) {
            ("retry", run) => Wish::Retry(run),
            ("exec", Some(run)) => Wish::Exec(run),
            ("exec", None) => return Err("exec needs what to run, in run".to_owned()),
            ("skip" | "continue" | "abort", Some(_)) => return Err(format!("{command} takes no run")),
            ("skip", None) => Wish::Skip,
            ("continue", None) => Wish::GoOn,
            ("abort", None) => Wish::Abort,
            ("shell", _) => {
                return Err("a shell needs a terminal; exec runs a script in the same place".to_owned());
            }
            (other, _) => {
                return Err(format!(
                    "there is no command {other:?}; there are retry, exec, skip, continue, abort"
                ));
            }
        };
        Ok(Command { at, wish })
    }
}

/// Where commands come from.
#[derive(Debug)]
pub(super) struct Commands(mpsc::Receiver<Result<Command, String>>);

impl Commands {
    /// Those on standard input.
    pub(super) fn of_stdin() -> Commands {
        // One only: the next is read when this one is taken.
        let (sender, receiver) = mpsc::channel(1);
        // A read of standard input cannot be given up; the process ends without waiting for this thread.
        std::thread::spawn(move || {
            let (mut input, mut lines) = (std::io::stdin().lock(), Lines::default());
            let mut buffer = vec![0; READ];
            // An input that cannot be read has ended.
            while let Ok(length @ 1..) = input.read(&mut buffer) {
                for line in lines.push(&buffer[..length]) {
                    if sender.blocking_send(line).is_err() {
                        return;
                    }
                }
            }
            for line in lines.push(b"\n") {
                // The desk is closed.
                let _nobody = sender.blocking_send(line);
            }
        });
        Commands(receiver)
    }

    /// The next one; none at the end.
    pub(super) async fn next(&mut self) -> Option<Result<Command, String>> {
        self.0.recv().await
    }
}

/// Cuts bytes into lines that are not too long.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
    too_long: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Vec<Result<Command, String>> {
        let mut found = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                Some(_) | None => (piece, false),
            };
            if self.rest.len() + text.len() > LONGEST {
                self.too_long = true;
                self.rest.clear();
            } else if !self.too_long {
                self.rest.extend_from_slice(text);
            }
            if !ends {
                continue;
            }
            let line = std::mem::take(&mut self.rest);
            if std::mem::take(&mut self.too_long) {
                found.push(Err("a command must be shorter than 1 MiB".to_owned()));
            } else if !line.iter().all(u8::is_ascii_whitespace) {
                found.push(Command::parse(&line));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, expect: Option<Wish>) {
        let found = Command::parse(line.as_bytes()).map(|command| command.wish);
        assert_eq!(found.clone().ok(), expect, "{line}: {found:?}");
    }

    #[test]
    fn reads_commands() {
        check(r#"{"command":"retry"}"#, Some(Wish::Retry(None)));
        check(r#"{"command":"retry","run":"true","break":2}"#, Some(Wish::Retry(Some("true".to_owned()))));
        check(r#"{"command":"exec","run":"ls"}"#, Some(Wish::Exec("ls".to_owned())));
        check(r#"{"command":"continue"}"#, Some(Wish::GoOn));
        for wrong in [
            "",
            "retry",
            "[]",
            r#"{"command":"exec"}"#,
            r#"{"command":"skip","run":"x"}"#,
            r#"{"command":"shell"}"#,
            r#"{"command":"retry","brake":1}"#,
            r#"{"command":"fly"}"#,
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_and_forgotten() {
        let mut lines = Lines::default();
        for _ in 0..3 {
            assert!(lines.push(&vec![b'x'; LONGEST / 2]).is_empty());
        }
        assert!(lines.rest.len() <= LONGEST);
        let found = lines.push(b"x\n{\"command\":\"skip\"}\n");
        assert!(found[0].is_err());
        assert_eq!(found[1], Ok(Command { at: None, wish: Wish::Skip }));
    }

    proptest! {
        #[test]
        fn any_cut_of_the_input_gives_the_same_commands(cuts in prop::collection::vec(0_usize..120, 0..6)) {
            let text = b"{\"command\":\"skip\"}\n\nnonsense\n{\"command\":\"exec\",\"run\":\"echo x\"}\n{\"command\":\"abort\"}\n";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let found: Vec<_> = cuts.windows(2).flat_map(|ends| lines.push(&text[ends[0]..ends[1]])).collect();
            prop_assert_eq!(found, Lines::default().push(text));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = Lines::default().push(&bytes);
        }
    }
}
