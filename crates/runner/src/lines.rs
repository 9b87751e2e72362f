//! Splits a stream of bytes into lines in bounded memory.

/// The longest piece of a line that is handed on at once, in bytes.
pub(crate) const MAX_PIECE: usize = 64 * 1024;

/// A part of a line. Nearly always the whole of it: only lines above [`MAX_PIECE`] come in several pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The bytes, without a line end.
    pub(crate) bytes: Vec<u8>,
    /// Whether the line ends here.
    pub(crate) ends: bool,
}

/// Collects bytes until a line is complete. `\n`, `\r\n` and a lone `\r` end a line, as in GitHub's runner, so that
/// progress bars become lines.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    held: Vec<u8>,
    after_return: bool,
    inside: bool,
}

impl LineSplitter {
    /// A splitter at the beginning of a line.
    pub(crate) fn new() -> LineSplitter {
        LineSplitter::default()
    }

    /// Whether the next byte begins a line.
    pub(crate) fn is_between_lines(&self) -> bool {
        !self.inside && !self.after_return
    }

    /// Takes more bytes and hands the pieces that they complete to `emit`. Holds back less than [`MAX_PIECE`].
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Piece)) {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let room = MAX_PIECE - self.held.len();
            match memchr::memchr2(b'\n', b'\r', &bytes[..room.min(bytes.len())]) {
                Some(at) => {
                    self.after_return = bytes[at] == b'\r';
                    self.held.extend_from_slice(&bytes[..at]);
                    bytes = &bytes[at + 1..];
                    self.inside = false;
                    emit(Piece { bytes: std::mem::take(&mut self.held), ends: true });
                }
                None => {
                    let take = room.min(bytes.len());
                    self.held.extend_from_slice(&bytes[..take]);
                    bytes = &bytes[take..];
                    self.inside = true;
                    if self.held.len() == MAX_PIECE {
                        emit(Piece { bytes: std::mem::take(&mut self.held), ends: false });
                    }
                }
            }
        }
    }

    /// The unfinished last line, when there is one.
    pub(crate) fn finish(&mut self) -> Option<Piece> {
        let inside = std::mem::take(&mut self.inside);
        self.after_return = false;
        inside.then(|| Piece { bytes: std::mem::take(&mut self.held), ends: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::new();
        let mut lines = vec![String::new()];
        let mut take = |piece: Piece| {
            if let Some(last) = lines.last_mut() {
                last.push_str(&String::from_utf8_lossy(&piece.bytes));
            }
            if piece.ends {
                lines.push(String::new());
            }
        };
        for chunk in chunks {
            splitter.push(chunk, &mut take);
        }
        if let Some(piece) = splitter.finish() {
            take(piece);
        }
        lines.pop();
        lines
    }

    #[test]
    fn ends_lines_as_github_does() {
        assert_eq!(split(&[b"a\nb\r\nc\rd"]), ["a", "b", "c", "d"]);
        assert_eq!(split(&[b"a\r", b"\nb"]), ["a", "b"]);
        assert_eq!(split(&[b"\n\n"]), ["", ""]);
        assert_eq!(split(&[b"a\r\r\n"]), ["a", ""]);
        assert!(split(&[b""]).is_empty());
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let mut splitter = LineSplitter::new();
        let mut pieces = Vec::new();
        splitter.push(&vec![b'x'; 3 * MAX_PIECE / 2], |piece| pieces.push((piece.bytes.len(), piece.ends)));
        splitter.push(b"y\n", |piece| pieces.push((piece.bytes.len(), piece.ends)));
        assert_eq!(pieces, [(MAX_PIECE, false), (MAX_PIECE / 2 + 1, true)]);
    }

    #[test]
    fn a_piece_that_fills_the_room_still_ends_its_line() {
        let mut text = vec![b'x'; MAX_PIECE];
        text.extend_from_slice(b"\nz");
        assert_eq!(split(&[&text]).iter().map(String::len).collect::<Vec<_>>(), [MAX_PIECE, 1]);
        assert_eq!(split(&[&text[..MAX_PIECE]]).len(), 1);
    }

    proptest! {
        #[test]
        fn where_the_writes_fall_does_not_matter(text in "[a\\r\\n]{0,40}", cuts in prop::collection::vec(0_usize..40, 0..5)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            chunks.push(&text.as_bytes()[from..]);
            prop_assert_eq!(split(&chunks), split(&[text.as_bytes()]));
        }
    }
}
