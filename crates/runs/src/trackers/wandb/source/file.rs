//! Reads a file `run-<id>.wandb` into what is known of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use prost::Message;

use super::console::Console;
use super::history::History;
use super::json;
use super::row::RowReader;
use super::tree::Changes;
use tbx::error::{Effect, ErrorKind, Issue, Location, Report, Result};
use tbx::store::Root;
use tbx::wandb::artifact::{Artifact, UseArtifact};
use tbx::wandb::block::{Found, Loss, MAX_RECORD, Reason, Records};
use tbx::wandb::items::{Metric, Stats, Update};
use tbx::wandb::offline::PRODUCER;
use tbx::wandb::record::{Alert, Content, Exit, Record, TbRecord};
use tbx::wandb::run::{Environment, Run};
use tbx::wandb::view;

/// Maximum number of artifacts, alerts and definitions of metrics of a file, together.
const MAX_OBJECTS: usize = 100_000;

/// Maximum number of bytes of these records together.
const MAX_OBJECT_BYTES: usize = 256 << 20;

/// Maximum number of measurements of the machine.
const MAX_STATS: usize = 1 << 24;

/// Fields of a record whose content has no facts: an empty record, and requests to the program itself.
const NOTHING: [u32; 2] = [24, 100];

/// The content of a run's file.
#[derive(Default)]
pub(super) struct RunFile {
    pub(super) path: PathBuf,
    /// The directory of the run.
    pub(super) dir: PathBuf,
    /// The last record of the run, with everything that earlier ones say alone; `None` if there is none yet.
    pub(super) run: Option<Run>,
    /// The program that wrote the file.
    pub(super) producer: String,
    pub(super) config: Changes,
    pub(super) summary: Changes,
    pub(super) environment: Option<Environment>,
    pub(super) metrics: Vec<Metric>,
    /// Files of the run, and their use.
    pub(super) files: BTreeMap<String, i32>,
    /// Measurements of the machine: values by key, at an index and a time.
    pub(super) stats: BTreeMap<String, Vec<(i64, f64, f64)>>,
    /// The number of records with measurements.
    pub(super) stats_count: i64,
    pub(super) history: History,
    pub(super) console: Console,
    pub(super) exit: Option<Exit>,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) used: Vec<UseArtifact>,
    pub(super) alerts: Vec<Alert>,
    pub(super) tensorboard: BTreeSet<String>,
    /// How often the program was told that it will be stopped.
    pub(super) preempted: u64,
    /// Whether the file ends inside a record.
    pub(super) is_cut: bool,
    /// The last time that a record says.
    pub(super) last_time: Option<f64>,
    /// When the file changed last.
    pub(super) changed: Option<f64>,
    /// Number of records.
    pub(super) records: u64,
    /// Records that are not read, by kind.
    pub(super) unknown: u64,
    /// Records beyond a limit.
    pub(super) dropped: u64,
    objects: usize,
    object_bytes: usize,
    stats_points: usize,
}

/// Issues of a file, as far as they are kept.
struct Issues<'r> {
    path: &'r Path,
    report: &'r mut Report,
    left: usize,
    more: u64,
}

impl Issues<'_> {
    fn add(&mut self, offset: u64, kind: ErrorKind, effect: Effect) {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                let location = Location::of(self.path).with_offset(offset);
                self.report.issues.push(Issue::new(kind, location, effect));
            }
            None => self.more = self.more.saturating_add(1),
        }
    }

    fn loss(&mut self, loss: &Loss) {
        let value = |what: &str| ErrorKind::Value(what.into());
        let (kind, effect) = match loss.reason {
            Reason::Checksum { computed, stored } => {
                (ErrorKind::PayloadCrc { computed, stored }, Effect::SkippedBytes(loss.len))
            }
            Reason::NoEnd => (ErrorKind::Torn, Effect::SkippedRecord),
            Reason::NoStart => (value("the start of the record is missing"), Effect::SkippedRecord),
            Reason::TooLong => {
                let limit = u64::try_from(MAX_RECORD).unwrap_or(u64::MAX);
                (ErrorKind::TooLong { len: loss.len, limit }, Effect::SkippedRecord)
            }
            Reason::FileHead => (value("the first bytes are not :W&B"), Effect::Kept),
            Reason::Cut => {
                let what = "the file ends inside a record: the program is at work, or was killed";
                (value(what), Effect::Kept)
            }
            _ => (value("these bytes are no part of a record"), Effect::SkippedBytes(loss.len)),
        };
        self.add(loss.offset, kind, effect);
    }

    fn finish(self) {
        if self.more > 0 {
            let what = format!("{} more problems in this file", self.more);
            let location = Location::of(self.path);
            let issue = Issue::new(ErrorKind::Value(what), location, Effect::SkippedRecord);
            self.report.issues.push(issue);
        }
    }
}

impl RunFile {
    /// Reads the file at `path` in the directory of a run. Damage is reported.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or is not one of W&B.
    pub(super) fn read(root: &Root, path: &Path, report: &mut Report) -> Result<Self> {
        let failed = |kind: ErrorKind| kind.at(Location::of(path));
        let (file, len) = root.open(path).map_err(|error| failed(error.into()))?;
        let changed = file.local().and_then(|file| file.metadata().ok()?.modified().ok());
        let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let mut run = Self {
            path: path.to_owned(),
            dir: path.parent().unwrap_or(path).to_owned(),
            changed: changed.map(|time| time.as_secs_f64()),
            ..Self::default()
        };
        let mut issues = Issues { path, report, left: Report::MAX_ISSUES_PER_FILE, more: 0 };
        let mut records = Records::new(file.into_reader(len)).map_err(failed)?;
        let mut rows = RowReader::default();
        loop {
            let found = match records.next() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => {
                    let offset = records.position();
                    issues.add(offset, error.into(), Effect::LostRest(len.saturating_sub(offset)));
                    break;
                }
            };
            match found {
                Found::Record { offset, bytes } => {
                    if let Err(what) = run.add(bytes, &mut rows) {
                        let kind = ErrorKind::Value(format!("the record is damaged: {what}"));
                        issues.add(offset, kind, Effect::SkippedRecord);
                    }
                }
                Found::Lost(loss) => {
                    run.is_cut |= loss.reason == Reason::Cut;
                    issues.loss(&loss);
                }
            }
        }
        issues.finish();
        run.note_time(run.history.last_time());
        Ok(run)
    }

    /// Adds a record.
    fn add(&mut self, record: &[u8], rows: &mut RowReader) -> std::result::Result<(), String> {
        self.records = self.records.saturating_add(1);
        let content = view::content(record).map_err(|error| error.0.to_owned())?;
        match content {
            None => Ok(()),
            Some((view::HISTORY, bytes)) => {
                rows.read(bytes, &mut self.history).map_err(|error| error.0.to_owned())
            }
            Some((view::SUMMARY, bytes)) => {
                self.summary.add(bytes).map_err(|error| error.0.to_owned())
            }
            Some((number, _)) if NOTHING.contains(&number) => Ok(()),
            Some(_) => {
                let message = Record::decode(record).map_err(|error| error.to_string())?;
                match message.content {
                    Some(content) => self.add_content(content, record.len()),
                    None => self.unknown = self.unknown.saturating_add(1),
                }
                Ok(())
            }
        }
    }

    fn add_content(&mut self, content: Content, len: usize) {
        match content {
            Content::Run(run) => self.add_run(*run),
            Content::Config(update) => update_changes(&mut self.config, &update),
            Content::Stats(stats) => self.add_stats(&stats),
            Content::Output(output) | Content::OutputRaw(output) => {
                self.note_time(output.timestamp.map_or(f64::NAN, |time| time.as_seconds()));
                self.console.add(&output);
            }
            Content::OutputLogger(output) => {
                self.console.add_text(false, &output.line);
                if !output.line.ends_with('\n') {
                    self.console.add_text(false, "\n");
                }
            }
            Content::Header(header) => {
                self.producer = header.version_info.unwrap_or_default().producer;
            }
            Content::Environment(environment) => {
                merge(self.environment.get_or_insert_default(), *environment);
            }
            Content::Exit(exit) => self.exit = Some(exit),
            Content::Preempting(_) => self.preempted = self.preempted.saturating_add(1),
            Content::Files(files) => {
                for file in files.files {
                    if self.take(file.path.len()) {
                        self.files.insert(file.path, file.r#type);
                    }
                }
            }
            other if self.take(len) => match other {
                Content::Metric(metric) => self.metrics.push(metric),
                Content::Artifact(artifact) => self.artifacts.push(*artifact),
                Content::UseArtifact(used) => self.used.push(used),
                Content::Alert(alert) => self.alerts.push(alert),
                Content::TbRecord(record) => {
                    self.tensorboard.insert(record_dir(record));
                }
                // Versions of programs are in the header and the environment, too; the rest only marks the end.
                _ => {}
            },
            _ => {}
        }
    }

    /// Whether there is room for one more object, which it then takes.
    fn take(&mut self, len: usize) -> bool {
        let bytes = self.object_bytes.saturating_add(len);
        let fits = self.objects < MAX_OBJECTS && bytes <= MAX_OBJECT_BYTES;
        if fits {
            (self.objects, self.object_bytes) = (self.objects.saturating_add(1), bytes);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        fits
    }

    /// Later records of a run have everything but the summary and, if it was resumed, the place in it.
    fn add_run(&mut self, mut run: Run) {
        if let Some(update) = run.config.take() {
            update_changes(&mut self.config, &update);
        }
        if let Some(update) = run.summary.take() {
            update_changes(&mut self.summary, &update);
        }
        if let Some(known) = self.run.take() {
            run.branch_point = run.branch_point.or(known.branch_point);
            run.start_time = known.start_time.or(run.start_time);
            run.git = run.git.or(known.git);
        }
        self.run = Some(run);
    }

    fn add_stats(&mut self, stats: &Stats) {
        let time = stats.timestamp.map_or(f64::NAN, |time| time.as_seconds());
        self.note_time(time);
        let time = if time.is_finite() { time } else { self.last_time.unwrap_or_default() };
        let index = self.stats_count;
        self.stats_count = self.stats_count.saturating_add(1);
        for item in &stats.item {
            let key =
                if item.key.is_empty() { item.nested_key.join(".") } else { item.key.clone() };
            match json::number_of_text(&item.value_json) {
                Some(_) if self.stats_points >= MAX_STATS => {
                    self.dropped = self.dropped.saturating_add(1);
                }
                Some(value) if self.stats.contains_key(&key) || self.take(key.len()) => {
                    self.stats_points = self.stats_points.saturating_add(1);
                    self.stats.entry(key).or_default().push((index, time, value));
                }
                Some(_) => {}
                None => self.unknown = self.unknown.saturating_add(1),
            }
        }
    }

    fn note_time(&mut self, time: f64) {
        if time.is_finite() && self.last_time.is_none_or(|last| last < time) {
            self.last_time = Some(time);
        }
    }

    /// Whether tbx wrote the file.
    pub(super) fn is_of_tbx(&self) -> bool {
        self.producer.starts_with(PRODUCER)
    }

    /// The identifier of the run, from its record or from the name of the file.
    pub(super) fn id(&self) -> String {
        let named = self.run.as_ref().map(|run| run.run_id.clone()).filter(|id| !id.is_empty());
        named.unwrap_or_else(|| id_of_name(&self.path))
    }
}

/// The identifier in the name `run-<id>.wandb`.
pub(super) fn id_of_name(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name.strip_prefix("run-").unwrap_or(&name).to_owned()
}

fn record_dir(record: TbRecord) -> String {
    if record.root_dir.is_empty() { record.log_dir } else { record.root_dir }
}

/// Adds changes that a message has.
fn update_changes(changes: &mut Changes, update: &Update) {
    // A message that was decoded can be read.
    let _ = changes.add(&update.encode_to_vec());
}

/// Adds another part of the environment: what it says replaces what is known.
fn merge(known: &mut Environment, new: Environment) {
    let (args, gpus) = (std::mem::take(&mut known.args), std::mem::take(&mut known.gpu_nvidia));
    // Without lists, which would be joined.
    let _ = known.merge(new.encode_to_vec().as_slice());
    if known.args.is_empty() {
        known.args = args;
    }
    if known.gpu_nvidia.is_empty() {
        known.gpu_nvidia = gpus;
    }
}
