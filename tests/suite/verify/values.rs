//! Values that do not match the form of their kind.

use prost::Message;
use tbx::pb::{self, DataType, summary::value::Value};
use tbx::summary::Kind;
use tbx_runs::verify::Rule;

use super::{breaks, findings, floats, metadata, of_kind, rules, tensor, value};
use crate::common::{event, summary};

#[test]
fn scalars_that_the_default_loader_drops_are_found() {
    let double = pb::TensorProto { double_val: vec![0.5], ..tensor(DataType::DtDouble, &[]) };
    for (tensor, message) in [
        (double, "DT_DOUBLE"),
        (floats(&[1], 1), "DT_FLOAT of shape [1]"),
        (pb::TensorProto { int64_val: vec![3], ..tensor(DataType::DtInt64, &[]) }, "DT_INT64"),
    ] {
        let finding =
            breaks(Rule::ScalarForm, &[summary(1, vec![of_kind(Kind::Scalar, "v", tensor)])]);
        assert_eq!(finding.message, message);
    }
    let mut no_shape = floats(&[], 1);
    no_shape.tensor_shape = None; // as PyTorch writes it
    assert!(findings(&[summary(1, vec![of_kind(Kind::Scalar, "v", no_shape)])]).is_empty());
}

#[test]
fn values_without_the_form_of_their_kind_are_found() {
    let string = |dims: &[i64], n: usize| pb::TensorProto {
        string_val: vec!["7".into(); n],
        ..tensor(DataType::DtString, dims)
    };
    for (kind, tensor) in [
        (Kind::Scalar, floats(&[2], 2)),
        (Kind::Histogram, floats(&[2, 2], 4)),
        (Kind::Histogram, floats(&[2, 3], 4)),
        (Kind::Image, floats(&[3], 3)),
        (Kind::Text, floats(&[], 1)),
        (Kind::PrCurve, floats(&[5, 4], 20)),
        (Kind::PrCurve, floats(&[6, 4], 20)),
        (Kind::Mesh, floats(&[4, 3], 12)),
        (Kind::CustomScalars, floats(&[], 1)),
    ] {
        let found = findings(&[summary(1, vec![of_kind(kind, "v", tensor.clone())])]);
        assert!(rules(&found).contains(&Rule::Value), "{kind} {tensor:?}: {found:?}");
    }
    let wav = metadata("audio", b"\x10\x0b".to_vec());
    let clips = value("v", Some(wav), Value::Tensor(string(&[2, 3], 6)));
    let finding = breaks(Rule::AudioDamaged, &[summary(1, vec![clips])]);
    assert_eq!(finding.message, "unknown data, not a clip");
    let empty = of_kind(Kind::Image, "v", string(&[2], 2));
    assert_eq!(
        breaks(Rule::ValueShape, &[summary(1, vec![empty])]).message,
        "a size without an image"
    );
    let histo = pb::HistogramProto {
        bucket: vec![1.0; 3],
        bucket_limit: vec![1.0; 2],
        ..Default::default()
    };
    breaks(Rule::Value, &[summary(1, vec![value("v", None, Value::Histo(histo))])]);
    breaks(Rule::Value, &[event(0, pb::event::What::GraphDef(vec![0xff].into()))]);
    assert!(findings(&[event(0, pb::event::What::GraphDef(Vec::new().into()))]).is_empty());
}

#[test]
fn tensors_that_readers_take_differently_are_found() {
    let twice = pb::TensorProto { tensor_content: vec![0; 4].into(), ..floats(&[], 1) };
    breaks(Rule::TensorTwice, &[summary(1, vec![of_kind(Kind::Scalar, "v", twice)])]);
    let mut acme = metadata("acme", vec![]);
    acme.data_class = pb::DataClass::Tensor.into();
    let half = pb::TensorProto { half_val: vec![0x3fc0_0000], ..tensor(DataType::DtHalf, &[]) };
    let half = value("v", Some(acme), Value::Tensor(half));
    let finding = breaks(Rule::HalfBits, &[summary(1, vec![half])]);
    assert_eq!(finding.message, "a 16-bit float with the bits 0x3fc00000");
}

#[test]
fn clips_curves_and_meshes_are_held_against_their_metadata() {
    let wav = tbx::Clip::mono(&[0.5f32, -0.5], 8000).unwrap().to_wav();
    let audio = pb::summary::Audio { encoded_audio_string: wav.clone(), ..Default::default() };
    breaks(Rule::AudioType, &[summary(1, vec![value("v", None, Value::Audio(audio))])]);
    let clip = pb::TensorProto { string_val: vec![wav], ..tensor(DataType::DtString, &[1]) };
    let clip = |content: &[u8]| {
        let metadata = metadata("audio", content.to_vec());
        summary(1, vec![value("v", Some(metadata), Value::Tensor(clip.clone()))])
    };
    breaks(Rule::AudioType, &[clip(b"")]);
    assert!(findings(&[clip(b"\x10\x0b")]).is_empty());

    let curve = |said: u8| {
        let metadata = metadata("pr_curves", vec![0x10, said]);
        summary(1, vec![value("v", Some(metadata), Value::Tensor(floats(&[6, 4], 24)))])
    };
    let finding = breaks(Rule::PrCurve, &[curve(5)]);
    assert_eq!(finding.message, "the metadata says 5 thresholds, but the curve has 4");
    assert!(findings(&[curve(4)]).is_empty());

    let part = |part: i32, components: u32| {
        let data = pb::mesh::MeshPluginData {
            name: "m".into(),
            content_type: part,
            components,
            ..Default::default()
        };
        let metadata = metadata("mesh", data.encode_to_vec());
        value(&format!("m_{part}"), Some(metadata), Value::Tensor(floats(&[1, 2, 3], 6)))
    };
    let finding = breaks(Rule::MeshParts, &[summary(1, vec![part(1, 0), part(3, 0)])]);
    assert_eq!(finding.message, "it has no faces");
    let finding = breaks(Rule::MeshComponents, &[summary(1, vec![part(1, 2), part(2, 2)])]);
    assert_eq!(finding.message, "it does not declare its faces");
    assert!(findings(&[summary(1, vec![part(1, 10), part(3, 10)])]).is_empty());
    assert!(findings(&[summary(1, vec![part(1, 0), part(2, 0), part(3, 0)])]).is_empty());
}
