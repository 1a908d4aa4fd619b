//! Inputs that look like what they should be, and are wrong in some places.
//!
//! Bytes alone rarely pass a checksum, so a log is described by its records, which are framed and
//! then damaged.

use std::fs;
use std::path::{Path, PathBuf};

use arbitrary::Arbitrary;
use prost::Message;
use tbx::pb;
use tbx::pb::summary::value::Value;
use tempfile::TempDir;

/// A log directory with some runs.
#[derive(Debug, Arbitrary)]
pub struct Logs {
    pub files: Vec<LogFile>,
    pub side_files: Vec<SideFile>,
}

/// An event file.
#[derive(Debug, Arbitrary)]
pub struct LogFile {
    run: u8,
    records: Vec<Record>,
    damage: Vec<Damage>,
}

#[derive(Debug, Arbitrary)]
enum Damage {
    Flip { at: u16, bit: u8 },
    Cut { at: u16 },
    Insert { at: u16, bytes: Vec<u8> },
    Zeros { len: u16 },
}

#[derive(Debug, Arbitrary)]
enum Record {
    Version(u8),
    Start { step: i8 },
    Event { wall_time: f64, step: i64, values: Vec<Summary> },
    Scalar { tag: u8, step: i8, value: f32 },
    Graph(Vec<u8>),
    RunMetadata { tag: u8, bytes: Vec<u8> },
    /// A payload that need not be an event.
    Payload(Vec<u8>),
    /// Bytes that need not be a record.
    Bytes(Vec<u8>),
    /// The last payload again, joined with itself: fields that occur twice.
    Twice,
}

#[derive(Debug, Arbitrary)]
struct Summary {
    tag: u8,
    plugin: u8,
    content: Vec<u8>,
    class: i32,
    value: What,
}

#[derive(Debug, Arbitrary)]
enum What {
    None,
    Simple(f32),
    Image { width: i32, height: i32, colors: i32, png: Vec<u8> },
    Histogram { limits: Vec<f64>, counts: Vec<f64>, min: f64, max: f64 },
    Audio { rate: f32, channels: i64, frames: i64, bytes: Vec<u8> },
    Tensor { dtype: u8, dims: Vec<i8>, content: Vec<u8>, floats: Vec<f32>, strings: Vec<Vec<u8>> },
    Obsolete(Vec<u8>),
}

/// A file next to the event files of a run, or in the log directory.
#[derive(Debug, Arbitrary)]
pub struct SideFile {
    run: u8,
    name: u8,
    content: Vec<u8>,
}

/// Names of runs: some are parts of others.
const RUNS: [&str; 8] =
    ["", "a", "a/train", "a/validation", "b/train", "b/train2", "c/1700000000.5", "d/lightning/version_0"];
const TAGS: [&str; 8] = ["loss", "acc", "a/b", "", "é\u{1b}[2J", "images/0", "_hparams_/session_start_info", "custom_scalars__config__"];
const PLUGINS: [&str; 14] = [
    "",
    "scalars",
    "images",
    "histograms",
    "text",
    "audio",
    "pr_curves",
    "mesh",
    "hparams",
    "custom_scalars",
    "graph_keras_model",
    "graph_run_metadata",
    "boutique",
    "distributions",
];
const SIDE_FILES: [&str; 6] = [
    "hparams.yaml",
    "tbx.json",
    "tbx.registry.json",
    "projector_config.pbtxt",
    "tbx.experiment.json",
    "artifacts",
];

fn pick<'a>(names: &[&'a str], i: u8) -> &'a str {
    names[usize::from(i) % names.len()]
}

impl Logs {
    /// Writes it all into a directory of its own.
    pub fn write(&self) -> TempDir {
        let dir = scratch();
        self.write_to(dir.path());
        dir
    }

    pub fn write_to(&self, dir: &Path) {
        for (i, file) in self.files.iter().take(6).enumerate() {
            let run = dir.join(pick(&RUNS, file.run));
            let _ = fs::create_dir_all(&run);
            let _ = fs::write(run.join(format!("events.out.tfevents.170000000{i}.h")), file.bytes());
        }
        for side in self.side_files.iter().take(6) {
            let run = dir.join(pick(&RUNS, side.run));
            let _ = fs::create_dir_all(&run);
            let _ = fs::write(run.join(pick(&SIDE_FILES, side.name)), &side.content);
        }
    }
}

/// A directory in memory, where there is one.
pub fn scratch() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    dir.expect("a directory for the input")
}

impl LogFile {
    pub fn bytes(&self) -> Vec<u8> {
        let mut log = Vec::new();
        let mut last = Vec::new();
        for record in &self.records {
            if let Record::Bytes(bytes) = record {
                log.extend_from_slice(bytes);
                continue;
            }
            last = record.payload(last);
            tbx::record::append(&mut log, |buffer| buffer.extend_from_slice(&last));
        }
        for damage in &self.damage {
            damage.apply(&mut log);
        }
        log
    }
}

impl Damage {
    fn apply(&self, log: &mut Vec<u8>) {
        match self {
            Self::Flip { at, bit } => {
                let len = log.len().max(1);
                if let Some(byte) = log.get_mut(usize::from(*at) % len) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Cut { at } => log.truncate(usize::from(*at)),
            Self::Insert { at, bytes } => {
                let at = usize::from(*at) % (log.len() + 1);
                log.splice(at..at, bytes.iter().copied());
            }
            Self::Zeros { len } => log.resize(log.len() + usize::from(*len), 0),
        }
    }
}

impl Record {
    fn payload(&self, last: Vec<u8>) -> Vec<u8> {
        let event = |wall_time, step, what| {
            pb::Event { wall_time, step, what: Some(what), ..Default::default() }.encode_to_vec()
        };
        let summary = |values| pb::event::What::Summary(pb::Summary { value: values });
        match self {
            Self::Version(version) => {
                event(1.0, 0, pb::event::What::FileVersion(format!("brain.Event:{}", version % 4)))
            }
            Self::Start { step } => {
                let log = pb::SessionLog { status: 1, ..Default::default() };
                event(1.0, (*step).into(), pb::event::What::SessionLog(log))
            }
            Self::Event { wall_time, step, values } => {
                event(*wall_time, *step, summary(values.iter().map(Summary::value).collect()))
            }
            Self::Scalar { tag, step, value } => {
                let value = pb::summary::Value {
                    tag: pick(&TAGS, *tag).into(),
                    value: Some(Value::SimpleValue(*value)),
                    ..Default::default()
                };
                event(2.0 + f64::from(*step), (*step).into(), summary(vec![value]))
            }
            Self::Graph(bytes) => event(1.0, 0, pb::event::What::GraphDef(bytes.clone().into())),
            Self::RunMetadata { tag, bytes } => {
                let tagged = pb::TaggedRunMetadata {
                    tag: pick(&TAGS, *tag).into(),
                    run_metadata: bytes.clone().into(),
                };
                event(1.0, 0, pb::event::What::TaggedRunMetadata(tagged))
            }
            Self::Payload(bytes) | Self::Bytes(bytes) => bytes.clone(),
            Self::Twice => [&last[..], &last[..]].concat(),
        }
    }
}

impl Summary {
    fn value(&self) -> pb::summary::Value {
        let plugin_data = pb::summary_metadata::PluginData {
            plugin_name: pick(&PLUGINS, self.plugin).into(),
            content: self.content.clone().into(),
        };
        let metadata = pb::SummaryMetadata {
            plugin_data: Some(plugin_data),
            data_class: self.class % 5,
            ..Default::default()
        };
        pb::summary::Value {
            tag: pick(&TAGS, self.tag).into(),
            metadata: (self.plugin % 3 != 2).then_some(metadata),
            value: self.value.value(),
            ..Default::default()
        }
    }
}

impl What {
    fn value(&self) -> Option<Value> {
        Some(match self {
            Self::None => return None,
            Self::Simple(value) => Value::SimpleValue(*value),
            Self::Obsolete(bytes) => Value::ObsoleteOldStyleHistogram(bytes.clone().into()),
            Self::Image { width, height, colors, png } => Value::Image(pb::summary::Image {
                width: *width,
                height: *height,
                colorspace: *colors,
                encoded_image_string: png.clone().into(),
            }),
            Self::Histogram { limits, counts, min, max } => Value::Histo(pb::HistogramProto {
                min: *min,
                max: *max,
                bucket_limit: limits.clone(),
                bucket: counts.clone(),
                ..Default::default()
            }),
            Self::Audio { rate, channels, frames, bytes } => Value::Audio(pb::summary::Audio {
                sample_rate: *rate,
                num_channels: *channels,
                length_frames: *frames,
                encoded_audio_string: bytes.clone().into(),
                content_type: "audio/wav".into(),
            }),
            Self::Tensor { dtype, dims, content, floats, strings } => {
                let dim = dims.iter().map(|size| pb::tensor_shape_proto::Dim {
                    size: (*size).into(),
                    ..Default::default()
                });
                let shape = pb::TensorShapeProto { dim: dim.collect(), ..Default::default() };
                Value::Tensor(pb::TensorProto {
                    dtype: (*dtype % 24).into(),
                    tensor_shape: Some(shape),
                    tensor_content: content.clone().into(),
                    float_val: floats.clone(),
                    string_val: strings.iter().map(|bytes| bytes.clone().into()).collect(),
                    ..Default::default()
                })
            }
        })
    }
}

/// All files below `dir` with their contents, by their paths.
pub fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let content = fs::read(&path).unwrap_or_default();
                found.push((path, content));
            }
        }
    }
    found.sort();
    found
}
