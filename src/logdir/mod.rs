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
#[cfg(feature = "meta")]
mod meta;
mod options;
mod place;
mod restart;
mod series;
mod shard;
#[cfg(feature = "registry")]
mod side_files;
mod walk;

pub use discover::{Logdir, RunFiles};
pub use embeddings::SavedEmbedding;
pub use follow::{Follower, NewPoints, News, Reset, RunNews};
pub use load::{EventFile, Loaded, Run};
pub use options::{Checksums, LoadOptions};
pub use place::{Place, ValueReader};
pub use restart::RestartPolicy;
#[cfg(any(feature = "edit", feature = "verify"))]
pub(crate) use restart::version as file_version;
#[cfg(feature = "edit")]
pub(crate) use restart::{Order, Restarts, kept};
pub use series::{Scalars, TimeSeries, Values};
pub use shard::Shard;
#[cfg(feature = "registry")]
pub(crate) use side_files::Directories;
#[cfg(feature = "archive")]
pub(crate) use side_files::is_run;
#[cfg(feature = "verify")]
pub(crate) use walk::walk_span;
pub use walk::{Found, Walked, walk};
