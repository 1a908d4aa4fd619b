//! The metadata of a series in a log.

use std::fmt;

use bytes::Bytes;

use super::{DataClass, Form, Kind};
use crate::event::pb;

/// `AudioPluginData` with the encoding WAV. In the metadata of a series, it makes the plugin serve
/// `audio/wav` (`tensorboard/plugins/audio/audio_plugin.py`, `_get_mime_type`).
const WAV: &[u8] = &[0x10, 0x0b];

/// Metadata of a series, as given by its first value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// Kind of the values.
    pub kind: Kind,
    /// How the values are stored.
    pub data_class: DataClass,
    /// Name of the plugin that claims the series; empty if there is none.
    pub plugin: String,
    /// Data for the plugin, in a plugin-specific message.
    pub content: Bytes,
    /// Name to show instead of the tag; empty for none.
    pub display_name: String,
    /// A description in Markdown; empty for none.
    pub description: String,
}

impl Metadata {
    /// Creates the metadata for a series of `kind`, with the content that TensorBoard's own writer
    /// uses.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            data_class: kind.data_class(),
            plugin: kind.plugin().into(),
            content: match kind {
                Kind::Audio => Bytes::from_static(WAV),
                _ => Bytes::new(),
            },
            display_name: String::new(),
            description: String::new(),
        }
    }

    /// Interprets the serialized metadata for a value of `form`.
    ///
    /// A v1 form determines the kind, whatever the metadata says, because its writers give no
    /// metadata, or metadata without a plugin (`tensorboard/data_compat.py`, `migrate_value`). A v2
    /// value without metadata has no known kind.
    pub fn of(form: Form, wire: Option<&pb::SummaryMetadata>) -> Self {
        let wire = wire.cloned().unwrap_or_default();
        let plugin = wire.plugin_data.unwrap_or_default();
        let fixed = match form {
            Form::Histo => Some(Kind::Histogram),
            Form::Image => Some(Kind::Image),
            Form::Audio => Some(Kind::Audio),
            Form::GraphDef => Some(Kind::Graph),
            Form::RunMetadata => Some(Kind::RunMetadata),
            Form::Simple => Some(Kind::Scalar),
            Form::Tensor | Form::None => None,
        };
        let base = match fixed {
            Some(kind) => Self::new(kind),
            None => {
                let kind = Kind::of_plugin(&plugin.plugin_name);
                let class = match (kind, pb::DataClass::try_from(wire.data_class)) {
                    (Kind::Tensor, Ok(pb::DataClass::Scalar)) => DataClass::Scalar,
                    (Kind::Tensor, Ok(pb::DataClass::BlobSequence)) => DataClass::BlobSequence,
                    _ => kind.data_class(),
                };
                Self { data_class: class, plugin: plugin.plugin_name, ..Self::new(kind) }
            }
        };
        Self {
            content: plugin.content,
            display_name: wire.display_name,
            description: wire.summary_description,
            ..base
        }
    }

    /// Converts to the serialized form. Like TensorBoard's plugins, it leaves out the data class,
    /// which readers know for these plugins. A [`Kind::Tensor`] is the exception: without its data
    /// class, TensorBoard's default loader drops it.
    pub fn to_message(&self) -> pb::SummaryMetadata {
        let data_class = match (self.kind, self.data_class) {
            (Kind::Tensor, DataClass::Scalar) => pb::DataClass::Scalar,
            (Kind::Tensor, DataClass::Tensor) => pb::DataClass::Tensor,
            (Kind::Tensor, DataClass::BlobSequence) => pb::DataClass::BlobSequence,
            _ => pb::DataClass::Unknown,
        };
        pb::SummaryMetadata {
            data_class: data_class.into(),
            plugin_data: Some(pb::summary_metadata::PluginData {
                plugin_name: self.plugin.clone(),
                content: self.content.clone(),
            }),
            display_name: self.display_name.clone(),
            summary_description: self.description.clone(),
        }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("kind", &self.kind)
            .field("data_class", &self.data_class)
            .field("plugin", &self.plugin)
            .field("content", &format_args!("<{} bytes>", self.content.len()))
            .field("display_name", &self.display_name)
            .field("description", &self.description)
            .finish()
    }
}
