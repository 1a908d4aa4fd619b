//! Graphs.

use serde_json::{Value, json};
use tbx::{Attr, Graph, Node, pb};

use super::log::Run;

impl Run<'_> {
    pub(super) fn graph(&mut self, graph: &Graph) {
        let nodes: Vec<_> = graph.nodes.iter().map(node).collect();
        self.call("graph", "", 0, json!(nodes)).add_graph(graph).unwrap();
    }
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

pub(super) fn write(run: &mut Run<'_>) {
    run.graph(&graph());
}

fn graph() -> Graph {
    let dense = |layer: usize, from: &str, units: i64| {
        let name = |part: &str| format!("model/dense_{layer}/{part}");
        [
            Node::new(name("kernel"), "VariableV2")
                .attr("dtype", pb::DataType::DtFloat)
                .attr("shape", Attr::Shape(vec![-1, units]))
                .output_shape([-1, units]),
            Node::new(name("MatMul"), "MatMul")
                .input(from)
                .input(name("kernel") + ":0")
                .attr("transpose_b", false)
                .attr("units", units)
                .attr("scale", 0.1f32)
                .output_shape([-1, units]),
            Node::new(name("Relu"), "Relu")
                .input(name("MatMul"))
                .attr("note", "größe 'quoted' \"twice\"")
                .output_shape([-1, units]),
        ]
    };
    let loss = Node::new("loss", "Mean")
        .input("model/dense_2/Relu")
        .input("input:1")
        .input("^model/dense_1/Relu")
        .attr("large", "x".repeat(2000));
    let mut graph = Graph::new()
        .node(Node::new("input", "Placeholder").output_shape([-1, 784]).output_shape([]));
    graph.nodes.extend(dense(1, "input", 128));
    graph.nodes.extend(dense(2, "model/dense_1/Relu", 10));
    for node in &mut graph.nodes {
        node.device = "/device:GPU:0".into();
    }
    graph.node(loss)
}
