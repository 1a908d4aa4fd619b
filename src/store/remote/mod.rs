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
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

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
use super::Seen;
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
    /// The whole file and its version, if the web server does not send parts.
    whole: Mutex<Option<(Bytes, Seen)>>,
}

/// Omits the content, which includes credentials.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Known {
    /// Listed objects with names that [`Folder::remembered`] accepts.
    objects: HashMap<Key, Seen>,
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

/// Fails if a URL cannot be read whatever the server answers.
pub(super) fn check(path: &Path) -> io::Result<()> {
    list::check(path).map(|_| ())
}

/// Opens the object at a URL. Also returns its size.
pub(super) fn open(path: &Path) -> io::Result<(Object, u64)> {
    let (store, key) = find(path)?;
    let seen = store.seen(&key)?;
    Ok((Object::new(store, key), seen.len))
}

/// The same for reads of one version of the object.
pub(super) fn open_version(path: &Path) -> io::Result<(Object, u64)> {
    let (object, len) = open(path)?;
    Ok((object.version(), len))
}

/// The state of the object at a URL, from the last list.
pub(super) fn seen(path: &Path) -> io::Result<Seen> {
    let (store, key) = find(path)?;
    store.seen(&key)
}

/// Requests the state of an object.
fn ask(store: &Arc<Store>, key: &Key) -> io::Result<Seen> {
    let (asked, wanted) = (store.clone(), key.clone());
    runtime::wait(async move {
        // A URL may be signed for GET only, so web servers do not get a HEAD request first.
        if wanted.as_ref().is_empty() {
            let range = GetRange::Bounded(0..1);
            let options = GetOptions::new().with_range(Some(range));
            match asked.objects.get_opts(&wanted, options).await {
                Ok(answer) => return Ok(Seen::from(&answer.meta)),
                Err(error) if error::is_out_of_range(&error) => return Ok(EMPTY),
                Err(error) if error::is_whole(&error) => return asked.read_whole(&wanted).await,
                Err(error) => return Err(error),
            }
        }
        Ok(Seen::from(&asked.objects.head(&wanted).await?))
    })?
    .map_err(failed)
}

impl Store {
    /// Reads a whole file, unless it is the one that was read last.
    async fn read_whole(&self, key: &Key) -> Result<Seen, object_store::Error> {
        let answer = self.objects.get(key).await?;
        let seen = Seen::from(&answer.meta);
        let has_version =
            answer.meta.e_tag.is_some() || seen.modified > Some(SystemTime::UNIX_EPOCH);
        let known = self.whole.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, known)) = known.filter(|(_, known)| has_version && known.is_same(&seen)) {
            return Ok(known);
        }
        let mut stream = answer.into_stream();
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
        let seen = Seen { len: u64::try_from(bytes.len()).unwrap_or(u64::MAX), ..seen };
        *self.whole.lock().unwrap_or_else(PoisonError::into_inner) = Some((bytes.into(), seen));
        Ok(seen)
    }

    fn whole(&self) -> Option<Bytes> {
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.as_ref().map(|(bytes, _)| bytes.clone())
    }

    /// The state of an object, from the last list that has shown it or from a request.
    fn seen(self: &Arc<Self>, key: &Key) -> io::Result<Seen> {
        self.known(key).unwrap_or_else(|| ask(self, key))
    }

    /// The state of an object, if it is known from listings; an error if they show that it does not
    /// exist.
    fn known(&self, key: &Key) -> Option<io::Result<Seen>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = known.objects.get(key) {
            return Some(Ok(*seen));
        }
        let name = key.filename()?;
        let listed = |folder: &Folder| key.prefix_matches(&folder.key) && (folder.remembered)(name);
        known.folders.iter().any(listed).then(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// Requests the state of the object at `key`, and remembers it.
    fn is_file(self: &Arc<Self>, key: &Key) -> io::Result<()> {
        let seen = ask(self, key);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &seen {
            Ok(seen) => known.objects.insert(key.clone(), *seen),
            // An object that is gone must not be found by its old state.
            Err(error) if error.kind() == io::ErrorKind::NotFound => known.objects.remove(key),
            Err(_) => None,
        };
        seen.map(|_| ())
    }

    fn remember(&self, folder: Folder, objects: Vec<ObjectMeta>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.objects.retain(|key, _| !key.prefix_matches(&folder.key));
        let objects = objects
            .into_iter()
            .filter(|object| object.location.filename().is_some_and(folder.remembered));
        known.objects.extend(objects.map(|object| (object.location.clone(), Seen::from(&object))));
        known.folders.retain(|other| other.key != folder.key);
        known.folders.push(folder);
    }
}

/// An empty file of a web server.
const EMPTY: Seen = Seen { len: 0, modified: None, version: None };

impl From<&ObjectMeta> for Seen {
    fn from(meta: &ObjectMeta) -> Self {
        let time = meta.last_modified.timestamp_millis();
        let since = Duration::from_millis(u64::try_from(time).unwrap_or(0));
        let mut hasher = DefaultHasher::new();
        match &meta.e_tag {
            Some(tag) => tag.hash(&mut hasher),
            None => time.hash(&mut hasher),
        }
        let modified = SystemTime::UNIX_EPOCH.checked_add(since);
        Self { len: meta.size, modified, version: Some(hasher.finish()) }
    }
}
