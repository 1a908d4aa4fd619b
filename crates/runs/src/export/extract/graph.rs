//! Graphs and run metadata: the serialized message, and the parts that tbx reads as JSON.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::Extractor;
use super::piece::{Part, Piece};
use crate::table::number::Exact;
use tbx::error::ErrorKind;
use tbx::event::pb;
use tbx::summary::graph::{Attr, Graph, Node, blobs, keras};
use tbx::summary::run_metadata::RunMetadata;
use tbx::summary::{Form, Kind, RawValue};

pub(super) const GRAPH: Extractor = Extractor {
    name: "graph",
    about: "graphs as GraphDef (.pb) and JSON, Keras models as their JSON",
    kind: Some(Kind::Graph),
    make: graph,
};

pub(super) const RUN_METADATA: Extractor = Extractor {
    name: "run_metadata",
    about: "time and memory use of nodes as RunMetadata (.pb) and JSON",
    kind: Some(Kind::RunMetadata),
    make: run_metadata,
};

fn graph(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let [part] = parts else { return Ok(Vec::new()) };
    if part.metadata.plugin == keras::PLUGIN {
        let (strings, _) = part.value.strings()?;
        return Ok(super::piece::numbered(strings, |bytes| piece("json", bytes)));
    }
    let blobs = blobs(&part.value)?;
    let several = blobs.len() > 1;
    let mut pieces = Vec::new();
    for (i, bytes) in blobs.into_iter().enumerate() {
        let number = several.then_some(i);
        let graph = Graph::read(&RawValue::new(Form::GraphDef, bytes.clone()))?;
        let mut json = Vec::new();
        write_graph(&mut json, &graph)?;
        json.push(b'\n');
        pieces.push(Piece { number, ..piece("pb", bytes) });
        pieces.push(Piece { number, ..piece("json", json.into()) });
    }
    Ok(pieces)
}

fn run_metadata(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let [part] = parts else { return Ok(Vec::new()) };
    let metadata = RunMetadata::read(&part.value)?;
    let bytes = match part.value.form {
        Form::RunMetadata => part.value.bytes.clone(),
        _ => part.value.strings()?.0.into_iter().next().unwrap_or_default(),
    };
    let mut json = b"{\"nodes\":".to_vec();
    write_list(&mut json, &metadata.nodes, |json, node| {
        let node = StatsJson {
            name: &node.name,
            device: &node.device,
            start_micros: node.start_micros,
            micros: node.micros(),
            bytes: node.bytes,
            output_shapes: &node.output_shapes,
        };
        write(json, &node)
    })?;
    json.extend_from_slice(b",\n\"graphs\":");
    write_list(&mut json, &metadata.graphs, write_graph)?;
    json.extend_from_slice(b"}\n");
    Ok(vec![piece("pb", bytes), piece("json", json.into())])
}

fn piece(extension: &'static str, bytes: Bytes) -> Piece {
    Piece { extension, bytes, ..Piece::default() }
}

/// A node; empty fields are omitted.
#[derive(Serialize)]
struct NodeJson<'a> {
    name: &'a str,
    op: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    inputs: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    device: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attrs: BTreeMap<&'a str, Value>,
    #[serde(skip_serializing_if = "<[Vec<i64>]>::is_empty")]
    output_shapes: &'a [Vec<i64>],
}

#[derive(Serialize)]
struct StatsJson<'a> {
    name: &'a str,
    device: &'a str,
    start_micros: i64,
    micros: i64,
    bytes: u64,
    output_shapes: &'a [Vec<i64>],
}

fn write_graph(json: &mut Vec<u8>, graph: &Graph) -> Result<(), ErrorKind> {
    json.extend_from_slice(b"{\"nodes\":");
    write_list(json, &graph.nodes, |json, node: &Node| {
        let attrs = node.attrs.iter().map(|(name, attr)| Ok((name.as_str(), value(attr)?)));
        let node = NodeJson {
            name: &node.name,
            op: &node.op,
            inputs: &node.inputs,
            device: &node.device,
            attrs: attrs.collect::<Result<_, ErrorKind>>()?,
            output_shapes: &node.output_shapes,
        };
        write(json, &node)
    })?;
    json.push(b'}');
    Ok(())
}

/// Writes a list with one line per item.
fn write_list<T>(
    json: &mut Vec<u8>,
    items: &[T],
    item: impl Fn(&mut Vec<u8>, &T) -> Result<(), ErrorKind>,
) -> Result<(), ErrorKind> {
    json.push(b'[');
    for (i, one) in items.iter().enumerate() {
        json.extend_from_slice(if i > 0 { b",\n" } else { b"\n" });
        item(json, one)?;
    }
    json.push(b']');
    Ok(())
}

fn write(json: &mut Vec<u8>, value: &impl Serialize) -> Result<(), ErrorKind> {
    serde_json::to_writer(json, value).map_err(|error| io::Error::from(error).into())
}

fn value(attr: &Attr) -> Result<Value, ErrorKind> {
    let number = |number: &f32| Exact(f64::from(*number));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = match attr {
        Attr::Int(value) => serde_json::to_value(value),
        Attr::Float(value) => serde_json::to_value(number(value)),
        Attr::Bool(value) => serde_json::to_value(value),
        Attr::Text(bytes) => serde_json::to_value(text(bytes)),
        Attr::Shape(dims) => serde_json::to_value(dims),
        Attr::Type(dtype) => serde_json::to_value(dtype.as_str_name()),
        Attr::Ints(values) => serde_json::to_value(values),
        Attr::Floats(values) => serde_json::to_value(values.iter().map(number).collect::<Vec<_>>()),
        Attr::Texts(texts) => {
            serde_json::to_value(texts.iter().map(|bytes| text(bytes)).collect::<Vec<_>>())
        }
        Attr::Other(message) => serde_json::to_value(other(message)),
    };
    value.map_err(|error| io::Error::from(error).into())
}

/// Summary of an attribute that is large or of a rare type; the `.pb` file has the full attribute.
fn other(message: &pb::AttrValue) -> String {
    use pb::attr_value::Value;
    use prost::Message;
    match &message.value {
        Some(Value::Tensor(tensor)) => {
            let dims = tensor.tensor_shape.iter().flat_map(|shape| &shape.dim);
            let dims: Vec<_> = dims.map(|dim| dim.size).collect();
            format!("<tensor {} {dims:?}>", tensor.dtype().as_str_name())
        }
        Some(Value::Func(function)) => format!("<function {}>", function.name),
        Some(Value::Placeholder(name)) => format!("<placeholder {name}>"),
        _ => format!("<{} bytes>", message.encoded_len()),
    }
}
