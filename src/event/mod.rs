//! Events in records: the protobuf messages, a view that reads them without building them, and the
//! writer.
//!
//! An `Event` has a wall time, a step and one of several contents. Most contents are a summary: a
//! list of values with tags (`tensorboard/compat/proto/event.proto`, `summary.proto`). The meaning
//! of a value is left to the next layer.

#[doc(hidden)]
pub mod encode;
mod event_ref;
mod file_name;
mod other_file;
pub mod pb;
mod peek;
mod rewrite;
mod tensor_ref;
mod value_ref;
mod whole;
pub(crate) mod wire;
mod writer;

pub use event_ref::{EventRef, What};
pub(crate) use file_name::EventFileName;
pub use file_name::is_event_file;
pub(crate) use tensor_ref::number;
pub(crate) use value_ref::UNREADABLE_METADATA;
pub use value_ref::{Payload, SummaryRef, ValueRef, ValueRefs};
pub use wire::Malformed;
pub use writer::EventWriter;

// For the sibling packages and the tests.
#[doc(hidden)]
pub use other_file::{other_file, other_file_at, other_file_issue};
#[doc(hidden)]
pub use peek::{Peek, PeekScalar, ScalarForm};
#[doc(hidden)]
pub use rewrite::{Rewrite, ValueRewrite, rewrite};
#[doc(hidden)]
pub use tensor_ref::{Number, TensorRef};
#[doc(hidden)]
pub use whole::WholeEvents;
#[doc(hidden)]
pub use writer::{SOURCE, first_event};

/// The format version in the first event of a file. Readers parse the number after the colon
/// (`tensorboard/backend/event_processing/plugin_event_accumulator.py`, `_ParseFileVersion`).
pub const FILE_VERSION: &str = "brain.Event:2";
