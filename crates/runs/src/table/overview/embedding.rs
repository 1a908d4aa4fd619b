//! An embedding of a run, as in the projector's list.

use tbx::logdir::SavedEmbedding;

/// An embedding, which consists of a few files next to the log.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct EmbeddingOverview {
    /// Its name: `<tag>:<step>` if tbx or PyTorch wrote it.
    pub name: String,
    /// Number of points, and number of dimensions; `None` if only a TensorFlow checkpoint, a broken
    /// file or a very large one has them.
    pub shape: Option<[u64; 2]>,
    /// Its files.
    pub files: Vec<EmbeddingFile>,
}

/// A file of an embedding.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct EmbeddingFile {
    /// Its content: `tensor`, `metadata`, `sprite` or `bookmarks`.
    pub role: &'static str,
    /// Its path in the configuration, relative to the directory of the configuration.
    pub path: String,
    /// Size in bytes; `None` if it cannot be opened.
    pub bytes: Option<u64>,
}

impl EmbeddingOverview {
    /// Summarizes an embedding.
    pub(super) fn of(saved: &SavedEmbedding) -> Self {
        let files = saved.files().map(|(role, path)| EmbeddingFile {
            role,
            path: path.to_owned(),
            bytes: saved.open(path).ok().map(|(_, len)| len),
        });
        Self { name: saved.name().to_owned(), shape: saved.shape(), files: files.collect() }
    }
}
