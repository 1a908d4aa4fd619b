//! Graphs. tbx starts from nodes, the others from a finished `GraphDef`.

use protobuf::Message;
use tbx::{Graph, Node};
use tensorboard_proto::graph::GraphDef;

use super::{Kind, no_method};
use crate::writers::{Own, TENSORBOARD_RS, TENSORBOARDX, TENSORFLOW, TORCH, Tbx, TensorboardRs};

const NOTE: &str = "has no method for nodes: `file_writer.add_graph` of a ready message";

pub const KIND: Kind = Kind {
    name: "graph",
    what: "graph of 1,000 nodes",
    calls: (1_000, 200),
    peers: &[
        (TENSORBOARD_RS, "of ready messages"),
        (TENSORBOARDX, NOTE),
        (TORCH, NOTE),
        (TENSORFLOW, "of a ready message"),
    ],
    inputs: |folder| Ok(std::fs::write(folder.join("graph.pb"), graph().to_bytes()?)?),
    write: |own, run| {
        let graph = graph();
        match own {
            Own::Tbx => run.calls(|writer: &mut Tbx, _| Ok(writer.0.add_graph(&graph)?)),
            Own::TensorboardRs => {
                let mut message = GraphDef::new();
                message.merge_from_bytes(&graph.to_bytes()?)?;
                run.calls(|writer: &mut TensorboardRs, _| {
                    writer.0.add_graph(message.get_node());
                    Ok(())
                })
            }
            _ => no_method(),
        }
    },
};

/// A chain of layers with two nodes each.
fn graph() -> Graph {
    let mut graph = Graph::new();
    let mut before = "x".to_owned();
    for layer in 0..500 {
        let name = |part: &str| format!("block/layer_{layer}/{part}");
        let matmul = Node::new(name("MatMul"), "MatMul").input(before).attr("transpose", true);
        let relu = Node::new(name("Relu"), "Relu").input(name("MatMul"));
        before = name("Relu");
        graph = graph.node(matmul.output_shape([-1, 64])).node(relu.output_shape([-1, 64]));
    }
    graph
}
