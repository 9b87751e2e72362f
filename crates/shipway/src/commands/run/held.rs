//! Lines to a terminal on which a question may stand, or which another program may have for a while.

use std::io::{self, Write};

/// So much is kept while another program has the terminal; what comes beyond that is left out.
const KEPT: usize = 1024 * 1024;

/// Writes lines above a question.
#[derive(Debug)]
pub(super) struct Held<W> {
    out: W,
    question: Option<String>,
    drawn: bool,
    held: Option<Vec<u8>>,
    left_out: u64,
}

impl<W: Write> Held<W> {
    /// Writes to `out`.
    pub(super) fn new(out: W) -> Held<W> {
        Held { out, question: None, drawn: false, held: None, left_out: 0 }
    }

    /// Writes a line. That it cannot be written is no failure of the run; what it is written to remembers it.
    pub(super) fn line(&mut self, text: &str) {
        if let Some(held) = &mut self.held {
            if held.len() + text.len() < KEPT {
                held.extend_from_slice(text.as_bytes());
                held.push(b'\n');
            } else {
                self.left_out += 1;
            }
            return;
        }
        self.wipe();
        let _remembered = writeln!(self.out, "{text}");
    }

    /// Sets the question that stands below the last line.
    pub(super) fn prompt(&mut self, question: Option<String>) {
        if self.question != question {
            self.wipe();
            self.question = question;
        }
    }

    /// Keeps lines back, or lets them go.
    pub(super) fn hold(&mut self, hold: bool) {
        match (hold, self.held.take()) {
            (true, held) => {
                self.wipe();
                // The other program begins on a clean line.
                let _remembered = self.out.flush();
                self.held = Some(held.unwrap_or_default());
            }
            (false, None) => {}
            (false, Some(held)) => {
                let _remembered = self.out.write_all(&held);
                let left_out = std::mem::take(&mut self.left_out);
                if left_out > 0 {
                    self.line(&format!("... {left_out} lines were not kept meanwhile"));
                }
            }
        }
    }

    /// Shows everything, the question last.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(question) = self.question.as_ref().filter(|_| !self.drawn && self.held.is_none()) {
            self.out.write_all(question.as_bytes())?;
            self.drawn = true;
        }
        self.out.flush()
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _remembered = self.out.write_all(b"\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_above_the_question() {
        let mut held = Held::new(Vec::new());
        held.line("one");
        held.prompt(Some("ok? ".to_owned()));
        held.flush().expect("memory");
        held.prompt(Some("ok? ".to_owned()));
        held.flush().expect("memory");
        held.line("two");
        held.flush().expect("memory");
        held.prompt(None);
        held.flush().expect("memory");
        assert_eq!(String::from_utf8_lossy(&held.out), "one\nok? \r\x1b[Ktwo\nok? \r\x1b[K");
    }

    #[test]
    fn what_is_held_comes_later_and_is_bounded() {
        let mut held = Held::new(Vec::new());
        held.prompt(Some("ok? ".to_owned()));
        held.hold(true);
        let line = "x".repeat(1023);
        for _ in 0..1030 {
            held.line(&line);
        }
        held.flush().expect("memory");
        assert!(held.out.is_empty());
        held.hold(false);
        assert!(held.out.len() <= KEPT + 100);
        assert!(String::from_utf8_lossy(&held.out).ends_with("lines were not kept meanwhile\n"));
    }
}
