//! Logs graphs of ONNX files.

use std::io;
use std::path::Path;

use bytes::Buf;

use super::SummaryWriter;
use crate::error::{ErrorKind, Location, Result};
use crate::record::Source;
use crate::store::File;
use crate::summary::graph::Graph;

impl SummaryWriter {
    /// Logs the graph of an ONNX file as the graph of the run's model. See [`Graph::from_onnx`] for the
    /// conversion. Corresponds to tensorboardX's method of the same name.
    ///
    /// Weights are skipped, not read, so memory is only needed for the graph.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tbx::SummaryWriter::create(dir.path())?;
    /// writer.add_onnx_graph("fixtures/onnx/torch_exported.onnx")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`], [`ErrorKind::Truncated`]: the file cannot be read.
    /// [`ErrorKind::Argument`]: it is not an ONNX model. Otherwise, the same as for
    /// [`add_graph`](Self::add_graph).
    pub fn add_onnx_graph(&self, path: impl AsRef<Path>) -> Result<()> {
        if self.inner.is_none() {
            return Ok(());
        }
        let path = path.as_ref();
        self.add_graph(&read(path, |model| Graph::from_onnx(model))?)
    }
}

/// Passes the bytes of the file at `path` to `decode`, which skips weights.
pub(crate) fn read<T>(
    path: &Path,
    decode: impl FnOnce(&mut FileBytes) -> Result<T, ErrorKind>,
) -> Result<T> {
    let (file, len) = File::open(path).map_err(|error| {
        let kind = match error.kind() {
            // A directory or a FIFO is not a model.
            io::ErrorKind::InvalidInput => ErrorKind::Argument(error.to_string()),
            _ => error.into(),
        };
        kind.at(Location::of(path))
    })?;
    let mut bytes = FileBytes::new(file, len);
    let decoded = decode(&mut bytes);
    // The decoder's error for bytes that could not be read is not helpful.
    bytes.failure.map_or(decoded, Err).map_err(|kind| kind.at(Location::of(path)))
}

/// The bytes of a file for prost, which skips those that it does not need.
pub(crate) struct FileBytes {
    source: Source,
    len: u64,
    offset: u64,
    failure: Option<ErrorKind>,
}

impl FileBytes {
    fn new(file: File, len: u64) -> Self {
        let source = Source::file(file, len, Vec::new());
        let mut bytes = Self { source, len, offset: 0, failure: None };
        bytes.fill();
        bytes
    }

    /// Buffers the next bytes, or notes why that failed.
    fn fill(&mut self) {
        let (expected, read) = (self.len, self.source.at(self.offset, 1).err());
        let found = self.source.len();
        let cut = (found < expected).then_some(ErrorKind::Truncated { expected, found });
        self.failure = read.map(ErrorKind::from).or(cut);
    }
}

impl Buf for FileBytes {
    fn remaining(&self) -> usize {
        match &self.failure {
            None => usize::try_from(self.len.saturating_sub(self.offset)).unwrap_or(usize::MAX),
            Some(_) => 0,
        }
    }

    fn chunk(&self) -> &[u8] {
        match &self.failure {
            None => self.source.view(self.offset),
            // A decoder in the middle of a varint waits for its end, so give it zeros.
            Some(_) => &[0; 8],
        }
    }

    fn advance(&mut self, count: usize) {
        if self.failure.is_none() {
            self.offset = self.offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            self.fill();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_file_gives_its_bytes_wherever_the_reader_jumps() {
        let bytes: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        let mut read = FileBytes::new(file(&bytes).into(), bytes.len() as u64);
        let mut expected = &bytes[..];
        for skip in [0, 1, 1021, 3, 500_000, 70_000, 1 << 18] {
            assert_eq!(read.get_u64_le(), expected.get_u64_le());
            assert_eq!(read.copy_to_bytes(3000), expected.copy_to_bytes(3000));
            read.advance(skip);
            expected.advance(skip);
            assert_eq!(read.remaining(), expected.remaining());
        }
        assert!(read.failure.is_none());
        read.advance(read.remaining());
        assert!(read.failure.is_none() && !read.has_remaining());
    }

    #[test]
    fn a_file_that_is_cut_ends_and_says_so() {
        let file = file(&[1; 1 << 20]);
        let mut read = FileBytes::new(file.try_clone().unwrap().into(), 1 << 20);
        let end = read.chunk().len(); // of the buffered bytes
        file.set_len(end as u64 + 2).unwrap();
        read.advance(end - 2);
        assert_eq!(read.get_u64_le(), 0x0101);
        assert!(!read.has_remaining());
        assert!(matches!(read.failure.unwrap(), ErrorKind::Truncated { expected: 0x10_0000, .. }));
    }
}
