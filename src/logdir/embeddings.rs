//! The embeddings of a run, which are files beside its events.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Run;
use crate::error::{ErrorKind, Location, Result};
use crate::event::pb::projector::EmbeddingInfo;
use crate::store;
use crate::summary::embedding::{self, CONFIG_FILE, Embedding};

/// Where TensorBoard looks besides the run's directory
/// (`tensorboard/plugins/projector/metadata.py`).
const ASSETS: &str = "plugins/org_tensorflow_tensorboard_projector";
/// Bytes of a configuration at most.
const MAX_CONFIG: u64 = 16 << 20;

/// An embedding that a run's `projector_config.pbtxt` names.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedEmbedding {
    info: EmbeddingInfo,
    /// That of the configuration, from which paths in it start.
    directory: PathBuf,
}

impl Run {
    /// The embeddings that TensorBoard's projector would list, in the order of the
    /// configuration. Their files are not read yet.
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
    /// [`ErrorKind::Value`]: a configuration is not in protobuf's text format, or larger than
    /// 16 MiB; [`ErrorKind::Io`], also that there are some at a [URL](crate::store).
    pub fn embeddings(&self) -> Result<Vec<SavedEmbedding>> {
        let mut found = Vec::new();
        for directory in [self.path.clone(), self.path.join(ASSETS)] {
            let path = directory.join(CONFIG_FILE);
            let infos = config(&path).map_err(|kind| kind.at(Location::path(path)))?;
            let saved = |info| SavedEmbedding { info, directory: directory.clone() };
            found.extend(infos.into_iter().map(saved));
        }
        Ok(found)
    }
}

impl SavedEmbedding {
    /// Its name in the projector; that of tbx and PyTorch is `<tag>:<step>`.
    pub fn name(&self) -> &str {
        &self.info.tensor_name
    }

    /// What the configuration says of it.
    pub fn info(&self) -> &EmbeddingInfo {
        &self.info
    }

    /// The path, without links, of the file that the configuration calls `name`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: it is no file, or outside of the configuration's directory, where
    /// TensorBoard does not look either. [`ErrorKind::Io`]: there is none.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        inside(&self.directory, &path).map_err(|kind| kind.at(Location::path(path)))
    }

    /// Reads its files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: a file has not what it should, or lies outside of the
    /// configuration's directory, where TensorBoard does not look either; the numbers are in a
    /// checkpoint of TensorFlow. [`ErrorKind::Io`].
    pub fn load(&self) -> Result<Embedding> {
        let Self { info, .. } = self;
        if info.tensor_path.is_empty() {
            let what = format!("embedding {:?} is in a checkpoint of TensorFlow", self.name());
            return Err(ErrorKind::Value(what).into());
        }
        let tensors = self.file(&info.tensor_path)?.unwrap_or_default();
        let metadata = self.file(&info.metadata_path)?;
        let sprite = self.file(info.sprite.as_ref().map_or("", |sprite| &sprite.image_path))?;
        Embedding::from_files(info, &tensors, metadata.as_deref(), sprite.map(Into::into))
            .map_err(|kind| kind.at(Location::path(self.directory.join(&info.tensor_path))))
    }

    /// The content of the file `name`; none if the name is empty.
    fn file(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if name.is_empty() {
            return Ok(None);
        }
        let path = self.path(name)?;
        let read = fs::read(&path);
        Ok(Some(read.map_err(|error| ErrorKind::from(error).at(Location::path(path)))?))
    }
}

/// `path` without links, if it is a file in `directory` or below.
fn inside(directory: &Path, path: &Path) -> Result<PathBuf, ErrorKind> {
    let (directory, path) = (directory.canonicalize()?, path.canonicalize()?);
    if !path.starts_with(directory) {
        return Err(ErrorKind::Value("it is outside of the configuration's directory".into()));
    }
    if !path.is_file() {
        return Err(ErrorKind::Value("it is no file".into()));
    }
    Ok(path)
}

/// The embeddings in the configuration at `path`; none if there is no such file.
fn config(path: &Path) -> Result<Vec<EmbeddingInfo>, ErrorKind> {
    if store::is_url(path) {
        return match store::size(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            // A store that may not be listed says so of what is not there.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Vec::new()),
            size => {
                size.and_then(|_| store::local_only(path, "reading embeddings"))?;
                Ok(Vec::new())
            }
        };
    }
    if !path.is_file() {
        return Ok(Vec::new());
    }
    if path.metadata()?.len() > MAX_CONFIG {
        return Err(ErrorKind::Value(format!("it has more than {MAX_CONFIG} bytes")));
    }
    embedding::read(&fs::read(path)?)
}
