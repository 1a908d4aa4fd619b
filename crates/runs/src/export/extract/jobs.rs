//! The points of one run that are written to files, and the names of the files.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::{Extraction, Extractor};
use tbx::event::pb::mesh::MeshPluginData;
use tbx::logdir::{Run, TimeSeries};
use tbx::summary::Kind;

/// A point of a series, by its index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) series: usize,
    pub(super) point: usize,
}

/// The points that become the files of one step.
pub(super) struct Job {
    /// Index of the extractor among the chosen ones.
    pub(super) extractor: usize,
    /// Index of the directory.
    pub(super) folder: usize,
    /// The number of this point among those of the directory at this step, from 1.
    pub(super) nth: u32,
    pub(super) step: i64,
    pub(super) wall_time: f64,
    /// The components of a mesh; otherwise a single point.
    pub(super) parts: [Option<Point>; 3],
}

/// The directories and the jobs that write to them.
#[derive(Default)]
pub(super) struct Jobs {
    /// Tags, one per directory.
    pub(super) folders: Vec<String>,
    /// In the order of directories, kinds and the log.
    pub(super) jobs: Vec<Job>,
}

impl Job {
    pub(super) fn parts(&self) -> impl Iterator<Item = Point> {
        self.parts.into_iter().flatten()
    }
}

impl Jobs {
    /// All jobs of `run`.
    pub(super) fn of(extraction: &Extraction, extractors: &[&Extractor], run: &Run) -> Self {
        let mut by_tag: BTreeMap<String, Vec<Group>> = BTreeMap::new();
        let mut meshes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, series) in run.series.iter().enumerate() {
            let Some(extractor) = extractor(extractors, series.kind()) else { continue };
            if series.places().is_none() {
                continue; // numbers of an unknown plugin
            }
            if series.kind() == Kind::Mesh {
                meshes.entry(mesh_name(series)).or_default().push(i);
                continue;
            }
            let one = |point| [Some(Point { series: i, point }), None, None];
            let points = (0..series.len()).map(one).collect();
            by_tag.entry(series.tag().into()).or_default().push(Group { extractor, points });
        }
        for (name, components) in meshes {
            let Some(extractor) = extractor(extractors, Kind::Mesh) else { continue };
            let points = joined(run, &components);
            by_tag.entry(name).or_default().push(Group { extractor, points });
        }
        let mut all = Self::default();
        for (tag, groups) in by_tag {
            let before = all.jobs.len();
            let mut seen: HashMap<i64, u32> = HashMap::new();
            for Group { extractor, points } in groups {
                let jobs = points.into_iter().filter_map(|parts| {
                    let Point { series, point } = parts.iter().flatten().next().copied()?;
                    let series = run.series.get(series)?;
                    let step = *series.steps().get(point)?;
                    let wall_time = *series.wall_times().get(point)?;
                    // File names do not depend on which steps are extracted.
                    let nth = seen.entry(step).or_default();
                    *nth = nth.saturating_add(1);
                    let folder = all.folders.len();
                    Some(Job { extractor, folder, nth: *nth, step, wall_time, parts })
                });
                all.jobs.extend(extraction.choose(jobs.collect()));
            }
            if all.jobs.len() > before {
                all.folders.push(tag);
            }
        }
        all
    }
}

/// The points of a series, or of the components of a mesh.
struct Group {
    extractor: usize,
    points: Vec<[Option<Point>; 3]>,
}

/// Index of the extractor for series of `kind`, if one is chosen.
fn extractor(extractors: &[&Extractor], kind: Kind) -> Option<usize> {
    extractors.iter().position(|extractor| extractor.kind == Some(kind))
}

impl Extraction {
    /// Whether `step` is selected.
    pub(super) fn wants_step(&self, step: i64) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|range| range.contains(&step))
    }

    fn choose(&self, mut jobs: Vec<Job>) -> Vec<Job> {
        jobs.retain(|job| self.wants_step(job.step));
        let mut jobs: Vec<_> = jobs.into_iter().step_by(self.every).collect();
        jobs.drain(..jobs.len().saturating_sub(self.last));
        jobs
    }
}

/// The name that all components of a mesh share in their metadata; otherwise the tag.
fn mesh_name(series: &TimeSeries) -> String {
    let content = MeshPluginData::decode(series.metadata().content.clone());
    match content {
        Ok(content) if !content.name.is_empty() => content.name,
        _ => series.tag().into(),
    }
}

/// Joins the points of components that belong together: the first at a step, the second, and so on.
fn joined(run: &Run, components: &[usize]) -> Vec<[Option<Point>; 3]> {
    let mut points: Vec<[Option<Point>; 3]> = Vec::new();
    let mut known: HashMap<(i64, u32), usize> = HashMap::new();
    for (slot, &i) in components.iter().enumerate() {
        let Some(series) = run.series.get(i) else { continue };
        let mut seen: HashMap<i64, u32> = HashMap::new();
        for (point, step) in series.steps().iter().enumerate() {
            let nth = seen.entry(*step).or_default();
            *nth = nth.saturating_add(1);
            let at = *known.entry((*step, *nth)).or_insert_with(|| {
                points.push([None; 3]);
                points.len() - 1
            });
            // A fourth component of the same name is a mistake of the program.
            if let Some(place) = points.get_mut(at).and_then(|parts| parts.get_mut(slot)) {
                *place = Some(Point { series: i, point });
            }
        }
    }
    points
}
