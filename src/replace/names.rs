//! Names of what is not complete.
//!
//! TensorBoard reads any file with `tfevents` in its base name, in any directory, also in hidden
//! ones. So no name here has that word.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// How the names of temporary files, temporary directories and lock files begin.
pub(super) const PREFIX: &str = ".tbx~";
/// How the names of lock files go on.
const LOCK: &str = "lock-";
/// What the name of a temporary directory ends with, behind the name of the file that says who
/// makes it.
const DIRECTORY: &str = ".new";
/// The same of a directory that was replaced and will be removed.
const REPLACED: &str = ".old";

/// What makes a file an event file.
const EVENTS: &str = "tfevents";
/// What stands there until the directory around it is complete. As long as the other word, so that
/// no name becomes too long.
const PENDING: &str = "tbx~pend";

/// A longer name of a file is cut in that of its lock.
const MAX_LOCKED_NAME: usize = 200;

/// Whether a file or directory of this base name is one that `tbx` has not completed, or a lock: no
/// run, no log, and nothing that belongs to one.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) || is_pending(name)
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Whether a file of this base name will be an event file when the folder around it is complete.
pub(crate) fn is_pending(name: &OsStr) -> bool {
    contains(name.as_encoded_bytes(), PENDING)
}

/// The name that a file has in a [`Folder`](super::Folder) until that is complete: another one, if
/// it is the name of an event file.
pub(crate) fn pending(name: &OsStr) -> OsString {
    swapped(name, EVENTS, PENDING).unwrap_or_else(|| name.to_owned())
}

/// The name that a file with a [pending](pending) name will have; none if it has no such name.
pub(crate) fn complete(name: &OsStr) -> Option<OsString> {
    swapped(name, PENDING, EVENTS)
}

/// `name` with another word of the same length in the places of `from`; none if there are none.
fn swapped(name: &OsStr, from: &str, to: &str) -> Option<OsString> {
    if !contains(name.as_encoded_bytes(), from) {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::{OsStrExt, OsStringExt};

        let mut rest = name.as_bytes();
        let mut swapped = Vec::with_capacity(rest.len());
        while let Some((byte, behind)) = rest.split_first() {
            match rest.strip_prefix(from.as_bytes()) {
                Some(behind) => {
                    swapped.extend_from_slice(to.as_bytes());
                    rest = behind;
                }
                None => {
                    swapped.push(*byte);
                    rest = behind;
                }
            }
        }
        Some(OsString::from_vec(swapped))
    }
    #[cfg(not(unix))]
    Some(name.to_string_lossy().replace(from, to).into())
}

/// The file that is locked by whoever changes what is at `path`.
pub(super) fn lock(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().replace(EVENTS, PENDING);
    let mut name = format!("{PREFIX}{LOCK}{name}");
    let mut end = name.len().min(MAX_LOCKED_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    path.with_file_name(name)
}

/// Number `number` of the temporary files that this process makes in `directory`.
pub(super) fn temporary(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{}-{number}", std::process::id()))
}

/// The directory that the owner of the temporary file `claim` makes.
pub(super) fn directory(claim: &Path) -> PathBuf {
    claim.with_extension(&DIRECTORY[1..])
}

/// Where the owner of the temporary file `claim` puts a directory that it replaces.
pub(super) fn replaced(claim: &Path) -> PathBuf {
    claim.with_extension(&REPLACED[1..])
}

/// The base name of the temporary file whose owner made what has the base name `name`: the name
/// itself, or that of a directory without its end. None for locks and for all other names.
pub(super) fn claim(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    let rest = name.strip_prefix(PREFIX)?;
    let rest = rest.strip_suffix(DIRECTORY).or(rest.strip_suffix(REPLACED)).unwrap_or(rest);
    let (process, number) = rest.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_claim = is_number(process) && is_number(number);
    if is_claim { name.get(..PREFIX.len() + rest.len()) } else { None }
}

/// A name or path as one line of text, in which no character can be mistaken.
pub(super) fn to_line(name: &OsStr) -> String {
    let mut line = String::new();
    for byte in name.as_encoded_bytes() {
        match char::from(*byte) {
            c if c.is_ascii_graphic() && c != '%' => line.push(c),
            _ => line.push_str(&format!("%{byte:02x}")),
        }
    }
    line
}

/// The name or path that such a line says; none if it says none.
pub(super) fn from_line(line: &str) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        if *byte != b'%' {
            bytes.push(*byte);
            rest = behind;
            continue;
        }
        let (digits, behind) = behind.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        Some(OsString::from_vec(bytes))
    }
    #[cfg(not(unix))]
    String::from_utf8(bytes).ok().map(OsString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_files_have_other_names_until_their_folder_is_complete() {
        for name in ["events.out.tfevents.1700000000.h.1.0", "tfevents", "a.tfeventstfevents~"] {
            let pending = pending(name.as_ref());
            assert!(is_temporary(&pending) && !contains(pending.as_encoded_bytes(), EVENTS));
            assert_eq!(pending.len(), name.len());
            assert_eq!(complete(&pending).unwrap(), name);
        }
        for name in ["tbx.json", "tfevent.s", "größe", "tbx~", ".tbx"] {
            assert_eq!(pending(name.as_ref()), name);
            assert_eq!(complete(name.as_ref()), None);
            assert!(!is_temporary(name.as_ref()));
        }
    }

    #[test]
    fn names_of_the_unfinished_are_those_of_no_log() {
        let path = Path::new("runs/a/events.out.tfevents.1");
        let claim_path = temporary(Path::new("runs"), 3);
        let all = [lock(path), claim_path.clone(), directory(&claim_path), replaced(&claim_path)];
        for path in all {
            let name = path.file_name().unwrap();
            assert!(is_temporary(name), "{name:?}");
            assert!(!contains(name.as_encoded_bytes(), EVENTS), "{name:?}");
        }
        let long = lock(&Path::new("runs").join("ü".repeat(127)));
        assert!(long.file_name().unwrap().len() <= MAX_LOCKED_NAME);
    }

    #[test]
    fn whose_name_it_is_stands_in_it() {
        let of = |name: &'static str| claim(OsStr::new(name));
        assert_eq!(of(".tbx~12-3"), Some(".tbx~12-3"));
        assert_eq!(of(".tbx~12-3.new"), Some(".tbx~12-3"));
        assert_eq!(of(".tbx~12-3.old"), Some(".tbx~12-3"));
        for name in [".tbx~lock-tbx.json", ".tbx~12", ".tbx~12-", ".tbx~12-3.new.old", "x"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn lines_say_any_name() {
        for name in ["a", "a b%\n%20ü", ""] {
            let line = to_line(name.as_ref());
            assert!(line.bytes().all(|byte| byte.is_ascii_graphic()), "{line}");
            assert_eq!(from_line(&line).unwrap(), name);
        }
        assert_eq!(from_line("%"), None);
        assert_eq!(from_line("%2"), None);
        assert_eq!(from_line("%zz"), None);
    }
}
