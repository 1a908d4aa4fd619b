//! `tbx edit --set-param` and `--unset-param`

use std::fs;

use serde_json::Value;
use tbx::meta::{Param, RunMeta};
use tbx::{HparamsRecord, LoadOptions, Logdir};

use super::super::{Folder, START};

/// The parameters in the hparams session of a run, if it has one.
fn session(folder: &Folder, logs: &str, run: &str) -> Option<Vec<(String, String)>> {
    let loaded = Logdir::open(folder.path(logs)).unwrap().load(&LoadOptions::new()).unwrap();
    let found = loaded.runs.iter().find(|found| found.name == run)?;
    let series = found.get("_hparams_/session_start_info")?;
    let HparamsRecord::Start(start) = HparamsRecord::read(series.metadata()).unwrap() else {
        panic!("no start");
    };
    Some(start.values.into_iter().map(|(name, value)| (name, format!("{value:?}"))).collect())
}

fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    Some(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

/// A run with an hparams session, one without, and a Keras run in two directories.
fn runs() -> Folder {
    let folder = Folder::new();
    for run in ["session", "plain", "keras/train", "keras/validation"] {
        let writer = tbx::SummaryWriter::options().host("host").clock(|| START);
        let writer = writer.create(folder.path(format!("logs/{run}"))).unwrap();
        if run == "session" {
            writer.add_hparams([("lr", 0.5.into()), ("depth", 3.into())], []).unwrap();
        }
        for step in 0..3 {
            writer.add_scalar("loss", step as f32, step).unwrap();
        }
        writer.close().unwrap();
    }
    folder
}

#[test]
fn parameters_are_set_in_sessions_and_runs_without_one_get_one() {
    let folder = runs();
    let args = "edit logs --out new --set-param lr=0.1 --set-param opt=adam --set-param fast=True \
                --unset-param depth";
    let out = folder.tbx(args).fine();
    assert!(out.starts_with("parameters changed in 1 run, and new in 2 runs\n"), "{out}");
    let expected = [("fast", "Bool(true)"), ("lr", "Number(0.1)"), ("opt", "Text(\"adam\")")];
    for run in ["session", "plain", "keras"] {
        assert_eq!(session(&folder, "new", run), pairs(&expected), "{run}");
    }
    // TensorBoard shows one row per session, so the parts of a run have no session.
    assert_eq!(session(&folder, "new", "keras/train"), None);
    let table = folder.tbx("table new --format csv --columns run,param.lr,param.opt").fine();
    let rows: Vec<_> = table.lines().skip(1).collect();
    assert_eq!(rows, ["keras,0.1,adam", "plain,0.1,adam", "session,0.1,adam"]);
    let points = |logs: &str| folder.tbx(&format!("export {logs} --to csv --out -")).out;
    assert_eq!(points("logs"), points("new"), "the points are the same");
    // A second edit changes nothing.
    let again = folder.tbx(&args.replace("edit logs --out new", "edit new --out newer")).fine();
    assert!(again.starts_with("parameters changed in 0 runs\n"), "{again}");
    for file in ["session", "plain", "keras"] {
        let of = |logs: &str| {
            let dir = fs::read_dir(folder.path(format!("{logs}/{file}"))).unwrap();
            let files = dir.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
            files.map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(of("new"), of("newer"), "{file}");
    }
}

#[test]
fn in_place_only_the_directory_that_was_given_changes() {
    let folder = runs();
    folder.tbx("edit logs/plain --in-place --set-param lr=0.1").fine();
    assert_eq!(session(&folder, "logs", "plain"), pairs(&[("lr", "Number(0.1)")]));
    assert_eq!(session(&folder, "logs", "keras"), None);
    assert_eq!(folder.tbx("verify logs/plain --allow hparams_open").code, Some(0));
    let dry = folder.tbx("edit logs --dry-run --set-param x=1 --format json").fine();
    let found: Value = serde_json::from_str(&dry).unwrap();
    assert_eq!((&found["sessions_changed"], &found["sessions_added"]), (&2.into(), &1.into()));
    assert_eq!(session(&folder, "logs", "plain"), pairs(&[("lr", "Number(0.1)")]));
}

#[test]
fn each_directory_is_a_row_if_that_was_asked_for() {
    let folder = runs();
    folder.tbx("edit logs --out new --no-fold --keep-run keras --set-param lr=0.1").fine();
    for run in ["keras/train", "keras/validation"] {
        assert_eq!(session(&folder, "new", run), pairs(&[("lr", "Number(0.1)")]), "{run}");
    }
    assert_eq!(session(&folder, "new", "keras"), None);
}

/// The content of `tbx.json` takes precedence over the log.
#[test]
fn tbx_json_says_the_same() {
    let folder = runs();
    RunMeta::update(&folder.path("logs/plain"), |meta| {
        meta.params.insert("lr".into(), 0.5.into());
    })
    .unwrap();
    folder.tbx("edit logs --out new --set-param lr=0.1").fine();
    let lr = |logs: &str| {
        let meta = RunMeta::read(&folder.path(format!("{logs}/plain"))).unwrap().unwrap();
        meta.params["lr"].clone()
    };
    assert_eq!((lr("logs"), lr("new")), (Param::from(0.5), Param::from(0.1)));
    let shown = folder.tbx("meta show new/plain").fine();
    assert!(shown.contains("param.lr  0.1"), "{shown}");
    assert!(!folder.path("new/session/tbx.json").exists(), "no file is created");
}

#[test]
fn what_is_no_parameter_is_refused() {
    let folder = runs();
    for args in ["--set-param lr", "--set-param =1"] {
        let said = folder.tbx(&format!("edit logs --out new {args}")).failed();
        assert!(said.contains("is not NAME=VALUE"), "{args}: {said}");
    }
    assert!(!folder.path("new").exists());
}
