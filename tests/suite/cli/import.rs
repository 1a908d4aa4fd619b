//! `tbx import`

use std::fs;
use std::path::{Path, PathBuf};

use super::{Folder, done};

const ID: &str = "0123456789abcdef0123456789abcdef";

fn folder() -> Folder {
    let folder = Folder::new();
    let run = folder.path(format!("mlruns/1/{ID}"));
    fs::create_dir_all(run.join("metrics")).unwrap();
    fs::create_dir_all(run.join("artifacts")).unwrap();
    fs::write(folder.path("mlruns/1/meta.yaml"), "experiment_id: '1'\nname: digits\n").unwrap();
    fs::write(run.join("meta.yaml"), format!("run_id: {ID}\nrun_name: first\nstatus: 3\n"))
        .unwrap();
    fs::write(run.join("metrics/loss"), "1700000000000 0.5 1\n1700000001000 0.25 2\n").unwrap();
    fs::write(run.join("artifacts/a.txt"), "abc").unwrap();
    folder
}

#[test]
fn an_import_says_what_it_did() {
    let folder = folder();
    let said = folder.tbx("import --from mlflow mlruns --out runs").fine();
    assert_eq!(said, "1 run of 1 experiment imported to runs: 2 points, 1 artifact (3 B)\n");
    let said = folder.tbx("import --from mlflow mlruns -o runs").fine();
    assert_eq!(said, "nothing new for runs: 1 run there already\n");
    let table = folder.tbx("table runs --format csv").fine();
    assert!(table.contains("digits/first"), "{table}");
    let json = folder.tbx("import --from mlflow mlruns --out other --format json").fine();
    let row: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&row["run"], &row["points"]), (&"first".into(), &2.into()));
    assert_eq!((&row["imported"], &row["finished"]), (&true.into(), &true.into()));
}

#[test]
fn what_tbx_exported_with_its_event_files_comes_back_byte_for_byte() {
    for fixture in ["torch", "keras"] {
        let folder = Folder::with(fixture);
        let exported = folder.tbx("export logs --to mlruns --out mlruns --event-files");
        assert_eq!(exported.code, Some(0), "{exported:?}");
        let said = folder.tbx("import --from mlflow mlruns --out back").fine();
        assert!(said.contains("0 points") && said.contains("restored"), "{said}");
        let events = |root: &Path| {
            let files = files(root).into_iter();
            let events = files.filter(|file| file.to_string_lossy().contains("tfevents"));
            let mut events: Vec<_> = events.map(|file| fs::read(file).unwrap()).collect();
            events.sort();
            events
        };
        let (before, after) = (events(&folder.path("logs")), events(&folder.path("back")));
        assert!(!before.is_empty());
        assert!(before == after, "{fixture}");
    }
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn what_tensorboard_would_not_show_is_told() {
    let folder = folder();
    let run = folder.path(format!("mlruns/1/{ID}"));
    fs::write(run.join("metrics/acc"), "1 0.1 0\n2 0.2 0\nbroken\n").unwrap();
    let said = folder.tbx("import --from mlflow mlruns --out runs");
    assert_eq!(said.code, Some(2), "{said:?}");
    for what in ["line 3: \"broken\"", "2 points rounded", "1 point with the same step as another"]
    {
        assert!(said.err.contains(what), "{what}: {said:?}");
    }
    assert!(said.out.contains("4 points"), "{said:?}");
}

#[test]
fn the_source_is_that_of_mlflows_variable_if_none_is_given() {
    let folder = folder();
    let command = || {
        let mut command = folder.command("import --from mlflow --out runs");
        command.env_remove("MLFLOW_TRACKING_URI");
        command
    };
    let said = done(&mut command()).failed();
    assert!(said.contains("MLFLOW_TRACKING_URI"), "{said}");
    let said = done(command().env("MLFLOW_TRACKING_URI", "./mlruns")).fine();
    assert!(said.contains("1 run of 1 experiment"), "{said}");
    let said = folder.tbx("import --from mlflow nothing --out runs").failed();
    assert!(said.contains("nothing"), "{said}");
    let said = folder.tbx("import --from mlflow mlruns --out x --experiment digit").failed();
    assert!(said.contains("the experiments are \"digits\""), "{said}");
    assert!(!folder.path("x").exists());
    let said = folder.tbx("import --from mlflow postgresql://me@host/db --out x").failed();
    assert!(said.contains("mlflow server --backend-store-uri"), "{said}");
}

#[test]
fn what_is_elsewhere_renamed_or_left_out_is_told() {
    let folder = folder();
    let at = |name: &str| folder.path(format!("mlruns/{name}"));
    let write = |name: &str, text: &str| {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), text).unwrap();
    };
    write(&format!("1/{ID}/artifacts/x/events.out.tfevents.1.h"), "");
    write(&format!("1/{ID}/artifacts/a:b"), "");
    let other = "f".repeat(32);
    let meta = format!(
        "run_id: {other}\nrun_name: second\nstatus: 3\nartifact_uri: s3://me:secret@bucket/1/x/artifacts\n"
    );
    write(&format!("1/{other}/meta.yaml"), &meta);
    write("1/traces/tr-1/trace_info.yaml", "x: 1\n");
    write("2/meta.yaml", "experiment_id: '2'\nname: empty\n");
    write(".trash/3/meta.yaml", "experiment_id: '3'\nname: gone\nlifecycle_stage: deleted\n");
    write("models/net/meta.yaml", "name: net\n");
    write("models/net/version-1/meta.yaml", "source: s3://bucket/m\n");
    let said = folder.tbx("import --from mlflow mlruns --out runs");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        said.out,
        "2 runs of 1 experiment imported to runs: 2 points, 3 artifacts (3 B), 1 experiment without runs, \
         1 model version\n"
    );
    assert_eq!(
        said.err,
        "\
tbx: 1 event file among artifacts renamed, so that no reader takes them for logs; --event-files runs imports them as runs
tbx: 1 artifact renamed, since not every system accepts their names; tbx.json has the original ones
tbx: artifacts of 1 run, if there are any, are at s3://bucket, which was not read
tbx: 1 model version registered without files; tbx models shows where they are
tbx: 1 deleted experiment left out; --deleted imports them
tbx: not imported, or not as they were: traces: 1
"
    );
    let said = folder.tbx("import --from mlflow mlruns --out runs --event-files runs");
    assert_eq!(said.out, "imported to runs: 1 event file as a run; 2 runs there already\n");
    let table = folder.tbx("inspect runs").fine();
    assert!(table.contains("digits/first/x"), "{table}");
}
