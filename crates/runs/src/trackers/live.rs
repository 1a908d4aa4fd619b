//! Detects whether a log without a status is still being written.

use std::cell::OnceCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A process that has not written for this long is busy with something else, as in a notebook.
const SILENT: Duration = Duration::from_secs(3600);
/// Maximum number of ancestors of this process that are checked.
const MAX_ABOVE: usize = 64;
/// Ticks per second in Linux's process statistics.
const TICKS: u64 = 100;

/// The processes of this machine that write event files.
#[derive(Default)]
pub(crate) struct Writers(OnceCell<Vec<PathBuf>>);

impl Writers {
    /// Whether a process still writes to one of these event files: it has the file open, or its id
    /// is in the file's name, because PyTorch reopens the file for each flush. Always false on
    /// systems other than Linux.
    pub(crate) fn write(&self, files: &[PathBuf]) -> bool {
        if files.is_empty() || !cfg!(target_os = "linux") {
            return false;
        }
        let open = self.0.get_or_init(|| open_files().unwrap_or_default());
        let is_open = |file: &PathBuf| file.canonicalize().is_ok_and(|file| open.contains(&file));
        files.iter().any(|file| has_writer(file)) || (!open.is_empty() && files.iter().any(is_open))
    }
}

/// Whether the process named in a file name is running: `events.out.tfevents.TIME.HOST.ID.N`.
fn has_writer(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let host = hostname::get().unwrap_or_default();
    let Some((_, rest)) = name.split_once(&format!(".{}.", host.to_string_lossy())) else {
        return false;
    };
    let id = rest.split('.').next().and_then(|id| id.parse::<u32>().ok());
    // A process that started later has reused the id.
    let changed = fs::metadata(file).and_then(|file| file.modified()).ok();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let began = id.filter(|id| !is_above(*id)).and_then(began);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    matches!((began, changed), (Some(began), Some(changed))
        if began <= changed.as_secs() && now < changed + SILENT)
}

/// Whether a process is this one or an ancestor that waits for it: a program that exports its own
/// log at its end.
fn is_above(id: u32) -> bool {
    let parent = |id: &u32| stat(*id)?.get(1)?.parse().ok();
    let this = std::process::id();
    std::iter::successors(Some(this), parent).take(MAX_ABOVE).any(|above| above == id)
}

/// The fields of `/proc/ID/stat`, starting with the third.
fn stat(id: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before them may contain any character.
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// The start time of a process, in seconds since the Unix epoch; `None` if it has ended.
fn began(id: u32) -> Option<u64> {
    let ticks: u64 = stat(id)?.get(19)?.parse().ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let boot = machine.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<u64>().ok()? + ticks / TICKS)
}

/// Event files that processes of this user have open for writing.
fn open_files() -> io::Result<Vec<PathBuf>> {
    let mut open = Vec::new();
    let this = std::process::id().to_string();
    for process in fs::read_dir("/proc")?.flatten() {
        let id = process.file_name().to_string_lossy().into_owned();
        if id == this || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // Processes of other users cannot be inspected.
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        for file in files.flatten() {
            let Ok(path) = fs::read_link(file.path()) else { continue };
            let is_log = path.file_name().is_some_and(tbx::event::is_event_file);
            if is_log && is_for_writing(&process.path(), &file.file_name().to_string_lossy()) {
                open.push(path);
            }
        }
    }
    Ok(open)
}

fn is_for_writing(process: &Path, file: &str) -> bool {
    let info = fs::read_to_string(process.join("fdinfo").join(file)).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    // `O_WRONLY` or `O_RDWR`.
    flags.is_some_and(|flags| flags & 0o3 != 0)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn written(files: &[PathBuf]) -> bool {
        Writers::default().write(files)
    }

    fn shell(dir: &Path, script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(dir).stdout(Stdio::null());
        command.stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn a_log_is_written_as_long_as_its_writer_runs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("events.out.tfevents.1.elsewhere.7.0");
        fs::write(&file, "").unwrap();
        let files = [file.clone()];
        assert!(!written(&files) && !written(&[]));
        // A reader does not count as a writer.
        let mut reader = shell(dir.path(), &format!("exec 3<{}; read x", files[0].display()));
        let mut writer = shell(dir.path(), &format!("exec 3>>{}; read x", files[0].display()));
        let begun = std::time::Instant::now();
        while !written(&files) {
            assert!(begun.elapsed().as_secs() < 60);
        }
        drop(writer.stdin.take());
        writer.wait().unwrap();
        assert!(!written(&files));
        drop(reader.stdin.take());
        reader.wait().unwrap();
        // A writer that reopens the file each time.
        let mut sleeper = shell(dir.path(), "read x");
        let host = hostname::get().unwrap();
        let name = format!("events.out.tfevents.1.{}.{}.0", host.display(), sleeper.id());
        let file = dir.path().join(name);
        fs::write(&file, "").unwrap();
        assert!(written(std::slice::from_ref(&file)));
        // An older file belongs to another process with the same id.
        let old = fs::File::options().write(true).open(&file).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        drop(old);
        assert!(!written(std::slice::from_ref(&file)));
        fs::write(&file, "x").unwrap();
        drop(sleeper.stdin.take());
        sleeper.wait().unwrap();
        assert!(!written(&[file]));
    }
}
