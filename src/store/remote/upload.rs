//! Writes an object, which appears once it is complete.

use std::io;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::path::Path as Key;
use object_store::{ObjectStoreExt, PutMode, PutOptions, WriteMultipart};

use super::error::failed;
use super::{Store, find, runtime};

/// Size of the parts of a large object. At most 10,000 parts are allowed: 80 GB.
const PART: usize = 8 << 20;
/// Maximum number of parts that are uploaded concurrently.
const MAX_PARTS: usize = 4;

/// An object that is being written.
#[derive(Debug)]
pub struct Upload {
    store: Arc<Store>,
    key: Key,
    overwrite: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Bytes that fit into one request.
    Small(Vec<u8>),
    Big(Parts),
    Ended,
}

/// Locked, since a `WriteMultipart` cannot be shared among threads, but formats are.
#[derive(Debug)]
struct Parts(Mutex<Box<WriteMultipart>>);

impl Parts {
    fn new(parts: WriteMultipart) -> Self {
        Self(Mutex::new(Box::new(parts)))
    }

    fn into_inner(self) -> WriteMultipart {
        *self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upload {
    /// Starts an object at the URL `path`. Unless `overwrite` is set, nothing may exist there.
    pub fn create(path: &Path, overwrite: bool) -> io::Result<Self> {
        let (store, key) = find(path)?;
        let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidInput, message);
        let url = path.to_string_lossy();
        if url.starts_with("http") {
            return Err(invalid("cannot write to a web server"));
        }
        if key.as_ref().is_empty() || url.ends_with('/') {
            return Err(invalid("the URL names no object"));
        }
        let upload = Self { store, key, overwrite, state: State::Small(Vec::new()) };
        upload.is_free()?;
        Ok(upload)
    }

    /// Checks that nothing exists there, or that it may be replaced.
    fn is_free(&self) -> io::Result<()> {
        if self.overwrite {
            return Ok(());
        }
        let (store, key) = (self.store.clone(), self.key.clone());
        match runtime::wait(async move { store.objects.head(&key).await })? {
            Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists")),
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Appends bytes.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match mem::replace(&mut self.state, State::Ended) {
            State::Small(mut small) => {
                small.extend_from_slice(bytes);
                self.state = match small.len() < PART {
                    true => State::Small(small),
                    false => self.begin(small)?,
                };
            }
            State::Big(parts) => {
                let mut parts = parts.into_inner();
                let bytes = bytes.to_vec();
                let sent = runtime::wait(async move {
                    let ready = parts.wait_for_capacity(MAX_PARTS).await;
                    if ready.is_ok() {
                        parts.write(&bytes);
                    }
                    (ready, parts)
                })?;
                self.state = State::Big(Parts::new(sent.1));
                sent.0.map_err(failed)?;
            }
            State::Ended => return Err(io::Error::other("the upload has ended")),
        }
        Ok(())
    }

    fn begin(&self, first: Vec<u8>) -> io::Result<State> {
        let (store, key) = (self.store.clone(), self.key.clone());
        let begun = runtime::wait(async move {
            let upload = store.objects.put_multipart(&key).await?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
            parts.write(&first);
            Ok(parts)
        })?;
        begun.map(|parts| State::Big(Parts::new(parts))).map_err(failed)
    }

    /// Completes the object, which then appears.
    pub fn finish(&mut self) -> io::Result<()> {
        match mem::replace(&mut self.state, State::Ended) {
            State::Small(bytes) => {
                let (store, key) = (self.store.clone(), self.key.clone());
                let mode = if self.overwrite { PutMode::Overwrite } else { PutMode::Create };
                let options = PutOptions { mode, ..PutOptions::default() };
                let put = async move { store.objects.put_opts(&key, bytes.into(), options).await };
                runtime::wait(put)?.map_err(failed)?;
            }
            State::Big(parts) => {
                // Stores have no condition for multipart uploads: only objects that others create
                // at this very moment are missed.
                let free = self.is_free();
                let (kept, parts) = (free.is_ok(), parts.into_inner());
                let end = async move {
                    match kept {
                        true => parts.finish().await.map(drop),
                        false => parts.abort().await,
                    }
                };
                let ended = runtime::wait(end)?;
                free?;
                ended.map_err(failed)?;
            }
            State::Ended => {}
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let State::Big(parts) = mem::replace(&mut self.state, State::Ended) {
            // Unfinished parts cost their owner money.
            let _ = runtime::wait(async move { parts.into_inner().abort().await });
        }
    }
}
