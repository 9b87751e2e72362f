//! How long a worse canary lives, beside the threshold rules on the same streams: the table of `VERDICTS.md`.

use crate::{
    cases::say,
    chance::{RUNS, generator},
    rules::{Acted, World},
};

/// Mean seconds and failed canary requests at the verdict, and in which fraction of hours there was one.
struct Mean {
    seconds: f64,
    failed: f64,
    found: f64,
}

fn mean(acted: &[Acted]) -> Mean {
    let found: Vec<(u64, u64)> = acted.iter().copied().flatten().collect();
    let over =
        |of: fn(&(u64, u64)) -> u64| found.iter().map(of).sum::<u64>() as f64 / found.len().max(1) as f64;
    Mean { seconds: over(|a| a.0), failed: over(|a| a.1), found: found.len() as f64 / acted.len() as f64 }
}

impl std::fmt::Display for Mean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.found {
            found if found < 0.005 => f.pad("missed"),
            found if found < 0.995 => {
                f.pad(&format!("{:.0} s / {:.0} ({:.1} %)", self.seconds, self.failed, found * 100.0))
            }
            _ => f.pad(&format!("{:.0} s / {:.0}", self.seconds, self.failed)),
        }
    }
}

/// Plays the scenario; the sequential test must find it in every hour, after so many seconds and failures on average.
fn check(name: &str, scenario: u64, world: &World, seconds: [f64; 2], failed: [f64; 2]) -> [Mean; 3] {
    let hours: Vec<_> = (0..RUNS).map(|run| world.hour(&mut generator(scenario, run), 0.01, true)).collect();
    let of = |acted: fn(&crate::rules::Hour) -> Acted| mean(&hours.iter().map(acted).collect::<Vec<_>>());
    let all = [of(|hour| hour.argo), of(|hour| hour.flagger), of(|hour| hour.sequential)];
    say(&format!("| {name:24} | {:20} | {:20} | {:14} |", all[0], all[1], all[2]));
    let found = &all[2];
    assert!(found.found > 0.99, "{name}: found in {}", found.found);
    assert!((seconds[0]..=seconds[1]).contains(&found.seconds), "{name}: {} s", found.seconds);
    assert!((failed[0]..=failed[1]).contains(&found.failed), "{name}: {} failed requests", found.failed);
    all
}

#[test]
fn detection_delay() {
    say("| errors                   | Argo (95 %, 3)       | Flagger (99 %, 5)    | sequential 1 % |");
    let to = |rps: f64, error_rates: fn(u64) -> [f64; 2]| World { rps, error_rates };
    check("0.1 to 0.2 %, 1,000 rps", 20, &to(1_000.0, |_| [0.001, 0.002]), [250.0, 450.0], [25.0, 45.0]);
    check("0.1 to 0.5 %, 1,000 rps", 21, &to(1_000.0, |_| [0.001, 0.005]), [20.0, 55.0], [5.0, 14.0]);
    check("0.1 to 2 %, 1,000 rps", 22, &to(1_000.0, |_| [0.001, 0.02]), [2.0, 8.0], [2.0, 8.0]);
    let all = check("0.1 to 20 %, 1,000 rps", 23, &to(1_000.0, |_| [0.001, 0.2]), [1.0, 2.0], [7.0, 14.0]);
    assert_eq!((all[0].seconds, all[1].seconds), (240.0, 300.0));
    check("0.1 to 0.5 %, 50 rps", 24, &to(50.0, |_| [0.001, 0.005]), [400.0, 1_100.0], [5.0, 14.0]);
    check("0.1 to 2 %, 50 rps", 25, &to(50.0, |_| [0.001, 0.02]), [40.0, 160.0], [2.0, 8.0]);
    let all = check("0.1 to 20 %, 50 rps", 26, &to(50.0, |_| [0.001, 0.2]), [3.0, 10.0], [2.0, 5.0]);
    assert_eq!((all[0].seconds, all[1].seconds), (240.0, 300.0));
}
