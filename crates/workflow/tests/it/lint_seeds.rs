//! The workflows in the documents that this system was described with: their true defects, found by eye first.

use crate::conformance::say;
use shipway_base::Source;
use shipway_workflow::lint::{Interfaces, Kind, Options, lint};
use std::{collections::BTreeSet, fs, path::Path};

/// The first fenced block of YAML with jobs, of a document beside this repository.
fn workflow(seed: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/seeds");
    let entries = fs::read_dir(&folder).ok();
    let path = entries.into_iter().flatten().flatten().map(|entry| entry.path()).find(|path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(seed))
    });
    let Some(path) = path else {
        say(&format!("!!! NOT TESTED: there is no document {seed} in {}", folder.display()));
        return None;
    };
    let text = fs::read_to_string(path).expect("a text");
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    blocks.map(|(block, _)| format!("{block}\n")).find(|block| block.contains("\njobs:"))
}

/// Everything in `defects` is found, as `rule: a piece of the line it is on`.
fn check(seed: &str, count: usize, defects: &[&str]) {
    let Some(text) = workflow(seed) else { return };
    let source = Source::new(seed, text.as_str());
    let found = lint(&source, Kind::Workflow, &Interfaces::new(), Options::default());
    let lines: Vec<&str> = text.lines().collect();
    let shown: Vec<String> = found
        .iter()
        .map(|finding| {
            let line = lines.get(finding.span.start.line as usize - 1).copied().unwrap_or_default();
            format!("{}: {}", finding.name(), line.trim())
        })
        .collect();
    let all: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
    let missed: Vec<&&str> =
        defects.iter().filter(|defect| !all.iter().any(|line| line.starts_with(**defect))).collect();
    say(&format!(
        "conformance: lint, defects of seed {seed}: {}/{}",
        defects.len() - missed.len(),
        defects.len()
    ));
    assert!(missed.is_empty(), "missed {missed:#?} among {shown:#?}");
    assert_eq!(found.len(), count, "{shown:#?}");
}

#[test]
fn conformance_the_first_has_its_defects() {
    check("000", 1, &["implicit-permissions: jobs:"]);
}

#[test]
fn conformance_the_second_has_its_defects() {
    check(
        "002",
        15,
        &[
            "implicit-permissions: jobs:",
            "lockfile-elsewhere: cache: 'npm'",
            "deprecated-action: uses: codecov/codecov-action@v3",
            "deprecated-action: uses: github/codeql-action/init@v2",
            "deprecated-action: uses: github/codeql-action/analyze@v2",
            "missing-permission: uses: github/codeql-action/analyze@v2",
            "missing-permission: uses: docker/login-action@v3",
            "affix-of-lines: tags: ${{ steps.meta.outputs.tags }}-backend",
            "affix-of-lines: tags: ${{ steps.meta.outputs.tags }}-frontend",
        ],
    );
}

#[test]
fn conformance_the_third_has_its_defects() {
    check(
        "004",
        30,
        &[
            "implicit-permissions: jobs:",
            "deprecated-action: uses: actions/cache@v3",
            "unused-cache: path: /tmp/.buildx-cache",
            "deprecated-action: uses: codecov/codecov-action@v3",
            "unpinned-action: uses: aquasecurity/trivy-action@master",
            "unknown-matrix-key: scan-ref: 'services/${{ matrix.service }}'",
            "deprecated-action: uses: github/codeql-action/upload-sarif@v2",
            "missing-permission: uses: github/codeql-action/upload-sarif@v2",
            "unpinned-action: uses: sonarsource/sonarcloud-github-action@master",
            "archived-action: uses: sonarsource/sonarcloud-github-action@master",
            "missing-permission: uses: docker/login-action@v3",
            "unknown-matrix-key: images: ${{ env.REGISTRY }}/${{ env.IMAGE_NAME }}/${{ matrix.service }}",
            "unknown-matrix-key: context: ./services/${{ matrix.service }}",
            "unknown-matrix-key: kubectl set image deployment/${{ matrix.service }}",
            "unknown-matrix-key: ${{ matrix.service }}=${{ env.REGISTRY }}",
            "unknown-matrix-key: -n ${{ matrix.service }}",
            "unknown-matrix-key: kubectl rollout status deployment/${{ matrix.service }}",
            "unknown-matrix-key: cd services/${{ matrix.service }}",
            "unknown-matrix-key: Service: ${{ matrix.service }}",
            "archived-action: uses: 8398a7/action-slack@v3",
            "unknown-action-input: webhook_url: ${{ secrets.SLACK_WEBHOOK }}",
        ],
    );
}
