//! Pictures, clips, texts, graphs, meshes, tensors and embeddings as files: one file a kind, one
//! line in the table.

mod audio;
mod embedding;
mod graph;
mod image;
mod index;
mod jobs;
mod mesh;
mod meta;
mod piece;
mod run;
mod sink;
mod tensor;
mod text;

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use self::index::INDEX_FILE;
use self::piece::{Part, Piece};
use self::run::{RunFolder, Task};
use self::sink::Sink;
use tbx::error::{ErrorKind, Report, Result};
use tbx::logdir::{Checksums, LoadOptions, Logdir, Payloads};
use tbx::safe_name::SafeNames;
use tbx::summary::Kind;
#[cfg(feature = "mlflow")]
use tbx::summary::{Metadata, RawValue};

/// How values of a kind become files.
#[derive(Debug, Clone, Copy)]
pub struct Extractor {
    /// The kind's name, as the program takes it.
    pub name: &'static str,
    /// What the files are, in a line.
    pub about: &'static str,
    /// The kind of series; none: the files are beside the event files.
    kind: Option<Kind>,
    /// The files of one step.
    make: fn(&[Part<'_>]) -> Result<Vec<Piece>, ErrorKind>,
}

/// The files that a value of a series becomes.
#[cfg(feature = "mlflow")]
pub(in crate::export) fn pieces(
    kind: Kind,
    metadata: &Metadata,
    value: RawValue,
) -> Result<Vec<Piece>, ErrorKind> {
    let extractor = EXTRACTORS.iter().find(|extractor| extractor.kind == Some(kind));
    extractor.map_or(Ok(Vec::new()), |extractor| (extractor.make)(&[Part { metadata, value }]))
}

/// Every kind that becomes files.
pub const EXTRACTORS: &[Extractor] = &[
    image::EXTRACTOR,
    audio::EXTRACTOR,
    text::EXTRACTOR,
    graph::GRAPH,
    graph::RUN_METADATA,
    mesh::EXTRACTOR,
    meta::EXTRACTOR,
    tensor::EXTRACTOR,
    embedding::EXTRACTOR,
];

/// What to extract of logs. Which runs and tags, and which points of a resumed run count, is said
/// by [`LoadOptions`].
///
/// ```
/// use tbx_runs::export::extract::Extraction;
/// use tbx::{LoadOptions, Logdir};
///
/// # let dir = tempfile::tempdir()?;
/// # let out = dir.path().join("files");
/// let logdir = Logdir::open("fixtures/tf2/media")?;
/// let images = Extraction::new().kinds(["image"]).last(1);
/// let extracted = images.run(&[logdir], &LoadOptions::new(), &out, false, &|_| ())?;
/// let index = std::fs::read_to_string(out.join("index.csv"))?;
/// assert_eq!(index.lines().count() as u64, extracted.files() + 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Files
///
/// `<run>/<tag>/<step>.<extension>` in the folder; the run `.` has no folder of its own. Runs and
/// tags are [encoded](tbx::safe_name::encode) so that they are names of files on any system and
/// lead nowhere else. Several files of a step end in `_0`, `_1` and so on; further points at the
/// same step have `~2`, `~3` behind it.
///
/// `index.csv` has a line a file, sorted by run and tag, in the order of the log: `file`, `run`,
/// `tag`, `kind`, `step`, `wall_time` (seconds since the Unix epoch), `bytes`; of pictures `width`
/// and `height` as they say themselves; of clips `sample_rate` in Hz, `channels` and `frames`; of
/// arrays `dtype`, as in the log, and `shape` (`2x3`). A bfloat16 is a float32 in its `.npy` file.
#[derive(Debug, Clone)]
pub struct Extraction {
    extractors: Vec<&'static Extractor>,
    steps: Vec<RangeInclusive<i64>>,
    every: usize,
    last: usize,
}

/// What an extraction wrote.
#[derive(Debug)]
pub struct Extracted {
    /// Of each kind of which there are files, in the order of the table.
    pub kinds: Vec<ExtractedKind>,
    /// What was damaged or dropped on the way.
    pub report: Report,
}

/// What an extraction wrote of one kind.
#[derive(Debug, Clone)]
pub struct ExtractedKind {
    /// Its name.
    pub name: &'static str,
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// From how many runs.
    pub runs: u64,
    /// Their tags.
    pub tags: BTreeSet<String>,
    /// The smallest and the largest step; none where no file has one.
    pub steps: Option<(i64, i64)>,
}

impl Extracted {
    /// How many files were written, but for the index.
    pub fn files(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.files).sum()
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.bytes).sum()
    }
}

impl Extraction {
    /// Everything.
    pub fn new() -> Self {
        let extractors = EXTRACTORS.iter().collect();
        Self { extractors, steps: Vec::new(), every: 1, last: usize::MAX }
    }

    /// Only these kinds, by their names in [`EXTRACTORS`]; those that are not there are ignored.
    /// Default: all.
    #[must_use]
    pub fn kinds<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        let wanted = |extractor: &&Extractor| names.contains(&extractor.name);
        Self { extractors: EXTRACTORS.iter().filter(wanted).collect(), ..self }
    }

    /// Only points with a step in one of these ranges. Default: all.
    #[must_use]
    pub fn steps(self, ranges: impl IntoIterator<Item = RangeInclusive<i64>>) -> Self {
        Self { steps: ranges.into_iter().collect(), ..self }
    }

    /// Of the points of each series that are left the first and each that is `n` behind the one
    /// before. Default: 1, all.
    #[must_use]
    pub fn every(self, n: usize) -> Self {
        Self { every: n.max(1), ..self }
    }

    /// Only the last `n` points of each series that are left. Default: all.
    #[must_use]
    pub fn last(self, n: usize) -> Self {
        Self { last: n, ..self }
    }

    /// Extracts from `logdirs` into the folder `out`, which appears when it is complete, and not
    /// at all if there is nothing to extract. With several log folders their paths stand before
    /// the names of runs.
    ///
    /// `wrote` hears of each file how many bytes it has, from any thread. Files are read and
    /// written by all threads of rayon's current pool; memory holds one record a thread, and a
    /// few words for each file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: `out` cannot be written, or exists and is not empty; with `overwrite`,
    /// if it has other files than an earlier extraction made. [`ErrorKind::Argument`]: two log
    /// folders have the same run. Else as [`Logdir::load`]: what is
    /// damaged is in the report.
    pub fn run(
        &self,
        logdirs: &[Logdir],
        options: &LoadOptions,
        out: &Path,
        overwrite: bool,
        wrote: &(dyn Fn(u64) + Sync),
    ) -> Result<Extracted> {
        let sink = Sink::create(out, overwrite)?;
        let kinds = self.extractors.iter().filter_map(|extractor| extractor.kind);
        let options =
            options.clone().kinds(kinds).payloads(Payloads::Placed).checksums(Checksums::Decoded);
        let mut names = SafeNames::default();
        names.get_for("index", INDEX_FILE);
        let mut folders = HashMap::new();
        for logdir in logdirs {
            for run in logdir.runs().iter().filter(|run| options.wants_run(&run.name)) {
                let folder = RunFolder::of(logdir, run, logdirs.len() > 1, &mut names);
                if folders.insert(run.path.clone(), folder).is_some() {
                    let twice = format!("{} is given twice", run.path.display());
                    return Err(ErrorKind::Argument(twice).into());
                }
            }
        }
        let mut index = index::head()?;
        let mut extracted = Extracted { kinds: Vec::new(), report: Report::default() };
        let failed = AtomicBool::new(false);
        let task = Task {
            extraction: self,
            options: &options,
            folders,
            names,
            sink: &sink,
            wrote,
            failed,
        };
        for logdir in logdirs {
            let (runs, report) = logdir.map_runs(&options, |run| task.run(&run))?;
            extracted.report.merge(report);
            for run in runs {
                let run = run?;
                index.extend_from_slice(&run.index);
                extracted.report.merge(run.report);
                run.kinds.into_iter().for_each(|kind| extracted.add(kind));
            }
        }
        extracted.report.sort();
        let place = |kind: &ExtractedKind| EXTRACTORS.iter().position(|e| e.name == kind.name);
        extracted.kinds.sort_by_key(place);
        if options.is_strict() {
            let lost = extracted.report.issues.iter().find(|issue| issue.effect.is_loss());
            if let Some(issue) = lost {
                return Err(issue.clone().into());
            }
        }
        if extracted.files() > 0 {
            sink.finish(&index)?;
        }
        Ok(extracted)
    }
}

impl Default for Extraction {
    fn default() -> Self {
        Self::new()
    }
}

impl Extracted {
    fn add(&mut self, kind: ExtractedKind) {
        match self.kinds.iter_mut().find(|known| known.name == kind.name) {
            Some(known) => {
                known.files += kind.files;
                known.bytes += kind.bytes;
                known.runs += kind.runs;
                known.tags.extend(kind.tags);
                let steps = known.steps.into_iter().chain(kind.steps);
                known.steps = steps.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
            }
            None => self.kinds.push(kind),
        }
    }
}
