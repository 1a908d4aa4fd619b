//! The file of a metric in a folder `mlruns`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::{Point, issue};
use crate::error::{Effect, ErrorKind, Report};

/// Bytes of a line at most.
const MAX_LINE: u64 = 4096;
/// Points of a file at most: 50 million take 1.2 GB of memory.
const MAX_POINTS: usize = 50_000_000;

/// The points in a file of a metric, one per line: milliseconds, value and step. Very old lines have no
/// step; those of models and datasets have up to `max_others` words more, which `take` gets, too.
pub(super) fn points(
    path: &Path,
    max_others: usize,
    report: &mut Report,
    mut take: impl FnMut(Point, &[&str]),
) -> io::Result<()> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    let (mut seen, mut line, mut number) = (HashSet::new(), Vec::new(), 0u64);
    loop {
        line.clear();
        number += 1;
        if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = str::from_utf8(&line).unwrap_or_default().trim_end_matches(['\n', '\r']);
        match point(text, max_others) {
            Some((point, others)) => {
                if seen.len() >= MAX_POINTS {
                    let what = format!("line {number}: more than {MAX_POINTS} points");
                    issue(report, path, ErrorKind::Value(what), Effect::SkippedFile);
                    return Ok(());
                }
                // MLflow logs a model's metrics again.
                if seen.insert((point.step, point.timestamp, point.value.to_bits())) {
                    take(point, &others);
                }
            }
            None if text.is_empty() && line.len() == 1 => {}
            None => {
                let shown: String = String::from_utf8_lossy(&line).chars().take(60).collect();
                let what =
                    format!("line {number}: {:?} is no time, value and step", shown.trim_end());
                issue(report, path, ErrorKind::Value(what), Effect::SkippedValue);
                while !line.ends_with(b"\n") {
                    line.clear();
                    if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn point(line: &str, max_others: usize) -> Option<(Point, Vec<&str>)> {
    let mut words = line.split_ascii_whitespace();
    let (timestamp, value) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let step = words.next().map_or(Some(0), |step| step.parse().ok())?;
    let others: Vec<_> = words.take(max_others + 1).collect();
    (others.len() <= max_others).then_some((Point { step, timestamp, value }, others))
}
