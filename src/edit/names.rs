//! Names of files that are made of others.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What makes a file an event file, and what stands there in names that must not be one's.
const MARK: &str = "tfevents";
const NO_MARK: &str = "tf-events";

/// Part `n`, from 2 on, of the file `name`. Sorts behind `name` and behind the parts before, and,
/// unless there is a name that begins with `name` and a character below the point, before the next
/// file.
pub(super) fn part(name: &OsStr, n: usize) -> OsString {
    let mut part = name.to_owned();
    part.push(format!(".part{n:04}"));
    part
}

/// A name like `name` that is no event file's.
fn unmarked(name: &OsStr) -> OsString {
    match name.to_str() {
        Some(text) => text.replace(MARK, NO_MARK).into(),
        // What is not UTF-8 is replaced: the name only has to be free.
        None => name.to_string_lossy().replace(MARK, NO_MARK).into(),
    }
}

/// Where the original of `path` is kept: beside it, under a name that is free and no event file's.
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

/// The seconds in an event file's name, if they are ten digits as all but one writer have it.
pub(super) fn seconds(name: &OsStr) -> Option<f64> {
    let name = name.to_str()?;
    let (_, rest) = name.split_once("tfevents.")?;
    let digits = rest.split('.').next().filter(|digits| digits.len() == 10)?;
    digits.parse::<u32>().ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::is_event_file;

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
