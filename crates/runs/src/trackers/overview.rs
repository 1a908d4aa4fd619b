//! The content of a tracker's source, without an import.

use std::path::Path;

use super::source::{Content, LeftOut, Points, Series, SourceOptions, SourceRun};
use super::{SOURCES, open};
use crate::table::number::Exact;
use crate::table::{IssueRow, RunOverview, TagOverview};
use tbx::error::{Report, Result};
use tbx::meta::RunMeta;
use tbx::store::Links;
use tbx::summary::Kind;

/// The trackers whose files are shown: no log directory looks like them.
const SHOWN: [&str; 1] = ["wandb"];

/// The content of a tracker's source, such as a file of Weights & Biases.
///
/// It serializes to the JSON of `tbx inspect --format json`.
#[derive(Debug, serde::Serialize)]
#[non_exhaustive]
pub struct SourceOverview {
    /// The path or the URL, as given.
    pub source: String,
    /// The name of the tracker that people know.
    pub tracker: &'static str,
    /// The runs, in the order of the source.
    pub runs: Vec<SourceRunOverview>,
    /// Damage and notes.
    pub issues: Vec<IssueRow>,
    /// Whether data was lost to damage.
    #[serde(skip)]
    pub is_lossless: bool,
}

/// A run in the source of a tracker.
#[derive(Debug, serde::Serialize)]
#[non_exhaustive]
pub struct SourceRunOverview {
    /// Its identifier in the tracker.
    pub id: String,
    /// Its name and its series. It has no event files.
    #[serde(flatten)]
    pub overview: RunOverview,
    /// Its metadata.
    pub meta: RunMeta,
    /// Values and objects that a log has no place for.
    pub left_out: Vec<LeftOut>,
}

impl SourceOverview {
    /// Whether the file or directory looks like a source that can be shown.
    pub fn is_here(path: &Path) -> bool {
        SOURCES.iter().any(|kind| SHOWN.contains(&kind.name) && (kind.is_here)(path))
    }

    /// Reads the source at `place`, a path. Only one run is in memory at a time.
    ///
    /// # Errors
    ///
    /// It is no source, or cannot be read.
    pub fn load(place: &str, follow_links: bool) -> Result<Self> {
        let options = SourceOptions {
            connections: 1,
            links: Links::all_if(follow_links),
            follow_local_paths: false,
            step: None,
            time: None,
            draw_boxes: false,
        };
        let (tracker, source) = open(place, None, &options)?;
        let mut report = Report::default();
        let mut runs = Vec::new();
        for experiment in source.experiments(&mut report)? {
            for run in source.runs(&experiment, &mut report)?.runs {
                let content = source.content(&run, false, &mut report)?;
                let name = format!("{}/{}", experiment.name, run.name);
                runs.push(SourceRunOverview::of(name, &run, content));
            }
        }
        report.sort();
        Ok(Self {
            source: place.to_owned(),
            tracker,
            runs,
            is_lossless: report.is_lossless(),
            issues: report.issues.iter().map(IssueRow::of).collect(),
        })
    }
}

impl SourceRunOverview {
    fn of(name: String, run: &SourceRun, mut content: Content) -> Self {
        content.series.sort_by(|a, b| a.tag.cmp(&b.tag));
        let series = content.series.iter().filter(|series| series.points.len() > 0);
        let start = run.start_time.or(content.meta.start_time);
        let overview =
            RunOverview::of_tags(name, start.map(Exact), series.map(of_series).collect());
        Self { id: run.id.clone(), overview, meta: content.meta, left_out: content.left_out }
    }
}

fn of_series(series: &Series) -> TagOverview {
    macro_rules! places {
        ($points:expr) => {
            $points.iter().map(|at| (at.step, at.wall_time)).collect()
        };
    }
    let (kind, places): (Kind, Vec<(i64, f64)>) = match &series.points {
        Points::Scalars(points) => (Kind::Scalar, places!(points)),
        Points::Histograms(points) => (Kind::Histogram, places!(points)),
        Points::Images(points) => (Kind::Image, places!(points)),
        Points::Audio(points) => (Kind::Audio, places!(points)),
        Points::Texts(points) => (Kind::Text, places!(points)),
        Points::Meshes(points) => (Kind::Mesh, places!(points)),
    };
    let values = match &series.points {
        Points::Scalars(points) => Some(points.iter().map(|at| at.value)),
        _ => None,
    };
    TagOverview::of_points(&series.tag, kind, &places, values)
}
