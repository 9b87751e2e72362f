//! What makes two failures the same: the step, and its lines about errors without what differs from run to run.

use shipway_base::Digest;

/// So many lines count at most; the last ones say most.
const LINES: usize = 8;

/// Words that tell a line about an error.
const WORDS: [&str; 9] =
    ["error", "fail", "panic", "exception", "assert", "fatal", "not found", "denied", "undefined"];

/// The fingerprint of a failure: where it happened and what it said. `job` is the job's id without its leg.
pub(crate) fn fingerprint(
    workflow: &str,
    job: &str,
    step: &str,
    lines: &[String],
    notes: &[String],
) -> String {
    let mut text = format!("{workflow}\n{job}\n{}\n", normal(step));
    for line in telling(lines, notes) {
        text += &line;
        text.push('\n');
    }
    Digest::of(text.as_bytes()).hex().chars().take(16).collect()
}

/// The lines that tell the failure, without what differs from run to run and without repetitions.
pub(crate) fn telling(lines: &[String], notes: &[String]) -> Vec<String> {
    let about_errors = |line: &&String| {
        let line = line.to_lowercase();
        WORDS.iter().any(|word| line.contains(word))
    };
    let mut found: Vec<String> = lines.iter().filter(about_errors).map(|line| normal(line)).collect();
    if found.is_empty() {
        found = lines.iter().map(|line| normal(line)).filter(|line| !line.is_empty()).collect();
    }
    // The runner's own note repeats the last line, whatever that was.
    let own = |note: &&String| !note.contains("the process ended with exit code");
    found.extend(notes.iter().filter(own).map(|note| normal(note)));
    let mut kept: Vec<String> = Vec::new();
    for line in found.into_iter().rev() {
        if kept.len() < LINES && !kept.contains(&line) {
            kept.push(line);
        }
    }
    kept.reverse();
    kept
}

/// A line without colours, numbers, times, hexadecimal digits and the folders of paths.
pub(crate) fn normal(line: &str) -> String {
    let line = without_escapes(line);
    let words = line.split_whitespace().map(normal_word);
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn normal_word(word: &str) -> String {
    // A path says the same in every folder; its last name is what matters.
    let word = match word.rfind('/') {
        Some(at) if word.len() > 1 => &word[at + 1..],
        Some(_) | None => word,
    };
    let mut normal = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if length == 0 {
            normal.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let run = &rest[..length];
        if is_changing(run) {
            normal.push('#');
        } else {
            // Numbers within a word: a port, a thread, a seed.
            let mut digits = false;
            for c in run.chars() {
                if c.is_ascii_digit() {
                    if !digits {
                        normal.push('#');
                    }
                    digits = true;
                } else {
                    normal.push(c);
                    digits = false;
                }
            }
        }
        rest = &rest[length..];
    }
    // 1.5, 12:30:01 and 2026-01-02 are each one number, and so are those with a unit.
    loop {
        let shorter = ["#.#", "#:#", "#-#", "#,#", "##"]
            .iter()
            .fold(normal.clone(), |text, pair| text.replace(pair, "#"));
        if shorter == normal {
            return normal;
        }
        normal = shorter;
    }
}

/// Whether a run of letters and digits is a number, an address or a digest.
fn is_changing(run: &str) -> bool {
    let digits = run.strip_prefix("0x").or(run.strip_prefix("0X"));
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match digits {
        Some(digits) => is_hex(digits),
        // `decade` and `facade` are words; a digest has a digit somewhere.
        None => run.len() >= 6 && is_hex(run) && run.bytes().any(|byte| byte.is_ascii_digit()),
    }
}

fn without_escapes(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.peek() == Some(&'[') {
                chars.next();
                // The sequence ends at its first letter.
                for c in chars.by_ref() {
                    if ('@'..='~').contains(&c) {
                        break;
                    }
                }
            }
        } else if !c.is_control() || c == '\t' {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_from_run_to_run_is_gone() {
        let same = |one: &str, other: &str| assert_eq!(normal(one), normal(other), "{one} | {other}");
        same("error at 12:03:44.123 in 5ms", "error at 7:59:01.9 in 230ms");
        same("/tmp/run-1/w/src/a.rs:10:5: expected `;`", "/home/x/src/a.rs:99:1: expected `;`");
        same("panicked at 0xdeadbeef", "panicked at 0x1");
        same("commit 3f2a91c is bad", "commit ab12cd34ef is bad");
        same("\u{1b}[31merror\u{1b}[0m: x", "error: x");
        same("2026-01-02T03:04:05Z boom", "2025-12-31T23:59:59Z boom");
        assert_ne!(normal("error: decade"), normal("error: facade"));
        assert_eq!(normal("thread 'main' (4711) failed in src/lib.rs"), "thread 'main' (#) failed in lib.rs");
    }

    #[test]
    fn the_step_and_its_errors_count() {
        let of = |step: &str, lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            fingerprint("ci.yml", "test", step, &lines, &[])
        };
        assert_eq!(of("a", &["building 1", "error: x 5"]), of("a", &["building 77", "noise", "error: x 6"]));
        assert_ne!(of("a", &["error: x"]), of("b", &["error: x"]));
        assert_ne!(of("a", &["error: x"]), of("a", &["error: y"]));
        assert_ne!(of("a", &["one"]), of("a", &["two"]));
        assert_eq!(of("a", &[]).len(), 16);
    }

    proptest! {
        #[test]
        fn numbers_never_matter(line in "[a-z :/.]{0,30}", one: u32, other: u32) {
            let with = |number: u32| normal(&format!("{line}{number} {line}"));
            prop_assert_eq!(with(one), with(other));
        }

        #[test]
        fn it_is_settled_after_once(line: String) {
            let once = normal(&line);
            prop_assert_eq!(normal(&once), once);
        }
    }
}
