//! What `shipway lint --format json` says.

use serde::{Deserialize, Serialize};

/// All findings of one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintReport {
    /// How many files were looked at.
    pub files: usize,
    /// How many findings are errors.
    pub errors: usize,
    /// How many findings are warnings.
    pub warnings: usize,
    /// How many findings are notes.
    pub notes: usize,
    /// How many fixes were carried out by this look; none of their findings is among the findings.
    pub fixed: usize,
    /// The findings, by file and place.
    pub findings: Vec<LintFinding>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintFinding {
    /// The id of the rule; `document` for what makes the file invalid.
    pub rule: String,
    /// The code of an error of the document, `SW` and four digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `error`, `warning` or `note`.
    pub level: String,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The file, relative to the repository.
    pub file: String,
    /// The place.
    #[serde(flatten)]
    pub place: LintPlace,
    /// Edits that mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<LintFix>,
}

/// A range of a file: lines and columns from 1, columns in characters, the end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintPlace {
    /// The first line.
    pub line: u32,
    /// The first column.
    pub column: u32,
    /// The last line.
    pub end_line: u32,
    /// The column after the last.
    pub end_column: u32,
}

/// Edits of one file that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintFix {
    /// What they do.
    pub title: String,
    /// The edits in the order of the text.
    pub edits: Vec<LintEdit>,
}

/// Replaces a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintEdit {
    /// What is replaced.
    #[serde(flatten)]
    pub place: LintPlace,
    /// What comes instead.
    pub text: String,
}
