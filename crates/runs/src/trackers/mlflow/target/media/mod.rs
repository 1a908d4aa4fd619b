//! Exports values that are not numbers as files that MLflow's artifact page shows: images, texts,
//! audio clips, PR curves, graphs and histograms.

pub(super) mod images;

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use super::MlflowExport;
use super::attachments::Attachment;
use super::plan::{Plan, Planned, becomes_files};
use super::state::Sent;
use crate::export::extract::pieces;
use crate::export::tables::rows_of_value;
use crate::trackers::mlflow::{Content, FOLDER, ImageName, milliseconds};
use tbx::error::{Effect, Error, ErrorKind, Issue, Report, Result};
use tbx::logdir::{Run, TimeSeries, ValueReader};
use tbx::safe_name;
use tbx::summary::meta::CARD;
use tbx::summary::{self, Kind, RawValue};

/// Kinds other than images that become files, in the order in which the program lists them.
pub const MEDIA: [Kind; 5] = [Kind::Text, Kind::Audio, Kind::PrCurve, Kind::Histogram, Kind::Graph];
/// Maximum size of a file in bytes.
const MAX_BYTES: usize = 10_000_000;
/// Maximum number of characters of a tag in a file name.
const MAX_TAG: usize = 80;

/// Kinds that must be loaded for [`each`].
pub(super) fn kinds(settings: &MlflowExport) -> impl Iterator<Item = Kind> {
    let all = [Kind::Image].into_iter().chain(MEDIA);
    all.filter(|kind| becomes_files(*kind, settings))
}

/// Files for a point, or for a whole series.
pub(super) struct Exhibit {
    pub(super) kind: Kind,
    /// Index of its run in the plan.
    pub(super) place: usize,
    pub(super) files: Vec<Attachment>,
    /// The tag of a series of images, and its points up to this one.
    pub(super) sent: Option<(String, Sent)>,
}

/// The earlier work on the points of a series of images.
pub(super) type Earlier<'e> = &'e dyn Fn(usize, &str) -> Option<Sent>;

/// Values that do not become files, or only damaged ones.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// Values that are damaged or cannot be read.
    pub(super) report: Report,
    /// Number of values that are left out because their series has newer ones.
    pub(super) older: BTreeMap<Kind, u64>,
    /// Number of values that are left out because they are too large.
    pub(super) large: BTreeMap<Kind, u64>,
}

impl Skipped {
    pub(super) fn join(&mut self, other: Self) {
        self.report.merge(other.report);
        for (all, more) in [(&mut self.older, other.older), (&mut self.large, other.large)] {
            for (kind, count) in more {
                *all.entry(kind).or_default() += count;
            }
        }
    }

    /// Records a value that is damaged or cannot be read.
    fn flawed(&mut self, plan: &Plan, error: Error, effect: Effect) -> Result<()> {
        if plan.strict {
            return Err(error);
        }
        if self.report.issues.len() >= Report::MAX_ISSUES_PER_FILE {
            self.report.more_issues += 1;
            return Ok(());
        }
        let location = error.location().clone();
        self.report.issues.push(Issue::new(error.into_kind(), location, effect));
        Ok(())
    }

    /// Messages for the user.
    pub(super) fn texts(&self, settings: &MlflowExport) -> Vec<String> {
        let list = |of: &BTreeMap<Kind, u64>| {
            let all: Vec<_> = of.iter().map(|(kind, n)| format!("{n} {}", kind.name())).collect();
            all.join(", ")
        };
        let mut texts = Vec::new();
        if !self.older.is_empty() {
            let (older, last) = (list(&self.older), settings.media_last);
            texts.push(format!(
                "values older than the newest {last} of their series are not exported: {older}"
            ));
        }
        if !self.large.is_empty() {
            let large = list(&self.large);
            texts.push(format!("values of more than {MAX_BYTES} bytes are not exported: {large}"));
        }
        texts
    }
}

/// Passes the files for the values of a directory to `f`, point by point or series by series, without images that were
/// sent `earlier`.
pub(super) fn each(
    plan: &Plan,
    run: &Run,
    settings: &MlflowExport,
    earlier: Earlier<'_>,
    mut f: impl FnMut(Exhibit) -> Result<()>,
) -> Result<Skipped> {
    let mut reader = ValueReader::new(run);
    let mut skipped = Skipped::default();
    // The card repeats for TensorBoard what MLflow gets anyway.
    let is_wanted =
        |series: &&TimeSeries| becomes_files(series.kind(), settings) && series.tag() != CARD;
    for series in run.series.iter().filter(is_wanted) {
        let Some((place, tag)) = plan.place(&run.name, series) else { continue };
        let Some(planned) = plan.runs.get(place) else { continue };
        let kind = series.kind();
        // The newest values of a series change while it grows.
        if kind != Kind::Image && planned.is_open(settings) {
            continue;
        }
        let sampling = settings.sampling.filter(|sampling| !sampling.needs_numbers());
        let mut points = match sampling {
            Some(sampling) => sampling.keep(series.steps(), |_| f64::NAN),
            None => (0..series.len()).collect(),
        };
        if kind == Kind::Image {
            let there = if settings.artifacts { images_of(planned) } else { HashSet::new() };
            let time = |i: usize| series.wall_times().get(i).copied().map(milliseconds);
            let sent = earlier(place, &tag).filter(|_| sampling.is_none());
            let skipped_points = sent.map_or(0, |sent| sent.skipped(series.steps(), time));
            // Whether everything up to the current point becomes files.
            let mut is_whole = sampling.is_none();
            for i in points.into_iter().skip(skipped_points) {
                let step = series.steps().get(i).copied().unwrap_or_default();
                let at = time(i).unwrap_or_default();
                if there.contains(&(tag.clone(), step, at)) {
                    continue;
                }
                let read = reader.read(series, i);
                let read = read.and_then(|value| {
                    let files = images::of(planned, &tag, series, &value, i);
                    Ok((files.map_err(|kind| kind.at(reader.location(series, i)))?, value))
                });
                match read {
                    Ok((files, value)) => {
                        // Damage is reported each time.
                        is_whole &= !damage(plan, &mut skipped, &reader, series, i, &value)?;
                        let sent =
                            (tag.clone(), Sent { count: i + 1, last: (step, at), max: None });
                        f(Exhibit { kind, place, files, sent: is_whole.then_some(sent) })?;
                    }
                    Err(error) => {
                        is_whole = false;
                        skipped.flawed(plan, error, Effect::SkippedValue)?;
                    }
                }
            }
            continue;
        }
        let older = points.len().saturating_sub(settings.media_last);
        points.drain(..older);
        if older > 0 {
            *skipped.older.entry(kind).or_default() += u64::try_from(older).unwrap_or(u64::MAX);
        }
        let mut series = Series { plan, kind, tag: component(&tag), series, reader: &mut reader };
        if rows_of_value(kind).is_some() {
            series.table(&points, &mut skipped, place, &mut f)?;
        } else {
            series.files(&points, &mut skipped, place, &mut f)?;
        }
    }
    Ok(skipped)
}

/// Images that were imported from MLflow as artifacts, and are exported as artifacts again: tag,
/// step and time.
fn images_of(run: &Planned) -> HashSet<(String, i64, i64)> {
    let artifacts = run.meta.artifacts.iter();
    let names = artifacts.map(|artifact| artifact.name.as_deref().unwrap_or(&artifact.path));
    let names = names.filter_map(ImageName::of);
    names.map(|name| (name.tag, name.step, name.timestamp)).collect()
}

/// Records damage in a value that can still be read and exported. Returns whether there is any.
fn damage(
    plan: &Plan,
    skipped: &mut Skipped,
    reader: &ValueReader<'_>,
    series: &TimeSeries,
    i: usize,
    value: &RawValue,
) -> Result<bool> {
    let Some(kind) = summary::damage(series.kind(), value) else { return Ok(false) };
    let error = kind.at(reader.location(series, i));
    skipped.flawed(plan, error, Effect::DamagedValue).map(|()| true)
}

/// A series that is being converted to files.
struct Series<'s, 'r> {
    plan: &'s Plan,
    kind: Kind,
    /// Its tag, in a form for file names.
    tag: String,
    series: &'s TimeSeries,
    reader: &'s mut ValueReader<'r>,
}

impl Series<'_, '_> {
    fn path(&self, rest: &str) -> String {
        let (kind, tag) = (self.kind.name(), &self.tag);
        format!("{FOLDER}/{}{kind}/{tag}{rest}", crate::trackers::mlflow::MEDIA_FOLDER)
    }

    /// Makes files for each point. Their names do not depend on later points.
    fn files(
        &mut self,
        points: &[usize],
        skipped: &mut Skipped,
        place: usize,
        f: &mut impl FnMut(Exhibit) -> Result<()>,
    ) -> Result<()> {
        let mut seen: HashMap<i64, u32> = HashMap::new();
        let first = points.first().copied().unwrap_or_default();
        for (i, step) in self.series.steps().iter().enumerate() {
            let nth = seen.entry(*step).or_default();
            *nth = nth.saturating_add(1);
            if i < first || points.binary_search(&i).is_err() {
                continue;
            }
            let again = if *nth > 1 { format!("~{nth}") } else { String::new() };
            let made = self.reader.read(self.series, i).and_then(|value| {
                damage(self.plan, skipped, self.reader, self.series, i, &value)?;
                let made = pieces(self.kind, self.series.metadata(), value);
                made.map_err(|kind| kind.at(self.reader.location(self.series, i)))
            });
            let made = match made {
                Ok(made) => made,
                Err(error) => {
                    skipped.flawed(self.plan, error, Effect::SkippedValue)?;
                    continue;
                }
            };
            let mut files = Vec::new();
            // Files that MLflow's page does not show are in the event files.
            for piece in made.into_iter().filter(|piece| piece.extension != "pb") {
                if piece.bytes.len() > MAX_BYTES {
                    *skipped.large.entry(self.kind).or_default() += 1;
                    continue;
                }
                let number = piece.number.map(|n| format!("_{n}")).unwrap_or_default();
                let name = format!("/{step}{number}{again}.{}", piece.extension);
                files.push(attachment(self.path(&name), piece.bytes));
            }
            f(Exhibit { kind: self.kind, place, files, sent: None })?;
        }
        Ok(())
    }

    /// Makes one file for all points: a table with rows for the values of each point.
    fn table(
        &mut self,
        points: &[usize],
        skipped: &mut Skipped,
        place: usize,
        f: &mut impl FnMut(Exhibit) -> Result<()>,
    ) -> Result<()> {
        let Some((columns, rows_of)) = rows_of_value(self.kind) else { return Ok(()) };
        let mut csv = csv::Writer::from_writer(Vec::new());
        let failed = |error: csv::Error| ErrorKind::from(std::io::Error::from(error));
        let head = ["step", "wall_time"].into_iter().chain(columns);
        csv.write_record(head).map_err(failed)?;
        let mut is_empty = true;
        for &i in points {
            let read = self.reader.read(self.series, i);
            let rows = read.and_then(|value| {
                rows_of(&value).map_err(|kind| kind.at(self.reader.location(self.series, i)))
            });
            let rows = match rows {
                Ok(rows) => rows,
                Err(error) => {
                    skipped.flawed(self.plan, error, Effect::SkippedValue)?;
                    continue;
                }
            };
            let step = self.series.steps().get(i).copied().unwrap_or_default().to_string();
            let time = self.series.wall_times().get(i).copied().unwrap_or(f64::NAN).to_string();
            for row in rows {
                let cells = row.iter().map(ToString::to_string);
                csv.write_record([step.clone(), time.clone()].into_iter().chain(cells))
                    .map_err(failed)?;
                is_empty = false;
            }
        }
        let bytes = csv.into_inner().map_err(|error| ErrorKind::from(error.into_error()))?;
        if bytes.len() > MAX_BYTES {
            let count = u64::try_from(points.len()).unwrap_or(u64::MAX);
            *skipped.large.entry(self.kind).or_default() += count;
            return Ok(());
        }
        if is_empty {
            return Ok(());
        }
        let files = vec![attachment(self.path(".csv"), bytes.into())];
        f(Exhibit { kind: self.kind, place, files, sent: None })
    }
}

fn attachment(path: String, bytes: Bytes) -> Attachment {
    Attachment { path, content: Content::Bytes(bytes.into()) }
}

/// Encodes a tag as one part of a file name that every server accepts: `/` becomes `~`, and a tag
/// that has other characters or is very long gets a hash, so that names stay unique.
fn component(tag: &str) -> String {
    let plain = |c: char| match c {
        '/' => '~',
        c if c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ') => c,
        _ => '_',
    };
    let name: String = tag.chars().map(plain).take(MAX_TAG).collect();
    let is_same = !tag.contains('~') && name.replace('~', "/") == tag;
    let is_safe = safe_name::encode(&name) == name;
    match is_same && is_safe {
        true => name,
        false => format!(
            "{}-{:08x}",
            name.replace("tfevents", "tf-events"),
            safe_name::hash(tag) & 0xffff_ffff
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tags_have_one_name_and_none_leads_elsewhere() {
        let long = "x".repeat(500);
        let other = format!("{long}y");
        let tags = [
            "loss",
            "a/b",
            "a~b",
            "a_b",
            "a:b",
            "a#b",
            "..",
            "../x",
            "",
            "con",
            "Größe 1",
            "x.tfevents",
            "end.",
            &long,
            &other,
        ];
        let names: Vec<_> = tags.iter().map(|tag| component(tag)).collect();
        assert_eq!(names[..2], ["loss", "a~b"]);
        assert_eq!(names[10], "Größe 1");
        let mut different = names.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), names.len(), "{names:?}");
        for name in &names {
            assert!(!name.contains(['/', '#', '%', ':']) && !name.contains("tfevents"), "{name}");
            assert_eq!(safe_name::encode(name), *name);
        }
    }
}
