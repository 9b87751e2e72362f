//! Numbers as GitHub reads and writes them.

use serde_json::Value as Json;

/// The number that a text counts as: surrounding space is ignored, nothing is 0, what is no number is `NaN`.
pub(super) fn from_text(text: &str) -> f64 {
    match text.trim() {
        "" => 0.0,
        trimmed => parse(trimmed).unwrap_or(f64::NAN),
    }
}

/// A number as it may stand in an expression: decimal with sign, fraction and exponent, hexadecimal `0x`, octal `0o`,
/// and the infinities.
pub(super) fn parse(text: &str) -> Option<f64> {
    match text {
        "Infinity" | "+Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return digits_of_base(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return digits_of_base(digits, 8);
    }
    // Rust also reads `inf`, `nan` and `infinity`; the alphabet keeps them out.
    let decimal = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    decimal.then(|| text.parse().ok()).flatten()
}

fn digits_of_base(digits: &str, base: u32) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0.0, |sum, c| Some(sum * f64::from(base) + f64::from(c.to_digit(base)?)))
}

/// A number as text: at most 15 significant digits, and an exponent where it is below -4 or above 14 (.NET's `G15`).
pub(super) fn to_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.14e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if !(-4..15).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}E{direction}{:02}", exponent.abs());
    }
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    };
    match digits.get(whole..) {
        None | Some("") => format!("{sign}{digits:0<whole$}"),
        Some(fraction) if whole == 0 => format!("{sign}0.{fraction}"),
        Some(fraction) => format!("{sign}{}.{fraction}", &digits[..whole]),
    }
}

/// A number as JSON: whole ones that fit exactly become integers, what JSON cannot say becomes null.
pub(super) fn to_json(value: f64) -> Json {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        return Json::from(value as i64);
    }
    serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_numbers_as_github_does() {
        let check = |value: f64, expect: &str| assert_eq!(to_text(value), expect);
        check(-0.0, "0");
        check(1.0, "1");
        check(120.0, "120");
        check(-2.5, "-2.5");
        check(0.1 + 0.2, "0.3");
        check(0.000_123, "0.000123");
        check(0.000_012_3, "1.23E-05");
        check(123_456_789_012_345.0, "123456789012345");
        check(1_234_567_890_123_456.0, "1.23456789012346E+15");
        check(1e300, "1E+300");
        check(999_999_999_999_999.9, "1E+15");
        check(0.5, "0.5");
    }

    #[test]
    fn reads_numbers_as_github_does() {
        let check = |text: &str, expect: Option<f64>| assert_eq!(parse(text), expect, "{text}");
        check("+.5e-1", Some(0.05));
        check("5.", Some(5.0));
        check("0xfF", Some(255.0));
        check("0o17", Some(15.0));
        for wrong in
            ["", ".", "e5", "1e", "0x", "0X1", "0o8", "inf", "nan", "1_000", "--1", "-0x1", "infinity"]
        {
            check(wrong, None);
        }
        assert_eq!(from_text(" \t\n"), 0.0);
        assert!(from_text("a").is_nan());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_within_15_digits(value in proptest::num::f64::NORMAL) {
            let back = from_text(&to_text(value));
            prop_assert!((back - value).abs() <= value.abs() * 1e-14);
        }

        #[test]
        fn whole_numbers_read_back_exactly(value in -999_999_999_999_999_i64..=999_999_999_999_999) {
            prop_assert_eq!(to_text(value as f64), value.to_string());
        }
    }
}
