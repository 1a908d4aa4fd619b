//! Records the calls that write a log for `check.py`: method, time and arguments.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tbx::{SummaryWriter, WriterOptions};

/// Approximate time of the first file. Every later event has a later, unique time.
const START: f64 = 1_700_000_000.0;

/// The recorded calls, in order.
pub(super) struct Log {
    logdir: PathBuf,
    pub(super) calls: Vec<Value>,
    pub(super) now: f64,
}

/// A writer whose calls are recorded.
pub(super) struct Run<'a> {
    pub(super) log: &'a mut Log,
    pub(super) name: String,
    pub(super) writer: SummaryWriter,
    pub(super) v2: bool,
    pub(super) purge_step: Option<i64>,
    /// Creation time of its files.
    pub(super) start: f64,
    /// Names of the runs of its lines.
    pub(super) lines: BTreeSet<String>,
}

impl Log {
    pub(super) fn new(logdir: &Path) -> Self {
        Self { logdir: logdir.into(), calls: Vec::new(), now: START }
    }

    pub(super) fn open(&mut self, name: &str, v2: bool, purge_step: Option<i64>) -> Run<'_> {
        // File names contain whole seconds, which determine the order in which files are read.
        self.now = self.now.floor() + 10.0;
        let start = self.now;
        let options = SummaryWriter::options().host("host").v2(v2).clock(move || start);
        let options = purge_step.into_iter().fold(options, WriterOptions::purge_step);
        let writer = options.create(self.logdir.join(name)).unwrap();
        self.opened(name, start, purge_step);
        let (name, lines) = (name.into(), BTreeSet::new());
        Run { log: self, name, writer, v2, purge_step, start, lines }
    }

    pub(super) fn opened(&mut self, run: &str, start: f64, purge_step: Option<i64>) {
        let call = json!({"call": "open", "run": run, "wall_time": start, "purge": purge_step});
        self.calls.push(call);
    }
}

impl Run<'_> {
    /// Records a call and returns a writer with its wall time.
    pub(super) fn call(&mut self, call: &str, tag: &str, step: i64, input: Value) -> SummaryWriter {
        self.log.now += 0.1; // not exact in binary
        let wall_time = self.log.now;
        self.log.calls.push(json!({
            "call": call, "run": self.name, "v2": self.v2,
            "tag": tag, "step": step, "wall_time": wall_time, "input": input,
        }));
        self.writer.with_wall_time(wall_time).unwrap()
    }

    pub(super) fn close(self) {
        self.writer.close().unwrap();
    }
}

/// A number in JSON as TensorBoard writes it: as a string if it is not finite.
pub(super) fn number(value: f64) -> Value {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}
