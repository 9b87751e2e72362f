//! What a commit message says against workflows.

/// Any of these in the message of the pushed commit, or of the last one of a pull request, and nothing starts.
/// <https://docs.github.com/en/actions/managing-workflow-runs/skipping-workflow-runs>
const MARKS: [&str; 5] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];

/// The trailer that means the same, as the last line.
const TRAILER: &str = "skip-checks";

/// What in a commit message keeps `push` and `pull_request` from starting workflows; none when nothing does.
pub fn skip_mark(message: &str) -> Option<&'static str> {
    let lower = message.to_ascii_lowercase();
    if let Some(mark) = MARKS.into_iter().find(|mark| lower.contains(mark)) {
        return Some(mark);
    }
    let (above, last) = lower.trim_end().rsplit_once('\n')?;
    let (name, value) = last.split_once(':')?;
    // What stands in the middle of a text is no trailer.
    let set_off = above.ends_with('\n') || above.lines().last().is_some_and(|line| line.contains(": "));
    (set_off && name.trim() == TRAILER && value.trim() == "true").then_some("skip-checks: true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_the_trailer_count() {
        for message in
            ["[skip ci] x", "x\n\nlong [CI SKIP]", "a [no ci]", "[skip actions]", "b[actions skip]"]
        {
            assert!(skip_mark(message).is_some(), "{message}");
        }
        for message in [
            "x\n\n\nskip-checks: true",
            "x\n\nbody\n\n\nskip-checks:true\n",
            "x\n\nReviewed-by: a\nskip-checks: true",
        ] {
            assert_eq!(skip_mark(message), Some("skip-checks: true"), "{message}");
        }
        for message in [
            "",
            "skip ci",
            "[skip  ci]",
            "skip-checks: true",
            "x\n\nskip-checks: false",
            "x\nskip-checks: true",
        ] {
            assert_eq!(skip_mark(message), None, "{message}");
        }
    }
}
