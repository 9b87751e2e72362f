//! Durations as people write them in delivery documents: `300ms`, `30s`, `1m30s`, `2h`.

use std::{fmt, time::Duration};

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError(String);

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a duration; write for example 300ms, 30s, 5m or 1h30m", self.0)
    }
}

impl std::error::Error for DurationError {}

/// Reads a duration in Go's notation without a sign (units `ns us µs ms s m h`, fractions allowed); a bare
/// whole number means seconds, as in Argo's `pause.duration`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let fail = || DurationError(text.to_owned());
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<u32>() {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    if trimmed.is_empty() {
        return Err(fail());
    }
    let mut rest = trimmed;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fail)?;
        let number: f64 = rest[..digits].parse().map_err(|_| fail())?;
        rest = &rest[digits..];
        let unit_len = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let seconds = match &rest[..unit_len] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(fail()),
        };
        total += number * seconds;
        rest = &rest[unit_len..];
    }
    // Above a century nobody means what they wrote.
    if total > 3.2e9 { Err(fail()) } else { Duration::try_from_secs_f64(total).map_err(|_| fail()) }
}

/// A duration for people: two significant units at most, `850 ms`, `4.2 s`, `3 m 20 s`, `2 h 5 m`.
pub fn human_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let seconds = duration.as_secs();
    if millis < 1_000 {
        format!("{millis} ms")
    } else if millis < 59_950 {
        format!("{:.1} s", duration.as_secs_f64())
    } else if seconds < 3_600 {
        format!("{} m {} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {} m", seconds / 3_600, seconds % 3_600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in
            [("300ms", 300), ("30s", 30_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("45", 45_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "5 minutes", "-5s", "1d", "5s5", ".", "9e9h", "nan"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prints_for_people() {
        for (millis, text) in
            [(0, "0 ms"), (850, "850 ms"), (4_210, "4.2 s"), (200_000, "3 m 20 s"), (7_500_000, "2 h 5 m")]
        {
            assert_eq!(human_duration(Duration::from_millis(millis)), text);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text: String) {
            let _ = parse_duration(&text);
        }
    }
}
