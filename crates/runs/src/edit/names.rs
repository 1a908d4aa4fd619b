//! Names of files that are derived from others.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The part of a name that marks an event file, and its replacement in names that must not be one.
const MARK: &str = "tfevents";
const NO_MARK: &str = "tf-events";

/// The name of part `n`, from 2 on, of the file `name`. It sorts after `name` and the previous
/// parts. It also sorts before the next file, unless the name of the next file is `name` followed
/// by a character that sorts before the dot.
pub(super) fn part(name: &OsStr, n: usize) -> OsString {
    let mut part = name.to_owned();
    part.push(format!(".part{n:04}"));
    part
}

/// A name like `name` that is not an event file name.
fn unmarked(name: &OsStr) -> OsString {
    match name.to_str() {
        Some(text) => text.replace(MARK, NO_MARK).into(),
        // Bytes that are not UTF-8 are replaced: the name only has to be free.
        None => name.to_string_lossy().replace(MARK, NO_MARK).into(),
    }
}

/// The path at which the original of `path` is kept: in the same directory, under a free name that
/// is not an event file name.
pub(super) fn backup(path: &Path) -> PathBuf {
    let name = unmarked(path.file_name().unwrap_or_default());
    let candidate = |n: u32| {
        let mut name = name.clone();
        name.push(if n == 1 { ".bak".into() } else { format!(".bak{n}") });
        path.with_file_name(name)
    };
    let free = |path: &PathBuf| path.symlink_metadata().is_err();
    (1..10_000).map(candidate).find(free).unwrap_or_else(|| candidate(10_000))
}

/// The seconds in an event file name, if they have ten digits, as in files of all writers except
/// one.
pub(super) fn seconds(name: &OsStr) -> Option<f64> {
    let name = name.to_str()?;
    let (_, rest) = name.split_once("tfevents.")?;
    let digits = rest.split('.').next().filter(|digits| digits.len() == 10)?;
    digits.parse::<u32>().ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tbx::event::is_event_file;

    #[test]
    fn parts_sort_between_their_file_and_the_next() {
        let name = OsStr::new("events.out.tfevents.1700000000.host.1.1");
        for next in ["events.out.tfevents.1700000000.host.1.10", "events.out.tfevents.1700000001"] {
            for n in [2, 9999] {
                let part = part(name, n);
                assert!(name < &*part && *part < *OsStr::new(next) && is_event_file(&part));
            }
        }
    }

    #[test]
    fn kept_files_are_no_event_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["events.out.tfevents.1.host", "tfevents", "a.tfeventstfevents.v2"] {
            let path = dir.path().join(name);
            let first = backup(&path);
            std::fs::write(&first, b"").unwrap();
            let second = backup(&path);
            assert_ne!(first, second);
            for other in [first, second] {
                assert!(!is_event_file(other.file_name().unwrap()), "{}", other.display());
                assert_eq!(other.parent(), path.parent());
            }
        }
    }

    #[test]
    fn seconds_are_those_of_the_name() {
        assert_eq!(seconds("events.out.tfevents.1700000000.h.1.0".as_ref()), Some(1.7e9));
        for name in ["events.out.tfevents.1700000000000000.h", "my.tfevents", "tfevents.1234"] {
            assert_eq!(seconds(name.as_ref()), None, "{name}");
        }
    }
}
