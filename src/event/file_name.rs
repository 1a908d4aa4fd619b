//! Names of event files.

use std::ffi::OsStr;
use std::fmt;

/// Whether a file of this base name is an event file: whether it contains `tfevents`
/// (`tensorboard/backend/event_processing/io_wrapper.py`, `IsTensorFlowEventsFile`).
///
/// ```
/// use tbx::event::is_event_file;
///
/// assert!(is_event_file("events.out.tfevents.1700000000.host.17.0.v2".as_ref()));
/// assert!(is_event_file("my.tfevents~".as_ref()));
/// assert!(!is_event_file("events.TFEVENTS".as_ref()));
/// ```
pub fn is_event_file(name: &OsStr) -> bool {
    name.as_encoded_bytes().windows(8).any(|window| window == b"tfevents")
}

/// The parts of an event file's name,
/// `events.out.tfevents.<secs>.<host>.<pid>.<uid><suffix>`
/// (`tensorboard/summary/writer/event_file_writer.py`).
///
/// TensorBoard reads the files of a run in the order of their names, which the seconds make
/// that of their creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFileName {
    /// When the file was made, in seconds since the Unix epoch; ten digits until 2286.
    pub secs: u64,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// A number that no other file of the process has.
    pub uid: u64,
    /// What stands behind, for example `.v2`; may be empty.
    pub suffix: String,
}

impl fmt::Display for EventFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secs, host, pid, uid, suffix } = self;
        write!(f, "events.out.tfevents.{secs:010}.{host}.{pid}.{uid}{suffix}")
    }
}
