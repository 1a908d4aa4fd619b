//! tbx
pub mod error;
pub mod event;
pub mod logdir;
pub mod record;
pub mod summary;
pub mod writer;
pub use error::{Effect, Error, ErrorKind, Issue, Location, Report, RestartDrop, Result};
pub use event::pb;
pub use logdir::{
    Checksums, EventFile, LoadOptions, Loaded, Logdir, RestartPolicy, Run, RunFiles, Scalars,
    TimeSeries, Values,
};
pub use summary::graph::{Attr, Graph, Node};
pub use summary::histogram::{Bins, Histogram, Moments, Numeric};
#[cfg(all(feature = "image", feature = "ndarray"))]
pub use summary::image::Layout;
pub use summary::{DataClass, Kind, Metadata, RawValue};
pub use writer::{SummaryWriter, WriterOptions};
