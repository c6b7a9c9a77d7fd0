//! Charts as inline SVG: no script is needed to read them, and every point tells its value to whoever hovers over it.

use std::fmt::Write as _;

use crate::series::Unit;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// How many moments are marked at the most.
const MOMENTS_MAX: usize = 200;

/// A figure at a place: where its value lies, and what the middle is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark {
    pub(super) x: f64,
    pub(super) low: f64,
    pub(super) middle: f64,
    pub(super) high: f64,
}

/// Returns text in which nothing is markup.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() && c != '\n' => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// The way from values to places.
struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    /// Returns a scale from zero, or from the least where that is below.
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) =
            values.fold((0.0_f64, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
        let most = if most > least { most } else { least + 1.0 };
        Self { from: least, to: least + (most - least) * 1.05 }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }
}

fn y(scale: &Scale, value: f64) -> f64 {
    HEIGHT - BOTTOM - scale.share(value) * (HEIGHT - TOP - BOTTOM)
}

fn x(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn open(label: &str, class: &str) -> String {
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escaped(label)
    )
}

/// Draws the lines that values are read off at.
fn draw_grid(svg: &mut String, scale: &Scale, unit: Unit) {
    for step in 0..=4 {
        let value = scale.from + (scale.to - scale.from) * f64::from(step) / 4.0;
        let at = y(scale, value);
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            escaped(&unit.format(value))
        );
    }
}

/// Returns a curve over numbers, such as of tasks or agents, with the interval of every point.
pub(super) fn curve(label: &str, unit: Unit, marks: &[Mark]) -> String {
    let scale = Scale::over(marks.iter().map(|mark| mark.high));
    let mut svg = open(label, "chart curve");
    draw_grid(&mut svg, &scale, unit);
    let place = |index: usize| x((index as f64 + 0.5) / marks.len() as f64);
    let line: Vec<String> = marks
        .iter()
        .enumerate()
        .map(|(index, mark)| format!("{:.1},{:.1}", place(index), y(&scale, mark.middle)))
        .collect();
    let _ = write!(svg, "<polyline class=\"line\" points=\"{}\"/>", line.join(" "));
    for (index, mark) in marks.iter().enumerate() {
        let (at, low, high) = (place(index), y(&scale, mark.low), y(&scale, mark.high));
        let told = format!(
            "{}: {} ({} to {})",
            mark.x,
            unit.format(mark.middle),
            unit.format(mark.low),
            unit.format(mark.high)
        );
        let _ = write!(
            svg,
            "<g class=\"mark\"><line class=\"whisker\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{low:.1}\" y2=\"{high:.1}\"/>\
             <circle cx=\"{at:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}</title></circle></g>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y(&scale, mark.middle),
            escaped(&told),
            HEIGHT - 8.0,
            mark.x
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Returns values over time, with moments marked at the bottom. Whoever hovers reads a point's time and value from
/// `data-points`, which a script shows; the peak is written out for those without one. A longer series keeps the greatest of each
/// of so many stretches.
pub(super) fn over_time(
    label: &str,
    unit: Unit,
    points: &[(f64, f64)],
    moments: &[f64],
    points_max: usize,
) -> String {
    let points = downsampled(points, points_max);
    let end = points.last().map_or(1.0, |point| point.0).max(f64::MIN_POSITIVE);
    let scale = Scale::over(points.iter().map(|point| point.1));
    let peak = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let mut svg = open(&format!("{label}; at most {}", unit.format(peak)), "chart time");
    draw_grid(&mut svg, &scale, unit);
    let line: Vec<String> =
        points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(at / end), y(&scale, *value))).collect();
    let data: Vec<String> =
        points.iter().map(|(at, value)| format!("{at:.1}s {}", unit.format(*value))).collect();
    let _ = write!(
        svg,
        "<polyline class=\"line\" points=\"{}\" data-points=\"{}\"/>",
        line.join(" "),
        escaped(&data.join("|"))
    );
    for moment in moments.iter().take(points_max.min(MOMENTS_MAX)) {
        let at = x((moment / end).clamp(0.0, 1.0));
        let _ = write!(
            svg,
            "<line class=\"pause\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"><title>pause at {moment:.1} s</title></line>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 8.0
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">0 s</text><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{end:.0} s</text>\
         <line class=\"cross\" x1=\"0\" x2=\"0\" y1=\"{TOP}\" y2=\"{:.1}\" visibility=\"hidden\"/></svg>",
        HEIGHT - 6.0,
        WIDTH - RIGHT,
        HEIGHT - 6.0,
        HEIGHT - BOTTOM
    );
    svg
}

/// Keeps the greatest of each stretch, so that no peak is lost.
fn downsampled(points: &[(f64, f64)], points_max: usize) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(points_max).max(1);
    points.chunks(size).filter_map(|chunk| chunk.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_mark_for_every_figure() {
        let mark = |x: f64| Mark { x, low: x, middle: x * 1.5, high: x * 2.0 };
        let svg = curve("a <curve>", Unit::Seconds, &[mark(1.0), mark(2.0), mark(4.0)]);
        assert_eq!(svg.matches("class=\"mark\"").count(), 3);
        assert!(svg.contains("a &lt;curve&gt;") && svg.contains("4: 6.000 s (4.000 s to 8.000 s)"), "{svg}");
    }

    #[test]
    fn a_long_series_keeps_its_peak() {
        let mut points: Vec<(f64, f64)> = (0..5000).map(|n| (f64::from(n), 1.0)).collect();
        points[1234].1 = 99.0;
        let short = downsampled(&points, 240);
        assert!(short.len() <= 240);
        assert!(short.contains(&(1234.0, 99.0)));
        let svg = over_time("memory", Unit::Bytes, &points, &[10.0], 240);
        assert!(svg.contains("at most 99.000 B") && svg.contains("pause at 10.0 s"));
        assert!(svg.len() < 12_000, "{}", svg.len());
    }

    #[test]
    fn one_constant_point_is_drawn_too() {
        let svg = over_time("x", Unit::Count, &[(0.0, 0.0)], &[], 240);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
