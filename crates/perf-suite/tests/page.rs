//! A report in a real browser: charts have marks, and nothing is complained of.
//!
//! Needs Chromium, which `cargo xtask browser` installs; built only with the feature `browser`.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::path::Path;
use std::process::{Command, Output};

use perf_suite::report::{read_json, write_html};

/// A report with a curve, a series over time and pauses.
fn page() -> String {
    let series: Vec<_> = [10, 100, 1000]
        .iter()
        .map(|tasks| {
            let samples: Vec<f64> = (0..12).map(|n| f64::from(*tasks) * (1.0 + f64::from(n) / 100.0) / 1e5).collect();
            serde_json::json!({ "metric": format!("load/{tasks}"), "what": "all of it", "unit": "seconds", "samples": samples })
        })
        .collect();
    let usage: Vec<_> = (0..100)
        .map(|n| {
            serde_json::json!({
                "at": f64::from(n) / 10.0, "resident": 50_000_000 + n * 1_000_000, "virtual_memory": 0, "anonymous": 0,
                "cpu": f64::from(n) / 15.0, "cpu_children": 0.0, "read": 0, "written": 0, "switches_voluntary": 0,
                "switches_forced": 0, "threads": 1, "files": 3, "children": 0, "received": 0, "sent": 0
            })
        })
        .collect();
    let report = serde_json::json!({
        "version": 2, "began_at_ms": 1_790_000_000_000_u64, "profile": "quick", "is_complete": true,
        "build": { "version": "0.1.0", "commit": null },
        "machine": {
            "cpu": "Example", "cores_physical": 1, "cores_logical": 2, "memory_bytes": 1, "system": "Example",
            "load_average": 0.5, "file_system": "ext4"
        },
        "scenarios": [{
            "id": "BENCH-001", "statement": "loading", "truncated": false, "failure": null, "notes": ["a note"],
            "series": series, "tail_explained": 0.5,
            "usage": { "samples": usage, "taken": 100, "seconds": 10.0, "own_cpu": 0.01, "interval_max": 0.1 },
            "pauses": [{ "kind": "platform", "at": 3.0, "length": 0.05 }]
        }]
    });
    let mut page = Vec::new();
    write_html(&read_json(&report.to_string()).unwrap(), &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

fn chromium(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--window-size=1000,1400",
        ])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", folder.join("report.html").display()))
        .output()
        .expect("chromium is there: `cargo xtask browser` installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints: Vec<_> = log.lines().filter(|line| line.contains(":CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    output
}

#[test]
fn charts_show_in_a_browser_and_nothing_is_complained_of() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("report.html"), page()).unwrap();
    let dom = String::from_utf8(chromium(folder.path(), &["--dump-dom"]).stdout).unwrap();
    assert_eq!(dom.matches("class=\"mark\"").count(), 3, "{dom}");
    assert_eq!(dom.matches("class=\"told\"").count(), 2, "the script has run for both series over time");
    let picture = folder.path().join("page.png");
    chromium(
        folder.path(),
        &[&format!("--screenshot={}", picture.display()), "--blink-settings=preferredColorScheme=1"],
    );
    let pixels = pixels(&std::fs::read(&picture).unwrap());
    // The accent of the light page, which only charts use.
    let accent = pixels.iter().filter(|pixel| **pixel == [0x0b, 0x62, 0xa8]).count();
    assert!(accent > 300, "{accent} pixels of lines and points");
}

/// Returns the pixels of a PNG of eight bits a channel that is not interlaced: what browsers write.
fn pixels(png: &[u8]) -> Vec<[u8; 3]> {
    let (mut at, mut data, mut header) = (8, Vec::new(), None);
    while at + 8 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        let (kind, chunk) = (&png[at + 4..at + 8], &png[at + 8..at + 8 + length]);
        match kind {
            b"IHDR" => header = Some(chunk.to_vec()),
            b"IDAT" => data.extend_from_slice(chunk),
            _ => {}
        }
        at += 12 + length;
    }
    let header = header.unwrap();
    let side = |from: usize| u32::from_be_bytes(header[from..from + 4].try_into().unwrap()) as usize;
    let (width, height) = (side(0), side(4));
    let channels = match (header[8], header[9], header[12]) {
        (8, 2, 0) => 3,
        (8, 6, 0) => 4,
        other => panic!("a PNG of another kind: {other:?}"),
    };
    let mut raw = vec![0; height * (1 + width * channels)];
    libdeflater::Decompressor::new().zlib_decompress(&data, &mut raw).unwrap();
    let mut before = vec![0_u8; width * channels];
    let mut pixels = Vec::with_capacity(width * height);
    for row in raw.chunks_exact(1 + width * channels) {
        let mut line = row[1..].to_vec();
        for index in 0..line.len() {
            let left = if index >= channels { line[index - channels] } else { 0 };
            let corner = if index >= channels { before[index - channels] } else { 0 };
            let above = before[index];
            let predicted = match row[0] {
                0 => 0,
                1 => left,
                2 => above,
                3 => u8::midpoint(left, above),
                4 => paeth(left, above, corner),
                other => panic!("no filter of PNG: {other}"),
            };
            line[index] = line[index].wrapping_add(predicted);
        }
        pixels.extend(line.chunks_exact(channels).map(|pixel| [pixel[0], pixel[1], pixel[2]]));
        before = line;
    }
    pixels
}

/// Returns the neighbour nearest to what the three of them would extrapolate to, as the format defines it.
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(above) - i16::from(corner);
    let distance = |value: u8| (guess - i16::from(value)).abs();
    [left, above, corner].into_iter().min_by_key(|value| distance(*value)).unwrap()
}
