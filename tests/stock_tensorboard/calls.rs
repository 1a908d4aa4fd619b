//! Notes on the calls that write a log, for `check.py`: what was called, when and with what.

use std::any::type_name;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ndarray::{ArrayView, Dimension};
use serde_json::{Value, json};
use tbx::summary::image::{Channel, IntoBatch, IntoPixels};
use tbx::{Attr, Bins, Graph, Layout, Moments, Node, Numeric, SummaryWriter, WriterOptions};

/// When the first file is made, or so. Later events have later times, each its own.
const START: f64 = 1_700_000_000.0;

/// The calls that were made, in order.
pub(crate) struct Log {
    logdir: PathBuf,
    calls: Vec<Value>,
    now: f64,
}

/// A writer, and the notes on what it is told.
pub(crate) struct Run<'a> {
    log: &'a mut Log,
    name: String,
    writer: SummaryWriter,
    v2: bool,
    purge_step: Option<i64>,
    /// When its files are made.
    start: f64,
    /// The runs of its lines.
    lines: BTreeSet<String>,
}

impl Log {
    pub(crate) fn new(logdir: &Path) -> Self {
        Self { logdir: logdir.into(), calls: Vec::new(), now: START }
    }

    pub(crate) fn open(&mut self, name: &str, v2: bool, purge_step: Option<i64>) -> Run<'_> {
        // Whole seconds are in a file's name, and decide the order in which files are read.
        self.now = self.now.floor() + 10.0;
        let start = self.now;
        let options = SummaryWriter::options().host("host").v2(v2).clock(move || start);
        let options = purge_step.into_iter().fold(options, WriterOptions::purge_step);
        let writer = options.create(self.logdir.join(name)).unwrap();
        self.opened(name, start, purge_step);
        let (name, lines) = (name.into(), BTreeSet::new());
        Run { log: self, name, writer, v2, purge_step, start, lines }
    }

    fn opened(&mut self, run: &str, start: f64, purge_step: Option<i64>) {
        let call = json!({"call": "open", "run": run, "wall_time": start, "purge": purge_step});
        self.calls.push(call);
    }

    pub(crate) fn into_calls(self) -> Vec<Value> {
        self.calls
    }
}

impl Run<'_> {
    /// Notes a call; a writer that has its wall time.
    fn call(&mut self, call: &str, tag: &str, step: i64, input: Value) -> SummaryWriter {
        self.log.now += 0.1; // not exact in binary
        let wall_time = self.log.now;
        self.log.calls.push(json!({
            "call": call, "run": self.name, "v2": self.v2,
            "tag": tag, "step": step, "wall_time": wall_time, "input": input,
        }));
        self.writer.with_wall_time(wall_time).unwrap()
    }

    pub(crate) fn scalar(&mut self, tag: &str, value: f64, step: i64) {
        let writer = self.call("scalar", tag, step, number(value));
        writer.add_scalar(tag, value, step).unwrap();
    }

    /// Scalars, each with a name, that go into the runs `runs` below this one.
    pub(crate) fn lines(&mut self, tag: &str, values: &[(&str, f64)], runs: &[&str], step: i64) {
        self.log.now += 0.1;
        let wall_time = self.log.now;
        for (run, (_, value)) in runs.iter().zip(values) {
            let run = format!("{}/{run}", self.name);
            if self.lines.insert(run.clone()) {
                self.log.opened(&run, self.start, self.purge_step);
            }
            self.log.calls.push(json!({
                "call": "scalar", "run": run, "v2": self.v2,
                "tag": tag, "step": step, "wall_time": wall_time, "input": value,
            }));
        }
        let writer = self.writer.with_wall_time(wall_time).unwrap();
        writer.add_scalars(tag, values.iter().copied(), step).unwrap();
    }

    pub(crate) fn histogram<T: Numeric>(&mut self, tag: &str, values: &[T], step: i64, bins: Bins) {
        let noted: Vec<_> = values.iter().map(|value| number(value.to_f64())).collect();
        let bins_noted = match bins {
            Bins::Uniform(bins) => json!(bins),
            _ => Value::Null,
        };
        let input = json!({"values": noted, "bins": bins_noted});
        let writer = self.call("histogram", tag, step, input);
        match bins {
            Bins::Exponential => writer.add_histogram(tag, values, step).unwrap(),
            _ => writer.add_histogram_with(tag, values, step, bins).unwrap(),
        }
    }

    pub(crate) fn histogram_raw(
        &mut self,
        tag: &str,
        m: Moments,
        limits: &[f64],
        counts: &[f64],
        step: i64,
    ) {
        let input = json!({"min": m.min, "max": m.max, "limits": limits, "counts": counts});
        let writer = self.call("histogram_raw", tag, step, input);
        writer.add_histogram_raw(tag, m, limits, counts, step).unwrap();
    }

    /// `samples` of shape height, width, channels.
    pub(crate) fn image<'a, T: Copy + Into<f64>>(
        &mut self,
        tag: &str,
        image: impl IntoPixels<'a>,
        samples: &[T],
        shape: [usize; 3],
        step: i64,
    ) {
        let input = pixels(samples.iter(), &shape, Layout::Hwc);
        self.call("image", tag, step, input).add_image(tag, image, step).unwrap();
    }

    /// `samples` of shape number, height, width, channels.
    pub(crate) fn images<'a>(
        &mut self,
        tag: &str,
        images: impl IntoBatch<'a>,
        samples: &[u8],
        shape: [usize; 4],
        step: i64,
    ) {
        let input = pixels(samples.iter(), &shape, Layout::Nhwc);
        self.call("image", tag, step, input).add_images(tag, images, step).unwrap();
    }

    pub(crate) fn array<A, D>(
        &mut self,
        tag: &str,
        array: ArrayView<'_, A, D>,
        layout: Layout,
        step: i64,
    ) where
        A: Channel + Into<f64>,
        D: Dimension,
    {
        let input = pixels(array.iter(), array.shape(), layout);
        let writer = self.call("image", tag, step, input);
        match layout {
            Layout::Nchw | Layout::Nhwc => writer.add_images(tag, (array, layout), step).unwrap(),
            _ => writer.add_image(tag, (array, layout), step).unwrap(),
        }
    }

    pub(crate) fn text(&mut self, tag: &str, text: &str, step: i64) {
        self.call("text", tag, step, json!(text)).add_text(tag, text, step).unwrap();
    }

    pub(crate) fn graph(&mut self, graph: &Graph) {
        let nodes: Vec<_> = graph.nodes.iter().map(node).collect();
        self.call("graph", "", 0, json!(nodes)).add_graph(graph).unwrap();
    }

    pub(crate) fn close(self) {
        self.writer.close().unwrap();
    }
}

fn pixels<'a, T: Copy + Into<f64> + 'a>(
    samples: impl Iterator<Item = &'a T>,
    shape: &[usize],
    layout: Layout,
) -> Value {
    let samples: Vec<_> = samples.map(|&sample| number(sample.into())).collect();
    let layout = format!("{layout:?}").to_lowercase();
    json!({"samples": samples, "type": type_name::<T>(), "shape": shape, "layout": layout})
}

fn node(node: &Node) -> Value {
    let attr = |attr: &Attr| match attr {
        Attr::Int(value) => json!({"kind": "i", "value": value}),
        Attr::Float(value) => json!({"kind": "f", "value": value}),
        Attr::Bool(value) => json!({"kind": "b", "value": value}),
        Attr::Text(bytes) => json!({"kind": "s", "value": String::from_utf8_lossy(bytes)}),
        Attr::Shape(dims) => json!({"kind": "shape", "value": dims}),
        Attr::Type(dtype) => json!({"kind": "type", "value": dtype.as_str_name()}),
        other => panic!("{other:?}"),
    };
    let attrs: Vec<_> = node.attrs.iter().map(|(name, value)| json!([name, attr(value)])).collect();
    json!({
        "name": node.name, "op": node.op, "inputs": node.inputs, "device": node.device,
        "attrs": attrs, "output_shapes": node.output_shapes,
    })
}

/// A number in JSON, as TensorBoard writes it: as a string if it is none.
fn number(value: f64) -> Value {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}
