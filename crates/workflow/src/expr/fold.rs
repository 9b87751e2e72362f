//! Comparing text without regard to case, as .NET's `OrdinalIgnoreCase` does: character by character, each in its
//! simple upper case, with no regard to language.

use std::cmp::Ordering;

/// The upper case of a character where that is a single character. None but ASCII letters become ASCII letters: the
/// dotless `ı` and the long `ſ` stay what they are.
pub(super) fn upper(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) if !single.is_ascii() => single,
        (Some(_) | None, _) => c,
    }
}

pub(super) fn eq(a: &str, b: &str) -> bool {
    cmp(a, b) == Ordering::Equal
}

pub(super) fn cmp(a: &str, b: &str) -> Ordering {
    a.chars().map(upper).cmp(b.chars().map(upper))
}

pub(super) fn starts_with(text: &str, prefix: &str) -> bool {
    let mut characters = text.chars().map(upper);
    prefix.chars().map(upper).all(|wanted| characters.next() == Some(wanted))
}

pub(super) fn ends_with(text: &str, suffix: &str) -> bool {
    let mut characters = text.chars().rev().map(upper);
    suffix.chars().rev().map(upper).all(|wanted| characters.next() == Some(wanted))
}

pub(super) fn contains(text: &str, part: &str) -> bool {
    let whole: String = text.chars().map(upper).collect();
    whole.contains(&part.chars().map(upper).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_single_characters_only() {
        assert!(eq("Straße", "STRAßE"));
        assert!(!eq("straße", "STRASSE"));
        assert!(eq("éÀ", "ÉÀ"));
        assert!(!eq("ı", "I") && !eq("ſ", "S"));
        assert_eq!(cmp("_", "a"), Ordering::Greater);
        assert!(starts_with("Hello", "hEL") && !starts_with("He", "hel"));
        assert!(ends_with("Hello", "LLO") && !ends_with("lo", "llo"));
        assert!(contains("Hello", "eLL") && contains("x", "") && !contains("", "x"));
    }
}
