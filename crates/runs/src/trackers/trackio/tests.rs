use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::super::opened::{Opened, options, read, refused};
use super::super::source::{Histogram, Points};
use super::SOURCE;

/// Tables as trackio 0.43 makes them, as far as they are read.
const TABLES: &str = "
    CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
        run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
    CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL,
        config TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE(run_id));
    CREATE TABLE system_metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
        run_name TEXT NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT);
    CREATE TABLE traces (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, run_name TEXT NOT NULL);
    CREATE TABLE alerts (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
        run_name TEXT NOT NULL, title TEXT NOT NULL, text TEXT, level TEXT NOT NULL DEFAULT 'warn', step INTEGER);
    CREATE TABLE artifacts (id INTEGER PRIMARY KEY, name TEXT, type TEXT, description TEXT, created_at TEXT);
    CREATE TABLE artifact_versions (id INTEGER PRIMARY KEY, artifact_id INTEGER, version INTEGER,
        manifest_digest TEXT, manifest TEXT, metadata TEXT, size_bytes INTEGER);
    CREATE TABLE run_artifact_links (id INTEGER PRIMARY KEY, run_id TEXT, run_name TEXT, run_project TEXT,
        artifact_version_id INTEGER, direction TEXT, created_at TEXT);
";
const ID: &str = "c70264c94e5f40ebaec5f359aa3817b1";
const TIME: &str = "2023-11-14T22:13:20.500000+00:00";
/// The same in seconds since the Unix epoch.
const SECONDS: f64 = 1_700_000_000.5;

fn database(path: &Path, sql: &str) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(TABLES).unwrap();
    db.execute_batch(sql).unwrap();
    db
}

fn row(db: &Connection, step: i64, json: &str) {
    let insert = "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?1, ?2, 'a/b run', ?3, ?4)";
    db.execute(insert, rusqlite::params![ID, TIME, step, json.as_bytes()]).unwrap();
}

fn one(path: &Path) -> Opened {
    let (mut runs, report) = read(&SOURCE, path, &options()).unwrap();
    assert!(report.is_lossless(), "{:?}", report.issues);
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

#[test]
fn a_run_has_all_of_its_values() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("My proj.db");
    let db = database(&path, "PRAGMA journal_mode = WAL");
    row(
        &db,
        0,
        r#"{"loss":0.1,"ok":true,"nan":"NaN","low":"-Infinity","lr":{"g0":{"x":2}},"note":"step 0","none":null}"#,
    );
    row(&db, 1, r#"{"list":[1,2,3],"loss":NaN}"#);
    row(
        &db,
        10,
        r#"{"img":{"_type":"trackio.image","file_path":"My proj/a/b run/10/u.png","caption":"cap"}}"#,
    );
    row(&db, 10, r#"{"svg":{"_type":"trackio.image","file_path":"My proj/u.svg","caption":null}}"#);
    row(
        &db,
        11,
        r#"{"tab":{"_type":"trackio.table","_value":[{"a":1,"b":{"_type":"trackio.image","file_path":"p/t.png"}}]}}"#,
    );
    row(
        &db,
        11,
        r#"{"h":{"_type":"trackio.histogram","bins":[1.0,1.75,4.0],"values":[1,3]},"e":{"_type":"trackio.histogram","bins":[],"values":[]}}"#,
    );
    row(
        &db,
        12,
        r##"{"au":{"_type":"trackio.audio","file_path":"p/c.wav","caption":"c"},"md":{"_type":"trackio.markdown","_value":"# hi"}}"##,
    );
    row(
        &db,
        12,
        r#"{"v":{"_type":"trackio.video","file_path":"p/v.mp4"},"odd":{"_type":"trackio.new"}}"#,
    );
    let insert = format!(
        "INSERT INTO configs (run_id, run_name, config, created_at) VALUES ('{ID}', 'a/b run',
            '{{\"lr\":0.1,\"n\":3,\"none\":null,\"opt\":{{\"betas\":[0.9,0.99]}},\"_Username\":\"me\",\"_Created\":\"2023-11-14T22:13:19+00:00\",\"_Group\":\"g1\",\"_New\":5}}', '{TIME}');
         INSERT INTO system_metrics (run_id, timestamp, run_name, metrics) VALUES ('{ID}', '{TIME}', 'a/b run', '{{\"gpu/0\":12.5}}'),
            ('{ID}', '{TIME}', 'a/b run', '{{\"gpu/0\":13}}');
         INSERT INTO alerts (run_id, timestamp, run_name, title, text, level, step) VALUES ('{ID}', '{TIME}', 'a/b run', 'Title', 'text', 'error', 14);
         INSERT INTO traces VALUES ('t', '{ID}', '{TIME}', 'a/b run');
         INSERT INTO artifacts VALUES (1, 'mymodel', 'model', 'd', '');
         INSERT INTO artifact_versions VALUES (1, 1, 0, '', '[{{\"path\":\"hosts\",\"digest\":\"{z}\",\"size\":3,\"ref\":\"file:///etc/hosts\"}},{{\"path\":\"m.bin\",\"digest\":\"{z}\",\"size\":11}}]', '{{\"k\":1}}', 14);
         INSERT INTO run_artifact_links VALUES (1, '{ID}', 'a/b run', NULL, 1, 'output', ''), (2, '{ID}', 'a/b run', NULL, 1, 'input', '');",
        z = "9c".repeat(32)
    );
    db.execute_batch(&insert).unwrap();
    assert!((SOURCE.is_here)(&path) && (SOURCE.is_here)(dir.path()));
    // The database is still open, and its rows are only in the write-ahead log.
    let run = one(dir.path());
    assert_eq!((run.name().as_str(), run.run.id.as_str()), ("My proj/a/b run", ID));
    assert_eq!(run.scalars("loss")[0], (0, SECONDS, 0.1));
    assert!(run.values("loss")[1].1.is_nan() && run.values("nan")[0].1.is_nan());
    assert_eq!(run.values("low"), [(0, f64::NEG_INFINITY)]);
    assert_eq!(run.values("ok"), [(0, 1.0)]);
    assert_eq!(run.values("lr/g0/x"), [(0, 2.0)]);
    assert_eq!(run.texts("note"), [(0, "step 0")]);
    assert_eq!(run.values("system/gpu/0"), [(0, 12.5), (1, 13.0)]);
    assert_eq!(run.texts("alerts/error"), [(14, "**Title**\n\ntext")]);
    assert_eq!(run.texts("md"), [(12, "# hi")]);
    assert_eq!(run.texts("tab"), [(11, "| a | b |\n|---|---|\n| 1 | t.png |\n")]);
    assert_eq!([run.texts("img/caption"), run.texts("au/caption")], [[(10, "cap")], [(12, "c")]]);
    let series =
        |tag: &str| &run.content.series.iter().find(|series| series.tag == tag).unwrap().points;
    let Points::Histograms(points) = series("h") else { panic!() };
    let histogram = Histogram { edges: vec![1.0, 1.75, 4.0], counts: vec![1.0, 3.0] };
    assert_eq!((points[0].step, &points[0].value), (11, &histogram));
    let Points::Images(points) = series("img") else { panic!() };
    assert_eq!(points[0].value[0].file.name, "media/My proj/a/b run/10/u.png");
    let Points::Audio(points) = series("au") else { panic!() };
    assert_eq!(points[0].value[0].name, "media/p/c.wav");
    let files: Vec<_> = run.content.files.iter().map(|file| file.name.as_str()).collect();
    let expected = ["media/My proj/u.svg", "media/p/t.png", "media/p/v.mp4", "mymodel/v0/m.bin"];
    assert_eq!(files, expected);
    let model = &run.content.files[3];
    assert_eq!((model.size, model.kind.as_deref()), (Some(11), Some("model")));
    assert_eq!(model.facts["metadata"]["k"], 1);
    assert_eq!(run.content.elsewhere, ["file:///etc/hosts"]);
    let left_out = [("empty histograms", 1), ("lists", 1), ("values of unknown kinds", 1)];
    let mut found = run.left_out();
    found.sort_unstable();
    assert_eq!(found, left_out);
    assert_eq!(run.params(), ["lr=0.1", "n=3", "opt/betas=[0.9,0.99]"]);
    let meta = &run.content.meta;
    assert_eq!((meta.start_time, meta.status), (Some(1.7e9 - 1.0), None));
    assert_eq!(meta.tags["group"], "g1");
    assert_eq!(meta.environment.as_ref().unwrap().user.as_deref(), Some("me"));
    assert_eq!(meta.other["trackio"]["config"]["new"], 5);
    assert_eq!(meta.other["trackio"]["used_artifacts"][0], "mymodel/v0");
    let source = (SOURCE.open)(path.to_str().unwrap(), &options()).unwrap();
    let mut report = tbx::error::Report::default();
    let experiments = source.experiments(&mut report).unwrap();
    let left_out = source.left_out(&experiments, &mut report).unwrap();
    assert_eq!((left_out[0].kind.as_str(), left_out[0].count), ("traces", 1));
}

#[cfg(unix)]
#[test]
fn records_name_no_file_outside_of_the_media() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in/x.db");
    fs::create_dir_all(dir.path().join("in/media/x")).unwrap();
    for name in ["secret", "in/secret", "in/media/x/fine.png"] {
        fs::write(dir.path().join(name), "1").unwrap();
    }
    std::os::unix::fs::symlink("../../secret", dir.path().join("in/media/x/link.png")).unwrap();
    let db = database(&path, "");
    let absolute = dir.path().join("secret").display().to_string();
    for name in ["x/fine.png", "../secret", "../../secret", "x/link.png", "x/../../x.db", &absolute]
    {
        row(&db, 0, &format!(r#"{{"a":{{"_type":"trackio.video","file_path":"{name}"}}}}"#));
    }
    drop(db);
    let opens = |run: &Opened| {
        run.content.files.iter().map(|file| file.open_local().is_ok()).collect::<Vec<_>>()
    };
    assert_eq!(opens(&one(&path)), [true, false, false, false, false, false]);
    // Nor is a directory of media taken that is a link.
    fs::rename(dir.path().join("in/media"), dir.path().join("away")).unwrap();
    std::os::unix::fs::symlink("../away", dir.path().join("in/media")).unwrap();
    assert_eq!(opens(&one(&path)), [false; 6]);
}

#[test]
fn old_databases_have_no_ids() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT);
         INSERT INTO metrics VALUES (1, '{TIME}', 'a', 1, '{{\"x\": 1}}'), (2, '{TIME}', 'b', 1, '{{\"x\": 2}}'),
            (3, 'soon', 'a', 2, '{{\"x\": 3}}'), (4, '{TIME}', 'a', 'x', '{{}}'), (5, '{TIME}', 'a', 3, '{{\"x\":');"
    ))
    .unwrap();
    let (runs, report) = read(&SOURCE, &path, &options()).unwrap();
    assert_eq!(runs.iter().map(Opened::name).collect::<Vec<_>>(), ["old/a", "old/b"]);
    assert_eq!(runs[0].scalars("x"), [(1, SECONDS, 1.0), (2, SECONDS, 3.0)]);
    assert_ne!(runs[0].run.id, runs[1].run.id);
    let said = report.issues[0].kind.to_string();
    assert_eq!(said, "run \"a\": 2 rows are skipped; of the first one, the step is not an integer");
}

#[test]
fn what_is_not_trackios_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    fs::write(&path, "SQLite format 3").unwrap();
    assert!(refused(&SOURCE, &path, &options()).contains("not an SQLite database"));
    assert!(refused(&SOURCE, dir.path(), &options()).contains("no file PROJECT.db"));
    assert!(!(SOURCE.is_here)(dir.path()));
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE metrics (key TEXT)").unwrap();
    assert!(!(SOURCE.is_here)(&path));
    let said = refused(&SOURCE, &path, &options());
    assert!(said.contains("not a database of trackio"), "{said}");
    let mut options = options();
    options.step = Some("x".into());
    assert!(refused(&SOURCE, &path, &options).contains("leave out `Import::step`"));
}

/// A database that trackio wrote; see the README of the directory.
#[test]
fn the_reference_database_is_read_whole() {
    let Some(path) = crate::trackers::opened::recorded("trackio") else { return };
    let run = one(&path);
    assert_eq!(run.name(), "tbxgolden/run one");
    assert_eq!(run.run.id, "600fc6a2e2e14800aa07447ce2b328a0");
    let time = 1_795_963_561.147_062;
    let loss =
        [1.0, 0.5, 1.0 / 3.0, 0.25].into_iter().zip(0..).map(|(value, step)| (step, time, value));
    assert_eq!(run.scalars("train/loss"), loss.collect::<Vec<_>>());
    assert!(run.values("nan").iter().all(|(_, value)| value.is_nan()));
    assert_eq!(run.values("inf"), [0, 1, 2, 3].map(|step| (step, f64::INFINITY)));
    assert_eq!(run.texts("s"), [0, 1, 2, 3].map(|step| (step, "txt")));
    assert_eq!(run.values("n/a"), [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]);
    assert_eq!(run.scalars("val/loss"), [(10, time, 0.5)]);
    assert_eq!(run.texts("table"), [(11, "| a | b |\n|---|---|\n| 1 | 2 |\n")]);
    assert_eq!(run.texts("img/caption"), [(11, "c")]);
    assert_eq!(run.texts("alerts/warn"), [(11, "**a**\n\nb")]);
    for series in &run.content.series {
        match &series.points {
            Points::Images(points) => {
                let mut bytes = Vec::new();
                let mut file = points[0].value[0].file.open_local().unwrap();
                std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
                assert_eq!((points.len(), bytes.len()), (1, 78));
            }
            Points::Histograms(points) => {
                let Histogram { edges, counts } = &points[0].value;
                assert_eq!((edges.len(), edges[0], edges[1], edges[64]), (65, 0.0, 0.140_625, 9.0));
                assert_eq!((counts.len(), counts.iter().sum::<f64>()), (64, 10.0));
            }
            _ => {}
        }
    }
    assert_eq!(run.content.series.len(), 11);
    assert!(run.left_out().is_empty());
    assert_eq!(run.params(), ["l=[1,2]", "lr=0.001", "opt/name=adam"]);
    let meta = &run.content.meta;
    assert_eq!((meta.start_time, meta.tags["group"].as_str()), (Some(1_795_963_560.799_144), "g"));
    assert!(meta.other["trackio"]["config"].get("username").is_none());
}
