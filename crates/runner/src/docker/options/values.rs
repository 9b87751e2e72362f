//! The values of options: sizes, lengths of time, numbers, pairs. Errors continue a sentence.

/// A size such as `512m` or `1.5g` in bytes; units count in 1,024. A bare number is bytes.
pub(super) fn size(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no size such as 512m or 2g");
    let lower = text.trim().to_ascii_lowercase();
    let end =
        lower.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim();
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(unit) {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(wrong()),
    };
    let bytes = number * 1024_f64.powi(power);
    if bytes.is_finite() && bytes < 9e18 { Ok(bytes as i64) } else { Err(wrong()) }
}

/// A size, or -1 for no limit.
pub(super) fn size_or_unlimited(text: &str) -> Result<i64, String> {
    if text.trim() == "-1" { Ok(-1) } else { size(text) }
}

/// A length of time such as `10s`, `1m30s` or `500ms` in nanoseconds, as Go writes them.
pub(super) fn nanoseconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no length of time such as 10s or 1m30s");
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(0);
    }
    let mut total = 0_f64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end =
            rest.find(|character: char| !character.is_ascii_digit() && character != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let units: [(&str, f64); 7] =
            [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];
        let (unit, scale) = units.into_iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(wrong)?;
        rest = &rest[unit.len()..];
        total += number * scale;
    }
    if total.is_finite() && total < 9e18 { Ok(total as i64) } else { Err(wrong()) }
}

/// A whole number.
pub(super) fn number(text: &str) -> Result<i64, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no whole number"))
}

/// A number of processors such as `1.5`, in billionths.
pub(super) fn cpus(text: &str) -> Result<i64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if (0.0..1e6).contains(&number) => Ok((number * 1e9).round() as i64),
        Ok(_) | Err(_) => Err(format!("{text:?} is no number of processors")),
    }
}

/// A truth value.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// `name=value`; the value is empty when there is no equals sign.
pub(super) fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), value.to_owned())
}

/// `name=value`, and nothing else.
pub(super) fn full_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err(format!("{text:?} is not written as name=value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_times_are_read() {
        assert_eq!(size("512m"), Ok(512 << 20));
        assert_eq!(size("1.5GiB"), Ok(3 << 29));
        assert_eq!(size("7"), Ok(7));
        assert_eq!(size_or_unlimited("-1"), Ok(-1));
        assert_eq!(nanoseconds("1m30s"), Ok(90_000_000_000));
        assert_eq!(nanoseconds("1.5s"), Ok(1_500_000_000));
        assert_eq!(nanoseconds("250ms"), Ok(250_000_000));
        assert_eq!(cpus("1.5"), Ok(1_500_000_000));
        for wrong in ["", "x", "5x", "-1s", "5", "s", "1e9s"] {
            nanoseconds(wrong).expect_err(wrong);
        }
        for wrong in ["", "m", "-5", "5q", "99999999p"] {
            size(wrong).expect_err(wrong);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9.a-zµ=-]{0,12}") {
            let _ = (size(&text), nanoseconds(&text), cpus(&text), number(&text), truth(&text), full_pair(&text));
        }
    }
}
