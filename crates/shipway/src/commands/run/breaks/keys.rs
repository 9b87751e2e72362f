//! What a person can press at a failed step.

use super::queue::Waiting;

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Open a shell.
    Shell,
    /// Edit the step.
    Edit,
    /// Try it again.
    Retry,
    /// Let it count as successful.
    Skip,
    /// Let its failure count.
    GoOn,
    /// End all runs.
    Abort,
    /// Say what the keys mean.
    Help,
}

/// What the keys mean.
pub(super) const HELP: &str = "\
  s  open a shell where the step ran, with its environment, folder and command files
  e  edit the file it is written in, with $VISUAL or $EDITOR
  r  try the step again, as it is written now; what it wrote to outputs and environment is undone
  k  skip it: it counts as successful in this run
  c  go on: its failure counts
  a  abort: cancel everything that runs
  t  show what runs now";

/// The bytes of keys that are letters. Arrows and their like come as `ESC [ ... letter` or `ESC O letter`, and mean nothing here,
/// least of all the letter they end with.
pub(super) fn typed(bytes: &[u8]) -> Vec<u8> {
    let mut typed = Vec::new();
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'\x1b', [b'[', after @ ..]) => {
                let end = after.iter().position(|byte| (0x40..=0x7e).contains(byte));
                end.map_or(&[][..], |end| &after[end + 1..])
            }
            (b'\x1b', [b'O', _, after @ ..] | [_, after @ ..]) => after,
            (b'\x1b', []) => after,
            _ => {
                typed.push(*first);
                after
            }
        };
    }
    typed
}

impl Key {
    /// The meaning of a byte from the terminal.
    pub(super) fn of(byte: u8) -> Option<Key> {
        Some(match byte.to_ascii_lowercase() {
            b's' => Key::Shell,
            b'e' => Key::Edit,
            b'r' => Key::Retry,
            b'k' => Key::Skip,
            b'c' => Key::GoOn,
            b'a' => Key::Abort,
            b'?' | b'h' => Key::Help,
            _ => return None,
        })
    }
}

/// The question about a step, one line.
pub(super) fn question(waiting: &Waiting, all: usize) -> String {
    let others = if all > 1 { format!(" ({} more wait)", all - 1) } else { String::new() };
    let name = &waiting.broken.name;
    if waiting.busy {
        return format!("{name}{others}: ...");
    }
    format!("{name}{others}: [s]hell [e]dit [r]etry s[k]ip [c]ontinue [a]bort [?] ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_are_typed() {
        assert_eq!(typed(b"\x1b[A"), b"");
        assert_eq!(typed(b"r\x1b[1;5Cs\x1bOAk\x1bac"), b"rskc");
        assert_eq!(typed(b"\x1b[12"), b"");
        assert_eq!(typed(b"a\x1b"), b"a");
    }
}
