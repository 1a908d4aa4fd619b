//! Messages in protobuf's text form, which the page reads.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, Value};

use crate::http::Refusal;

/// The descriptors of the messages in `proto/graph.proto` and `proto/run_metadata.proto`. `generated.rs` has the
/// test that compares and writes them.
const DESCRIPTORS: &[u8] = include_bytes!("descriptors.bin");

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).ok());

/// The message `name` of these bytes as text.
///
/// # Errors
///
/// [`Refusal::Unreadable`]: the bytes are not such a message.
pub(super) fn of(name: &str, bytes: &[u8]) -> Result<String, Refusal> {
    let descriptor = POOL.as_ref().and_then(|pool| pool.get_message_by_name(name));
    let unknown = || Refusal::Unreadable(format!("{name} is not known"));
    let message = DynamicMessage::decode(descriptor.ok_or_else(unknown)?, bytes);
    let damaged = |error| Refusal::Unreadable(format!("the value is damaged: {error}"));
    let mut text = Text::default();
    text.message(&message.map_err(damaged)?);
    Ok(text.out)
}

/// The text so far. One field is one line; the page does not read the short form of lists.
#[derive(Default)]
struct Text {
    out: String,
    depth: usize,
}

impl Text {
    fn message(&mut self, message: &DynamicMessage) {
        let mut fields: Vec<_> = message.fields().collect();
        fields.sort_by_key(|(field, _)| field.number());
        for (field, value) in fields {
            match value {
                Value::List(values) => values.iter().for_each(|value| self.field(&field, value)),
                Value::Map(entries) => self.entries(&field, entries),
                value => self.field(&field, value),
            }
        }
    }

    fn field(&mut self, field: &FieldDescriptor, value: &Value) {
        match value {
            Value::Message(message) => self.block(field.name(), |text| text.message(message)),
            value => self.line(field.name(), &scalar(&field.kind(), value)),
        }
    }

    fn entries(&mut self, field: &FieldDescriptor, entries: &HashMap<MapKey, Value>) {
        let Kind::Message(entry) = field.kind() else { return };
        let value_field = entry.map_entry_value_field();
        let mut entries: Vec<_> =
            entries.iter().map(|(key, value)| (key_text(key), value)).collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (key, value) in entries {
            self.block(field.name(), |text| {
                text.line("key", &key);
                text.field(&value_field, value);
            });
        }
    }

    fn block(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.indent();
        self.out.push_str(name);
        self.out.push_str(" {\n");
        self.depth += 1;
        content(self);
        self.depth -= 1;
        self.indent();
        self.out.push_str("}\n");
    }

    fn line(&mut self, name: &str, value: &str) {
        self.indent();
        self.out.push_str(name);
        self.out.push_str(": ");
        self.out.push_str(value);
        self.out.push('\n');
    }

    fn indent(&mut self) {
        self.out.extend(std::iter::repeat_n("  ", self.depth));
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => quoted(key.as_bytes()),
    }
}

fn scalar(kind: &Kind, value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => number(value.to_string()),
        Value::F64(value) => number(value.to_string()),
        Value::String(text) => quoted(text.as_bytes()),
        Value::Bytes(bytes) => quoted(bytes),
        Value::EnumNumber(number) => match kind {
            Kind::Enum(names) => {
                let name = names.get_value(*number);
                name.map_or_else(|| number.to_string(), |name| name.name().to_owned())
            }
            _ => number.to_string(),
        },
        Value::Message(_) | Value::List(_) | Value::Map(_) => String::new(),
    }
}

fn number(text: String) -> String {
    match text.as_str() {
        "NaN" => "nan".to_owned(),
        _ => text,
    }
}

/// Bytes between quotation marks. All but printable ASCII is escaped, as three octal digits if it has no name.
fn quoted(bytes: &[u8]) -> String {
    let mut out = "\"".to_owned();
    for byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\'' => out.push_str("\\'"),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\{byte:03o}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use tbx::pb;

    use super::*;

    #[test]
    fn a_graph_is_text_in_lines() {
        let value = pb::AttrValue { value: Some(pb::attr_value::Value::I(5)) };
        let node = pb::NodeDef {
            name: "a \"b\"".into(),
            op: "Add".into(),
            attr: [("n".into(), value)].into(),
            ..Default::default()
        };
        let graph = pb::GraphDef { node: vec![node], ..Default::default() };
        let text = of("tensorboard.GraphDef", &graph.encode_to_vec()).unwrap();
        let expected = "node {\n  name: \"a \\\"b\\\"\"\n  op: \"Add\"\n  attr {\n    key: \"n\"\n    \
                        value {\n      i: 5\n    }\n  }\n}\n";
        assert_eq!(text, expected);
        assert!(of("tensorboard.GraphDef", b"\x0a\xff").is_err());
        assert!(of("tensorboard.Nothing", b"").is_err());
    }
}
