//! Names of nodes that TensorBoard can nest and connect.

use std::collections::HashMap;

use crate::event::pb::onnx::NodeProto;

/// Metadata key in which PyTorch stores the module of a node
/// (`torch/onnx/_internal/exporter/_core.py`, `_set_node_metadata`). The value is the text of a
/// Python list, `['', 'layer1', 'layer1.0', 'conv2d']`, from the model down to the operation.
const TORCH_SCOPES: &str = "pkg.torch.onnx.name_scopes";

/// The names in use.
#[derive(Default)]
pub(super) struct Names {
    /// Each name with the last number that was appended to it.
    given: HashMap<String, u64>,
}

impl Names {
    /// A unique name for a node below `prefix`: the usable part of `wanted`, or else of
    /// `otherwise`, followed by a number if it is already in use.
    pub(super) fn unique(&mut self, prefix: &str, wanted: &str, otherwise: &str) -> String {
        let usable = [wanted, otherwise, "node"].into_iter().map(clean);
        let name = usable.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let name = format!("{prefix}{name}");
        let Some(last) = self.given.get_mut(&name) else {
            self.given.insert(name.clone(), 0);
            return name;
        };
        let mut number = *last;
        let numbered = loop {
            number += 1;
            let numbered = format!("{name}_{number}");
            if !self.given.contains_key(&numbered) {
                break numbered;
            }
        };
        self.given.insert(numbered.clone(), 0);
        self.given.insert(name, number);
        numbered
    }
}

/// The preferred name of a node: its own name, or else its operation, in the scope of its output's
/// name. PyTorch's module goes in front.
pub(super) fn node_name(node: &NodeProto) -> String {
    let own = match (&node.name[..], node.output.first()) {
        ("", Some(output)) => match output.rsplit_once('/') {
            Some((scope, _)) => format!("{scope}/{}", node.op_type),
            None => node.op_type.clone(),
        },
        (name, _) => name.to_owned(),
    };
    let scopes = node.metadata_props.iter().find(|entry| entry.key == TORCH_SCOPES);
    match scopes.and_then(|entry| torch_module(&String::from_utf8_lossy(&entry.value))) {
        Some(module) => format!("{module}/{own}"),
        None => own,
    }
}

/// The module of the second to last scope, as a path. Python quotes a string with `'`, or with `"`
/// if it contains a `'`.
fn torch_module(scopes: &str) -> Option<String> {
    let list = scopes.strip_prefix('[')?.strip_suffix(']')?;
    let module = list.rsplit(", ").nth(1)?;
    let inside = |quote| module.strip_prefix(quote)?.strip_suffix(quote);
    Some(inside('\'').or_else(|| inside('"'))?.replace('.', "/"))
}

/// `name` without empty parts, and without characters that have a meaning in the input of a node:
/// `:` before the number of an output, and `^` before the name of a control dependency.
fn clean(name: &str) -> String {
    let parts: Vec<_> = name.split('/').filter(|part| !part.is_empty()).collect();
    let name = parts.join("/").replace(':', "_");
    match name.strip_prefix('^') {
        Some(rest) => format!("_{rest}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_have_nothing_that_tensorboard_takes_for_more() {
        let mut names = Names::default();
        let wanted = [
            ("/layer1/conv/Conv", "layer1/conv/Conv"),
            ("layer1//conv/Conv/", "layer1/conv/Conv_1"),
            ("onnx::Conv_16", "onnx__Conv_16"),
            ("x:0", "x_0"),
            ("^x", "_x"),
            ("x", "x"),
            ("x_2", "x_2"),
            ("x", "x_1"),
            ("x", "x_3"),
            ("", "Relu"),
            ("///", "Relu_1"),
            ("größe", "größe"),
        ];
        for (wanted, expected) in wanted {
            assert_eq!(names.unique("", wanted, "Relu"), expected);
        }
        assert_eq!(names.unique("if/then/", "/x", "Relu"), "if/then/x");
        assert_eq!(names.unique("", "", "/"), "node");
    }

    /// Lists written by torch 2.15, and others.
    #[test]
    fn modules_of_torch_are_paths() {
        let module = torch_module;
        assert_eq!(module("['', 'layer1', 'layer1.0', 'conv2d']").as_deref(), Some("layer1/0"));
        assert_eq!(module("['', 'view']").as_deref(), Some(""));
        assert_eq!(module("[\"it's\", 'add']").as_deref(), Some("it's"));
        for odd in ["", "[]", "['x']", "['', x]", "[, ]", "x", "['"] {
            assert!(module(odd).is_none_or(|module| module.is_empty()), "{odd}");
        }
    }
}
