//! `tbx extract`

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tbx::pb::Summary;
use tbx::summary::{image, text};
use tbx::{Embedding, Mesh, Tensor, pb};

use super::{FILE, Folder};
use crate::common::{NAME, event, file_version, start, summary};

/// The files below a directory, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(folder).unwrap();
            files.push(path.to_str().unwrap().replace('\\', "/"));
        }
    }
    files.sort();
    files
}

/// The cells of the index, without its header.
fn index(folder: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(folder.join("index.csv")).unwrap();
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// An image that is identified by its width: a GIF without frames.
fn photo(tag: &str, id: u8) -> pb::summary::Value {
    let screen = [id, 0, 2, 0, 0, 0, 0];
    image::v1(tag, 1, 1, 3, [&b"GIF89a"[..], &screen, b"\x3b"].concat().into())
}

/// Writes a log as the run `name` in `logs`.
fn write(folder: &Folder, name: &str, log: &[Vec<u8>]) {
    let run: PathBuf = folder.path("logs").join(name).components().collect();
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join(NAME), log.concat()).unwrap();
}

#[test]
fn every_picture_clip_and_text_is_a_file_and_a_line_of_the_index() {
    let folder = Folder::with("torch/media");
    let out = folder.tbx("extract logs --out files").fine();
    assert_eq!(
        out,
        "\
KIND    FILES    SIZE  RUNS  TAGS  STEPS
image       6  1.0 kB     1     3   0..1
audio       2   248 B     1     1   0..1
text        2    20 B     1     1   0..1
mesh        2   574 B     1     1   0..1
tensor      1   144 B     1     1      0
13 files, 1.9 kB, written to files
"
    );
    let index = fs::read_to_string(folder.path("files/index.csv")).unwrap();
    assert_eq!(
        index,
        "\
file,run,tag,kind,step,wall_time,bytes,width,height,sample_rate,channels,frames,dtype,shape
batch/0.png,.,batch,image,0,1700000000.5,216,12,4,,,,,
batch/1.png,.,batch,image,1,1700000000.75,216,12,4,,,,,
chw/0.png,.,chw,image,0,1700000000.5,144,6,4,,,,,
chw/1.png,.,chw,image,1,1700000000.75,144,6,4,,,,,
hw/0.png,.,hw,image,0,1700000000.5,144,6,4,,,,,
hw/1.png,.,hw,image,1,1700000000.75,144,6,4,,,,,
mesh/0.ply,.,mesh,mesh,0,1700000000.5,287,,,,,,,3x3
mesh/1.ply,.,mesh,mesh,1,1700000000.75,287,,,,,,,3x3
note%2ftext_summary/0.md,.,note/text_summary,text,0,1700000000.5,10,,,,,,,1
note%2ftext_summary/1.md,.,note/text_summary,text,1,1700000000.75,10,,,,,,,1
tensor/0.npy,.,tensor,tensor,0,1700000001,144,,,,,,float32,4
tone/0.wav,.,tone,audio,0,1700000000.5,124,,,8000,1,40,,
tone/1.wav,.,tone,audio,1,1700000000.75,124,,,8000,1,40,,
"
    );
    let mut named: Vec<_> = self::index(&folder.path("files")).concat();
    named = named.chunks(14).map(|row| row[0].clone()).chain(["index.csv".into()]).collect();
    named.sort();
    assert_eq!(files(&folder.path("files")), named);
    let decoded = ::image::open(folder.path("files/batch/1.png")).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (12, 4));
    assert_eq!(fs::read(folder.path("files/note%2ftext_summary/0.md")).unwrap().len(), 10);
}

#[test]
fn graphs_run_metadata_and_keras_models_are_messages_and_json() {
    let folder = Folder::with("tf2/graph");
    folder.copy("keras", "logs/keras");
    folder.tbx("extract logs --out files --kind graph,run_metadata").fine();
    assert_eq!(
        files(&folder.path("files")),
        [
            "__run_graph__/0.json",
            "__run_graph__/0.pb",
            "index.csv",
            "keras%2ftrain/keras/0.json",
            "trace/0.json",
            "trace/0.pb",
        ]
    );
    let json = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(folder.path("files").join(name)).unwrap()).unwrap()
    };
    let graph = json("__run_graph__/0.json");
    let nodes = graph["nodes"].as_array().unwrap();
    assert!(nodes.iter().any(|node| node["op"] == "Mul"), "{graph}");
    let trace = json("trace/0.json");
    assert!(trace["nodes"].is_array() && trace["graphs"].is_array(), "{trace}");
    assert_eq!(json("keras%2ftrain/keras/0.json")["class_name"], "Sequential");
    let message = fs::read(folder.path("files/__run_graph__/0.pb")).unwrap();
    let message: pb::GraphDef = prost::Message::decode(&message[..]).unwrap();
    assert_eq!(message.node.len(), nodes.len());
}

const HOSTILE: [&str; 22] = [
    "../../etc/passwd",
    "..",
    ".",
    "/abs",
    "a\0b",
    "a\nb\r\nc",
    "loss",
    "LOSS",
    "Loss",
    "loss%~2",
    "con",
    "COM1.txt",
    "C:\\Windows",
    "index.csv",
    "index.csv ",
    "größe 🎉",
    "\u{1b}[31mred",
    "a,\"b\"",
    "%2f",
    "/",
    "events.out.tfevents.1",
    "projector_config.pbtxt",
];

#[test]
fn no_name_leads_out_of_the_folder_and_all_can_be_told() {
    let folder = Folder::new();
    let mut tags: Vec<String> = HOSTILE.iter().map(|tag| (*tag).to_owned()).collect();
    tags.extend(["", "é".repeat(5000).as_str(), ("é".repeat(5000) + "x").as_str()].map(Into::into));
    let values = tags.iter().zip(1..).map(|(tag, id)| photo(tag, id)).collect();
    let log = [file_version(), summary(-3, values)];
    write(&folder, ".", &log);
    write(&folder, "loss", &log);
    write(&folder, "Loss%~2/x", &log);
    folder.tbx("extract logs --out deep/files").fine();
    assert_eq!(files(&folder.path("")).len(), 3 + 3 * tags.len() + 1);
    let out = folder.path("deep/files");
    let mut seen = BTreeSet::new();
    for row in index(&out) {
        let (file, run, tag) = (&row[0], &row[1], &row[2]);
        assert!(seen.insert(file.to_lowercase()), "{file}");
        assert!(file.split('/').all(|part| !["", ".", ".."].contains(&part)), "{file}");
        let bytes = fs::read(out.join(file)).unwrap();
        let id = tags.iter().position(|other| other == tag).unwrap() + 1;
        assert_eq!(usize::from(bytes[6]), id, "{file}");
        assert_eq!((&*row[4], &*row[7], &*row[8]), ("-3", &*id.to_string(), "2"));
        assert!([".", "loss", "Loss%~2/x"].contains(&run.as_str()));
    }
    assert_eq!(seen.len(), 3 * tags.len());
    // None of the files looks like a log to TensorBoard.
    let said = folder.tbx("inspect deep").out;
    assert!(said.starts_with("deep: no event files"), "{said}");
}

#[test]
fn steps_are_chosen() {
    let folder = Folder::new();
    let point = |step| summary(step, vec![photo("a", step as u8 + 1), text::v2("note", "x")]);
    write(&folder, ".", &[file_version(), (0..20).flat_map(point).collect()]);
    let chosen = |args: &str| {
        folder.tbx(&format!("extract logs --out files --force --kind image {args}")).fine();
        let index = index(&folder.path("files"));
        index.into_iter().map(|row| row[4].clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(chosen("--step 3"), "3");
    assert_eq!(chosen("--step -5:2,18:"), "0 1 2 18 19");
    assert_eq!(chosen("--step :1 --step 7:7"), "0 1 7");
    assert_eq!(chosen("--every 8"), "0 8 16");
    assert_eq!(chosen("--last 2"), "18 19");
    assert_eq!(chosen("--step 5: --every 5 --last 2"), "10 15");
    for (args, said) in [
        ("--step 3:2", "the range ends before it begins"),
        ("--step a", "\"a\" is not a step"),
        ("--every 0", "a number of at least 1"),
        ("--kind scalar", "possible values: image"),
    ] {
        let failed = folder.tbx(&format!("extract logs --out other {args}")).failed();
        assert!(failed.contains(said), "{args}: {failed}");
    }
    let none = folder.tbx("extract logs --out other --step 100:");
    assert_eq!((none.code, none.out.as_str()), (Some(1), "nothing to extract\n"));
    assert!(!folder.path("other").exists());
}

#[test]
fn several_at_a_step_are_kept_apart() {
    let folder = Folder::new();
    let batch = image::v2("batch", 1, 1, vec!["P5 one".into(), "P5 two".into(), "P5 three".into()]);
    let log = [
        file_version(),
        summary(7, vec![photo("a", 1), photo("a", 2), batch.clone()]),
        summary(7, vec![photo("a", 3), text::v2("a", "of another kind"), batch]),
    ];
    write(&folder, "r", &log);
    folder.tbx("extract logs --out files").fine();
    let found: Vec<_> = index(&folder.path("files")).iter().map(|row| row[0].clone()).collect();
    let expected = "r/a/7.gif r/a/7~2.gif r/a/7~3.gif r/a/7~4.md r/batch/7_0.pnm r/batch/7_1.pnm \
                    r/batch/7_2.pnm r/batch/7~2_0.pnm r/batch/7~2_1.pnm r/batch/7~2_2.pnm";
    assert_eq!(found.join(" "), expected);
    let read = |name: &str| fs::read(folder.path("files").join(name)).unwrap();
    assert_eq!([1, 2, 3], ["7", "7~2", "7~3"].map(|n| read(&format!("r/a/{n}.gif"))[6]));
    assert_eq!(read("r/batch/7~2_1.pnm"), b"P5 two");
    assert_eq!(read("r/a/7~4.md"), b"of another kind");
}

#[test]
fn what_a_restart_policy_drops_is_not_extracted() {
    let folder = Folder::new();
    let point = |step: i64, id| summary(step, vec![photo("a", id)]);
    let log = [file_version(), point(1, 1), point(2, 2), point(3, 3), start(2), point(2, 4)];
    write(&folder, ".", &log);
    let done = folder.tbx("extract logs --out files");
    assert_eq!(done.code, Some(0));
    let said = "tbx: run \".\", tag \"a\": 2 points with steps 2 to 3 dropped by restart policy \
                session-start\n";
    assert_eq!(done.err, said);
    assert_eq!(files(&folder.path("files")), ["a/1.gif", "a/2.gif", "index.csv"]);
    assert_eq!(fs::read(folder.path("files/a/2.gif")).unwrap()[6], 4);
    folder.tbx("extract logs --out all --restart keep-all").fine();
    assert_eq!(files(&folder.path("all")).len(), 5);
}

#[test]
fn damage_costs_what_is_damaged() {
    let folder = Folder::new();
    // Long enough to be skipped by a load.
    let long = |id: u8| image::v1("a", 1, 1, 3, [&b"P5 "[..], &[id; 5000]].concat().into());
    let mut log = [file_version(), summary(1, vec![long(1)])].concat();
    let flipped = log.len() + 3000;
    log.extend(summary(2, vec![long(2)]));
    log.extend(summary(3, vec![long(3), image::v2("b", 1, 1, vec![])]));
    log[flipped] ^= 1;
    write(&folder, ".", &[log]);
    let done = folder.tbx("extract logs --out files");
    assert_eq!(done.code, Some(2));
    assert_eq!(files(&folder.path("files")), ["a/1.pnm", "a/3.pnm", "index.csv"]);
    let lines: Vec<_> = done.err.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("payload checksum is"), "{lines:?}");
    assert!(lines[0].contains("skipped this record"), "{lines:?}");

    let strict = folder.tbx("extract logs --out strict --strict").failed();
    assert!(strict.contains("payload checksum is"), "{strict}");
    assert_eq!(files(&folder.path("")).len(), 1 + 3, "no incomplete output");
}

#[test]
fn a_small_log_cannot_fill_the_disk() {
    let folder = Folder::new();
    let repeated = |tag: &str, kind, shape: &[i64]| {
        let mut value = text::v2(tag, &"x".repeat(1000));
        let Some(pb::summary::value::Value::Tensor(tensor)) = &mut value.value else { panic!() };
        let dim = |size: &i64| pb::tensor_shape_proto::Dim { size: *size, ..Default::default() };
        tensor.tensor_shape = Some(pb::TensorShapeProto {
            dim: shape.iter().map(dim).collect(),
            unknown_rank: false,
        });
        if let Some(plugin) = value.metadata.as_mut().and_then(|m| m.plugin_data.as_mut()) {
            plugin.plugin_name = kind;
        }
        value
    };
    let values = vec![
        repeated("text", "text".into(), &[1000, 1000]),
        repeated("tensor", "mine".into(), &[1 << 20]),
        repeated("image", "images".into(), &[1 << 20]),
        repeated("few", "text".into(), &[2, 2]),
    ];
    write(&folder, ".", &[file_version(), summary(0, values)]);
    let done = folder.tbx("extract logs --out files");
    assert_eq!(done.code, Some(2));
    assert_eq!(done.err.lines().count(), 3, "{}", done.err);
    assert!(done.err.contains("bytes would become"), "{}", done.err);
    assert_eq!(files(&folder.path("files")), ["few/0.csv", "index.csv"]);
}

#[test]
fn a_value_without_anything_is_no_file_and_no_damage() {
    let folder = Folder::new();
    let empty = pb::summary::Value { tag: "video".into(), ..Default::default() };
    write(&folder, ".", &[file_version(), summary(0, vec![empty, photo("a", 1)])]);
    folder.tbx("extract logs --out files").fine();
    assert_eq!(files(&folder.path("files")), ["a/0.gif", "index.csv"]);
    assert!(!folder.path("files/video").exists());
}

#[test]
fn what_is_there_is_not_overwritten() {
    let folder = Folder::with("torch/media");
    folder.tbx("extract logs --out files --kind text").fine();
    let said = folder.tbx("extract logs --out files").failed();
    assert_eq!(said, "tbx: files: it exists and is not empty\n");
    assert_eq!(files(&folder.path("files")).len(), 3);
    folder.tbx("extract logs --out files --kind image --force").fine();
    assert_eq!(files(&folder.path("files")).len(), 7);
    // A file of the user.
    fs::write(folder.path("files/notes.txt"), "mine").unwrap();
    let said = folder.tbx("extract logs --out files --force").failed();
    assert_eq!(said, "tbx: files: it exists, and \"notes.txt\" in it is not from an extraction\n");
    let said = folder.tbx("extract logs --out logs --force").failed();
    assert_eq!(said, "tbx: logs: it exists, but has no index.csv from an earlier extraction\n");
    assert_eq!(files(&folder.path("files")).len(), 8);
    fs::create_dir(folder.path("empty")).unwrap();
    folder.tbx("extract logs --out empty").fine();
    let names: Vec<_> = fs::read_dir(folder.path("")).unwrap().map(|e| e.unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn names_that_match_nothing_are_said_and_nothing_is_written() {
    let folder = Folder::with("torch/media");
    let said = folder.tbx("extract logs --out files --tag tine").failed();
    assert_eq!(said, "tbx: no tag matches \"tine\"; did you mean tone?\n");
    let said = folder.tbx("extract logs --out files --run other").failed();
    assert!(said.starts_with("tbx: no run matches \"other\""), "{said}");
    assert!(!folder.path("files").exists());
}

#[test]
fn several_log_folders_are_kept_apart() {
    let folder = Folder::with("torch/media");
    folder.copy("tf2/media", "more/tf2");
    folder.tbx("extract logs more --out files --kind text").fine();
    let found: Vec<_> = index(&folder.path("files")).iter().map(|row| row[1].clone()).collect();
    assert_eq!(found, ["logs", "logs", "more/tf2", "more/tf2", "more/tf2", "more/tf2"]);
    assert_eq!(files(&folder.path("files"))[1], "logs/note%2ftext_summary/0.md");
    let said = folder.tbx("extract more more/tf2 --out twice").failed();
    assert_eq!(said, "tbx: more/tf2 is given twice\n");
}

#[test]
fn json_is_one_object() {
    let folder = Folder::with("torch/media");
    let out = folder.tbx("extract logs --out files --kind audio --format json").fine();
    let expected = "{\"out\":\"files\",\"files\":2,\"bytes\":248,\"kinds\":[{\"kind\":\"audio\",\
                    \"files\":2,\"bytes\":248,\"runs\":1,\"tags\":1,\"first_step\":0,\
                    \"last_step\":1}]}\n";
    assert_eq!(out, expected);
}

#[test]
fn embeddings_are_copied_and_the_projector_finds_them() {
    let folder = Folder::new();
    let writer = folder.run("logs/run");
    let written = Embedding::new([[0.5f32, 1.0], [1.5, 2.0]]).labels(["a", "b"]);
    writer.add_embedding("words/all", &written, 3).unwrap();
    writer.add_embedding("words/all", &written, 4).unwrap();
    writer.close().unwrap();
    folder.tbx("extract logs --out files --step 4").fine();
    let expected = ["metadata.tsv", "projector_config.pbtxt", "tensors.tsv"];
    let expected = expected.map(|name| format!("run/words%2fall%3a00004/{name}"));
    let mut found = files(&folder.path("files"));
    assert_eq!(found.remove(0), "index.csv");
    assert_eq!(found, expected);
    let index = index(&folder.path("files"));
    assert!(index.iter().all(|row| row[2] == "words/all:00004" && row[4] == "4"), "{index:?}");
    // Loaded as a separate run, it is the same embedding.
    let copied = folder.path("files/run/words%2fall%3a00004");
    fs::write(copied.join(FILE), file_version()).unwrap();
    let loaded = crate::common::load(&copied, &tbx::LoadOptions::new());
    let embeddings = loaded.runs[0].embeddings().unwrap();
    assert_eq!(embeddings.len(), 1);
    assert_eq!(embeddings[0].load().unwrap(), written);
}

#[test]
fn what_a_run_is_is_extracted_as_its_json() {
    let folder = Folder::new();
    let mut value = text::v2("tbx/run_meta", "{\"name\":\"first\"}");
    let plugin = value.metadata.as_mut().and_then(|metadata| metadata.plugin_data.as_mut());
    plugin.unwrap().plugin_name = "tbx".into();
    write(&folder, ".", &[file_version(), summary(0, vec![value])]);
    folder.tbx("extract logs --out files --kind meta").fine();
    let json = fs::read(folder.path("files/tbx%2frun_meta/0.json")).unwrap();
    assert_eq!(json, b"{\"name\":\"first\"}");
}

#[test]
fn meshes_and_tensors_are_files_of_their_own_formats() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    let mesh = Mesh::new(&[[0.0f32, 0.0, 0.5], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).unwrap();
    let mesh = mesh.with_faces(&[[0, 1, 2]]).unwrap();
    writer.add_mesh("m", &mesh, 0).unwrap();
    let tensor = Tensor::new(vec![2, 3], [1i16, -2, 3, 4, 5, 6]).unwrap();
    writer.add_tensor("t", &tensor, 0).unwrap();
    let words = Tensor::from_strings(vec![3], ["a,b", "c", ""]).unwrap();
    writer.add_tensor("words", &words, 0).unwrap();
    writer.close().unwrap();
    folder.tbx("extract logs --out files").fine();
    let read = |name: &str| fs::read(folder.path("files").join(name)).unwrap();
    let ply = read("m/0.ply");
    let header = "ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\n\
                  property float y\nproperty float z\nelement face 1\n\
                  property list uchar int vertex_indices\nend_header\n";
    let (text, body) = ply.split_at(header.len());
    assert_eq!(str::from_utf8(text), Ok(header));
    assert_eq!(body[8..12], 0.5f32.to_le_bytes());
    assert_eq!(body[36..], [3, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
    let npy = read("t/0.npy");
    let header = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3,), }";
    assert_eq!(&npy[..10], b"\x93NUMPY\x01\0\x76\0");
    assert!(npy[10..128].starts_with(header.as_bytes()) && npy[127] == b'\n');
    assert_eq!(npy[128..], [1, 0, 0xfe, 0xff, 3, 0, 4, 0, 5, 0, 6, 0]);
    assert_eq!(read("words/0.csv"), b"\"a,b\"\nc\n\"\"\n");
}

#[test]
fn a_graph_that_is_none_is_said_and_the_rest_extracted() {
    let folder = Folder::new();
    let graph = pb::event::What::GraphDef(vec![0xff].into());
    let values = Summary { value: vec![photo("a", 1)] };
    let log = [file_version(), event(0, graph), event(1, pb::event::What::Summary(values))];
    write(&folder, ".", &log);
    let done = folder.tbx("extract logs --out files");
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("tag \"__run_graph__\", step 0: not a GraphDef"), "{}", done.err);
    assert_eq!(files(&folder.path("files")), ["a/1.gif", "index.csv"]);
}
