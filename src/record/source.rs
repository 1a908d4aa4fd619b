//! Provides the bytes of a file at any offset, read through a window or mapped.

use std::io;

use bytes::Bytes;

use crate::store::File;

/// The bytes of one file. The length is fixed when the source is created, so bytes that are
/// appended later are not seen.
#[derive(Debug)]
pub struct Source {
    len: u64,
    bytes: Inner,
}

#[derive(Debug)]
enum Inner {
    Mapped(Bytes),
    Window(Window),
}

impl Source {
    /// Uses all of `bytes`.
    pub fn mapped(bytes: Bytes) -> Self {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { len, bytes: Inner::Mapped(bytes) }
    }

    /// Uses the first `len` bytes of `file`. They are read on demand into `buffer`, which may be
    /// reused from an earlier source.
    pub fn file(file: impl Into<File>, len: u64, buffer: Vec<u8>) -> Self {
        let window = Window {
            file: file.into(),
            buffer,
            start: 0,
            filled: 0,
            read_size: 0,
            jumped: false,
            until: u64::MAX,
        };
        Self { len, bytes: Inner::Window(window) }
    }

    /// Length of the file in bytes. Decreases if the file turns out to end earlier.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the buffer, for the next source.
    pub fn into_buffer(self) -> Vec<u8> {
        match self.bytes {
            Inner::Mapped(_) => Vec::new(),
            Inner::Window(window) => window.buffer,
        }
    }

    /// Marks bytes from `end` on as probably not wanted, so that they are not read ahead.
    #[must_use]
    pub fn until(mut self, end: u64) -> Self {
        if let Inner::Window(window) = &mut self.bytes {
            window.until = end;
        }
        self
    }

    /// Marks the next `len` bytes as not wanted, before the bytes after them are requested. Where
    /// reads are expensive, less is then read ahead.
    pub fn jump(&mut self, len: usize) {
        if let Inner::Window(window) = &mut self.bytes {
            window.jumped |= len >= window.file.pace().jump;
        }
    }

    /// Returns the bytes from `offset` on: at least `min` of them, or fewer where the file ends.
    ///
    /// # Errors
    ///
    /// I/O errors from the operating system.
    #[inline]
    pub fn at(&mut self, offset: u64, min: usize) -> io::Result<&[u8]> {
        match &mut self.bytes {
            Inner::Window(window) if window.view(offset).len() < min => {
                window.fill(offset, min, &mut self.len)?;
            }
            _ => {}
        }
        Ok(self.view(offset))
    }

    /// Returns the buffered bytes from `offset` on, as returned by [`at`](Self::at).
    #[inline(always)]
    pub fn view(&self, offset: u64) -> &[u8] {
        match &self.bytes {
            Inner::Mapped(bytes) => {
                usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or(&[])
            }
            Inner::Window(window) => window.view(offset),
        }
    }
}

#[derive(Debug)]
struct Window {
    file: File,
    buffer: Vec<u8>,
    /// Offset in the file of the buffer's first byte.
    start: u64,
    /// Number of bytes in the buffer that hold data of the file.
    filled: usize,
    /// The size of the last read; 0 before the first.
    read_size: usize,
    /// Whether a large range was skipped since then.
    jumped: bool,
    /// Bytes from here on are not read ahead.
    until: u64,
}

impl Window {
    #[inline(always)]
    fn view(&self, offset: u64) -> &[u8] {
        offset
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok())
            .and_then(|skip| self.buffer.get(skip..self.filled))
            .unwrap_or(&[])
    }

    /// Moves the window to `offset` and reads until it holds at least `min` bytes.
    #[cold]
    fn fill(&mut self, offset: u64, min: usize, len: &mut u64) -> io::Result<()> {
        let pace = self.file.pace();
        let kept = self.view(offset).len();
        let follows = kept > 0 || self.end() == offset;
        if follows {
            self.buffer.copy_within(self.filled.saturating_sub(kept)..self.filled, 0);
        }
        // Where reads are expensive, a short gap does not reset the read size.
        let gap = offset.checked_sub(self.end());
        let near = pace.jump < usize::MAX && gap.is_some_and(|gap| gap < as_u64(self.read_size));
        self.read_size = match self.read_size {
            0 if offset == 0 => pace.start,
            0 => pace.inside,
            size if (follows || near) && !self.jumped => (size * 4).min(pace.largest),
            _ => pace.first,
        };
        self.jumped = false;
        self.start = offset;
        self.filled = kept;
        let left = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let ahead = usize::try_from(self.until.saturating_sub(offset)).unwrap_or(usize::MAX);
        let ahead = self.read_size.min(ahead.max(pace.first));
        let wanted = min.max(ahead).min(left);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.filled < wanted {
            let Some(gap) = self.buffer.get_mut(self.filled..wanted) else { break };
            match self.file.read_at(gap, self.start.saturating_add(as_u64(self.filled))) {
                Ok(0) => {
                    *len = self.end(); // the file was cut short
                    break;
                }
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn end(&self) -> u64 {
        self.start.saturating_add(as_u64(self.filled))
    }
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    fn numbered(len: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn a_window_gives_the_same_bytes_as_a_map_wherever_it_moves() {
        let (file, bytes) = numbered(1 << 20);
        let len = bytes.len() as u64;
        let mut window = Source::file(file, len, Vec::new());
        let mut map = Source::mapped(Bytes::from(bytes));
        let jumps = [0, 10, 5000, 4096, 700_000, 12, len - 3, len, 300_000, 300_001];
        for (offset, min) in jumps.into_iter().flat_map(|o| [(o, 1), (o, 12), (o, 300_000)]) {
            let expected = map.at(offset, min).unwrap();
            let found = window.at(offset, min).unwrap();
            assert!(found.len() >= min.min(expected.len()), "{offset} {min}");
            assert_eq!(found, &expected[..found.len()], "{offset} {min}");
        }
    }

    #[test]
    fn a_file_cut_short_ends_where_it_ends_now() {
        let (file, _) = numbered(1 << 20);
        let mut source = Source::file(file.try_clone().unwrap(), 1 << 20, Vec::new());
        assert!(source.at(0, 12).unwrap().len() >= 12);
        file.set_len(500_000).unwrap();
        assert_eq!(source.at(499_990, 1000).unwrap().len(), 10);
        assert_eq!(source.len(), 500_000);
    }
}
