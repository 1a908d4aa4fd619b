//! Graphs of models.

use std::fs;

use tbx::{ErrorKind, Graph, Kind, Node, SummaryWriter};

use super::{fixed, names, run};
use crate::common::repository;

#[test]
fn the_graph_of_an_onnx_file_is_that_of_its_bytes() {
    for name in ["torch_scripted", "torch_exported", "control_flow", "odd"] {
        let path = repository(&format!("fixtures/onnx/{name}.onnx"));
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().create(dir.path()).unwrap();
        writer.add_onnx_graph(&path).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        let series = run.series("__run_graph__").unwrap();
        assert_eq!(series.kind(), Kind::Graph);
        let read = Graph::read(&series.raw().unwrap()[0]).unwrap();
        assert_eq!(read, Graph::from_onnx(&fs::read(&path).unwrap()[..]).unwrap(), "{name}");
        assert!(read.nodes.len() > 10);
    }
}

#[test]
fn a_file_that_is_no_onnx_model_is_refused_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path().join("run")).unwrap();
    let text = dir.path().join("text.onnx");
    fs::write(&text, "not a model").unwrap();
    let empty = dir.path().join("empty.onnx");
    fs::write(&empty, "").unwrap();
    for path in [text.as_path(), &empty, dir.path()] {
        let error = writer.add_onnx_graph(path).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
        assert_eq!(error.location().path.as_deref(), Some(path), "{error}");
    }
    let missing = dir.path().join("missing.onnx");
    let error = writer.add_onnx_graph(&missing).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
    assert_eq!(error.location().path.as_deref(), Some(&*missing));
    // A writer that writes nothing reads nothing.
    SummaryWriter::noop().add_onnx_graph(&missing).unwrap();
    writer.close().unwrap();
    assert_eq!(run(&dir.path().join("run")).files[0].events, 1);
    assert_eq!(names(dir.path()).len(), 3);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_instead_of_waiting_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let writer = fixed().create(dir.path().join("run")).unwrap();
    let error = writer.add_onnx_graph(&pipe).unwrap_err();
    assert!(error.to_string().ends_with("not a file"), "{error}");
}

#[test]
fn a_graph_of_a_thousand_nodes_is_read_back() {
    let mut graph = Graph::new().node(Node::new("x", "Placeholder").output_shape([-1, 64]));
    for layer in 0..333 {
        let from = graph.nodes.last().unwrap().name.clone();
        let name = |part: &str| format!("block_{}/layer_{layer}/{part}", layer / 10);
        graph.nodes.push(Node::new(name("kernel"), "Const").output_shape([64, 64]));
        let matmul = Node::new(name("MatMul"), "MatMul").input(from).input(name("kernel"));
        graph.nodes.push(matmul.output_shape([-1, 64]));
        graph.nodes.push(Node::new(name("Relu"), "Relu").input(name("MatMul")));
    }
    assert_eq!(graph.nodes.len(), 1000);
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    writer.add_graph(&graph).unwrap();
    writer.close().unwrap();
    let run = run(dir.path());
    let read = Graph::read(&run.series("__run_graph__").unwrap().raw().unwrap()[0]).unwrap();
    assert_eq!(read, graph);
}
