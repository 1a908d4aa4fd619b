//! Reads an object in pieces.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::join_all;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange};

use super::error::{failed, is_out_of_range, spent};
use super::guard::PATIENCE;
use super::{Store, runtime, size};
use crate::budget::{Rate, Spent};

/// A larger read is split into concurrent requests of about this many bytes, because a single
/// connection is slower than the network.
const PIECE: usize = 512 << 10;

/// An object. Clones share its connections.
#[derive(Debug, Clone)]
pub(in crate::store) struct Object {
    store: Arc<Store>,
    key: Key,
}

impl Object {
    pub(super) fn new(store: Arc<Store>, key: Key) -> Self {
        Self { store, key }
    }

    /// Requests the current size.
    pub(in crate::store) fn size(&self) -> io::Result<u64> {
        size(&self.store, &self.key)
    }

    /// Reads bytes from `offset` on. Returns the number of bytes, which is 0 at the end of the
    /// object.
    pub(in crate::store) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(whole) = self.store.whole() {
            let rest = usize::try_from(offset).ok().and_then(|offset| whole.get(offset..));
            return rest.unwrap_or(&[]).read(buffer);
        }
        let count = buffer.len().div_ceil(PIECE);
        if count == 0 {
            return Ok(0);
        }
        let len = buffer.len().div_ceil(count);
        let mut pieces = Vec::with_capacity(count);
        let mut start = offset;
        for chunk in buffer.chunks(len) {
            let end = start.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            pieces.push(self.clone().piece(start..end));
            start = end;
        }
        let mut read = 0;
        for (chunk, piece) in buffer.chunks_mut(len).zip(runtime::wait(join_all(pieces))?) {
            let piece = match piece {
                Ok(piece) => piece,
                Err(_) if read > 0 => break, // the next read returns the error, if it persists
                Err(error) => return Err(failed(error)),
            };
            let n = piece.len().min(chunk.len());
            if let (Some(to), Some(from)) = (chunk.get_mut(..n), piece.get(..n)) {
                to.copy_from_slice(from);
            }
            read += n;
            if n < chunk.len() {
                break;
            }
        }
        Ok(read)
    }

    /// The bytes of a range; fewer if the object ends before.
    async fn piece(self, range: Range<u64>) -> Result<Vec<u8>, object_store::Error> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        let options = GetOptions::new().with_range(Some(GetRange::Bounded(range)));
        let answer = match self.store.objects.get_opts(&self.key, options).await {
            Ok(answer) => answer,
            Err(error) if is_out_of_range(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
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
        Ok(bytes)
    }
}
