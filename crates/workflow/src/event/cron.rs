//! The form of `schedule.cron`: five fields, as POSIX has them.

/// Whether a text is a cron expression.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(super) fn check(text: &str) -> Result<(), String> {
    const MONTHS: &[&str] =
        &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!("it has {} fields instead of 5 (minute hour day month weekday)", fields.len()));
    };
    field("minute", minute, 0, 59, &[])?;
    field("hour", hour, 0, 23, &[])?;
    field("day", day, 1, 31, &[])?;
    field("month", month, 1, 12, MONTHS)?;
    field("weekday", weekday, 0, 7, DAYS)
}

fn field(what: &str, text: &str, least: u32, most: u32, names: &[&str]) -> Result<(), String> {
    let wrong =
        || format!("the {what} {text:?} is not made of *, numbers from {least} to {most}, `-`, `/` and `,`");
    let number = |text: &str| -> Option<u32> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(at) => u32::try_from(at).ok()? + least,
            None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        (least..=most).contains(&value).then_some(value)
    };
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        if step.is_some_and(|step| !step.parse::<u32>().is_ok_and(|step| step > 0)) {
            return Err(wrong());
        }
        let ok = match range.split_once('-') {
            _ if range == "*" => true,
            Some((from, to)) => number(from).zip(number(to)).is_some_and(|(from, to)| from <= to),
            None => number(range).is_some(),
        };
        if !ok {
            return Err(wrong());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn takes_five_fields() {
        for text in ["0 0 * * *", "*/15 9-17 * JAN-mar MON,WED,5", "5,35 4/2 1-7 12 7", "0  3 * * 1"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "@daily",
            "a * * * *",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
