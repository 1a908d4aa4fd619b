//! MLflow runs are imported as logs.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod artifacts;
mod database;
mod exported;
mod kept;
mod mlflow;
mod models;
#[cfg(feature = "remote")]
mod server;
mod sparse;

use std::fs;
use std::path::{Path, PathBuf};

use tbx::meta::{Param, RunMeta, Status};
use tbx::{LoadOptions, RestartPolicy};
use tbx_runs::import::{Import, Imported};
use tempfile::TempDir;

use crate::common::load;

const ID: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

/// A directory `mlruns`, and a log directory next to it.
struct Store(TempDir);

impl Store {
    /// A store with an experiment `1` called `digits`.
    fn new() -> Self {
        let store = Self(tempfile::tempdir().unwrap());
        store.file("1/meta.yaml", "artifact_location: x\nexperiment_id: '1'\nname: digits\n");
        store
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("mlruns").join(name)
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("logs")
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Adds a run to the experiment: its `meta.yaml` and its files.
    fn run(&self, id: &str, meta: &str, files: &[(&str, &str)]) {
        self.file(&format!("1/{id}/meta.yaml"), &format!("run_id: '{id}'\n{meta}\n"));
        for (name, text) in files {
            self.file(&format!("1/{id}/{name}"), text);
        }
    }

    fn import(&self) -> Imported {
        self.import_with(&Import::new())
    }

    fn import_with(&self, import: &Import) -> Imported {
        import.clone().from("mlflow").run(self.path("").to_str().unwrap(), &self.out()).unwrap()
    }
}

fn meta(dir: &Path) -> RunMeta {
    RunMeta::read(dir).unwrap().unwrap()
}

/// Steps, times and values of a series from which no reader drops any point.
fn points(logs: &Path, run: &str, tag: &str) -> Vec<(i64, f64, f64)> {
    let of = |policy| {
        let loaded = load(logs, &LoadOptions::new().restart(policy));
        let run = loaded.runs.iter().find(|found| found.name == run).expect("the run");
        let series = run.get(tag).expect("the series");
        let times = series.steps().iter().zip(series.wall_times());
        let values = series.scalars().unwrap().iter();
        times.zip(values).map(|((step, time), value)| (*step, *time, value)).collect::<Vec<_>>()
    };
    let all = of(RestartPolicy::KeepAll);
    assert_eq!(of(RestartPolicy::SessionStart).len(), all.len());
    assert_eq!(of(RestartPolicy::Tensorboard).len(), all.len());
    all
}

#[test]
fn a_run_of_a_folder_is_a_log_that_says_what_it_is() {
    let store = Store::new();
    store.file("1/tags/mlflow.note.content", "About *digits*");
    store.file("1/tags/team", "a");
    store.run(
        ID,
        "run_name: first\nstatus: 4\nstart_time: 1700000000000\nend_time: 1700000009500\nuser_id: me",
        &[
            ("params/lr", "0.1"),
            ("params/model/depth", "3"),
            ("params/note", "a line\n"),
            ("params/empty", ""),
            ("tags/mlflow.note.content", "the **first**"),
            ("tags/stage", "dev"),
            // Decreasing steps, a repeated line, and lines of all lengths.
            (
                "metrics/train/loss",
                "1700000001000 0.5 3\n1700000002000 0.25 -1\n1700000002000 0.25 -1\n\
                 1700000003000 0.75 3\n1700000004000 0.125\n1700000005000 1 7 data 0a1b\n",
            ),
            ("metrics/acc", "1700000001000 nan 0\n1700000001000 inf 1\n1700000001000 -inf 2\n"),
            ("artifacts/notes/a.txt", "abc"),
        ],
    );
    let imported = store.import();
    assert!(imported.report.is_lossless(), "{:?}", imported.report);
    let [run] = &imported.runs[..] else { panic!("{imported:?}") };
    assert_eq!((run.points, run.rounded, run.same_step), (8, 0, 1));
    let dir = store.out().join("digits/first");
    assert_eq!(run.dir, dir);
    let at = |secs: i32| 1_700_000_000.0 + f64::from(secs);
    assert_eq!(
        points(&store.out(), "digits/first", "train/loss"),
        [(-1, at(2), 0.25), (0, at(4), 0.125), (3, at(1), 0.5), (3, at(3), 0.75), (7, at(5), 1.0)]
    );
    let acc = points(&store.out(), "digits/first", "acc");
    assert!(acc[0].2.is_nan() && acc[1].2 == f64::INFINITY && acc[2].2 == f64::NEG_INFINITY);

    let meta = meta(&dir);
    assert_eq!(meta.id.as_deref(), Some(ID));
    assert_eq!(meta.experiment.as_deref(), Some("digits"));
    assert_eq!(meta.description.as_deref(), Some("the **first**"));
    assert_eq!(meta.status, Some(Status::Failed));
    assert_eq!((meta.start_time, meta.end_time), (Some(at(0)), Some(1_700_000_009.5)));
    assert_eq!(meta.params["model/depth"], 3.into());
    assert_eq!(meta.params["note"], Param::Text("a line\n".into()));
    assert_eq!(meta.params["empty"], Param::Text(String::new()));
    assert_eq!(meta.tags["stage"], "dev");
    assert_eq!(meta.artifacts[0].path, "notes/a.txt");
    assert_eq!(fs::read(dir.join("artifacts/notes/a.txt")).unwrap(), b"abc");
    let loaded = load(&store.out(), &LoadOptions::new());
    let tags: Vec<_> = loaded.runs[0].series.iter().map(|series| series.tag()).collect();
    for tag in ["_hparams_/session_start_info", "_hparams_/session_end_info", "tbx/run"] {
        assert!(tags.contains(&tag), "{tags:?}");
    }

    let about = fs::read(store.out().join("digits/tbx.experiment.json")).unwrap();
    let about: serde_json::Value = serde_json::from_slice(&about).unwrap();
    assert_eq!(about["schema"], "tbx.experiment/1");
    assert_eq!(about["description"], "About *digits*");
    assert_eq!(about["tags"]["team"], "a");
    assert_eq!(about["ids"]["mlflow"], "1");
}

#[test]
fn what_cannot_be_read_is_told_with_its_line_and_the_rest_is_there() {
    let store = Store::new();
    let lines =
        format!("1 0.5 1\nbroken\n2 x 2\n\n3 0.25 3 a b c\n{}\n4 0.125 4\n5 1", "9".repeat(9000));
    store.run(
        ID,
        "run_name: a\nstatus: FINISHED\nunknown: [1, {a: b}]",
        &[("metrics/loss", &lines)],
    );
    // Without meta.yaml, as if git had dropped it.
    store.file(&format!("1/{OTHER}/metrics/loss"), "7 0.5 0\n");
    store.file("1/not-a-run/metrics/loss", "7 0.5 0\n");
    store.file("1/0123/meta.yaml", "run_id: '00000000000000000000000000000001'\nstatus: 9\n");
    let imported = store.import();
    let issues: Vec<_> = imported.report.issues.iter().map(ToString::to_string).collect();
    for (file, line) in
        [("loss", "line 2"), ("loss", "line 3"), ("loss", "line 5"), ("loss", "line 6")]
    {
        assert!(issues.iter().any(|i| i.contains(file) && i.contains(line)), "{line}: {issues:#?}");
    }
    for what in
        ["its id is 00000000000000000000000000000001", "\"9\" is not a status", "meta.yaml: "]
    {
        assert!(issues.iter().any(|issue| issue.contains(what)), "{what}: {issues:#?}");
    }
    assert_eq!(imported.runs.len(), 3);
    let steps: Vec<_> = points(&store.out(), "digits/a", "loss").iter().map(|p| p.0).collect();
    assert_eq!(steps, [0, 1, 4]);
    assert_eq!(meta(&store.out().join("digits/a")).status, Some(Status::Finished));
    assert_eq!(points(&store.out(), &format!("digits/{OTHER}"), "loss").len(), 1);
}

#[test]
fn names_and_links_never_leave_the_folder() {
    let store = Store::new();
    let secret = store.0.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "k").unwrap();
    store.file("2/meta.yaml", "experiment_id: '2'\nname: ../../up\n");
    store.file(
        &format!("2/{ID}/meta.yaml"),
        &format!("run_id: '{ID}'\nrun_name: /etc/../x\nartifact_uri: {}\n", secret.display()),
    );
    store.run(
        OTHER,
        "run_name: artifacts",
        &[("artifacts/my.tfevents.1", "no events"), ("artifacts/a:b", "x")],
    );
    #[cfg(unix)]
    std::os::unix::fs::symlink(
        secret.join("key"),
        store.path(&format!("1/{OTHER}/artifacts/link")),
    )
    .unwrap();
    let imported = store.import();
    let mut files = Vec::new();
    for entry in walkdir(store.0.path()) {
        if !entry.starts_with(store.path("")) && !entry.starts_with(&secret) {
            files.push(entry.strip_prefix(store.out()).expect("only in the logs").to_owned());
        }
    }
    assert!(files.iter().any(|file| file.starts_with("..%2f..%2fup/%2fetc%2f..%2fx")), "{files:?}");
    let of_other = Path::new("digits").join(format!("artifacts-{}", &OTHER[..8]));
    assert!(files.contains(&of_other.join("artifacts/my.tfevent%73.1")), "{files:?}");
    assert!(!files.iter().any(|file| file.ends_with("key") || file.ends_with("link")), "{files:?}");
    if cfg!(unix) {
        let issue = imported.report.issues[0].to_string();
        assert!(issue.contains("link") && issue.contains("not followed"), "{issue}");
    }
    let kept = meta(&store.out().join(of_other)).artifacts;
    assert!(kept.iter().any(|kept| kept.name.as_deref() == Some("a:b")), "{kept:?}");
}

fn walkdir(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walkdir(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn parts_of_runs_are_below_them_and_a_second_import_brings_only_what_is_new() {
    let store = Store::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|letter| letter.repeat(32));
    let child = [("tags/mlflow.parentRunId", a.as_str()), ("metrics/loss", "1 0.5 1\n")];
    store.run(&b, "run_name: fold\nstatus: 3\nstart_time: 5", &child);
    store.run(&c, "run_name: fold\nstatus: 3\nstart_time: 6", &child);
    store.run(&a, "run_name: all\nstatus: 3\nstart_time: 9", &[]);
    store.run(&d, "run_name: gone\nstatus: 3\nlifecycle_stage: deleted", &[]);
    let imported = store.import();
    assert_eq!((imported.runs.len(), imported.deleted), (3, 1));
    let parent = store.out().join("digits/all");
    assert_eq!(meta(&parent.join("fold")).id.as_ref(), Some(&b));
    assert_eq!(meta(&parent.join("fold-cccccccc")).parent.as_ref(), Some(&a));

    let before = walkdir(&store.out());
    store.run(&"e".repeat(32), "run_name: fold\nstatus: 1", &child);
    let again = store.import_with(&Import::new().deleted(true));
    let new = again.runs.iter().filter(|run| !run.was_there);
    let new: Vec<_> = new.map(|run| run.dir.strip_prefix(store.out()).unwrap()).collect();
    assert_eq!(new, [Path::new("digits/gone"), Path::new("digits/all/fold-eeeeeeee")]);
    let now = walkdir(&store.out());
    assert!(before.iter().all(|file| now.contains(file)));
    assert_eq!(meta(&store.out().join("digits/gone")).other["mlflow"]["deleted"], true);
}

#[test]
fn a_run_that_had_not_ended_is_imported_again_unless_somebody_has_changed_it() {
    let store = Store::new();
    let [a, b, c] = ["a", "b", "c"].map(|letter| letter.repeat(32));
    let grown = "1 0.5 1\n2 0.25 2\n";
    let d = "d".repeat(32);
    for id in [&a, &b, &c, &d] {
        let name = &id[..1];
        let files = [("metrics/loss", "1 0.5 1\n"), ("artifacts/old", "x")];
        store.run(id, &format!("run_name: {name}\nstatus: 1"), &files);
    }
    assert_eq!(store.import().points, 4);
    let dir = |name: &str| store.out().join("digits").join(name);
    RunMeta::update(&dir("b"), |meta| {
        meta.tags.insert("seen".into(), "yes".into());
    })
    .unwrap();
    fs::write(dir("c").join("notes.txt"), "mine").unwrap();
    fs::write(dir("d").join("artifacts/mine"), "mine").unwrap();
    for id in [&a, &b, &c, &d] {
        let name = &id[..1];
        store.run(id, &format!("run_name: {name}\nstatus: 3"), &[("metrics/loss", grown)]);
    }
    let again = store.import();
    let new: Vec<_> = again.runs.iter().map(|run| (run.name.as_str(), !run.was_there)).collect();
    assert_eq!(new, [("a", true), ("b", false), ("c", false), ("d", false)]);
    assert_eq!(points(&store.out(), "digits/a", "loss").len(), 2);
    assert_eq!(meta(&dir("a")).status, Some(Status::Finished));
    assert_eq!(walkdir(&dir("a")).len(), 3);
    assert!(dir("c").join("notes.txt").exists());
    // The run has ended since.
    assert!(store.import().runs.iter().all(|run| run.was_there));
}

#[test]
fn a_circle_of_parents_and_a_copied_run_do_no_harm() {
    let store = Store::new();
    let [a, b] = ["a", "b"].map(|letter| letter.repeat(32));
    store.run(&a, "run_name: a", &[("tags/mlflow.parentRunId", &b)]);
    store.run(&b, "run_name: b", &[("tags/mlflow.parentRunId", &a)]);
    store.file("1/copy of a/meta.yaml", &format!("run_id: {a}\nrun_name: a\n"));
    let imported = store.import();
    assert_eq!(imported.runs.len(), 2);
    let issues = format!("{:?}", imported.report.issues);
    assert!(issues.contains("twice"), "{issues}");
}

#[test]
fn only_what_was_asked_for_is_imported() {
    let store = Store::new();
    store.run(ID, "run_name: first", &[]);
    store.run(OTHER, "run_name: second", &[("artifacts/a", "x")]);
    store.file("2/meta.yaml", "experiment_id: '2'\nname: empty\n");
    let import = |import: Import, source: &str| {
        let out = tempfile::tempdir().unwrap();
        let done =
            import.clone().from("mlflow").run(store.path(source).to_str().unwrap(), out.path())?;
        Ok::<_, tbx::Error>(done.runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>())
    };
    let all = Import::new;
    assert_eq!(import(all().runs(["second"]), "").unwrap(), ["second"]);
    assert_eq!(import(all().runs([ID]), "").unwrap(), ["first"]);
    assert_eq!(import(all(), &format!("1/{OTHER}")).unwrap(), ["second"]);
    assert_eq!(import(all(), "1").unwrap().len(), 2);
    assert_eq!(import(all().experiments(["empty"]), "").unwrap().len(), 0);
    let said = import(all().experiments(["digit"]), "").unwrap_err().to_string();
    assert!(said.contains("\"digit\"") && said.contains("\"digits\", \"empty\""), "{said}");
    let said = import(all().runs(["none"]), "").unwrap_err().to_string();
    assert!(said.contains("no run \"none\""), "{said}");
    let said = import(all(), "..").unwrap_err().to_string();
    assert!(said.contains("did you mean") && said.contains("mlruns"), "{said}");
    import(all(), "nowhere").unwrap_err();
    store.import_with(&all().artifacts(false));
    assert!(!store.out().join("digits/second/artifacts").exists());
}

#[test]
fn values_are_float32_unless_all_of_them_are_asked_for() {
    let store = Store::new();
    store.run(ID, "run_name: a", &[("metrics/x", "1 0.1 1\n2 0.2 2\n3 0.5 3\n4 0.3 4\n")]);
    let imported = store.import();
    assert_eq!(imported.runs[0].rounded, 3);
    let rounded = points(&store.out(), "digits/a", "x");
    assert_eq!(rounded[0].2, f64::from(0.1f32));
    let exact = &meta(&store.out().join("digits/a")).summary["x"];
    assert_eq!((exact.value, exact.step, exact.statistic.as_deref()), (0.3, Some(4), Some("last")));
    fs::remove_dir_all(store.out()).unwrap();
    let imported = store.import_with(&Import::new().float64(true));
    assert_eq!(imported.runs[0].rounded, 0);
    assert_eq!(points(&store.out(), "digits/a", "x")[0].2, 0.1);
}

#[test]
fn pictures_with_steps_are_shown() {
    let store = Store::new();
    let name = "artifacts/images/val~mask+step+7+timestamp+1700000000000+0a1b-2.png";
    store.run(ID, "run_name: a", &[]);
    let photo = fs::read(photo()).unwrap();
    store.file(&format!("1/{ID}/{name}"), "");
    fs::write(store.path(&format!("1/{ID}/{name}")), &photo).unwrap();
    store.file(&format!("1/{ID}/artifacts/images/x+step+1+timestamp+2+3.png"), "no image");
    let imported = store.import();
    assert_eq!(imported.runs[0].artifacts, 2);
    let loaded = load(&store.out(), &LoadOptions::new());
    let series = loaded.runs[0].get("val/mask").unwrap();
    assert_eq!((series.steps(), series.wall_times()), (&[7][..], &[1_700_000_000.0][..]));
    assert!(loaded.runs[0].get("x").is_none());
}

/// A small PNG.
fn photo() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("tbx-image-{}.png", std::process::id()));
    let png = [
        &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
        &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0],
        b"\x3a\x7e\x9b\x55\0\0\0\nIDAT\x78\x9c\x63\x60\0\0\0\x02\0\x01\x48\xaf\xa4\x71\0\0\0\0IEND\xae\x42\x60\x82",
    ];
    fs::write(&dir, png.concat()).unwrap();
    dir
}

#[test]
fn a_step_that_tensorboards_table_cannot_take_keeps_the_run_out_of_it() {
    let store = Store::new();
    store.run(ID, "run_name: far", &[("metrics/x", "1 0.5 1099511627776\n"), ("params/a", "1")]);
    store.run(OTHER, "run_name: near", &[("metrics/x", "1 0.5 1\n"), ("params/a", "1")]);
    let imported = store.import();
    let in_table: Vec<_> = imported.runs.iter().map(|run| run.is_in_table).collect();
    assert_eq!(in_table, [false, true]);
    let loaded = load(&store.out(), &LoadOptions::new());
    let has = |run: &tbx::Run| run.get("_hparams_/session_start_info").is_some();
    assert_eq!(loaded.runs.iter().map(has).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn registered_models_are_in_the_registry() {
    let store = Store::new();
    let files = [("artifacts/model/MLmodel", "flavors: {}\n"), ("artifacts/model/a.bin", "abc")];
    store.run(ID, "run_name: a\nstatus: 3", &files);
    store.file(
        "1/models/m-1/meta.yaml",
        &format!("model_id: m-1\nname: model\nsource_run_id: '{ID}'\n"),
    );
    store.file("1/models/m-1/artifacts/MLmodel", "flavors: {logged: 1}\n");
    store.file("models/net/meta.yaml", "name: net\naliases: {champion: '2'}\n");
    let version = |number: u32, source: &str| {
        let text = format!("name: net\nrun_id: '{ID}'\ncurrent_stage: Staging\nsource: {source}\n");
        store.file(&format!("models/net/version-{number}/meta.yaml"), &text);
    };
    version(1, &format!("/elsewhere/mlruns/1/{ID}/artifacts/model"));
    version(2, "models:/m-1");
    version(3, "s3://bucket/model");
    store.file("models/net/version-2/tags/ok", "yes");
    store.file("models/net/aliases/first", "1");
    // As exported by tbx: MLflow accepts only directories, and a tag identifies the file.
    version(4, &format!("/elsewhere/mlruns/1/{ID}/artifacts"));
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2
    store.file("models/net/version-4/tags/tbx.sha256", abc);
    let imported = store.import();
    assert_eq!((imported.models, imported.models_elsewhere), (4, 1));
    assert!(imported.report.is_lossless(), "{:?}", imported.report);
    let registry = tbx_runs::registry::Registry::open(store.out());
    let read =
        |name: &str| fs::read_to_string(registry.path(&name.parse().unwrap()).unwrap()).unwrap();
    assert_eq!(read("net/1"), "flavors: {}\n");
    assert_eq!(read("net/first"), "flavors: {}\n");
    assert_eq!(read("net/champion"), "flavors: {logged: 1}\n");
    assert_eq!(read("net/4"), "abc");
    let said = registry.path(&"net/3".parse().unwrap()).unwrap_err().to_string();
    assert!(said.contains("s3://bucket/model, not in the log directory"), "{said}");
    let found = registry.version(&"net/2".parse().unwrap()).unwrap();
    assert_eq!(
        (found.stage, found.tags["ok"].as_str()),
        (tbx_runs::registry::Stage::Staging, "yes")
    );
    // Local changes to a version are kept.
    registry.tag(&"net/1".parse().unwrap(), "mine", "1").unwrap();
    assert_eq!(store.import().models, 0);
    assert_eq!(registry.version(&"net/1".parse().unwrap()).unwrap().tags["mine"], "1");
}
