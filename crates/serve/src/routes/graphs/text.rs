//! Messages in protobuf's text form, which the page reads.

use std::sync::LazyLock;

use prost_reflect::text_format::FormatOptions;
use prost_reflect::{DescriptorPool, DynamicMessage};

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
    let options = FormatOptions::new().pretty(true).skip_unknown_fields(true);
    let mut text = message.map_err(damaged)?.to_text_format_with_options(&options);
    text.push('\n');
    Ok(text)
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
