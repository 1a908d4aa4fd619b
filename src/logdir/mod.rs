//! Log directories: finds event files, groups them into runs, loads their series in parallel, and follows them
//! while they grow.
//!
//! The next layer, `table`, turns the runs into rows and columns.

#[cfg(feature = "meta")]
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
mod restart;
mod series;
mod several;
mod shard;
#[doc(hidden)]
pub mod side_files;
mod sift;
mod value_reader;
mod walk;

#[cfg(feature = "meta")]
#[doc(hidden)]
pub use directories::Directories;
#[cfg(feature = "meta")]
#[doc(hidden)]
pub use directories::is_run;
pub use discover::{Logdir, RunFiles};
pub use embeddings::SavedEmbedding;
pub use follow::{Follower, NewPoints, News, Reset, RunNews};
pub use load::{EventFile, Loaded, Run};
pub use options::{Checksums, LoadOptions, Payloads};
pub use restart::RestartPolicy;
#[doc(hidden)]
pub use restart::version as file_version;
#[doc(hidden)]
pub use restart::{Order, Restarts, kept};
pub use series::{Place, Scalars, TimeSeries, Values};
#[doc(hidden)]
pub use several::name_in;
pub use shard::Shard;
#[doc(hidden)]
pub use value_reader::Head;
pub use value_reader::ValueReader;
#[doc(hidden)]
pub use walk::{Found, Walked, walk, walk_span};
