//! The layers of a Keras model as a graph (`tensorboard/plugins/graph/keras_util.py`).

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde_json::Value as Json;
use tbx::pb::attr_value::Value;
use tbx::pb::{AttrValue, DataType, GraphDef, NodeDef};

use crate::http::Refusal;

/// Maximum depth of models in models.
const MAX_DEPTH: usize = 64;

/// The graph of a model, given as JSON in the format of Keras 3.
///
/// # Errors
///
/// [`Refusal::Unreadable`]: this is not a Keras model.
pub(super) fn to_graph(json: &str) -> Result<GraphDef, Refusal> {
    let model: Json = serde_json::from_str(json).map_err(|error| wrong(&error.to_string()))?;
    let mut layers = Layers::default();
    layers.add(&model, "", 0)?;
    Ok(GraphDef { node: layers.nodes, ..GraphDef::default() })
}

fn wrong(what: &str) -> Refusal {
    Refusal::Unreadable(format!("not a Keras model: {what}"))
}

/// The nodes so far, and what connects them to later ones.
#[derive(Default)]
struct Layers {
    nodes: Vec<NodeDef>,
    /// For the inputs of a model in a model: the node that they come from.
    inputs: HashMap<String, String>,
    /// The outputs of each model.
    outputs: HashMap<String, Vec<String>>,
    /// The node before, which is the input of a layer of a sequential model.
    last: Option<String>,
}

impl Layers {
    /// Adds a layer, or a model with its layers, in `scope`.
    fn add(&mut self, layer: &Json, scope: &str, depth: usize) -> Result<(), Refusal> {
        if depth > MAX_DEPTH {
            return Err(wrong("models in models, too deep"));
        }
        let config = layer.get("config").ok_or_else(|| wrong("a layer without config"))?;
        let name = config.get("name").and_then(Json::as_str).unwrap_or("None");
        let name = scoped(scope, name);
        match config.get("layers").filter(|layers| !layers.is_null()) {
            Some(layers) => {
                let layers = layers.as_array().filter(|layers| !layers.is_empty());
                let layers = layers.ok_or_else(|| wrong("a model without layers"))?;
                self.add_model(layer, config, layers, scope, &name)?;
                layers.iter().try_for_each(|layer| self.add(layer, &name, depth + 1))
            }
            None => {
                self.add_layer(layer, config, scope, name);
                Ok(())
            }
        }
    }

    /// Notes how a model is connected.
    fn add_model(
        &mut self,
        model: &Json,
        config: &Json,
        layers: &[Json],
        scope: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        let names = |key: &str| names_in(config.get(key));
        let (inputs, outputs) = (names("input_layers"), names("output_layers"));
        let inbound = inbound_nodes(model);
        let is_functional = !inputs.is_empty() && !outputs.is_empty();
        match (inbound.first(), self.last.clone()) {
            (Some(_), _) if is_functional => {
                for (input, (from, _)) in inputs.iter().zip(&inbound) {
                    self.inputs.insert(scoped(name, input), scoped(scope, from));
                }
            }
            (Some((from, _)), _) => self.last = Some(scoped(scope, from)),
            (None, Some(last)) if is_functional => match inputs.as_slice() {
                [input] => {
                    self.inputs.insert(scoped(name, input), last);
                }
                _ => return Err(wrong("a model of several inputs in a sequential model")),
            },
            (None, _) => {}
        }
        let outputs = match is_functional {
            true => outputs.iter().map(|output| scoped(name, output)).collect(),
            false => {
                let last = layers.last().and_then(|last| last.pointer("/config/name"));
                vec![scoped(name, last.and_then(Json::as_str).unwrap_or("None"))]
            }
        };
        self.outputs.insert(name.to_owned(), outputs);
        Ok(())
    }

    fn add_layer(&mut self, layer: &Json, config: &Json, scope: &str, name: String) {
        let mut attr = BTreeMap::new();
        if let Some(class) = layer.get("class_name").and_then(Json::as_str) {
            let class = Value::S(Bytes::copy_from_slice(class.as_bytes()));
            attr.insert("keras_class".to_owned(), AttrValue { value: Some(class) });
        }
        let dtype = config.get("dtype");
        let policy = dtype.and_then(|dtype| dtype.pointer("/config/name"));
        if let Some(dtype) = policy.or(dtype).and_then(Json::as_str).and_then(data_type) {
            attr.insert("dtype".to_owned(), AttrValue { value: Some(Value::Type(dtype.into())) });
        }
        let mut input = Vec::new();
        if layer.get("inbound_nodes").is_some_and(|nodes| !nodes.is_null()) {
            for (from, index) in inbound_nodes(layer) {
                let from = scoped(scope, &from);
                let outputs = self.outputs.get(&from);
                let output = outputs.and_then(|outputs| outputs.get(index).or(outputs.last()));
                input.push(output.cloned().unwrap_or(from));
            }
        } else {
            input.extend(self.last.clone());
        }
        input.extend(self.inputs.get(&name).cloned());
        self.last = Some(name.clone());
        self.nodes.push(NodeDef { name, input, attr, ..NodeDef::default() });
    }
}

fn scoped(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}/{name}") }
}

/// The names of layers in `["name", 0, 0]` or `[["name", 0, 0], ...]`.
fn names_in(layers: Option<&Json>) -> Vec<String> {
    let name = |layer: &Json| layer.get(0).and_then(Json::as_str).map(str::to_owned);
    match layers.and_then(Json::as_array) {
        Some(layers) if layers.first().is_some_and(Json::is_array) => {
            layers.iter().filter_map(name).collect()
        }
        Some(layers) => {
            layers.first().and_then(Json::as_str).map(str::to_owned).into_iter().collect()
        }
        None => Vec::new(),
    }
}

/// The layers that a layer gets its inputs from, and the index of the output of each.
fn inbound_nodes(layer: &Json) -> Vec<(String, usize)> {
    let list = |value: Option<&Json>| value.and_then(Json::as_array).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for node in list(layer.get("inbound_nodes")) {
        for argument in list(node.get("args")) {
            let tensors = match argument {
                Json::Array(tensors) => tensors,
                one => vec![one],
            };
            for tensor in tensors {
                let history = list(tensor.pointer("/config/keras_history"));
                if let [name, _, index, ..] = history.as_slice()
                    && let Some(name) = name.as_str()
                {
                    let index = index.as_u64().and_then(|index| usize::try_from(index).ok());
                    found.push((name.to_owned(), index.unwrap_or(0)));
                }
            }
        }
    }
    found
}

fn data_type(name: &str) -> Option<DataType> {
    let upper = match name {
        "float16" | "half" => "DT_HALF".to_owned(),
        "float32" | "float" => "DT_FLOAT".to_owned(),
        "float64" | "double" => "DT_DOUBLE".to_owned(),
        name => format!("DT_{}", name.to_uppercase()),
    };
    DataType::from_str_name(&upper).filter(|dtype| *dtype != DataType::DtInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_a_sequential_model_follow_each_other() {
        let json = r#"{"class_name": "Sequential", "config": {"name": "m", "layers": [
            {"class_name": "Dense", "config": {"name": "a", "dtype": "float32"}},
            {"class_name": "Dense", "config": {"name": "b",
                "dtype": {"config": {"name": "mixed_float16"}}}}]}}"#;
        let graph = to_graph(json).unwrap();
        let names: Vec<_> = graph.node.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["m/a", "m/b"]);
        assert_eq!(graph.node[1].input, ["m/a"]);
        assert!(graph.node[0].attr.contains_key("dtype"));
        assert!(!graph.node[1].attr.contains_key("dtype"));
    }

    #[test]
    fn other_json_is_refused() {
        let deep = "{\"config\":{\"name\":\"x\",\"layers\":[".repeat(40);
        for wrong in ["", "[]", "{}", r#"{"config": {"name": "m", "layers": []}}"#, deep.as_str()] {
            assert!(to_graph(wrong).is_err(), "{wrong}");
        }
    }
}
