//! Memory maps of files, and the processor's checksum instruction. This is the only unsafe code in
//! the crate.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::{Advice, MmapOptions};

/// Permission to map files, needed by [`LoadOptions::map`](crate::LoadOptions::map).
#[derive(Debug, Clone, Copy)]
pub struct FileMaps(());

impl FileMaps {
    /// Permits memory maps.
    ///
    /// # Safety
    ///
    /// While anything that was loaded through a map is alive, no process, including this one, may
    /// truncate or overwrite the files that were loaded. Touching a mapped page after the new end
    /// of a truncated file raises `SIGBUS`, which ends the process. Overwriting a page changes the
    /// bytes of a `&[u8]`. A writer that only appends is safe, and all writers of event files only
    /// append: bytes past the length that a file had when it was opened are not mapped.
    ///
    /// ```
    /// use tbx::{FileMaps, LoadOptions, Logdir};
    ///
    /// // SAFETY: nobody else writes to this directory while `loaded` lives.
    /// let maps = unsafe { FileMaps::allow() };
    /// let loaded = Logdir::open("fixtures/keras")?.load(&LoadOptions::new().map(maps))?;
    /// assert_eq!(loaded.runs.len(), 2);
    /// # Ok::<(), tbx::Error>(())
    /// ```
    pub unsafe fn allow() -> Self {
        Self(())
    }
}

/// Maps the first `len` bytes of `file`. Slices of the result share the map, which is unmapped when
/// the last of them is dropped.
///
/// # Errors
///
/// I/O errors from the operating system, for example because the file system does not support maps,
/// or an error if the file is shorter than `len`.
pub(crate) fn map(file: &File, len: usize, FileMaps(()): FileMaps) -> io::Result<Bytes> {
    if len == 0 {
        return Ok(Bytes::new()); // an empty map is an error on most systems
    }
    if usize::try_from(file.metadata()?.len()).is_ok_and(|found| found < len) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // SAFETY: the file has at least `len` bytes, and the caller of `FileMaps::allow` promised that
    // they stay.
    let map = unsafe { MmapOptions::new().len(len).map(file)? };
    // Unwanted records are skipped, so read-ahead would fetch them for nothing.
    #[cfg(unix)]
    map.advise(Advice::Random)?;
    Ok(Bytes::from_owner(map))
}

/// Longest input of [`crc32c`], in bytes, that is summed up here. Above that length, the crate
/// `crc32c` sums up three parts in parallel, which is faster.
const SHORT_LEN: usize = 767;

/// CRC-32C of `bytes`, without the mask.
///
/// Records of scalars have about 40 bytes and start at any address. The crate `crc32c` advances
/// byte by byte to the next address that is divisible by 8. The number of bytes differs from record
/// to record, so the processor mispredicts most of these branches, which costs more than the sum
/// itself.
#[inline]
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() <= SHORT_LEN && std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the check above found SSE 4.2.
        return unsafe { crc32c_sse42(bytes) };
    }
    crc32c::crc32c(bytes)
}

/// [`crc32c`] with one instruction per eight bytes, at any alignment.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn crc32c_sse42(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u16, _mm_crc32_u32, _mm_crc32_u64};

    let (words, mut rest) = bytes.as_chunks();
    let mut wide = u64::from(u32::MAX);
    for word in words {
        wide = _mm_crc32_u64(wide, u64::from_le_bytes(*word));
    }
    // The instruction zeroes the upper half.
    let mut crc = u32::try_from(wide).unwrap_or(0);
    if let Some((four, left)) = rest.split_first_chunk() {
        crc = _mm_crc32_u32(crc, u32::from_le_bytes(*four));
        rest = left;
    }
    if let Some((two, left)) = rest.split_first_chunk() {
        crc = _mm_crc32_u16(crc, u16::from_le_bytes(*two));
        rest = left;
    }
    if let Some(last) = rest.first() {
        crc = _mm_crc32_u8(crc, *last);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn checksums_equal_the_crates_at_every_length_and_alignment() {
        let bytes: Vec<u8> = (0..2000u32).map(|i| (i * i % 251) as u8).collect();
        for start in 0..8 {
            // Miri interprets; it takes some of the lengths.
            for len in (0..SHORT_LEN + 20).step_by(if cfg!(miri) { 31 } else { 1 }).chain([1500]) {
                let bytes = &bytes[start..start + len];
                assert_eq!(crc32c(bytes), crc32c::crc32c(bytes), "{len} bytes from {start}");
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not map files")]
    fn a_map_has_the_files_bytes_and_outlives_the_file_handle() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        // SAFETY: no other process uses these files.
        let maps = unsafe { FileMaps::allow() };
        assert!(map(&file, 11, maps).is_err());
        let bytes = map(&file, 8, maps).unwrap();
        drop(file);
        assert_eq!(&bytes[..], b"01234567");
        assert_eq!(&bytes.slice(2..4)[..], b"23");
        assert!(map(&tempfile::tempfile().unwrap(), 0, maps).unwrap().is_empty());
    }
}
