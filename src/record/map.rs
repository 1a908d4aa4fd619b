//! A file as bytes, without reading it: the only unsafe code of this crate.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::{Advice, MmapOptions};

/// Maps the first `len` bytes of `file`. Slices of the result share the map, which ends
/// with the last of them.
///
/// # Errors
///
/// Those of the operating system; some file systems cannot map.
///
/// # The hazard
///
/// If another program cuts the file short, touching a page behind its new end raises
/// `SIGBUS` and ends this process. Logs only grow in ordinary life, and this crate maps
/// only files whose payloads (images, audio, ...) a caller asked to keep; everything else
/// is read.
pub fn map(file: &File, len: usize) -> io::Result<Bytes> {
    if len == 0 {
        return Ok(Bytes::new()); // an empty map is an error on most systems
    }
    // SAFETY: a map is sound while nobody changes or cuts the file's mapped part. No
    // program can promise that for a file that others can open. Event files are only ever
    // appended to by their writers, which leaves mapped bytes alone; the crate's first page
    // tells callers of the rest, and `LoadOptions::buffered` avoids maps.
    let map = unsafe { MmapOptions::new().len(len).map(file)? };
    // Records that nobody wants are jumped over: read-ahead would fetch them for nothing.
    #[cfg(unix)]
    map.advise(Advice::Random)?;
    Ok(Bytes::from_owner(map))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_map_has_the_files_bytes_and_outlives_the_file_handle() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let bytes = map(&file, 8).unwrap();
        drop(file);
        assert_eq!(&bytes[..], b"01234567");
        assert_eq!(&bytes.slice(2..4)[..], b"23");
        assert!(map(&tempfile::tempfile().unwrap(), 0).unwrap().is_empty());
    }
}
