//! SARIF 2.1.0, the part of it that findings in files need: a log with one run, its rules, results with regions and
//! fixes. Names are the standard's (docs.oasis-open.org/sarif/sarif/v2.1.0).

use serde::{Deserialize, Serialize};

/// A log file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SarifLog {
    /// Where the schema is.
    #[serde(rename = "$schema")]
    pub schema: String,
    /// `2.1.0`
    pub version: String,
    /// The runs of tools.
    pub runs: Vec<SarifRun>,
}

/// One run of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifRun {
    /// The tool.
    pub tool: SarifTool,
    /// What columns count: `unicodeCodePoints`.
    pub column_kind: String,
    /// The findings.
    pub results: Vec<SarifResult>,
}

/// The tool that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SarifTool {
    /// Its main part.
    pub driver: SarifDriver,
}

/// The tool's main part and its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifDriver {
    /// Its name.
    pub name: String,
    /// Its version, as semantic versions are written.
    pub semantic_version: String,
    /// The rules that its results name.
    pub rules: Vec<SarifRule>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifRule {
    /// Its id.
    pub id: String,
    /// What it finds, one sentence.
    pub short_description: SarifText,
    /// What to do about its findings.
    pub help: SarifText,
    /// How it is set when nothing else is said.
    pub default_configuration: SarifConfiguration,
}

/// How a rule is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SarifConfiguration {
    /// `error`, `warning` or `note`.
    pub level: String,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SarifText {
    /// Its words.
    pub text: String,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifResult {
    /// The rule.
    pub rule_id: String,
    /// Its place among the rules, from 0.
    pub rule_index: usize,
    /// `error`, `warning` or `note`.
    pub level: String,
    /// What is wrong.
    pub message: SarifText,
    /// Where.
    pub locations: Vec<SarifLocation>,
    /// Edits that mend it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<SarifFix>,
}

/// Where a finding is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifLocation {
    /// In which file, and where in it.
    pub physical_location: SarifPhysicalLocation,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifPhysicalLocation {
    /// The file.
    pub artifact_location: SarifArtifactLocation,
    /// The place in it.
    pub region: SarifRegion,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SarifArtifactLocation {
    /// Its address, relative to the repository.
    pub uri: String,
}

/// A range of a file: lines and columns from 1, the end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifRegion {
    /// The first line.
    pub start_line: u32,
    /// The first column.
    pub start_column: u32,
    /// The last line.
    pub end_line: u32,
    /// The column after the last.
    pub end_column: u32,
}

/// Edits that mend a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifFix {
    /// What they do.
    pub description: SarifText,
    /// The edits, by file.
    pub artifact_changes: Vec<SarifArtifactChange>,
}

/// Edits of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifArtifactChange {
    /// The file.
    pub artifact_location: SarifArtifactLocation,
    /// The edits.
    pub replacements: Vec<SarifReplacement>,
}

/// Replaces a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SarifReplacement {
    /// What goes.
    pub deleted_region: SarifRegion,
    /// What comes instead.
    pub inserted_content: SarifText,
}

impl SarifLog {
    /// The version of the standard.
    pub const VERSION: &str = "2.1.0";
    /// The address of its schema.
    pub const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

    /// A log of one run.
    pub fn new(run: SarifRun) -> SarifLog {
        SarifLog {
            schema: SarifLog::SCHEMA.to_owned(),
            version: SarifLog::VERSION.to_owned(),
            runs: vec![run],
        }
    }
}

impl From<&str> for SarifText {
    fn from(text: &str) -> SarifText {
        SarifText { text: text.to_owned() }
    }
}

impl SarifArtifactLocation {
    /// The file at a path with slashes, written as a relative address.
    pub fn of_path(path: &str) -> SarifArtifactLocation {
        let mut uri = String::new();
        for byte in path.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                    uri.push(byte.into())
                }
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        SarifArtifactLocation { uri }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_addresses() {
        let uri = |path: &str| SarifArtifactLocation::of_path(path).uri;
        assert_eq!(uri(".github/workflows/ci.yml"), ".github/workflows/ci.yml");
        assert_eq!(uri("a b/ä%.yml"), "a%20b/%C3%A4%25.yml");
    }
}
