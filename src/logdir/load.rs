//! Loads runs in parallel.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::hint::black_box;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::file::{self, FileLoad};
use super::grow::Growing;
use super::restart::{self, Order};
use super::{LoadOptions, Logdir, RestartPolicy, RunFiles, TimeSeries};
use crate::error::{Error, Issue, Report, RestartDrop, Result};
use crate::store::{self, Links};
use crate::summary::Kind;

/// [`Logdir::for_each_run`] loads runs in batches of about this many bytes.
const BATCH_BYTES: u64 = 64 << 20;
/// Maximum number of runs per batch.
const BATCH_RUNS: usize = 256;

/// Size by which a thread grows its heap at a time, in bytes.
const ROOM: u32 = 96 << 10;

thread_local! {
    /// Estimated remainder of it: reduced by the sizes of the files that were loaded since then.
    static ROOM_LEFT: Cell<u64> = const { Cell::new(0) };
}

/// The result of [`Logdir::load`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The runs, sorted by name, including those without points.
    pub runs: Vec<Run>,
    /// Data that was damaged, left out or dropped.
    pub report: Report,
}

/// A run: the series of all event files of one directory.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run {
    /// The directory's path relative to the log directory; `.` for the log directory itself.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
    /// The event files, in the order in which they were read. Other files with such names are
    /// listed in the report.
    pub files: Vec<EventFile>,
    /// The earliest wall time of an event, in seconds since the Unix epoch; zero and non-finite
    /// times do not count. None if there is no event.
    pub start_time: Option<f64>,
    /// The series, sorted by tag.
    pub series: Vec<TimeSeries>,
    /// Tag and kind of each series that the options left out; the kind is `None` if it is not
    /// known.
    pub left_out: Vec<(Box<str>, Option<Kind>)>,
    /// Whether links out of the directory are followed, see
    /// [`LoadOptions::follow_links`].
    pub follow_links: bool,
}

impl Loaded {
    /// The run of this name.
    pub fn run(&self, name: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.name == name)
    }
}

impl Run {
    /// The links that are followed from its directory.
    #[doc(hidden)]
    pub fn links(&self) -> Links {
        Links::all_if(self.follow_links)
    }

    /// The series of `tag`. If the tag has several, the one whose kind comes first in the table of
    /// kinds.
    pub fn get(&self, tag: &str) -> Option<&TimeSeries> {
        self.series.iter().find(|series| series.tag() == tag)
    }
}

/// An event file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventFile {
    /// Its base name; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// Its path.
    pub path: PathBuf,
    /// Its length when it was opened.
    pub bytes: u64,
    /// Number of readable events.
    pub events: u64,
    /// Number of bytes of an unfinished record at its end: the writer is still at work, or died.
    pub pending_bytes: u64,
}

impl Logdir {
    /// Loads the runs with all threads of rayon's current pool, both across files and within large
    /// ones. The result does not depend on the number of threads.
    ///
    /// # Errors
    ///
    /// Only with [`LoadOptions::strict`]; otherwise unreadable data is listed in the report.
    pub fn load(&self, options: &LoadOptions) -> Result<Loaded> {
        let (runs, report) = self.map_runs(options, |run| run)?;
        Ok(Loaded { runs, report })
    }

    /// Loads the runs and returns the result of `f` for each, in the order of their names.
    ///
    /// `f` runs on the loading threads. At most one run per thread is in memory at a time.
    ///
    /// # Errors
    ///
    /// The same as for [`load`](Self::load).
    pub fn map_runs<T: Send>(
        &self,
        options: &LoadOptions,
        f: impl Fn(Run) -> T + Sync,
    ) -> Result<(Vec<T>, Report)> {
        let wanted: Vec<_> = self.wanted(options).collect();
        let mut report = Report { issues: self.issues().to_vec(), ..Report::default() };
        let mapped = load_all(&wanted, options, f, &mut report);
        self.miss(&mut report.issues);
        report.sort();
        strict(&mut report, options)?;
        Ok((mapped, report))
    }

    /// Loads the runs and passes each to `f`, in the order of their names, on this thread.
    ///
    /// Memory does not grow with the number of runs: they are loaded in batches, the next batch
    /// while `f` works on the current one.
    ///
    /// # Errors
    ///
    /// The first error of `f`; otherwise the same as for [`load`](Self::load).
    pub fn for_each_run<E: From<Error> + Send>(
        &self,
        options: &LoadOptions,
        mut f: impl FnMut(Run) -> Result<(), E> + Send,
    ) -> Result<Report, E> {
        let mut report = Report { issues: self.issues().to_vec(), ..Report::default() };
        let mut batches = batches(self.wanted(options)).into_iter();
        let mut loaded = Vec::new();
        loop {
            let next = batches.next();
            if next.is_none() && loaded.is_empty() {
                break;
            }
            let ready = mem::take(&mut loaded);
            let (used, more) = rayon::join(
                || ready.into_iter().try_for_each(&mut f),
                || {
                    let mut report = Report::default();
                    let runs = load_all(&next.unwrap_or_default(), options, |run| run, &mut report);
                    (runs, report)
                },
            );
            used?;
            loaded = more.0;
            report.merge(more.1);
            self.miss(&mut report.issues);
            strict(&mut report, options)?;
        }
        report.sort();
        Ok(report)
    }

    /// Loads the runs with these names, whatever names the options select.
    ///
    /// # Errors
    ///
    /// The same as for [`load`](Self::load).
    #[doc(hidden)]
    pub fn load_named(&self, names: &[String], options: &LoadOptions) -> Result<Loaded> {
        let find = |name: &String| {
            let all = self.runs();
            let at = all.binary_search_by(|run| run.name.as_str().cmp(name)).ok()?;
            all.get(at)
        };
        let wanted: Vec<_> = names.iter().filter_map(find).collect();
        let mut report = Report::default();
        let runs = load_all(&wanted, options, |run| run, &mut report);
        report.sort();
        strict(&mut report, options)?;
        Ok(Loaded { runs, report })
    }

    /// Directory `name` of this log directory, as a run without event files.
    #[doc(hidden)]
    pub fn without_logs(&self, name: &str, options: &LoadOptions) -> Run {
        let path = if name == "." { self.path().to_owned() } else { self.path().join(name) };
        let (files, series, left_out) = (Vec::new(), Vec::new(), Vec::new());
        let (name, follow_links) = (name.to_owned(), options.follow_links);
        Run { name, path, files, start_time: None, series, left_out, follow_links }
    }

    /// Number of runs that these options select, judged by names.
    #[doc(hidden)]
    pub fn count_runs(&self, options: &LoadOptions) -> usize {
        self.wanted(options).count()
    }

    fn wanted<'a>(&'a self, options: &'a LoadOptions) -> impl Iterator<Item = &'a RunFiles> {
        self.runs().iter().filter(|run| options.wants_run(self.own_name(run)))
    }
}

/// Splits runs into batches, in the order of their names.
fn batches<'a>(runs: impl Iterator<Item = &'a RunFiles>) -> Vec<Vec<&'a RunFiles>> {
    let mut batches: Vec<Vec<&RunFiles>> = Vec::new();
    let mut bytes = 0u64;
    for run in runs {
        let sizes = run.files.iter().map(|file| store::size(&run.path.join(file)));
        let size = sizes.flatten().sum::<u64>();
        bytes = bytes.saturating_add(size);
        match batches.last_mut() {
            Some(batch) if bytes <= BATCH_BYTES && batch.len() < BATCH_RUNS => batch.push(run),
            _ => {
                bytes = size;
                batches.push(vec![run]);
            }
        }
    }
    batches
}

/// With strict options, returns the first loss as an error.
fn strict(report: &mut Report, options: &LoadOptions) -> Result<()> {
    if options.strict {
        report.sort();
        let loss = report.issues.iter().find(|issue| issue.effect.is_loss());
        if let Some(issue) = loss {
            return Err(issue.clone().into());
        }
    }
    Ok(())
}

fn load_all<T: Send>(
    runs: &[&RunFiles],
    options: &LoadOptions,
    f: impl Fn(Run) -> T + Sync,
    report: &mut Report,
) -> Vec<T> {
    let load = |run: &&RunFiles| {
        make_room();
        let (run, report) = load_run(run, options);
        let bytes = run.iter().flat_map(|run| &run.files).map(|file| file.bytes).sum();
        ROOM_LEFT.set(ROOM_LEFT.get().saturating_sub(bytes));
        (run.map(&f), report)
    };
    let loaded: Vec<_> = runs.par_iter().map(load).collect();
    let mut mapped = Vec::with_capacity(loaded.len());
    for (run, found) in loaded {
        mapped.extend(run);
        report.merge(found);
    }
    mapped
}

/// Grows the heap of this thread by many pages at once if the next run may need them. Otherwise glibc asks the
/// system for each page, except in the main thread.
fn make_room() {
    if ROOM_LEFT.get() == 0 {
        ROOM_LEFT.set(ROOM.into());
        drop(black_box(Vec::<u8>::with_capacity(usize::try_from(ROOM).unwrap_or(0))));
    }
}

/// The run, unless none of its files is an event file.
fn load_run(run: &RunFiles, options: &LoadOptions) -> (Option<Run>, Report) {
    let mut files = load_files(run, options);
    let in_order = options.restart.watches_order() && knows_no_starts(&files);
    if in_order {
        files = load_files_in_order(run, options);
    }
    let mut joined = Joined::default();
    for (file, name) in files.into_iter().zip(&run.files) {
        joined.add(file, name, run);
    }
    // A value without metadata belongs to the first series of its tag, which another file may have.
    let is_ambiguous = joined.growing.as_ref().is_some_and(Growing::has_tags_of_several_kinds);
    if is_ambiguous && joined.read.len() > 1 {
        joined = load_one_by_one(run, options, in_order);
    }
    let Joined { growing, read, mut report } = joined;
    if read.is_empty() {
        return (None, report);
    }
    let mut growing = growing.unwrap_or_else(|| Growing::new(options));
    add_unreadable(&mut report, growing.take_unreadable(&run.name));
    let start_time = Some(growing.start_time).filter(|time| time.is_finite());
    let starts = mem::take(&mut growing.starts);
    let left_out = growing.left_out();
    let mut series = growing.into_series();
    for series in &mut series {
        report.restarts.extend(restart(series, options.restart, &starts, &run.name));
    }
    series.retain(|series| !series.is_empty());
    let (name, path) = (run.name.clone(), run.path.clone());
    let follow_links = options.follow_links;
    let run = Run { name, path, files: read, start_time, series, left_out, follow_links };
    (Some(run), report)
}

/// Adds issues about values of several files; of each file, those beyond a maximum are only counted.
fn add_unreadable(report: &mut Report, unreadable: Vec<Issue>) {
    if unreadable.is_empty() {
        return;
    }
    let mut counts: HashMap<Option<Arc<Path>>, usize> = HashMap::new();
    for issue in &report.issues {
        *counts.entry(issue.location.path.clone()).or_default() += 1;
    }
    for issue in unreadable {
        let count = counts.entry(issue.location.path.clone()).or_default();
        if *count < Report::MAX_ISSUES_PER_FILE {
            *count += 1;
            report.issues.push(issue);
        } else {
            report.more_issues += 1;
        }
    }
}

/// The files of a run, joined one after the other.
#[derive(Default)]
struct Joined<'o> {
    growing: Option<Growing<'o>>,
    read: Vec<EventFile>,
    report: Report,
}

impl<'o> Joined<'o> {
    fn add(&mut self, mut file: FileLoad<'o>, name: &OsString, run: &RunFiles) {
        for mut issue in file.issues {
            issue.location.run = Some(run.name.clone());
            self.report.issues.push(issue);
        }
        self.report.more_issues += file.more_issues;
        if !file.is_event_file {
            return;
        }
        file.growing.set_file(u32::try_from(self.read.len()).unwrap_or(u32::MAX));
        self.read.push(EventFile {
            name: name.to_string_lossy().into_owned(),
            path: run.path.join(name),
            bytes: file.bytes,
            events: file.events,
            pending_bytes: file.pending,
        });
        match &mut self.growing {
            None => self.growing = Some(file.growing),
            Some(growing) => growing.append(file.growing),
        }
    }
}

/// Loads each file with the metadata of the tags in the files before it, as a follower does.
fn load_one_by_one<'o>(run: &RunFiles, options: &'o LoadOptions, in_order: bool) -> Joined<'o> {
    let mut joined = Joined::default();
    let mut order = in_order.then(|| Order::new(options.restart));
    for name in &run.files {
        let path = run.path.join(name);
        let file = match &joined.growing {
            None => file::load(&path, options, order),
            Some(before) => file::load_after(&path, options, order, before),
        };
        order = order.map(|order| file.growing.order.unwrap_or(order));
        joined.add(file, name, run);
    }
    joined
}

/// Drops the points that the policy drops.
fn restart(
    series: &mut TimeSeries,
    policy: RestartPolicy,
    starts: &[i64],
    run: &str,
) -> Option<RestartDrop> {
    let restarts = mem::take(&mut series.restarts);
    let kept = restart::kept(policy, &series.steps, &restarts, starts)?;
    let mut dropped = Vec::new();
    let mut next = 0;
    for range in &kept {
        dropped.extend(series.steps.get(next..range.start).unwrap_or(&[]));
        next = range.end;
    }
    dropped.extend(series.steps.get(next..).unwrap_or(&[]));
    let (first_step, last_step) = (*dropped.iter().min()?, *dropped.iter().max()?);
    series.keep(&kept);
    Some(RestartDrop {
        run: run.to_owned(),
        tag: series.tag.clone(),
        points: dropped.len(),
        first_step,
        last_step,
    })
}

fn load_files<'o>(run: &RunFiles, options: &'o LoadOptions) -> Vec<FileLoad<'o>> {
    match run.files.as_slice() {
        [only] => vec![file::load(&run.path.join(only), options, None)],
        files => {
            files.par_iter().map(|name| file::load(&run.path.join(name), options, None)).collect()
        }
    }
}

/// Whether some events of the run have a file version below 2, or none.
fn knows_no_starts(files: &[FileLoad<'_>]) -> bool {
    let first = files.iter().find_map(|file| file.growing.starts_versioned);
    first == Some(false) || files.iter().any(|file| file.growing.old_version)
}

fn load_files_in_order<'o>(run: &RunFiles, options: &'o LoadOptions) -> Vec<FileLoad<'o>> {
    let mut order = Order::new(options.restart);
    let load = |name| {
        let file = file::load(&run.path.join(name), options, Some(order));
        order = file.growing.order.unwrap_or(order);
        file
    };
    run.files.iter().map(load).collect()
}
