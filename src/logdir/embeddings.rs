//! The embeddings of a run, which are files next to its event files.

use std::path::{Component, Path, PathBuf};

use super::Run;
use crate::error::{ErrorKind, Location, Result, failed};
use crate::event::pb::projector::EmbeddingInfo;
use crate::store::{self, File, Links, Root};
use crate::summary::embedding::{self, CONFIG_FILE, Embedding};

/// The other directory in which TensorBoard looks for a configuration, in addition to the run's own
/// (`tensorboard/plugins/projector/metadata.py`).
const ASSETS: &str = "plugins/org_tensorflow_tensorboard_projector";
/// Maximum size of a configuration in bytes.
const MAX_CONFIG: u64 = 16 << 20;
/// Maximum size in bytes of a file that a configuration names.
const MAX_FILE: u64 = 2 << 30;
/// Maximum size in bytes of a tensor in which points are counted.
const MAX_COUNTED: u64 = 64 << 20;
/// Number of bytes of a tensor that are in memory at a time.
const COUNTED_AT_ONCE: u64 = 256 << 10;

/// An embedding listed in a run's `projector_config.pbtxt`.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedEmbedding {
    info: EmbeddingInfo,
    /// The directory of the configuration. Paths in the configuration are relative to it.
    directory: PathBuf,
    /// The links that are followed from this directory.
    links: Links,
}

impl Run {
    /// The embeddings that TensorBoard's projector would list, in the order of the configuration. This does not
    /// read their files.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let logs = dir.path();
    /// use tbx::{Embedding, LoadOptions, Logdir, SummaryWriter};
    ///
    /// let written = Embedding::new([[0.5f32, 1.0], [1.5, 2.0]]).labels(["a", "b"]);
    /// let writer = SummaryWriter::create(logs)?;
    /// writer.add_embedding("points", &written, 3)?;
    /// writer.close()?;
    ///
    /// let loaded = Logdir::open(logs)?.load(&LoadOptions::new())?;
    /// let embeddings = loaded.runs[0].embeddings()?;
    /// assert_eq!(embeddings[0].name(), "points:00003");
    /// assert_eq!(embeddings[0].load()?, written);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: a configuration is not in protobuf's text format, or is larger than 16 MiB.
    /// [`ErrorKind::Io`]: a configuration cannot be read, or the run is at a [URL](crate::store).
    pub fn embeddings(&self) -> Result<Vec<SavedEmbedding>> {
        let mut all = Vec::new();
        for found in in_directory(&self.path, self.links()) {
            all.extend(found?);
        }
        Ok(all)
    }
}

/// Returns the embeddings of each configuration of the run in `dir`.
pub(super) fn in_directory(dir: &Path, links: Links) -> [Result<Vec<SavedEmbedding>>; 2] {
    [dir.to_owned(), dir.join(ASSETS)].map(|directory| {
        let path = directory.join(CONFIG_FILE);
        let infos = config(dir, &path, links);
        let infos = infos.map_err(|kind| kind.at(Location::of(path)))?;
        let saved = |info| SavedEmbedding { info, directory: directory.clone(), links };
        Ok(infos.into_iter().map(saved).collect())
    })
}

impl SavedEmbedding {
    /// The embeddings of the run in the directory `dir`, without its log: those of its configurations, like
    /// [`Run::embeddings`]. Links that lead out of the directory are not followed.
    ///
    /// # Errors
    ///
    /// The same as for [`Run::embeddings`].
    pub fn of_run(dir: impl AsRef<Path>) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for found in in_directory(dir.as_ref(), Links::Inside) {
            all.extend(found?);
        }
        Ok(all)
    }

    /// Name in the projector. tbx and PyTorch use `<tag>:<step>`.
    pub fn name(&self) -> &str {
        &self.info.tensor_name
    }

    /// The entry of the embedding in the configuration.
    pub fn info(&self) -> &EmbeddingInfo {
        &self.info
    }

    /// The files of the embedding: the role of each (`tensor`, `metadata`, `bookmarks` or `sprite`) and its name
    /// in the configuration.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let EmbeddingInfo { tensor_path, metadata_path, bookmarks_path, sprite, .. } = &self.info;
        let sprite = sprite.as_ref().map(|sprite| ("sprite", &sprite.image_path));
        let files =
            [("tensor", tensor_path), ("metadata", metadata_path), ("bookmarks", bookmarks_path)];
        let files = files.into_iter().chain(sprite);
        files.map(|(role, name)| (role, name.as_str())).filter(|(_, name)| !name.is_empty())
    }

    /// Number of points, and of numbers per point. They come from the configuration, or else are counted in the
    /// tensor file. `None` if that file cannot be read or is larger than 64 MiB.
    pub fn shape(&self) -> Option<[u64; 2]> {
        if let [points, numbers] = self.info.tensor_shape.as_slice() {
            return Some([u64::from(*points), u64::from(*numbers)]);
        }
        let (file, len) =
            self.open(Some(&self.info.tensor_path).filter(|name| !name.is_empty())?).ok()?;
        if len > MAX_COUNTED {
            return None;
        }
        let (mut points, mut numbers, mut is_line) = (0, 0, false);
        let mut at = 0;
        while at < len {
            let end = len.min(at + COUNTED_AT_ONCE);
            let bytes = store::read_range(&file, at..end).ok().filter(|bytes| !bytes.is_empty())?;
            for byte in bytes {
                match byte {
                    b'\n' | b'\r' => is_line = false,
                    _ if !is_line => {
                        is_line = true;
                        points += 1;
                        numbers += u64::from(points == 1) + u64::from(points == 1 && byte == b'\t');
                    }
                    b'\t' if points == 1 => numbers += 1,
                    _ => {}
                }
            }
            at = end;
        }
        Some([points, numbers])
    }

    /// Opens the file with this name in the configuration. Returns the file and its length in bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the name leads out of the configuration's directory. TensorBoard does not open such
    /// files either. [`ErrorKind::Io`]: the file cannot be opened, is not a regular file, is larger than 2 GiB, or
    /// is a link that leads out of the directory.
    #[doc(hidden)]
    pub fn open(&self, name: &str) -> Result<(File, u64)> {
        let path = self.directory.join(name);
        // A path that leads out by itself is not a link that the user created.
        let is_plain =
            Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let links = if is_plain { self.links } else { Links::Inside };
        let opened = Root::new(&self.directory, links).and_then(|root| root.open(&path));
        let opened = opened.and_then(|(file, len)| match len {
            0..=MAX_FILE => Ok((file, len)),
            _ => Err(store::too_long(len, MAX_FILE)),
        });
        let kind = |error| match !is_plain && store::is_outside(&error) {
            true => ErrorKind::Value("it is outside the configuration's directory".into()),
            false => error.into(),
        };
        opened.map_err(|error| kind(error).at(Location::of(path)))
    }

    /// Reads the files of the embedding.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: a file does not have the right content, or the numbers are in a TensorFlow
    /// checkpoint. [`ErrorKind::Io`]: as for [`open`](Self::open).
    pub fn load(&self) -> Result<Embedding> {
        let Self { info, .. } = self;
        if info.tensor_path.is_empty() {
            let what = format!("embedding {:?} is in a TensorFlow checkpoint", self.name());
            return Err(ErrorKind::Value(what).into());
        }
        let tensors = self.file(&info.tensor_path)?.unwrap_or_default();
        let metadata = self.file(&info.metadata_path)?;
        let sprite = self.file(info.sprite.as_ref().map_or("", |sprite| &sprite.image_path))?;
        Embedding::from_files(info, &tensors, metadata.as_deref(), sprite.map(Into::into))
            .map_err(|kind| kind.at(Location::of(self.directory.join(&info.tensor_path))))
    }

    /// Returns the content of the file `name`; `None` if the name is empty.
    fn file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if name.is_empty() {
            return Ok(None);
        }
        let (file, len) = self.open(name)?;
        let read = store::read_range(&file, 0..len);
        let at = |error| failed(error, self.directory.join(name));
        read.map(Some).map_err(at)
    }
}

/// Returns the embeddings in the configuration at `path` of the run in `dir`; none if the file does not exist.
fn config(dir: &Path, path: &Path, links: Links) -> Result<Vec<EmbeddingInfo>, ErrorKind> {
    if store::is_url(path) {
        return match store::size(path) {
            Err(error) if store::is_missing(&error, path) => Ok(Vec::new()),
            size => {
                size.and_then(|_| store::local_only(path, "reading embeddings"))?;
                Ok(Vec::new())
            }
        };
    }
    let text = store::read_optional(dir, path, MAX_CONFIG, links)?;
    text.map_or(Ok(Vec::new()), |text| embedding::read(&text))
}
