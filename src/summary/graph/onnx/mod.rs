//! Graphs of ONNX models.
//!
//! Source of the format: `onnx/onnx.proto` and `docs/IR.md` of ONNX 1.23. A node there names its
//! inputs and outputs, which are values; here its inputs are nodes. Weights are not read.

mod attrs;
mod names;

use std::collections::{HashMap, HashSet};

use bytes::Buf;
use prost::Message;

use self::names::{Names, node_name};
use super::{Graph, Node};
use crate::error::ErrorKind;
use crate::event::pb::onnx::type_proto::{self, Tensor};
use crate::event::pb::onnx::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// What a value that comes into a graph is called.
const INPUT: &str = "Input";
/// What a value that goes out of a graph is called.
const OUTPUT: &str = "Output";
/// TensorBoard draws nodes of this operation small, beside those that use them
/// (`tf_graph_common/graph.ts`, `DefaultBuildParams`): the place for weights.
const CONSTANT: &str = "Const";

/// Bytes of names and dimensions in a graph at most. Nested graphs repeat the names of what is
/// around them, so that a small file can ask for a lot.
const MAX_BYTES: usize = 64 << 20;

impl Graph {
    /// The graph of an ONNX model: `model` is a serialized `ModelProto`, the content of an
    /// `.onnx` file. To log a file, see
    /// [`add_onnx_graph`](crate::SummaryWriter::add_onnx_graph).
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
    /// - A node has its name, without a slash in front, and its operation, behind the domain if
    ///   that is not ONNX's own. PyTorch's newer exporter puts the module into the metadata of a
    ///   node: it becomes part of the name, so that boxes nest as the modules do. A node without
    ///   a name is called by its operation. Names are made unique with a number; `:` in them is
    ///   `_`, since TensorBoard takes what follows as the number of an output.
    /// - Inputs and outputs of the graph are nodes called `Input` and `Output`; initializers are
    ///   called `Const` and have their type and shape, not their values.
    /// - Attributes are kept, but of tensors, and of lists and strings of more than 1024 bytes,
    ///   only type and shape. The graphs in those of `If`, `Loop` and `Scan` are nodes below the
    ///   node's name and the attribute's; what goes out of them goes into the node.
    /// - Outputs have the shapes that the model states, up to the first of which it states none.
    ///   Dimensions that are not fixed are -1.
    /// - Functions of the model are not expanded. An input that nothing gives is left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: it is no ONNX model, or nests so that the graph would have more
    /// than 64 MiB of names.
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

/// Makes the nodes of a graph and of all inside it.
#[derive(Default)]
struct Converter {
    nodes: Vec<Node>,
    names: Names,
    bytes: usize,
}

/// What a graph is inside of; nothing for that of the model.
#[derive(Default)]
struct Surroundings<'a> {
    /// The names of its nodes begin with this.
    prefix: &'a str,
    /// The values that it sees.
    scope: Option<&'a Scope<'a>>,
    /// The inputs of the node around it. `Loop` and `Scan` hand them on in this order.
    inputs: &'a [String],
}

/// The values of a graph, by name.
struct Scope<'a> {
    outer: Option<&'a Scope<'a>>,
    /// Where each value comes from, as the inputs of a node say it.
    sources: HashMap<&'a str, String>,
}

impl Scope<'_> {
    fn source(&self, value: &str) -> Option<&str> {
        // Without a name: an optional input that is not there, not an output that nobody wants.
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

/// A value that is there from the start.
struct Constant<'a> {
    tensor: &'a TensorProto,
    dims: &'a [i64],
}

impl Converter {
    /// Makes the nodes of `graph`; the names of its outputs.
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

        // Whoever is named first has the name for itself: what users know it by comes first.
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

    /// A node for a value, with its type and shape as far as they are known.
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

    /// A name that no other node has: as much as can be of `wanted`, else of `op`.
    fn name(
        &mut self,
        around: &Surroundings<'_>,
        wanted: &str,
        op: &str,
    ) -> Result<String, ErrorKind> {
        // Before it is made: a nested graph may ask for many long ones.
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

/// The types of the values of a graph that it states, if they are tensors.
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

/// The dimensions of a tensor, -1 for those that are not fixed; none if it is of any rank.
fn shape(tensor: &Tensor) -> Option<Vec<i64>> {
    use crate::event::pb::onnx::tensor_shape_proto::dimension::Value;
    let size = |value: &Option<Value>| match value {
        Some(Value::DimValue(size)) => (*size).max(-1),
        _ => -1,
    };
    Some(tensor.shape.as_ref()?.dim.iter().map(|dim| size(&dim.value)).collect())
}
