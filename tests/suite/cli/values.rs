//! Unreadable values: every command that reads them reports them, with the same message.

use std::fs;

use prost::Message;
use serde_json::Value as Json;
use tbx::pb::{self, DataType, summary::value::Value};
use tbx::summary::{Kind, Metadata};

use super::{FILE, Folder};
use crate::common::{event, file_version, scalar, summary};

/// Treatment of a damaged value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// The value is left out.
    Skipped,
    /// The value is output unchanged.
    Kept,
}
use Fate::{Kept, Skipped};

/// A damaged value: its kind, its event, its treatment and the message.
struct Row {
    kind: Kind,
    event: Vec<u8>,
    fate: Fate,
    said: &'static str,
}

fn tensor(dtype: DataType, dims: &[i64]) -> pb::TensorProto {
    let dim = |size: &i64| pb::tensor_shape_proto::Dim { size: *size, ..Default::default() };
    let shape = pb::TensorShapeProto { dim: dims.iter().map(dim).collect(), ..Default::default() };
    pb::TensorProto { dtype: dtype.into(), tensor_shape: Some(shape), ..Default::default() }
}

fn floats(dims: &[i64], n: usize) -> pb::TensorProto {
    pb::TensorProto { float_val: vec![0.5; n], ..tensor(DataType::DtFloat, dims) }
}

fn content(dims: &[i64], bytes: usize) -> pb::TensorProto {
    pb::TensorProto { tensor_content: vec![1; bytes].into(), ..tensor(DataType::DtFloat, dims) }
}

fn strings(dims: &[i64], strings: &[impl AsRef<[u8]>]) -> pb::TensorProto {
    let string_val = strings.iter().map(|string| string.as_ref().to_vec().into()).collect();
    pb::TensorProto { string_val, ..tensor(DataType::DtString, dims) }
}

fn v1(value: Value) -> Vec<u8> {
    let value = Some(value);
    summary(3, vec![pb::summary::Value { tag: "v".into(), value, ..Default::default() }])
}

fn v2(kind: Kind, content: &[u8], tensor: pb::TensorProto) -> Vec<u8> {
    let mut metadata = Metadata::new(kind);
    metadata.content = content.to_vec().into();
    let metadata = Some(metadata.to_message());
    let value = Some(Value::Tensor(tensor));
    summary(3, vec![pb::summary::Value { tag: "v".into(), metadata, value, ..Default::default() }])
}

fn histo(limits: usize, counts: usize) -> Vec<u8> {
    v1(Value::Histo(pb::HistogramProto {
        bucket_limit: vec![1.0; limits],
        bucket: vec![1.0; counts],
        ..Default::default()
    }))
}

fn image(encoded: &[u8]) -> Vec<u8> {
    let encoded = encoded.to_vec().into();
    v1(Value::Image(pb::summary::Image { encoded_image_string: encoded, ..Default::default() }))
}

fn clip(encoded: &[u8]) -> Vec<u8> {
    let encoded = encoded.to_vec().into();
    v1(Value::Audio(pb::summary::Audio { encoded_audio_string: encoded, ..Default::default() }))
}

fn rows() -> Vec<Row> {
    let row = |kind, event, fate, said| Row { kind, event, fate, said };
    let wav = tbx::Clip::mono(&[0.5f32, -0.5], 8000).unwrap().to_wav();
    let plain = |kind, tensor| v2(kind, b"", tensor);
    let vertices = pb::mesh::MeshPluginData { content_type: 1, ..Default::default() };
    let mesh = |tensor| v2(Kind::Mesh, &vertices.encode_to_vec(), tensor);
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\0\0\0\0\xb8\x1f9\xc6";
    vec![
        row(Kind::Histogram, histo(4, 3), Skipped, "4 limits for 3 buckets"),
        row(Kind::Histogram, histo(3, 4), Skipped, "3 limits for 4 buckets"),
        row(
            Kind::Histogram,
            plain(Kind::Histogram, floats(&[2, 2], 4)),
            Skipped,
            "a histogram should be [k, 3]",
        ),
        row(
            Kind::Histogram,
            plain(Kind::Histogram, floats(&[2, 3], 4)),
            Skipped,
            "4 elements in a tensor of 6",
        ),
        row(
            Kind::Histogram,
            plain(Kind::Histogram, content(&[2, 3], 20)),
            Skipped,
            "20 bytes for DT_FLOAT of [2, 3]",
        ),
        row(
            Kind::Histogram,
            plain(Kind::Histogram, strings(&[3], &[b"a"; 3])),
            Skipped,
            "a histogram should be [k, 3]",
        ),
        row(
            Kind::PrCurve,
            plain(Kind::PrCurve, floats(&[5, 4], 20)),
            Skipped,
            "a PR curve should be [6, n]",
        ),
        row(
            Kind::PrCurve,
            plain(Kind::PrCurve, floats(&[6, 4], 20)),
            Skipped,
            "20 elements in a tensor of 24",
        ),
        row(
            Kind::PrCurve,
            plain(Kind::PrCurve, content(&[6, 4], 90)),
            Skipped,
            "90 bytes for DT_FLOAT of [6, 4]",
        ),
        row(
            Kind::Text,
            plain(Kind::Text, floats(&[], 1)),
            Skipped,
            "a tensor of DT_FLOAT instead of strings",
        ),
        row(
            Kind::Text,
            plain(Kind::Text, strings(&[3], &[b"a"; 2])),
            Skipped,
            "2 strings in a shape of 3",
        ),
        row(
            Kind::Text,
            plain(Kind::Text, strings(&[], &[b"caf\xe9"])),
            Kept,
            "a text that is not UTF-8",
        ),
        row(
            Kind::Image,
            plain(Kind::Image, floats(&[3], 3)),
            Skipped,
            "a tensor of DT_FLOAT instead of strings",
        ),
        row(
            Kind::Image,
            plain(Kind::Image, strings(&[1], &[b"7"])),
            Skipped,
            "an image of 1 strings",
        ),
        row(
            Kind::Image,
            plain(Kind::Image, strings(&[3], &[&b"x"[..], b"7", png])),
            Skipped,
            "an image with size \"x\"",
        ),
        row(
            Kind::Image,
            plain(Kind::Image, strings(&[3], &[&b"3"[..], b"2", png])),
            Kept,
            "a PNG file that ends at byte 33",
        ),
        row(Kind::Image, image(png), Kept, "a PNG file that ends at byte 33"),
        row(Kind::Image, image(&png[1..]), Kept, "unknown data, not an image"),
        row(Kind::Image, image(b""), Kept, "an image of no bytes"),
        row(Kind::Image, image(b"GIF89a\x03\0\x02\0"), Kept, "a GIF file that ends at byte 10"),
        row(Kind::Image, image(b"\xff\xd8\xff\xe0\0\x04ab"), Kept, "a JPEG without a size"),
        row(
            Kind::Audio,
            plain(Kind::Audio, floats(&[1, 2], 2)),
            Skipped,
            "a tensor of DT_FLOAT instead of strings",
        ),
        row(
            Kind::Audio,
            plain(Kind::Audio, strings(&[2, 2], &[&*wav; 3])),
            Skipped,
            "3 strings in a shape of 4",
        ),
        row(Kind::Audio, clip(&wav[..46]), Kept, "a WAV file of 4 bytes of samples with 2 in it"),
        row(Kind::Audio, clip(&wav[1..]), Kept, "unknown data, not a clip"),
        row(Kind::Audio, clip(b""), Kept, "an empty clip"),
        row(Kind::Mesh, mesh(floats(&[4, 3], 12)), Skipped, "a mesh should be [batch, n, 3]"),
        row(Kind::Mesh, mesh(floats(&[1, 4, 3], 5)), Skipped, "5 elements in a tensor of 12"),
        row(
            Kind::Mesh,
            v2(Kind::Mesh, &[0xff; 3], floats(&[1, 4, 3], 12)),
            Skipped,
            "not a mesh's metadata",
        ),
        row(
            Kind::Hparams,
            v2(Kind::Hparams, &[0xff; 3], floats(&[0], 0)),
            Skipped,
            "not a record of hyperparameters",
        ),
        row(
            Kind::Hparams,
            v2(Kind::Hparams, b"", floats(&[0], 0)),
            Skipped,
            "hyperparameters without a record",
        ),
        row(
            Kind::CustomScalars,
            plain(Kind::CustomScalars, floats(&[], 1)),
            Skipped,
            "a tensor of DT_FLOAT instead of strings",
        ),
        row(
            Kind::CustomScalars,
            plain(Kind::CustomScalars, strings(&[], &[b"\xff"])),
            Skipped,
            "not a layout of charts",
        ),
        row(
            Kind::Graph,
            event(3, pb::event::What::GraphDef(vec![0x0a, 9].into())),
            Skipped,
            "not a GraphDef",
        ),
        row(Kind::Meta, plain(Kind::Meta, strings(&[], &[b"{"])), Skipped, ""),
        row(
            Kind::Tensor,
            v2(Kind::Tensor, b"", content(&[3], 7)),
            Skipped,
            "7 bytes for DT_FLOAT of [3]",
        ),
        row(
            Kind::Tensor,
            v2(Kind::Tensor, b"", floats(&[2], 3)),
            Skipped,
            "3 elements for DT_FLOAT of [2]",
        ),
        row(
            Kind::Scalar,
            v2(Kind::Scalar, b"", floats(&[2], 2)),
            Skipped,
            "a scalar should be one number",
        ),
    ]
}

/// The commands that read values of a kind.
fn commands(kind: Kind) -> Vec<&'static str> {
    let own: &[&str] = match kind {
        Kind::Histogram => &["export logs --to csv --out - --table histograms"],
        Kind::PrCurve => &["export logs --to csv --out - --table pr_curves"],
        Kind::Text => &["export logs --to csv --out - --table texts", "extract logs --out files"],
        Kind::Image => &["export logs --to csv --out - --table images", "extract logs --out files"],
        Kind::Audio => &["export logs --to csv --out - --table audio", "extract logs --out files"],
        Kind::Hparams => &["export logs --to csv --out - --table hparams", "table logs"],
        Kind::Meta => &["export logs --to csv --out - --table meta", "table logs"],
        Kind::Scalar => &["export logs --to csv --out -", "table logs", "plot logs --out x.svg"],
        Kind::Mesh | Kind::Graph | Kind::Tensor => &["extract logs --out files"],
        _ => &[],
    };
    ["inspect logs"].iter().chain(own).copied().collect()
}

#[test]
fn every_command_says_what_it_could_not_read_of_a_value() {
    let first = [file_version(), scalar("loss", 1, 0.5)].concat();
    for (i, Row { kind, event, fate, said }) in rows().into_iter().enumerate() {
        let folder = Folder::new();
        fs::create_dir_all(folder.path("logs/run")).unwrap();
        fs::write(folder.path("logs/run").join(FILE), [&first[..], &event].concat()).unwrap();
        let place = format!("logs/run/{FILE} at byte {}, tag ", first.len());
        for args in commands(kind) {
            let what = format!("row {i}, {kind}, {args}");
            let done = folder.tbx(args);
            let all = format!("{}{}", done.out, done.err);
            assert_eq!(done.code, Some(2), "{what}: {all}");
            let line = all.lines().find(|line| line.contains(&place));
            let line = line.unwrap_or_else(|| panic!("{what}: {all}"));
            assert!(line.contains(", step 3: ") && line.contains(said), "{what}: {line}");
            let end = if fate == Kept { "; kept as it is" } else { "; skipped this value" };
            assert!(line.ends_with(end), "{what}: {line}");
            assert_eq!(all.matches(&place).count(), 1, "{what}: {all}");
            if args.contains("--table") && kind != Kind::Hparams && kind != Kind::Meta {
                let rows = done.out.lines().skip(1).count();
                assert_eq!(rows > 0, fate == Kept, "{what}: {}", done.out);
            }
        }
        let verified = folder.tbx("verify logs --format json");
        assert_eq!(verified.code, Some(1), "row {i}, {kind}");
        let found = verified.out.lines().map(|line| serde_json::from_str(line).unwrap());
        let errors: Vec<Json> = found.filter(|found: &Json| found["severity"] == "error").collect();
        let [error] = errors.as_slice() else { panic!("row {i}, {kind}: {errors:?}") };
        assert_eq!((&error["offset"], &error["step"]), (&first.len().into(), &3.into()));
        assert!(error["message"].as_str().unwrap().contains(said), "row {i}, {kind}: {error}");
    }
}

/// Readable values are not losses, even if TensorBoard does not show them.
#[test]
fn what_can_be_read_is_no_loss() {
    for (kind, tensor) in [
        (Kind::Image, strings(&[2], &[b"3", b"2"])),
        (Kind::Tensor, floats(&[4], 2)),
        (Kind::Histogram, floats(&[0, 3], 0)),
        (Kind::Histogram, floats(&[2, 3], 1)),
    ] {
        let folder = Folder::new();
        fs::create_dir(folder.path("logs")).unwrap();
        let log = [file_version(), v2(kind, b"", tensor)].concat();
        fs::write(folder.path("logs").join(FILE), log).unwrap();
        folder.tbx("inspect logs").fine();
        let verified = folder.tbx("verify logs --format json").out;
        assert!(!verified.contains("\"error\""), "{verified}");
    }
}

/// Without checksums, values are not read.
#[test]
fn an_inspection_without_checksums_checks_no_values() {
    let folder = Folder::new();
    fs::create_dir(folder.path("logs")).unwrap();
    let log = [file_version(), histo(4, 3)].concat();
    fs::write(folder.path("logs").join(FILE), log).unwrap();
    folder.tbx("inspect logs --no-checksum").fine();
    // Values of kinds that are not selected are not checked.
    folder.tbx("inspect logs --kind scalar").fine();
    folder.tbx("export logs --to csv --out - --table scalars");
}
