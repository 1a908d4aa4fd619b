//! Conceptual graphs: the layers of a Keras model.
//!
//! The model's JSON is stored as a string with the plugin `graph_keras_model`. TensorBoard converts
//! it to a graph on request and returns an error for anything that it does not expect
//! (`tensorboard/plugins/graph/keras_util.py`), so this module checks the model in advance.

use super::sub_plugin;
use crate::error::ErrorKind;
use crate::event::pb;
use crate::summary::raw::lossy;
use crate::summary::{Kind, RawValue};

/// Name of the plugin whose values are JSON.
pub const PLUGIN: &str = "graph_keras_model";

/// A Keras model, as written by its `to_json` method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KerasModel {
    json: String,
}

impl KerasModel {
    /// Creates a model from `json`, in the format of Keras 3. For a Keras 2 model, TensorBoard
    /// shows the layers but not the connections between them.
    ///
    /// ```
    /// use tbx::KerasModel;
    ///
    /// let json = r#"{"class_name": "Sequential", "config": {"name": "model", "layers": [
    ///     {"class_name": "Dense", "config": {"name": "hidden", "dtype": "float32"}},
    ///     {"class_name": "Dense", "config": {"name": "out", "dtype": "float32"}}]}}"#;
    /// assert!(KerasModel::from_json(json).is_ok());
    /// assert!(KerasModel::from_json(r#"{"class_name": "Dense"}"#).is_err());
    /// # Ok::<(), tbx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: this is not JSON, or not a model that TensorBoard can show. That
    /// is, a layer has no `config`, or its `config` has no `name`; a model has no layers; the name
    /// of a class is not ASCII; or an input of a layer is not a tensor.
    #[cfg(feature = "serde")]
    pub fn from_json(json: impl Into<String>) -> Result<Self, ErrorKind> {
        let json = json.into();
        let wrong = |what: String| ErrorKind::Argument(format!("not a Keras model: {what}"));
        let model = serde_json::from_str(&json).map_err(|error| wrong(error.to_string()))?;
        check::model(&model).map_err(wrong)?;
        Ok(Self { json })
    }

    /// The JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Reads a value of a series of the plugin `graph_keras_model`. The JSON is not checked, and
    /// bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        match value.strings()?.0.as_slice() {
            [json, ..] => Ok(Self { json: lossy(json).into_owned() }),
            [] => Err(ErrorKind::Value("a Keras model without strings".into())),
        }
    }
}

/// The value for a model.
pub fn v2(tag: &str, model: &KerasModel) -> pb::summary::Value {
    sub_plugin(tag, Kind::Graph, PLUGIN, model.json.clone().into())
}

#[cfg(feature = "serde")]
mod check {
    use serde_json::Value;

    pub(super) fn model(model: &Value) -> Result<(), String> {
        match model.pointer("/config/layers") {
            Some(Value::Array(_)) => layer(model),
            _ => Err("it has no list config.layers".into()),
        }
    }

    /// Checks a layer, which may itself be a model. Deeply nested JSON has been rejected before.
    fn layer(layer: &Value) -> Result<(), String> {
        let config = layer.get("config").filter(|config| config.is_object());
        let config = config.ok_or("a layer without a config")?;
        let name = config.get("name").and_then(Value::as_str);
        let name = name.ok_or("a layer whose config has no name")?;
        match layer.get("class_name") {
            None | Some(Value::Null) => {}
            Some(Value::String(class)) if class.is_ascii() => {}
            Some(class) => return Err(format!("layer {name:?} of class {class}")),
        }
        let arguments = inbound_nodes(layer).filter_map(|node| node.get("args"));
        for argument in arguments.flat_map(items).flat_map(|args| match args {
            Value::Array(tensors) => tensors.as_slice(),
            one => std::slice::from_ref(one),
        }) {
            if !argument.is_object() {
                return Err(format!("layer {name:?} with input {argument}, which is not a tensor"));
            }
        }
        match config.get("layers") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(layers)) if !layers.is_empty() => {
                layers.iter().try_for_each(self::layer)
            }
            Some(_) => Err(format!("model {name:?} without layers")),
        }
    }

    fn inbound_nodes(layer: &Value) -> impl Iterator<Item = &Value> {
        layer.get("inbound_nodes").into_iter().flat_map(items)
    }

    fn items(list: &Value) -> &[Value] {
        list.as_array().map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Form;
    use prost::Message;

    #[test]
    fn a_model_is_read_back_as_it_was_written() {
        let model = KerasModel { json: r#"{"config": {"name": "größe"}}"#.into() };
        let Some(pb::summary::value::Value::Tensor(tensor)) = v2("keras", &model).value else {
            panic!("not a tensor")
        };
        let raw = |tensor: &pb::TensorProto| {
            let bytes = tensor.encode_to_vec().into();
            KerasModel::read(&RawValue { form: Form::Tensor, bytes })
        };
        assert_eq!(raw(&tensor).unwrap(), model);
        // As a list of one, which a program could write.
        let dim = vec![pb::tensor_shape_proto::Dim { size: 1, ..Default::default() }];
        let shape = pb::TensorShapeProto { dim, ..Default::default() };
        let list = pb::TensorProto { tensor_shape: Some(shape), ..tensor.clone() };
        assert_eq!(raw(&list).unwrap(), model);
        let none = pb::TensorProto { string_val: vec![], ..tensor };
        assert!(raw(&none).is_err());
        assert!(KerasModel::read(&RawValue { form: Form::GraphDef, bytes: "".into() }).is_err());
    }

    #[cfg(feature = "serde")]
    #[test]
    fn what_tensorboard_cannot_show_is_refused() {
        let layers = |layers: &str| {
            let json = format!(r#"{{"config": {{"name": "m", "layers": [{layers}]}}}}"#);
            KerasModel::from_json(json)
        };
        let tensor = r#"{"config": {"keras_history": ["a", 0, 0]}}"#;
        let inbound = |args: &str| {
            let node = format!(r#"{{"args": [{args}], "kwargs": {{}}}}"#);
            layers(&format!(r#"{{"config": {{"name": "x"}}, "inbound_nodes": [{node}]}}"#))
        };
        for good in [
            layers(r#"{"config": {"name": "x"}}"#),
            layers(r#"{"config": {"name": "x", "layers": null}, "class_name": null}"#),
            layers(r#"{"config": {"name": "x"}, "inbound_nodes": [[["a", 0, 0, {}]]]}"#),
            inbound(tensor),
            inbound(&format!("[{tensor}, {tensor}], {tensor}")),
        ] {
            good.unwrap();
        }
        let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
        for bad in [
            layers(""),
            layers("1"),
            layers(r#"{"config": "x"}"#),
            layers(r#"{"config": {"units": 1}}"#),
            layers(r#"{"config": {"name": 1}}"#),
            layers(r#"{"config": {"name": "x"}, "class_name": "Größe"}"#),
            layers(r#"{"config": {"name": "x", "layers": []}}"#),
            layers(r#"{"config": {"name": "x", "layers": [{"config": {}}]}}"#),
            inbound(&format!("{tensor}, 1.0")),
            inbound(&format!("[{tensor}, null]")),
            KerasModel::from_json(""),
            KerasModel::from_json("{"),
            KerasModel::from_json("[]"),
            KerasModel::from_json(r#"{"config": {"name": "m"}}"#),
            KerasModel::from_json(deep),
        ] {
            let error = bad.unwrap_err();
            assert!(matches!(error, ErrorKind::Argument(_)), "{error}");
        }
    }
}
