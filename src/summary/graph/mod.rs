//! The graph of a model: nodes with their inputs, attributes and shapes.
//!
//! It is stored as a serialized `GraphDef` in its own event, without a tag; TensorBoard shows it as
//! the series `__run_graph__`. `/` in the names of nodes creates boxes that can be expanded.

mod attr;
pub mod keras;
pub(crate) mod onnx;

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};

pub use self::attr::Attr;
pub use self::keras::KerasModel;
use super::tensor::shape_message;
use super::{Form, Kind, Metadata, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;

/// The tag under which TensorBoard shows a run's graph
/// (`tensorboard/plugins/graph/metadata.py`, `RUN_GRAPH_NAME`).
#[doc(hidden)]
pub const RUN_GRAPH_TAG: &str = "__run_graph__";

/// The version that PyTorch writes (`torch/utils/tensorboard/_pytorch_graph.py`).
const PRODUCER: i32 = 22;
/// The attribute that TensorBoard uses to label edges with shapes.
const OUTPUT_SHAPES: &str = "_output_shapes";
/// Field number of `GraphDef.node`.
const NODE: u32 = 1;

/// A graph.
///
/// ```
/// use tbx::{Graph, Node};
///
/// let graph = Graph::new()
///     .node(Node::new("input", "Placeholder").output_shape([-1, 784]))
///     .node(Node::new("dense/matmul", "MatMul").input("input").attr("units", 10));
/// assert_eq!(graph.nodes.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Graph {
    /// The nodes, in any order.
    pub nodes: Vec<Node>,
}

/// A node of a [`Graph`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// Name, unique in the graph; `/` nests.
    pub name: String,
    /// Operation, for example `MatMul`.
    pub op: String,
    /// Sources of its inputs: `name`, `name:output`, or `^name` for a control dependency.
    pub inputs: Vec<String>,
    /// Device that it runs on; may be empty.
    pub device: String,
    /// Other properties.
    pub attrs: BTreeMap<String, Attr>,
    /// Shape of each output; -1 is a dimension that is not fixed.
    pub output_shapes: Vec<Vec<i64>>,
}

impl Graph {
    /// Creates a graph without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `node`.
    #[must_use]
    pub fn node(mut self, node: Node) -> Self {
        self.nodes.push(node);
        self
    }

    /// Reads a value of a graph series. Use [`KerasModel::read`] for Keras models.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        if value.form != Form::GraphDef {
            return Err(ErrorKind::Value("a graph that is not a GraphDef".into()));
        }
        let mut graph = Self::default();
        each_node(&value.bytes, |node| graph.nodes.push(Node::from_message(node)))?;
        Ok(graph)
    }

    /// Serializes the graph as a `GraphDef`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: two nodes have the same name, or a node has no name.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ErrorKind> {
        self.check()?;
        let mut bytes = Vec::new();
        // Encode node by node, which gives the same bytes. Building all messages at once would take
        // forty times the memory of the bytes, and allocating it would take longer than everything
        // else.
        for node in &self.nodes {
            prost::encoding::message::encode(NODE, &node.to_message(), &mut bytes);
        }
        let rest = pb::GraphDef { versions: Some(versions()), ..Default::default() };
        bytes.extend_from_slice(&rest.encode_to_vec());
        Ok(bytes)
    }

    pub(super) fn from_message(message: pb::GraphDef) -> Self {
        Self { nodes: message.node.into_iter().map(Node::from_message).collect() }
    }

    pub(super) fn to_message(&self) -> Result<pb::GraphDef, ErrorKind> {
        self.check()?;
        Ok(pb::GraphDef {
            node: self.nodes.iter().map(Node::to_message).collect(),
            versions: Some(versions()),
            ..Default::default()
        })
    }

    fn check(&self) -> Result<(), ErrorKind> {
        let mut names = HashSet::with_capacity(self.nodes.len());
        for node in &self.nodes {
            if node.name.is_empty() || !names.insert(node.name.as_str()) {
                let what = format!("a graph with two nodes called {:?}", node.name);
                return Err(ErrorKind::Argument(what));
            }
        }
        Ok(())
    }
}

/// Checks whether a value of a graph series can be read, without building the graph.
pub(super) fn check(metadata: &Metadata, value: &RawValue) -> Result<(), ErrorKind> {
    if metadata.plugin == keras::PLUGIN {
        return KerasModel::read(value).map(drop);
    }
    blobs(value)?.iter().try_for_each(|graph| each_node(graph, drop))
}

/// The serialized graphs in a value of a graph series that is not a Keras model: one graph, or the
/// strings of a tensor, which the plugin `graphs` would also accept.
#[doc(hidden)]
pub fn blobs(value: &RawValue) -> Result<Vec<Bytes>, ErrorKind> {
    match value.form {
        Form::GraphDef => Ok(vec![value.bytes.clone()]),
        _ => Ok(value.strings()?.0),
    }
}

/// Calls `f` with each node of a serialized `GraphDef`, one at a time, and checks the rest of it.
/// Decoded nodes take forty times the memory of their bytes.
fn each_node(graph: &Bytes, mut f: impl FnMut(pb::NodeDef)) -> Result<(), ErrorKind> {
    let wrong = |error: DecodeError| ErrorKind::Value(format!("not a GraphDef: {error}"));
    let mut left = graph.clone();
    let mut others = Vec::new();
    while !left.is_empty() {
        let field = left.clone();
        let (number, wire_type) = decode_key(&mut left).map_err(wrong)?;
        let mut content = left.clone();
        skip_field(wire_type, number, &mut left, DecodeContext::default()).map_err(wrong)?;
        if (number, wire_type) == (NODE, WireType::LengthDelimited) {
            decode_varint(&mut content).map_err(wrong)?;
            content.truncate(content.len() - left.len());
            f(pb::NodeDef::decode(content).map_err(wrong)?);
        } else {
            others.extend(field.get(..field.len() - left.len()).unwrap_or(&[]));
        }
    }
    pb::GraphDef::decode(&*others).map(drop).map_err(wrong)
}

fn versions() -> pb::VersionDef {
    pb::VersionDef { producer: PRODUCER, ..Default::default() }
}

impl Node {
    /// Creates a node called `name` with the operation `op`.
    pub fn new(name: impl Into<String>, op: impl Into<String>) -> Self {
        Self { name: name.into(), op: op.into(), ..Self::default() }
    }

    /// Adds an input.
    #[must_use]
    pub fn input(mut self, from: impl Into<String>) -> Self {
        self.inputs.push(from.into());
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attr(mut self, name: impl Into<String>, value: impl Into<Attr>) -> Self {
        self.attrs.insert(name.into(), value.into());
        self
    }

    /// Adds an output with this shape.
    #[must_use]
    pub fn output_shape(mut self, shape: impl Into<Vec<i64>>) -> Self {
        self.output_shapes.push(shape.into());
        self
    }

    fn to_message(&self) -> pb::NodeDef {
        let attrs = self.attrs.iter().map(|(name, attr)| (name.clone(), attr.to_message()));
        let mut attr: BTreeMap<_, _> = attrs.collect();
        if !self.output_shapes.is_empty() {
            let shape = self.output_shapes.iter().map(|dims| shape_message(dims)).collect();
            let list = pb::attr_value::ListValue { shape, ..Default::default() };
            let value = Some(pb::attr_value::Value::List(list));
            attr.insert(OUTPUT_SHAPES.into(), pb::AttrValue { value });
        }
        pb::NodeDef {
            name: self.name.clone(),
            op: self.op.clone(),
            input: self.inputs.clone(),
            device: self.device.clone(),
            attr,
            ..Default::default()
        }
    }

    fn from_message(mut message: pb::NodeDef) -> Self {
        let mut output_shapes = Vec::new();
        // Outputs of unknown rank stay an attribute, because they have no dimensions.
        if let Some(pb::AttrValue { value: Some(pb::attr_value::Value::List(list)) }) =
            message.attr.get(OUTPUT_SHAPES)
            && list.shape.iter().all(|shape| !shape.unknown_rank)
        {
            output_shapes = list.shape.iter().map(dims).collect();
            message.attr.remove(OUTPUT_SHAPES);
        }
        let attrs = message.attr.into_iter();
        Self {
            name: message.name,
            op: message.op,
            inputs: message.input,
            device: message.device,
            attrs: attrs.map(|(name, value)| (name, Attr::from_message(value))).collect(),
            output_shapes,
        }
    }
}

/// A value of a graph plugin other than `graphs`: a string of rank 0, which both of TensorBoard's
/// loaders read as a list of one, and the version 1 as a digit
/// (`tensorboard/plugins/graph/graphs_plugin.py`, `info_impl`).
pub(super) fn sub_plugin(
    tag: &str,
    kind: Kind,
    plugin: &str,
    content: Bytes,
) -> pb::summary::Value {
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtString.into(),
        tensor_shape: Some(pb::TensorShapeProto::default()),
        string_val: vec![content],
        ..Default::default()
    };
    let version = Bytes::from_static(b"1");
    let metadata = Metadata { plugin: plugin.into(), content: version, ..Metadata::new(kind) };
    pb::summary::Value {
        tag: tag.into(),
        metadata: Some(metadata.to_message()),
        value: Some(pb::summary::value::Value::Tensor(tensor)),
        ..Default::default()
    }
}

pub(super) fn dims(shape: &pb::TensorShapeProto) -> Vec<i64> {
    shape.dim.iter().map(|dim| dim.size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_read_back_as_it_was_written() {
        let graph = Graph::new()
            .node(Node::new("x", "Placeholder").output_shape([-1, 784]).output_shape([]))
            .node(
                Node::new("a/b", "MatMul")
                    .input("x:1")
                    .input("^x")
                    .attr("units", 10)
                    .attr("rate", 0.5)
                    .attr("bias", true)
                    .attr("note", "été")
                    .attr("T", pb::DataType::DtFloat)
                    .attr("shape", Attr::Shape(vec![1, -1]))
                    .attr("strides", [2, 2])
                    .attr("scales", [0.5, 2.0])
                    .attr("names", Attr::Texts(vec![b"a".to_vec(), b"\xff".to_vec()])),
            );
        let bytes = graph.to_bytes().unwrap();
        assert_eq!(bytes, graph.to_message().unwrap().encode_to_vec());
        let raw = RawValue { form: Form::GraphDef, bytes: bytes.into() };
        assert_eq!(Graph::read(&raw).unwrap(), graph);
    }

    /// Same result as prost, whether decoded node by node or not.
    #[test]
    fn a_graph_that_is_no_message_is_refused() {
        let node = Node::new("a", "MatMul").input("x").attr("units", 10).output_shape([2]);
        let bytes = Graph::new().node(node).node(Node::new("b", "C")).to_bytes().unwrap();
        let library = pb::GraphDef { library: Some(Default::default()), ..Default::default() };
        let bytes = [bytes, library.encode_to_vec(), vec![0x1a, 0]].concat();
        for at in 0..bytes.len() {
            for byte in [0, 0x0a, 0x0b, 0x12, 0x7f, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] = byte;
                let read = |bytes: &[u8]| {
                    let bytes = Bytes::copy_from_slice(bytes);
                    let found =
                        Graph::read(&RawValue { form: Form::GraphDef, bytes: bytes.clone() });
                    assert_eq!(found.is_ok(), pb::GraphDef::decode(bytes).is_ok(), "{at} {byte}");
                };
                read(&damaged);
                read(&damaged[..at]);
            }
        }
    }

    #[test]
    fn names_must_be_unique() {
        let twice = Graph::new().node(Node::new("x", "A")).node(Node::new("x", "B"));
        assert!(twice.to_bytes().is_err());
        assert!(Graph::new().node(Node::new("", "A")).to_bytes().is_err());
    }
}
