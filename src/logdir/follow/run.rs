//! One growing run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::file::{FollowedFile, Found};
use super::{NewPoints, Reset, RunNews};
use crate::logdir::grow::{Growing, Taken};
use crate::logdir::restart::Order;
use crate::logdir::{EventFile, LoadOptions, RunFiles, Values};

/// Number of bytes that are read before the budget is checked again.
const CHUNK: u64 = 1 << 20;
/// The same at a URL, where each chunk begins with a small read.
const REMOTE_CHUNK: u64 = 4 << 20;

/// The state of a followed run.
pub(super) struct FollowedRun {
    name: String,
    path: PathBuf,
    /// In boxes, because a node of the map has room for eleven, and most runs have one.
    files: BTreeMap<OsString, Box<FollowedFile>>,
    /// Number of files that it has had so far.
    file_count: u32,
    /// Its series; always set between two polls.
    growing: Option<Growing<'static>>,
    /// Set if the returned points are void and the caller has not been told yet.
    reset: Option<Reset>,
    /// Whether the caller should get the run even without new points.
    is_news: bool,
    /// Whether the caller has seen the run.
    is_given: bool,
}

/// Settings of a poll.
#[derive(Clone, Copy)]
pub(super) struct Poll<'a> {
    pub(super) options: &'a LoadOptions,
    pub(super) now: Instant,
    pub(super) settle: Duration,
    /// Whether the last bytes of all files are judged now and nothing is held back.
    pub(super) finish: bool,
    /// Whether its files are at a URL. They are only looked at together, since the list of all of them is one request.
    pub(super) is_remote: bool,
    /// Number of bytes that may still be read.
    pub(super) budget: &'a AtomicU64,
    /// The same for each run.
    pub(super) budget_of_run: u64,
}

/// Number of bytes that are read before the budget is checked again.
pub(super) fn chunk(is_remote: bool) -> u64 {
    if is_remote { REMOTE_CHUNK } else { CHUNK }
}

impl FollowedRun {
    pub(super) fn new(run: &RunFiles, options: &LoadOptions) -> Self {
        Self {
            name: run.name.clone(),
            path: run.path.clone(),
            files: BTreeMap::new(),
            file_count: 0,
            growing: Some(growing(options)),
            reset: None,
            is_news: true,
            is_given: false,
        }
    }

    /// Its name, if the caller has seen the run.
    pub(super) fn given_name(self) -> Option<String> {
        self.is_given.then_some(self.name)
    }

    /// Updates the list of files to those that exist now.
    pub(super) fn files_are(&mut self, names: &[OsString], options: &LoadOptions, now: Instant) {
        let mut gone = None;
        self.files.retain(|name, file| {
            let is_there = names.binary_search(name).is_ok();
            if !is_there && file.is_log() {
                gone = Some(name.clone());
            }
            is_there
        });
        for name in names {
            if !self.files.contains_key(name) {
                let file = FollowedFile::new(name.clone(), self.file_count, now);
                self.files.insert(name.clone(), Box::new(file));
                self.file_count = self.file_count.saturating_add(1);
                self.is_news = true;
            }
        }
        if let Some(name) = gone {
            self.start_anew(Reset::Removed(name), options);
        }
    }

    fn start_anew(&mut self, reset: Reset, options: &LoadOptions) {
        self.growing = Some(growing(options));
        self.files.values_mut().for_each(|file| file.rewind());
        self.reset = Some(reset);
        self.is_news = true;
    }

    /// Whether there is something to read. Checks every file with `all`, otherwise only those that
    /// changed lately.
    pub(super) fn look(&mut self, all: bool, poll: &Poll<'_>, found: &mut Found) -> bool {
        let mut is_due = self.is_news;
        for file in self.files.values_mut() {
            if poll.is_remote && !all {
                is_due |= file.is_to_be_read(poll.now, poll.settle);
            } else if all || file.is_due() || file.is_hot(poll.now) {
                let path = self.path.join(file.name());
                match file.look(&path, poll.now, poll.settle) {
                    Ok(due) => is_due |= due,
                    Err(error) => file.failed(&path, error, found),
                }
            }
        }
        is_due || poll.finish
    }

    /// Reads the new data.
    pub(super) fn read(&mut self, poll: &Poll<'_>) -> (Option<RunNews>, Found) {
        let mut found = Found::default();
        let before = self.logs();
        if let Err(reset) = self.read_files(poll, &mut found) {
            found = Found::default();
            self.start_anew(reset, poll.options);
            if let Err(reset) = self.read_files(poll, &mut found) {
                self.start_anew(reset, poll.options); // and once more in the next poll
            }
        }
        for issue in &mut found.issues {
            issue.location.run = Some(self.name.clone());
        }
        let (start_time, mut series) = self.take(poll);
        let files = self.logs();
        self.place_in_logs(&mut series);
        if files.is_empty() {
            // Its files were replaced with something else, or it never had an event file.
            found.removed = std::mem::take(&mut self.is_given).then(|| self.name.clone());
            (self.is_news, self.reset) = (false, None);
            return (None, found);
        }
        let is_new = self.is_news || !self.is_given;
        let changed = is_new || files != before || !series.is_empty();
        (self.is_news, self.is_given) = (false, true);
        let news = changed.then(|| RunNews {
            name: self.name.clone(),
            path: self.path.clone(),
            reset: self.reset.take(),
            files,
            start_time,
            series,
        });
        (news, found)
    }

    /// Its files that are event files, as far as known.
    fn logs(&self) -> Vec<EventFile> {
        let logs = self.files.values().filter(|file| file.is_log());
        logs.map(|file| file.facts(&self.path)).collect()
    }

    /// Makes the files of places those of the list that [`logs`](Self::logs) returns.
    fn place_in_logs(&self, series: &mut [NewPoints]) {
        let mut indices = vec![u32::MAX; usize::try_from(self.file_count).unwrap_or(0)];
        let logs = self.files.values().filter(|file| file.is_log());
        for (index, file) in (0..).zip(logs) {
            let number = usize::try_from(file.number()).unwrap_or(usize::MAX);
            if let Some(place) = indices.get_mut(number) {
                *place = index;
            }
        }
        for new in series {
            if let Values::Placed(places) = &mut new.points.values {
                for place in places {
                    place.file = indices.get(place.file()).copied().unwrap_or(u32::MAX);
                }
            }
        }
    }

    fn read_files(&mut self, poll: &Poll<'_>, found: &mut Found) -> Result<(), Reset> {
        let mut own = poll.budget_of_run;
        for file in self.files.values_mut() {
            let how = (poll.now, poll.settle, poll.finish);
            let finishes = poll.finish && !(poll.is_remote && file.is_read_up());
            if !finishes && !file.is_to_be_read(poll.now, poll.settle) {
                continue;
            }
            loop {
                let left = poll.budget.load(Ordering::Relaxed).min(own);
                // Finding out the type of a file costs little, and decides whether there is a run.
                if left == 0 && !file.is_unread() {
                    break;
                }
                let chunk = left.min(chunk(poll.is_remote));
                let growing = &mut self.growing;
                let went = file.read(&self.path, poll.options, how, chunk, growing, found)?;
                let spend = |left: u64| Some(left.saturating_sub(went));
                let _ = poll.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
                own = own.saturating_sub(went);
                if went == 0 || !file.is_due() {
                    break;
                }
            }
        }
        for issue in std::mem::take(&mut found.elsewhere) {
            let name = issue.location.path.as_deref().and_then(Path::file_name);
            match name.and_then(|name| self.files.get_mut(name)) {
                Some(file) => file.add_issue(issue, found),
                None => found.issues.push(issue),
            }
        }
        Ok(())
    }

    fn take(&mut self, poll: &Poll<'_>) -> (Option<f64>, Vec<NewPoints>) {
        let Some(growing) = &mut self.growing else { return (None, Vec::new()) };
        let taken = growing.take(poll.finish).into_iter();
        let series = taken.map(|Taken { series, drop_from, dropped }| NewPoints {
            points: series,
            drop_from,
            dropped,
        });
        let start_time = Some(growing.start_time).filter(|time| time.is_finite());
        (start_time, series.collect())
    }

    pub(super) fn has_more(&self) -> bool {
        self.files.values().any(|file| file.is_due())
    }
}

fn growing(options: &LoadOptions) -> Growing<'static> {
    let mut growing = Growing::owned(options.clone());
    let policy = options.restart;
    growing.order = policy.watches_order().then(|| Order::new(policy));
    growing
}
