//! Run metadata, and the graphs that it contains.

use serde_json::{Value, json};
use tbx::{Graph, Node, NodeStats, RunMetadata};

use super::graphs::node as graph_node;
use super::log::Run;

impl Run<'_> {
    fn run_metadata(&mut self, tag: &str, metadata: &RunMetadata, step: i64) {
        let graph = |graph: &Graph| graph.nodes.iter().map(graph_node).collect::<Value>();
        let input = json!({
            "nodes": metadata.nodes.iter().map(node).collect::<Value>(),
            "graphs": metadata.graphs.iter().map(graph).collect::<Value>(),
        });
        let call = if metadata.graphs.is_empty() { "run_metadata" } else { "graph_run_metadata" };
        self.call(call, tag, step, input).add_run_metadata(tag, metadata, step).unwrap();
    }
}

fn node(node: &NodeStats) -> Value {
    json!({
        "name": node.name, "device": node.device, "start": node.start_micros,
        "end": node.end_micros, "bytes": node.bytes, "shapes": node.output_shapes,
    })
}

pub(super) fn write(run: &mut Run<'_>) {
    // For the graph of the run. Names of nodes that are also scopes count.
    for step in [0, 10] {
        run.run_metadata("step", &measured("model/dense", 40 + step), step);
    }
    run.run_metadata("no nodes", &RunMetadata::new(), 0);
    // With their own graphs.
    run.run_metadata("traces/one", &measured("dense", 7).graph(graph("dense")), 3);
    let two = measured("graph_1/dense", 9).graph(graph("dense")).graph(graph("other"));
    run.run_metadata("traces/two", &two, 3);
    run.run_metadata("traces/größe", &RunMetadata::new().graph(graph("dense")), 3);
}

/// Measurements of both layers of a model.
fn measured(prefix: &str, micros: i64) -> RunMetadata {
    let start = 1_700_000_000_000_000;
    let node = |layer: u64, part: &str, from: i64, to: i64| {
        NodeStats::new(format!("{prefix}_{layer}/{part}"))
            .with_time(start + from * micros, start + to * micros)
            .with_memory(4 * 32 * 128 * layer)
            .with_device(format!("/device:GPU:{}", layer - 1))
            .output_shape([32, 128])
    };
    RunMetadata::new()
        .node(node(1, "MatMul", 0, 3))
        .node(node(1, "Relu", 3, 4).output_shape([]))
        .node(node(2, "MatMul", 4, 9))
        .node(NodeStats::new("input").with_time(start, start))
        .node(NodeStats::new("no such node").with_time(0, 1).with_memory(5))
        .node(node(2, "Relu", 9, 10).with_memory(0))
        .node(node(1, "MatMul", 11, 12).with_memory(1 << 40))
}

fn graph(prefix: &str) -> Graph {
    let name = |layer: usize, part: &str| format!("{prefix}_{layer}/{part}");
    let mut graph = Graph::new().node(Node::new("input", "Placeholder").output_shape([32, 128]));
    for layer in 1..3 {
        let from = graph.nodes.last().unwrap().name.clone();
        let matmul = Node::new(name(layer, "MatMul"), "MatMul").input(from).output_shape([32, 128]);
        graph.nodes.push(matmul.attr("transpose_b", true));
        graph.nodes.push(Node::new(name(layer, "Relu"), "Relu").input(name(layer, "MatMul")));
    }
    graph
}
