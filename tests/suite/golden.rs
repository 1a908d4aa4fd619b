//! Records with known bytes: `fixtures/golden.json` has each in hexadecimal and in protobuf's text
//! format, as printed by TensorBoard's own messages.

use prost::Message;
use protox::prost_reflect::{DynamicMessage, Kind as FieldKind, ReflectMessage, Value};
use tbx::event::{EventRef, EventWriter, encode};
use tbx::record::{append, frame};
use tbx::summary::histogram::Bucket;
use tbx::summary::{image, scalar, text};
use tbx::{
    DataClass, Graph, Histogram, Kind, LoadOptions, Moments, Node, RestartPolicy, SummaryWriter, pb,
};

use crate::common::{load, log_of, ranges, repository};
use crate::walker;

/// The wall time of all golden records.
const WALL_TIME: f64 = 1_700_000_000.5;

struct Golden {
    name: String,
    record: Vec<u8>,
    text: String,
}

impl Golden {
    fn payload(&self) -> &[u8] {
        frame(&self.record).unwrap().unwrap().verify().unwrap()
    }
}

/// All golden records, in an order in which a program could have written them.
fn golden() -> Vec<Golden> {
    let json = std::fs::read_to_string(repository("fixtures/golden.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = json["records"].as_array().unwrap().iter();
    rows.map(|row| Golden {
        name: text(row, "name"),
        record: hex(&text(row, "record")),
        text: text(row, "text"),
    })
    .collect()
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    pairs.map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

fn record_of(name: &str) -> Vec<u8> {
    golden().into_iter().find(|golden| golden.name == name).unwrap().record
}

#[test]
fn every_golden_record_parses_to_what_its_text_says() {
    let event = walker::descriptor("Event");
    for Golden { name, record, text } in golden() {
        let payload = frame(&record).unwrap().unwrap().verify().unwrap();
        let message = DynamicMessage::decode(event.clone(), payload).unwrap();
        assert_eq!(text_format(&message), text, "{name}");
        assert!(walker::agrees(payload), "{name}");
        assert_eq!(EventRef::parse(payload).unwrap().wall_time, WALL_TIME, "{name}");
    }
}

#[test]
fn every_golden_record_is_what_its_message_encodes_to() {
    for golden in golden() {
        let event = pb::Event::decode(golden.payload()).unwrap();
        let mut record = Vec::new();
        append(&mut record, |buffer| event.encode(buffer).unwrap());
        assert_eq!(record, golden.record, "{}", golden.name);
    }
}

#[test]
fn a_log_of_all_golden_records_loads_without_an_issue() {
    let log: Vec<u8> = golden().into_iter().flat_map(|golden| golden.record).collect();
    let dir = log_of(&log);
    for policy in RestartPolicy::ALL {
        let loaded = load(dir.path(), &LoadOptions::new().restart(*policy));
        assert!(loaded.report.issues.is_empty(), "{:?}", loaded.report);
        assert_eq!(loaded.runs[0].files[0].events, 23);
        let series = loaded.runs[0].series.iter();
        let found: Vec<_> = series.map(|s| (s.tag(), s.kind(), s.len())).collect();
        // The steps of `loss` are 1, 0, -1, 1, 1.
        let losses = if *policy == RestartPolicy::Rustboard { 2 } else { 5 };
        let once = if *policy == RestartPolicy::Rustboard { 1 } else { 2 };
        let expected = [
            ("__run_graph__", Kind::Graph, 1),
            ("_hparams_/experiment", Kind::Hparams, 1),
            ("_hparams_/session_end_info", Kind::Hparams, 1),
            ("_hparams_/session_start_info", Kind::Hparams, 1),
            ("a", Kind::Audio, once),
            ("custom_scalars__config__", Kind::CustomScalars, 1),
            ("h", Kind::Histogram, once),
            ("i", Kind::Image, once),
            ("loss", Kind::Scalar, losses),
            ("m_VERTEX", Kind::Mesh, 1),
            ("pr", Kind::PrCurve, 1),
            ("step1", Kind::RunMetadata, 1),
            ("t/text_summary", Kind::Text, 1),
        ];
        assert_eq!(found, expected, "{}", policy.name());
    }
}

/// The records that `write` logs, except the first, which names the program.
fn written(write: impl FnOnce(&SummaryWriter) -> tbx::Result<()>) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::options().clock(|| WALL_TIME).create(dir.path()).unwrap();
    write(&writer).unwrap();
    writer.close().unwrap();
    records(&std::fs::read(writer.path().unwrap()).unwrap())
}

/// The records of a log, except the first.
fn records(log: &[u8]) -> Vec<Vec<u8>> {
    ranges(log).into_iter().skip(1).map(|range| log[range].to_vec()).collect()
}

#[test]
fn what_the_writers_write_are_the_golden_records() {
    let log = EventWriter::new(Vec::new(), "tbx", WALL_TIME).unwrap().into_inner();
    assert_eq!(log, record_of("file_version_source"));

    let dir = tempfile::tempdir().unwrap();
    let resumed = SummaryWriter::options().clock(|| WALL_TIME).purge_step(5);
    let resumed = resumed.create(dir.path()).unwrap();
    resumed.close().unwrap();
    let log = std::fs::read(resumed.path().unwrap()).unwrap();
    // It is written twice because TensorBoard's Python loader ignores the first one of a run.
    assert_eq!(records(&log), [record_of("session_start"), record_of("session_start")]);

    let scalars = [
        ("simple_value", 1, 0.5),
        ("simple_value_step0_zero", 0, 0.0),
        ("simple_value_negative_step", -1, -1.0),
    ];
    for (name, step, value) in scalars {
        let found = written(|writer| writer.add_scalar("loss", value, step));
        assert_eq!(found, [record_of(name)], "{name}");
        let mut fast = Vec::new();
        append(&mut fast, |buffer| encode::scalar(buffer, WALL_TIME, step, "loss", value));
        assert_eq!(fast, record_of(name), "{name}");
    }

    let moments = Moments { min: 1.0, max: 2.0, num: 2.0, sum: 3.0, sum_squares: 5.0 };
    let histogram = |writer: &SummaryWriter| {
        writer.add_histogram_raw("h", moments, &[1.0, 2.0], &[0.0, 2.0], 1)
    };
    assert_eq!(written(histogram), [record_of("histogram_v1")]);

    let nodes = [Node::new("a", "Const"), Node::new("b", "Neg").input("a")];
    let graph = nodes.into_iter().fold(Graph::new(), Graph::node);
    assert_eq!(written(|writer| writer.add_graph(&graph)), [record_of("graph_def")]);
}

/// The golden records have a data class, which tbx leaves out like TensorBoard's plugins, and
/// their text is PyTorch's list with one element.
#[test]
fn what_the_kinds_make_are_the_golden_records_but_for_the_data_class() {
    let histogram = Histogram::new([Bucket::new(0.0, 1.0, 2.0), Bucket::new(1.0, 2.0, 3.0)]);
    let png = || b"\x89PNG".to_vec().into();
    let mut list = text::v2("t/text_summary", "hi");
    if let Some(pb::summary::value::Value::Tensor(tensor)) = &mut list.value {
        let dim = pb::tensor_shape_proto::Dim { size: 1, ..Default::default() };
        tensor.tensor_shape.as_mut().unwrap().dim.push(dim);
    }
    let values = [
        ("image_v1", image::v1("i", 3, 2, 3, png()), None),
        ("image_v2", image::v2("i", 3, 2, vec![png()]), Some(DataClass::BlobSequence)),
        ("text", list, Some(DataClass::Tensor)),
        ("scalar_dataclass", scalar::v2("loss", 0.5), Some(DataClass::Scalar)),
        ("histogram_v2", histogram.to_v2("h"), Some(DataClass::Tensor)),
    ];
    for (name, mut value, class) in values {
        if let Some(metadata) = &mut value.metadata {
            metadata.data_class = match class {
                Some(DataClass::Scalar) => pb::DataClass::Scalar.into(),
                Some(DataClass::Tensor) => pb::DataClass::Tensor.into(),
                Some(DataClass::BlobSequence) => pb::DataClass::BlobSequence.into(),
                None => 0,
            };
        }
        let mut record = Vec::new();
        append(&mut record, |buffer| {
            encode::summary(buffer, WALL_TIME, 1, &value);
        });
        assert_eq!(record, record_of(name), "{name}");
    }
}

/// A message on one line, as Python prints it.
fn text_format(message: &DynamicMessage) -> String {
    let mut parts = Vec::new();
    for (field, value) in message.fields() {
        let values = value.as_list().unwrap_or(std::slice::from_ref(value));
        parts.extend(values.iter().map(|value| match value {
            Value::Message(inner) if inner.fields().next().is_none() => {
                format!("{} {{ }}", field.name())
            }
            Value::Message(inner) => format!("{} {{ {} }}", field.name(), text_format(inner)),
            Value::EnumNumber(number) => {
                let FieldKind::Enum(declared) = field.kind() else { panic!("{field:?}") };
                format!("{}: {}", field.name(), declared.get_value(*number).unwrap().name())
            }
            Value::String(text) => format!("{}: {}", field.name(), quoted(text.as_bytes())),
            Value::Bytes(bytes) => format!("{}: {}", field.name(), quoted(bytes)),
            Value::F32(value) => format!("{}: {value:?}", field.name()),
            Value::F64(value) => format!("{}: {value:?}", field.name()),
            Value::I32(value) => format!("{}: {value}", field.name()),
            Value::I64(value) => format!("{}: {value}", field.name()),
            other => panic!("{} has {other:?}", message.descriptor().name()),
        }));
    }
    parts.join(" ")
}

fn quoted(bytes: &[u8]) -> String {
    let escaped = bytes.iter().map(|byte| match byte {
        b'\n' => "\\n".into(),
        b'\r' => "\\r".into(),
        b'\t' => "\\t".into(),
        b'"' | b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).into(),
        _ => format!("\\{byte:03o}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
