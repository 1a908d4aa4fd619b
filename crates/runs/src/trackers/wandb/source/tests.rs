//! Files of the real package, compared with what its own descriptors say of them.
//!
//! The files are not part of the repository: `TBX_TRACKERS` is the path of a directory with one directory per tracker.
//! Next to each directory of a run is an oracle: all records, merged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::history::TYPE;
use super::{Files, json};
use crate::trackers::source::{Content, Points, Series, Source, SourceOptions, SourceRun};
use tbx::error::Report;
use tbx::meta::{Param, Status};
use tbx::store::Links;

/// Keys that say where a row is.
const PLACES: [&str; 3] = ["_step", "_timestamp", "_runtime"];

/// The files, if they are there.
fn golden() -> Option<PathBuf> {
    crate::trackers::opened::recorded("wandb")
}

pub(super) fn options() -> SourceOptions {
    SourceOptions {
        connections: 1,
        links: Links::Inside,
        follow_local_paths: false,
        step: None,
        time: None,
        draw_boxes: false,
    }
}

/// The content of the only run at a path.
pub(super) fn content(path: &Path, options: &SourceOptions) -> (SourceRun, Content, Report) {
    let mut report = Report::default();
    let source = Files::open(path, options).unwrap();
    let experiments = source.experiments(&mut report).unwrap();
    assert_eq!(experiments.len(), 1, "{experiments:?}");
    let mut runs = source.runs(&experiments[0], &mut report).unwrap().runs;
    assert_eq!(runs.len(), 1, "{runs:?}");
    let content = source.content(&runs[0], true, &mut report).unwrap();
    (runs.remove(0), content, report)
}

/// Directories of runs, each with its oracle.
fn cases(golden: &Path) -> Vec<(PathBuf, Value)> {
    let mut cases = Vec::new();
    for folder in fs::read_dir(golden).unwrap().flatten() {
        for run in fs::read_dir(folder.path()).unwrap().flatten().filter(|run| run.path().is_dir())
        {
            let oracle = run.path().with_extension("oracle.json");
            let by_hand = folder.path().join("full.oracle.json");
            let oracle = if oracle.exists() { oracle } else { by_hand };
            if let Ok(text) = fs::read_to_string(&oracle) {
                cases.push((run.path(), json::parse(&text).unwrap()));
            }
        }
    }
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases
}

/// Scalars by tag, as text, since NaN is not equal to itself.
type Scalars = BTreeMap<String, Vec<String>>;

fn point(step: i64, time: f64, value: f64) -> String {
    format!("{step} {time:?} {value:?}")
}

fn found_scalars(series: &[Series]) -> Scalars {
    let mut found = Scalars::new();
    for one in series {
        if let Points::Scalars(points) = &one.points {
            let points = points.iter().map(|at| point(at.step, at.wall_time, at.value));
            found.insert(one.tag.clone(), points.collect());
        }
    }
    found
}

/// Each value of a row that is no object, or an object with a type.
fn walk(path: &str, value: &Value, each: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(object) if !object.contains_key(TYPE) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, value, each);
            }
        }
        value => each(path, value),
    }
}

/// The x axis that the definitions give a metric.
fn axis<'o>(oracle: &'o Value, tag: &str) -> Option<&'o str> {
    let metrics = oracle["metrics"].as_array().unwrap();
    let exact = metrics.iter().find(|metric| metric["name"] == tag);
    let of_pattern = |metric: &&Value| {
        let start = metric["glob_name"].as_str().and_then(|glob| glob.strip_suffix('*'));
        start.is_some_and(|start| tag.starts_with(start))
    };
    let metric = exact.or_else(|| metrics.iter().find(of_pattern))?;
    metric["step_metric"].as_str()
}

/// The expected values: scalars by tag, and the kinds of other values by tag.
fn expected(oracle: &Value) -> (Scalars, BTreeMap<String, BTreeSet<String>>) {
    let (mut scalars, mut others) = (Scalars::new(), BTreeMap::<_, BTreeSet<String>>::new());
    // The last row with each key: rows without the x axis have its last value.
    let mut last = Map::new();
    for row in oracle["history"].as_array().unwrap() {
        last.extend(row["row"].as_object().unwrap().clone());
        let time = json::number(&row["row"]["_timestamp"]).unwrap();
        walk("", &row["row"], &mut |tag, value| {
            let number = match value {
                Value::Bool(value) => Some(f64::from(u8::from(*value))),
                value => json::number(value),
            };
            match (number, value) {
                (Some(number), _) if !PLACES.contains(&tag) => {
                    let step = axis(oracle, tag).map_or(&row["row"]["_step"], |axis| &last[axis]);
                    let step = json::number(step).unwrap() as i64;
                    scalars.entry(tag.to_owned()).or_default().push(point(step, time, number));
                }
                (Some(_), _) | (None, Value::Null) => {}
                (None, value) => {
                    let kind = value[TYPE].as_str().unwrap_or("text");
                    others.entry(tag.to_owned()).or_default().insert(kind.to_owned());
                }
            }
        });
    }
    for (index, stats) in (0..).zip(oracle["stats"].as_array().unwrap()) {
        let time: jiff::Timestamp = stats["t"].as_str().unwrap().parse().unwrap();
        // In two steps, as the record has seconds and nanoseconds.
        let time = time.as_second() as f64 + f64::from(time.subsec_nanosecond()) / 1e9;
        for (key, value) in stats.as_object().unwrap().iter().filter(|(key, _)| *key != "t") {
            let value = json::number(value).unwrap();
            scalars.entry(format!("system/{key}")).or_default().push(point(index, time, value));
        }
    }
    (scalars, others)
}

/// Names, values and times of all series.
#[test]
fn every_value_of_the_history_is_read() {
    let Some(golden) = golden() else { return };
    let (mut runs, mut points) = (0, 0);
    for (path, oracle) in cases(&golden) {
        let (_, content, report) = content(&path, &options());
        let (scalars, others) = expected(&oracle);
        let found = found_scalars(&content.series);
        let names = |scalars: &Scalars| scalars.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&scalars), "{}", path.display());
        for (tag, expected) in &scalars {
            assert_eq!(&found[tag], expected, "{}: {tag}", path.display());
            points += expected.len();
        }
        for (tag, kinds) in others {
            let has = |tag: &str| {
                content
                    .series
                    .iter()
                    .any(|series| series.tag == tag && !matches!(series.points, Points::Scalars(_)))
            };
            assert!(has(&tag), "{}: {tag}, {kinds:?}", path.display());
        }
        assert!(report.issues.iter().all(|issue| !issue.effect.is_loss()), "{:?}", report.issues);
        runs += 1;
    }
    eprintln!("{runs} runs, {points} points");
    assert!(runs >= 20 && points > 1900, "{runs} runs, {points} points");
}

/// Parameters of the configuration, as the oracle has them.
fn params(value: &Value) -> BTreeMap<String, Param> {
    fn add(path: &str, value: &Value, params: &mut BTreeMap<String, Param>) {
        if let Some(object) =
            value.as_object().filter(|object| !object.is_empty() || path.is_empty())
        {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}/{key}") };
                add(&path, value, params);
            }
            return;
        }
        let param = match value {
            Value::Bool(value) => Param::Bool(*value),
            Value::Number(number) if number.is_i64() => Param::Int(number.as_i64().unwrap()),
            value if json::number(value).is_some() => Param::Number(json::number(value).unwrap()),
            Value::String(text) => Param::Text(text.clone()),
            other => Param::Text(json::to_text(other)),
        };
        params.insert(path.to_owned(), param);
    }
    let mut params = BTreeMap::new();
    add("", value, &mut params);
    params
}

/// The facts of the run.
#[test]
fn every_fact_of_the_run_is_read() {
    let Some(golden) = golden() else { return };
    for (path, oracle) in cases(&golden) {
        let (listed, content, _) = content(&path, &options());
        let meta = &content.meta;
        let at = path.display();
        let run = oracle["runs"].as_array().unwrap().last().unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let id = run["run_id"].as_str().unwrap();
        assert_eq!(listed.id.rsplit('/').next(), Some(id), "{at}");
        assert_eq!(meta.other["wandb"]["run_id"], listed.id.as_str(), "{at}");
        let name = text(&run["display_name"]).or_else(|| text(&run["run_id"]));
        assert_eq!((meta.name.clone(), Some(listed.name)), (name.clone(), name), "{at}");
        let project = text(&run["project"]).unwrap_or("uncategorized".into());
        assert_eq!(meta.experiment, Some(project), "{at}");
        assert_eq!(meta.description, text(&run["notes"]), "{at}");
        for (key, field) in [
            ("wandb.group", "run_group"),
            ("wandb.job_type", "job_type"),
            ("wandb.sweep", "sweep_id"),
        ] {
            assert_eq!(meta.tags.get(key).cloned(), text(&run[field]), "{at}: {field}");
        }
        let tags = run["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        let tags: BTreeSet<_> = tags.iter().filter_map(text).collect();
        assert_eq!(meta.labels, tags, "{at}");
        let start: jiff::Timestamp = run["start_time"].as_str().unwrap().parse().unwrap();
        let start = start.as_nanosecond() as f64 / 1e9;
        assert!((meta.start_time.unwrap() - start).abs() < 1e-6, "{at}");
        let code = oracle["exit"]["exit_code"].as_i64().unwrap_or(0);
        let status = match oracle.get("exit").is_some_and(Value::is_object) {
            true if code == 0 => Some(Status::Finished),
            true => Some(Status::Failed),
            false => {
                meta.status.filter(|status| matches!(status, Status::Running | Status::Killed))
            }
        };
        assert!(status.is_some() && meta.status == status, "{at}: {:?}", meta.status);
        assert_eq!(meta.params, params(&oracle["config"]), "{at}");
        let environment = &oracle["environment"];
        let known = meta.environment.clone().unwrap_or_default();
        for (found, field) in [(known.host, "host"), (known.os, "os"), (known.user, "username")] {
            if let Some(expected) = environment.get(field) {
                assert_eq!(found, text(expected), "{at}: {field}");
            }
        }
        let git = meta.git.clone().unwrap_or_default();
        assert_eq!(git.commit, text(&run["git"]["commit"]), "{at}");
        // Numbers of the summary.
        walk("", &oracle["summary"], &mut |name, value| {
            let is_own = PLACES.contains(&name) || name.starts_with("_wandb");
            if let (Some(number), false) = (json::number(value), is_own) {
                let found = meta.summary.get(name).map(|summary| summary.value);
                let is_equal = found.is_some_and(|found| found.to_bits() == number.to_bits());
                assert!(is_equal || number.is_nan(), "{at}: {name} {found:?} {number}");
            }
        });
        let artifacts = oracle["artifacts"].as_array().unwrap().len();
        let found = meta.other["wandb"].get("artifacts").and_then(Value::as_array);
        assert_eq!(found.map_or(0, Vec::len), artifacts, "{at}");
    }
}

fn only(series: &[Series], tag: &str) -> Points {
    let mut found = series.iter().filter(|series| series.tag == tag);
    let points = found.next().unwrap_or_else(|| panic!("no {tag}")).points.clone();
    assert!(found.next().is_none(), "{tag}");
    points
}

#[test]
fn media_of_both_versions_are_read() {
    let Some(golden) = golden() else { return };
    for folder in ["media", "v016-media"] {
        let (_, content, report) = content(&golden.join(folder), &options());
        assert!(report.issues.is_empty(), "{folder}: {:?}", report.issues);
        let series = &content.series;
        for (tag, images) in
            [("img", 1), ("imgs", 2), ("boxes", 1), ("graph_like/deep/img", 1), ("video", 1)]
        {
            let Points::Images(points) = only(series, tag) else { panic!("{folder}: {tag}") };
            assert_eq!(points.len(), 2, "{folder}: {tag}");
            for at in points {
                assert_eq!(at.value.len(), images, "{folder}: {tag}");
                for image in at.value {
                    let mut bytes = Vec::new();
                    std::io::Read::read_to_end(&mut image.file.open_local().unwrap(), &mut bytes)
                        .unwrap();
                    let digest = tbx::digest::sha256(&bytes);
                    // Of lists, only names have a part of the digest.
                    assert!(image.file.name.contains(&digest[..20]), "{}", image.file.name);
                    assert!(image.file.sha256.is_none_or(|sha256| sha256 == digest));
                }
            }
        }
        for tag in ["hist", "nphist"] {
            let Points::Histograms(points) = only(series, tag) else { panic!("{folder}: {tag}") };
            assert!(points.iter().all(|at| at.value.edges.len() == at.value.counts.len() + 1));
        }
        assert!(matches!(only(series, "sound"), Points::Audio(points) if points.len() == 2));
        assert!(matches!(only(series, "cloud"), Points::Meshes(points) if points.len() == 2));
        let text = |tag: &str| match only(series, tag) {
            Points::Texts(points) => points[0].value.clone(),
            _ => panic!("{folder}: {tag}"),
        };
        assert_eq!(text("img/caption"), "cap 0");
        assert_eq!(text("imgs/caption"), "1. a\n1. b\n");
        assert_eq!(text("html"), "<b>hi</b>");
        assert!(
            text("table").starts_with("| x | name | img |\n|---|---|---|\n| 1"),
            "{}",
            text("table")
        );
        let names: BTreeSet<_> = content.files.iter().map(|file| file.name.as_str()).collect();
        let has = |part: &str| names.iter().any(|name| name.contains(part));
        for kept in ["boxes2D.json", ".mask.png", "table/", "object3D/", "html/"] {
            assert!(has(kept), "{folder}: {kept} {names:?}");
        }
        assert!(!has("images/img_") && !has("sound_"), "{folder}: {names:?}");
    }
}

#[test]
fn boxes_are_read_only_where_they_are_wanted() {
    let Some(golden) = golden() else { return };
    for draw_boxes in [false, true] {
        let options = SourceOptions { draw_boxes, ..options() };
        let (_, content, _) = content(&golden.join("media"), &options);
        let Points::Images(points) = only(&content.series, "boxes") else { panic!() };
        let boxes = &points[0].value[0].boxes;
        assert_eq!(boxes.len(), usize::from(draw_boxes));
        if let Some((sides, label)) = boxes.first() {
            let near = |(a, b): (&f64, f64)| (a - b).abs() < 1e-9;
            assert!(sides.iter().zip([0.4, 1.8, 0.8, 2.4]).all(near), "{sides:?}");
            assert_eq!(label, "x");
        }
    }
}

#[test]
fn segments_of_a_resumed_run_are_one_run() {
    let Some(golden) = golden() else { return };
    let (run, content, _) = content(&golden.join("resume"), &options());
    // The project is before it.
    assert!(run.id.ends_with("/resume01"), "{}", run.id);
    let found = found_scalars(&content.series);
    let steps = |tag: &str| {
        found[tag].iter().map(|point| point.split(' ').next().unwrap().parse().unwrap()).collect()
    };
    let expected: Vec<i64> = (0..=8).collect();
    assert_eq!((steps("loss"), steps("part")), (expected.clone(), expected));
    // The later segment begins at step 4.
    let parts: Vec<_> = found["part"].iter().map(|point| point.ends_with(" 1.0")).collect();
    assert_eq!(parts, [false, false, false, false, true, true, true, true, true]);
    assert_eq!(content.meta.params["part"], Param::from("resume_b"));
    let left_out: Vec<_> =
        content.left_out.iter().map(|left| (left.kind.as_str(), left.count)).collect();
    assert_eq!(left_out, [("values that a resumed run logged again", 4)]);
    assert_eq!(content.meta.other["wandb"]["segments"].as_array().unwrap().len(), 2);
}

#[test]
fn a_fork_names_its_parent() {
    let Some(golden) = golden() else { return };
    let (run, content, _) = content(&golden.join("fork"), &options());
    assert!(run.parent.unwrap().ends_with("/resume01"));
    let fork = serde_json::json!({"run": "resume01", "value": 3.0, "metric": "_step"});
    assert_eq!(content.meta.other["wandb"]["fork"], fork);
}

#[test]
fn failures_have_the_exception() {
    let Some(golden) = golden() else { return };
    for folder in ["failed", "v019-failed"] {
        let (_, content, _) = content(&golden.join(folder), &options());
        let failure = content.meta.failure.unwrap();
        assert_eq!(
            (failure.kind.as_str(), failure.message.as_str()),
            ("RuntimeError", "boom: out of luck")
        );
        assert_eq!(failure.traceback.unwrap().lines().count(), 4);
        let log = content.files.iter().find(|file| file.name == "output.log").unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut log.open_local().unwrap(), &mut text).unwrap();
        assert!(text.starts_with("before crash\n"), "{text}");
    }
}

/// Every row that the package's own reader gives of a file with one wrong bit.
#[test]
fn damage_costs_no_more_than_in_the_real_reader() {
    let Some(golden) = golden() else { return };
    let folder = golden.join("damaged");
    let mut leet = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path());
    let leet = leet.find(|path| path.to_string_lossy().ends_with(".leet.jsonl")).unwrap();
    let mut expected: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    let mut rows = 0;
    for line in fs::read_to_string(leet).unwrap().lines() {
        let Ok(record) = serde_json::from_str::<Map<String, Value>>(line) else { continue };
        let Some(history) = record.get("history") else { continue };
        rows += 1;
        let step = history["step"]["num"].as_i64().unwrap_or_default();
        for (key, value) in history["item"].as_object().unwrap() {
            if let (Some(value), false) = (value.as_f64(), PLACES.contains(&key.as_str())) {
                expected.entry(key.clone()).or_default().insert(step, value);
            }
        }
    }
    assert_eq!(rows, 402);
    let (_, content, report) = content(&folder, &options());
    for (tag, points) in &expected {
        let Points::Scalars(found) = only(&content.series, tag) else { panic!("{tag}") };
        let found: BTreeMap<_, _> = found.iter().map(|at| (at.step, at.value)).collect();
        for (step, value) in points {
            assert_eq!(found.get(step), Some(value), "{tag} at {step}");
        }
    }
    let losses: Vec<_> = report.issues.iter().filter(|issue| issue.effect.is_loss()).collect();
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(
        losses[0].location.offset.is_some_and(|at| (32768..=40_000).contains(&at)),
        "{losses:?}"
    );
}

#[test]
fn a_killed_run_has_everything_that_was_written() {
    let Some(golden) = golden() else { return };
    let (_, content, report) = content(&golden.join("killed"), &options());
    let Points::Scalars(points) = only(&content.series, "loss") else { panic!() };
    assert_eq!(points.len(), 240);
    let said: Vec<_> = report.issues.iter().map(|issue| issue.kind.to_string()).collect();
    assert_eq!(said, ["the file ends inside a record: the program is at work, or was killed"]);
}

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

/// Records with changed bytes and correct checksums: nothing panics, whatever they say.
#[test]
fn records_may_say_anything() {
    use tbx::wandb::block::{Found, Records};
    use tbx::wandb::chunk::{FULL, MAGIC, checksum};

    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/wandb/full/offline-run-20260101_000000-full0001/run-full0001.wandb");
    let bytes = fs::read(fixture).unwrap();
    let mut all = Vec::new();
    let mut records = Records::new(&bytes[..]).unwrap();
    while let Some(found) = records.next().unwrap() {
        let Found::Record { bytes, .. } = found else { panic!("{found:?}") };
        all.push(bytes.to_vec());
    }
    assert!(all.len() > 20);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run-x.wandb");
    let mut numbers = Numbers(7);
    let mut read = 0;
    for _ in 0..400 {
        let mut bytes = [&MAGIC[..], &[0]].concat();
        for record in &all {
            let mut record = record.clone();
            for _ in 0..numbers.below(4) {
                let at = numbers.below(record.len());
                match numbers.below(4) {
                    0 => record[at] = numbers.below(256) as u8,
                    1 => record[at] ^= 1 << numbers.below(8),
                    2 => record.truncate(at.max(1)),
                    _ => record.insert(at, numbers.below(256) as u8),
                }
            }
            bytes.extend(checksum(FULL, &record).to_le_bytes());
            bytes.extend(u16::try_from(record.len()).unwrap().to_le_bytes());
            bytes.push(FULL);
            bytes.extend(record);
        }
        fs::write(&file, bytes).unwrap();
        let mut report = Report::default();
        let source = Files::open(&file, &options()).unwrap();
        for experiment in source.experiments(&mut report).unwrap() {
            for run in source.runs(&experiment, &mut report).unwrap().runs {
                source.content(&run, true, &mut report).unwrap();
                read += 1;
            }
        }
    }
    assert!(read > 300, "{read}");
}
