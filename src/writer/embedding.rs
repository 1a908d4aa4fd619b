//! Logs embeddings.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{IntoStep, SummaryWriter, at};
use crate::error::{Error, Result, failed};
use crate::replace::{disk, edit, replace};
use crate::summary::embedding::{
    CONFIG_FILE, Embedding, EmbeddingPlace, METADATA_FILE, SPRITE_FILE, TENSORS_FILE, merge,
};

impl SummaryWriter {
    /// Logs an embedding for TensorBoard's projector.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tbx::SummaryWriter::create(dir.path())?;
    /// use tbx::Embedding;
    ///
    /// let vectors = [[0.1f32, 0.2, 0.3], [0.4, 0.5, 0.6]];
    /// let images = [image::RgbImage::new(28, 28), image::RgbImage::new(28, 28)];
    /// let embedding = Embedding::new(&vectors).labels(["cat", "dog"]).sprite(&images[..]);
    /// writer.add_embedding("animals", &embedding, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// An embedding is stored in files, not in the log, with PyTorch's layout:
    /// `<step>/<tag>/tensors.tsv`, `metadata.tsv` and `sprite.png` in the run's directory, where
    /// the step has at least five digits, and an entry `<tag>:<step>` in `projector_config.pbtxt`.
    /// Entries from earlier calls, other processes and other programs are kept; an entry with the
    /// same name is replaced. The files are written in the calling thread. Each file is either
    /// complete or absent, whenever the program or the machine stops.
    ///
    /// In the directory of the tag, characters that are not allowed in the name of a directory are
    /// percent-encoded. The projector draws images as squares, whatever their size.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): [`Embedding::check`] fails; the projector
    /// cannot request the tag, as it contains `&`, `#`, `+`, `%` before two hexadecimal digits, a tab
    /// or a line break; or the log is not a file, so there is no directory for the files.
    /// [`ErrorKind::Value`](crate::ErrorKind::Value): `projector_config.pbtxt` is not in protobuf's
    /// text format; it is left unchanged. [`ErrorKind::Io`](crate::ErrorKind::Io);
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    pub fn add_embedding(
        &self,
        tag: &str,
        embedding: &Embedding,
        step: impl IntoStep,
    ) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let step = step.into_step();
        let place = embedding.check().and_then(|()| EmbeddingPlace::of(tag));
        let place = place.map_err(|kind| at(kind, tag, step))?;
        let Some(dir) = &inner.dir else {
            return Err(Error::argument("add_embedding needs a directory for its files"));
        };
        inner.file.check()?;
        write(dir, &place.at(self.step(inner, tag, step)), embedding)
    }
}

/// Writes the files, and finally the configuration that lists them.
fn write(run: &Path, place: &EmbeddingPlace, embedding: &Embedding) -> Result<()> {
    let directory = place.directory().iter().fold(PathBuf::from(run), |path, name| path.join(name));
    disk::create_dir_all(&directory).map_err(|error| failed(error, &directory))?;
    replace(&directory.join(TENSORS_FILE), |out| embedding.write_tensors(out))?;
    if embedding.has_metadata() {
        replace(&directory.join(METADATA_FILE), |out| embedding.write_metadata(out))?;
    }
    if let Some(sprite) = embedding.sprite_image() {
        replace(&directory.join(SPRITE_FILE), |out| out.write_all(&sprite.encoded))?;
    }
    edit(&run.join(CONFIG_FILE), |config| merge(config, &place.info(embedding)))
}
