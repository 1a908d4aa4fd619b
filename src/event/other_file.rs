//! Distinguishes event files from other files that have `tfevents` in their names.
//!
//! TensorBoard takes all of them for logs (`io_wrapper.py`, `IsTensorFlowEventsFile`). This module
//! is the only place that decides; all code that reads, edits, repairs or packs logs uses it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::file_name::{is_event_file, is_log_name};
use crate::error::{Effect, ErrorKind, Issue, Location, OtherFile};
use crate::record::{Source, holds_records};
use crate::store::File;

/// Number of bytes at a file's start that identify it, if it holds no records.
const MAGIC_LEN: usize = 1 << 10;
/// Offset of the magic of a tar archive (POSIX.1-1988, `ustar`).
const TAR_MAGIC: usize = 257;

/// Returns the type of `source`, or `None` if it is an event file: one that holds records, or may
/// hold them once it has grown.
///
/// Formats that can store other files unchanged are checked before records, because a tar archive
/// of logs contains records.
///
/// # Errors
///
/// I/O errors from the operating system or the server.
pub fn other_file(source: &mut Source) -> io::Result<Option<OtherFile>> {
    let start = source.at(0, MAGIC_LEN)?;
    let (container, label) = (container(start), label(start));
    if container.is_some() || holds_records(source)? {
        return Ok(container);
    }
    Ok(Some(label.unwrap_or(OtherFile::Unknown)))
}

/// Returns the type of the file at `path`, or `None` if it is an event file.
///
/// # Errors
///
/// The same as for [`other_file`].
pub fn other_file_at(path: &Path) -> io::Result<Option<OtherFile>> {
    let (file, len) = File::open(path)?;
    other_file(&mut Source::file(file, len, Vec::new()))
}

/// The issue reported for the file at `path`, which is of type `other`.
///
/// It counts as a loss if a log was expected there: the file contains or points to one, its name is
/// exactly what programs call their logs, or its name does not contain `tfevents` at all. Any other
/// file merely lies next to logs and is not one of them.
pub fn other_file_issue(path: Arc<Path>, other: OtherFile) -> Issue {
    let name = path.file_name().unwrap_or_default();
    let is_lost = other.stands_for_log() || is_log_name(name) || !is_event_file(name);
    let effect = if is_lost { Effect::SkippedFile } else { Effect::LeftAlone };
    Issue { location: Location::of(path), kind: ErrorKind::NotEventFile(other), effect }
}

/// Identifies a format that may hold whole logs, stored or compressed, by its magic.
fn container(start: &[u8]) -> Option<OtherFile> {
    use OtherFile::{Archive, Compressed};
    Some(match start {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Archive("zip"),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Archive("7z"),
        [b'R', b'a', b'r', b'!', 0x1a, 7, ..] => Archive("rar"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compressed("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compressed("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => {
            Compressed("bzip2")
        }
        [0x04, 0x22, 0x4d, 0x18, ..] => Compressed("lz4"),
        [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Compressed("snappy"),
        [0x1f, 0x8b, 8, ..] if is_gzip(start) => Compressed("gzip"),
        _ if start.get(TAR_MAGIC..).is_some_and(|rest| rest.starts_with(b"ustar")) => {
            Archive("tar")
        }
        _ => return None,
    })
}

/// Returns whether `start`, which has the magic of gzip, continues as gzip: with only defined
/// flags, and a deflate block (RFC 1952, 2.3; RFC 1951, 3.2.3 and 3.2.4). A log may begin with a
/// few wrong bytes that look like the magic.
fn is_gzip(start: &[u8]) -> bool {
    const CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAMES: u8 = 8 | 16; // of the file, and a comment
    let Some((&[_, _, _, flags, ..], mut rest)) = start.split_first_chunk::<10>() else {
        return true; // too short for anything else
    };
    if flags & 0xe0 != 0 {
        return false;
    }
    if flags & EXTRA != 0 {
        let Some((len, behind)) = rest.split_first_chunk() else { return true };
        rest = behind.get(usize::from(u16::from_le_bytes(*len))..).unwrap_or(&[]);
    }
    for _ in 0..(flags & NAMES).count_ones() {
        let end = rest.iter().position(|byte| *byte == 0);
        rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or(&[]);
    }
    if flags & CRC != 0 {
        rest = rest.get(2..).unwrap_or(&[]);
    }
    match *rest {
        // A stored block has its length followed by the length's complement.
        [kind, l0, l1, n0, n1, ..] if kind >> 1 & 3 == 0 => [l0, l1] == [!n0, !n1],
        [kind, ..] => kind >> 1 & 3 < 3,
        [] => true,
    }
}

/// Identifies a file without records by its first bytes.
fn label(start: &[u8]) -> Option<OtherFile> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let begins =
        |with: &[u8]| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    Some(match start {
        // AppleDouble, and AppleSingle.
        [0, 5, 0x16, 7 | 0, ..] => OtherFile::AppleDouble,
        // zlib (RFC 1950): TFRecord files may be compressed with it as a whole.
        [cmf @ 0x78, flags, ..] if u16::from_be_bytes([*cmf, *flags]).is_multiple_of(31) => {
            OtherFile::Compressed("zlib")
        }
        _ if begins(b"version https://git-lfs.github.com/spec/") => OtherFile::LfsPointer,
        _ if begins(b"/annex/objects/") => OtherFile::AnnexPointer,
        _ if begins(b"<!doctype html") || begins(b"<html") => OtherFile::WebPage,
        _ => return None,
    })
}
