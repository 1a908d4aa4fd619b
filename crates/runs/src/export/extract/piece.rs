//! The files for a value, and their entries in the index.

use bytes::Bytes;

use tbx::error::ErrorKind;
use tbx::summary::audio::header::Sound;
use tbx::summary::{Metadata, RawValue};

/// A part of the data to extract: a value, and the metadata of its series.
pub(super) struct Part<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) value: RawValue,
}

/// One file.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// The number among several files at the same step; `None` if it is the only one.
    pub(crate) number: Option<usize>,
    /// The extension of its name, without the dot.
    pub(crate) extension: &'static str,
    pub(crate) bytes: Bytes,
    pub(super) facts: Facts,
}

/// Facts for the index, as far as they are known and apply to the kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Width and height in pixels, from the image itself.
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

/// Maximum size of the files of a value: this multiple of the value's size, plus this number of
/// bytes.
const MOST: (usize, usize) = (64, 1 << 20);
/// Assumed overhead of a file in bytes.
const FILE_LEN: usize = 256;

/// Rejects files that are much larger than the value that they are made from. A single string or
/// number can fill a whole shape, and a small hostile log must not fill the disk.
pub(super) fn check_size(parts: &[Part<'_>], files: usize, bytes: usize) -> Result<(), ErrorKind> {
    let log = parts.iter().map(|part| part.value.bytes.len()).fold(0, usize::saturating_add);
    let size = files.saturating_mul(FILE_LEN).saturating_add(bytes);
    if size > log.saturating_mul(MOST.0).saturating_add(MOST.1) {
        let what = format!("{log} bytes would become {files} files with {bytes} bytes");
        return Err(ErrorKind::Value(what));
    }
    Ok(())
}

/// The total size of several blobs in bytes.
pub(super) fn total<'a>(blobs: impl IntoIterator<Item = &'a Bytes>) -> usize {
    blobs.into_iter().map(Bytes::len).fold(0, usize::saturating_add)
}
