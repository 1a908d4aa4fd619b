//! The bytes of a Parquet file, with a limit on what a page may unpack to.

use std::io::{self, Read};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use tbx::store::File;

/// Maximum size in bytes of an unpacked page. The exporter's writer ends pages at a megabyte, after at most 1024
/// values.
const MAX_PAGE: i64 = 256 << 20;
/// Maximum size in bytes of what is read at once: a page, or the description of the file.
const MAX_READ: usize = 256 << 20;
/// Number of bytes that are read ahead, for the header of a page.
const HEAD: usize = 256;
/// The start of a field of a Thrift structure in the compact form: the next field, a 32-bit number.
const NEXT_INT: u8 = 0x15;
/// The same for a list, the type of an element, and the count that says that the number of elements follows.
const NEXT_LIST: u8 = 0x19;
const STRUCTURE: u8 = 0x0c;
const LONG: u8 = 15;
/// Number of bytes after the description of the file, at its end, and the last of them.
const END: usize = 8;
const MAGIC: &[u8; 4] = b"PAR1";
/// Maximum number of elements of a schema. The exporter's has 26.
const MAX_ELEMENTS: u64 = 200;

/// A file.
pub(super) struct ParquetFile {
    file: File,
    len: u64,
}

impl ParquetFile {
    /// The file, if its schema is not so large that the crate, which reads it by recursion, would overflow the stack.
    pub(super) fn new((file, len): (File, u64)) -> Result<Self> {
        let mut end = [0; END];
        let at = len.checked_sub(8).ok_or_else(no_parquet)?;
        file.read_exact_at(&mut end, at)?;
        let [a, b, c, d, magic @ ..] = end;
        let start = at.checked_sub(u64::from(u32::from_le_bytes([a, b, c, d])));
        let start = start.filter(|_| magic == *MAGIC).ok_or_else(no_parquet)?;
        let mut head = vec![0; usize::try_from(at.saturating_sub(start)).unwrap_or(HEAD).min(HEAD)];
        file.read_exact_at(&mut head, start)?;
        match elements(&head) {
            Some(1..=MAX_ELEMENTS) => Ok(Self { file, len }),
            Some(count) => {
                let what = format!("its schema has {count} elements, the limit is {MAX_ELEMENTS}");
                Err(ParquetError::General(what))
            }
            None => Err(no_parquet()),
        }
    }
}

fn no_parquet() -> ParquetError {
    ParquetError::General("it does not end like a Parquet file".into())
}

/// The number of elements of the schema, from the start of the description of a file: its version, and a list of
/// structures (`FileMetaData` in `parquet.thrift`).
fn elements(head: &[u8]) -> Option<u64> {
    let (_, rest) = number(head.strip_prefix(&[NEXT_INT])?)?;
    let (list, rest) = rest.strip_prefix(&[NEXT_LIST])?.split_first()?;
    match (list & 0x0f, list >> 4) {
        (STRUCTURE, LONG) => Some(unsigned(rest)?.0),
        (STRUCTURE, count) => Some(count.into()),
        _ => None,
    }
}

impl Length for ParquetFile {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for ParquetFile {
    type T = Ahead;

    fn get_read(&self, start: u64) -> Result<Ahead> {
        let len = usize::try_from(self.len.saturating_sub(start)).unwrap_or(HEAD).min(HEAD);
        let mut head = vec![0; len];
        self.file.read_exact_at(&mut head, start)?;
        check(&head)?;
        let at = start.saturating_add(u64::try_from(len).unwrap_or_default());
        Ok(Ahead { head: io::Cursor::new(head), file: self.file.clone(), at })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = u64::try_from(length).ok().and_then(|length| start.checked_add(length));
        if end.is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF("it ends before its data does".into()));
        }
        if length > MAX_READ {
            return Err(ParquetError::General(format!(
                "a part of {length} bytes, which is too large"
            )));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// A file from some place on. Its first bytes were read already.
pub(super) struct Ahead {
    head: io::Cursor<Vec<u8>>,
    file: File,
    at: u64,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.head.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let read = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or_default());
        Ok(read)
    }
}

/// Refuses the header of a page that unpacks to too many bytes, as memory is allocated for what it says. A header
/// begins with the kind, the size after unpacking and the size before it (`PageHeader` in `parquet.thrift`).
fn check(head: &[u8]) -> Result<()> {
    // The end of the file is read in the same way.
    if head.len() == END && head.ends_with(MAGIC) {
        return Ok(());
    }
    let size = || -> Option<i64> {
        let rest = head.strip_prefix(&[NEXT_INT])?;
        let (_, rest) = number(rest)?;
        Some(number(rest.strip_prefix(&[NEXT_INT])?)?.0)
    };
    match size() {
        Some(size) if (0..=MAX_PAGE).contains(&size) => Ok(()),
        Some(size) => {
            let what = format!("a page unpacks to {size} bytes, the limit is {MAX_PAGE}");
            Err(ParquetError::General(what))
        }
        None => Err(ParquetError::General("a page without a valid header".into())),
    }
}

/// A signed number in the compact form, and what follows it.
fn number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (value, rest) = unsigned(bytes)?;
    let half = i64::try_from(value >> 1).ok()?;
    let number = if value & 1 == 0 { half } else { half.checked_neg()?.checked_sub(1)? };
    Some((number, rest))
}

/// An unsigned number in the compact form, and what follows it.
fn unsigned(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(at).ok()?.checked_mul(7)?;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at.checked_add(1)?..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_claims_too_much_is_refused() {
        // Kind 0, 1000 bytes, 100 bytes packed.
        check(&[0x15, 0x00, 0x15, 0xd0, 0x0f, 0x15, 0xc8, 0x01]).unwrap();
        // 2^31 - 1 bytes, and -1 bytes.
        let said = check(&[0x15, 0x00, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f]).unwrap_err();
        assert!(said.to_string().contains("2147483647 bytes"), "{said}");
        check(&[0x15, 0x00, 0x15, 0x01]).unwrap_err();
        // Fields with their numbers written out.
        check(&[0x05, 0x02, 0x00, 0x05, 0x04, 0x02]).unwrap_err();
        for damaged in [&[][..], &[0x15], &[0x15, 0x80], &[0x15, 0, 0x15, 0x80, 0x80]] {
            check(damaged).unwrap_err();
        }
    }

    #[test]
    fn a_schema_with_many_elements_is_refused() {
        assert_eq!(elements(&[0x15, 4, 0x19, 0x3c, 0x48]), Some(3));
        assert_eq!(elements(&[0x15, 4, 0x19, 0xfc, 0xa0, 0x8d, 0x06, 0x48]), Some(100_000));
        for damaged in [&[][..], &[0x15, 4], &[0x15, 4, 0x19], &[0x15, 4, 0x19, 0x35]] {
            assert_eq!(elements(damaged), None);
        }
    }
}
