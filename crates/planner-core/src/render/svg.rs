//! A Gantt chart as an SVG picture: self-contained, and readable on light and dark ground.

use std::fmt::Write as _;

/// Bars over time, in lanes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gantt {
    /// What it shows.
    pub title: String,
    /// From top to bottom, usually one an agent.
    pub lanes: Vec<Lane>,
}

/// A named row of bars; those that overlap are stacked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lane {
    /// Its name, shown at its left.
    pub name: String,
    /// Its bars, in any order.
    pub bars: Vec<Bar>,
}

/// Something that took time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// When it began, in milliseconds from the left edge.
    pub start_ms: u64,
    /// When it ended.
    pub end_ms: u64,
    /// What it is, shown in it where it fits and when pointed at. Of many bars the picture is wider, so that most do.
    pub label: String,
    /// How it ended, which gives it its colour.
    pub kind: BarKind,
}

/// How what a bar shows has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BarKind {
    /// Not begun.
    Planned,
    /// Not ended.
    Running,
    /// Well.
    Done,
    /// An attempt that failed and was tried again.
    Retried,
    /// In a conflict with what others did.
    Conflict,
    /// Badly, and for good.
    Failed,
}

impl BarKind {
    /// All kinds, in the order of the legend.
    pub const ALL: [Self; 6] =
        [Self::Planned, Self::Running, Self::Done, Self::Retried, Self::Conflict, Self::Failed];

    /// Returns its name in the legend.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Done => "done",
            Self::Retried => "failed, retried",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Done => "done",
            Self::Retried => "retried",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
        }
    }
}

/// The width of a picture that fits a page.
const WIDTH: f64 = 1200.0;
/// The widest that programs still show without trouble.
const WIDTH_MAX: f64 = 16_000.0;
/// What a bar of middling length is given in a picture of so many that they would have no room for their labels on a page.
const LABEL_WIDTH: f64 = 64.0;
const MARGIN: f64 = 16.0;
/// Half of the widest tick label has its place beyond the last tick.
const RIGHT_MARGIN: f64 = 32.0;
const ROW: f64 = 22.0;
const LANE_GAP: f64 = 8.0;
const CHAR: f64 = 6.6;
const TICK_DISTANCE: f64 = 120.0;

/// Every rule is for the picture alone, because it may stand in a page that has texts and rules of its own.
const STYLE: &str = "
.gantt { --ink: #1f2328; --faint: #d8dee4; --ground: #ffffff; --band: #f6f8fa; }
@media (prefers-color-scheme: dark) { .gantt { --ink: #e6edf3; --faint: #30363d; --ground: #0d1117; --band: #161b22; } }
.gantt text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: var(--ink); }
.gantt .title { font-size: 16px; font-weight: 600; }
.gantt .ground { fill: var(--ground); } .gantt .band { fill: var(--band); } .gantt .tick { stroke: var(--faint); }
.gantt .bar text { font-size: 11px; fill: #ffffff; }
.gantt .bar.planned text { fill: var(--ink); }
.gantt .planned rect { fill: var(--faint); } .gantt .running rect { fill: #0969da; }
.gantt .done rect { fill: #1a7f37; } .gantt .retried rect { fill: #9a6700; }
.gantt .conflict rect { fill: #8250df; } .gantt .failed rect { fill: #cf222e; }
";

impl Gantt {
    /// Returns the picture.
    pub fn to_svg(&self) -> String {
        let lanes: Vec<Vec<Row<'_>>> = self.lanes.iter().map(|lane| rows(&lane.bars)).collect();
        let name_chars = self.lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(0).min(30);
        let left = MARGIN + name_chars as f64 * CHAR + 12.0;
        let end_ms = self.bars().map(|bar| bar.end_ms.max(bar.start_ms)).max().unwrap_or(0).max(1);
        let width = self.width(left, end_ms);
        let chart = Chart { left, end_ms, width };
        let kinds: Vec<BarKind> =
            BarKind::ALL.into_iter().filter(|kind| self.bars().any(|bar| bar.kind == *kind)).collect();
        let top = MARGIN + 62.0;
        let lane_height = |rows: &Vec<Row<'_>>| rows.len().max(1) as f64 * ROW + LANE_GAP;
        let bottom = top + lanes.iter().map(lane_height).sum::<f64>();
        let height = bottom + 30.0;

        let mut svg = String::new();
        let title = escape(&self.title);
        // A wide one is not to be shrunk to the page, but moved along.
        let size = if width > WIDTH {
            format!(" width=\"{width:.0}\" height=\"{height:.0}\"")
        } else {
            String::new()
        };
        write_to(
            &mut svg,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"gantt\"{size} viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{title}\">\n\
             <style>{STYLE}</style>\n<rect class=\"ground\" width=\"{width:.0}\" height=\"{height:.0}\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"{:.0}\">{title}</text>\n",
                MARGIN + 14.0
            ),
        );
        legend(&mut svg, &kinds);
        let mut y = top;
        for (place, rows) in lanes.iter().enumerate() {
            let height = lane_height(rows);
            if place % 2 == 0 {
                write_to(
                    &mut svg,
                    format_args!(
                        "<rect class=\"band\" x=\"0\" y=\"{y:.1}\" width=\"{width:.0}\" height=\"{height:.1}\"/>\n"
                    ),
                );
            }
            y += height;
        }
        chart.axis(&mut svg, top, bottom);
        let mut y = top;
        for (lane, rows) in self.lanes.iter().zip(&lanes) {
            write_to(
                &mut svg,
                format_args!(
                    "<text x=\"{MARGIN}\" y=\"{:.1}\">{}</text>\n",
                    y + LANE_GAP / 2.0 + 15.0,
                    escape(&shortened(&lane.name, name_chars))
                ),
            );
            for (number, row) in rows.iter().enumerate() {
                let row_y = y + LANE_GAP / 2.0 + number as f64 * ROW;
                for bar in &row.bars {
                    chart.bar(&mut svg, bar, row_y);
                }
            }
            y += lane_height(rows);
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Returns how wide the picture has to be: a page, or more where there are too many bars for one.
    fn width(&self, left: f64, end_ms: u64) -> f64 {
        let mut lengths: Vec<u64> = self.bars().map(|bar| bar.end_ms.saturating_sub(bar.start_ms)).collect();
        let middle = lengths.len() / 2;
        if lengths.is_empty() {
            return WIDTH;
        }
        let middling = (*lengths.select_nth_unstable(middle).1).max(1);
        let busiest = self.lanes.iter().map(|lane| lane.bars.len()).max().unwrap_or(0);
        let bars = (end_ms as f64 / middling as f64).min(busiest as f64);
        (left + bars * LABEL_WIDTH + RIGHT_MARGIN).clamp(WIDTH, WIDTH_MAX)
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.lanes.iter().flat_map(|lane| &lane.bars)
    }
}

struct Row<'b> {
    bars: Vec<&'b Bar>,
    end_ms: u64,
}

/// Returns as few rows as the bars need to not overlap.
fn rows(bars: &[Bar]) -> Vec<Row<'_>> {
    let mut sorted: Vec<&Bar> = bars.iter().collect();
    sorted.sort_by_key(|bar| (bar.start_ms, bar.end_ms));
    let mut rows: Vec<Row<'_>> = Vec::new();
    for bar in sorted {
        match rows.iter_mut().find(|row| row.end_ms <= bar.start_ms) {
            Some(row) => {
                row.bars.push(bar);
                row.end_ms = bar.end_ms;
            }
            None => rows.push(Row { bars: vec![bar], end_ms: bar.end_ms }),
        }
    }
    rows
}

fn legend(svg: &mut String, kinds: &[BarKind]) {
    let mut x = MARGIN;
    for kind in kinds {
        write_to(
            svg,
            format_args!(
                "<g class=\"{}\"><rect x=\"{x:.0}\" y=\"38\" width=\"12\" height=\"12\" rx=\"2\"/><text x=\"{:.0}\" y=\"48\">{}</text></g>\n",
                kind.class(),
                x + 18.0,
                kind.as_str()
            ),
        );
        x += 18.0 + kind.as_str().len() as f64 * CHAR + 18.0;
    }
}

/// The part of the picture that has a time scale.
struct Chart {
    left: f64,
    end_ms: u64,
    width: f64,
}

impl Chart {
    fn x(&self, ms: u64) -> f64 {
        self.left + ms as f64 / self.end_ms as f64 * (self.width - RIGHT_MARGIN - self.left)
    }

    fn axis(&self, svg: &mut String, top: f64, bottom: f64) {
        let step = tick_step(self.end_ms, (self.width / TICK_DISTANCE) as u64);
        for ms in (0..=self.end_ms / step).map(|tick| tick * step) {
            let x = self.x(ms);
            write_to(
                svg,
                format_args!(
                    "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{bottom:.1}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                    bottom + 18.0,
                    duration(ms)
                ),
            );
        }
    }

    fn bar(&self, svg: &mut String, bar: &Bar, y: f64) {
        let end_ms = bar.end_ms.max(bar.start_ms);
        let x = self.x(bar.start_ms);
        // What took next to no time is still to be seen.
        let width = (self.x(end_ms) - x - 1.0).max(1.5);
        write_to(
            svg,
            format_args!(
                "<g class=\"bar {}\"><title>{} ({}): {} to {}, {}</title>\
             <rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"3\"/>",
                bar.kind.class(),
                escape(&bar.label),
                bar.kind.as_str(),
                duration(bar.start_ms),
                duration(end_ms),
                duration(end_ms - bar.start_ms),
                y + 2.0,
                ROW - 4.0
            ),
        );
        let chars = ((width - 8.0) / CHAR).max(0.0) as usize;
        if chars >= 3 {
            let label = escape(&shortened(&bar.label, chars));
            write_to(svg, format_args!("<text x=\"{:.1}\" y=\"{:.1}\">{label}</text>", x + 4.0, y + 15.0));
        }
        svg.push_str("</g>\n");
    }
}

/// Returns the distance of ticks: a round one that gives about so many of them.
fn tick_step(end_ms: u64, ticks: u64) -> u64 {
    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const STEPS: [u64; 27] = [
        1,
        2,
        5,
        10,
        20,
        50,
        100,
        200,
        500,
        1_000,
        2_000,
        5_000,
        10_000,
        15_000,
        30_000,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        4 * HOUR,
        8 * HOUR,
        12 * HOUR,
        DAY,
    ];
    let least = end_ms.div_ceil(ticks);
    STEPS.into_iter().find(|step| *step >= least).unwrap_or_else(|| least.div_ceil(DAY) * DAY)
}

/// Returns a time as its two greatest units: `250ms`, `1.5s`, `2m 30s`, `4h`, `3d 4h`.
fn duration(ms: u64) -> String {
    let two = |great: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{great}{unit}"),
        small => format!("{great}{unit} {small}{small_unit}"),
    };
    let (seconds, minutes, hours) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    match ms {
        0 => "0".to_owned(),
        1..1_000 => format!("{ms}ms"),
        1_000..60_000 => {
            let text = format!("{:.2}", ms as f64 / 1_000.0);
            format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
        }
        60_000..3_600_000 => two(minutes, "m", seconds % 60, "s"),
        3_600_000..86_400_000 => two(hours, "h", minutes % 60, "m"),
        _ => two(hours / 24, "d", hours % 24, "h"),
    }
}

fn shortened(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(['…']).collect()
}

/// Returns the text as XML takes it; control characters, which XML forbids, become a sign of their own.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ if character.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn write_to(svg: &mut String, text: std::fmt::Arguments<'_>) {
    svg.write_fmt(text).expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(start_ms: u64, end_ms: u64, label: &str, kind: BarKind) -> Bar {
        Bar { start_ms, end_ms, label: label.to_owned(), kind }
    }

    #[test]
    fn bars_are_drawn_in_their_lanes_with_a_legend_of_what_is_there() {
        let gantt = Gantt {
            title: "Run <1>".to_owned(),
            lanes: vec![
                Lane {
                    name: "ann & bob".to_owned(),
                    bars: vec![
                        bar(0, 60_000, "a", BarKind::Done),
                        bar(30_000, 90_000, "\"b\"\u{1b}[31m", BarKind::Retried),
                        bar(60_000, 60_000, "c", BarKind::Done),
                    ],
                },
                Lane::default(),
            ],
        };
        let svg = gantt.to_svg();
        assert_eq!(svg, gantt.to_svg());
        assert_eq!(svg.matches("class=\"bar ").count(), 3);
        assert_eq!(svg.matches("<title>").count(), 3);
        assert!(svg.contains("aria-label=\"Run &lt;1&gt;\""));
        assert!(svg.contains("ann &amp; bob"));
        assert!(
            svg.contains("<title>&quot;b&quot;\u{fffd}[31m (failed, retried): 30s to 1m 30s, 1m</title>")
        );
        assert!(svg.contains(">failed, retried</text>") && !svg.contains(">conflict</text>"));
        assert!(svg.contains(">1m 10s</text>"), "a tick");
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
    }

    #[test]
    fn overlapping_bars_are_stacked() {
        let bars =
            [(0, 10), (5, 15), (10, 20), (12, 13)].map(|(start, end)| bar(start, end, "x", BarKind::Planned));
        assert_eq!(rows(&bars).len(), 3);
    }

    #[test]
    fn a_thousand_bars_have_room_for_their_labels() {
        let bars = (0..125).map(|at| bar(at * 10, at * 10 + 10, &format!("task-{at}"), BarKind::Planned));
        let lane = Lane { name: "ann".to_owned(), bars: bars.collect() };
        let svg = Gantt { title: String::new(), lanes: vec![lane; 8] }.to_svg();
        assert_eq!(svg.matches(">task-").count(), 2000, "each is named in its bar and when pointed at");
        assert!(svg.contains("width=\"8"), "it is not shrunk to a page");
    }

    #[test]
    fn nothing_is_a_picture_too() {
        assert!(Gantt::default().to_svg().ends_with("</svg>\n"));
    }

    #[test]
    fn times_are_told_in_two_units() {
        let told = [0, 250, 1_500, 150_000, 14_400_000, 273_600_000].map(duration);
        assert_eq!(told, ["0", "250ms", "1.5s", "2m 30s", "4h", "3d 4h"]);
        assert_eq!(
            [1, 999, 60_000, 3_600_000, u64::MAX / 2].map(|end| tick_step(end, 10))[..4],
            [1, 100, 10_000, 600_000]
        );
    }
}
