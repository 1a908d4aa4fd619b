//! Values held against the rules of their kind.

use bytes::Bytes;
use prost::Message;

use super::Rule;
use super::finding::{Place, Tallies};
use super::pass::reason;
use super::picture;
use super::tag::Tag;
use crate::event::{Payload, pb};
use crate::summary::histogram::Histogram;
use crate::summary::image::Images;
use crate::summary::text::Text;
use crate::summary::{DataClass, Form, Kind, Metadata, RawValue, scalar};

/// Where what is wrong with a value is noted.
pub(super) struct Sink<'t> {
    pub(super) tallies: &'t mut Tallies,
    pub(super) place: Place,
}

impl Sink<'_> {
    pub(super) fn note(&mut self, rule: Rule, message: impl FnOnce() -> String) {
        self.tallies.note(rule, self.place, message);
    }
}

/// A value in every shape in which somebody needs it.
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
        RawValue { form: self.form, bytes: self.body.clone() }
    }
}

/// Looks at metadata that came with a value of `tag`.
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
            tag.tallies.once(Rule::MetadataChanged, place, || format!("{what} is another one"));
        }
    }
    let plugin = &metadata.plugin;
    let has_class = message.is_some_and(|message| message.data_class != 0);
    if metadata.kind == Kind::Tensor && !has_class {
        let message = || match plugin.as_str() {
            "" => "the metadata names no plugin".into(),
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

/// Which part of the metadata differs, if it is one that counts.
pub(super) fn change(first: &Metadata, other: &Metadata) -> Option<&'static str> {
    if first.kind != other.kind || first.plugin != other.plugin {
        return None; // values of two kinds: a rule of its own
    }
    match () {
        () if first.content != other.content => Some("the plugin's content"),
        () if first.display_name != other.display_name => Some("the display name"),
        () if first.description != other.description => Some("the description"),
        () => None,
    }
}

/// Why a plugin cannot read the content of its metadata.
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
        Kind::Mesh => pb::mesh::MeshPluginData::decode(content.clone()).map(|data| data.version),
        Kind::Hparams => match pb::hparams::HParamsPluginData::decode(content.clone()) {
            Ok(data) if data.data.is_none() => return Some("nothing in it".into()),
            data => data.map(|data| data.version),
        },
        Kind::Graph | Kind::RunMetadata if content != "1" => {
            return Some(format!("the content of plugin {plugin:?} is not \"1\""));
        }
        _ => return None,
    };
    match version {
        Ok(0) => None,
        Ok(version) => Some(format!("version {version} of plugin {plugin:?}, readers know 0")),
        Err(error) => Some(format!("the content of plugin {plugin:?}: {}", reason(&error))),
    }
}

/// Looks at a value. `metadata` is its own, `content` that of the series' first value.
pub(super) fn check(sink: &mut Sink<'_>, metadata: &Metadata, content: &Bytes, raw: &Raw<'_>) {
    if let Some(tensor) = raw.tensor() {
        places_of_elements(sink, tensor);
    }
    match (metadata.kind, metadata.data_class) {
        (Kind::Scalar, _) | (_, DataClass::Scalar) => scalar_value(sink, raw),
        (Kind::Histogram, _) => histogram(sink, raw),
        (Kind::Image, _) => images(sink, raw),
        (Kind::Audio, _) => audio(sink, content, raw),
        (Kind::Text, _) => refused(sink, Text::read(&raw.value()).err()),
        (Kind::PrCurve, _) => pr_curve(sink, content, raw),
        (Kind::Mesh, _) => mesh(sink, raw),
        (Kind::CustomScalars, _) => layout(sink, raw),
        (Kind::Meta, _) => strings(sink, raw, &[0]),
        (Kind::Graph | Kind::RunMetadata, _) => strings(sink, raw, &[0, 1]),
        (Kind::Tensor, DataClass::BlobSequence) => strings(sink, raw, &[1]),
        (Kind::Hparams | Kind::Tensor, _) => {
            raw.tensor().into_iter().for_each(|tensor| elements(sink, tensor));
        }
    }
}

fn refused(sink: &mut Sink<'_>, error: Option<impl std::fmt::Display>) {
    if let Some(error) = error {
        sink.note(Rule::Value, || error.to_string());
    }
}

fn scalar_value(sink: &mut Sink<'_>, raw: &Raw<'_>) {
    if let Err(error) = scalar::read(raw.view) {
        return refused(sink, Some(error));
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

fn histogram(sink: &mut Sink<'_>, raw: &Raw<'_>) {
    if let Some(pb::summary::value::Value::Histo(histo)) = &raw.message.value {
        let (limits, counts) = (histo.bucket_limit.len(), histo.bucket.len());
        if limits != counts {
            sink.note(Rule::Value, || format!("{limits} limits for {counts} buckets"));
        }
        return;
    }
    match (Histogram::read(&raw.value()), raw.tensor()) {
        (Err(error), _) => refused(sink, Some(error)),
        // Too few elements are filled up as in TensorFlow; TensorBoard refuses them.
        (Ok(_), Some(tensor)) => elements(sink, tensor),
        (Ok(_), None) => {}
    }
}

fn images(sink: &mut Sink<'_>, raw: &Raw<'_>) {
    let images = match Images::read(&raw.value()) {
        Ok(images) => images,
        Err(error) => return refused(sink, Some(error)),
    };
    if images.encoded.is_empty() {
        sink.note(Rule::Value, || "a size and no picture".into());
    }
    for encoded in &images.encoded {
        picture::check(sink, encoded, images.width, images.height);
    }
}

fn audio(sink: &mut Sink<'_>, content: &Bytes, raw: &Raw<'_>) {
    if raw.form == Form::Audio {
        return sink.note(Rule::AudioType, || "a v1 clip".into());
    }
    match raw.value().strings() {
        Ok((_, shape)) => match shape.as_slice() {
            [_] | [_, 2] => {}
            shape => sink.note(Rule::Value, || format!("clips of shape {shape:?}")),
        },
        Err(error) => refused(sink, Some(error)),
    }
    let encoding = pb::AudioPluginData::decode(content.clone()).map(|data| data.encoding());
    if encoding.is_ok_and(|encoding| encoding != pb::audio_plugin_data::Encoding::Wav) {
        sink.note(Rule::AudioType, || "the metadata names no encoding".into());
    }
}

fn pr_curve(sink: &mut Sink<'_>, content: &Bytes, raw: &Raw<'_>) {
    let Some(tensor) = raw.tensor() else {
        return sink.note(Rule::Value, || "a curve without a tensor".into());
    };
    elements(sink, tensor);
    let dims = dims(tensor);
    let [6, columns] = dims.as_slice() else {
        return sink.note(Rule::Value, || format!("a curve should be [6, n], this is {dims:?}"));
    };
    let said = pb::PrCurvePluginData::decode(content.clone()).map(|data| data.num_thresholds);
    if let Some(said) = said.ok().filter(|said| i64::from(*said) != *columns) {
        let message = || format!("the metadata says {said} thresholds, the curve has {columns}");
        sink.note(Rule::PrCurve, message);
    }
}

fn mesh(sink: &mut Sink<'_>, raw: &Raw<'_>) {
    let Some(tensor) = raw.tensor() else {
        return sink.note(Rule::Value, || "a mesh without a tensor".into());
    };
    elements(sink, tensor);
    let dims = dims(tensor);
    if !matches!(dims.as_slice(), [_, _, 3]) {
        sink.note(Rule::Value, || format!("a mesh should be [batch, n, 3], this is {dims:?}"));
    }
}

fn layout(sink: &mut Sink<'_>, raw: &Raw<'_>) {
    let strings = match raw.value().strings() {
        Ok((strings, _)) => strings,
        Err(error) => return refused(sink, Some(error)),
    };
    let layout = strings.first().map(|layout| pb::Layout::decode(layout.clone()));
    match layout {
        Some(Ok(_)) => {}
        Some(Err(error)) => sink.note(Rule::Value, || format!("not a layout: {}", reason(&error))),
        None => sink.note(Rule::Value, || "no layout".into()),
    }
}

/// A tensor of strings of one of these ranks.
fn strings(sink: &mut Sink<'_>, raw: &Raw<'_>, ranks: &[usize]) {
    match raw.value().strings() {
        Ok((_, shape)) if ranks.contains(&shape.len()) => {}
        Ok((_, shape)) => sink.note(Rule::Value, || format!("strings of shape {shape:?}")),
        Err(error) => refused(sink, Some(error)),
    }
}

fn dims(tensor: &pb::TensorProto) -> Vec<i64> {
    let shape = tensor.tensor_shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    shape.iter().map(|dim| dim.size).collect()
}

/// How many elements the typed arrays have.
fn typed(tensor: &pb::TensorProto) -> usize {
    [
        tensor.float_val.len(),
        tensor.double_val.len(),
        tensor.int_val.len(),
        tensor.string_val.len(),
        tensor.scomplex_val.len() / 2,
        tensor.int64_val.len(),
        tensor.bool_val.len(),
        tensor.dcomplex_val.len() / 2,
        tensor.half_val.len(),
        tensor.uint32_val.len(),
        tensor.uint64_val.len(),
        tensor.float8_val.len(),
        tensor.resource_handle_val.len(),
        tensor.variant_val.len(),
    ]
    .iter()
    .sum()
}

fn places_of_elements(sink: &mut Sink<'_>, tensor: &pb::TensorProto) {
    let content = tensor.tensor_content.len();
    if content > 0 && typed(tensor) > 0 {
        let message = || format!("{content} bytes of content and {} elements", typed(tensor));
        sink.note(Rule::TensorTwice, message);
    }
    if let Some(bits) = tensor.half_val.iter().find(|bits| u16::try_from(**bits).is_err()) {
        sink.note(Rule::HalfBits, || format!("a 16-bit float with the bits {bits:#010x}"));
    }
}

/// Whether there are as many elements as the shape says. One may stand for all.
fn elements(sink: &mut Sink<'_>, tensor: &pb::TensorProto) {
    let dims = dims(tensor);
    let expected = dims.iter().try_fold(1u64, |n, dim| n.checked_mul(u64::try_from(*dim).ok()?));
    let dtype = tensor.dtype();
    let content = tensor.tensor_content.len();
    let found = match (content, width(dtype)) {
        (0, _) => typed(tensor),
        (_, Some(width)) if content.is_multiple_of(width) => content / width,
        (_, None) if dtype != pb::DataType::DtString => return, // several in a byte
        _ => {
            let dtype = dtype.as_str_name();
            let message = || format!("{content} bytes of content in a tensor of {dtype}");
            return sink.note(Rule::Value, message);
        }
    };
    let one_for_all = content == 0 && found == 1;
    if u64::try_from(found).ok() != expected && !one_for_all {
        let message = || {
            format!("a tensor of {} with {found} elements and shape {dims:?}", dtype.as_str_name())
        };
        sink.note(Rule::Value, message);
    }
}

/// Bytes of an element in `tensor_content`; none of strings and of what is smaller than a byte.
fn width(dtype: pb::DataType) -> Option<usize> {
    use pb::DataType::*;
    Some(match dtype {
        DtFloat | DtInt32 | DtUint32 | DtQint32 => 4,
        DtDouble | DtInt64 | DtUint64 | DtComplex64 => 8,
        DtComplex128 => 16,
        DtHalf | DtBfloat16 | DtInt16 | DtUint16 | DtQint16 | DtQuint16 => 2,
        DtInt8 | DtUint8 | DtQint8 | DtQuint8 | DtBool => 1,
        DtFloat8E5m2 | DtFloat8E4m3fn => 1,
        _ => return None,
    })
}
