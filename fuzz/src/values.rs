//! Values of every kind, some of them invalid.

use tbx::pb;
use tbx::pb::summary::value::Value;

use crate::input::Input;

const TAGS: [&str; 10] = [
    "loss",
    "acc",
    "a/b",
    "",
    "é\u{1b}[2J",
    "images/0",
    "_hparams_/session_start_info",
    "_hparams_/session_end_info",
    "custom_scalars__config__",
    "tbx/meta",
];

const PLUGINS: [&str; 16] = [
    "scalars",
    "scalars",
    "images",
    "histograms",
    "text",
    "audio",
    "pr_curves",
    "mesh",
    "hparams",
    "custom_scalars",
    "graph_keras_model",
    "graph_run_metadata",
    "boutique",
    "distributions",
    "",
    "projector",
];

pub(crate) fn tag(input: &mut Input<'_>) -> String {
    match input.byte() {
        255 => String::from_utf8_lossy(input.bytes()).into_owned(),
        i => TAGS[usize::from(i) % TAGS.len()].to_owned(),
    }
}

/// Content of an event other than a summary.
pub(crate) fn other_event(input: &mut Input<'_>) -> pb::event::What {
    match input.below(3) {
        0 => pb::event::What::GraphDef(input.bytes().to_vec().into()),
        1 => pb::event::What::MetaGraphDef(input.bytes().to_vec().into()),
        _ => pb::event::What::TaggedRunMetadata(pb::TaggedRunMetadata {
            tag: tag(input),
            run_metadata: input.bytes().to_vec().into(),
        }),
    }
}

pub(crate) fn value(input: &mut Input<'_>) -> pb::summary::Value {
    let tag = tag(input);
    let metadata = (input.byte() % 4 != 0).then(|| pb::SummaryMetadata {
        plugin_data: Some(pb::summary_metadata::PluginData {
            plugin_name: input.pick(&PLUGINS).into(),
            content: input.bytes().to_vec().into(),
        }),
        data_class: i32::from(input.byte() % 5),
        ..Default::default()
    });
    pb::summary::Value { tag, metadata, value: content(input), ..Default::default() }
}

fn content(input: &mut Input<'_>) -> Option<Value> {
    Some(match input.below(7) {
        0 => return None,
        1 => Value::SimpleValue(f32::from_bits(input.i64() as u32)),
        2 => Value::ObsoleteOldStyleHistogram(input.bytes().to_vec().into()),
        3 => Value::Image(pb::summary::Image {
            width: small(input),
            height: small(input),
            colorspace: small(input),
            encoded_image_string: input.bytes().to_vec().into(),
        }),
        4 => Value::Histo(pb::HistogramProto {
            min: number(input),
            max: number(input),
            num: number(input),
            sum: number(input),
            sum_squares: number(input),
            bucket_limit: numbers(input),
            bucket: numbers(input),
        }),
        5 => Value::Audio(pb::summary::Audio {
            sample_rate: number(input) as f32,
            num_channels: small(input).into(),
            length_frames: small(input).into(),
            encoded_audio_string: input.bytes().to_vec().into(),
            content_type: input.pick(&["audio/wav", "audio/mp3", ""]).into(),
        }),
        _ => Value::Tensor(tensor(input)),
    })
}

fn tensor(input: &mut Input<'_>) -> pb::TensorProto {
    let dim = (0..input.below(4))
        .map(|_| pb::tensor_shape_proto::Dim { size: small(input).into(), ..Default::default() });
    let shape = pb::TensorShapeProto { dim: dim.collect(), ..Default::default() };
    // Most plugins write strings, float32 and float64.
    let dtype = match input.byte() {
        common @ 0..=150 => [7, 1, 2][usize::from(common) % 3],
        other => i32::from(other % 26),
    };
    let mut tensor = pb::TensorProto { dtype, tensor_shape: Some(shape), ..Default::default() };
    match input.below(5) {
        0 => tensor.tensor_content = input.bytes().to_vec().into(),
        1 => tensor.float_val = numbers(input).into_iter().map(|number| number as f32).collect(),
        2 => tensor.double_val = numbers(input),
        3 => tensor.int_val = numbers(input).into_iter().map(|number| number as i32).collect(),
        _ => {
            let strings = (0..input.below(6)).map(|_| input.bytes().to_vec().into());
            tensor.string_val = strings.collect();
        }
    }
    tensor
}

/// A size: small, or of any sign and magnitude.
fn small(input: &mut Input<'_>) -> i32 {
    match input.byte() {
        255 => input.i64() as i32,
        small => i32::from(small % 9),
    }
}

fn number(input: &mut Input<'_>) -> f64 {
    match input.byte() {
        255 => input.f64(),
        small => f64::from(small) - 100.0,
    }
}

fn numbers(input: &mut Input<'_>) -> Vec<f64> {
    (0..input.below(12)).map(|_| number(input)).collect()
}
