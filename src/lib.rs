//! tbx
pub mod error;
pub mod event;
pub mod logdir;
pub mod record;
pub mod summary;
pub use event::pb;
pub use error::{Effect, Error, ErrorKind, Issue, Location, Report, RestartDrop, Result};
pub use logdir::{Checksums, EventFile, LoadOptions, Loaded, Logdir, RestartPolicy, Run, RunFiles, Scalars, TimeSeries, Values};
pub use summary::{DataClass, Kind, Metadata, RawValue};
