//! Extracts one run.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::index::{Lines, Row};
use super::jobs::{Job, Jobs, Point};
use super::piece::{Part, Written, check_size, total};
use super::sink::Sink;
use super::{ExtractedKind, Extraction, Extractor, embedding};
use crate::progress::Progress;
use tbx::error::{Effect, Error, ErrorKind, Issue, Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Run, RunFiles, ValueReader, name_in};
use tbx::safe_name::SafeNames;
use tbx::summary;

/// Number of records that a thread takes at a time.
const CHUNK: usize = 16;

/// The index of a file of the run, and an offset there.
type InFile = (usize, u64);

/// Data that the extraction of every run needs.
pub(super) struct Task<'a> {
    pub(super) extraction: &'a Extraction,
    pub(super) extractors: Vec<&'static Extractor>,
    pub(super) options: &'a LoadOptions,
    /// The run's directories, by path.
    pub(super) folders: HashMap<PathBuf, RunFolder>,
    /// Names in the output directory itself.
    pub(super) names: SafeNames,
    pub(super) sink: &'a Sink,
    /// The files that were written so far.
    pub(super) written: Mutex<Progress>,
    /// Whether an error occurred, so that the rest can be skipped.
    pub(super) failed: AtomicBool,
}

/// The name of a run, and the location of its files.
pub(super) struct RunFolder {
    name: String,
    /// With `/` at the end; empty for the output directory itself.
    prefix: String,
}

impl RunFolder {
    pub(super) fn of(
        logdir: &Logdir,
        run: &RunFiles,
        several: bool,
        names: &mut SafeNames,
    ) -> Self {
        let name = if several { name_in(logdir.path(), &run.name) } else { run.name.clone() };
        let prefix = match name.as_str() {
            "." => String::new(),
            // Two directories may have the same name if the name is not UTF-8.
            _ => names.get_for(&format!("run {}", run.path.display()), &name) + "/",
        };
        Self { name, prefix }
    }
}

/// The result of extracting a run.
#[derive(Default)]
pub(super) struct ExtractedRun {
    pub(super) index: Vec<u8>,
    pub(super) kinds: Vec<ExtractedKind>,
    pub(super) report: Report,
}

/// The result of a job.
#[derive(Default)]
struct Made {
    files: Vec<Written>,
    /// Damage in the job's values.
    damage: Option<Error>,
}

impl Task<'_> {
    /// Reports a file of this size.
    fn wrote(&self, bytes: u64) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.files += 1;
        written.bytes = written.bytes.saturating_add(bytes);
        self.extraction.on_progress.call(*written);
    }

    pub(super) fn run(&self, run: &Run) -> Result<ExtractedRun> {
        let Some(folder) = self.folders.get(&run.path) else { return Ok(ExtractedRun::default()) };
        if self.failed.load(Ordering::Relaxed) {
            return Ok(ExtractedRun::default()); // another run returned the error
        }
        let done = self.run_in(run, folder);
        if done.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        done
    }

    fn run_in(&self, run: &Run, folder: &RunFolder) -> Result<ExtractedRun> {
        let mut names = match folder.prefix.as_str() {
            "" => self.names.clone(),
            _ => SafeNames::default(),
        };
        let mut done = ExtractedRun::default();
        let mut lines = Lines::new();
        let Jobs { folders: tags, jobs } = Jobs::of(self.extraction, &self.extractors, run);
        let mut prefixes = Vec::with_capacity(tags.len());
        for tag in &tags {
            let safe = names.get_for(&format!("tag {tag}"), tag);
            let prefix = format!("{}{safe}/", folder.prefix);
            prefixes.push(prefix);
        }
        for (i, written) in self.work(run, &jobs, &prefixes)? {
            let Some(job) = jobs.get(i) else { continue };
            let extractor = self.extractors.get(job.extractor);
            let (Some(extractor), Some(tag)) = (extractor, tags.get(job.folder)) else { continue };
            match written {
                Ok(Made { files, damage }) => {
                    let point = (Some(job.step), Some(job.wall_time));
                    done.add(&mut lines, folder, tag, extractor, point, &files)?;
                    if let Some(damage) = damage {
                        done.issue(damage, Effect::DamagedValue);
                    }
                }
                Err(error) => done.lost(error),
            }
        }
        if let Some(extractor) = self.extractors.iter().find(|e| e.kind.is_none()) {
            self.embeddings(run, folder, extractor, &mut names, (&mut lines, &mut done))?;
        }
        done.index = lines.into_bytes()?;
        Ok(done)
    }

    /// Copies the embeddings of a run.
    fn embeddings(
        &self,
        run: &Run,
        folder: &RunFolder,
        extractor: &Extractor,
        names: &mut SafeNames,
        (lines, done): (&mut Lines, &mut ExtractedRun),
    ) -> Result<()> {
        let found = match embedding::of(run, self.extraction, self.options) {
            Ok(found) => found,
            Err(error) => {
                done.lost(error);
                return Ok(());
            }
        };
        for (i, saved) in found.iter().enumerate() {
            // Two embeddings of a configuration may have the same name.
            let safe = names.get_for(&format!("embedding {i}"), saved.name());
            let prefix = format!("{}{safe}/", folder.prefix);
            let (files, lost) =
                embedding::write(run, saved, self.sink, &prefix, &|bytes| self.wrote(bytes))?;
            lost.into_iter().for_each(|error| done.lost(error));
            let point = (embedding::step(saved), None);
            done.add(lines, folder, saved.name(), extractor, point, &files)?;
        }
        Ok(())
    }

    /// Runs `jobs` and returns their results by index. An error is a write error, which stops
    /// everything.
    fn work(
        &self,
        run: &Run,
        jobs: &[Job],
        prefixes: &[String],
    ) -> Result<Vec<(usize, Result<Made>)>> {
        // In the order of the files, because disks read that fast. Each record is read by one
        // thread, however many values it has.
        let places = jobs.iter().map(|job| place(run, job));
        let mut order: Vec<_> = places.zip(0..).collect();
        order.sort_unstable();
        let records: Vec<&[(Option<InFile>, usize)]> =
            order.chunk_by(|(a, _), (b, _)| a == b).collect();
        let work = |reader: &mut ValueReader<'_>, i: usize| {
            let Some(job) = jobs.get(i) else { return Ok((i, Ok(Made::default()))) };
            if self.failed.load(Ordering::Relaxed) {
                return Ok((i, Ok(Made::default())));
            }
            let prefix = prefixes.get(job.folder).map_or("", String::as_str);
            let done = self.job(run, reader, job, prefix);
            if done.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            done.map(|done| (i, done))
        };
        let record = |reader: &mut ValueReader<'_>, values: &&[(Option<InFile>, usize)]| {
            values.iter().map(|(_, i)| work(reader, *i)).collect::<Result<Vec<_>>>()
        };
        let records = records.par_iter().with_min_len(CHUNK);
        let done = records.map_init(|| ValueReader::new(run), record);
        let mut done: Vec<_> = done.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        done.sort_by_key(|(i, _)| *i);
        Ok(done)
    }

    /// Reads a value and writes its files.
    fn job(
        &self,
        run: &Run,
        reader: &mut ValueReader<'_>,
        job: &Job,
        prefix: &str,
    ) -> Result<Result<Made>> {
        let Some(extractor) = self.extractors.get(job.extractor) else {
            return Ok(Ok(Made::default()));
        };
        let (pieces, damage) = match pieces(run, reader, job, extractor) {
            Ok(pieces) => pieces,
            Err(error) => return Ok(Err(error)),
        };
        let mut files = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let nth = if job.nth > 1 { format!("~{}", job.nth) } else { String::new() };
            let number = piece.number.map_or_else(String::new, |number| format!("_{number}"));
            let name = format!("{prefix}{}{nth}{number}.{}", job.step, piece.extension);
            self.sink.put(&name, &piece.bytes)?;
            let bytes = u64::try_from(piece.bytes.len()).unwrap_or(u64::MAX);
            self.wrote(bytes);
            files.push(Written { name, bytes, facts: piece.facts });
        }
        Ok(Ok(Made { files, damage }))
    }
}

/// The files of a job, and the damage in its values.
fn pieces(
    run: &Run,
    reader: &mut ValueReader<'_>,
    job: &Job,
    extractor: &Extractor,
) -> Result<(Vec<super::Piece>, Option<Error>)> {
    let mut parts = Vec::with_capacity(1);
    let mut damage = None;
    for Point { series, point } in job.parts() {
        let Some(series) = run.series.get(series) else { continue };
        let value = reader.read(series, point)?;
        if let Some(kind) = summary::damage(series.kind(), &value) {
            damage = Some(kind.at(reader.location(series, point)));
        }
        parts.push(Part { metadata: series.metadata(), value });
    }
    let made = (extractor.make)(&parts).and_then(|pieces| {
        check_size(&parts, pieces.len(), total(pieces.iter().map(|piece| &piece.bytes)))?;
        Ok(pieces)
    });
    let made = made.map(|pieces| (pieces, damage));
    made.map_err(|kind| {
        let first =
            job.parts().next().and_then(|point| run.series.get(point.series).zip(Some(point)));
        match first {
            Some((series, Point { point, .. })) => kind.at(reader.location(series, point)),
            None => kind.into(),
        }
    })
}

/// The record of the first part of a job: its file and offset.
fn place(run: &Run, job: &Job) -> Option<InFile> {
    let Point { series, point } = job.parts().next()?;
    let place = run.series.get(series)?.places()?.get(point)?;
    Some((place.file(), place.offset()))
}

impl ExtractedRun {
    /// Records files.
    fn add(
        &mut self,
        lines: &mut Lines,
        folder: &RunFolder,
        tag: &str,
        extractor: &Extractor,
        point: (Option<i64>, Option<f64>),
        files: &[Written],
    ) -> Result<()> {
        for Written { name, bytes, facts } in files {
            let (run, kind) = (folder.name.as_str(), extractor.name);
            lines.push(&Row { file: name, run, tag, kind, point, bytes: *bytes, facts })?;
        }
        if files.is_empty() {
            return Ok(());
        }
        let kind = match self.kinds.iter_mut().position(|kind| kind.name == extractor.name) {
            Some(known) => known,
            None => {
                self.kinds.push(ExtractedKind {
                    name: extractor.name,
                    files: 0,
                    bytes: 0,
                    runs: 1,
                    tags: BTreeSet::new(),
                    steps: None,
                });
                self.kinds.len() - 1
            }
        };
        if let Some(kind) = self.kinds.get_mut(kind) {
            kind.files += u64::try_from(files.len()).unwrap_or(0);
            kind.bytes += files.iter().map(|file| file.bytes).sum::<u64>();
            if !kind.tags.contains(tag) {
                kind.tags.insert(tag.to_owned());
            }
            let step = point.0.map(|step| (step, step));
            let steps = kind.steps.into_iter().chain(step);
            kind.steps = steps.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        }
        Ok(())
    }

    /// Records data that could not be read.
    fn lost(&mut self, error: Error) {
        let effect = match error.kind() {
            ErrorKind::Value(_) | ErrorKind::Io(_) => Effect::SkippedValue,
            _ => Effect::SkippedRecord,
        };
        self.issue(error, effect);
    }

    fn issue(&mut self, error: Error, effect: Effect) {
        if self.report.issues.len() >= Report::MAX_ISSUES_PER_FILE {
            self.report.more_issues += 1;
            return;
        }
        let location = error.location().clone();
        self.report.issues.push(Issue::new(error.into_kind(), location, effect));
    }
}
