//! Log folders: finds event files, groups them into runs, loads their series in parallel, and
//! follows them while they grow.
//!
//! Rows and columns are made of the runs one layer up, in `table`.

mod discover;
mod embeddings;
mod file;
mod follow;
mod grow;
mod load;
mod options;
mod restart;
mod series;
mod shard;

pub use discover::{Logdir, RunFiles};
pub use embeddings::SavedEmbedding;
pub use follow::{Follower, NewPoints, News, Reset, RunNews};
pub use load::{EventFile, Loaded, Run};
pub use options::{Checksums, LoadOptions};
pub use restart::RestartPolicy;
pub use series::{Scalars, TimeSeries, Values};
pub use shard::Shard;
