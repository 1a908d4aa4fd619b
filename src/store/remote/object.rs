//! Reads an object in pieces.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join_all;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange};

use super::error::{failed, is_out_of_range, spent};
use super::guard::PATIENCE;
use super::{Store, ask, runtime};
use crate::budget::{Rate, Spent};
use crate::store::Seen;
use crate::store::seen::Replaced;

/// A larger read is split into concurrent requests of about this many bytes, because a single
/// connection is slower than the network.
const PIECE: usize = 512 << 10;

/// Maximum number of bytes of a version that are kept for later reads: the first read of a log.
const KEPT: usize = 256 << 10;

/// An object. Clones share its connections.
#[derive(Debug, Clone)]
pub(in crate::store) struct Object {
    store: Arc<Store>,
    key: Key,
    /// Set if only one version of it is read.
    version: Option<Arc<Mutex<Version>>>,
}

/// The version of an object that is read.
#[derive(Debug, Default)]
struct Version {
    /// Its version in the first answer.
    name: Option<u64>,
    /// The file, if the web server sends no parts.
    whole: Option<Bytes>,
    /// The bytes that were read last, and their offset.
    last: (u64, Vec<u8>),
}

impl Version {
    /// The number of bytes from `offset` on that were read before, copied to `buffer`.
    fn copy(&self, buffer: &mut [u8], offset: u64) -> usize {
        let (start, bytes) = &self.last;
        let skip = offset.checked_sub(*start).and_then(|skip| usize::try_from(skip).ok());
        let rest = skip.and_then(|skip| bytes.get(skip..)).unwrap_or(&[]);
        (&*rest).read(buffer).unwrap_or(0)
    }

    /// Keeps the end of what was read.
    fn keep(&mut self, read: &[u8], offset: u64) {
        let skip = read.len().saturating_sub(KEPT);
        let kept = read.get(skip..).unwrap_or_default().to_vec();
        self.last = (offset.saturating_add(u64::try_from(skip).unwrap_or(0)), kept);
    }
}

impl Object {
    pub(super) fn new(store: Arc<Store>, key: Key) -> Self {
        Self { store, key, version: None }
    }

    /// The same object. Only one version of it is read.
    pub(super) fn version(self) -> Self {
        let version = Version { whole: self.store.whole(), ..Version::default() };
        Self { version: Some(Arc::new(Mutex::new(version))), ..self }
    }

    /// Reads a range, for later reads.
    pub(in crate::store) fn read_ahead(&self, range: Range<u64>) -> io::Result<()> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0).min(KEPT);
        self.read_at(&mut vec![0; len], range.start).map(|_| ())
    }

    /// Requests the current size.
    pub(in crate::store) fn size(&self) -> io::Result<u64> {
        ask(&self.store, &self.key).map(|seen| seen.len)
    }

    /// Reads bytes from `offset` on. Returns the number of bytes, which is 0 at the end of the
    /// object.
    pub(in crate::store) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(version) = &self.version else {
            return self.read(buffer, offset, self.store.whole()).map(|(read, _)| read);
        };
        let mut version = version.lock().unwrap_or_else(PoisonError::into_inner);
        match version.copy(buffer, offset) {
            0 => {}
            read => return Ok(read),
        }
        let (read, names) = self.read(buffer, offset, version.whole.clone())?;
        if names.iter().any(|name| *version.name.get_or_insert(*name) != *name) {
            return Err(io::Error::other(Replaced));
        }
        version.keep(buffer.get(..read).unwrap_or_default(), offset);
        Ok(read)
    }

    /// Reads bytes from `offset` on, from the server if there is no `whole` file. Also returns the names of the versions
    /// that they are from.
    fn read(
        &self,
        buffer: &mut [u8],
        offset: u64,
        whole: Option<Bytes>,
    ) -> io::Result<(usize, Vec<u64>)> {
        if let Some(whole) = whole {
            let rest = usize::try_from(offset).ok().and_then(|offset| whole.get(offset..));
            return Ok((rest.unwrap_or(&[]).read(buffer)?, Vec::new()));
        }
        let count = buffer.len().div_ceil(PIECE);
        if count == 0 {
            return Ok((0, Vec::new()));
        }
        let len = buffer.len().div_ceil(count);
        let mut pieces = Vec::with_capacity(count);
        let mut start = offset;
        for chunk in buffer.chunks(len) {
            let end = start.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            pieces.push(self.clone().piece(start..end));
            start = end;
        }
        let (mut read, mut names) = (0, Vec::new());
        for (chunk, piece) in buffer.chunks_mut(len).zip(runtime::wait(join_all(pieces))?) {
            let (piece, name) = match piece {
                Ok(piece) => piece,
                Err(_) if read > 0 => break, // the next read returns the error, if it persists
                Err(error) => return Err(failed(error)),
            };
            names.extend(name);
            let n = piece.len().min(chunk.len());
            if let (Some(to), Some(from)) = (chunk.get_mut(..n), piece.get(..n)) {
                to.copy_from_slice(from);
            }
            read += n;
            if n < chunk.len() {
                break;
            }
        }
        Ok((read, names))
    }

    /// The bytes of a range, fewer if the object ends before, and the version that they are from.
    async fn piece(self, range: Range<u64>) -> Result<(Vec<u8>, Option<u64>), object_store::Error> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(range)));
        let answer = match self.store.objects.get_opts(&self.key, options).await {
            Ok(answer) => answer,
            Err(error) if is_out_of_range(&error) => return Ok((Vec::new(), None)),
            Err(error) => return Err(error),
        };
        // A time is not exact enough.
        let has_tag = answer.meta.e_tag.is_some();
        let name = Seen::from(&answer.meta).version.filter(|_| has_tag);
        let (mut bytes, mut rate) = (Vec::with_capacity(len), Rate::new(PATIENCE));
        let mut stream = answer.into_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            rate.charge(chunk.len()).map_err(spent)?;
            bytes.extend_from_slice(&chunk);
            if bytes.len() > len {
                let most = u64::try_from(len).unwrap_or(u64::MAX);
                return Err(spent(Spent::Bytes(most)));
            }
        }
        Ok((bytes, name))
    }
}
