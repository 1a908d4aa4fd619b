//! Chunks: the parts that records are written in.

/// Bytes in a block.
pub const BLOCK: usize = 32 << 10;

/// Bytes before the data of a chunk.
pub const HEAD: usize = 7;

/// The bytes at the start of a file, without the version.
pub const MAGIC: [u8; 6] = *b":W&B\xe1\xbe";

/// The version of the container, in the byte after the magic ones.
pub const VERSION: u8 = 0;

/// Bytes before the first chunk.
pub const FILE_HEAD: usize = 7;

/// The type of a chunk with a whole record.
pub const FULL: u8 = 1;
/// The type of the first chunk of a record.
pub const FIRST: u8 = 2;
/// The type of a chunk inside a record.
pub const MIDDLE: u8 = 3;
/// The type of the last chunk of a record.
pub const LAST: u8 = 4;

/// The checksum of a chunk: over its type and its data.
pub fn checksum(kind: u8, data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(data);
    hasher.finalize()
}

/// The head of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) crc: u32,
    pub(super) len: usize,
    pub(super) kind: u8,
}

impl Chunk {
    /// The head at the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (crc, rest) = bytes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let kind = *rest.first()?;
        let len = usize::from(u16::from_le_bytes(*len));
        Some(Self { crc: u32::from_le_bytes(*crc), len, kind })
    }

    /// Its type, if there is such a type.
    pub(super) fn kind(&self) -> Option<u8> {
        (FULL..=LAST).contains(&self.kind).then_some(self.kind)
    }

    /// Whether it marks an area that was never written.
    pub(super) fn is_zero(&self) -> bool {
        self.crc == 0 && self.len == 0 && self.kind == 0
    }
}
