//! Charts, drawn by the server: evidence that grows against its bound, and small lines of values.

use maud::{Markup, html};
use shipway_api::{EvidencePoint, SignalReport};
use shipway_base::human_duration;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 140.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 22.0;

/// The logarithms that the vertical axis spans, and the instants of the horizontal one.
struct Frame {
    low: f64,
    high: f64,
    start: i64,
    end: i64,
}

/// The evidence of one signal over time, with its bound, and the evidence for promotion with its own.
pub(super) fn evidence(signal: &SignalReport) -> Markup {
    let frame = Frame::new(signal);
    let regression = frame.path(signal.history.iter().map(|point| (point, point.log10_e)));
    let promotion: Vec<(&EvidencePoint, f64)> =
        signal.history.iter().filter_map(|point| point.log10_promote.map(|value| (point, value))).collect();
    let words = format!(
        "The evidence for a regression over time: it stands at 10 to the {:.1}, the bound at 10 to the {:.1}",
        signal.log10_e, signal.log10_bound
    );
    html! {
        svg class="chart" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(words) {
            @for tick in frame.ticks() {
                line class="grid" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(round(frame.y(tick))) y2=(round(frame.y(tick))) {}
                text x=(LEFT - 6.0) y=(round(frame.y(tick) + 4.0)) text-anchor="end" { (tick_label(tick)) }
            }
            // Evidence begins low, so that words at the beginning of the bounds stand clear of it, one above and one below.
            @let bar = signal.promote.map(|(_, bar)| bar).filter(|bar| (bar - signal.log10_bound).abs() > 0.2);
            @let [above, below] = [-4.0, 11.0];
            (bound(&frame, signal.log10_bound, "bound", if bar.is_some_and(|bar| bar > signal.log10_bound) { below } else { above }, "roll back"))
            @if let Some(bar) = bar { (bound(&frame, bar, "bound good", if bar > signal.log10_bound { above } else { below }, "promote")) }
            @if !promotion.is_empty() { path class="line good" d=(frame.path(promotion.into_iter())) {} }
            @if signal.history.is_empty() {
                text x=(WIDTH / 2.0) y=(HEIGHT / 2.0) text-anchor="middle" { "No events yet" }
            } @else {
                path class="line" d=(regression) {}
                text x=(WIDTH - RIGHT) y=(HEIGHT - 6.0) text-anchor="end" { (frame.span()) }
            }
        }
    }
}

/// The last values of a metric.
pub(super) fn sparkline(values: &[f64]) -> Markup {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    html! {
        @if finite.len() > 1 {
            svg class="spark" viewBox="0 0 60 16" aria-hidden="true" {
                path class="line" d=({
                    let step = 58.0 / (finite.len() - 1) as f64;
                    let y = |value: f64| if high > low { 14.0 - (value - low) / (high - low) * 12.0 } else { 8.0 };
                    finite.iter().enumerate().map(|(at, value)| {
                        format!("{}{} {}", if at == 0 { "M" } else { "L" }, round(1.0 + at as f64 * step), round(y(*value)))
                    }).collect::<String>()
                }) {}
            }
        }
    }
}

fn bound(frame: &Frame, at: f64, class: &str, offset: f64, word: &str) -> Markup {
    let y = frame.y(at);
    html! {
        line class=(class) x1=(LEFT) x2=(WIDTH - RIGHT) y1=(round(y)) y2=(round(y)) {}
        text class=(class) x=(LEFT + 4.0) y=(round(y + offset)) text-anchor="start" { (word) }
    }
}

impl Frame {
    fn new(signal: &SignalReport) -> Frame {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let values = || {
            let points = signal.history.iter().flat_map(|point| [Some(point.log10_e), point.log10_promote]);
            points.flatten().filter_map(finite)
        };
        let bar = signal.promote.map_or(0.0, |(_, bar)| bar);
        let high = values().fold(signal.log10_bound.max(bar), f64::max).clamp(0.5, 60.0);
        // Evidence against a regression may fall without end; how far below one it is says little.
        let low = values().fold(-1.0, f64::min).max(-2.0);
        let instants = || signal.history.iter().map(|point| point.at.as_millis());
        let start = instants().min().unwrap_or(0);
        let end = instants().max().unwrap_or(0).max(start + 1_000);
        Frame { low, high: high + (high - low) * 0.12, start, end }
    }

    fn y(&self, value: f64) -> f64 {
        let value = if value.is_finite() { value.clamp(self.low, self.high) } else { self.low };
        TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)
    }

    fn x(&self, millis: i64) -> f64 {
        let passed = (millis - self.start) as f64 / (self.end - self.start) as f64;
        LEFT + passed * (WIDTH - LEFT - RIGHT)
    }

    /// A line of steps: the evidence stays as it is until the next event.
    fn path<'p>(&self, points: impl Iterator<Item = (&'p EvidencePoint, f64)>) -> String {
        let mut path = String::new();
        for (point, value) in points {
            let (x, y) = (round(self.x(point.at.as_millis())), round(self.y(value)));
            if path.is_empty() {
                path.push_str(&format!("M{x} {y}"));
            } else {
                path.push_str(&format!("H{x}V{y}"));
            }
        }
        if !path.is_empty() {
            // The last value holds until the end; a single point becomes a line that one can see.
            path.push_str(&format!("H{}", round(WIDTH - RIGHT)));
        }
        path
    }

    /// Whole powers of ten, at most six.
    fn ticks(&self) -> Vec<f64> {
        let span = self.high.floor() - self.low.ceil();
        let step = (span / 5.0).ceil().max(1.0);
        let mut ticks = Vec::new();
        let mut tick = 0.0;
        while tick >= self.low {
            ticks.push(tick);
            tick -= step;
        }
        tick = step;
        while tick <= self.high {
            ticks.push(tick);
            tick += step;
        }
        ticks
    }

    fn span(&self) -> String {
        let millis = u64::try_from(self.end - self.start).unwrap_or(0);
        format!("over {}", human_duration(std::time::Duration::from_millis(millis)))
    }
}

/// A power of ten as people write it, with the exponent above the line.
pub(super) fn power_of_ten(log10: f64) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' => '⁰',
        '4'..='9' => char::from_u32('⁴' as u32 + (c as u32 - '4' as u32)).unwrap_or(c),
        other => other,
    };
    format!("10{}", format!("{log10:.0}").chars().map(raised).collect::<String>())
}

fn tick_label(log10: f64) -> String {
    match log10 as i64 {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        2 => "100".to_owned(),
        3 => "1,000".to_owned(),
        -1 => "0.1".to_owned(),
        -2 => "0.01".to_owned(),
        _ => power_of_ten(log10),
    }
}

/// One decimal is finer than a pixel.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shipway_api::{ArmSide, SignalKind};
    use shipway_base::Timestamp;

    proptest! {
        #[test]
        fn any_evidence_is_drawn_within_its_frame(
            values in proptest::collection::vec((0_i64..10_000_000, -500.0_f64..500.0), 0..60),
            bound in 0.1_f64..6.0,
        ) {
            let history: Vec<EvidencePoint> = values
                .iter()
                .map(|&(at, log10_e)| EvidencePoint { at: Timestamp::from_millis(at), log10_e, log10_promote: Some(-log10_e) })
                .collect();
            let signal = SignalReport {
                signal: SignalKind::Failure,
                stable: ArmSide::default(),
                canary: ArmSide::default(),
                log10_e: 0.0,
                log10_bound: bound,
                alpha: 0.01,
                promote: Some((0.0, 1.3)),
                ratio: None,
                history,
            };
            let frame = Frame::new(&signal);
            for point in &signal.history {
                prop_assert!((LEFT..=WIDTH - RIGHT).contains(&frame.x(point.at.as_millis())));
                prop_assert!((TOP - 0.1..=HEIGHT - BOTTOM + 0.1).contains(&frame.y(point.log10_e)));
            }
            prop_assert!(frame.ticks().len() <= 12, "{:?}", frame.ticks());
            prop_assert!(!evidence(&signal).into_string().contains("NaN"));
        }
    }
}
