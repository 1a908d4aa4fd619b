//! Checks values against the rules of their kind.

use bytes::Bytes;
use prost::Message;

use super::Rule;
use super::finding::{Place, Tallies};
use super::tag::Tag;
use tbx::event::{Payload, pb};
use tbx::summary::image::Images;
use tbx::summary::image::header::ImageHeader;
use tbx::summary::tensor::{filled_up, typed_len};
use tbx::summary::{self, DataClass, Flaw, Form, Kind, Metadata, RawValue, scalar};

/// Collects the problems of a value.
pub(super) struct Sink<'t> {
    pub(super) tallies: &'t mut Tallies,
    pub(super) place: Place,
}

impl Sink<'_> {
    pub(super) fn note(&mut self, rule: Rule, message: impl FnOnce() -> String) {
        self.tallies.note(rule, self.place, message);
    }
}

/// A value in every form that a check needs.
pub(super) struct Raw<'v> {
    pub(super) form: Form,
    pub(super) body: Bytes,
    pub(super) view: &'v Payload<'v>,
    pub(super) message: &'v pb::summary::Value,
}

impl Raw<'_> {
    fn tensor(&self) -> Option<&pb::TensorProto> {
        match &self.message.value {
            Some(pb::summary::value::Value::Tensor(tensor)) => Some(tensor),
            _ => None,
        }
    }

    fn value(&self) -> RawValue {
        RawValue::new(self.form, self.body.clone())
    }
}

/// Checks the metadata that came with a value of `tag`.
pub(super) fn metadata(
    tag: &mut Tag,
    wire: &[u8],
    metadata: &Metadata,
    message: Option<&pb::SummaryMetadata>,
    form: Form,
    place: Place,
) {
    if tag.described.is_none() {
        tag.described = Some(place);
    }
    if wire == tag.wire || wire == tag.other_wire {
        return;
    }
    if tag.wire.is_empty() {
        tag.wire = wire.to_vec();
    } else {
        tag.other_wire = wire.to_vec();
        if let Some(what) = tag.metadata.as_ref().and_then(|first| change(first, metadata)) {
            tag.tallies.once(Rule::MetadataChanged, place, || format!("{what} differs"));
        }
    }
    let plugin = &metadata.plugin;
    let has_class = message.is_some_and(|message| message.data_class != 0);
    if metadata.kind == Kind::Tensor && !has_class {
        let message = || match plugin.as_str() {
            "" => "the metadata does not name a plugin".into(),
            plugin => format!("plugin {plugin:?} without a data class"),
        };
        tag.tallies.once(Rule::NoDataClass, place, message);
    }
    if !matches!(form, Form::Tensor | Form::None) {
        return; // readers replace the metadata of v1 values
    }
    if let Some(problem) = content_problem(metadata.kind, plugin, &metadata.content) {
        tag.tallies.once(Rule::PluginContent, place, || problem);
    }
}

/// The part of the metadata that differs, if it matters.
pub(super) fn change(first: &Metadata, other: &Metadata) -> Option<&'static str> {
    if first.kind != other.kind || first.plugin != other.plugin {
        return None; // values of two kinds: a separate rule
    }
    match () {
        () if first.content != other.content => Some("the plugin's content"),
        () if first.display_name != other.display_name => Some("the display name"),
        () if first.description != other.description => Some("the description"),
        () => None,
    }
}

/// The reason why a plugin cannot read the content of its metadata.
fn content_problem(kind: Kind, plugin: &str, content: &Bytes) -> Option<String> {
    let version = match kind {
        Kind::Scalar => pb::ScalarPluginData::decode(content.clone()).map(|data| data.version),
        // TensorBoard's first releases wrote JSON (`histogram/metadata.py`, `text/metadata.py`).
        Kind::Histogram | Kind::Text if content == "{}" => return None,
        Kind::Histogram => {
            pb::HistogramPluginData::decode(content.clone()).map(|data| data.version)
        }
        Kind::Text => pb::TextPluginData::decode(content.clone()).map(|data| data.version),
        Kind::Image => pb::ImagePluginData::decode(content.clone()).map(|data| data.version),
        Kind::Audio => pb::AudioPluginData::decode(content.clone()).map(|data| data.version),
        Kind::PrCurve => pb::PrCurvePluginData::decode(content.clone()).map(|data| data.version),
        // Content that is not a valid message also makes the value invalid, because a part of the
        // value is stored there.
        Kind::Mesh => {
            Ok(pb::mesh::MeshPluginData::decode(content.clone()).map_or(0, |data| data.version))
        }
        Kind::Graph | Kind::RunMetadata if content != "1" => {
            return Some(format!("the content of plugin {plugin:?} is not \"1\""));
        }
        _ => return None,
    };
    match version {
        Ok(0) => None,
        Ok(version) => {
            Some(format!("version {version} of plugin {plugin:?}; readers support only 0"))
        }
        Err(error) => Some(format!("the content of plugin {plugin:?}: {}", reason(&error))),
    }
}

/// The message of prost's error, without its prefix.
pub(super) fn reason(error: &prost::DecodeError) -> String {
    let text = error.to_string();
    text.trim_start_matches("failed to decode Protobuf message: ").to_owned()
}

/// Checks a value. `metadata` belongs to the value, `content` to the series' first value.
pub(super) fn check(sink: &mut Sink<'_>, metadata: &Metadata, content: &Bytes, raw: &Raw<'_>) {
    if let Some(tensor) = raw.tensor() {
        places_of_elements(sink, tensor);
    }
    let (kind, class) = (metadata.kind, metadata.data_class);
    if kind == Kind::Scalar || class == DataClass::Scalar {
        return scalar_value(sink, raw);
    }
    let value = raw.value();
    match summary::check(metadata, &value) {
        Ok(()) => {}
        Err(Flaw::Unreadable(what)) => return sink.note(Rule::Value, || what.to_string()),
        Err(Flaw::Damaged(what)) => {
            let rule = match kind {
                Kind::Image => Rule::ImageDamaged,
                Kind::Audio => Rule::AudioDamaged,
                _ => Rule::Value,
            };
            sink.note(rule, || what.to_string());
        }
    }
    match kind {
        Kind::Image => images(sink, &value),
        Kind::Audio => audio(sink, content, raw),
        Kind::PrCurve => pr_curve(sink, content, raw),
        _ => {}
    }
    if let Some(what) = other_shape(metadata, raw) {
        sink.note(Rule::ValueShape, || what);
    }
}

/// The shape of a value that tbx can read but TensorBoard does not show.
fn other_shape(metadata: &Metadata, raw: &Raw<'_>) -> Option<String> {
    let tensor = raw.tensor()?;
    let dims = dims(tensor);
    let ranks = match (metadata.kind, metadata.data_class) {
        (Kind::Meta, _) => 0..=0,
        (Kind::Graph | Kind::RunMetadata, _) => 0..=1,
        (Kind::Audio, _) => 1..=2,
        (Kind::Tensor, DataClass::BlobSequence) => 1..=1,
        (Kind::Tensor, _) => {
            let (found, places) = filled_up(tensor).ok()??;
            let dtype = tensor.dtype().as_str_name();
            return Some(format!("{found} elements, but {dtype} {dims:?} has {places}"));
        }
        _ => return None,
    };
    let is_string = tensor.dtype() == pb::DataType::DtString;
    let dtype = tensor.dtype().as_str_name();
    (!is_string || !ranks.contains(&dims.len())).then(|| format!("{dtype} of shape {dims:?}"))
}

fn scalar_value(sink: &mut Sink<'_>, raw: &Raw<'_>) {
    if let Err(error) = scalar::read(raw.view) {
        return sink.note(Rule::Value, || error.to_string());
    }
    let Some(tensor) = raw.tensor() else { return };
    let dims = dims(tensor);
    if tensor.dtype() != pb::DataType::DtFloat || !dims.is_empty() {
        let dtype = tensor.dtype().as_str_name();
        sink.note(Rule::ScalarForm, || match dims.is_empty() {
            true => dtype.into(),
            false => format!("{dtype} of shape {dims:?}"),
        });
    }
}

/// Checks that browsers show the images, and in the size given in the log.
fn images(sink: &mut Sink<'_>, value: &RawValue) {
    let Ok(images) = Images::read(value) else { return };
    if images.encoded.is_empty() {
        sink.note(Rule::ValueShape, || "a size without an image".into());
    }
    for encoded in &images.encoded {
        let header = ImageHeader::of(encoded);
        if header.is_known && !header.is_shown {
            sink.note(Rule::ImageFormat, || header.format.into());
        }
        let said = (images.width, images.height);
        if let Some((width, height)) = header.size.filter(|size| *size != said) {
            sink.note(Rule::ImageSize, || {
                format!("{width}x{height} pixels, but the log says {}x{}", said.0, said.1)
            });
        }
    }
}

fn audio(sink: &mut Sink<'_>, content: &Bytes, raw: &Raw<'_>) {
    if raw.form == Form::Audio {
        return sink.note(Rule::AudioType, || "a v1 clip".into());
    }
    let encoding = pb::AudioPluginData::decode(content.clone()).map(|data| data.encoding());
    if encoding.is_ok_and(|encoding| encoding != pb::audio_plugin_data::Encoding::Wav) {
        sink.note(Rule::AudioType, || "the metadata has no encoding".into());
    }
}

/// Checks that a curve has the length given in its metadata.
fn pr_curve(sink: &mut Sink<'_>, content: &Bytes, raw: &Raw<'_>) {
    let Some(&[_, columns]) = raw.tensor().map(dims).as_deref() else { return };
    let said = pb::PrCurvePluginData::decode(content.clone()).map(|data| data.num_thresholds);
    if let Some(said) = said.ok().filter(|said| i64::from(*said) != columns) {
        let message =
            || format!("the metadata says {said} thresholds, but the curve has {columns}");
        sink.note(Rule::PrCurve, message);
    }
}

fn dims(tensor: &pb::TensorProto) -> Vec<i64> {
    let shape = tensor.tensor_shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    shape.iter().map(|dim| dim.size).collect()
}

fn places_of_elements(sink: &mut Sink<'_>, tensor: &pb::TensorProto) {
    let content = tensor.tensor_content.len();
    let elements = typed_len(tensor);
    if content > 0 && elements > 0 {
        let message = || format!("{content} bytes of content and {elements} elements");
        sink.note(Rule::TensorTwice, message);
    }
    if let Some(bits) = tensor.half_val.iter().find(|bits| u16::try_from(**bits).is_err()) {
        sink.note(Rule::HalfBits, || format!("a 16-bit float with the bits {bits:#010x}"));
    }
}
