//! Graphs of models, and run metadata.

use std::fs;

use tbx::{
    ErrorKind, Graph, Kind, LoadOptions, Node, NodeStats, RunMetadata, SummaryWriter, TimeSeries,
};

use super::{fixed, names, run, values};
use crate::common::{load, repository};

#[test]
fn the_graph_of_an_onnx_file_is_that_of_its_bytes() {
    for name in ["torch_scripted", "torch_exported", "control_flow", "odd"] {
        let path = repository(&format!("fixtures/onnx/{name}.onnx"));
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().create(dir.path()).unwrap();
        writer.add_onnx_graph(&path).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        let series = run.get("__run_graph__").unwrap();
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
    // A writer that does not write does not read the file, either.
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
    assert!(error.to_string().ends_with("not a regular file but a FIFO"), "{error}");
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
    let read = Graph::read(&run.get("__run_graph__").unwrap().raw().unwrap()[0]).unwrap();
    assert_eq!(read, graph);
}

fn measured(micros: i64) -> RunMetadata {
    let start = 1_700_000_000_000_000;
    RunMetadata::new()
        .node(
            NodeStats::new("dense/MatMul")
                .with_time(start, start + micros)
                .with_memory(5120)
                .with_device("/device:GPU:0")
                .output_shape([32, 10]),
        )
        .node(
            NodeStats::new("dense/Relu")
                .with_time(start + micros, start + micros + 1)
                .with_device("d"),
        )
}

fn metadata(series: &TimeSeries) -> Vec<RunMetadata> {
    assert_eq!(series.kind(), Kind::RunMetadata);
    series.raw().unwrap().iter().map(|value| RunMetadata::read(value).unwrap()).collect()
}

#[test]
fn run_metadata_is_read_back_with_its_graphs_and_without() {
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        let traced = measured(3).graph(Graph::new().node(Node::new("dense/MatMul", "MatMul")));
        writer.add_run_metadata("step", &measured(1), 10).unwrap();
        writer.add_run_metadata("step", &measured(2), None).unwrap(); // default step: 0
        writer.with_step(12).add_run_metadata("step", &RunMetadata::new(), None).unwrap();
        writer.add_run_metadata("traced", &traced, 7).unwrap();
        writer.add_run_metadata("traced", &traced, 8).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        let step = run.get("step").unwrap();
        assert_eq!(
            (step.steps(), &step.metadata().plugin[..]),
            (&[10, 0, 12][..], "graph_tagged_run_metadata")
        );
        assert_eq!(metadata(step), [measured(1), measured(2), RunMetadata::new()]);
        let found = run.get("traced").unwrap();
        let described = found.metadata();
        assert_eq!((found.steps(), &described.plugin[..]), (&[7, 8][..], "graph_run_metadata"));
        assert_eq!((&described.content[..], &described.display_name[..]), (&b"1"[..], ""));
        assert_eq!(metadata(found), [traced.clone(), traced]);
        let values = values(writer.path().unwrap());
        let described: Vec<_> = values.iter().map(|value| value.metadata.is_some()).collect();
        assert_eq!(described, [true, false]);
    }
}

#[test]
fn bad_run_metadata_fails_at_the_call_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let backwards = RunMetadata::new().node(NodeStats::new("x").with_time(2, 1));
    let twice = Graph::new().node(Node::new("x", "A")).node(Node::new("x", "B"));
    for bad in [backwards.clone(), backwards.graph(Graph::new()), measured(1).graph(twice)] {
        let error = writer.add_run_metadata("bad", &bad, 7).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
        assert!(error.to_string().starts_with("tag \"bad\", step 7: "), "{error}");
    }
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
}

/// The only series of run metadata in a fixture.
fn logged(path: &str) -> Vec<RunMetadata> {
    let loaded = load(&repository(path), &LoadOptions::new().kinds([Kind::RunMetadata]));
    let series: Vec<_> = loaded.runs.iter().flat_map(|run| &run.series).collect();
    assert_eq!(series.len(), 1);
    metadata(series[0])
}

#[test]
fn run_metadata_of_other_programs_is_read() {
    // `trace_export` writes a graph without measurements.
    let [traced] = &logged("fixtures/tf2/graph")[..] else { panic!("not one") };
    let [graph] = &traced.graphs[..] else { panic!("{} graphs", traced.graphs.len()) };
    assert!(traced.nodes.is_empty());
    let edges = graph.nodes.iter().map(|node| (&node.name[..], &node.op[..], node.inputs.concat()));
    let expected = [
        ("x", "_Arg", ""),
        ("y", "_Arg", ""),
        ("mul", "Mul", "xx"),
        ("add", "AddV2", "muly"),
        ("Identity", "Identity", "add"),
        ("identity_RetVal", "_Retval", "Identity"),
    ];
    assert!(edges.eq(expected.map(|(name, op, inputs)| (name, op, inputs.to_owned()))));
    // A device without measurements.
    assert_eq!(logged("fixtures/torch/graph"), [RunMetadata::new()]);
    assert_eq!(logged("fixtures/tensorboardx/graph"), [RunMetadata::new()]);
}

mod keras {
    use tbx::KerasModel;

    use super::*;

    #[test]
    fn keras_models_are_read_back_as_they_were_given() {
        // Keras wrote the model to a file and to a log.
        let file = fs::read_to_string(repository("fixtures/keras/two_towers.json")).unwrap();
        let loaded = load(&repository("fixtures/keras"), &LoadOptions::new());
        let series = loaded.runs.iter().find_map(|run| run.get("keras")).unwrap();
        assert_eq!(series.metadata().plugin, "graph_keras_model");
        let logged = KerasModel::read(&series.raw().unwrap()[0]).unwrap();
        for v2 in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let writer = fixed().v2(v2).create(dir.path()).unwrap();
            for model in [&file[..], logged.json()] {
                writer.add_keras_graph("keras", model, None).unwrap();
            }
            writer.close().unwrap();
            let run = run(dir.path());
            let series = run.get("keras").unwrap();
            let described = series.metadata();
            assert_eq!((series.kind(), &described.content[..]), (Kind::Graph, &b"1"[..]));
            assert_eq!(described.plugin, "graph_keras_model");
            let raw = series.raw().unwrap().iter();
            let read: Vec<_> = raw.map(|value| KerasModel::read(value).unwrap()).collect();
            assert_eq!(read, [KerasModel::from_json(file.clone()).unwrap(), logged.clone()]);
            assert!(Graph::read(&series.raw().unwrap()[0]).is_err());
        }
    }

    #[test]
    fn a_bad_keras_model_fails_at_the_call_and_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().create(dir.path()).unwrap();
        for bad in ["", "{", "null", r#"{"class_name": "Dense", "config": {"name": "x"}}"#] {
            let error = writer.add_keras_graph("keras", bad, 7).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
            let text = error.to_string();
            assert!(text.starts_with("tag \"keras\", step 7: not a Keras model: "), "{text}");
        }
        writer.close().unwrap();
        assert_eq!(run(dir.path()).files[0].events, 1);
    }
}
