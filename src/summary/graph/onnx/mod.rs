//! Graphs of ONNX models.
//!
//! Source of the format: `onnx/onnx.proto` and `docs/IR.md` of ONNX 1.23. In ONNX, a node names its
//! inputs and outputs, which are values; in [`Graph`], the inputs of a node are nodes. Weights are
//! not read.

mod attrs;
#[cfg(feature = "track")]
pub(crate) mod interface;
mod names;

use std::collections::{HashMap, HashSet};

use bytes::Buf;
use prost::Message;

use self::names::{Names, node_name};
use super::{Graph, Node};
use crate::error::ErrorKind;
use crate::event::pb::onnx::type_proto::{self, Tensor};
use crate::event::pb::onnx::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// Operation of the node for an input of a graph.
const INPUT: &str = "Input";
/// Operation of the node for an output of a graph.
const OUTPUT: &str = "Output";
/// Operation of the node for weights. TensorBoard draws nodes with this operation small, next to
/// those that use them (`tf_graph_common/graph.ts`, `DefaultBuildParams`).
const CONSTANT: &str = "Const";

/// Maximum number of bytes of names and dimensions in a graph. Nested graphs repeat the names of
/// the graphs around them, so a small file can require a lot of memory.
const MAX_BYTES: usize = 64 << 20;

impl Graph {
    /// Converts an ONNX model to a graph. `model` is a serialized `ModelProto`, the content of an
    /// `.onnx` file. To log a file, use [`add_onnx_graph`](crate::SummaryWriter::add_onnx_graph).
    ///
    /// ```
    /// use tbx::Graph;
    ///
    /// let model = std::fs::read("fixtures/onnx/torch_scripted.onnx")?;
    /// let graph = Graph::from_onnx(&model[..])?;
    /// let conv = graph.nodes.iter().find(|node| node.op == "Conv").unwrap();
    /// assert_eq!(conv.name, "layer1/layer1.0/Conv");
    /// assert_eq!(conv.inputs, ["image", "onnx__Conv_22", "onnx__Conv_23"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// - A node keeps its name, without a leading slash, and its operation, prefixed by the domain
    ///   if that is not ONNX's own. PyTorch's newer exporter stores the module in the metadata of a
    ///   node. It becomes part of the name, so that boxes nest like the modules. A node without a
    ///   name is named after its operation. A number is appended where needed to make names unique.
    ///   `:` becomes `_`, because TensorBoard takes what follows as the number of an output.
    /// - Inputs and outputs of the graph become nodes with the operations `Input` and `Output`.
    ///   Initializers become nodes with the operation `Const`, with their type and shape but not
    ///   their values.
    /// - Attributes are kept. However, only the type and shape are kept of tensors, and of lists
    ///   and strings of more than 1024 bytes. The graphs in the attributes of `If`, `Loop` and
    ///   `Scan` become nodes below the names of the node and the attribute, and their outputs
    ///   become inputs of the node.
    /// - Outputs have the shapes that the model declares, up to the first output without one.
    ///   Dimensions that are not fixed are -1.
    /// - Functions of the model are not expanded. Inputs without a source are left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: this is not an ONNX model, or it nests so deeply that the graph
    /// would have more than 64 MiB of names.
    pub fn from_onnx(model: impl Buf) -> Result<Self, ErrorKind> {
        let model = ModelProto::decode(model)
            .map_err(|error| ErrorKind::Argument(format!("not an ONNX model: {error}")))?;
        let Some(graph) = model.graph else {
            return Err(ErrorKind::Argument("not an ONNX model: it has no graph".into()));
        };
        let mut converter = Converter::default();
        converter.graph(&graph, &Surroundings::default())?;
        Ok(Self { nodes: converter.nodes })
    }
}

/// Creates the nodes of a graph and of all graphs nested in it.
#[derive(Default)]
struct Converter {
    nodes: Vec<Node>,
    names: Names,
    bytes: usize,
}

/// The surroundings of a nested graph; empty for the graph of the model.
#[derive(Default)]
struct Surroundings<'a> {
    /// Prefix of the names of its nodes.
    prefix: &'a str,
    /// The values that are visible in it.
    scope: Option<&'a Scope<'a>>,
    /// Inputs of the node around it. `Loop` and `Scan` pass them on in this order.
    inputs: &'a [String],
}

/// The values of a graph, by name.
struct Scope<'a> {
    outer: Option<&'a Scope<'a>>,
    /// Source of each value, as written in the inputs of a node.
    sources: HashMap<&'a str, String>,
}

impl Scope<'_> {
    fn source(&self, value: &str) -> Option<&str> {
        // An empty name means a missing optional input, not an unused output.
        let mut scope = Some(self).filter(|_| !value.is_empty());
        while let Some(Scope { outer, sources }) = scope {
            if let Some(source) = sources.get(value) {
                return Some(source);
            }
            scope = *outer;
        }
        None
    }
}

/// An initializer.
struct Constant<'a> {
    tensor: &'a TensorProto,
    dims: &'a [i64],
}

impl Converter {
    /// Creates the nodes of `graph` and returns the names of its outputs.
    fn graph(
        &mut self,
        graph: &GraphProto,
        around: &Surroundings<'_>,
    ) -> Result<Vec<String>, ErrorKind> {
        let types = types(graph);
        let constants = constants(graph);
        let initialized: HashSet<&str> =
            constants.iter().map(|constant| constant.tensor.name.as_str()).collect();
        // Old files list weights among the inputs, too.
        let is_input = |input: &&ValueInfoProto| !initialized.contains(input.name.as_str());
        let inputs: Vec<_> = graph.input.iter().filter(is_input).collect();

        // The first to claim a name gets it without a number, so start with the names that users
        // know.
        let input_names =
            self.name_all(around, inputs.iter().map(|input| &input.name[..]), INPUT)?;
        let output_names =
            self.name_all(around, graph.output.iter().map(|output| &output.name[..]), OUTPUT)?;
        let names = constants.iter().map(|constant| &constant.tensor.name[..]);
        let constant_names = self.name_all(around, names, CONSTANT)?;
        let mut node_names = Vec::with_capacity(graph.node.len());
        for node in &graph.node {
            node_names.push(self.name(around, &node_name(node), &node.op_type)?);
        }

        let mut scope = Scope { outer: around.scope, sources: HashMap::new() };
        for (node, name) in graph.node.iter().zip(&node_names) {
            for (port, output) in node.output.iter().enumerate() {
                let source = if port == 0 { name.clone() } else { format!("{name}:{port}") };
                self.spend(source.len())?;
                scope.sources.insert(output, source);
            }
        }
        for (constant, name) in constants.iter().zip(constant_names) {
            scope.sources.insert(&constant.tensor.name, name.clone());
            self.spend(name.len() + size_of_val(constant.dims))?;
            let dtype = attrs::dtype(constant.tensor.data_type);
            let node = Node::new(name, CONSTANT).attr("dtype", dtype);
            self.nodes.push(node.output_shape(constant.dims));
        }
        let mut outer = around.inputs.iter();
        for (input, name) in inputs.iter().zip(input_names) {
            scope.sources.insert(&input.name, name.clone());
            let mut node = self.described(name, INPUT, &input.name, &types)?;
            let source = outer.next().and_then(|value| around.scope?.source(value));
            self.connect(&mut node, source)?;
            self.nodes.push(node);
        }
        for (node, name) in graph.node.iter().zip(node_names) {
            self.node(node, name, &scope, &types)?;
        }
        for (output, name) in graph.output.iter().zip(&output_names) {
            let mut node = self.described(name.clone(), OUTPUT, &output.name, &types)?;
            self.connect(&mut node, scope.source(&output.name))?;
            self.nodes.push(node);
        }
        Ok(output_names)
    }

    fn node(
        &mut self,
        from: &NodeProto,
        name: String,
        scope: &Scope<'_>,
        types: &HashMap<&str, &Tensor>,
    ) -> Result<(), ErrorKind> {
        let op = match &from.domain[..] {
            "" | "ai.onnx" => from.op_type.clone(),
            domain => format!("{domain}.{}", from.op_type),
        };
        let mut node = Node::new(name, op);
        for value in &from.input {
            self.connect(&mut node, scope.source(value))?;
        }
        for shape in from.output.iter().map_while(|output| shape(types.get(&output[..])?)) {
            self.spend(size_of_val(&shape[..]))?;
            node.output_shapes.push(shape);
        }
        let mut inner_outputs = Vec::new();
        for attribute in &from.attribute {
            if let Some(attr) = attrs::attr(attribute) {
                node.attrs.insert(attribute.name.clone(), attr);
            }
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                let prefix = &format!("{}/{}/", node.name, attribute.name);
                let around = Surroundings { prefix, scope: Some(scope), inputs: &from.input };
                inner_outputs.extend(self.graph(inner, &around)?);
            }
        }
        self.spend(inner_outputs.iter().map(String::len).sum())?;
        node.inputs.extend(inner_outputs);
        self.nodes.push(node);
        Ok(())
    }

    fn connect(&mut self, node: &mut Node, source: Option<&str>) -> Result<(), ErrorKind> {
        if let Some(source) = source {
            self.spend(source.len())?;
            node.inputs.push(source.to_owned());
        }
        Ok(())
    }

    /// Creates a node for a value, with its type and shape as far as they are known.
    fn described(
        &mut self,
        name: String,
        op: &str,
        value: &str,
        types: &HashMap<&str, &Tensor>,
    ) -> Result<Node, ErrorKind> {
        let node = Node::new(name, op);
        let Some(tensor) = types.get(value) else { return Ok(node) };
        let node = node.attr("dtype", attrs::dtype(tensor.elem_type));
        let Some(shape) = shape(tensor) else { return Ok(node) };
        self.spend(size_of_val(&shape[..]))?;
        Ok(node.output_shape(shape))
    }

    fn name_all<'a>(
        &mut self,
        around: &Surroundings<'_>,
        wanted: impl Iterator<Item = &'a str>,
        op: &str,
    ) -> Result<Vec<String>, ErrorKind> {
        wanted.map(|wanted| self.name(around, wanted, op)).collect()
    }

    /// A unique name, based on `wanted` as far as possible, or else on `op`.
    fn name(
        &mut self,
        around: &Surroundings<'_>,
        wanted: &str,
        op: &str,
    ) -> Result<String, ErrorKind> {
        // Charged before it is built, because a nested graph may need many long names.
        self.spend(around.prefix.len() + wanted.len().max(op.len()))?;
        Ok(self.names.unique(around.prefix, wanted, op))
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ErrorKind> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_BYTES {
            let what =
                format!("an ONNX model whose graph has more than {MAX_BYTES} bytes of names");
            return Err(ErrorKind::Argument(what));
        }
        Ok(())
    }
}

/// The types that a graph declares for its values, if they are tensors.
fn types(graph: &GraphProto) -> HashMap<&str, &Tensor> {
    let mut types = HashMap::new();
    for value in graph.value_info.iter().chain(&graph.input).chain(&graph.output) {
        let kind = value.r#type.as_ref().and_then(|kind| kind.value.as_ref());
        if let Some(type_proto::Value::TensorType(tensor)) = kind {
            types.insert(&value.name[..], tensor);
        }
    }
    types
}

fn constants(graph: &GraphProto) -> Vec<Constant<'_>> {
    let dense = graph.initializer.iter().map(|tensor| Constant { tensor, dims: &tensor.dims });
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| {
        Some(Constant { tensor: sparse.values.as_ref()?, dims: &sparse.dims })
    });
    dense.chain(sparse).collect()
}

/// The dimensions of a tensor, -1 for each that is not fixed; `None` if the rank is unknown.
fn shape(tensor: &Tensor) -> Option<Vec<i64>> {
    use crate::event::pb::onnx::tensor_shape_proto::dimension::Value;
    let size = |value: &Option<Value>| match value {
        Some(Value::DimValue(size)) => (*size).max(-1),
        _ => -1,
    };
    Some(tensor.shape.as_ref()?.dim.iter().map(|dim| size(&dim.value)).collect())
}
