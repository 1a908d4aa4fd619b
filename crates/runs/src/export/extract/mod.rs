//! Extracts images, clips, texts, graphs, meshes, tensors and embeddings as files. Each kind has
//! one module and one entry in the table.

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
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use self::index::INDEX_FILE;
use self::piece::{Part, Piece};
use self::run::{RunFolder, Task};
use self::sink::Sink;
use crate::progress::{OnProgress, Progress};
use tbx::error::{ErrorKind, Report, Result};
use tbx::logdir::{Checksums, LoadOptions, Logdir, Payloads};
use tbx::safe_name::SafeNames;
use tbx::summary::Kind;
#[cfg(feature = "mlflow")]
use tbx::summary::{Metadata, RawValue};

/// Converts values of one kind to files.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Extractor {
    /// The kind's name on the command line.
    pub name: &'static str,
    /// One-line description of the files.
    pub about: &'static str,
    /// The kind of the series; `None` for embeddings, whose files are next to the event files.
    pub kind: Option<Kind>,
    /// Makes the files of one step.
    make: fn(&[Part<'_>]) -> Result<Vec<Piece>, ErrorKind>,
}

/// The files for a value of a series.
#[cfg(feature = "mlflow")]
pub(crate) fn pieces(
    kind: Kind,
    metadata: &Metadata,
    value: RawValue,
) -> Result<Vec<Piece>, ErrorKind> {
    let extractor = EXTRACTORS.iter().find(|extractor| extractor.kind == Some(kind));
    extractor.map_or(Ok(Vec::new()), |extractor| (extractor.make)(&[Part { metadata, value }]))
}

/// Every kind that can be extracted.
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

/// Selects the values to extract from logs. [`LoadOptions`] select runs and tags, and the points of
/// a resumed run.
///
/// ```
/// use tbx_runs::export::extract::Extraction;
/// use tbx::{Kind, LoadOptions, Logdir};
///
/// # let dir = tempfile::tempdir()?;
/// # let out = dir.path().join("files");
/// let logdir = Logdir::open("fixtures/tf2/media")?;
/// let images = Extraction::new().kinds([Kind::Image]).last(1);
/// let extracted = images.run(&[logdir], &LoadOptions::new(), &out)?;
/// let index = std::fs::read_to_string(out.join("index.csv"))?;
/// assert_eq!(index.lines().count() as u64, extracted.files() + 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Files
///
/// Files are named `<run>/<tag>/<step>.<extension>` below the output directory; the run `.` has no
/// directory of its own. Runs and tags are [encoded](tbx::safe_name::encode), so that the names
/// are valid on any system and stay inside the directory. Several files of one step end in `_0`,
/// `_1` and so on; further points at the same step end in `~2`, `~3` and so on.
///
/// `index.csv` has one line per file, sorted by run and tag, in the order of the log: `file`,
/// `run`, `tag`, `kind`, `step`, `wall_time` (seconds since the Unix epoch), `bytes`; for images
/// `width` and `height`, from the image itself; for clips `sample_rate` in Hz, `channels` and
/// `frames`; for arrays `dtype`, as in the log, and `shape` (`2x3`). A bfloat16 is a float32 in its
/// `.npy` file.
#[derive(Debug, Clone)]
pub struct Extraction {
    kinds: Option<Vec<Kind>>,
    embeddings: bool,
    overwrite: bool,
    on_progress: OnProgress,
    steps: Vec<RangeInclusive<i64>>,
    every: usize,
    last: usize,
}

/// The result of an extraction.
#[derive(Debug)]
#[non_exhaustive]
pub struct Extracted {
    /// The kinds that have files, in the order of the table.
    pub kinds: Vec<ExtractedKind>,
    /// Data that was damaged or dropped.
    pub report: Report,
}

/// The files of one kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExtractedKind {
    /// Name of the kind.
    pub name: &'static str,
    /// Number of files.
    pub files: u64,
    /// Total size of the files in bytes.
    pub bytes: u64,
    /// Number of runs with such files.
    pub runs: u64,
    /// Tags of the files.
    pub tags: BTreeSet<String>,
    /// The smallest and the largest step; `None` if no file has a step.
    pub steps: Option<(i64, i64)>,
}

impl Extracted {
    /// Number of files that were written, without the index.
    pub fn files(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.files).sum()
    }

    /// Total size of these files in bytes.
    pub fn bytes(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.bytes).sum()
    }
}

impl Extraction {
    /// Extracts everything.
    pub fn new() -> Self {
        Self {
            kinds: None,
            embeddings: true,
            overwrite: false,
            on_progress: OnProgress::default(),
            steps: Vec::new(),
            every: 1,
            last: usize::MAX,
        }
    }

    /// Extracts only series of these kinds, and no [embeddings](Self::embeddings). Default: all of
    /// [`EXTRACTORS`].
    #[must_use]
    pub fn kinds(self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { kinds: Some(kinds.into_iter().collect()), embeddings: false, ..self }
    }

    /// Whether the files of embeddings are extracted. Default: true, unless
    /// [`kinds`](Self::kinds) are chosen.
    #[must_use]
    pub fn embeddings(self, embeddings: bool) -> Self {
        Self { embeddings, ..self }
    }

    /// Whether the files of an earlier extraction are replaced. Default: false.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// Calls `f` with the number and the size of the files that were written, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    /// Extracts only points with a step in one of these ranges. Default: all points.
    #[must_use]
    pub fn steps(self, ranges: impl IntoIterator<Item = RangeInclusive<i64>>) -> Self {
        Self { steps: ranges.into_iter().collect(), ..self }
    }

    /// Extracts the first and every `n`-th point after it from the selected points of each series.
    /// Default: 1, every point.
    #[must_use]
    pub fn every(self, n: usize) -> Self {
        Self { every: n.max(1), ..self }
    }

    /// Extracts only the last `n` of the selected points of each series. Default: all points.
    #[must_use]
    pub fn last(self, n: usize) -> Self {
        Self { last: n, ..self }
    }

    /// Extracts from `logdirs` into the directory `out`. It appears once it is complete, and not at
    /// all if there is nothing to extract. With several log directories, the names of runs begin
    /// with their paths.
    ///
    /// All threads of rayon's current pool read and write files. Memory holds one record per thread, and a
    /// few words per file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: `out` cannot be written, or exists and is not empty; with
    /// [`overwrite`](Self::overwrite), only if it has files that are not from an earlier extraction.
    /// [`ErrorKind::Argument`]: two log directories have the same run, or values of a selected kind do
    /// not become files. Also as for [`Logdir::load`]. Damaged data is listed in the report.
    pub fn run(&self, logdirs: &[Logdir], options: &LoadOptions, out: &Path) -> Result<Extracted> {
        let extractors = self.extractors()?;
        let sink = Sink::create(out, self.overwrite)?;
        let kinds = extractors.iter().filter_map(|extractor| extractor.kind);
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
            extractors,
            options: &options,
            folders,
            names,
            sink: &sink,
            written: Mutex::default(),
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

    /// The extractors of the chosen kinds.
    fn extractors(&self) -> Result<Vec<&'static Extractor>> {
        let has = |kind: Kind| EXTRACTORS.iter().any(|extractor| extractor.kind == Some(kind));
        if let Some(kind) = self.kinds.iter().flatten().find(|kind| !has(**kind)) {
            let all: Vec<_> = EXTRACTORS.iter().map(|extractor| extractor.name).collect();
            let what =
                format!("values of kind {kind} do not become files; those of {}", all.join(", "));
            return Err(ErrorKind::Argument(what + " do").into());
        }
        let is_chosen = |extractor: &&Extractor| match (extractor.kind, &self.kinds) {
            (None, _) => self.embeddings,
            (Some(kind), Some(kinds)) => kinds.contains(&kind),
            (Some(_), None) => true,
        };
        Ok(EXTRACTORS.iter().filter(is_chosen).collect())
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
