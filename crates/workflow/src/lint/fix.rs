//! Carrying out fixes: edits are laid into the text, and everything else stays byte for byte.

use super::{Edit, Finding};

/// The text with all fixes that do not touch one another carried out, and how many those are. Of two that overlap the
/// first is taken; the other is found again by the next look.
pub fn apply(text: &str, findings: &[Finding]) -> (String, usize) {
    let mut taken: Vec<&Edit> = Vec::new();
    let mut count = 0;
    for fix in findings.iter().filter_map(|finding| finding.fix.as_ref()) {
        let fits = fix.edits.iter().all(|edit| {
            let sound = edit.range.start <= edit.range.end && text.get(edit.range.clone()).is_some();
            sound && taken.iter().all(|other| apart(edit, other))
        });
        if fits {
            taken.extend(&fix.edits);
            count += 1;
        }
    }
    taken.sort_by_key(|edit| edit.range.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in taken {
        out.push_str(&text[at..edit.range.start]);
        out.push_str(&edit.text);
        at = edit.range.end;
    }
    out.push_str(&text[at..]);
    (out, count)
}

/// Whether two edits can be made in either order; two insertions at one place cannot.
fn apart(a: &Edit, b: &Edit) -> bool {
    a.range.end < b.range.start
        || b.range.end < a.range.start
        || (a.range.end == b.range.start || b.range.end == a.range.start)
            && !a.range.is_empty()
            && !b.range.is_empty()
}

/// The changed lines of a text as a unified difference without context beyond `around` lines.
pub fn difference(name: &str, before: &str, after: &str, around: usize) -> String {
    if before == after {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let mut out = format!("--- a/{name}\n+++ b/{name}\n");
    for hunk in hunks(&old, &new, around) {
        hunk.write(&old, &new, &mut out);
    }
    out
}

/// Ranges of lines that belong together: replaced ones with some context.
struct Hunk {
    /// `(old, new)` ranges that differ, in order.
    changes: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)>,
    around: usize,
}

impl Hunk {
    fn write(&self, old: &[&str], new: &[&str], out: &mut String) {
        let (Some(first), Some(last)) = (self.changes.first(), self.changes.last()) else { return };
        let before = first.0.start.min(self.around);
        let (from_old, from_new) = (first.0.start - before, first.1.start - before);
        let after = (old.len() - last.0.end).min(self.around);
        let (to_old, to_new) = (last.0.end + after, last.1.end + after);
        let head = |from: usize, to: usize| {
            let begin = if to > from { from + 1 } else { from };
            format!("{begin},{}", to - from)
        };
        out.push_str(&format!("@@ -{} +{} @@\n", head(from_old, to_old), head(from_new, to_new)));
        let mut at = from_old;
        for (gone, come) in &self.changes {
            lines(' ', &old[at..gone.start], out);
            lines('-', &old[gone.clone()], out);
            lines('+', &new[come.clone()], out);
            at = gone.end;
        }
        lines(' ', &old[at..to_old], out);
    }
}

fn lines(sign: char, lines: &[&str], out: &mut String) {
    for line in lines {
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// Differences are few and far between: lines are matched by looking for the nearest line that both texts share.
fn hunks(old: &[&str], new: &[&str], around: usize) -> Vec<Hunk> {
    const LOOK: usize = 200;
    let mut changes: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        // The smallest sum of skipped lines after which the texts agree again; at the latest at their ends.
        let ends = (old.len() - i, new.len() - j);
        let agree = (1..=LOOK).find_map(|sum| {
            (0..=sum).map(|skip| (skip, sum - skip)).find(|(a, b)| {
                *a <= ends.0
                    && *b <= ends.1
                    && match (old.get(i + a), new.get(j + b)) {
                        (Some(left), Some(right)) => left == right,
                        (None, None) => true,
                        (Some(_), None) | (None, Some(_)) => false,
                    }
            })
        });
        let (a, b) = agree.unwrap_or(ends);
        changes.push((i..i + a, j..j + b));
        (i, j) = (i + a, j + b);
    }
    let mut hunks: Vec<Hunk> = Vec::new();
    for change in changes {
        match hunks.last_mut() {
            Some(hunk)
                if hunk.changes.last().is_some_and(|last| change.0.start - last.0.end <= 2 * around) =>
            {
                hunk.changes.push(change);
            }
            Some(_) | None => hunks.push(Hunk { changes: vec![change], around }),
        }
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_changes() {
        let (before, after) = ("a\nb\nc\nd\ne\nf\n", "a\nb\nX\nY\nd\ne\nf\n");
        assert_eq!(
            difference("f", before, after, 1),
            "--- a/f\n+++ b/f\n@@ -2,3 +2,4 @@\n b\n-c\n+X\n+Y\n d\n"
        );
        assert_eq!(difference("f", before, before, 3), "");
        assert_eq!(
            difference("f", "a", "b", 3),
            "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n"
        );
    }
}
