//! The log of one step as people read it: its groups kept, its last lines remembered.

use shipway_runner::{Annotation, Culprit, Level, WithinNews};
use std::{collections::VecDeque, fmt};

/// How many of its last lines a failed step shows.
pub(super) const TAIL: usize = 20;

/// How many are remembered.
const KEPT: usize = 30;

/// Of a longer line, in bytes, the beginning is remembered.
const LONGEST: usize = 2_000;

/// Beyond so many, a step's annotations are counted only.
const NOTES: usize = 20;

/// The log of one step.
#[derive(Debug, Default)]
pub(super) struct StepLog {
    /// What the step is called.
    pub(super) name: String,
    head: Head,
    command: Vec<String>,
    depth: usize,
    tail: VecDeque<String>,
    lines: usize,
    notes: Vec<(Level, String)>,
    more_notes: usize,
    last_error: Option<String>,
    /// How many lines there were when the step within the action began, and what was noted since.
    began: usize,
    own_notes: Vec<(Level, String)>,
    blamed: Option<Blamed>,
}

/// The command within an action that made its step fail, with what it said.
#[derive(Clone, Debug)]
pub(super) struct Blamed {
    /// The command.
    pub(super) culprit: Culprit,
    /// Its last lines.
    pub(super) lines: Vec<String>,
    /// How many there were before these.
    pub(super) left_out: usize,
    /// Its annotations.
    pub(super) notes: Vec<(Level, String)>,
}

impl Blamed {
    /// Its name and its place, for a sentence.
    pub(super) fn words(&self) -> String {
        format!("{} ({}:{})", self.culprit.name, self.culprit.file, self.culprit.line)
    }
}

/// So many lines of a script are remembered.
const SCRIPT: usize = 40;

/// Where in its log a step is: it begins with a group that shows the script or the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Head {
    #[default]
    Expected,
    Inside,
    Over,
}

/// A line as it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'t> {
    indent: usize,
    word: &'static str,
    colon: &'static str,
    text: &'t str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..self.indent {
            f.write_str("  ")?;
        }
        f.write_str(self.word)?;
        f.write_str(self.colon)?;
        f.write_str(self.text)
    }
}

impl StepLog {
    /// The log of a step that begins.
    pub(super) fn new(name: &str) -> StepLog {
        StepLog { name: name.to_owned(), ..StepLog::default() }
    }

    /// Takes a line; gives it as it is shown, with its group's indent, unless it is a mark that shows nothing.
    pub(super) fn hear<'t>(&mut self, text: &'t str) -> Option<Shown<'t>> {
        let is_head = match (self.head, text) {
            (Head::Expected, _) if text.starts_with("##[group]Run ") => {
                self.head = Head::Inside;
                true
            }
            (Head::Inside, "##[endgroup]") => {
                self.head = Head::Over;
                true
            }
            (Head::Inside, _) => true,
            (Head::Expected | Head::Over, _) => {
                self.head = Head::Over;
                false
            }
        };
        if is_head && self.command.len() < SCRIPT {
            let line = text.strip_prefix("##[group]Run ").unwrap_or(text);
            self.command.push(start(line).to_owned());
        }
        let indent = self.depth.min(8);
        let shown = |word, colon, text| Some(Shown { indent, word, colon, text });
        let shown = match mark(text) {
            Some(("group", title)) => {
                self.depth += 1;
                shown("> ", "", title)
            }
            Some(("endgroup", _)) => {
                self.depth = self.depth.saturating_sub(1);
                return None;
            }
            Some(("command", command)) => shown("$ ", "", command),
            Some((word, rest)) => shown(word, ": ", rest),
            None => shown("", "", text),
        };
        if let Some(shown) = shown.filter(|_| !is_head) {
            self.lines += 1;
            self.remember(shown);
        }
        shown
    }

    /// Takes one or more lines, a `\n` between each two, of which nothing is to be shown now.
    pub(super) fn hear_all(&mut self, text: &str) {
        if self.head != Head::Over || text.contains("##[") {
            for line in text.split('\n') {
                let _shown = self.hear(line);
            }
            return;
        }
        // The runner hands on many at once, nearly all of which are forgotten again.
        self.lines += text.split('\n').count();
        let last: Vec<&str> = text.rsplit('\n').take(KEPT).collect();
        for line in last.into_iter().rev() {
            self.remember(Shown { indent: self.depth.min(8), word: "", colon: "", text: line });
        }
    }

    /// Keeps a line with the last ones, in the memory of the one that is forgotten for it.
    fn remember(&mut self, shown: Shown<'_>) {
        let mut line = if self.tail.len() < KEPT { None } else { self.tail.pop_front() }.unwrap_or_default();
        line.clear();
        for _ in 0..shown.indent {
            line.push_str("  ");
        }
        for part in [shown.word, shown.colon, start(shown.text)] {
            line.push_str(part);
        }
        self.tail.push_back(line);
    }

    /// Takes what happens within the action that the step is.
    pub(super) fn within(&mut self, news: &WithinNews) {
        match news {
            WithinNews::Begins => {
                self.began = self.lines;
                self.own_notes.clear();
            }
            WithinNews::Failed(culprit) => {
                let all = self.lines - self.began;
                let lines = self.last(all);
                self.blamed = Some(Blamed {
                    culprit: (**culprit).clone(),
                    left_out: all - lines.len(),
                    lines,
                    notes: self.own_notes.clone(),
                });
            }
            WithinNews::LetGo => self.blamed = None,
        }
    }

    /// Who is to blame, when the step is an action whose failure is that of a command within.
    pub(super) fn blamed(&self) -> Option<&Blamed> {
        self.blamed.as_ref()
    }

    /// The same, unless it is the step itself, as with the post part of an action.
    pub(super) fn blamed_within(&self) -> Option<&Blamed> {
        self.blamed().filter(|blamed| blamed.culprit.name != self.name)
    }

    /// The script or the action that the log began with.
    pub(super) fn command(&self) -> String {
        let mut lines = self.command.as_slice();
        if let [rest @ .., mark] = lines
            && mark == "##[endgroup]"
        {
            lines = rest;
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        match (script(&lines), lines.first()) {
            // The title repeats the first line of the script.
            (Some(script), _) => script.join("\n"),
            (None, Some(title)) => (*title).to_owned(),
            (None, None) => String::new(),
        }
    }

    /// Takes an annotation, to be shown when the step has ended.
    pub(super) fn note(&mut self, annotation: &Annotation) {
        if annotation.level == Level::Error {
            self.last_error = Some(words(annotation));
        }
        if self.own_notes.len() < NOTES {
            self.own_notes.push((annotation.level, words(annotation)));
        }
        if self.notes.len() < NOTES {
            self.notes.push((annotation.level, words(annotation)));
        } else {
            self.more_notes += 1;
        }
    }

    /// The last lines, after a word about those left out: of the command that is to blame, where there is one.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let (lines, left_out) = match &self.blamed {
            None => (self.last(TAIL), self.lines.saturating_sub(TAIL)),
            Some(Blamed { lines, left_out, .. }) => {
                let more = lines.len().saturating_sub(TAIL);
                (lines[more..].to_vec(), left_out + more)
            }
        };
        let word = (left_out > 0).then(|| format!("... {left_out} lines before these; --verbose shows all"));
        word.into_iter().chain(lines).collect()
    }

    /// Its last lines, at most so many.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        self.tail.iter().skip(self.tail.len().saturating_sub(count)).cloned().collect()
    }

    /// The error that it ended with: of the command that is to blame, where there is one. What the runner says of a step
    /// that it ended, or could not start, comes after all that the step said.
    pub(super) fn last_error(&self) -> Option<&str> {
        let last = match &self.blamed {
            None => self.last_error.as_ref(),
            Some(blamed) => {
                blamed.notes.iter().rev().find(|(level, _)| *level == Level::Error).map(|(_, text)| text)
            }
        };
        last.map(|text| text.trim_start_matches("error: "))
    }

    /// The annotations, in the order in which they came.
    pub(super) fn notes(&self) -> Vec<(Level, String)> {
        let mut notes = self.notes.clone();
        if self.more_notes > 0 {
            notes.push((Level::Notice, format!("... and {} more like these", self.more_notes)));
        }
        notes
    }
}

/// The script in the head of a step, whose lines are its title, the script, its shell and its variables.
pub(in crate::commands) fn script<'h>(head: &'h [&'h str]) -> Option<&'h [&'h str]> {
    let ends = |at: usize| head.get(at + 1).is_none_or(|next| *next == "env:");
    let shell = (2..head.len()).rev().find(|at| head[*at].starts_with("shell: ") && ends(*at))?;
    Some(&head[1..shell])
}

/// `error: file:line: message`, as compilers write it, so that editors and terminals find the place. Of what a problem matcher
/// caught it is the whole line, as in the log.
pub(super) fn words(annotation: &Annotation) -> String {
    let level = match annotation.level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let title = annotation.title.as_ref().map(|title| format!("{title}: ")).unwrap_or_default();
    let text = annotation.caught.as_deref().map_or(&*annotation.message, str::trim_start);
    let is_told = |file: &str| match &annotation.caught {
        Some(line) => {
            line.contains(file) && annotation.line.is_none_or(|number| line.contains(&number.to_string()))
        }
        // What the runner says of a document names the place itself.
        None => text.starts_with(file),
    };
    let place = match (&annotation.file, annotation.line, annotation.column) {
        (Some(file), _, _) if is_told(file) => String::new(),
        (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
        (Some(file), Some(line), None) => format!("{file}:{line}: "),
        (Some(file), None, _) => format!("{file}: "),
        (None, _, _) => String::new(),
    };
    format!("{level}: {place}{title}{text}")
}

/// The beginning of a line, as much as is remembered of it.
fn start(line: &str) -> &str {
    &line[..line.floor_char_boundary(LONGEST)]
}

/// A mark of the runner: `##[word]rest`.
fn mark(text: &str) -> Option<(&'static str, &str)> {
    let (word, rest) = text.strip_prefix("##[")?.split_once(']')?;
    let known = ["group", "endgroup", "error", "warning", "notice", "debug", "command"];
    Some((known.into_iter().find(|known| *known == word)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_groups_and_leaves_the_script_out_of_the_last_lines() {
        let mut log = StepLog::new("Run make");
        let lines = [
            "##[group]Run make",
            "make",
            "shell: bash -e {0}",
            "env:",
            "  A: b",
            "##[endgroup]",
            "one",
            "##[group]Compile",
            "cc a.c",
            "##[endgroup]",
            "##[unknown]stays",
        ];
        let shown: Vec<String> =
            lines.into_iter().filter_map(|line| Some(log.hear(line)?.to_string())).collect();
        let body = ["one", "> Compile", "  cc a.c", "##[unknown]stays"];
        assert_eq!(shown[..5], ["> Run make", "  make", "  shell: bash -e {0}", "  env:", "    A: b"]);
        assert_eq!(shown[5..], body);
        assert_eq!(log.last_lines(), body);
        assert_eq!(log.command(), "make");
    }

    #[test]
    fn the_script_is_found_between_its_title_and_its_shell() {
        let check = |head: &[&str], expect: Option<&[&str]>| assert_eq!(script(head), expect, "{head:?}");
        check(&["make", "make", "shell: bash -e {0}"], Some(&["make"]));
        check(&["a", "a", "b", "shell: sh", "env:", "  X: shell: y"], Some(&["a", "b"]));
        check(
            &["cat", "cat", "shell: x", "env:", "shell: sh -e {0}", "env:", "  A: 1"],
            Some(&["cat", "shell: x", "env:"]),
        );
        check(&["actions/cache@v4", "with:", "  path: x", "env:", "  A: 1"], None);
        check(&["actions/cache@v4"], None);
        check(&[], None);
    }

    #[test]
    fn what_is_too_much_for_annotations_is_shown_as_lines() {
        let mut log = StepLog::new("x");
        let mut shown = Vec::new();
        for level in ["warning", "error"] {
            shown.extend(log.hear(&format!("##[{level}]11")).map(|shown| shown.to_string()));
        }
        assert_eq!(shown, ["warning: 11", "error: 11"]);
        assert_eq!(log.last_lines(), shown);
    }

    #[test]
    fn what_the_command_said_that_is_to_blame_is_kept_apart() {
        let mut log = StepLog::new("Run ./own");
        let culprit = |name: &str| {
            let (command, file) = ("exit 7".to_owned(), "own/action.yml".to_owned());
            let name = name.to_owned();
            WithinNews::Failed(Box::new(Culprit { name, command, exit_code: Some(7), file, line: 9 }))
        };
        let say = |log: &mut StepLog, lines: &[&str]| lines.iter().for_each(|line| log.hear_all(line));
        say(&mut log, &["##[group]Run ./own", "##[endgroup]"]);
        log.within(&WithinNews::Begins);
        say(&mut log, &["##[group]Run true", "true", "##[endgroup]"]);
        log.within(&WithinNews::Begins);
        say(&mut log, &["fine"]);
        log.note(&Annotation::new(Level::Error, "let go"));
        log.within(&culprit("Run true"));
        log.within(&WithinNews::LetGo);
        assert!(log.blamed().is_none());
        log.within(&WithinNews::Begins);
        let many: Vec<String> = (0..TAIL + 15).map(|number| number.to_string()).collect();
        say(&mut log, &[&many.join("\n")]);
        log.note(&Annotation::new(Level::Error, "this one"));
        log.within(&culprit("Run exit 7"));
        log.within(&WithinNews::Begins);
        say(&mut log, &["cleaning up"]);
        let blamed = log.blamed_within().expect("somebody");
        assert_eq!(blamed.words(), "Run exit 7 (own/action.yml:9)");
        assert_eq!(blamed.notes, [(Level::Error, "error: this one".to_owned())]);
        assert_eq!((blamed.lines.len(), blamed.left_out), (KEPT, TAIL + 15 - KEPT));
        let lines = log.last_lines();
        assert_eq!(lines[0], "... 15 lines before these; --verbose shows all");
        assert_eq!((lines[1].as_str(), lines.len()), ("15", TAIL + 1));
        assert_eq!(log.command(), "./own");
    }

    #[test]
    fn remembers_the_last_lines_only() {
        let mut log = StepLog::new("x");
        for number in 0..TAIL + 5 {
            let _shown = log.hear(&number.to_string());
        }
        let lines = log.last_lines();
        assert_eq!(lines[0], "... 5 lines before these; --verbose shows all");
        assert_eq!((lines[1].as_str(), lines.len()), ("5", TAIL + 1));
    }

    #[test]
    fn what_a_matcher_caught_is_shown_whole() {
        let caught = |file: Option<&str>, line: &str| Annotation {
            file: file.map(str::to_owned),
            line: Some(3),
            column: Some(4),
            caught: Some(line.to_owned()),
            ..Annotation::new(Level::Error, "bad thing")
        };
        let line = "src/a.c:3:4: error: bad thing";
        assert_eq!(words(&caught(Some("src/a.c"), line)), format!("error: {line}"));
        // The file is not in the workspace, or stands in another line.
        assert_eq!(words(&caught(None, line)), format!("error: {line}"));
        assert_eq!(
            words(&caught(Some("foo.js"), "  3:4 E1 bad thing")),
            "error: foo.js:3:4: 3:4 E1 bad thing"
        );
        assert_eq!(words(&caught(Some("a.ts"), "a.ts: bad thing")), "error: a.ts:3:4: a.ts: bad thing");
    }

    #[test]
    fn writes_annotations_as_compilers_do() {
        let at = |file: &str, line, message: &str| Annotation {
            file: Some(file.to_owned()),
            line,
            ..Annotation::new(Level::Error, message)
        };
        assert_eq!(words(&at("a.rs", Some(3), "no")), "error: a.rs:3: no");
        assert_eq!(words(&at("a.rs", None, "no")), "error: a.rs: no");
        assert_eq!(words(&at("ci.yml", Some(3), "ci.yml:3:1: no")), "error: ci.yml:3:1: no");
        let titled = Annotation { title: Some("Lint".to_owned()), ..Annotation::new(Level::Notice, "hm") };
        assert_eq!(words(&titled), "notice: Lint: hm");
    }
}
