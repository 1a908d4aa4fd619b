//! Names of event files.

use std::ffi::OsStr;
use std::fmt;

/// Returns whether a file with this base name is an event file, that is, whether the name contains
/// `tfevents` (`tensorboard/backend/event_processing/io_wrapper.py`, `IsTensorFlowEventsFile`).
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

/// Returns whether `name` is exactly what a program calls its log, with nothing added before or
/// after it. The name is `events.out.tfevents.<secs>.<host>` as in TensorFlow 1, optionally
/// followed by `.<pid>.<uid>`, and by `.v2` or `.profile-empty` at the end.
pub(super) fn is_log_name(name: &OsStr) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let rest = name.to_str().and_then(|name| name.strip_prefix("events.out.tfevents."));
    let mut parts: Vec<_> = rest.map(|rest| rest.split('.').collect()).unwrap_or_default();
    parts.pop_if(|last| matches!(*last, "v2" | "profile-empty"));
    match parts.as_slice() {
        [secs] | [secs, _] => is_number(secs),
        // The host may itself contain dots.
        [secs, _, .., pid, uid] => [secs, pid, uid].into_iter().all(|part| is_number(part)),
        _ => false,
    }
}

/// The parts of an event file's name,
/// `events.out.tfevents.<secs>.<host>.<pid>.<uid><suffix>`
/// (`tensorboard/summary/writer/event_file_writer.py`).
///
/// TensorBoard reads the files of a run in the order of their names. The seconds at the start make
/// this the order of creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventFileName {
    /// When the file was created, in seconds since the Unix epoch; ten digits until 2286.
    pub(crate) secs: u64,
    /// Host name of the machine.
    pub(crate) host: String,
    /// ID of the process.
    pub(crate) pid: u32,
    /// A number that is unique among the files of the process.
    pub(crate) uid: u64,
    /// The rest of the name, for example `.v2`; may be empty.
    pub(crate) suffix: String,
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
