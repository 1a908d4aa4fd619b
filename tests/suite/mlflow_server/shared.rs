//! Concurrent exports, and changes that people made in MLflow in the meantime.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tbx::SummaryWriter;

use super::fake::{Fake, Fault};
use super::real::python;
use super::{export, fine, logs, quiet};

/// Five runs in two experiments.
fn several(logs: &Path) {
    for i in 0..5 {
        let run = quiet().experiment(if i < 3 { "one" } else { "two" });
        let run = run.param("i", i).create(logs.join(format!("run{i}"))).unwrap();
        for step in 0..20 {
            run.add_scalar("loss", step as f32, step).unwrap();
        }
        run.log_artifact_bytes("a.txt", b"a", None).unwrap();
        run.finish().unwrap();
    }
}

fn begin(logs: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
    command.arg("export").arg(logs).args(args).env("HOME", logs.parent().unwrap());
    command.env_remove("XDG_STATE_HOME").stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs the same export three times at once. Returns exit codes and output.
fn three_at_once(logs: &Path, args: &[&str]) -> Vec<(Option<i32>, String)> {
    let children: Vec<_> = (0..3).map(|_| begin(logs, args)).collect();
    let end = |child: Child| {
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    children.into_iter().map(end).collect()
}

/// The copies of each run that are not deleted, with their numbers of points.
fn there(server: &Fake) -> BTreeMap<String, Vec<usize>> {
    let mut all: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let is_active = |run: &super::fake::KeptRun| {
        run.info.get("lifecycle_stage").is_none_or(|stage| stage != "deleted")
    };
    for run in server.kept().runs.iter().filter(|run| is_active(run)) {
        let name = run.tags["mlflow.tbx.run"].clone();
        all.entry(name).or_default().push(run.points("loss").len());
    }
    all
}

#[test]
fn three_exports_at_once_make_each_run_once() {
    let expected: BTreeMap<_, _> = (0..5).map(|i| (format!("run{i}"), vec![20])).collect();
    for state in [&[][..], &["--no-state"]] {
        let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
        let logs = dir.path().join("logs");
        several(&logs);
        let before = super::options::files(&logs);
        // Delays all searches, so that every export searches before the first has created a run.
        server.fails(|path, _| match path.ends_with("search") {
            true => Fault::Slow(Duration::from_millis(100)),
            false => Fault::None,
        });
        let uri = server.uri();
        let args = [&["--to", "mlflow", "--uri", uri.as_str()], state].concat();
        for (code, said) in three_at_once(&logs, &args) {
            assert_eq!(code, Some(0), "{said}");
        }
        assert_eq!(there(&server), expected, "{state:?}");
        assert_eq!(server.kept().experiments.len(), 2);
        // The source stays unchanged.
        assert!(super::options::files(&logs) == before);
    }
}

#[test]
fn an_export_that_was_killed_is_gone_on_with() {
    for calls in [3, 7, 9, 14, 20] {
        let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
        let logs = dir.path().join("logs");
        several(&logs);
        let uri = server.uri();
        server.fails(move |_, before| match before < calls {
            true => Fault::None,
            false => Fault::Slow(Duration::from_millis(300)),
        });
        let mut child = begin(&logs, &["--to", "mlflow", "--uri", &uri]);
        let mut asked = 0;
        while asked < calls && child.try_wait().unwrap().is_none() {
            asked += server.asked().len();
            thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        server.fails(|_, _| Fault::None);
        fine(export(&logs, &uri, &[], &[]));
        let expected: BTreeMap<_, _> = (0..5).map(|i| (format!("run{i}"), vec![20])).collect();
        assert_eq!(there(&server), expected, "killed after {calls} requests");
    }
}

#[test]
fn a_directory_is_written_by_one_of_three() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    several(&logs);
    let out = dir.path().join("mlruns");
    let ended = three_at_once(&logs, &["--to", "mlruns", "--out", out.to_str().unwrap()]);
    let fine = ended.iter().filter(|(code, _)| *code == Some(0)).count();
    assert_eq!(fine, 1, "{ended:?}");
    for (code, said) in ended.iter().filter(|(code, _)| *code != Some(0)) {
        assert!(*code == Some(2) && said.contains("mlruns"), "{said}");
    }
    let mut names = Vec::new();
    for experiment in fs::read_dir(&out).unwrap() {
        for run in fs::read_dir(experiment.unwrap().path()).unwrap() {
            let name = run.unwrap().path().join("tags/mlflow.tbx.run");
            names.extend(fs::read_to_string(name));
        }
    }
    names.sort();
    assert_eq!(names, ["run0", "run1", "run2", "run3", "run4"]);
    // Nothing else is left behind.
    let mut left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["logs", "mlruns"]);
}

/// Creates a database with MLflow.
fn database(python: &Path, path: &Path) {
    let script = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).search_experiments()";
    let uri = format!("sqlite:///{}", path.display());
    let mut command = Command::new(python);
    command.args(["-B", "-c", script, &uri]).current_dir(path.parent().unwrap());
    let made = command.stdin(Stdio::null()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn count(database: &Path, query: &str) -> i64 {
    let connection = rusqlite::Connection::open(database).unwrap();
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_database_has_each_run_once_whoever_writes_to_it() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    several(&logs);
    let path = dir.path().join("mlflow.db");
    database(&python, &path);
    let args = ["--to", "mlflow-db", "--out", path.to_str().unwrap()];
    // Another program is writing at the same time.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let let_go = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        other.execute_batch("COMMIT").unwrap();
    });
    for (code, said) in three_at_once(&logs, &[&args[..], &["--no-state"]].concat()) {
        assert_eq!(code, Some(0), "{said}");
    }
    let_go.join().unwrap();
    let is_whole = |path: &Path| {
        let runs = "SELECT COUNT(*) FROM runs WHERE lifecycle_stage = 'active'";
        assert_eq!(count(path, runs), 5);
        assert_eq!(count(path, "SELECT COUNT(*) FROM metrics"), 100);
        assert_eq!(count(path, "SELECT COUNT(*) FROM experiments WHERE name <> 'Default'"), 2);
    };
    is_whole(&path);
    // A database that must not be written to stays unchanged.
    let connection = rusqlite::Connection::open(&path).unwrap();
    for (change, why) in [
        (
            "UPDATE alembic_version SET version_num = 'ffffffffffff'",
            "supports the schemas of MLflow",
        ),
        ("ALTER TABLE params RENAME COLUMN value TO content", "has no column value"),
        ("ALTER TABLE runs ADD COLUMN x TEXT NOT NULL DEFAULT ''", ""),
        ("DROP TABLE inputs", "MLflow did not create it"),
    ] {
        let copy = dir.path().join("copy.db");
        let _ = fs::remove_file(&copy);
        connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        rusqlite::Connection::open(&copy).unwrap().execute_batch(change).unwrap();
        let before = fs::read(&copy).unwrap();
        let child = begin(&logs, &["--to", "mlflow-db", "--out", copy.to_str().unwrap()]);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if why.is_empty() {
            // An additional column that needs no value is accepted.
            assert_eq!(output.status.code(), Some(0), "{said}");
            is_whole(&copy);
        } else {
            assert!(output.status.code() == Some(2) && said.contains(why), "{change}: {said}");
            assert!(fs::read(&copy).unwrap() == before, "{change}");
        }
    }
    drop(connection);
    // Deleted runs stay deleted. The exports at once may have left deleted copies, without points.
    let connection = rusqlite::Connection::open(&path).unwrap();
    let delete = "UPDATE runs SET lifecycle_stage = 'deleted' \
                  WHERE name = 'run1' AND lifecycle_stage = 'active'";
    assert_eq!(connection.execute(delete, []).unwrap(), 1);
    let again = |more: &[&str]| {
        let child = begin(&logs, &[&args[..], more].concat());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };
    let runs = "SELECT COUNT(*) FROM runs WHERE lifecycle_stage = 'active'";
    assert!(again(&[]).contains("1 run was deleted in MLflow"));
    assert_eq!(count(&path, runs), 4);
    again(&["--recreate-deleted"]);
    is_whole(&path);
}

#[test]
fn what_people_changed_stays_until_it_is_overwritten() {
    let (server, dir) = (Fake::start(), logs(3));
    let logs = dir.path().join("logs");
    let uri = server.uri();
    fine(export(&logs, &uri, &[], &[]));
    server.change(|kept| {
        let run = &mut kept.runs[0];
        run.info.insert("run_name".into(), json!("my best"));
        run.info.insert("status".into(), json!("FAILED"));
        run.tags.insert("theirs".into(), "kept".into());
    });
    for args in [&[][..], &["--no-state"]] {
        let said = fine(export(&logs, &uri, args, &[]));
        assert!(said.contains("name is \"my best\" in MLflow and stays unchanged"), "{said}");
        assert!(said.contains("--overwrite replaces them"), "{said}");
        let run = &server.kept().runs[0];
        assert_eq!(
            (&run.info["run_name"], &run.info["status"]),
            (&json!("my best"), &json!("FAILED"))
        );
        assert_eq!(run.tags["theirs"], "kept");
    }
    let said = fine(export(&logs, &uri, &["--overwrite"], &[]));
    assert!(!said.contains("stays unchanged"), "{said}");
    let run = &server.kept().runs[0];
    assert_eq!((&run.info["run_name"], &run.info["status"]), (&json!("run"), &json!("FINISHED")));
    assert_eq!(run.tags["theirs"], "kept");
}

#[test]
fn what_people_deleted_stays_so_until_it_is_asked_for() {
    for state in [&[][..], &["--no-state"]] {
        let (server, dir) = (Fake::start(), logs(3));
        let logs = dir.path().join("logs");
        let uri = server.uri();
        fine(export(&logs, &uri, state, &[]));
        server.change(|kept| {
            kept.runs[0].info.insert("lifecycle_stage".into(), json!("deleted"));
        });
        let writer = SummaryWriter::create(logs.join("run")).unwrap();
        writer.add_scalar("loss", 1.0, 7).unwrap();
        writer.close().unwrap();
        let said = fine(export(&logs, &uri, state, &[]));
        assert!(said.contains("1 run was deleted in MLflow"), "{said}");
        assert!(said.contains("--recreate-deleted restores it"), "{said}");
        assert!(there(&server).is_empty());
        assert_eq!(server.kept().runs.len(), 1);
        fine(export(&logs, &uri, &[state, &["--recreate-deleted"]].concat(), &[]));
        assert_eq!(there(&server), [("run".to_owned(), vec![4])].into());
        assert_eq!(server.kept().runs.len(), 1);
    }
}

/// Unreadable data is not exported and sets the exit code; everything else is exported.
#[test]
fn a_value_that_is_damaged_is_told_as_in_tables() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let run = quiet().create(logs.join("run")).unwrap();
    run.add_scalar("loss", 1.0, 0).unwrap();
    run.log_artifact_bytes("a.txt", b"a", None).unwrap();
    run.finish().unwrap();
    let writer = SummaryWriter::create(logs.join("run")).unwrap();
    writer.add_summary(image(b"no image"), 0).unwrap();
    writer.close().unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/hostname", logs.join("run/artifacts/link")).unwrap();
    let server = Fake::start();
    let uri = server.uri();
    let mlruns = dir.path().join("mlruns");
    for args in
        [["--to", "mlflow", "--uri", &uri], ["--to", "mlruns", "--out", mlruns.to_str().unwrap()]]
    {
        let strict = begin(&logs, &[&args[..], &["--strict"]].concat()).wait_with_output().unwrap();
        let said = String::from_utf8(strict.stderr).unwrap();
        assert!(strict.status.code() == Some(2) && said.contains("drawn"), "{said}");
        let output = begin(&logs, &args).wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("drawn") && said.contains("skipped this value"), "{said}");
        #[cfg(unix)]
        assert!(said.contains("artifacts/link"), "{said}");
        assert!(said.contains("1 run"), "{said}");
    }
    let kept = server.kept();
    assert_eq!(kept.runs[0].points("loss").len(), 1);
    let names: Vec<_> = kept.artifacts.keys().filter(|name| name.ends_with(".txt")).collect();
    assert_eq!(names.len(), 1);
    assert!(kept.artifacts.keys().all(|name| !name.ends_with("link")));
}

fn image(encoded: &[u8]) -> tbx::event::pb::Summary {
    use tbx::event::pb::summary::{Image, Value, value};
    let image =
        Image { width: 1, height: 1, colorspace: 3, encoded_image_string: encoded.to_vec().into() };
    let value = Value {
        tag: "drawn".into(),
        value: Some(value::Value::Image(image)),
        ..Default::default()
    };
    tbx::event::pb::Summary { value: vec![value] }
}
