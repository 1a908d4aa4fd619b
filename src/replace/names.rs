//! Names of incomplete files and directories.
//!
//! TensorBoard reads any file with `tfevents` in its base name, in any directory, including hidden
//! ones. Therefore no name here contains that word.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Prefix of the names of temporary files, temporary directories and lock files.
pub(super) const PREFIX: &str = ".tbx~";
/// Prefix of the names of lock files, after [`PREFIX`].
const LOCK: &str = "lock-";
/// Suffix of the name of a job: a temporary file that lists what its owner does.
const JOB: &str = ".job";
/// Suffix of the name of a directory that the owner of a job creates.
const DIRECTORY: &str = ".new";
/// Suffix of the name of a directory that is to be removed, and was moved out of the way.
const GOING: &str = ".old";

/// The part of a name that marks an event file.
const EVENTS: &str = "tfevents";
/// Its replacement until the surrounding directory is complete. Both have the same length, so that
/// no name becomes too long.
const PENDING: &str = "tbx~pend";

/// Maximum length of a file name in the name of its lock; a longer one is truncated.
const MAX_LOCKED_NAME: usize = 200;

/// Whether a file or directory of this base name is incomplete, or a lock: not a run, not a log,
/// and not part of one.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) || is_pending(name)
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Whether a file of this base name becomes an event file when the surrounding directory is
/// complete.
pub fn is_pending(name: &OsStr) -> bool {
    contains(name.as_encoded_bytes(), PENDING)
}

/// The name of a file in a [`Folder`](super::Folder) until that is complete: a different one, if it
/// is the name of an event file.
pub(super) fn pending(name: &OsStr) -> OsString {
    swapped(name, EVENTS, PENDING).unwrap_or_else(|| name.to_owned())
}

/// The final name of a file with a pending name; `None` if the name is not pending.
pub fn complete(name: &OsStr) -> Option<OsString> {
    swapped(name, PENDING, EVENTS)
}

/// `name` with `from` replaced with another word of the same length; `None` if `from` does not occur.
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

/// The file that a process locks to change the file or directory at `path`.
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

/// Path number `number` for a temporary file of this process in `directory`.
pub(super) fn temporary(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{}-{number}", std::process::id()))
}

/// The same for a job.
pub(super) fn job(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{}-{number}{JOB}", std::process::id()))
}

/// The directory that the owner of `job` creates.
pub(super) fn directory(job: &Path) -> PathBuf {
    other(job, DIRECTORY)
}

/// The path to which the owner of `job` moves a directory that is to be removed.
pub(super) fn going(job: &Path) -> PathBuf {
    other(job, GOING)
}

/// Path number `number` for a file that belongs to `job`: one for `path`, in its directory.
pub(super) fn part(job: &Path, path: &Path, number: u64) -> PathBuf {
    let part = other(job, &format!(".{number}"));
    path.with_file_name(part.file_name().unwrap_or_default())
}

/// Whether `name` is the name of a file that belongs to `job`.
pub(super) fn is_part(name: &OsStr, job: &Path) -> bool {
    let number = name.to_str().and_then(|name| name.rsplit('.').next()?.parse().ok());
    number.is_some_and(|number| part(job, job, number).file_name() == Some(name))
}

fn other(job: &Path, end: &str) -> PathBuf {
    let name = job.file_name().unwrap_or_default().to_string_lossy();
    job.with_file_name(format!("{}{end}", name.strip_suffix(JOB).unwrap_or(&name)))
}

/// Whether this is the base name of a lock file.
pub(super) fn is_lock(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes().strip_prefix(PREFIX.as_bytes());
    name.is_some_and(|name| name.starts_with(LOCK.as_bytes()))
}

/// Whether `path` is the path of a job.
pub(super) fn is_job(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(JOB))
}

/// The base name of the temporary file whose owner created the file or directory with the base name
/// `name`: `name` itself, or the job of a directory. `None` for locks, files that belong to a job,
/// and all other names.
pub(super) fn owned(name: &OsStr) -> Option<String> {
    let name = name.to_str()?;
    let rest = name.strip_prefix(PREFIX)?;
    let of_job = [JOB, DIRECTORY, GOING].into_iter().find_map(|end| rest.strip_suffix(end));
    let (process, number) = of_job.unwrap_or(rest).split_once('-')?;
    if !is_number(process) || !is_number(number) {
        return None;
    }
    Some(match of_job {
        Some(job) => format!("{PREFIX}{job}{JOB}"),
        None => name.to_owned(),
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Encodes a name or path as one line of unambiguous text.
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

/// Decodes the name or path in such a line; `None` if the line is not valid.
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
        let job = job(Path::new("runs"), 3);
        let all = [lock(path), temporary(Path::new("runs"), 3), directory(&job), going(&job)];
        for path in all.into_iter().chain([part(&job, path, 7), job]) {
            let name = path.file_name().unwrap();
            assert!(is_temporary(name), "{name:?}");
            assert!(!contains(name.as_encoded_bytes(), EVENTS), "{name:?}");
        }
        let long = lock(&Path::new("runs").join("ü".repeat(127)));
        assert!(long.file_name().unwrap().len() <= MAX_LOCKED_NAME);
    }

    #[test]
    fn whose_name_it_is_stands_in_it() {
        let of = |name: &'static str| owned(OsStr::new(name));
        assert_eq!(of(".tbx~12-3").unwrap(), ".tbx~12-3");
        for name in [".tbx~12-3.job", ".tbx~12-3.new", ".tbx~12-3.old"] {
            assert_eq!(of(name).unwrap(), ".tbx~12-3.job");
        }
        for name in
            [".tbx~lock-tbx.json", ".tbx~12", ".tbx~12-", ".tbx~12-3.new.old", ".tbx~12-3.4"]
        {
            assert_eq!(of(name), None, "{name}");
        }
        let job = Path::new("runs/.tbx~12-3.job");
        assert_eq!(part(job, Path::new("runs/a/x"), 4), Path::new("runs/a/.tbx~12-3.4"));
        assert!(is_part(".tbx~12-3.4".as_ref(), job));
        for name in
            [".tbx~12-3.", ".tbx~12-3.x", ".tbx~12-34.4", ".tbx~12-3", "x.4", ".tbx~12-3.job"]
        {
            assert!(!is_part(name.as_ref(), job), "{name}");
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
