//! Splits a large file into spans for threads.

use std::io;

use rayon::prelude::*;

use super::{Source, search};

/// Number of bytes after the ideal place in which a cut is searched for. If single records are
/// longer than this, there are fewer spans.
const REACH: u64 = 4 << 20;

/// Returns the start offsets of up to `spans` spans of about equal length in a file of `len` bytes,
/// which `source` opens. The first offset is 0.
///
/// Each offset looks like the start of a record, but a payload that contains records can look the
/// same. So the caller reads a span up to the first record boundary at or after the start of the
/// next span, and uses that next span only if the boundary is its start.
///
/// # Errors
///
/// I/O errors from the operating system.
pub fn split(len: u64, spans: u64, source: impl Fn() -> Source + Sync) -> io::Result<Vec<u64>> {
    let start = |i| {
        let ideal = u128::from(len) * u128::from(i) / u128::from(spans.max(1));
        let ideal = u64::try_from(ideal).unwrap_or(u64::MAX);
        search::header(&mut source(), ideal, ideal.saturating_add(REACH))
    };
    // Search in parallel, because reading from a remote file takes time.
    let found: Vec<_> = (1..spans).into_par_iter().map(start).collect::<io::Result<_>>()?;
    let mut starts = vec![0];
    starts.extend(found.into_iter().flatten());
    starts.dedup(); // needed if a record is longer than a span
    Ok(starts)
}
