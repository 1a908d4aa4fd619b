//! The status of a run whose `tbx.json` says none: the rule for all trackers, which `docs/mlflow.md` describes.

use std::cell::OnceCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tbx::logdir::Run;
use tbx::meta::{RunMeta, Status, now};
use tbx::summary::Kind;
use tbx::summary::hparams::{SESSION_END_TAG, SESSION_START_TAG};

/// A process that has not written for this long is busy with something else, as in a notebook.
const SILENT: Duration = Duration::from_secs(3600);
/// The log of an unknown process counts as ended after this time without a change.
pub(crate) const SILENCE: Duration = Duration::from_secs(15 * 60);
/// Maximum time in seconds between the end of an `hparams` session and the points that belong to that end: PyTorch
/// writes the metrics of `add_hparams` after it.
const WITH_END: f64 = 1.0;
/// Maximum time in seconds between the start and the end of a session that are written together: by Lightning at the
/// start of the training, by `add_hparams` of PyTorch and tensorboardX at any time.
const TOGETHER: f64 = 0.1;
/// While an export repeats, a process that cannot be found counts as gone once it has not written for this long. It may
/// be in a container that shares the host's name.
const GONE: Duration = Duration::from_secs(60);
/// Maximum number of ancestors of this process that are checked.
const MAX_ABOVE: usize = 64;
/// Ticks per second in Linux's process statistics.
const TICKS: u64 = 100;

/// The end of a run according to its log.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ending {
    /// The last end of an `hparams` session, unless `tbx.json` says more.
    session: Option<Session>,
    /// Wall times of the first and the last point, in seconds since the Unix epoch.
    first: Option<f64>,
    last: Option<f64>,
    /// Wall time of the first event.
    began: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Session {
    status: Status,
    /// End time that it names, in seconds since the Unix epoch.
    end_time: Option<f64>,
    /// Wall time at which its start was written, if it was.
    started: Option<f64>,
    /// Wall time at which its end was written.
    written: f64,
}

impl Session {
    fn says(&self) -> (Status, Option<f64>) {
        (self.status, self.end_time.filter(|_| self.status.is_final()))
    }

    /// Whether the end says something about the log, whose points are from `first` to `last`: it was not written together
    /// with the start, there are points in between, or others from long before.
    fn is_real(&self, first: f64, last: f64) -> bool {
        self.started.is_none_or(|started| {
            self.written - started > TOGETHER
                || (started <= last && last <= self.written)
                || first < started - WITH_END
        })
    }
}

impl Ending {
    /// The ending of a directory. Takes the status and the end time that `meta` has from an `hparams` session: they
    /// only count if nothing follows in the whole run.
    pub(crate) fn take(run: &Run, meta: &mut RunMeta) -> Self {
        let written = |tag| {
            let of_kind = run.series.iter().filter(|series| series.kind() == Kind::Hparams);
            let times = of_kind.filter(|series| series.tag() == tag).flat_map(|s| s.wall_times());
            times.copied().reduce(f64::max)
        };
        let session = match (written(SESSION_END_TAG), meta.status) {
            (Some(end), Some(status)) if !run.has_own_meta() => {
                meta.status = None;
                let (end_time, started) = (meta.end_time.take(), written(SESSION_START_TAG));
                Some(Session { status, end_time, started, written: end })
            }
            _ => None,
        };
        let points =
            || run.series.iter().filter(|s| !matches!(s.kind(), Kind::Hparams | Kind::Meta));
        let last = points().flat_map(|series| series.wall_times().last()).copied();
        let last = last.filter(|time| time.is_finite()).reduce(f64::max);
        let first = points().filter_map(|series| series.wall_times().first()).copied();
        let first = first.filter(|time| time.is_finite()).reduce(f64::min);
        Self { session, first, last, began: run.start_time }
    }

    /// Adds the ending of another part of the run.
    pub(crate) fn join(&mut self, other: &Self) {
        let sessions = self.session.into_iter().chain(other.session);
        self.session = sessions.reduce(|a, b| if b.written >= a.written { b } else { a });
        self.first = self.first.into_iter().chain(other.first).reduce(f64::min);
        self.last = self.last.into_iter().chain(other.last).reduce(f64::max);
        self.began = self.began.into_iter().chain(other.began).reduce(f64::max);
    }

    /// The status and the end time of the `hparams` session, if it ended at the end of the log.
    pub(crate) fn said(&self) -> Option<(Status, Option<f64>)> {
        let is_last = |session: &Session| match self.last {
            Some(last) => {
                let first = self.first.unwrap_or(last);
                last <= session.written + WITH_END && session.is_real(first, last)
            }
            None => session.status == Status::Failed,
        };
        Some(self.session.filter(is_last)?.says())
    }

    /// The status, and the end time if the log names one. `files` are the event files of the run.
    pub(crate) fn status(
        &self,
        files: &[PathBuf],
        writers: &Writers,
        silence: Duration,
    ) -> (Status, Option<f64>) {
        if let Some(said) = self.said() {
            return said;
        }
        let is_running = match writers.of(files, silence) {
            Writer::Alive => true,
            Writer::Gone => false,
            Writer::Unknown => self.is_recent(files, silence),
        };
        // The end of a session that was written together with its start is true of a log that has ended.
        let is_last =
            |session: &Session| self.last.is_some_and(|last| last <= session.written + WITH_END);
        match self.session.filter(is_last) {
            _ if is_running => (Status::Running, None),
            Some(session) => session.says(),
            None => (Status::Finished, None),
        }
    }

    /// Whether the log changed within `silence`, both by its last point and by the time of a file, since the file of an
    /// old log that was copied is new.
    fn is_recent(&self, files: &[PathBuf], silence: Duration) -> bool {
        let last = self.last.or(self.session.map(|session| session.written)).or(self.began);
        let has_new = last.is_none_or(|last| now() - last < silence.as_secs_f64());
        has_new && files.iter().any(|file| is_new(file, silence))
    }
}

/// The process that writes the event files of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Alive,
    Gone,
    /// It may be on another machine.
    Unknown,
}

/// The processes of this machine that write event files.
pub(crate) struct Writers {
    open: OnceCell<Vec<PathBuf>>,
    /// Whether this process and its ancestors count as writers.
    own: bool,
}

impl Writers {
    /// For a job that runs once: the program that waits for it has written its log.
    pub(crate) fn others() -> Self {
        Self { open: OnceCell::new(), own: false }
    }

    /// For a job that runs next to the program that started it.
    pub(crate) fn all() -> Self {
        Self { open: OnceCell::new(), own: true }
    }

    /// The writer of these event files: a process that has one of them open, or whose id is in the name of one,
    /// because PyTorch reopens the file for each flush.
    fn of(&self, files: &[PathBuf], silence: Duration) -> Writer {
        if files.is_empty() {
            return Writer::Gone;
        }
        if !cfg!(target_os = "linux") {
            return Writer::Unknown;
        }
        let open = self.open.get_or_init(|| open_files(self.own).unwrap_or_default());
        let is_open = |file: &PathBuf| file.canonicalize().is_ok_and(|file| open.contains(&file));
        let named: Vec<Writer> = files.iter().map(|file| named_writer(file, self.own)).collect();
        match !open.is_empty() && files.iter().any(is_open) {
            true => Writer::Alive,
            false if named.contains(&Writer::Alive) => Writer::Alive,
            false if named.contains(&Writer::Unknown) => Writer::Unknown,
            false if self.own && files.iter().any(|file| is_new(file, silence.min(GONE))) => {
                Writer::Alive
            }
            false => Writer::Gone,
        }
    }
}

/// Whether a file has changed within this time.
fn is_new(file: &Path, time: Duration) -> bool {
    changed(file).is_some_and(|age| age < time)
}

/// The time since a file changed.
fn changed(file: &Path) -> Option<Duration> {
    let changed = fs::metadata(file).and_then(|file| file.modified()).ok()?;
    // A clock that is ahead has changed it just now.
    Some(SystemTime::now().duration_since(changed).unwrap_or_default())
}

/// The process named in a file name: `events.out.tfevents.TIME.HOST.ID.N`.
fn named_writer(file: &Path, own: bool) -> Writer {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let host = hostname::get().unwrap_or_default();
    let rest = name.split_once(&format!(".{}.", host.to_string_lossy())).map(|(_, rest)| rest);
    let id = rest.and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    let Some(id) = id else { return Writer::Unknown };
    // A process that started later has reused the id.
    let changed = fs::metadata(file).and_then(|file| file.modified()).ok();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let began = Some(id).filter(|id| own || !is_above(*id)).and_then(began);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match (began, changed) {
        (Some(began), Some(changed)) if began <= changed.as_secs() && now < changed + SILENT => {
            Writer::Alive
        }
        _ => Writer::Gone,
    }
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
fn open_files(own: bool) -> io::Result<Vec<PathBuf>> {
    let mut open = Vec::new();
    let this = std::process::id().to_string();
    for process in fs::read_dir("/proc")?.flatten() {
        let id = process.file_name().to_string_lossy().into_owned();
        if (id == this && !own) || !id.bytes().all(|byte| byte.is_ascii_digit()) {
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
        Writers::others().of(files, SILENCE) == Writer::Alive
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

    /// The status of the log in `dir`, and the time that it names for its end.
    fn status(dir: &Path, silence: Duration) -> (Status, Option<f64>) {
        use tbx::{LoadOptions, Logdir};

        let loaded = Logdir::open(dir).unwrap().load(&LoadOptions::new()).unwrap();
        let mut all = Ending::default();
        for run in &loaded.runs {
            let (mut meta, _) = run.meta();
            all.join(&Ending::take(run, &mut meta));
            assert_eq!(meta.status, None);
        }
        let files = loaded.runs.iter().flat_map(|run| &run.files).map(|file| file.path.clone());
        all.status(&files.collect::<Vec<_>>(), &Writers::others(), silence)
    }

    /// Gives the event files names of a program on another machine.
    fn move_elsewhere(dir: &Path) {
        let files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        for path in files.iter().filter(|path| !path.to_string_lossy().contains("elsewhere")) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let host = hostname::get().unwrap().to_string_lossy().into_owned();
            fs::rename(path, dir.join(name.replace(&host, "elsewhere"))).unwrap();
        }
    }

    #[test]
    fn the_end_of_a_session_counts_if_it_is_the_end_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let write = |points: usize, later: f64| {
            let writer = tbx::SummaryWriter::create(dir.path()).unwrap();
            let writer = writer.with_wall_time(now() + later).unwrap();
            (0..points).for_each(|i| writer.add_scalar("loss", 1.0, i as i64).unwrap());
            drop(writer);
        };
        let writer = tbx::SummaryWriter::create(dir.path()).unwrap();
        writer.add_hparams([("lr", 0.1.into())], []).unwrap();
        writer.close().unwrap();
        move_elsewhere(dir.path());
        let day = Duration::from_secs(86_400);
        // Without a point, the run may be about to begin.
        assert_eq!(status(dir.path(), day), (Status::Running, None));
        assert_eq!(status(dir.path(), Duration::ZERO), (Status::Finished, None));
        write(3, -10.0);
        let (ended, time) = status(dir.path(), day);
        assert!(ended == Status::Finished && time.is_some());
        // The program goes on.
        write(1, 30.0);
        move_elsewhere(dir.path());
        assert_eq!(status(dir.path(), day), (Status::Running, None));
    }

    /// Lightning writes `hp_metric`, then the start and the end of the session, all before the training.
    #[test]
    fn an_end_that_was_written_together_with_its_start_ends_nothing() {
        use tbx::summary::hparams::{
            Hparams, SessionEnd, SessionStatus, session_end, session_start,
        };

        let dir = tempfile::tempdir().unwrap();
        let writer = tbx::SummaryWriter::create(dir.path()).unwrap();
        writer.add_scalar("hp_metric", -1.0, 0).unwrap();
        let start = session_start(&Hparams::new().with("lr", 0.1), now()).unwrap();
        let end = session_end(&SessionEnd::new(SessionStatus::Failure, Some(5.0)));
        for value in [start, end] {
            writer.add_summary(tbx::pb::Summary { value: vec![value] }, 0).unwrap();
        }
        writer.close().unwrap();
        move_elsewhere(dir.path());
        let day = Duration::from_secs(86_400);
        assert_eq!(status(dir.path(), day), (Status::Running, None));
        // It says how a log ended that has ended.
        assert_eq!(status(dir.path(), Duration::ZERO), (Status::Failed, Some(5.0)));
        let later = tbx::SummaryWriter::create(dir.path()).unwrap();
        later.with_wall_time(now() + 30.0).unwrap().add_scalar("loss", 1.0, 0).unwrap();
        drop(later);
        move_elsewhere(dir.path());
        assert_eq!(status(dir.path(), Duration::ZERO), (Status::Finished, None));
    }

    /// Another process with the same host name may not be visible.
    #[test]
    fn a_process_that_cannot_be_found_is_gone_after_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let host = hostname::get().unwrap();
        // No process has the largest id.
        let name = format!("events.out.tfevents.1.{}.4194305.0", host.display());
        let files = [dir.path().join(name)];
        fs::write(&files[0], "").unwrap();
        assert_eq!(Writers::others().of(&files, SILENCE), Writer::Gone);
        assert_eq!(Writers::all().of(&files, SILENCE), Writer::Alive);
        assert_eq!(Writers::all().of(&files, Duration::ZERO), Writer::Gone);
        let file = fs::File::options().write(true).open(&files[0]).unwrap();
        file.set_modified(SystemTime::now() - GONE).unwrap();
        drop(file); // this process is not one that writes it
        assert_eq!(Writers::all().of(&files, SILENCE), Writer::Gone);
    }

    #[test]
    fn the_log_of_an_unknown_process_is_running_until_it_is_silent() {
        let dir = tempfile::tempdir().unwrap();
        let writer = tbx::SummaryWriter::create(dir.path()).unwrap();
        writer.add_scalar("loss", 1.0, 0).unwrap();
        writer.close().unwrap();
        // The process that waits for the export has written it.
        assert_eq!(status(dir.path(), SILENCE), (Status::Finished, None));
        move_elsewhere(dir.path());
        assert_eq!(status(dir.path(), SILENCE), (Status::Running, None));
        assert_eq!(status(dir.path(), Duration::ZERO), (Status::Finished, None));
        // An old log that was copied just now.
        let old = tempfile::tempdir().unwrap();
        let writer = tbx::SummaryWriter::create(old.path()).unwrap();
        writer.with_wall_time(1.7e9).unwrap().add_scalar("loss", 1.0, 0).unwrap();
        writer.close().unwrap();
        move_elsewhere(old.path());
        assert_eq!(status(old.path(), SILENCE), (Status::Finished, None));
    }
}
