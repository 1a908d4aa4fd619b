//! Run metadata: the time and memory used by each node in one run of a graph, and optionally the
//! graphs themselves.
//!
//! It is a serialized `RunMetadata`, in one of two forms. In its own event, with a tag, it contains
//! time and memory for the graph of the run. As a string with the plugin `graph_run_metadata`, it
//! includes the graph (`tensorboard/plugins/graph/graphs_plugin.py`, `info_impl`). TensorFlow's
//! `trace_export` writes that form, and `graph_run_metadata_graph` for graphs without time and
//! memory.

use bytes::Bytes;
use prost::Message;

use super::graph::{Graph, dims, sub_plugin};
use super::raw::decode;
use super::tensor::shape_message;
use super::{Form, Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;

/// Name of the plugin for a graph with time and memory.
const PLUGIN: &str = "graph_run_metadata";
/// Device of nodes that do not specify one.
const DEVICE: &str = "/device:CPU:0";

/// Measurements from one run of a graph.
///
/// ```
/// use tbx::{NodeStats, RunMetadata};
///
/// let matmul = NodeStats::new("dense/MatMul")
///     .with_time(1_700_000_000_000_000, 1_700_000_000_000_250) // took 250 µs
///     .with_memory(4 * 32 * 10)
///     .output_shape([32, 10])
///     .with_device("/device:GPU:0");
/// let metadata = RunMetadata::new().node(matmul);
/// assert_eq!(metadata.nodes[0].micros(), 250);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RunMetadata {
    /// Measurements of each node. A node that ran several times may occur several times.
    pub nodes: Vec<NodeStats>,
    /// The graphs that ran. If there are none, the nodes belong to the graph of the run. If there
    /// are several, TensorBoard prefixes the names of their nodes with `graph_1/`, `graph_2/` and
    /// so on, so the names in [`nodes`](Self::nodes) must have these prefixes, too.
    pub graphs: Vec<Graph>,
}

/// Time and memory of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// Name of the node in the graph.
    pub name: String,
    /// Device that it ran on. TensorBoard counts nodes whose device name ends like `device:GPU:0`.
    /// Empty means `/device:CPU:0`.
    pub device: String,
    /// Start time, in microseconds since the Unix epoch.
    pub start_micros: i64,
    /// End time, in microseconds since the Unix epoch. TensorBoard shows durations of at least one
    /// microsecond.
    pub end_micros: i64,
    /// Number of bytes that it allocated.
    pub bytes: u64,
    /// Shape of each output.
    pub output_shapes: Vec<Vec<i64>>,
}

impl RunMetadata {
    /// Creates metadata without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, node: NodeStats) -> Self {
        self.nodes.push(node);
        self
    }

    /// Adds a graph.
    #[must_use]
    pub fn graph(mut self, graph: Graph) -> Self {
        self.graphs.push(graph);
        self
    }

    /// Reads a value of a run metadata series, of any of TensorBoard's three plugins.
    ///
    /// From TensorFlow's traces, it keeps what TensorBoard shows: times in microseconds, the sum of
    /// all allocations, and the graphs before optimization.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        let bytes = match value.form {
            Form::RunMetadata => value.bytes.clone(),
            _ => match value.strings()?.0.as_slice() {
                [first, ..] => first.clone(),
                [] => return Err(ErrorKind::Value("run metadata without strings".into())),
            },
        };
        let message: pb::RunMetadata = decode(&bytes, "RunMetadata")?;
        let mut nodes = Vec::new();
        for device in message.step_stats.unwrap_or_default().dev_stats {
            let stats = device.node_stats.into_iter();
            nodes.extend(stats.map(|stats| NodeStats::from_message(stats, &device.device)));
        }
        let graphs = message.function_graphs.into_iter();
        let graphs = graphs.filter_map(|graphs| graphs.pre_optimization_graph);
        Ok(Self { nodes, graphs: graphs.map(Graph::from_message).collect() })
    }

    /// Serializes the metadata as a `RunMetadata`. Nodes are grouped by device, in the order in
    /// which the devices first occur.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a node has no name, ends before it begins, or uses 2^63 bytes or
    /// more; two nodes of a graph have the same name, or a node of a graph has no name.
    pub fn to_bytes(&self) -> Result<Bytes, ErrorKind> {
        let mut devices: Vec<pb::DeviceStepStats> = Vec::new();
        for node in &self.nodes {
            let device = if node.device.is_empty() { DEVICE } else { &node.device };
            let stats = node.to_message()?;
            match devices.iter_mut().find(|known| known.device == device) {
                Some(known) => known.node_stats.push(stats),
                None => devices.push(pb::DeviceStepStats {
                    device: device.into(),
                    node_stats: vec![stats],
                    ..Default::default()
                }),
            }
        }
        let graphs = self.graphs.iter().map(|graph| {
            let graph = Some(graph.to_message()?);
            Ok(pb::run_metadata::FunctionGraphs {
                pre_optimization_graph: graph,
                ..Default::default()
            })
        });
        let message = pb::RunMetadata {
            step_stats: Some(pb::StepStats { dev_stats: devices }),
            function_graphs: graphs.collect::<Result<_, ErrorKind>>()?,
            ..Default::default()
        };
        Ok(message.encode_to_vec().into())
    }
}

impl NodeStats {
    /// Creates measurements for the node `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the start and end times, in microseconds since the Unix epoch.
    #[must_use]
    pub fn with_time(self, start_micros: i64, end_micros: i64) -> Self {
        Self { start_micros, end_micros, ..self }
    }

    /// Sets the number of bytes allocated.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }

    /// Sets the device, for example `/device:GPU:0`.
    #[must_use]
    pub fn with_device(self, device: impl Into<String>) -> Self {
        Self { device: device.into(), ..self }
    }

    /// Adds an output with this shape.
    #[must_use]
    pub fn output_shape(mut self, shape: impl Into<Vec<i64>>) -> Self {
        self.output_shapes.push(shape.into());
        self
    }

    /// Duration in microseconds.
    pub fn micros(&self) -> i64 {
        self.end_micros.saturating_sub(self.start_micros)
    }

    fn to_message(&self) -> Result<pb::NodeExecStats, ErrorKind> {
        let Self { name, start_micros, end_micros, bytes, .. } = self;
        let wrong = |what: String| ErrorKind::Argument(format!("node {name:?} {what}"));
        if name.is_empty() {
            return Err(wrong("of run metadata, without a name".into()));
        }
        let micros = end_micros.checked_sub(*start_micros).filter(|micros| *micros >= 0);
        let micros = micros.ok_or_else(|| {
            wrong(format!("that begins at {start_micros} µs and ends at {end_micros} µs"))
        })?;
        let total_bytes =
            i64::try_from(*bytes).map_err(|_| wrong(format!("with {bytes} bytes of memory")))?;
        let memory = pb::AllocatorMemoryUsed { total_bytes, ..Default::default() };
        let output = |(slot, shape): (i32, &Vec<i64>)| pb::NodeOutput {
            slot,
            // TensorBoard's page fails on an output without a shape.
            tensor_description: Some(pb::TensorDescription {
                shape: Some(shape_message(shape)),
                ..Default::default()
            }),
        };
        Ok(pb::NodeExecStats {
            node_name: name.clone(),
            all_start_micros: *start_micros,
            op_end_rel_micros: micros,
            all_end_rel_micros: micros,
            memory: if *bytes > 0 { vec![memory] } else { vec![] },
            output: (0..).zip(&self.output_shapes).map(output).collect(),
            ..Default::default()
        })
    }

    fn from_message(message: pb::NodeExecStats, device: &str) -> Self {
        let bytes = message.memory.iter().filter_map(|used| u64::try_from(used.total_bytes).ok());
        let shape = |output: &pb::NodeOutput| {
            let description = output.tensor_description.as_ref();
            description.and_then(|tensor| tensor.shape.as_ref()).map_or(vec![], dims)
        };
        Self {
            name: message.node_name,
            device: device.into(),
            start_micros: message.all_start_micros,
            end_micros: message.all_start_micros.saturating_add(message.all_end_rel_micros),
            bytes: bytes.fold(0, u64::saturating_add),
            output_shapes: message.output.iter().map(shape).collect(),
        }
    }
}

/// The value for serialized metadata that includes its graphs.
pub fn v2(tag: &str, metadata: Bytes) -> pb::summary::Value {
    sub_plugin(tag, Kind::RunMetadata, PLUGIN, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::graph::Node;

    fn read(bytes: impl Into<Bytes>) -> Result<RunMetadata, ErrorKind> {
        RunMetadata::read(&RawValue { form: Form::RunMetadata, bytes: bytes.into() })
    }

    #[test]
    fn metadata_is_read_back_as_it_was_written() {
        let metadata = RunMetadata::new()
            .node(NodeStats::new("x").with_time(5, 5).with_device("/device:CPU:0"))
            .node(
                NodeStats::new("a/b")
                    .with_time(-7, i64::MAX - 7)
                    .with_memory(i64::MAX as u64)
                    .with_device("/device:CPU:0")
                    .output_shape([])
                    .output_shape([2, 0, -1]),
            )
            .node(NodeStats::new("x").with_time(9, 11).with_device("/device:GPU:1"))
            .graph(Graph::new().node(Node::new("x", "Placeholder").output_shape([2])))
            .graph(Graph::new());
        assert_eq!(read(metadata.to_bytes().unwrap()).unwrap(), metadata);
        let nothing = RunMetadata::new();
        assert_eq!(read(nothing.to_bytes().unwrap()).unwrap(), nothing);
    }

    #[test]
    fn nodes_are_grouped_by_device_and_have_one() {
        let node =
            |name: &str, device: &str| NodeStats::new(name).with_time(1, 2).with_device(device);
        let metadata = RunMetadata::new()
            .node(node("a", "/device:GPU:0"))
            .node(node("b", ""))
            .node(node("c", "/device:GPU:0"));
        let read = read(metadata.to_bytes().unwrap()).unwrap().nodes;
        let found: Vec<_> = read.iter().map(|n| (n.name.as_str(), n.device.as_str())).collect();
        assert_eq!(found, [("a", "/device:GPU:0"), ("c", "/device:GPU:0"), ("b", DEVICE)]);
    }

    #[test]
    fn what_cannot_have_been_measured_is_refused() {
        for node in [
            NodeStats::new("").with_time(1, 2),
            NodeStats::new("x").with_time(2, 1),
            NodeStats::new("x").with_time(i64::MIN, 1),
            NodeStats::new("x").with_memory(u64::MAX),
        ] {
            let refused = RunMetadata::new().node(node).to_bytes();
            assert!(matches!(refused, Err(ErrorKind::Argument(_))));
        }
        let twice = Graph::new().node(Node::new("x", "A")).node(Node::new("x", "B"));
        assert!(RunMetadata::new().graph(twice).to_bytes().is_err());
    }

    /// Two nodes from a `Session.run` of TensorFlow 2.21 with `FULL_TRACE`: a variable, and a
    /// product of 3x4 and 4x2 numbers.
    const TENSORFLOW: &str = "\
        0af6020af3020a2c2f6a6f623a6c6f63616c686f73742f7265706c6963613a302f7461736b3a302f6465766963\
        653a4350553a3012690a01771084f293aae9a198032001280d3a1b1a1908141200221308c8011a066d6b6c6370\
        753080ffa2a8febc15421177203d2056617248616e646c654f70282948e7f193aae9a198036200688cf4b2abf1\
        9ec8f5187046788b058001cc678801bd94b1abf19ec8f51812d7010a0c64656e73652f4d61744d756c10a4f293\
        aae9a1980320d9d30328f5d303321b0a066d6b6c637075101818182018320b08b0f293aae9a1980310183a281a\
        260801120812020803120208022218081810181a066d6b6c637075200128013080d08080a7fd1f424264656e73\
        652f4d61744d756c203d205f4d6b6c4d61744d756c285f6172675f785f305f302c2064656e73652f4d61744d75\
        6c2f526561645661726961626c654f702948a3f293aae9a19803620068e4eeb4abf19ec8f51870647886f0c51c\
        800187c7c71c8801ffe8b4abf19ec8f518";

    #[test]
    fn a_trace_of_tensorflow_is_read() {
        let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
        let bytes: Vec<u8> =
            TENSORFLOW.as_bytes().chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect();
        let device = "/job:localhost/replica:0/task:0/device:CPU:0";
        let expected = RunMetadata::new()
            .node(
                NodeStats::new("w")
                    .with_time(1_795_565_122_025_732, 1_795_565_122_025_745)
                    .with_device(device)
                    .output_shape([]),
            )
            .node(
                NodeStats::new("dense/MatMul")
                    .with_time(1_795_565_122_025_764, 1_795_565_122_085_657)
                    .with_memory(24)
                    .with_device(device)
                    .output_shape([3, 2]),
            );
        assert_eq!(read(bytes.clone()).unwrap(), expected);
        for end in 0..bytes.len() {
            let _ = read(bytes[..end].to_vec());
        }
    }
}
