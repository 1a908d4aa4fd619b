//! Graphs.

use std::fs;

use serde_json::{Value, json};
use tbx::{Attr, Graph, Node, pb};

use super::log::{Log, Run};
use crate::common::repository;

impl Run<'_> {
    pub(super) fn graph(&mut self, graph: &Graph) {
        let nodes: Vec<_> = graph.nodes.iter().map(node).collect();
        self.call("graph", "", 0, json!(nodes)).add_graph(graph).unwrap();
    }

    /// An ONNX model, next to a file with its contents according to ONNX.
    fn onnx_graph(&mut self, name: &str) {
        let path = |extension| repository(&format!("fixtures/onnx/{name}.{extension}"));
        let stated = fs::read_to_string(path("json")).unwrap();
        let stated = serde_json::from_str(&stated).unwrap();
        self.call("onnx_graph", "", 0, stated).add_onnx_graph(path("onnx")).unwrap();
    }
}

pub(super) fn node(node: &Node) -> Value {
    let attr = |attr: &Attr| match attr {
        Attr::Int(value) => json!({"kind": "i", "value": value}),
        Attr::Float(value) => json!({"kind": "f", "value": value}),
        Attr::Bool(value) => json!({"kind": "b", "value": value}),
        Attr::Text(bytes) => json!({"kind": "s", "value": String::from_utf8_lossy(bytes)}),
        Attr::Shape(dims) => json!({"kind": "shape", "value": dims}),
        Attr::Type(dtype) => json!({"kind": "type", "value": dtype.as_str_name()}),
        Attr::Ints(values) => json!({"kind": "list", "value": {"i": values}}),
        Attr::Floats(values) => json!({"kind": "list", "value": {"f": values}}),
        Attr::Texts(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
            json!({"kind": "list", "value": {"s": texts}})
        }
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

/// Writes one run per model, because TensorBoard shows one graph per run.
pub(super) fn write_models(log: &mut Log) {
    for name in ["torch_scripted", "torch_exported", "control_flow", "odd"] {
        let mut run = log.open(&format!("onnx/{name}"), false, None);
        run.onnx_graph(name);
        run.close();
    }
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
                .attr("strides", [1, 2])
                .attr("scales", [0.5, -2.0])
                .attr("names", Attr::Texts(vec!["a".into(), "é".into()]))
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
