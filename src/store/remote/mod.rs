//! Reads objects in S3, Google Cloud Storage and Azure, and files on web servers.
//!
//! The crate `object_store` talks to the servers. This module makes its answers synchronous, so
//! that the layers above read objects like files.

mod connect;
mod error;
mod guard;
mod list;
mod listing;
mod login;
mod object;
mod runtime;
mod upload;
mod variables;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::list::PaginatedListStore;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use self::connect::Place;
use self::error::failed;
use self::guard::{LeftOut, PATIENCE};
pub(super) use self::list::list;
pub(super) use self::login::enter;
pub(super) use self::object::Object;
pub use self::upload::Upload;
use crate::budget::Rate;

/// Maximum length of a URL in bytes. Ten times as much would cause a panic in the crates below.
const MAX_URL: usize = 6 << 10;
/// Maximum size of a file that is read whole into memory because the server does not send parts of
/// files.
const MAX_WHOLE: usize = 1 << 30;
/// The reason for reading it whole.
const NO_PARTS: &str = "the server sends no parts of files";

/// A bucket or a server, and the known objects in it.
struct Store {
    objects: Box<dyn ObjectStore>,
    /// The same store, as the source of lists; none for a web server.
    lists: Option<Box<dyn PaginatedListStore>>,
    left_out: LeftOut,
    known: Mutex<Known>,
    /// The whole file, if the web server does not send parts.
    whole: Mutex<Option<Bytes>>,
}

/// Omits the content, which includes credentials.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Known {
    /// Sizes of listed objects with names that [`Folder::remembered`] accepts.
    sizes: HashMap<Key, u64>,
    folders: Vec<Folder>,
}

/// A directory that was listed.
#[derive(Debug)]
struct Folder {
    key: Key,
    remembered: fn(&str) -> bool,
}

/// One store per bucket or server that was used: it keeps its connections.
static STORES: LazyLock<Mutex<HashMap<String, Arc<Store>>>> = LazyLock::new(Mutex::default);

/// The store and the key of a URL.
fn find(path: &Path) -> io::Result<(Arc<Store>, Key)> {
    let Place { origin, key, .. } = Place::of(path)?;
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = stores.get(&origin) {
        return Ok((store.clone(), key));
    }
    let store = Arc::new(connect::connect(&origin)?);
    stores.insert(origin, store.clone());
    Ok((store, key))
}

/// Opens the object at a URL. Also returns its size.
pub(super) fn open(path: &Path) -> io::Result<(Object, u64)> {
    let (store, key) = find(path)?;
    let size = match store.known(&key) {
        Some(size) => size?,
        None => size(&store, &key)?,
    };
    Ok((Object::new(store, key), size))
}

/// Requests the size of an object.
fn size(store: &Arc<Store>, key: &Key) -> io::Result<u64> {
    let (asked, wanted) = (store.clone(), key.clone());
    runtime::wait(async move {
        // A URL may be signed for GET only, so web servers do not get a HEAD request first.
        if wanted.as_ref().is_empty() {
            let range = GetRange::Bounded(0..1);
            let options = GetOptions::new().with_range(Some(range));
            match asked.objects.get_opts(&wanted, options).await {
                Ok(answer) => return Ok(answer.meta.size),
                Err(error) if error::is_out_of_range(&error) => return Ok(0),
                Err(error) if error::is_whole(&error) => return asked.read_whole(&wanted).await,
                Err(error) => return Err(error),
            }
        }
        Ok(asked.objects.head(&wanted).await?.size)
    })?
    .map_err(failed)
}

impl Store {
    /// Reads a whole file and returns its length.
    async fn read_whole(&self, key: &Key) -> Result<u64, object_store::Error> {
        let mut stream = self.objects.get(key).await?.into_stream();
        let (mut bytes, mut rate) = (Vec::new(), Rate::new(PATIENCE));
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            rate.charge(chunk.len()).map_err(error::spent)?;
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_WHOLE {
                let source = format!("{NO_PARTS}, and it has more than {MAX_WHOLE} bytes");
                return Err(object_store::Error::Generic { store: "", source: source.into() });
            }
        }
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes.into());
        Ok(len)
    }

    fn whole(&self) -> Option<Bytes> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The size of an object, if it is known from listings; an error if they show that it does not
    /// exist.
    fn known(&self, key: &Key) -> Option<io::Result<u64>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(size) = known.sizes.get(key) {
            return Some(Ok(*size));
        }
        let name = key.filename()?;
        let listed = |folder: &Folder| key.prefix_matches(&folder.key) && (folder.remembered)(name);
        known.folders.iter().any(listed).then(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// Requests the size of the object at `key`, and remembers it.
    fn is_file(self: &Arc<Self>, key: &Key) -> io::Result<()> {
        let size = size(self, key)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.sizes.insert(key.clone(), size);
        Ok(())
    }

    fn remember(&self, folder: Folder, objects: Vec<ObjectMeta>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.sizes.retain(|key, _| !key.prefix_matches(&folder.key));
        let objects = objects
            .into_iter()
            .filter(|object| object.location.filename().is_some_and(folder.remembered));
        known.sizes.extend(objects.map(|object| (object.location, object.size)));
        known.folders.retain(|other| other.key != folder.key);
        known.folders.push(folder);
    }
}
