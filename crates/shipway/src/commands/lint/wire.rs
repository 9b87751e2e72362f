//! Findings as the wire types say them: JSON and SARIF.

use serde_json::Value as Json;
use shipway_api::{
    LintEdit, LintFinding, LintFix, LintPlace, LintReport, SarifArtifactChange, SarifArtifactLocation,
    SarifConfiguration, SarifDriver, SarifFix, SarifLocation, SarifLog, SarifPhysicalLocation, SarifRegion,
    SarifReplacement, SarifResult, SarifRule, SarifRun, SarifText, SarifTool,
};
use shipway_base::{Pos, Source, Span};
use shipway_workflow::lint::{DOCUMENT, Edit, Finding, Fix, Level, RULES};

/// All of it as JSON.
pub(super) fn report(found: &[Finding], files: usize, fixed: usize) -> Json {
    let count = |level: Level| found.iter().filter(|finding| finding.level == level).count();
    let report = LintReport {
        files,
        errors: count(Level::Error),
        warnings: count(Level::Warning),
        notes: count(Level::Note),
        fixed,
        findings: found.iter().map(finding).collect(),
    };
    json(&report)
}

fn json<T: serde::Serialize>(value: &T) -> Json {
    // These types are plain data with text keys, which JSON always holds.
    serde_json::to_value(value).unwrap_or(Json::Null)
}

fn finding(found: &Finding) -> LintFinding {
    LintFinding {
        rule: found.rule.id.to_owned(),
        code: found.code.map(str::to_owned),
        level: found.level.as_str().to_owned(),
        message: found.message.clone(),
        help: found.help.clone(),
        file: found.source.name.to_string(),
        place: place(found.span),
        fix: found.fix.as_ref().map(|fix| LintFix {
            title: fix.title.clone(),
            edits: fix
                .edits
                .iter()
                .map(|edit| LintEdit { place: place(span(&found.source, edit)), text: edit.text.clone() })
                .collect(),
        }),
    }
}

fn place(span: Span) -> LintPlace {
    LintPlace {
        line: span.start.line,
        column: span.start.column,
        end_line: span.end.line,
        end_column: span.end.column,
    }
}

/// Where the bytes of an edit are.
fn span(source: &Source, edit: &Edit) -> Span {
    Span::new(position(&source.text, edit.range.start), position(&source.text, edit.range.end))
}

fn position(text: &str, byte: usize) -> Pos {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Pos::new(number(line), number(column))
}

/// All of it as SARIF.
pub(super) fn sarif(found: &[Finding]) -> Json {
    let mut rules: Vec<SarifRule> = RULES
        .iter()
        .filter(|rule| rule.id != DOCUMENT.id)
        .map(|rule| described(rule.id, rule.what, rule.fix, rule.level))
        .collect();
    let mut results = Vec::new();
    for one in found {
        let name = one.name();
        let at = match rules.iter().position(|rule| rule.id == name) {
            Some(at) => at,
            None => {
                let help = format!("docs/errors/{name}.md explains this code");
                rules.push(described(name, DOCUMENT.what, &help, one.level));
                rules.len() - 1
            }
        };
        results.push(result(one, at));
    }
    let driver = SarifDriver {
        name: "shipway lint".to_owned(),
        semantic_version: env!("CARGO_PKG_VERSION").to_owned(),
        rules,
    };
    let run = SarifRun { tool: SarifTool { driver }, column_kind: "unicodeCodePoints".to_owned(), results };
    json(&SarifLog::new(run))
}

fn described(id: &str, what: &str, help: &str, level: Level) -> SarifRule {
    SarifRule {
        id: id.to_owned(),
        short_description: what.into(),
        help: help.into(),
        default_configuration: SarifConfiguration { level: level.as_str().to_owned() },
    }
}

fn result(found: &Finding, rule_index: usize) -> SarifResult {
    let file = SarifArtifactLocation::of_path(&found.source.name);
    let text = match &found.help {
        Some(help) => format!("{} ({help})", found.message),
        None => found.message.clone(),
    };
    SarifResult {
        rule_id: found.name().to_owned(),
        rule_index,
        level: found.level.as_str().to_owned(),
        message: SarifText { text },
        locations: vec![SarifLocation {
            physical_location: SarifPhysicalLocation {
                artifact_location: file.clone(),
                region: region(found.span),
            },
        }],
        fixes: found.fix.iter().map(|fix| sarif_fix(found, fix, &file)).collect(),
    }
}

fn sarif_fix(found: &Finding, fix: &Fix, file: &SarifArtifactLocation) -> SarifFix {
    let replacements = fix.edits.iter().map(|edit| SarifReplacement {
        deleted_region: region(span(&found.source, edit)),
        inserted_content: edit.text.as_str().into(),
    });
    SarifFix {
        description: fix.title.as_str().into(),
        artifact_changes: vec![SarifArtifactChange {
            artifact_location: file.clone(),
            replacements: replacements.collect(),
        }],
    }
}

fn region(span: Span) -> SarifRegion {
    SarifRegion {
        start_line: span.start.line.max(1),
        start_column: span.start.column.max(1),
        end_line: span.end.line.max(1),
        end_column: span.end.column.max(1),
    }
}
