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

/// Whether `name` is just what a program calls its log, without anything that another program put
/// before or behind it: `events.out.tfevents.<secs>.<host>`, as TensorFlow 1 has it, or with
/// `.<pid>.<uid>` behind, and `.v2` or `.profile-empty` at the end.
pub(super) fn is_log_name(name: &OsStr) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let rest = name.to_str().and_then(|name| name.strip_prefix("events.out.tfevents."));
    let mut parts: Vec<_> = rest.map(|rest| rest.split('.').collect()).unwrap_or_default();
    parts.pop_if(|last| matches!(*last, "v2" | "profile-empty"));
    match parts.as_slice() {
        [secs] | [secs, _] => is_number(secs),
        // A host may have dots itself.
        [secs, _, .., pid, uid] => [secs, pid, uid].into_iter().all(|part| is_number(part)),
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_behind_a_logs_name_makes_it_another() {
        for name in [
            "events.out.tfevents.1479160120",
            "events.out.tfevents.1479160120.localhost",
            "events.out.tfevents.1700000000.host.1.0",
            "events.out.tfevents.1700000000.ip-10-0-0-1.ec2.internal.17.0.v2",
            "events.out.tfevents.1700000000.host.profile-empty",
        ] {
            assert!(is_log_name(name.as_ref()), "{name}");
        }
        for end in [".dvc", ".meta", "~", ":Zone.Identifier", ".swp", ".gz", " (1)", ".sha256"] {
            let name = format!("events.out.tfevents.1700000000.host.1.0{end}");
            assert!(!is_log_name(name.as_ref()), "{name}");
        }
        for name in [
            "._events.out.tfevents.1700000000.host.1.0",
            "plot_tfevents.py",
            "my.tfevents",
            "events.out.tfevents.py",
            "",
        ] {
            assert!(!is_log_name(name.as_ref()), "{name}");
        }
        let own = EventFileName { secs: 17, host: "h.x".into(), pid: 1, uid: 2, suffix: "".into() };
        assert!(is_log_name(own.to_string().as_ref()));
    }
}
