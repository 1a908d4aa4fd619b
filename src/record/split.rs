//! Cuts a big file into spans for threads.

use std::io;

use super::{Source, search};

/// A cut is looked for in so many bytes behind its ideal place. Where single records are
/// longer than this, fewer spans do.
const REACH: u64 = 4 << 20;

/// Start offsets of up to `spans` spans of about equal length; the first is 0.
///
/// Each start looks like a record's, which a payload that holds records itself can feign. So
/// the caller reads a span up to the first record boundary at or behind the next span's
/// start, and takes that next span only if the boundary is its start.
///
/// # Errors
///
/// Those of the operating system.
pub fn split(source: &mut Source, spans: u64) -> io::Result<Vec<u64>> {
    let mut starts = vec![0];
    let len = source.len();
    for i in 1..spans {
        let ideal = u128::from(len) * u128::from(i) / u128::from(spans.max(1));
        let ideal = u64::try_from(ideal).unwrap_or(u64::MAX);
        if starts.last().is_some_and(|last| *last >= ideal) {
            continue;
        }
        if let Some(start) = search::header(source, ideal, ideal.saturating_add(REACH))? {
            starts.push(start);
        }
    }
    Ok(starts)
}
