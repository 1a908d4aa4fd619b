//! Files of the exporter.

use std::fs;

use serde_json::json;
use tbx::meta::{Param, Status};
use tbx::{Histogram, Images, Kind};
use tbx_runs::registry::{Registry, Stage};

use super::exporter::{Row, SCHEMA, file, float, parquet, point, row, text, with_schema};
use super::{Source, facts, issues, left_out, png, points, texts};

const PROJECT: &str = "team_x-0123456789abcdef";
const SECOND: i64 = 1_000_000;

impl Source {
    /// Adds a part of an exported run.
    fn part(&self, number: u32, groups: &[Vec<Row>]) {
        let name = format!("data/{PROJECT}/run_1-00_part_{number}.parquet");
        self.file(&name, parquet(groups));
    }
}

fn sys() -> Vec<Row> {
    vec![
        text("sys/name", "exp"),
        text("sys/id", "X-1"),
        text("sys/owner", "ada"),
        Row { bool: Some(false), ..row("sys/failed", "bool") },
        Row { datetime: Some(1_700_000_000_000), ..row("sys/creation_time", "datetime") },
        float("sys/running_time", 60.5),
        Row { set: Some(vec!["b", "a"]), ..row("sys/tags", "string_set") },
        Row { set: Some(vec![]), ..row("sys/group_tags", "string_set") },
    ]
}

#[test]
fn every_type_of_attribute_has_its_place() {
    let source = Source::new();
    let mut first = sys();
    first.extend([
        Row { int: Some(i64::MAX), ..row("p/int", "int") },
        float("p/nan", f64::NAN),
        Row { set: Some(vec!["z", "y"]), ..row("p/set", "string_set") },
        // An attribute of other runs.
        row("p/other", "float"),
        row("q/other", "string_set"),
        text("p/new", "of a later version"),
        Row { kind: "quaternion", int: Some(4), ..row("p/later", "") },
    ]);
    let hist = |kind, values| Row {
        histogram: Some((kind, vec![0.0, 1.0, 3.0], values)),
        ..row("", "histogram_series")
    };
    let second = vec![
        point("loss", 3 * SECOND, 0.25),
        point("frac", 500_000, 1.0),
        point("loss", SECOND, f64::NAN),
        point("frac", 2 * SECOND, 2.0),
        point("loss", 2 * SECOND, f64::INFINITY),
        point("monitoring/ab12cd34/cpu", 0, 9.0),
        Row { path: "h".into(), ..hist("COUNTING", vec![3.0, 4.0]) }.at(0),
        Row { path: "d".into(), ..hist("DENSITY", vec![0.5, 0.25]) }.at(0),
        Row { path: "bad".into(), ..hist("COUNTING", vec![1.0]) }.at(0),
        Row { kind: "string_series", ..text("log", "line") }.at(0),
        Row { kind: "string_series", ..text("monitoring/ab12cd34/stdout", "out") }.at(0),
        file("img", "file_series", "r/img/step_0.png").at(0),
        file("img", "file_series", "r/img/step_1.txt").at(SECOND),
        file("notes", "file", "r/notes.txt"),
        file("gone", "file", "r/gone.txt"),
        file("src", "file_set", "r/src"),
        file("ds", "artifact", "r/ds/files_list.json"),
    ];
    source.part(0, &[first, second]);
    source.part(1, &[vec![point("loss", 4 * SECOND, 0.1)]]);
    for (name, bytes) in [
        ("img/step_0.png", png()),
        ("img/step_1.txt", b"text".to_vec()),
        ("notes.txt", b"n".to_vec()),
        ("src/a/main.py", b"m".to_vec()),
        ("ds/files_list.json", b"[]".to_vec()),
    ] {
        source.file(&format!("files/{PROJECT}/r/{name}"), bytes);
    }
    let imported = source.import();
    assert_eq!(issues(&imported), "");
    assert_eq!(left_out(&imported), [("histograms without one edge more than counts", 1)]);
    let [done] = &imported.runs[..] else { panic!() };
    assert_eq!((&*done.id, &*done.name, &*done.experiment), ("team/x/run / 1", "exp", "team/x"));
    assert!(!done.is_unfinished && done.is_incomplete);
    assert!(done.elsewhere[0].ends_with("r/gone.txt"), "{:?}", done.elsewhere);

    let logs = source.logs();
    let run = &logs.runs[0];
    let loss = points(run, "loss");
    assert!(loss[0].0 == 1 && loss[0].1.is_nan());
    assert_eq!(loss[1..], [(2, f64::INFINITY), (3, 0.25), (4, 0.1)]);
    assert_eq!(run.get("loss").unwrap().wall_times()[2], 1_700_000_003.0);
    assert_eq!(points(run, "frac"), [(5, 1.0), (20, 2.0)]);
    let described = &run.get("frac").unwrap().metadata().description;
    assert_eq!(described, "Steps are those in Neptune multiplied by 10.");
    assert_eq!(points(run, "system/cpu"), [(0, 9.0)]);
    assert_eq!(
        (texts(run, "log"), texts(run, "system/stdout")),
        (vec!["line".into()], vec!["out".into()])
    );
    let buckets = |tag: &str| {
        let raw = run.get(tag).unwrap().raw().unwrap()[0].clone();
        let buckets = Histogram::read(&raw).unwrap().buckets;
        buckets.iter().map(|bucket| (bucket.left, bucket.right, bucket.count)).collect::<Vec<_>>()
    };
    assert_eq!(buckets("h"), [(0.0, 1.0, 3.0), (1.0, 3.0, 4.0)]);
    assert_eq!(buckets("d"), [(0.0, 1.0, 0.5), (1.0, 3.0, 0.5)]);
    let images = run.get("img").unwrap();
    assert_eq!((images.kind(), images.len()), (Kind::Image, 1));
    assert_eq!(Images::read(&images.raw().unwrap()[0]).unwrap().encoded[0], png());

    let meta = source.meta("team%2fx/exp");
    assert_eq!(meta.status, Some(Status::Finished));
    assert_eq!((meta.start_time, meta.end_time), (Some(1.7e9), Some(1.7e9 + 60.5)));
    assert_eq!(meta.params["p/int"], Param::Int(i64::MAX));
    assert_eq!(meta.params["p/nan"], Param::Number(f64::NAN));
    assert_eq!(meta.params["p/set"], Param::Text(r#"["y","z"]"#.into()));
    assert_eq!(meta.params["p/later"], Param::Text("4".into()));
    assert_eq!(meta.params.len(), 5);
    assert_eq!(meta.labels, ["a", "b"].map(String::from).into());
    assert_eq!(facts(&meta)["step_factors"], json!({ "frac": 10 }));
    let files: Vec<_> = meta.artifacts.iter().map(|artifact| &*artifact.path).collect();
    assert_eq!(files, ["ds/files_list.json", "img/step_1.txt", "notes.txt", "src/a/main.py"]);

    // Nothing is new, until the file that was missing is there.
    let again = source.import();
    assert!(again.runs[0].was_there && again.points == 0);
    source.file(&format!("files/{PROJECT}/r/gone.txt"), "late");
    let late = source.import();
    assert_eq!((late.runs[0].artifacts, late.runs[0].is_incomplete), (1, false));
    // Another part of the run.
    source.part(2, &[vec![point("loss", 5 * SECOND, 0.0)]]);
    assert!(!source.import().runs[0].was_there);
    assert_eq!(points(&source.logs().runs[0], "loss").len(), 5);
}

#[test]
fn an_export_that_did_not_end_is_reported() {
    let source = Source::new();
    source.part(1, &[sys(), vec![point("loss", 0, 1.0)]]);
    source.file(&format!("data/{PROJECT}/run_1-00_part_2.parquet.tmp"), "PAR1");
    source.file(&format!("data/{PROJECT}/run_2-00_part_0.parquet.tmp"), "PAR1");
    let imported = source.import();
    let said = issues(&imported);
    assert_eq!(imported.points, 1);
    assert!(said.contains("part 0 of this run is missing"), "{said}");
    assert_eq!(said.matches("did not end").count(), 3, "{said}");
}

#[test]
fn forks_are_below_their_parents_and_models_are_registered() {
    let source = Source::new();
    source.part(0, &[sys()]);
    let of = |run: &str, rows: Vec<Row>| -> Vec<Row> {
        rows.into_iter().map(|row| Row { run: run.into(), ..row }).collect()
    };
    // By Neptune's own id.
    let fork = vec![
        text("sys/name", "exp"),
        text("sys/forking/parent", "X-1"),
        float("sys/forking/step", 2.5),
        point("loss", 3 * SECOND, 1.0),
    ];
    source.file(&format!("data/{PROJECT}/fork-00_part_0.parquet"), parquet(&[of("fork", fork)]));
    let model = vec![text("sys/id", "X-M"), text("sys/name", "classifier")];
    let version = |stage: &str| {
        vec![
            text("sys/model_id", "X-M"),
            text("sys/stage", stage),
            float("val/acc", 0.9),
            file("binary", "file", "v/model.bin"),
        ]
    };
    let dir = format!("model_data/{PROJECT}");
    source.file(&format!("{dir}/models/X-M-00_part_0.parquet"), parquet(&[of("X-M", model)]));
    for (id, stage) in [("X-M-2", "production"), ("X-M-1", "archived")] {
        let rows = of(id, version(stage));
        source.file(&format!("{dir}/model_versions/{id}-00_part_0.parquet"), parquet(&[rows]));
    }
    source.file(&format!("model_files/{PROJECT}/v/model.bin"), "weights");
    let imported = source.import();
    assert_eq!(issues(&imported), "");
    assert_eq!((imported.runs.len(), imported.models), (5, 2));
    let parent = source.meta("team%2fx/exp");
    let fork = source.meta("team%2fx/exp/exp");
    assert_eq!((fork.parent, fork.role.as_deref()), (parent.id, Some("fork")));
    assert_eq!(facts(&source.meta("team%2fx/exp/exp"))["forked_from"]["step"], 2.5);
    assert_eq!(source.meta("team%2fx/classifier/X-M-2").role.as_deref(), Some("model_version"));

    let models = Registry::open(source.out()).models().unwrap();
    let model = &models["classifier"];
    let versions: Vec<_> =
        model.versions.iter().map(|it| (it.version, it.stage, &*it.path)).collect();
    assert_eq!(
        versions,
        [(1, Stage::Archived, "binary.bin"), (2, Stage::Production, "binary.bin")]
    );
    assert_eq!(source.import().models, 0);
}

#[test]
fn other_writers_of_parquet_are_read_too() {
    let source = Source::new();
    let schema = SCHEMA
        .replace("fixed_len_byte_array(8) step (DECIMAL(18,6))", "int64 step (DECIMAL(18,3))")
        .replace("timestamp (TIMESTAMP(MILLIS,true))", "timestamp (TIMESTAMP(MICROS,true))")
        .replace("list { optional binary element", "bag { optional binary item");
    let rows = vec![
        Row { set: Some(vec!["a"]), ..row("sys/tags", "string_set") },
        Row { time: Some(1_700_000_000_250_000), ..point("loss", 2_500, 1.0) },
    ];
    source.file(&format!("data/{PROJECT}/a_part_0.parquet"), with_schema(&schema, &[rows]));
    source.import();
    let logs = source.logs();
    assert_eq!(points(&logs.runs[0], "loss"), [(25, 1.0)]);
    assert_eq!(logs.runs[0].get("loss").unwrap().wall_times(), [1_700_000_000.25]);
    assert_eq!(source.meta("team%2fx/run %2f 1").labels.len(), 1);
}

#[test]
fn files_of_an_export_are_not_looked_for_outside_of_the_source() {
    let source = Source::new();
    source.part(0, &[vec![file("notes", "file", "r/notes.txt")]]);
    source.file(&format!("files/{PROJECT}/r/notes.txt"), "n");
    let (data, out) = (source.path("data"), source.out());
    let import = |follow| {
        let import = tbx_runs::import::Import::new().follow_local_paths(follow);
        import.run(data.to_str().unwrap(), &out).unwrap()
    };
    let inside = import(false);
    assert_eq!((inside.runs[0].artifacts, inside.runs[0].elsewhere.len()), (0, 1));
    assert_eq!(import(true).runs[0].artifacts, 1);
    assert_eq!(fs::read(out.join("team%2fx/run %2f 1/artifacts/notes.txt")).unwrap(), b"n");
}
