//! Blanks put into texts that are YAML to GitHub, whose reader takes YAML 1.1, and not to the parser here: it asks for no
//! indentation within brackets and quotes, and for no blank before a comment behind them. The parser names the first such
//! place; a blank there changes neither what is meant nor, once taken off again, where anything stands.

use super::load::number;
use crate::Pos;
use saphyr_parser::ScanError;
use std::{borrow::Cow, collections::BTreeMap};

/// A text, and the blanks that were put into it.
#[derive(Debug)]
pub(super) struct Mended<'a> {
    pub(super) text: Cow<'a, str>,
    /// How many, by the line and the column of the source before which they are.
    added: BTreeMap<(u32, u32), u32>,
    /// How many bytes were read in all.
    read: usize,
}

/// How many bytes are read in all when a text is read again and again.
const MOST_READ: usize = 16 * 1024 * 1024;

impl<'a> Mended<'a> {
    pub(super) fn new(text: &'a str) -> Mended<'a> {
        // A lone carriage return ends a line. There is no NUL to be mixed up with.
        let lone = text.split('\r').skip(1).any(|behind| !behind.starts_with('\n'));
        let feeds = || text.replace("\r\n", "\0\n").replace('\r', "\n").replace('\0', "\r").into();
        let text = if lone { feeds() } else { Cow::Borrowed(text) };
        Mended { read: text.len(), text, added: BTreeMap::new() }
    }

    /// Where something of this text stands in the source.
    pub(super) fn source(&self, at: Pos) -> Pos {
        let added = self.added.range((at.line, 0)..(at.line, u32::MAX));
        let column = added.fold(at.column, |column, ((_, before), count)| {
            column.saturating_sub(column.saturating_sub(*before).min(*count))
        });
        Pos::new(at.line, column)
    }

    /// Puts a blank where the parser gave up, when that is all that is wrong there. Whether it did.
    pub(super) fn mend(&mut self, error: &ScanError) -> bool {
        self.read += self.text.len();
        self.read < MOST_READ && self.try_mend(error).is_some()
    }

    fn try_mend(&mut self, error: &ScanError) -> Option<()> {
        let line = error.marker().line();
        let at = || Some(self.text.char_indices().nth(error.marker().index())?.0);
        match error.info() {
            "':' must be followed by a valid YAML whitespace" => {
                // The first of the tabs that end here.
                let (end, before) = (at()?, self.text[..at()?].trim_end_matches('\t'));
                let tab = (before.len() < end && before.ends_with(':')).then_some(before.len())?;
                self.text.to_mut().replace_range(tab..=tab, " ");
                Some(())
            }
            // Only within brackets and quotes; elsewhere lesser indentation ends something.
            "invalid indentation"
            | "invalid indentation in flow construct"
            | "tab cannot be used as indentation" => self.indent(line),
            // It names the line of the first quote. All up to the one that is meant are within the quotes, too.
            "invalid indentation in quoted scalar" => {
                let mut lines = self.text.split('\n').enumerate().skip(line);
                let is_next =
                    |index: usize, text: &str| !text.trim().is_empty() && !self.is_moved(number(index + 1));
                let (index, _) = lines.find(|(index, text)| is_next(*index, text))?;
                self.indent(index + 1)
            }
            "comments must be separated from other tokens by whitespace" => {
                let at = at().filter(|at| self.text[*at..].starts_with('#'))?;
                self.insert(line, error.marker().col() + 1, at, 1)
            }
            _ => None,
        }
    }

    /// Moves a line to the right of every block that may be open there.
    fn indent(&mut self, line: usize) -> Option<()> {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let opening = |text: &str| text.len() - text.trim_start_matches([' ', '-', '?', '\t']).len();
        // Lines moved before are as deep as they need to be.
        let lines = self.text[..start].split('\n').enumerate();
        let deepest =
            lines.filter(|(index, _)| !self.is_moved(number(index + 1))).map(|(_, text)| opening(text));
        let count = deepest.max().unwrap_or_default() + 1;
        self.insert(line, 1, start, count)
    }

    /// Whether a line, from 1, was moved to the right.
    pub(super) fn is_moved(&self, line: u32) -> bool {
        self.added.contains_key(&(line, 1))
    }

    /// `line` and `column`, both from 1, and the byte `at` are one place of the text.
    fn insert(&mut self, line: usize, column: usize, at: usize, count: usize) -> Option<()> {
        let place = self.source(Pos::new(number(line), number(column)));
        // Twice at one place: it does not help.
        let is_new = self.added.insert((place.line, place.column), number(count)).is_none();
        is_new.then(|| self.text.to_mut().insert_str(at, &" ".repeat(count)))
    }
}
