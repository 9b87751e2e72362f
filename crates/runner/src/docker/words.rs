//! Splits a text as a shell does, without any expansion.

/// The words of a text. Single and double quotes keep words together, a backslash takes the next character as it is; what
/// it means in double quotes is as in a shell. The error says what is not closed.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            blank if blank.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some(inner) => word.push(inner),
                        None => return Err("a single quote is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('"') => break,
                        Some('\\') => match characters.next() {
                            Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                            Some('\n') => {}
                            Some(other) => word.extend(['\\', other]),
                            None => return Err("a double quote is not closed".to_owned()),
                        },
                        Some(inner) => word.push(inner),
                        None => return Err("a double quote is not closed".to_owned()),
                    }
                }
            }
            '\\' => match characters.next() {
                // A line that goes on.
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err("it ends with a backslash".to_owned()),
            },
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_backslashes_mean_what_a_shell_means() {
        let check = |text, expect: &[&str]| assert_eq!(words(text).expect(text), expect, "{text}");
        check("", &[]);
        check("  a  b\n\tc ", &["a", "b", "c"]);
        check(r#"--health-cmd="redis-cli ping" -e 'A=b c'"#, &["--health-cmd=redis-cli ping", "-e", "A=b c"]);
        check(r#"a\ b "x\"y\z" '' "" c"#, &["a b", r#"x"y\z"#, "", "", "c"]);
        check("a\\\nb", &["ab"]);
        check("$HOME `x`", &["$HOME", "`x`"]);
        for open in ["'a", "\"a", "a\\", "\"a\\"] {
            words(open).expect_err(open);
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(expect in prop::collection::vec("[ a'\"\\\\$]{0,6}", 0..5)) {
            let quoted: Vec<String> =
                expect.iter().map(|word| format!("'{}'", word.replace('\'', r#"'"'"'"#))).collect();
            prop_assert_eq!(words(&quoted.join(" ")), Ok(expect));
        }

        #[test]
        fn never_panics(text in "[ a'\"\\\\\n]{0,20}") {
            let _ = words(&text);
        }
    }
}
