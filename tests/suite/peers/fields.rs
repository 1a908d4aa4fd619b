//! Contents of events, field by field.
//!
//! Messages inside bytes are decoded, and so are tensors, images, audio clips and JSON, because
//! programs write the same content in different bytes.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use protox::prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};

use super::media;
use super::tensor;
use crate::common::repository;
use crate::descriptors::proto_files;

/// Values as text, by the path of their field. Missing entries are fields that are not set.
pub(super) type Fields = BTreeMap<String, String>;

/// A value of a summary, or an event without a summary.
pub(super) struct Item {
    /// Tag of the value, or type of the event.
    pub(super) name: String,
    /// Name of the oneof member that is set.
    pub(super) form: String,
    pub(super) fields: Fields,
}

/// All items in these events of a run, in order.
pub(super) fn items(run: &str, events: &[Vec<u8>]) -> Vec<Item> {
    events.iter().flat_map(|payload| items_of(run, payload)).collect()
}

fn items_of(run: &str, payload: &[u8]) -> Vec<Item> {
    let event = decode("Event", payload);
    let mut common = Fields::from([("run".into(), run.into())]);
    for name in ["wall_time", "step"] {
        if let Some(value) = set_field(&event, name) {
            common.insert(name.into(), text(&value));
        }
    }
    let Some(Value::Message(summary)) = set_field(&event, "summary") else {
        let form = form(&event, "what");
        let mut fields = Fields::new();
        message(&event, "", &mut Opener::default(), &mut fields);
        fields.extend(common);
        return vec![Item { name: form.clone(), form, fields }];
    };
    let values = set_field(&summary, "value").unwrap_or(Value::List(vec![]));
    let values = values.as_list().unwrap();
    common.insert("values in the event".into(), values.len().to_string());
    let item = |value: &Value| {
        let value = value.as_message().unwrap();
        let mut fields = common.clone();
        let tag = set_field(value, "tag").map_or(String::new(), |tag| text(&tag));
        message(value, "", &mut Opener { plugin: plugin(value), media: 0 }, &mut fields);
        Item { name: tag, form: form(value, "value"), fields }
    };
    values.iter().map(item).collect()
}

/// The fields of a file, with its path in their names.
pub(super) fn file(path: &str, content: &[u8]) -> Fields {
    let mut fields = Fields::new();
    Opener::default().leaf(content, path, &mut fields);
    fields.into_iter().map(|(name, value)| (format!("file {path}: {name}"), value)).collect()
}

fn form(message: &DynamicMessage, oneof: &str) -> String {
    let oneofs = message.descriptor().oneofs().collect::<Vec<_>>();
    let oneof = oneofs.iter().find(|found| found.name() == oneof).unwrap();
    let set = oneof.fields().find(|field| message.has_field(field));
    set.map_or(String::new(), |field| field.name().to_owned())
}

fn plugin(value: &DynamicMessage) -> String {
    let inside = |message: Value, name| set_field(message.as_message().unwrap(), name);
    let data = set_field(value, "metadata").and_then(|metadata| inside(metadata, "plugin_data"));
    let name = data.and_then(|data| inside(data, "plugin_name"));
    name.map_or(String::new(), |name| text(&name))
}

fn set_field(message: &DynamicMessage, name: &str) -> Option<Value> {
    let field = message.descriptor().get_field_by_name(name).unwrap();
    message.has_field(&field).then(|| message.get_field(&field).into_owned())
}

/// Information about a value that is needed to decode its bytes.
#[derive(Default)]
pub(super) struct Opener {
    plugin: String,
    /// Number of images, videos and audio clips in the value so far.
    media: usize,
}

impl Opener {
    /// The message type in the bytes of a field.
    fn in_field(&self, message: &str, field: &str) -> Option<&'static str> {
        Some(match (message, field) {
            ("tensorboard.Event", "graph_def") => "GraphDef",
            ("tensorboard.TaggedRunMetadata", "run_metadata") => "RunMetadata",
            ("tensorboard.SummaryMetadata.PluginData", "content") => match self.plugin.as_str() {
                "scalars" => "ScalarPluginData",
                "histograms" => "HistogramPluginData",
                "images" => "ImagePluginData",
                "audio" => "AudioPluginData",
                "text" => "TextPluginData",
                "pr_curves" => "PrCurvePluginData",
                "mesh" => "mesh.MeshPluginData",
                "hparams" => "hparams.HParamsPluginData",
                _ => return None,
            },
            _ => return None,
        })
    }

    /// The message type in the strings of a tensor.
    fn in_string(&self) -> Option<&'static str> {
        match self.plugin.as_str() {
            "custom_scalars" => Some("Layout"),
            "graph_run_metadata" | "graph_run_metadata_graph" => Some("RunMetadata"),
            _ => None,
        }
    }

    /// Adds a string of a tensor.
    pub(super) fn string(&mut self, bytes: &[u8], path: &str, fields: &mut Fields) {
        match self.in_string() {
            Some(name) => message(&decode(name, bytes), path, self, fields),
            None => self.leaf(bytes, path, fields),
        }
    }

    /// Adds bytes that are not a message.
    fn leaf(&mut self, bytes: &[u8], path: &str, fields: &mut Fields) {
        match media::fields(bytes, self.media, fields) {
            true => self.media += 1,
            false => {
                fields.insert(path.into(), String::from_utf8_lossy(bytes).into_owned());
            }
        }
    }
}

/// Adds the fields of a message that are set.
fn message(message: &DynamicMessage, path: &str, opener: &mut Opener, fields: &mut Fields) {
    let name = message.descriptor().full_name().to_owned();
    if name == "tensorboard.TensorProto" {
        return tensor::fields(message, path, opener, fields);
    }
    let before = fields.len();
    for (field, value) in message.fields() {
        let path = match path {
            "" => field.name().to_owned(),
            path => format!("{path}.{}", field.name()),
        };
        match (opener.in_field(&name, field.name()), value) {
            (Some(inner), Value::Bytes(bytes)) => {
                self::message(&decode(inner, bytes), &path, opener, fields);
            }
            _ => self::value(value, &field.kind(), &path, opener, fields),
        }
    }
    if fields.len() == before && !path.is_empty() {
        fields.insert(path.into(), "{}".into());
    }
}

fn value(found: &Value, kind: &Kind, path: &str, opener: &mut Opener, fields: &mut Fields) {
    match found {
        Value::Message(inner) => message(inner, path, opener, fields),
        Value::List(list) if matches!(kind, Kind::Message(_)) => {
            for (i, one) in list.iter().enumerate() {
                value(one, kind, &format!("{path}[{i}]"), opener, fields);
            }
        }
        Value::List(list) => {
            let texts: Vec<_> = list.iter().map(text).collect();
            fields.insert(path.into(), texts.join(" "));
        }
        Value::Map(map) => {
            for (key, one) in map {
                let MapKey::String(key) = key else { panic!("a map with keys {key:?}") };
                let Kind::Message(entry) = kind else { panic!("a map of {kind:?}") };
                let kind = entry.map_entry_value_field().kind();
                value(one, &kind, &format!("{path}[{key}]"), opener, fields);
            }
        }
        Value::EnumNumber(number) => {
            let Kind::Enum(declared) = kind else { panic!("a number of {kind:?}") };
            let known = declared.get_value(*number).map(|value| value.name().to_owned());
            fields.insert(path.into(), known.unwrap_or(number.to_string()));
        }
        Value::Bytes(bytes) => opener.leaf(bytes, path, fields),
        Value::String(json) if path.ends_with(".json_config") => {
            let json: serde_json::Value = serde_json::from_str(json).unwrap();
            fields.insert(path.into(), json.to_string());
        }
        other => {
            fields.insert(path.into(), text(other));
        }
    }
}

/// A string, or a number with the fewest digits that identify it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => format!("{value:?}"),
        Value::F64(value) => format!("{value:?}"),
        Value::String(text) => text.clone(),
        Value::EnumNumber(number) => number.to_string(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?} is no plain value"),
    }
}

fn decode(name: &str, bytes: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(descriptor(name), bytes).unwrap()
}

fn descriptor(name: &str) -> MessageDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let proto = repository("proto");
        let set = protox::compile(proto_files(&proto).unwrap(), [proto]).unwrap();
        DescriptorPool::from_file_descriptor_set(set).unwrap()
    });
    pool.get_message_by_name(&format!("tensorboard.{name}")).unwrap()
}
