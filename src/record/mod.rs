//! TFRecord framing: a length, its checksum, a payload and its checksum, nothing else.
//!
//! ```text
//! offset  size  content
//! 0       8     payload length n, u64 LE
//! 8       4     masked CRC-32C of those 8 bytes, u32 LE
//! 12      n     payload
//! 12 + n  4     masked CRC-32C of the payload, u32 LE
//! ```
//!
//! Source: `tensorflow/core/lib/io/record_writer.h` ("Format of a single record"). This layer does
//! not know about events: payloads are bytes.

pub mod crc;
mod frame;
mod long;
mod machine;
mod reader;
mod scan;
mod search;
mod source;
mod split;
mod start;
mod writer;

pub use frame::{FOOTER_LEN, HEADER_LEN, MAX_PAYLOAD_LEN, Record, frame};
pub use machine::FileMaps;
pub(crate) use machine::map;
pub use reader::RecordReader;
pub use writer::{RecordWriter, append};

// How the library scans files, for its sibling packages and its tests.
#[doc(hidden)]
pub use frame::payload_len;
#[doc(hidden)]
pub use scan::{Damage, Growth, MAX_TORN, Scanner, Step};
#[doc(hidden)]
pub use source::Source;
#[doc(hidden)]
pub use split::split;
#[doc(hidden)]
pub use start::{MAX_LEAD, holds_records};
