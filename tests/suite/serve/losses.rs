//! Stock TensorBoard drops points of these logs, or shows wrong values. `tbx serve`, and stock TensorBoard with tbx as its
//! data server, show all of them as they are.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use prost::Message;
use serde_json::Value;
use tbx::pb;
use tbx::pb::DataType::{self, DtBfloat16, DtDouble, DtInt32, DtInt64};
use tempfile::TempDir;

use super::client::Serve;
use super::stock::{compare, python, webfiles};
use crate::common::{NAME, file_version, ranges, record, scalar, summary};

const TAG: &str = "loss";

/// A step and a value.
type Point = (i64, f64);

fn points(serve: &Serve, run: &str) -> Vec<Point> {
    let answer = serve.get(&format!("/data/plugin/scalars/scalars?run={run}&tag={TAG}"));
    let points: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let points = points.as_array().cloned().unwrap_or_default();
    points.iter().map(|p| (p[1].as_i64().unwrap(), p[2].as_f64().unwrap())).collect()
}

/// Asks until the answer is the expected one.
fn until(serve: &Serve, run: &str, expected: &[Point]) {
    let end = Instant::now() + Duration::from_secs(60);
    while points(serve, run) != expected {
        assert!(Instant::now() < end, "{run}: {:?}", points(serve, run));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn line(steps: std::ops::Range<i64>) -> Vec<Point> {
    steps.map(|step| (step, step as f64)).collect()
}

fn records(points: &[Point]) -> Vec<u8> {
    let records = points.iter().map(|(step, value)| scalar(TAG, *step, *value as f32));
    std::iter::once(file_version()).chain(records).flatten().collect()
}

/// A scalar in the form of TensorFlow 2.
fn typed(step: i64, dtype: DataType) -> Vec<u8> {
    let mut tensor = pb::TensorProto { dtype: dtype.into(), ..Default::default() };
    match dtype {
        DtDouble => tensor.double_val.push(step as f64),
        DtInt32 => tensor.int_val.push(step as i32),
        DtInt64 => tensor.int64_val.push(step),
        _ => tensor.half_val.push((step as f32).to_bits() as i32 >> 16),
    }
    tensor.tensor_shape = Some(pb::TensorShapeProto::default());
    let plugin =
        pb::summary_metadata::PluginData { plugin_name: "scalars".into(), ..Default::default() };
    let metadata = pb::SummaryMetadata {
        plugin_data: Some(plugin),
        data_class: pb::DataClass::Scalar.into(),
        ..Default::default()
    };
    let value = pb::summary::Value {
        tag: TAG.into(),
        metadata: Some(metadata),
        value: Some(pb::summary::value::Value::Tensor(tensor)),
        ..Default::default()
    };
    summary(step, vec![value])
}

/// A log whose record `number` has a wrong byte, `at` bytes after its start.
fn damaged(points: &[Point], number: usize, at: usize) -> Vec<u8> {
    let mut log = records(points);
    let place = ranges(&log)[number].start + at;
    log[place] ^= 0x40;
    log
}

/// A log with a wall time that is not a number.
fn odd_wall_time() -> Vec<u8> {
    let mut log = records(&line(0..5));
    let value = Some(pb::summary::value::Value::SimpleValue(5.0));
    let value = pb::summary::Value { tag: TAG.into(), value, ..Default::default() };
    let what = pb::event::What::Summary(pb::Summary { value: vec![value] });
    let odd = pb::Event { wall_time: f64::NAN, step: 5, what: Some(what), ..Default::default() };
    log.extend(record(&odd.encode_to_vec()));
    log.extend(records(&line(6..12)));
    log
}

/// The names of the runs, their logs, and the points to show.
fn cases() -> Vec<(&'static str, Vec<u8>, Vec<Point>)> {
    let joined = |parts: [Vec<Point>; 2]| parts.concat();
    let same_step = |count: i64, per_step: i64| -> Vec<Point> {
        (0..count).map(|i| (i / per_step, i as f64)).collect()
    };
    let simple = |name, points: Vec<Point>| (name, records(&points), points);
    let of_type = |name, dtype| {
        let log = (0..10).flat_map(|step| typed(step, dtype)).collect();
        (name, log, line(0..10))
    };
    let without = |lost: i64| line(0..100).into_iter().filter(|point| point.0 != lost).collect();
    vec![
        of_type("f64", DtDouble),
        of_type("i64", DtInt64),
        of_type("i32", DtInt32),
        of_type("bf16", DtBfloat16),
        ("nan_wall_time", odd_wall_time(), line(0..12)),
        simple("late_step_0", joined([line(0..500), vec![(0, 9.0)]])),
        simple("no_steps", same_step(100, 100)),
        simple("four_per_step", same_step(400, 4)),
        simple("restart_without_mark", joined([line(0..400), line(300..500)])),
        // At 8 is the checksum of the length; at 36 is the value. What follows is read on.
        ("flipped_value", damaged(&line(0..100), 51, 36), without(50)),
        ("damaged_header", damaged(&line(0..100), 51, 8), without(50)),
    ]
}

fn write(dir: &Path, run: &str, log: &[u8]) -> PathBuf {
    fs::create_dir_all(dir.join(run)).unwrap();
    let path = dir.join(run).join(NAME);
    fs::write(&path, log).unwrap();
    path
}

fn logs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, log, _) in cases() {
        write(dir.path(), name, &log);
    }
    dir
}

#[test]
fn no_point_is_lost_and_no_wrong_one_is_shown() {
    let dir = logs();
    let serve = Serve::start(dir.path(), &[]);
    for (name, _, expected) in cases() {
        until(&serve, name, &expected);
    }
}

#[test]
fn stock_tensorboard_with_tbx_loses_no_point_either() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: points that stock TensorBoard with tbx shows: {reason}");
            return;
        }
    };
    let dir = logs();
    let serve = Serve::start_with_page(dir.path(), &["--webfiles", &webfiles(&python)]);
    for (name, _, expected) in cases() {
        until(&serve, name, &expected);
    }
    compare(&python, dir.path(), &serve, Some(env!("CARGO_BIN_EXE_tbx")));
}

#[test]
fn each_spike_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<Point> =
        (0..100_000).map(|i| (i, if i % 1000 == 77 { 1e6 } else { 0.5 })).collect();
    write(dir.path(), "run", &records(&all));
    let spikes = |serve: &Serve| {
        let shown = points(serve, "run");
        (shown.len(), shown.iter().filter(|point| point.1 == 1e6).count())
    };
    let complete = |serve: &Serve| {
        let end = Instant::now() + Duration::from_secs(60);
        while points(serve, "run").last() != all.last() {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let serve = Serve::start(dir.path(), &[]);
    complete(&serve);
    let (shown, found) = spikes(&serve);
    assert!(shown <= 1000 && found == 100, "{found} spikes in {shown} points");
    drop(serve);
    let serve = Serve::start(dir.path(), &["--samples", "scalars=0"]);
    complete(&serve);
    assert_eq!(spikes(&serve), (100_000, 100));
}

#[test]
fn a_file_that_changes_shows_what_it_has_now() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (old, new): (Vec<Point>, Vec<Point>) =
        (line(0..50), line(0..100).iter().map(|point| (point.0, 7.0)).collect());
    let runs = ["renamed", "longer", "shorter", "torn"];
    for run in runs {
        write(dir.path(), run, &records(&old));
    }
    let serve = Serve::start(dir.path(), &[]);
    for run in runs {
        until(&serve, run, &old);
    }
    // rsync writes another file and renames it.
    let copy = write(elsewhere.path(), "copy", &records(&new));
    let beside = dir.path().join("renamed").join(".copy");
    fs::copy(copy, &beside).unwrap();
    fs::rename(&beside, dir.path().join("renamed").join(NAME)).unwrap();
    until(&serve, "renamed", &new);
    // Another log in the same file, longer and shorter.
    for (run, log) in [("longer", &new[..]), ("shorter", &new[..20])] {
        let path = dir.path().join(run).join(NAME);
        File::create(&path).unwrap().write_all(&records(log)).unwrap();
        until(&serve, run, log);
    }
    // The end of a record comes later.
    let end = scalar(TAG, 50, 50.0);
    let path = dir.path().join("torn").join(NAME);
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(&end[..10]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(points(&serve, "torn"), old);
    file.write_all(&end[10..]).unwrap();
    until(&serve, "torn", &line(0..51));
    // A renamed run, and one behind a link.
    fs::rename(dir.path().join("torn"), dir.path().join("other")).unwrap();
    until(&serve, "other", &line(0..51));
    until(&serve, "torn", &[]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(elsewhere.path().join("copy"), dir.path().join("link")).unwrap();
        until(&serve, "link", &new);
    }
}
