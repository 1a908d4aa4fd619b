//! Follows log directories while they grow.

mod file;
mod news;
mod run;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use self::file::Found;
pub use self::news::{NewPoints, News, Reset, RunNews};
use self::run::{FollowedRun, Poll, chunk};
use super::{LoadOptions, Logdir};
use crate::error::{Effect, ErrorKind, Issue, Location};
use crate::store;

/// Maximum duration of a directory scan that is repeated in each poll.
const QUICK: Duration = Duration::from_millis(5);
/// Maximum pause between slower scans. They are spaced so that they take a hundredth of the time.
const RARELY: Duration = Duration::from_secs(30);
const SHARE: u32 = 100;
/// Minimum number of runs that share the budget of a poll.
const MIN_RUNS: u64 = 8;
/// Minimum pause between two lists of a URL, which cost money and the server's time.
const REMOTE: Duration = Duration::from_secs(5);

/// Follows a log directory: each [`poll`](Self::poll) returns what was added since the last one.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let runs = dir.path();
/// use tbx::{Follower, LoadOptions, SummaryWriter};
///
/// let writer = SummaryWriter::create(runs.join("first"))?;
/// writer.add_scalar("loss", 0.5, 0)?;
/// writer.flush()?;
/// let mut follower = Follower::new(runs, &LoadOptions::new());
/// let news = follower.poll();
/// assert_eq!(news.runs[0].name, "first");
/// assert_eq!(news.runs[0].series[0].points.steps(), [0]);
///
/// writer.add_scalar("loss", 0.25, 1)?;
/// writer.flush()?;
/// let news = follower.poll();
/// assert_eq!(news.runs[0].series[0].points.steps(), [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it reads
///
/// It reads all event files of all runs, including old ones, each from where it stopped. Together, all polls
/// return the same as [`Logdir::load`], except that events from several files of a run come in the order of
/// arrival. No file is mapped or kept open, and [`LoadOptions::strict`] has no effect.
///
/// An incomplete record at the end of a file is returned once it is complete. A wrong checksum counts as damage
/// only after its bytes have been in the file for a while ([`settle`](Self::settle)), because on network file
/// systems a file can get longer before its new bytes are visible.
///
/// A tensor without metadata is returned once another value of its tag shows its kind. Without such a value, it
/// is returned as [`Kind::Tensor`](crate::Kind::Tensor) by [`finish`](Self::finish), or by a poll if there are more
/// than 1000 of them.
///
/// If a file is truncated, replaced by another log or removed, its run is read again from the start, see
/// [`RunNews::reset`]. If a longer copy replaces a file, as `rsync` does, reading continues where it stopped.
///
/// The restart policy determines which points the caller has to drop, see [`NewPoints::drop_from`].
///
/// # What it costs
///
/// Points are returned and not kept. A poll reads at most about [`budget`](Self::budget) bytes. If nothing has
/// changed, it only scans the directory. With thousands of runs, even that is not done in each poll: files that
/// changed within the last minute are checked every time. Other files, and new ones, are checked so rarely that
/// this takes a hundredth of the time, but at least every 30 seconds.
///
/// # URLs
///
/// A poll of a [URL](crate::store) lists it, unless it was listed within the last 5 seconds, or longer ago if a list takes
/// long. The list has the sizes and versions of all objects, so only objects that changed are requested. An object is
/// replaced as a whole: one that begins with the same bytes is a log that has grown, and another one of the same
/// length is another log. If the server does not answer or refuses, this is an issue, reported once; all runs stay as
/// they are, and a later poll asks again. A poll waits for the server, which may take minutes.
pub struct Follower {
    /// A URL has no secrets here.
    path: PathBuf,
    is_remote: bool,
    options: LoadOptions,
    settle: Duration,
    budget: u64,
    runs: BTreeMap<PathBuf, Box<FollowedRun>>,
    next_look: Option<Instant>,
    /// Whether the last scan has failed, so the content of the directory is unknown.
    is_unknown: bool,
    /// The problems with the directory that the last scan found.
    folder_issues: HashSet<(Option<Arc<Path>>, &'static str)>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, options, runs, .. } = self;
        f.debug_struct("Follower")
            .field("path", path)
            .field("options", options)
            .field("runs", &runs.len())
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// Follows the log directory at `path`, which need not exist yet, or a single event file. With the feature
    /// `remote`, `path` may be a [URL](crate::store).
    pub fn new(path: impl Into<PathBuf>, options: &LoadOptions) -> Self {
        let path = store::enter(path.into());
        Self {
            is_remote: store::is_url(&path),
            path,
            options: options.clone(),
            settle: Duration::from_secs(10),
            budget: 64 << 20,
            runs: BTreeMap::new(),
            next_look: None,
            is_unknown: false,
            folder_issues: HashSet::new(),
        }
    }

    /// Sets two times: bytes must have been in a file for this long before a wrong checksum among them counts as
    /// damage, and a file must have been unchanged for this long before its last bytes are judged. Default: 10
    /// seconds.
    #[must_use]
    pub fn settle(self, time: Duration) -> Self {
        Self { settle: time, ..self }
    }

    /// Sets the approximate number of bytes that a poll reads, at most an eighth of them from one run. Default: 64 MiB.
    #[must_use]
    pub fn budget(self, bytes: u64) -> Self {
        Self { budget: bytes.max(1), ..self }
    }

    /// Makes the next poll scan the directory, however long the last scan took.
    #[doc(hidden)] // for tests
    pub fn look_again(&mut self) {
        self.next_look = None;
    }

    /// Whether the last scan has failed for another reason than that there is no directory.
    #[doc(hidden)]
    pub fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// Scans the directory and reads new data, with all threads of rayon's current pool.
    pub fn poll(&mut self) -> News {
        self.read(Instant::now(), false)
    }

    /// Reads everything, regardless of the budget, and judges the last bytes of all files as if nothing could
    /// follow.
    pub fn finish(&mut self) -> News {
        self.next_look = None;
        let budget = std::mem::replace(&mut self.budget, u64::MAX);
        let news = self.read(Instant::now(), true);
        self.budget = budget;
        news
    }

    fn read(&mut self, now: Instant, finish: bool) -> News {
        let mut news = News::default();
        let asks = self.next_look.is_none_or(|next| now >= next);
        if asks {
            self.is_unknown = !self.look_at_folder(now, &mut news);
        }
        // Without a list, nothing new is known of objects, and to ask for each of them would take long.
        let looks = asks && !(self.is_remote && self.is_unknown);
        let budget = AtomicU64::new(self.budget);
        let (options, settle) = (&self.options, self.settle);
        let budget_of_run = u64::MAX;
        let is_remote = self.is_remote;
        let poll = Poll { options, now, settle, finish, is_remote, budget: &budget, budget_of_run };
        let mut found = Found::default();
        let mut due: Vec<&mut Box<FollowedRun>> = self
            .runs
            .values_mut()
            .filter_map(|run| run.look(looks, &poll, &mut found).then_some(run))
            .collect();
        if asks {
            let took = now.elapsed();
            self.next_look = Some(now + took + pause(took, is_remote));
        }
        // Prevents a long log from delaying short ones, and its points from being in memory twice.
        let runs = u64::try_from(due.len()).unwrap_or(1).max(MIN_RUNS);
        let poll = Poll { budget_of_run: (self.budget / runs).max(chunk(is_remote)), ..poll };
        let read: Vec<_> = due.par_iter_mut().map(|run| run.read(&poll)).collect();
        news.has_more = due.iter().any(|run| run.has_more());
        for (run, of_run) in read {
            news.runs.extend(run);
            found.issues.extend(of_run.issues);
            found.more_issues += of_run.more_issues;
            found.is_gone |= of_run.is_gone;
            news.removed.extend(of_run.removed);
        }
        if found.is_gone && !self.is_remote {
            self.next_look = None;
        }
        news.issues.extend(found.issues);
        news.more_issues += found.more_issues;
        news.issues.sort_by(|a, b| a.location.cmp(&b.location));
        news.runs.sort_by(|a, b| a.name.cmp(&b.name));
        news.removed.sort();
        news
    }

    /// Updates the runs and files that were added or removed. Returns whether they are known.
    fn look_at_folder(&mut self, now: Instant, news: &mut News) -> bool {
        let (runs, issues) = match Logdir::open(&self.path) {
            Ok(logdir) => {
                let runs = logdir.runs().iter();
                let runs = runs.filter(|run| self.options.wants_run(&run.name)).cloned();
                (runs.collect(), logdir.issues().to_vec())
            }
            Err(error) => {
                let is_gone = matches!(error.kind(),
                    ErrorKind::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound);
                let location = Location::of(self.path.as_path());
                let kind = error.into_kind();
                let issue = Issue { location, kind, effect: Effect::SkippedFile };
                if !is_gone {
                    self.say(vec![issue], news);
                    return false; // its current content is unknown
                }
                (Vec::new(), vec![issue])
            }
        };
        self.say(issues, news);
        let mut before = std::mem::take(&mut self.runs);
        for run in runs {
            let known = before.remove(&run.path);
            let mut known = known.unwrap_or_else(|| FollowedRun::new(&run, &self.options).into());
            known.files_are(&run.files, &self.options, now);
            self.runs.insert(run.path, known);
        }
        news.removed.extend(before.into_values().filter_map(|run| run.given_name()));
        true
    }

    /// Reports the issues that the last scan did not find.
    fn say(&mut self, issues: Vec<Issue>, news: &mut News) {
        let key = |issue: &Issue| (issue.location.path.clone(), issue.kind.name());
        let now = issues.iter().map(key).collect();
        let before = std::mem::replace(&mut self.folder_issues, now);
        news.issues.extend(issues.into_iter().filter(|issue| !before.contains(&key(issue))));
    }
}

/// The pause after a look at all files that took this long.
fn pause(took: Duration, is_remote: bool) -> Duration {
    let rest = took.saturating_mul(SHARE).min(RARELY);
    match is_remote {
        // A list of a million objects takes minutes.
        true => rest.max(REMOTE).max(took),
        false if took < QUICK => Duration::ZERO,
        false => rest,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;

    use prost::Message;

    use super::*;
    use crate::event::pb;
    use crate::record::append;

    /// A directory so large that it is scanned rarely.
    #[test]
    fn between_two_looks_at_a_folder_its_files_are_read_on() {
        let dir = tempfile::tempdir().unwrap();
        let run = |name: &str| {
            fs::create_dir(dir.path().join(name)).unwrap();
            File::create_new(dir.path().join(name).join("tfevents")).unwrap()
        };
        let mut file = run("a");
        let mut follower = Follower::new(dir.path(), &LoadOptions::new());
        follower.poll();
        let later = Some(Instant::now() + Duration::from_secs(3600));
        follower.next_look = later;
        let mut record = Vec::new();
        let event = pb::Event { wall_time: 1.5, ..Default::default() };
        append(&mut record, |buffer| buffer.extend(event.encode_to_vec()));
        file.write_all(&record).unwrap();
        run("b");
        let news = follower.poll();
        let names: Vec<_> = news.runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names, ["a"]);
        assert_eq!(follower.next_look, later);
        // A missing file triggers a scan.
        fs::remove_dir_all(dir.path().join("a")).unwrap();
        let news = follower.poll();
        assert!(news.is_empty(), "{news:?}");
        let news = follower.poll();
        assert_eq!(news.removed, ["a"]);
        assert_eq!(news.runs[0].name, "b");
    }
}
