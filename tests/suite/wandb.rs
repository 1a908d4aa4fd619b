//! `tbx import` and `tbx inspect` of Weights & Biases: files that its package 0.31.0 wrote, also damaged ones.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tbx::meta::{Param, RunMeta, Status};
use tbx::{Kind, LoadOptions, Loaded, Logdir, RestartPolicy};
use tbx_runs::import::{Import, Imported};
use tempfile::TempDir;

use crate::common::repository;

/// The file of the run with everything.
const FULL: &str = "fixtures/wandb/full/offline-run-20260101_000000-full0001/run-full0001.wandb";

fn import(source: &Path, out: &Path) -> Imported {
    Import::new().run(source.to_str().unwrap(), out).unwrap()
}

fn load(out: &Path) -> Loaded {
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    Logdir::open(out).unwrap().load(&options).unwrap()
}

/// The steps and the values of a scalar of the only run.
fn points(loaded: &Loaded, tag: &str) -> Vec<(i64, f64)> {
    let run = &loaded.runs[0];
    let series = run.series.iter().find(|series| series.tag() == tag).expect(tag);
    let values = series.scalars().unwrap().iter();
    series.steps().iter().copied().zip(values).collect()
}

/// Copies a directory of the repository.
fn copy(from: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = repository(from);
    for entry in walkdir::WalkDir::new(&root) {
        let entry = entry.unwrap();
        let to = dir.path().join("wandb").join(entry.path().strip_prefix(&root).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    let wandb = dir.path().join("wandb");
    (dir, wandb)
}

/// The program, with its output and its exit code.
fn tbx(args: &[&str]) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_tbx");
    let done = Command::new(program).args(args).env_remove("TBX_LOGDIR").output().unwrap();
    let out = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
    (done.status.code(), out)
}

#[test]
fn a_run_of_wandb_becomes_a_log() {
    let out = tempfile::tempdir().unwrap();
    let imported = import(&repository("fixtures/wandb/full"), out.path());
    assert!(imported.report.is_lossless(), "{:?}", imported.report.issues);
    assert_eq!(imported.runs.len(), 1);
    let dir = out.path().join("fixture/first run");
    let loaded = load(&dir);
    assert_eq!(points(&loaded, "loss").len(), 3);
    assert_eq!(points(&loaded, "n.x"), [(0, 0.0), (1, 1.0), (2, 2.0)]);
    assert_eq!(points(&loaded, "flag"), [(0, 0.0), (1, 1.0), (2, 0.0)]);
    // The x axis that the program defined.
    assert_eq!(points(&loaded, "val/acc"), [(0, 0.0), (10, 0.25), (20, 0.5)]);
    assert!(points(&loaded, "nan").iter().all(|(_, value)| value.is_nan()));
    assert!(loaded.runs[0].series.iter().any(|series| series.tag().starts_with("system/")));
    let kinds: BTreeMap<_, _> =
        loaded.runs[0].series.iter().map(|series| (series.tag(), series.kind())).collect();
    for (tag, kind) in [
        ("img", Kind::Image),
        ("imgs", Kind::Image),
        ("img/caption", Kind::Text),
        ("hist", Kind::Histogram),
        ("sound", Kind::Audio),
        ("html", Kind::Text),
        ("table", Kind::Text),
        ("text", Kind::Text),
    ] {
        assert_eq!(kinds.get(tag), Some(&kind), "{tag}");
    }
    assert!(kinds.iter().any(|(tag, kind)| tag.starts_with("cloud") && *kind == Kind::Mesh));

    let meta = RunMeta::read(&dir).unwrap().unwrap();
    assert_eq!((meta.name.as_deref(), meta.status), (Some("first run"), Some(Status::Finished)));
    assert_eq!(meta.description.as_deref(), Some("some *notes*"));
    assert_eq!(meta.labels.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        (meta.tags["wandb.group"].as_str(), meta.tags["wandb.job_type"].as_str()),
        ("g", "train")
    );
    let params: Vec<_> =
        meta.params.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    assert_eq!(
        params,
        [
            ("a/b", Param::Bool(true)),
            ("epochs", Param::Int(3)),
            ("inf", Param::Number(f64::INFINITY)),
            ("list", Param::Text("[1,2]".into())),
            ("lr", Param::Number(0.1)),
            ("nested/a/b", Param::Int(1)),
            ("nested/s", Param::Text("x".into())),
            ("none", Param::Text("null".into())),
        ]
    );
    let facts = &meta.other["wandb"];
    assert_eq!(facts["run_id"], "fixture/full0001");
    assert_eq!(facts["json"], serde_json::json!(["list", "none"]));
    assert_eq!(facts["paths"], serde_json::json!({"a/b": ["a/b"]}));
    let minimum = &meta.summary["loss.min"];
    assert_eq!((minimum.value, minimum.statistic.as_deref()), (1.0 / 3.0, Some("min")));
    let environment = meta.environment.unwrap();
    assert_eq!(environment.command, ["/home/u/train.py", "--lr", "0.1"]);
    assert_eq!(environment.host.as_deref(), Some("host"));
    let names: Vec<_> = meta.artifacts.iter().map(|file| file.path.as_str()).collect();
    assert!(names.contains(&"output.log") && names.contains(&"requirements.txt"), "{names:?}");
    let artifacts = facts["artifacts"].as_array().unwrap();
    let model = artifacts.iter().find(|artifact| artifact["type"] == "model").unwrap();
    assert_eq!((&model["name"], &model["files"][0]["path"]), (&"model".into(), &"m.bin".into()));
    // The contents are on another machine.
    assert!(imported.runs[0].elsewhere.iter().any(|path| path.starts_with("/home/u/staging/")));

    // A second import finds the run.
    let again = import(&repository("fixtures/wandb/full"), out.path());
    assert!(again.runs[0].was_there && again.runs[0].points == 0);
}

#[test]
fn segments_of_a_resumed_run_are_joined_and_its_end_is_that_of_the_last() {
    let out = tempfile::tempdir().unwrap();
    let imported = import(&repository("fixtures/wandb/resumed"), out.path());
    assert_eq!(imported.runs.len(), 1);
    let dir = out.path().join("fixture/resume01");
    let loaded = load(&dir);
    assert_eq!(points(&loaded, "loss"), [(0, 0.0), (1, 0.5), (2, 12.0), (3, 13.0)]);
    let meta = RunMeta::read(&dir).unwrap().unwrap();
    assert_eq!(meta.status, Some(Status::Failed));
    let failure = meta.failure.unwrap();
    assert_eq!((failure.kind.as_str(), failure.message.as_str()), ("ValueError", "boom: here"));
    assert_eq!(meta.params["part"], Param::from("part2"));
    let left_out: Vec<_> =
        imported.left_out.iter().map(|left| (left.kind.as_str(), left.count)).collect();
    assert_eq!(left_out, [("values that a resumed run logged again", 1)]);
}

#[test]
fn a_run_that_has_grown_is_imported_again() {
    let whole = fs::read(repository(FULL)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("run-full0001.wandb"), dir.path().join("out"));
    // Inside a record: without the last row and the end.
    let cut = whole.len() * 2 / 3;
    fs::write(&file, &whole[..cut]).unwrap();
    let first = import(&file, &out);
    assert_eq!(first.runs.len(), 1);
    let said: Vec<_> = first.report.issues.iter().map(|issue| issue.kind.to_string()).collect();
    assert!(said.iter().any(|said| said.contains("ends inside a record")), "{said:?}");
    fs::write(&file, &whole).unwrap();
    let second = import(&file, &out);
    assert!(!second.runs[0].was_there);
    let meta = RunMeta::read(&out.join("fixture/first run")).unwrap().unwrap();
    assert_eq!(meta.status, Some(Status::Finished));
    let third = import(&file, &out);
    assert!(third.runs[0].was_there);
}

#[test]
fn damage_costs_its_record_and_says_where() {
    let whole = fs::read(repository(FULL)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run-full0001.wandb");
    let expected = {
        let out = dir.path().join("whole");
        fs::write(&file, &whole).unwrap();
        import(&file, &out);
        points(&load(&out.join("fixture/first run")), "loss").len()
    };
    for at in (10..whole.len()).step_by(whole.len() / 23) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, &damaged).unwrap();
        let out = dir.path().join(format!("out-{at}"));
        let imported = import(&file, &out);
        let losses = imported.report.issues.iter().filter(|issue| issue.effect.is_loss());
        let offsets: Vec<_> = losses.filter_map(|issue| issue.location.offset).collect();
        assert!(offsets.iter().any(|offset| *offset <= at as u64), "{at}: {offsets:?}");
        let found = points(&load(&out), "loss").len();
        assert!(found + 1 >= expected, "{at}: {found} of {expected}");
    }
}

#[test]
fn inspect_shows_a_file_without_an_import() {
    let file = repository(FULL);
    let (code, said) = tbx(&["inspect", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "Weights & Biases, 1 run, ",
        "fixture/first run",
        "finished, id fixture/full0001",
        "wandb.group: g",
        "nested/a/b=1",
        "val/acc",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, json) =
        tbx(&["inspect", file.to_str().unwrap(), "--format", "json", "--tag", "^loss$"]);
    assert_eq!(code, Some(0), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let tags = json["runs"][0]["tags"].as_array().unwrap();
    assert_eq!((tags.len(), &tags[0]["count"], &tags[0]["max"]), (1, &3.into(), &1.0.into()));
    assert_eq!(json["runs"][0]["meta"]["params"]["lr"], 0.1);

    let dir = tempfile::tempdir().unwrap();
    let newer = dir.path().join("run-x.wandb");
    let mut bytes = fs::read(&file).unwrap();
    bytes[6] = 1;
    fs::write(&newer, bytes).unwrap();
    let (code, said) = tbx(&["inspect", newer.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(said.contains("a newer wandb version is required to read this file"), "{said}");
}

/// Log directories are shown as before, also next to a directory `wandb`.
#[test]
fn logs_next_to_a_wandb_directory_are_shown_as_logs() {
    let (dir, wandb) = copy("fixtures/wandb/full");
    assert!(wandb.is_dir());
    let writer = tbx::SummaryWriter::create(dir.path().join("logs")).unwrap();
    writer.add_scalar("here", 1.0, 0).unwrap();
    writer.close().unwrap();
    let (code, said) = tbx(&["inspect", dir.path().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("here") && !said.contains("Weights"), "{said}");
}

#[test]
fn names_of_a_hostile_file_do_not_lead_out() {
    use prost::Message;
    use tbx::wandb::chunk::{FULL as WHOLE, MAGIC, checksum};
    use tbx::wandb::items::{History, HistoryItem, Item, Update};
    use tbx::wandb::record::{Content, Record};
    use tbx::wandb::run::Run;

    let mut bytes = [&MAGIC[..], &[0]].concat();
    let mut add = |content: Content| {
        let record = Record { num: 1, content: Some(content), info: None }.encode_to_vec();
        bytes.extend(checksum(WHOLE, &record).to_le_bytes());
        bytes.extend(u16::try_from(record.len()).unwrap().to_le_bytes());
        bytes.push(WHOLE);
        bytes.extend(record);
    };
    let item = |key: &str, value: &str| Item {
        key: key.into(),
        value_json: value.into(),
        ..Item::default()
    };
    let config = Update { update: vec![item("../p", "1"), item("con", "{}")], remove: vec![] };
    add(Content::Run(Box::new(Run {
        run_id: "../../id".into(),
        project: "../../project".into(),
        display_name: "../../../con".into(),
        config: Some(config),
        ..Run::default()
    })));
    let field = |path: &[&str], value: &str| HistoryItem {
        nested_key: path.iter().map(|key| (*key).to_owned()).collect(),
        value_json: value.into(),
        ..HistoryItem::default()
    };
    add(Content::History(History {
        item: vec![
            field(&["../../tag"], "1e999"),
            field(&["img", "_type"], "\"image-file\""),
            field(&["img", "path"], "\"../../secret.png\""),
            field(&["abs", "_type"], "\"image-file\""),
            field(&["abs", "path"], "\"/etc/hostname\""),
        ],
        step: None,
    }));
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("in/run-20260101_000000-x");
    fs::create_dir_all(run.join("files")).unwrap();
    fs::write(dir.path().join("in/secret.png"), "secret").unwrap();
    fs::write(run.join("run-x.wandb"), bytes).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/hostname", run.join("files/link.txt")).unwrap();
        let made = Command::new("mkfifo").arg(run.join("files/fifo")).status().unwrap();
        assert!(made.success());
    }
    let out = dir.path().join("a/b/c/out");
    let imported = import(&dir.path().join("in"), &out);
    assert_eq!(imported.runs.len(), 1);
    let said: Vec<_> = imported.report.issues.iter().map(|issue| issue.kind.to_string()).collect();
    let refused = said.iter().filter(|said| said.contains("not the path of a file of the run"));
    assert_eq!(refused.count(), 2, "{said:?}");
    let everything = walkdir::WalkDir::new(dir.path().join("a")).into_iter().flatten();
    for entry in everything.filter(|entry| entry.file_type().is_file()) {
        assert!(entry.path().starts_with(&out), "{}", entry.path().display());
        assert!(fs::read(entry.path()).unwrap() != b"secret", "{}", entry.path().display());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}
