//! Blanks put into texts that are YAML to GitHub, whose reader takes YAML 1.1, and not to the parser here.
//!
//! Within brackets and quotes GitHub's reader asks for no indentation, a tab may stand behind a colon, and a comment may follow
//! a quote or bracket at once. The parser names the first such place; a blank there changes neither what is meant nor, once
//! taken off again, where anything stands.

use super::load::number;
use crate::Pos;
use saphyr_parser::ScanError;
use std::{borrow::Cow, collections::BTreeMap};

/// A text, and the blanks that were put into it.
#[derive(Debug)]
pub(super) struct Mended<'a> {
    text: Cow<'a, str>,
    /// By line: before which column of the source, and how many.
    added: BTreeMap<u32, Vec<(u32, u32)>>,
    /// How many bytes were read in all.
    read: usize,
}

/// How many bytes are read in all when a text is read again and again.
const MOST_READ: usize = 16 * 1024 * 1024;

impl<'a> Mended<'a> {
    pub(super) fn new(text: &'a str) -> Mended<'a> {
        Mended { text: Cow::Borrowed(text), added: BTreeMap::new(), read: text.len() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where something of this text stands in the source.
    pub(super) fn source(&self, at: Pos) -> Pos {
        let Some(added) = self.added.get(&at.line) else { return at };
        let column = added.iter().fold(at.column, |column, (before, count)| {
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
        match error.info() {
            "':' must be followed by a valid YAML whitespace" => self.blank_tab(error),
            // Only within brackets; elsewhere lesser indentation ends something.
            "invalid indentation"
            | "invalid indentation in flow construct"
            | "tab cannot be used as indentation" => self.indent(line),
            // It names the line of the first quote. All up to the one that is meant are within the quotes, too.
            "invalid indentation in quoted scalar" => {
                let text = self.text.split('\n').enumerate().skip(line);
                let is_new =
                    |index: usize| u32::try_from(index + 1).is_ok_and(|n| !self.added.contains_key(&n));
                let (index, _) = text.into_iter().find(|(i, text)| !text.trim().is_empty() && is_new(*i))?;
                self.indent(index + 1)
            }
            "comments must be separated from other tokens by whitespace" => self.separate(error),
            _ => None,
        }
    }

    /// The first of the tabs behind a colon that end where the parser complains.
    fn blank_tab(&mut self, error: &ScanError) -> Option<()> {
        let (end, _) = self.text.char_indices().nth(error.marker().index())?;
        let before = self.text[..end].trim_end_matches('\t');
        let tab = before.len();
        if tab == end || !before.ends_with(':') {
            return None;
        }
        self.text.to_mut().replace_range(tab..=tab, " ");
        Some(())
    }

    /// Moves a line to the right of every block that may be open there.
    fn indent(&mut self, line: usize) -> Option<()> {
        // A lone carriage return ends a line for the parser, and not here.
        if self.text.split('\r').skip(1).any(|behind| !behind.starts_with('\n')) {
            return None;
        }
        let start = match line.checked_sub(2) {
            None => 0,
            Some(before) => self.text.match_indices('\n').nth(before)?.0 + 1,
        };
        let opening = |text: &str| text.len() - text.trim_start_matches([' ', '-', '?', '\t']).len();
        // Lines moved before are as deep as they need to be.
        let lines = self.text[..start].split('\n').enumerate();
        let deepest =
            lines.filter(|(index, _)| !self.is_moved(number(index + 1))).map(|(_, text)| opening(text)).max();
        let deepest = deepest.unwrap_or_default();
        self.insert(line, 1, start, deepest + 1)
    }

    /// Whether a line, from 1, was moved to the right.
    pub(super) fn is_moved(&self, line: u32) -> bool {
        self.added.get(&line).is_some_and(|added| added.iter().any(|(column, _)| *column == 1))
    }

    /// Puts a blank before a comment.
    fn separate(&mut self, error: &ScanError) -> Option<()> {
        let (at, _) = self.text.char_indices().nth(error.marker().index())?;
        let column = error.marker().col() + 1;
        self.text[at..].starts_with('#').then_some(())?;
        self.insert(error.marker().line(), column, at, 1)
    }

    /// `line` and `column`, both from 1, and the byte `at` are one place of the text.
    fn insert(&mut self, line: usize, column: usize, at: usize, count: usize) -> Option<()> {
        let (line, column) = (u32::try_from(line).ok()?, u32::try_from(column).ok()?);
        let place = self.source(Pos::new(line, column));
        let added = self.added.entry(line).or_default();
        // Twice at one place: it does not help.
        if added.iter().any(|(column, _)| *column == place.column) {
            return None;
        }
        added.push((place.column, u32::try_from(count).ok()?));
        added.sort_unstable();
        self.text.to_mut().insert_str(at, &" ".repeat(count));
        Some(())
    }
}
