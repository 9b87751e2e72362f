//! Small parts that many pages share: instants, durations, commits, lists in pages, empty states.

use maud::{Markup, html};
use shipway_api::{Commit, Page, RunSummary, Usual};
use shipway_base::{Timestamp, human_duration};
use std::time::Duration;

/// How long ago, with the instant itself for those who ask. Scripts keep it up to date.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(at) data-ago { (words_ago(now.since(at))) } }
}

/// How long from now.
pub(super) fn until(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(at) data-until { "in " (human_duration(at.since(now))) } }
}

/// The instant as a time of day, UTC.
pub(super) fn time_of_day(at: Timestamp) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) title=(text) { (text.get(11..19).unwrap_or(&text)) } }
}

/// How long something took, or has been going on.
pub(super) fn took(started: Option<Timestamp>, finished: Option<Timestamp>, now: Timestamp) -> Markup {
    match (started, finished) {
        (Some(started), Some(finished)) => html! { (human_duration(finished.since(started))) },
        (Some(started), None) => html! { span data-since=(started) { (human_duration(now.since(started))) } },
        (None, _) => html! {},
    }
}

/// How long something will take, by how long it usually takes.
pub(super) fn usual(usual: Option<Usual>) -> Markup {
    html! {
        @match usual {
            Some(usual) => {
                span title={ "the median of the last " (plural(u64::from(usual.times), "time")) " that it succeeded" } {
                    "about " (human_duration(Duration::from_millis(usual.took_ms)))
                }
            },
            None => "no history yet",
        }
    }
}

/// The short name of a commit.
pub(super) fn short_sha(commit: &Commit) -> &str {
    commit.sha.get(..7).unwrap_or(&commit.sha)
}

/// How long a run has taken, counted from its first job.
pub(super) fn run_took(run: &RunSummary, now: Timestamp) -> Markup {
    took(run.started_at.or(run.finished_at.and(Some(run.created_at))), run.finished_at, now)
}

/// A share in hundredths of a percent.
pub(super) fn share(points: u32) -> String {
    if points.is_multiple_of(100) {
        format!("{} %", points / 100)
    } else {
        format!("{:.2} %", f64::from(points) / 100.0)
    }
}

/// A whole number in groups of three.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 client`, `2 clients`.
pub(super) fn plural(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A duration in microseconds.
pub(super) fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", micros as f64 / 1_000.0),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// A size in bytes.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

/// The way to the next page, and back to the first.
pub(super) fn pager<T>(page: &Page<T>, paged: bool, first: &str, next: Option<String>) -> Markup {
    html! {
        @if paged || next.is_some() {
            nav class="pager" aria-label="Pages" {
                @if paged { a href=(first) { "Newest" } }
                @if let Some(next) = next { a href=(next) rel="next" { "Older" } }
                span class="dim" { (count(page.total)) " in all" }
            }
        }
    }
}

/// A name that may be a command: a word with a hyphen, such as `--wait`, is not torn apart at it, unless no line can hold it.
pub(super) fn words(name: &str) -> Markup {
    html! {
        @for (at, word) in name.split(' ').enumerate() {
            @if at > 0 { " " }
            @if word.contains('-') { span class="word" { (word) } } @else { (word) }
        }
    }
}

/// A list with nothing in it: what will be here, and the command that brings it.
pub(super) fn empty(title: &str, text: &str, command: Option<&str>) -> Markup {
    html! {
        div class="empty" {
            p class="lead" { (title) }
            p { (text) }
            @if let Some(command) = command { (self::command(command)) }
        }
    }
}

/// A command to copy.
pub(super) fn command(text: &str) -> Markup {
    html! {
        div class="command" {
            code { (text) }
            button type="button" class="copy" data-copy=(text) hidden { "Copy" }
        }
    }
}

fn words_ago(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} m ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_hyphens_stay_whole() {
        let check = |name: &str, expect: &str| assert_eq!(words(name).into_string(), expect);
        check("Run the script", "Run the script");
        check(
            "a --wait  <b-c>",
            "a <span class=\"word\">--wait</span>  <span class=\"word\">&lt;b-c&gt;</span>",
        );
        check("", "");
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "client"), "1 client");
        assert_eq!(plural(1_000, "client"), "1,000 clients");
        assert_eq!(share(1_000), "10 %");
        assert_eq!(share(1_050), "10.50 %");
        assert_eq!(micros(850), "850 µs");
        assert_eq!(micros(1_500), "1.5 ms");
        assert_eq!(micros(312_000), "312 ms");
        assert_eq!(micros(2_500_000), "2.50 s");
        assert_eq!(bytes(1_536), "1.5 kB");
        assert_eq!(words_ago(Duration::from_secs(3)), "just now");
        assert_eq!(words_ago(Duration::from_secs(7_300)), "2 h ago");
    }
}
