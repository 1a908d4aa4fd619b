//! A log directory that is described by instructions.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use prost::Message;
use tbx::pb;
use tbx::pb::summary::value::Value;

use crate::input::Input;
use crate::sandbox::{fifo, write};
use crate::values;

/// Maximum number of instructions that are executed per input.
const MAX_INSTRUCTIONS: usize = 300;
const MAX_FILES: usize = 8;
/// Maximum size of an event file, and of a payload that is doubled.
const MAX_LOG: usize = 256 << 10;
const MAX_DOUBLED: usize = 16 << 10;

/// Names of runs; some contain others.
pub(crate) const RUNS: [&str; 9] = [
    "",
    "a",
    "a/train",
    "a/validation",
    "b/train",
    "b/train2",
    "c/1700000000.5",
    "d/lightning/version_0",
    "a/artifacts",
];

pub(crate) const SIDE_FILES: [&str; 14] = [
    "hparams.yaml",
    "tbx.json",
    "tbx.registry.json",
    "projector_config.pbtxt",
    "tbx.experiment.json",
    "artifacts",
    "artifacts/model.bin",
    "artifacts/sub/a.txt",
    "tensors.tsv",
    "metadata.tsv",
    // Sort before event files that grow, as they exist from the start.
    "events.out.tfevents.0.h.dvc",
    "events.out.tfevents.0.h",
    "checkpoint",
    "plugins/org_tensorflow_tensorboard_projector/projector_config.pbtxt",
];

/// An event file of the input.
#[derive(Debug, Default)]
struct LogFile {
    run: &'static str,
    bytes: Vec<u8>,
}

/// A log directory with some runs.
#[derive(Debug, Default)]
pub struct Logs {
    files: Vec<LogFile>,
    /// Paths relative to the log directory.
    beside: Vec<(PathBuf, Beside)>,
    /// Ends of the pieces in which event files grow, as fractions of 65536.
    cuts: Vec<u16>,
}

#[derive(Debug)]
enum Beside {
    Content(Vec<u8>),
    /// A link with its target.
    Link(PathBuf),
    Fifo,
}

impl Logs {
    /// Executes the instructions of an input.
    pub fn read(input: &mut Input<'_>) -> Self {
        let mut logs = Self { files: vec![LogFile::default()], ..Self::default() };
        let mut last = Vec::new();
        for _ in 0..MAX_INSTRUCTIONS {
            if input.is_empty() {
                break;
            }
            logs.instruction(input, &mut last);
        }
        logs
    }

    fn instruction(&mut self, input: &mut Input<'_>, last: &mut Vec<u8>) {
        let instruction = input.byte() % 24;
        let Some(file) = self.files.last_mut() else { return };
        let log = &mut file.bytes;
        if log.len() > MAX_LOG {
            log.truncate(MAX_LOG);
        }
        let payload = match instruction {
            0 => {
                let run = RUNS[input.below(RUNS.len())];
                if self.files.len() < MAX_FILES {
                    self.files.push(LogFile { run, bytes: Vec::new() });
                }
                return;
            }
            // A payload from an existing log, or arbitrary bytes.
            1..=3 => input.bytes().to_vec(),
            // Bytes that need not be a record.
            4 => return log.extend_from_slice(input.bytes()),
            5 => {
                let (name, run) = (input.pick(&SIDE_FILES), input.pick(&RUNS));
                let content = Beside::Content(input.bytes().to_vec());
                return self.beside.push((Path::new(run).join(name), content));
            }
            6 => {
                let (name, run) = (input.pick(&SIDE_FILES), input.pick(&RUNS));
                let place = Path::new(run).join(name);
                let what = Beside::link(input, &place);
                return self.beside.push((place, what));
            }
            7 => {
                let at = usize::from(input.u16()) % log.len().max(1);
                if let Some(byte) = log.get_mut(at) {
                    *byte ^= 1 << input.below(8);
                }
                return;
            }
            8 => return log.truncate(log.len().saturating_sub(usize::from(input.byte()))),
            9 => return log.resize(log.len() + usize::from(input.byte()), 0),
            10 => return self.cuts.push(input.u16()),
            // A record with an arbitrary length in a header with a correct checksum.
            11 => {
                let len = u64::from(input.u16()) << input.below(64);
                log.extend_from_slice(&len.to_le_bytes());
                return log.extend_from_slice(&tbx::record::crc::masked_length(len).to_le_bytes());
            }
            12 => version(input.below(5)),
            13 => session(input.byte(), input.step(), input.wall_time()),
            // The last payload twice in a row, so that its fields are repeated.
            14 if last.len() <= MAX_DOUBLED => [&last[..], &last[..]].concat(),
            // The last record, repeated several times.
            15 => {
                for _ in 0..input.below(20) {
                    tbx::record::append(log, |buffer| buffer.extend_from_slice(last));
                }
                return;
            }
            16 => {
                let what = values::other_event(input);
                event(input.wall_time(), input.step(), what)
            }
            17 | 18 => {
                let (time, step) = (input.wall_time(), input.step());
                let count = 1 + input.below(4);
                let values = (0..count).map(|_| values::value(input)).collect();
                event(time, step, summary(values))
            }
            _ => {
                let (tag, step) = (values::tag(input), input.step());
                let value = Value::SimpleValue(f32::from(i16::from(input.byte()) - 128) / 4.0);
                let value = pb::summary::Value { tag, value: Some(value), ..Default::default() };
                event(1_700_000_000.0 + log.len() as f64, step, summary(vec![value]))
            }
        };
        tbx::record::append(log, |buffer| buffer.extend_from_slice(&payload));
        *last = payload;
    }

    /// The bytes of each event file.
    pub fn logs(&self) -> impl Iterator<Item = &[u8]> {
        self.files.iter().map(|file| &file.bytes[..])
    }

    /// Writes all files.
    pub fn write_to(&self, dir: &Path) {
        self.write_beside(dir);
        for (path, bytes) in self.event_files(dir) {
            write(dir, &path, bytes);
        }
    }

    /// Writes the files that are not event files.
    fn write_beside(&self, dir: &Path) {
        for (name, what) in self.beside.iter().take(MAX_FILES) {
            what.make(dir, &dir.join(name));
        }
    }

    /// The event files and their bytes, in the order in which a load reads them.
    fn event_files(&self, dir: &Path) -> Vec<(PathBuf, &[u8])> {
        let mut files = Vec::new();
        for (i, file) in self.files.iter().enumerate() {
            let name = format!("events.out.tfevents.170000000{i}.h");
            files.push((dir.join(file.run).join(name), &file.bytes[..]));
        }
        files
    }

    /// Writes the logs piece by piece, and calls `grown` after each piece.
    pub fn grow(&self, dir: &Path, mut grown: impl FnMut()) {
        self.write_beside(dir);
        let mut cuts: Vec<usize> = self.cuts.iter().take(6).map(|cut| usize::from(*cut)).collect();
        cuts.sort_unstable();
        cuts.push(1 << 16);
        for (path, bytes) in self.event_files(dir) {
            write(dir, &path, &[]);
            let there = path.symlink_metadata().is_ok_and(|there| there.is_file());
            let Some(mut file) =
                there.then(|| File::options().append(true).open(&path).ok()).flatten()
            else {
                continue;
            };
            let mut at = 0;
            for cut in &cuts {
                let end = (bytes.len() * cut) >> 16;
                if end > at || bytes.is_empty() {
                    file.write_all(&bytes[at..end]).expect("there is memory");
                    at = end;
                    grown();
                }
            }
        }
    }
}

impl Beside {
    /// A link or a FIFO at `place` in the log directory.
    fn link(input: &mut Input<'_>, place: &Path) -> Self {
        // From the directory of the link up to the sandbox.
        let up: PathBuf = place.iter().map(|_| "..").chain([".."]).collect();
        let to = match input.below(12) {
            0 => up.join("outside/secret"),
            1 => up.join("outside/tbx.json"),
            2 => up.join("outside/hparams.yaml"),
            3 => up.join("outside/artifacts"),
            4 => up.join("outside"),
            5 => PathBuf::from("hparams.yaml"),
            6 => PathBuf::from("."),
            7 => PathBuf::from(".."),
            8 => PathBuf::from("nowhere"),
            9 => place.file_name().map(PathBuf::from).unwrap_or_default(),
            10 => PathBuf::from("/dev/zero"),
            _ => return Self::Fifo,
        };
        Self::Link(to)
    }

    /// Creates the entry at `path` below `root`, unless something exists there.
    fn make(&self, root: &Path, path: &Path) {
        let Some(parent) = path.parent() else { return };
        // Creates the directory, unless there is a link in its path.
        let probe = parent.join(".probe");
        write(root, &probe, &[]);
        if fs::remove_file(probe).is_err() {
            return;
        }
        match self {
            _ if path.symlink_metadata().is_ok() => {}
            Self::Content(content) => write(root, path, content),
            Self::Link(to) => drop(symlink(to, path)),
            Self::Fifo => fifo(path),
        }
    }
}

/// Creates a link or a FIFO at `place` in the log directory.
pub fn link(input: &mut Input<'_>, place: &Path, logs: &Path) {
    Beside::link(input, place).make(logs, &logs.join(place));
}

fn event(wall_time: f64, step: i64, what: pb::event::What) -> Vec<u8> {
    pb::Event { wall_time, step, what: Some(what), ..Default::default() }.encode_to_vec()
}

fn summary(value: Vec<pb::summary::Value>) -> pb::event::What {
    pb::event::What::Summary(pb::Summary { value })
}

fn version(version: usize) -> Vec<u8> {
    event(1_700_000_000.0, 0, pb::event::What::FileVersion(format!("brain.Event:{version}")))
}

fn session(status: u8, step: i64, wall_time: f64) -> Vec<u8> {
    // Most are a START.
    let status = match status {
        0..=200 => 1,
        other => i32::from(other % 5),
    };
    let log = pb::SessionLog { status, ..Default::default() };
    event(wall_time, step, pb::event::What::SessionLog(log))
}
