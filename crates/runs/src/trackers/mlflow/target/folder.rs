//! Exports to a directory `mlruns` in MLflow's file format (`mlflow/store/tracking/file_store.py`
//! of 3.17).

mod models;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rayon::prelude::*;
use serde_json::Value;

use super::attachments::{self, Attachments};
use super::media::{self, Exhibit, Skipped, images};
use super::plan::Plan;
use super::{MlflowExport, MlflowExported};
use crate::export::Folder;
use crate::trackers::mlflow::{
    Content, DatasetInput, MetricNames, StoreKind, Tags, milliseconds, status_number, tags,
};
use crate::trackers::reread::Reread;
use tbx::error::{Result, failed};
use tbx::logdir::{LoadOptions, Logdir, Payloads, Run, TimeSeries};
use tbx::replace::{disk, unfinished};
use tbx::safe_name;
use tbx::summary::Kind;

/// Characters that are not encoded in a file URI.
const URI: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Ids of experiments have 18 digits, like those of MLflow.
const FIRST_ID: u64 = 100_000_000_000_000_000;

/// The places of a plan's runs in the new directory.
struct Tree<'p> {
    /// The path of the directory until it is complete.
    root: &'p Path,
    /// The final path.
    home: PathBuf,
    plan: &'p Plan,
    settings: &'p MlflowExport,
    /// Ids of experiments and runs, as in the plan.
    ids: Vec<(String, String)>,
}

/// The values written for a directory.
#[derive(Default)]
struct Written {
    points: u64,
    images: u64,
    media: u64,
    /// Indices in the plan of runs that have images.
    with_images: HashSet<usize>,
    /// Files that were made from values, each with the index of its run.
    paths: Vec<(usize, String)>,
    skipped: Skipped,
}

/// Writes the runs of `logdir` to a new directory `out`.
pub(super) fn to_folder(
    logdir: &Logdir,
    options: &LoadOptions,
    settings: &MlflowExport,
    out: &Path,
) -> Result<MlflowExported> {
    let mut plan = Plan::of(logdir, options, settings, StoreKind::Files, &mut Reread::once())?;
    let mut done = MlflowExported::of(&mut plan, logdir, settings)?;
    done.new_runs = done.runs;
    let folder = Folder::create(out)?;
    let home = std::path::absolute(out).map_err(|error| failed(error, out))?;
    let ids = plan.runs.iter().map(|run| (experiment_id(&run.experiment), run_id(&run.key)));
    let ids: Vec<_> = ids.collect();
    let tree = Tree { root: folder.path(), home, plan: &plan, settings, ids };
    tree.experiments()?;
    (0..plan.runs.len()).into_par_iter().try_for_each(|i| tree.run(i))?;

    let kinds = [Kind::Scalar].into_iter().chain(media::kinds(settings));
    let options = options.clone().kinds(kinds).payloads(Payloads::Placed);
    // Damage was reported when the plan was made.
    let (sent, _) = logdir.map_runs(&options, |run| tree.values(&run))?;
    let (mut with_images, mut skipped) = (HashSet::new(), Skipped::default());
    let mut paths: Vec<BTreeSet<String>> = vec![BTreeSet::new(); plan.runs.len()];
    for sent in sent {
        let written = sent?;
        done.points += written.points;
        done.images += written.images;
        done.media += written.media;
        with_images.extend(written.with_images);
        skipped.join(written.skipped);
        for (place, path) in written.paths {
            paths.get_mut(place).map(|paths| paths.insert(path));
        }
    }
    done.warnings.extend(skipped.texts(settings));
    done.damaged(skipped.report);
    for (i, (run, media)) in plan.runs.iter().zip(&paths).enumerate() {
        if with_images.contains(&i) {
            tree.tag(i, images::TAG.0, images::TAG.1)?;
        }
        let Attachments { files, left, renamed } =
            attachments::of(run, settings, plan.links, StoreKind::Files, media)?;
        done.leave(left);
        if !renamed.is_empty() {
            let mut all = MetricNames::changed_in(&run.record.tags);
            all.extend(renamed.clone());
            MetricNames::tags_of(&all)
                .iter()
                .try_for_each(|(name, value)| tree.tag(i, name, value))?;
            done.renamed.extend(renamed);
        }
        for file in files {
            match attachments::unreadable(&file.content) {
                None => {
                    done.bytes += tree.artifact(i, &file.path, &file.content)?;
                    done.artifacts += 1;
                }
                Some(issue) => done.leave(vec![issue]),
            }
        }
    }
    done.models = tree.models(&mut done.warnings)?;
    folder.finish()?;
    Ok(done)
}

impl Tree<'_> {
    fn dir(&self, i: usize) -> PathBuf {
        let (experiment, run) = self.ids.get(i).cloned().unwrap_or_default();
        self.root.join(experiment).join(run)
    }

    fn uri(&self, path: &str) -> String {
        let home = self.home.to_string_lossy().replace('\\', "/");
        let slash = if home.starts_with('/') { "" } else { "/" };
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        format!("file://{slash}{}{path}", escaped(&home))
    }

    fn experiments(&self) -> Result<()> {
        let mut times: BTreeMap<&str, i64> = BTreeMap::new();
        for run in &self.plan.runs {
            let start = run.record.start_time.unwrap_or_default();
            let known = times.entry(&run.experiment).or_insert(start);
            *known = start.min(*known);
        }
        for (name, tags) in &self.plan.experiments.tags {
            let id = experiment_id(name);
            let time = times.get(name.as_str()).copied().unwrap_or_default();
            let meta = [
                ("artifact_location", self.uri(&id).into()),
                ("creation_time", time.into()),
                ("experiment_id", id.as_str().into()),
                ("last_update_time", time.into()),
                ("lifecycle_stage", "active".into()),
                ("name", name.as_str().into()),
            ];
            let dir = self.root.join(&id);
            self.yaml(&dir, &meta)?;
            values(&dir.join("tags"), tags)?;
        }
        Ok(())
    }

    /// Writes everything except points and artifacts.
    fn run(&self, i: usize) -> Result<()> {
        let Some((run, (experiment, id))) = self.plan.runs.get(i).zip(self.ids.get(i)) else {
            return Ok(());
        };
        let dir = self.dir(i);
        let record = &run.record;
        let meta = [
            ("artifact_uri", self.uri(&format!("{experiment}/{id}/artifacts")).into()),
            ("deleted_time", record.end_time.filter(|_| record.is_deleted).into()),
            ("end_time", record.end_time.into()),
            ("entry_point_name", "".into()),
            ("experiment_id", experiment.as_str().into()),
            ("lifecycle_stage", if record.is_deleted { "deleted" } else { "active" }.into()),
            ("run_id", id.as_str().into()),
            ("run_name", record.name.as_deref().unwrap_or_default().into()),
            ("source_name", "".into()),
            ("source_type", 4.into()),
            ("source_version", "".into()),
            ("start_time", record.start_time.unwrap_or_default().into()),
            ("status", record.status.map(status_number).into()),
            ("tags", Value::Array(Vec::new())),
            ("user_id", record.user.as_deref().unwrap_or_default().into()),
        ];
        self.yaml(&dir, &meta)?;
        // MLflow does not find a run without these.
        for folder in ["metrics", "params", "artifacts", "tags"] {
            make(&dir.join(folder))?;
        }
        values(&dir.join("params"), &record.params)?;
        values(&dir.join("tags"), &record.tags)?;
        let parent = run.parent.and_then(|parent| self.ids.get(parent));
        if let Some((_, parent)) = parent {
            self.tag(i, tags::PARENT, parent)?;
        }
        if !record.tags.contains_key(tags::USER) {
            self.tag(i, tags::USER, record.user.as_deref().unwrap_or_default())?;
        }
        record.datasets.iter().try_for_each(|data| self.dataset(&dir, experiment, data))
    }

    fn tag(&self, i: usize, name: &str, value: &str) -> Result<()> {
        write(&self.dir(i).join("tags").join(name), value.as_bytes())
    }

    /// Writes a dataset of the experiment, and the run's use of it (`log_inputs` in
    /// `file_store.py`).
    fn dataset(&self, run: &Path, experiment: &str, data: &DatasetInput) -> Result<()> {
        let id = format!("{:016x}", safe_name::hash(&format!("{}\0{}", data.name, data.digest)));
        let meta = [
            ("digest", data.digest.as_str().into()),
            ("name", data.name.as_str().into()),
            ("profile", data.profile.clone().into()),
            ("schema", data.schema.clone().into()),
            ("source", data.source.as_str().into()),
            ("source_type", data.source_type.as_str().into()),
        ];
        self.yaml(&self.root.join(experiment).join("datasets").join(&id), &meta)?;
        let meta = [
            ("destination_id", run_of(run).into()),
            ("destination_type", "RUN".into()),
            ("source_id", id.as_str().into()),
            ("source_type", "DATASET".into()),
            ("tags", serde_json::to_value(&data.tags).unwrap_or_default()),
        ];
        self.yaml(&run.join("inputs").join(&id), &meta)
    }

    /// Writes the points and other values of a directory.
    fn values(&self, run: &Run) -> Result<Written> {
        let mut written = Written::default();
        let skipped = media::each(self.plan, run, self.settings, &|_, _| None, |exhibit| {
            self.exhibit(exhibit, &mut written)
        })?;
        written.skipped = skipped;
        let points = run.series.par_iter().map(|series| self.metric(run, series));
        written.points = points.try_reduce(|| 0, |a, b| Ok(a + b))?;
        Ok(written)
    }

    fn exhibit(&self, exhibit: Exhibit, written: &mut Written) -> Result<()> {
        let Exhibit { kind, place, files, .. } = exhibit;
        let count = u64::try_from(files.len()).unwrap_or_default();
        if kind == Kind::Image {
            // Each image has a small copy.
            written.images += count / 2;
            written.with_images.insert(place);
        } else {
            written.media += count;
        }
        for file in files {
            self.artifact(place, &file.path, &file.content)?;
            if kind != Kind::Image {
                written.paths.push((place, file.path));
            }
        }
        Ok(())
    }

    fn metric(&self, run: &Run, series: &TimeSeries) -> Result<u64> {
        let Some(scalars) = series.scalars() else { return Ok(0) };
        let found = self.plan.metric(&run.name, series);
        let Some((place, _, key)) = found else { return Ok(0) };
        let points = series.steps().iter().zip(series.wall_times()).zip(scalars.iter());
        let chosen = self.settings.sampling.map(|sampling| {
            let value = |i| scalars.get(i).unwrap_or(f64::NAN);
            sampling.keep(series.steps(), value).into_iter().collect::<HashSet<_>>()
        });
        let is_chosen = |i: usize| chosen.as_ref().is_none_or(|chosen| chosen.contains(&i));
        let points = points.enumerate().filter(|(i, _)| is_chosen(*i)).map(|(_, point)| point);
        // MLflow's own migration stops at a repeated line.
        let is_rising = series.steps().is_sorted_by(|a, b| a < b);
        let mut seen = HashSet::new();
        let mut text = Vec::with_capacity(40 * series.len());
        let mut count = 0;
        for ((step, time), value) in points {
            let time = milliseconds(*time);
            if !is_rising && !seen.insert((*step, time, value.to_bits())) {
                continue;
            }
            text.extend_from_slice(itoa::Buffer::new().format(time).as_bytes());
            text.push(b' ');
            text.extend_from_slice(number(value, &mut zmij::Buffer::new()).as_bytes());
            text.push(b' ');
            text.extend_from_slice(itoa::Buffer::new().format(*step).as_bytes());
            text.push(b'\n');
            count += 1;
        }
        // No other directory has a tag of this name; otherwise it would not be part of the run.
        write(&self.dir(place).join("metrics").join(key), &text)?;
        Ok(count)
    }

    fn artifact(&self, i: usize, path: &str, content: &Content) -> Result<u64> {
        let to = self.dir(i).join("artifacts").join(path);
        to.parent().map_or(Ok(()), make)?;
        let copied = content.open().and_then(|(mut from, _)| copy(&mut from, &to));
        copied.map_err(|error| match content {
            Content::File(_, from) => failed(error, from),
            Content::Bytes(_) => failed(error, &to),
        })
    }

    /// Writes `meta.yaml` to a new directory.
    fn yaml(&self, dir: &Path, values: &[(&str, Value)]) -> Result<()> {
        make(dir)?;
        let lines = values.iter().map(|(name, value)| format!("{name}: {}\n", yaml(value)));
        write(&dir.join("meta.yaml"), lines.collect::<String>().as_bytes())
    }
}

/// Writes one file per value.
fn values(dir: &Path, values: &Tags) -> Result<()> {
    values.iter().try_for_each(|(name, value)| write(&dir.join(name), value.as_bytes()))
}

fn escaped(path: &str) -> String {
    utf8_percent_encode(path, URI).to_string()
}

/// Formats a number as Python's `float` reads it.
fn number(value: f64, buffer: &mut zmij::Buffer) -> &str {
    match value {
        value if value.is_nan() => "nan",
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        value => buffer.format_finite(value),
    }
}

/// JSON is valid YAML, except for a few characters that PyYAML rejects.
fn yaml(value: &Value) -> String {
    let json = value.to_string();
    let is_taken =
        |c: char| !matches!(c, '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let escaped = |c: char| format!("\\u{:04x}", u32::from(c));
    json.chars().map(|c| if is_taken(c) { c.to_string() } else { escaped(c) }).collect()
}

fn experiment_id(name: &str) -> String {
    (FIRST_ID + safe_name::hash(name) % (9 * FIRST_ID)).to_string()
}

/// The key, if MLflow accepts it as an id.
fn run_id(key: &str) -> String {
    let is_id = key.len() == 32 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let hashed =
        || format!("{:016x}{:016x}", safe_name::hash(key), safe_name::hash(&format!("{key}+")));
    if is_id { key.to_owned() } else { hashed() }
}

fn run_of(dir: &Path) -> String {
    dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn copy(from: &mut dyn Read, to: &Path) -> io::Result<u64> {
    io::copy(from, &mut disk::create_new(&unfinished(to))?)
}

/// Writes a file whose name may contain directories.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let open = || fs::File::create(path);
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), make)?;
            open()
        }
        opened => opened,
    };
    file.and_then(|mut file| file.write_all(bytes)).map_err(|error| failed(error, path))
}

fn make(path: &Path) -> Result<()> {
    disk::create_dir_all(path).map_err(|error| failed(error, path))
}
