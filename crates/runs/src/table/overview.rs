//! An overview of a log directory: one row per run, one row per tag, one row per problem.

mod embedding;

pub use self::embedding::{EmbeddingFile, EmbeddingOverview};
use super::number::Exact;
use tbx::error::{Issue, Report, RestartDrop, Result};
use tbx::logdir::{LoadOptions, Logdir, RestartPolicy, Run, TimeSeries, side_files};
use tbx::summary::Kind;

/// Steps count as missing where two consecutive steps differ by more than this multiple of the
/// usual distance.
const GAP: i64 = 2;

/// An overview of a log directory.
///
/// ```
/// use tbx::{LoadOptions, Logdir};
/// use tbx_runs::table::Overview;
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let overview = Overview::load(&logdir, &LoadOptions::new())?;
/// let train = &overview.runs[0];
/// assert_eq!((train.name.as_str(), train.tags[0].tag.as_str()), ("train", "batch_loss"));
/// # Ok::<(), tbx::Error>(())
/// ```
///
/// With the feature `serde` it serializes to the JSON of `tbx inspect --format json`.
#[derive(Debug, serde::Serialize)]
#[non_exhaustive]
pub struct Overview {
    /// The path of the log directory, as given.
    pub logdir: String,
    /// The runs, sorted by name.
    pub runs: Vec<RunOverview>,
    /// Damage, and points that the restart policy dropped.
    pub issues: Vec<IssueRow>,
    /// Whether data was lost to damage.
    #[serde(skip)]
    pub is_lossless: bool,
}

/// A run.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct RunOverview {
    /// Its name.
    pub name: String,
    /// The earliest wall time of an event, in seconds since the Unix epoch.
    pub start_time: Option<Exact>,
    /// The run's event files.
    pub files: Vec<FileOverview>,
    /// The run's series, sorted by tag.
    pub tags: Vec<TagOverview>,
    /// The run's embeddings, in the order of the projector's configuration; in JSON only if there
    /// are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embeddings: Vec<EmbeddingOverview>,
}

/// An event file.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct FileOverview {
    /// Its base name.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Number of readable events.
    pub events: u64,
    /// Number of bytes of an unfinished record at the end.
    pub pending_bytes: u64,
}

/// A series.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct TagOverview {
    /// The tag.
    pub tag: String,
    /// The kind of its values.
    #[serde(serialize_with = "kind_name")]
    pub kind: Kind,
    /// The plugin that claims it; empty if none does.
    pub plugin: String,
    /// Number of points.
    pub count: usize,
    /// Step of the first point in the log.
    pub first_step: i64,
    /// Step of the last point in the log.
    pub last_step: i64,
    /// The smallest step.
    pub min_step: i64,
    /// The largest step.
    pub max_step: i64,
    /// Wall time of the first point, in seconds since the Unix epoch.
    pub first_wall_time: Exact,
    /// Wall time of the last point.
    pub last_wall_time: Exact,
    /// Statistics of the numbers, if it has numbers.
    #[serde(flatten)]
    pub scalars: ScalarOverview,
    /// Number of times that the step went back in the log.
    pub restarts: usize,
    /// Number of gaps: two consecutive steps differ by more than twice the usual distance.
    pub gaps: usize,
    /// The steps before and after the first gap.
    #[serde(skip)]
    pub first_gap: Option<(i64, i64)>,
}

/// Statistics of a scalar series; empty for other series.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
#[non_exhaustive]
pub struct ScalarOverview {
    /// The last value in the log.
    pub last: Option<Exact>,
    /// The smallest value that is not NaN.
    pub min: Option<Exact>,
    /// The largest value that is not NaN.
    pub max: Option<Exact>,
    /// Number of NaN values.
    pub nan: Option<usize>,
    /// Number of infinite values.
    pub inf: Option<usize>,
}

/// A problem.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct IssueRow {
    /// The file or directory.
    pub path: Option<String>,
    /// Byte offset in the file.
    pub offset: Option<u64>,
    /// The run.
    pub run: Option<String>,
    /// The tag.
    pub tag: Option<String>,
    /// The step.
    pub step: Option<i64>,
    /// A short stable name, see [`ErrorKind::name`](tbx::ErrorKind::name); also `restart` for
    /// points that the restart policy dropped, and `more` for issues that are only counted.
    pub kind: &'static str,
    /// Description of the problem and of what was done.
    pub message: String,
    /// Whether data was lost; otherwise this is a note.
    pub lost: bool,
}

impl Overview {
    /// Loads the runs of `logdir` and summarizes each; only a few runs are in memory at a time.
    ///
    /// # Errors
    ///
    /// The same as for [`Logdir::load`].
    pub fn load(logdir: &Logdir, options: &LoadOptions) -> Result<Self> {
        let (found, mut report) = logdir.map_runs(options, |run| {
            let (issues, embeddings) = side_files::look(&run.name, &run.path, run.links());
            let embeddings = embeddings.iter().map(EmbeddingOverview::of).collect();
            (RunOverview { embeddings, ..RunOverview::of(&run) }, issues)
        })?;
        let mut runs = Vec::with_capacity(found.len());
        for (run, issues) in found {
            runs.push(run);
            report.issues.extend(issues);
        }
        report.sort();
        Ok(Self {
            logdir: logdir.path().to_string_lossy().into_owned(),
            runs,
            is_lossless: report.is_lossless(),
            issues: issue_rows(&report, options.restart_policy()),
        })
    }
}

impl RunOverview {
    /// Summarizes a run, without its embeddings, which are not part of the log.
    pub fn of(run: &Run) -> Self {
        let files = run.files.iter().map(|file| FileOverview {
            name: file.name.clone(),
            bytes: file.bytes,
            events: file.events,
            pending_bytes: file.pending_bytes,
        });
        Self {
            name: run.name.clone(),
            start_time: run.start_time.map(Exact),
            files: files.collect(),
            tags: run.series.iter().map(TagOverview::of).collect(),
            embeddings: Vec::new(),
        }
    }

    /// A run without files.
    pub(crate) fn of_tags(name: String, start_time: Option<Exact>, tags: Vec<TagOverview>) -> Self {
        Self { name, start_time, files: Vec::new(), tags, embeddings: Vec::new() }
    }

    /// The latest wall time of a series' last point.
    pub fn end_time(&self) -> Option<f64> {
        let times = self.tags.iter().map(|tag| tag.last_wall_time.0);
        times.filter(|time| time.is_finite()).reduce(f64::max)
    }
}

impl TagOverview {
    /// Summarizes a series, which must have a point.
    fn of(series: &TimeSeries) -> Self {
        let (steps, times) = (series.steps(), series.wall_times());
        let bound = |step: Option<&i64>| step.copied().unwrap_or(0);
        let time = |time: Option<&f64>| Exact(time.copied().unwrap_or(f64::NAN));
        let (gaps, first_gap) = gaps(steps);
        Self {
            tag: series.tag().to_owned(),
            kind: series.kind(),
            plugin: series.metadata().plugin.clone(),
            count: steps.len(),
            first_step: bound(steps.first()),
            last_step: bound(steps.last()),
            min_step: bound(steps.iter().min()),
            max_step: bound(steps.iter().max()),
            first_wall_time: time(times.first()),
            last_wall_time: time(times.last()),
            scalars: ScalarOverview::of(series),
            restarts: series.steps_back(),
            gaps,
            first_gap,
        }
    }
}

impl TagOverview {
    /// Summarizes points: their steps and times, and their values if they are numbers.
    pub(crate) fn of_points(
        tag: &str,
        kind: Kind,
        places: &[(i64, f64)],
        values: Option<impl ExactSizeIterator<Item = f64>>,
    ) -> Self {
        let steps: Vec<i64> = places.iter().map(|(step, _)| *step).collect();
        let bound = |step: Option<&i64>| step.copied().unwrap_or(0);
        let time = |place: Option<&(i64, f64)>| Exact(place.map_or(f64::NAN, |(_, time)| *time));
        let pairs = || steps.windows(2).filter_map(|pair| <[i64; 2]>::try_from(pair).ok());
        let (gaps, first_gap) = gaps(&steps);
        Self {
            tag: tag.to_owned(),
            kind,
            plugin: kind.plugin().to_owned(),
            count: steps.len(),
            first_step: bound(steps.first()),
            last_step: bound(steps.last()),
            min_step: bound(steps.iter().min()),
            max_step: bound(steps.iter().max()),
            first_wall_time: time(places.first()),
            last_wall_time: time(places.last()),
            scalars: values.map(ScalarOverview::of_values).unwrap_or_default(),
            restarts: pairs().filter(|[before, after]| after < before).count(),
            gaps,
            first_gap,
        }
    }
}

impl ScalarOverview {
    fn of(series: &TimeSeries) -> Self {
        series.scalars().map(|scalars| Self::of_values(scalars.iter())).unwrap_or_default()
    }

    fn of_values(values: impl ExactSizeIterator<Item = f64>) -> Self {
        let len = values.len();
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut nan, mut inf) = (0, 0);
        let mut last = None;
        for value in values {
            last = Some(value);
            nan += usize::from(value.is_nan());
            inf += usize::from(value.is_infinite());
            min = min.min(value); // a number wins over NaN
            max = max.max(value);
        }
        let any = (nan < len).then_some(());
        Self {
            last: last.map(Exact),
            min: any.map(|()| Exact(min)),
            max: any.map(|()| Exact(max)),
            nan: Some(nan),
            inf: Some(inf),
        }
    }
}

/// The number of gaps, and the first one. The usual distance is the median.
fn gaps(steps: &[i64]) -> (usize, Option<(i64, i64)>) {
    let pairs = || steps.windows(2).filter_map(|pair| <[i64; 2]>::try_from(pair).ok());
    let ahead = || pairs().map(|[a, b]| b.saturating_sub(a)).filter(|distance| *distance > 0);
    let (Some(least), Some(most)) = (ahead().min(), ahead().max()) else { return (0, None) };
    if most <= least.saturating_mul(GAP) {
        return (0, None); // as in nearly all logs, without sorting
    }
    let mut distances: Vec<i64> = ahead().collect();
    let middle = distances.len() / 2;
    let (_, usual, _) = distances.select_nth_unstable(middle);
    let limit = usual.saturating_mul(GAP);
    let is_gap = |[a, b]: &[i64; 2]| b.saturating_sub(*a) > limit;
    let first = pairs().find(is_gap).map(|[a, b]| (a, b));
    (pairs().filter(is_gap).count(), first)
}

fn issue_rows(report: &Report, policy: RestartPolicy) -> Vec<IssueRow> {
    let mut rows: Vec<_> = report.issues.iter().map(IssueRow::of).collect();
    if report.more_issues > 0 {
        let message = format!(
            "{} more in files with over {} issues",
            report.more_issues,
            Report::MAX_ISSUES_PER_FILE
        );
        rows.push(IssueRow { kind: "more", message, lost: true, ..IssueRow::default() });
    }
    rows.extend(report.restarts.iter().map(|dropped| IssueRow::of_restart(dropped, policy)));
    rows
}

impl IssueRow {
    pub(crate) fn of(issue: &Issue) -> Self {
        let location = &issue.location;
        Self {
            path: location.path.as_ref().map(|path| path.to_string_lossy().into_owned()),
            offset: location.offset,
            run: location.run.clone(),
            tag: location.tag.clone(),
            step: location.step,
            kind: issue.kind.name(),
            message: format!("{}; {}", issue.kind, issue.effect),
            lost: issue.effect.is_loss(),
        }
    }

    fn of_restart(dropped: &RestartDrop, policy: RestartPolicy) -> Self {
        Self {
            run: Some(dropped.run.clone()),
            tag: Some(dropped.tag.clone()),
            step: Some(dropped.first_step),
            kind: "restart",
            message: format!("{dropped} by restart policy {}", policy.name()),
            ..Self::default()
        }
    }
}

impl Default for IssueRow {
    fn default() -> Self {
        let (path, offset, run, tag, step) = (None, None, None, None, None);
        Self { path, offset, run, tag, step, kind: "", message: String::new(), lost: false }
    }
}

fn kind_name<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

#[cfg(test)]
mod tests {
    use super::gaps;

    #[test]
    fn a_gap_is_more_than_twice_the_usual_distance() {
        assert_eq!(gaps(&[]), (0, None));
        assert_eq!(gaps(&[5]), (0, None));
        assert_eq!(gaps(&[0, 1, 2, 3]), (0, None));
        assert_eq!(gaps(&[0, 10, 20, 25, 40]), (0, None));
        assert_eq!(gaps(&[0, 10, 20, 100, 110, 120, 200]), (2, Some((20, 100))));
        assert_eq!(gaps(&[1, 2, 3, 1, 2, 3]), (0, None));
        assert_eq!(gaps(&[i64::MIN, 0, i64::MAX]), (0, None));
    }
}
