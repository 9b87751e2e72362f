//! The token of a forge that workflows ask for: the secret `GITHUB_TOKEN` of the repository, when the operator set one.

use shipway_store::models::{Level, jobs::AnnotationRow, runs::AttemptId};

/// The secret that is `github.token` as well.
pub(crate) const TOKEN: &str = "GITHUB_TOKEN";

/// What a workflow writes that asks for it.
const ASKED: [&str; 2] = ["github.token", "secrets.github_token"];

/// Says that a workflow asks for a token that nobody has set, at the first place where it does.
pub(super) fn note(run: AttemptId, path: &str, text: &str) -> Option<AnnotationRow> {
    let line = text.lines().position(asks)?;
    Some(AnnotationRow {
        run,
        job: "workflow".to_owned(),
        level: Level::Warning,
        title: Some("There is no token".to_owned()),
        message: "github.token and secrets.GITHUB_TOKEN are empty here: give this server a token of the forge with \
                  `shipway secret set GITHUB_TOKEN`"
            .to_owned(),
        file: Some(path.to_owned()),
        line: u32::try_from(line + 1).ok(),
    })
}

/// Whether a line has an expression with the token in it.
fn asks(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches("- ").to_ascii_lowercase();
    let is_expression = line.contains("${{") || line.starts_with("if:");
    is_expression
        && !line.starts_with('#')
        && ASKED.iter().any(|asked| {
            let part_of_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            line.match_indices(asked).any(|(at, _)| {
                !line[..at].ends_with(part_of_name) && !line[at + asked.len()..].starts_with(part_of_name)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expressions_ask() {
        for line in [
            "  token: ${{ github.token }}",
            "  - run: echo ${{ secrets.GITHUB_TOKEN }}",
            "    if: secrets.github_token != ''",
            "  GH: ${{ github.token||'x' }}",
        ] {
            assert!(asks(line), "{line}");
        }
        for line in [
            "# token: ${{ github.token }}",
            "  - run: git config github.token x",
            "  a: ${{ github.token_type }}",
            "  a: ${{ env.github.token }} ${{ secrets.GITHUB_TOKEN_2 }}",
            "",
        ] {
            assert!(!asks(line), "{line}");
        }
    }
}
