//! Log directories: finds event files, groups them into runs, loads their series in parallel, and follows them
//! while they grow.
//!
//! The next layer, `table`, turns the runs into rows and columns.

#[cfg(feature = "registry")]
mod directories;
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
mod several;
mod shard;
pub(crate) mod side_files;
mod sift;
mod walk;

#[cfg(feature = "registry")]
pub(crate) use directories::Directories;
#[cfg(feature = "archive")]
pub(crate) use directories::is_run;
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
pub(crate) use several::name_in;
pub use shard::Shard;
#[cfg(feature = "verify")]
pub(crate) use walk::walk_span;
pub use walk::{Found, Walked, walk};
