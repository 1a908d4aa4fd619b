//! Several graphs as one.

use tbx::pb::attr_value::Value;
use tbx::pb::{GraphDef, NodeDef};

use crate::http::Refusal;

/// One graph with all nodes. The names of each graph get a prefix, since several graphs may have the same names.
///
/// # Errors
///
/// [`Refusal::Unreadable`]: the graphs are of different versions.
pub(super) fn merge(mut graphs: Vec<GraphDef>) -> Result<GraphDef, Refusal> {
    if graphs.len() <= 1 {
        return Ok(graphs.pop().unwrap_or_default());
    }
    let mut merged = GraphDef::default();
    let producer =
        |graph: &GraphDef| graph.versions.as_ref().map_or(0, |versions| versions.producer);
    if let Some(first) = graphs.first().filter(|first| producer(first) != 0) {
        merged.versions.clone_from(&first.versions);
    }
    for (index, graph) in graphs.into_iter().enumerate() {
        if producer(&graph) != producer(&merged) {
            return Err(Refusal::Unreadable("graphs of different versions".to_owned()));
        }
        let prefix = format!("graph_{}", index + 1);
        merged.node.extend(graph.node.into_iter().map(|node| prefixed_node(&prefix, node)));
        let Some(library) = graph.library else { continue };
        let all = merged.library.get_or_insert_default();
        for mut function in library.function {
            if let Some(signature) = &mut function.signature {
                signature.name = format!("{prefix}_{}", signature.name);
            }
            all.function.push(function);
        }
        for mut gradient in library.gradient {
            gradient.function_name = format!("{prefix}_{}", gradient.function_name);
            gradient.gradient_func = format!("{prefix}_{}", gradient.gradient_func);
            all.gradient.push(gradient);
        }
    }
    Ok(merged)
}

fn prefixed_node(prefix: &str, mut node: NodeDef) -> NodeDef {
    let prefixed = |name: &str| match name.strip_prefix('^') {
        Some(name) => format!("^{prefix}/{name}"), // a control edge
        None => format!("{prefix}/{name}"),
    };
    node.name = prefixed(&node.name);
    for input in &mut node.input {
        *input = prefixed(input);
    }
    if node.op == "PartitionedCall"
        && let Some(Value::Func(called)) = node.attr.get_mut("f").and_then(|f| f.value.as_mut())
    {
        called.name = format!("{prefix}_{}", called.name);
    }
    node
}
