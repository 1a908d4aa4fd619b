//! What a value becomes: files, and what the index says of each.

use bytes::Bytes;

use tbx::error::ErrorKind;
use tbx::summary::audio::header::Sound;
use tbx::summary::{Metadata, RawValue};

/// A part of what is extracted: a value, and what the log says of its series.
pub(super) struct Part<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) value: RawValue,
}

/// One file.
#[derive(Debug, Default)]
pub(in crate::export) struct Piece {
    /// Which of several at the same step; none if it is the only one.
    pub(in crate::export) number: Option<usize>,
    /// What stands behind the dot of its name.
    pub(in crate::export) extension: &'static str,
    pub(in crate::export) bytes: Bytes,
    pub(super) facts: Facts,
}

/// What the index says of a file, as far as it is known and makes sense for its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Width and height in pixels, as the picture itself says.
    pub(super) size: Option<(u32, u32)>,
    pub(super) sound: Option<Sound>,
    /// The type of elements.
    pub(super) dtype: Option<&'static str>,
    pub(super) shape: Option<Vec<usize>>,
}

/// A file that was written.
pub(super) struct Written {
    /// Its name after the run's prefix.
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) facts: Facts,
}

/// Pieces of several blobs, numbered if there is more than one.
pub(super) fn numbered(
    blobs: impl IntoIterator<Item = Bytes, IntoIter: ExactSizeIterator>,
    piece: impl Fn(Bytes) -> Piece,
) -> Vec<Piece> {
    let blobs = blobs.into_iter();
    let several = blobs.len() > 1;
    let number = |i| several.then_some(i);
    blobs.enumerate().map(|(i, blob)| Piece { number: number(i), ..piece(blob) }).collect()
}

/// So many times the bytes of a value may its files have, and so many more.
const MOST: (usize, usize) = (64, 1 << 20);
/// So many bytes is a file taken to have besides its content.
const FILE_LEN: usize = 256;

/// Refuses files that are much larger than what they are made of: one string or number may stand
/// for all of a shape, and a small hostile log must not fill the disk.
pub(super) fn check_size(parts: &[Part<'_>], files: usize, bytes: usize) -> Result<(), ErrorKind> {
    let log = parts.iter().map(|part| part.value.bytes.len()).fold(0, usize::saturating_add);
    let size = files.saturating_mul(FILE_LEN).saturating_add(bytes);
    if size > log.saturating_mul(MOST.0).saturating_add(MOST.1) {
        let what = format!("{log} bytes that would become {files} files of {bytes} bytes");
        return Err(ErrorKind::Value(what));
    }
    Ok(())
}

/// The bytes of several blobs together.
pub(super) fn total<'a>(blobs: impl IntoIterator<Item = &'a Bytes>) -> usize {
    blobs.into_iter().map(Bytes::len).fold(0, usize::saturating_add)
}
