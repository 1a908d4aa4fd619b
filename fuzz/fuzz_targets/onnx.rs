//! ONNX models: the graph can be written and read again, and inputs of nodes are other nodes.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use tbx::Graph;
use tbx::summary::Form;
use tbx_fuzz::raw;

fuzz_target!(|data: &[u8]| {
    let Ok(graph) = Graph::from_onnx(data) else { return };
    let names: HashSet<&str> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names.len(), graph.nodes.len(), "names are unique");
    for input in graph.nodes.iter().flat_map(|node| &node.inputs) {
        let name = input.split(':').next().expect("a first part");
        assert!(names.contains(name), "no node is called {input:?}");
    }
    let bytes = graph.to_bytes().expect("names are unique");
    let again = Graph::read(&raw(Form::GraphDef, &bytes)).expect("what was written can be read");
    assert_eq!(format!("{again:?}"), format!("{graph:?}"));
});
