//! `schedule.cron`: five fields as POSIX has them, and when they come next.
//!
//! Times are computed here and not with a cron crate: those read the clock or the machine's time zones, while this
//! needs nothing but the instant it is given and the rules of the time zones that are compiled in (`jiff`'s bundled
//! database, asked for by name, never the one of the machine). So a schedule means the same on every machine, and in
//! a test.
//!
//! Where clocks are put forward, a time that does not exist comes at the end of the gap, and all those of one gap once. Where they are
//! put back, a time that exists twice happens the first time, unless the hour is a `*`: then minutes go on being
//! counted through both hours.

use super::Schedule;
use jiff::{
    civil::Date,
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use shipway_base::Timestamp;

/// How many days are looked at: enough for the 29th of February across a century without one.
const MOST_DAYS: usize = 366 * 9;

/// The microseconds of a minute, which is how near each other two instants of a schedule can be.
const MINUTE: i64 = 60_000_000;

/// A read cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

/// The values of a field as bits, and whether it began with `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    star: bool,
}

impl Schedule {
    /// The first instant after `now` that the schedule names; none for a day that never comes, such as the 31st of
    /// February, and for a schedule that could not be read.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let cron = parse(&self.cron.value).ok()?;
        let zone = match &self.timezone {
            Some(name) => zone(&name.value)?,
            None => TimeZone::UTC,
        };
        cron.next_after(now, &zone)
    }

    /// The last instant after `after` and not after `now` that the schedule names: what is to be made up for after a pause,
    /// however many instants it held.
    pub fn last_between(&self, after: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let due = |from| self.next_after(from).filter(|next| *next <= now);
        // `last` is named, and nothing between `until` and `now` is.
        let (mut last, mut until) = (due(after)?, now);
        while until.as_micros() - last.as_micros() > MINUTE {
            let middle =
                Timestamp::from_micros(last.as_micros() + (until.as_micros() - last.as_micros()) / 2);
            match due(middle) {
                Some(later) => last = later,
                None => until = middle,
            }
        }
        Some(due(last).unwrap_or(last))
    }
}

/// The time zone of an IANA name.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    // The name `Local` and POSIX rules are not in the database, so that nothing depends on the machine.
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Reads a cron expression.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(super) fn parse(text: &str) -> Result<Cron, String> {
    const MONTHS: &[&str] =
        &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    const DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!("it has {} fields instead of 5 (minute hour day month weekday)", fields.len()));
    };
    let mut weekday = field("weekday", weekday, 0, 7, DAYS)?;
    // Sunday is both 0 and 7.
    weekday.bits |= weekday.bits >> 7 & 1;
    Ok(Cron {
        minute: field("minute", minute, 0, 59, &[])?,
        hour: field("hour", hour, 0, 23, &[])?,
        day: field("day", day, 1, 31, &[])?,
        month: field("month", month, 1, 12, MONTHS)?,
        weekday,
    })
}

fn field(what: &str, text: &str, least: u32, most: u32, names: &[&str]) -> Result<Field, String> {
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
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
            None => (part, 1_usize),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => {
                number(from).zip(number(to)).filter(|(from, to)| from <= to).ok_or_else(wrong)?
            }
            None => {
                let from = number(range).ok_or_else(wrong)?;
                // `4/2` goes on to the end, a lone number does not. Weeks end on Saturday: the 7 is Sunday, their first day.
                let end = if most == 7 { 6 } else { most };
                (from, if part.contains('/') { end.max(from) } else { from })
            }
        };
        (from..=to).step_by(step).for_each(|value| bits |= 1 << value);
    }
    Ok(Field { bits, star: text.starts_with('*') })
}

impl Field {
    fn has(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| value < 64 && self.bits >> value & 1 == 1)
    }
}

impl Cron {
    fn next_after(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let now = jiff::Timestamp::from_microsecond(now.as_micros()).ok()?;
        // One day early, since a clock may be put back across midnight.
        let mut date = zone.to_datetime(now).date().yesterday().ok()?;
        let mut best: Option<jiff::Timestamp> = None;
        for _ in 0..MOST_DAYS {
            let found = self.first_on(date, now, zone);
            match (best, found) {
                // The day after the first hit may still be earlier, by the same clocks.
                (Some(best), found) => return to_ours(found.map_or(best, |found| found.min(best))),
                (None, found) => best = found,
            }
            date = date.tomorrow().ok()?;
        }
        best.and_then(to_ours)
    }

    /// The first instant of a day, after `now`.
    fn first_on(&self, date: Date, now: jiff::Timestamp, zone: &TimeZone) -> Option<jiff::Timestamp> {
        if !self.has_day(date) {
            return None;
        }
        let hours = (0..24).filter(|hour| self.hour.has(*hour));
        let times =
            hours.flat_map(|hour| (0..60).filter(|minute| self.minute.has(*minute)).map(move |m| (hour, m)));
        let instants = times.flat_map(|(hour, minute)| {
            let ambiguous = zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
            let twice = ambiguous.is_ambiguous() && self.hour.star;
            let second = twice.then(|| ambiguous.later().ok()).flatten();
            let first = match ambiguous.offset() {
                // Read by the clock behind the gap it lies before it, so that the gap's end is the next change.
                AmbiguousOffset::Gap { .. } => ambiguous
                    .earlier()
                    .ok()
                    .and_then(|before| zone.following(before).next().map(|change| change.timestamp())),
                AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                    ambiguous.compatible().ok()
                }
            };
            [first, second]
        });
        instants.flatten().filter(|instant| *instant > now).min()
    }

    /// Whether the day fits: where both the day and the weekday are given, one of them is enough.
    fn has_day(&self, date: Date) -> bool {
        let day = self.day.has(date.day());
        let weekday = self.weekday.has(date.weekday().to_sunday_zero_offset());
        let fits = match self.day.star || self.weekday.star {
            true => day && weekday,
            false => day || weekday,
        };
        fits && self.month.has(date.month())
    }
}

fn to_ours(instant: jiff::Timestamp) -> Option<Timestamp> {
    Some(Timestamp::from_micros(instant.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_five_fields() {
        for text in ["0 0 * * *", "*/15 9-17 * JAN-mar MON,WED,5", "5,35 4/2 1-7 12 7", "0  3 * * 1"] {
            assert!(parse(text).is_ok(), "{text}");
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
            "*/99999999999999999999 * * * *",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().expect("an instant");
        Timestamp::from_micros(instant.as_microsecond())
    }

    /// The instants that follow `from`, one after the other.
    fn check(cron: &str, name: &str, from: &str, expect: &[&str]) {
        let (cron, zone) = (parse(cron).expect("a cron"), zone(name).expect("a zone"));
        let mut now = at(from);
        for next in expect {
            let found = cron.next_after(now, &zone);
            assert_eq!(found, Some(at(next)), "{cron:?} in {name} after {now:?}");
            now = at(next);
        }
    }

    #[test]
    fn comes_again() {
        check(
            "30 5 * * 1,3",
            "UTC",
            "2026-01-05T05:30:00Z",
            &["2026-01-07T05:30:00Z", "2026-01-12T05:30:00Z"],
        );
        check(
            "*/20 * * * *",
            "UTC",
            "2026-01-05T05:39:59.9Z",
            &["2026-01-05T05:40:00Z", "2026-01-05T06:00:00Z"],
        );
        // A day or a weekday is enough when both are given.
        check("0 0 13 * 5", "UTC", "2026-02-07T00:00:00Z", &["2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z"]);
        check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
        // Monday, Wednesday and Friday, and no Sunday.
        check(
            "0 0 * * MON/2",
            "UTC",
            "2026-01-07T00:00:00Z",
            &["2026-01-09T00:00:00Z", "2026-01-12T00:00:00Z"],
        );
        check("0 9 * * 7", "Asia/Kolkata", "2026-01-01T00:00:00Z", &["2026-01-04T03:30:00Z"]);
        assert_eq!(
            parse("0 0 31 2 *").expect("a cron").next_after(at("2026-01-01T00:00:00Z"), &TimeZone::UTC),
            None
        );
    }

    #[test]
    fn clocks_are_put_forward_and_back() {
        // 02:30 does not exist on the 29th of March 2026 in Berlin, and exists twice on the 25th of October.
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        );
        // All times within the gap come at its end, once; so does the very first one, and what comes then anyway.
        check(
            "*/20 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            &["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z", "2026-03-30T00:00:00Z"],
        );
        // Half an hour is left out on Lord Howe Island.
        check("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["2026-10-03T15:30:00Z"]);
        check(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        );
        check(
            "30 * * * *",
            "Europe/Berlin",
            "2026-10-24T23:30:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"],
        );
        assert!(zone("Europe/Nowhere").is_none() && zone("").is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_last_instant_is_the_one_that_counting_finds(
            fields in ("[0-5]?[0-9]|\\*/[1-9]|\\*", "1?[0-9]|\\*", "\\*|[1-9]", "\\*|[0-6]"),
            from in 0_i64..2_000_000_000_000_000,
            pause in 0_i64..400_000_000_000,
        ) {
            let cron = format!("{} {} {} * {}", fields.0, fields.1, fields.2, fields.3);
            let spanned = |value: &str| shipway_base::Spanned { value: value.to_owned(), span: shipway_base::Span::START };
            let schedule = Schedule { cron: spanned(&cron), timezone: Some(spanned("Europe/Berlin")) };
            let (after, now) = (Timestamp::from_micros(from), Timestamp::from_micros(from + pause));
            let mut counted = None;
            let mut at = after;
            while let Some(next) = schedule.next_after(at).filter(|next| *next <= now) {
                (counted, at) = (Some(next), next);
            }
            prop_assert_eq!(schedule.last_between(after, now), counted, "{}", cron);
        }
    }

    proptest! {
        #[test]
        fn the_next_instant_fits_and_none_before_it_does(
            fields in ("[0-5]?[0-9]|\\*/[1-9]", "1?[0-9]|\\*", "\\*|[1-9]", "\\*|[1-9]", "\\*|[0-6]"),
            from in 0_i64..4_000_000_000,
        ) {
            let text = format!("{} {} {} {} {}", fields.0, fields.1, fields.2, fields.3, fields.4);
            let cron = parse(&text).expect("a cron");
            let from = Timestamp::from_micros(from * 1_000_000);
            if let Some(next) = cron.next_after(from, &TimeZone::UTC) {
                prop_assert!(next > from && next.as_micros() % 60_000_000 == 0);
                // A minute earlier is either not after `from`, or gives the same answer.
                let before = Timestamp::from_micros(next.as_micros() - 60_000_000);
                prop_assert!(before <= from || cron.next_after(before, &TimeZone::UTC) == Some(next));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9*/,A-Za-z ]{0,40}") {
            if let Ok(cron) = parse(&text) {
                let _next = cron.next_after(Timestamp::from_micros(0), &TimeZone::UTC);
            }
        }
    }
}
