//! Walks one event file record by record, for callers that need the records themselves.

use std::io;
use std::path::Path;

use crate::record::{Damage, FOOTER_LEN, HEADER_LEN, Scanner, Source, Step};
use crate::store::File;

/// A part of a file.
#[derive(Debug)]
pub enum Found<'a> {
    /// A record with valid checksums.
    Record {
        /// Offset of the record in the file.
        offset: u64,
        /// All its bytes, including header and footer.
        record: &'a [u8],
        /// The bytes between header and footer.
        payload: &'a [u8],
    },
    /// Damage; the walk continues after it.
    Damage(Damage),
}

/// Result of a walk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    /// The file's length in bytes when it was opened.
    pub bytes: u64,
    /// The length that was actually read; less than `bytes` if the file was truncated meanwhile.
    pub end: u64,
    /// Number of bytes of an unfinished record at its end: the writer is still at work, or died.
    pub pending: u64,
}

/// Passes every record of the file at `path`, with both checksums verified, and every damaged part
/// to `f`, in order.
///
/// Memory grows only with the longest record, not with the file.
///
/// # Errors
///
/// Errors of the operating system, including one if `path` is not a regular file; and the first
/// error of `f`.
///
/// ```
/// use tbx::logdir::{Found, walk};
///
/// let mut records = 0;
/// let path = "fixtures/torch/scalars/events.out.tfevents.1700000000.host.1.0";
/// let walked = walk(path.as_ref(), |found| {
///     records += u32::from(matches!(found, Found::Record { .. }));
///     Ok(())
/// })?;
/// assert_eq!((records, walked.pending), (21, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn walk(path: &Path, f: impl FnMut(Found<'_>) -> io::Result<()>) -> io::Result<Walked> {
    let (file, bytes) = File::open(path)?;
    let mut scanner = Scanner::new(Source::file(file, bytes, Vec::new()), 0);
    let pending = walk_span(&mut scanner, u64::MAX, f)?;
    let end = scanner.into_source().len();
    Ok(Walked { bytes, end, pending })
}

/// Passes the records that start before `end` to `f`. Returns the number of bytes of an unfinished
/// record at the file's end.
pub fn walk_span(
    scanner: &mut Scanner,
    end: u64,
    mut f: impl FnMut(Found<'_>) -> io::Result<()>,
) -> io::Result<u64> {
    loop {
        scanner.each_at_hand(end, usize::MAX, |offset, record, payload| {
            f(Found::Record { offset, record, payload })
        })?;
        if scanner.position() >= end {
            return Ok(0);
        }
        match scanner.advance()? {
            Step::Record { .. } => match scanner.payload()? {
                Ok(_) => {
                    let (offset, record) = (scanner.offset(), scanner.record());
                    let payload = record.get(HEADER_LEN..record.len().saturating_sub(FOOTER_LEN));
                    f(Found::Record { offset, record, payload: payload.unwrap_or(&[]) })?;
                }
                Err(damage) => f(Found::Damage(damage))?,
            },
            Step::Damage(damage) => f(Found::Damage(damage))?,
            Step::End { pending } => return Ok(pending),
        }
    }
}
