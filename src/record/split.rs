//! Cuts a big file into spans for threads.

use std::io;

use rayon::prelude::*;

use super::{Source, search};

/// A cut is looked for in so many bytes behind its ideal place. Where single records are
/// longer than this, fewer spans do.
const REACH: u64 = 4 << 20;

/// Start offsets of up to `spans` spans of about equal length of a file of `len` bytes, which
/// `source` gives; the first is 0.
///
/// Each start looks like a record's, which a payload that holds records itself can feign. So
/// the caller reads a span up to the first record boundary at or behind the next span's
/// start, and takes that next span only if the boundary is its start.
///
/// # Errors
///
/// Those of the operating system.
pub fn split(len: u64, spans: u64, source: impl Fn() -> Source + Sync) -> io::Result<Vec<u64>> {
    let start = |i| {
        let ideal = u128::from(len) * u128::from(i) / u128::from(spans.max(1));
        let ideal = u64::try_from(ideal).unwrap_or(u64::MAX);
        search::header(&mut source(), ideal, ideal.saturating_add(REACH))
    };
    // All at once, since a look at a remote file takes its time.
    let found: Vec<_> = (1..spans).into_par_iter().map(start).collect::<io::Result<_>>()?;
    let mut starts = vec![0];
    starts.extend(found.into_iter().flatten());
    starts.dedup(); // where a record is longer than a span
    Ok(starts)
}
