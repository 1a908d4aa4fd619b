//! Writes the rows of a run.

use std::collections::BTreeMap;

use super::WandbExport;
use super::columns::{Column, each_row, time_of};
use super::plan::Plan;
use super::stats;
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};
use tbx::logdir::{Run, TimeSeries, ValueReader};
use tbx::summary::mesh::MeshComponent;
use tbx::summary::meta::CARD;
use tbx::summary::{self, Kind};
use tbx::wandb::media::{self, At};
use tbx::wandb::offline::{KeyId, OfflineRun};

/// Data of a run that is not in its rows.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) repeated: u64,
    pub(super) issues: Vec<Issue>,
    pub(super) more_issues: u64,
}

/// A column, and where its values go.
struct Target {
    kind: Kind,
    /// The index of its directory.
    run: usize,
    /// The key of its values; `None` for parts of meshes, whose values name their mesh.
    key: Option<KeyId>,
    tag: String,
}

/// Writes the rows of a run that consists of these directories.
pub(super) fn write(
    plan: &Plan,
    settings: &WandbExport,
    runs: &[Run],
    out: &mut OfflineRun,
) -> Result<Left> {
    let (mut columns, mut targets, mut left) = (Vec::new(), Vec::new(), Left::default());
    let measured = measured(plan, settings, runs);
    stats::write(&measured, out)?;
    for (i, run) in runs.iter().enumerate() {
        for series in &run.series {
            let kind = series.kind();
            let is_scalar = series.scalars().is_some();
            // The card repeats for TensorBoard what W&B gets anyway.
            if !is_scalar && (!settings.takes(kind) || series.tag() == CARD) {
                continue;
            }
            let (_, tag) = plan.parts.place(&run.name, series.tag());
            if is_scalar && measured.contains_key(&tag) {
                continue;
            }
            let is_part = kind == Kind::Mesh && !is_scalar;
            let key = if is_part { None } else { Some(out.key(kind, &tag)?) };
            let (column, repeated) = Column::new(series, settings.sampling);
            left.repeated += repeated;
            columns.push(column);
            targets.push(Target { kind, run: i, key, tag });
        }
    }
    let series: Vec<_> = columns.iter().map(|column| column.series).collect();
    let mut rows = Rows {
        plan,
        runs,
        readers: runs.iter().map(ValueReader::new).collect(),
        meshes: BTreeMap::new(),
        left: &mut left,
        out,
    };
    each_row(&mut columns, |step, points| {
        let mut time = f64::NAN;
        for (i, point) in points {
            time = time.max(series.get(*i).map_or(f64::NAN, |series| time_of(series, *point)));
        }
        rows.out.begin(step, time);
        for (i, point) in points {
            let Some((target, series)) = targets.get(*i).zip(series.get(*i)) else { continue };
            match (series.scalars(), target.key) {
                (Some(scalars), Some(key)) => {
                    rows.out.number(key, scalars.get(*point).unwrap_or(f64::NAN))?;
                    rows.out.wall_time(key, time_of(series, *point));
                }
                _ => rows.value(target, series, *point)?,
            }
        }
        rows.end_meshes()?;
        rows.out.end()
    })?;
    Ok(left)
}

/// The measurements of the machine, by tag.
fn measured<'r>(
    plan: &Plan,
    settings: &WandbExport,
    runs: &'r [Run],
) -> BTreeMap<String, &'r TimeSeries> {
    let all = runs.iter().flat_map(|run| {
        let scalars = run.series.iter().filter(|series| series.scalars().is_some());
        scalars.map(|series| (plan.parts.place(&run.name, series.tag()).1, series))
    });
    let all = all.filter(|(tag, _)| tag.starts_with(stats::SYSTEM));
    let mut all: BTreeMap<_, _> = all.collect();
    if settings.sampling.is_some() || !stats::are(&all) {
        all.retain(|tag, _| OfflineRun::is_measured(tag));
    }
    all
}

/// Shared input for values other than numbers.
struct Rows<'a> {
    plan: &'a Plan,
    runs: &'a [Run],
    readers: Vec<ValueReader<'a>>,
    /// Parts of meshes at the current step, by the names of the meshes.
    meshes: BTreeMap<String, (Location, Vec<MeshComponent>)>,
    left: &'a mut Left,
    out: &'a mut OfflineRun,
}

impl Rows<'_> {
    fn value(&mut self, target: &Target, series: &TimeSeries, point: usize) -> Result<()> {
        let Some(reader) = self.readers.get_mut(target.run) else { return Ok(()) };
        let location = reader.location(series, point);
        let value = match reader.read(series, point) {
            Ok(value) => value,
            Err(error) => return self.flawed(error, Effect::SkippedValue),
        };
        if let Some(kind) = summary::damage(target.kind, &value) {
            self.flawed(kind.at(location.clone()), Effect::DamagedValue)?;
        }
        let Some(key) = target.key else {
            let part = MeshComponent::read(series.metadata(), &value);
            return match part {
                Err(kind) => self.flawed(kind.at(location), Effect::SkippedValue),
                Ok(part) => {
                    let run = self.runs.get(target.run).map_or("", |run| &run.name);
                    let (_, name) = self.plan.parts.place(run, &part.name);
                    self.meshes.entry(name).or_insert_with(|| (location, Vec::new())).1.push(part);
                    Ok(())
                }
            };
        };
        let at = At { key: &target.tag, step: self.out.step() };
        match media::of(target.kind, at, &value) {
            Ok(None) => Ok(()),
            Ok(Some(media)) => {
                self.put(key, media, location)?;
                self.out.wall_time(key, time_of(series, point));
                Ok(())
            }
            Err(kind) => self.flawed(kind.at(location), Effect::SkippedValue),
        }
    }

    fn put(&mut self, key: KeyId, media: media::Media, location: Location) -> Result<()> {
        if !media.fits() {
            let what = "W&B accepts no row that is as long as this value";
            return self.flawed(ErrorKind::Value(what.into()).at(location), Effect::SkippedValue);
        }
        self.out.media(key, media)
    }

    fn end_meshes(&mut self) -> Result<()> {
        for (name, (location, parts)) in std::mem::take(&mut self.meshes) {
            let key = self.out.key(Kind::Mesh, &name)?;
            let at = At { key: &name, step: self.out.step() };
            match media::mesh(at, parts) {
                Ok(media) => self.put(key, media, location)?,
                Err(kind) => self.flawed(kind.at(location), Effect::SkippedValue)?,
            }
        }
        Ok(())
    }

    /// Records a value that is damaged or cannot be read.
    fn flawed(&mut self, error: Error, effect: Effect) -> Result<()> {
        if self.plan.strict {
            return Err(error);
        }
        if self.left.issues.len() >= Report::MAX_ISSUES_PER_FILE {
            self.left.more_issues += 1;
        } else {
            self.left.issues.push(error.into_issue(effect));
        }
        Ok(())
    }
}
