//! Where the processor's time went, as a flame graph: how wide a function is tells how often it was seen at work, what stands on it
//! was called by it. Source: B. Gregg, "The Flame Graph", ACM Queue 14 (2016).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::report::escaped;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 17.0;
/// What is narrower than this is not drawn.
const NARROWEST: f64 = 0.4;

/// Stacks that were seen, and what they weigh.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stacks {
    root: Frame,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Frame {
    weight: u64,
    calls: BTreeMap<String, Frame>,
}

impl Stacks {
    /// Returns the stacks in what `perf script -F comm,ip,sym` prints: a line with the name of the thread, then the innermost
    /// function first, one a line, then an empty line.
    pub fn from_perf_script(text: &str) -> Self {
        let mut stacks = Self::default();
        for sample in text.split("\n\n") {
            let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
            let Some(thread) = lines.next() else { continue };
            let mut frames: Vec<String> = lines.map(function).collect();
            frames.push(thread.trim().to_owned());
            frames.reverse();
            stacks.add(&frames, 1);
        }
        stacks
    }

    /// Returns the functions in what `callgrind_annotate --inclusive=yes` prints: one level, because it tells no stacks.
    pub fn from_callgrind(text: &str) -> Self {
        let mut stacks = Self::default();
        for line in text.lines() {
            let Some((weight, rest)) = line.trim_start().split_once(' ') else { continue };
            let Ok(weight) = weight.replace(',', "").parse::<u64>() else { continue };
            if let Some((_, name)) = rest.split_once(':') {
                stacks.add(&[shortened(name.split(" [").next().unwrap_or(name))], weight);
            }
        }
        stacks
    }

    fn add(&mut self, frames: &[String], weight: u64) {
        self.root.weight += weight;
        let mut frame = &mut self.root;
        for name in frames {
            frame = frame.calls.entry(name.clone()).or_default();
            frame.weight += weight;
        }
    }

    /// Returns whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.root.weight == 0
    }

    /// Returns the picture, as SVG that needs nothing else.
    pub fn svg(&self) -> String {
        let depth = depth(&self.root);
        let height = ROW * (depth as f64 + 2.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"11\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
        );
        draw(&mut svg, &self.root, self.root.weight, 0.0, height - ROW);
        svg.push_str("</svg>\n");
        svg
    }
}

fn depth(frame: &Frame) -> usize {
    frame.calls.values().map(|call| 1 + depth(call)).max().unwrap_or(0)
}

/// Draws what a frame called, from left to right, each with what it called above it.
fn draw(svg: &mut String, frame: &Frame, total: u64, left: f64, bottom: f64) {
    let mut left = left;
    for (name, call) in &frame.calls {
        let width = call.weight as f64 / total as f64 * WIDTH;
        if width >= NARROWEST {
            let share = call.weight as f64 / total as f64 * 100.0;
            let shown: String = name.chars().take((width / 6.5) as usize).collect();
            // Writing to a String cannot fail.
            let _ = write!(
                svg,
                "<g><title>{} ({share:.1} %)</title><rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{}\" \
                 fill=\"hsl({},75%,68%)\" stroke=\"#fff\" stroke-width=\".5\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
                escaped(name),
                bottom - ROW,
                ROW - 1.0,
                name.bytes().fold(0_u32, |hue, byte| (hue * 31 + u32::from(byte)) % 40) + 10,
                left + 3.0,
                bottom - 5.0,
                escaped(&shown)
            );
            draw(svg, call, total, left, bottom - ROW);
        }
        left += width;
    }
}

/// Returns the name in a line such as `  55d0c2 core::str::from_utf8+0x1f`.
fn function(line: &str) -> String {
    let name = line.trim_start().split_once(' ').map_or(line, |(_, name)| name);
    shortened(name.rsplit_once("+0x").map_or(name, |(name, _)| name))
}

/// Returns the name without the hash that the compiler puts at its end.
fn shortened(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            path.to_owned()
        }
        Some(_) | None => name.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_folded_and_drawn() {
        let script =
            "main\n  1f work::inner::h0123456789abcdef+0x4\n  2f work::outer\n\nmain\n  2f work::outer\n\n\n";
        let stacks = Stacks::from_perf_script(script);
        let main = &stacks.root.calls["main"];
        assert_eq!((main.weight, main.calls["work::outer"].weight), (2, 2));
        assert_eq!(main.calls["work::outer"].calls["work::inner"].weight, 1);
        let svg = stacks.svg();
        assert!(svg.contains("work::inner (50.0 %)") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(Stacks::from_perf_script("").is_empty());
    }

    #[test]
    fn counts_of_functions_make_one_level() {
        let text =
            "Ir\n1,200 (60.0%)  src/a.rs:work::outer [/bin/x]\n800 (40.0%)  ???:main [/bin/x]\nno count\n";
        let stacks = Stacks::from_callgrind(text);
        assert_eq!((stacks.root.weight, stacks.root.calls["work::outer"].weight), (2_000, 1_200));
    }
}
