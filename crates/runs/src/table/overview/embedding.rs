//! One embedding of a run, as the projector would list it.

use tbx::logdir::SavedEmbedding;

/// One embedding, which is a few files next to the log.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct EmbeddingOverview {
    /// Its name: `<tag>:<step>` if tbx or PyTorch wrote it.
    pub name: String,
    /// How many points it has, and of how many numbers each is made; none where only a checkpoint of
    /// TensorFlow, a broken file or a very large one says so.
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
    /// Its path in the configuration, from the directory of that.
    pub path: String,
    /// Its length; none if it cannot be opened.
    pub bytes: Option<u64>,
}

impl EmbeddingOverview {
    /// Sums up an embedding.
    pub(super) fn of(saved: &SavedEmbedding) -> Self {
        let files = saved.files().map(|(role, path)| EmbeddingFile {
            role,
            path: path.to_owned(),
            bytes: saved.open(path).ok().map(|(_, len)| len),
        });
        Self { name: saved.name().to_owned(), shape: saved.shape(), files: files.collect() }
    }
}
