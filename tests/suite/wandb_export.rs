//! `tbx export --to wandb`, and runs that write an offline directory while they are recorded: what is in the
//! directories, what the package's own reader finds in them, and what a server gets from `wandb sync`.
//!
//! The package needs a Python with `tests/wandb/requirements.txt`: `TBX_TEST_WANDB_PYTHON`.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.

mod read;
mod real;
mod server;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tbx::meta::{RunMeta, Status};
use tbx::track::{ActiveRun, RunOptions};
use tbx::{Kind, LoadOptions, Logdir, RestartPolicy, SummaryWriter};
use tbx_runs::trackers::wandb::{WandbExport, WandbExported};
use tempfile::TempDir;

use self::read::{Offline, directories};
use crate::writer::child::{self, Child};

/// Options without metadata that depends on the machine.
fn quiet() -> RunOptions {
    ActiveRun::options().git(false).environment(false)
}

fn export(logs: &Path, out: &Path, export: &WandbExport) -> WandbExported {
    let logdir = Logdir::open(logs).unwrap();
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    export.run(&logdir, &options, out).unwrap()
}

/// Exports `logs`, which have one run.
fn one(logs: &Path) -> (WandbExported, Offline, TempDir) {
    let out = tempfile::tempdir().unwrap();
    let done = export(logs, out.path(), &WandbExport::new());
    let [dir] = directories(out.path()).try_into().unwrap();
    (done, Offline::read(&dir), out)
}

/// A directory `logs` with a log called `run`.
fn log(write: impl FnOnce(&SummaryWriter)) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let writer = SummaryWriter::create(logs.join("run")).unwrap();
    write(&writer.with_wall_time(1_700_000_000.25).unwrap());
    writer.close().unwrap();
    (dir, logs)
}

#[test]
fn a_row_has_all_tags_of_a_step() {
    let (_dir, logs) = log(|writer| {
        for step in [0, 1, 2, 5] {
            writer.add_scalar("loss/train", 1.0 / (step as f32 + 1.0), step).unwrap();
            if step != 1 {
                writer.add_scalar("acc.top", step as f32, step).unwrap();
            }
        }
        writer.add_scalar("odd", f32::NAN, 1).unwrap();
        writer.add_scalar("odd", f32::NEG_INFINITY, 7).unwrap();
    });
    let (done, found, _out) = one(&logs);
    assert_eq!((done.rows, done.points, done.repeated), (5, 9, 0));
    assert_eq!((done.runs, done.new_runs), (1, 1));
    let steps: Vec<_> = found.rows.iter().map(|row| row["_step"].as_i64().unwrap()).collect();
    assert_eq!(steps, [0, 1, 2, 5, 7]);
    assert!(found.rows.iter().all(|row| row["_step"] == row["global_step"]));
    assert_eq!(found.rows[0]["_timestamp"], 1_700_000_000.25);
    assert_eq!(found.rows[0]["loss/train"], 1.0);
    assert_eq!(found.rows[0]["acc.top"], 0.0);
    assert!(!found.rows[1].contains_key("acc.top"));
    assert_eq!(found.values("loss/train")[2], (2, json!(f64::from(1.0f32 / 3.0))));
    assert_eq!(found.values("odd"), [(1, json!("NaN")), (7, json!("-Infinity"))]);
    assert_eq!(found.summary["loss/train"], f64::from(1.0f32 / 6.0));
    assert_eq!((&found.summary["_step"], &found.summary["acc.top"]), (&json!(7), &json!(5.0)));
    assert_eq!(found.axes["loss/train"], "global_step");
    assert_eq!(found.run.project, "logs");
    assert_eq!(found.run.display_name, "run");
    assert_eq!(found.exit_code, Some(0));
}

/// In W&B, `_step` must rise. A later value of a tag at a step counts.
#[test]
fn steps_that_fall_or_repeat_are_told() {
    let (_dir, logs) = log(|writer| {
        for (step, value) in [(3, 1.0), (-2, 2.0), (3, 3.0), (-5, 4.0), (0, 5.0), (3, 6.0)] {
            writer.add_scalar("x", value, step).unwrap();
        }
        writer.add_scalar("y", 1.0, i64::MAX).unwrap();
    });
    let (done, found, _out) = one(&logs);
    assert_eq!((done.rows, done.points, done.repeated), (5, 5, 2));
    let steps = |name: &str| -> Vec<_> {
        found.rows.iter().map(|row| row[name].as_i64().unwrap()).collect()
    };
    assert_eq!(steps("global_step"), [-5, -2, 0, 3, i64::MAX]);
    assert_eq!(steps("_step"), [0, 1, 2, 3, i64::MAX]);
    assert_eq!(found.values("x").last().unwrap(), &(3, json!(6.0)));
}

#[test]
fn keys_of_the_package_and_hostile_tags_do_no_harm() {
    let tags = ["_step", "_step_", "global_step", "", "../../x", "a\nb", "ü \u{1f525}", "_wandb"];
    let (_dir, logs) = log(|writer| {
        for (i, tag) in tags.iter().enumerate() {
            writer.add_scalar(tag, i as f32, 4).unwrap();
            writer.add_text(&format!("{tag}/text"), "x", 4).unwrap();
        }
    });
    let (done, found, out) = one(&logs);
    let row = &found.rows[0];
    assert_eq!((&row["_step"], &row["global_step"]), (&json!(4), &json!(4)));
    let numbers: Vec<_> = row.values().filter_map(Value::as_f64).collect();
    (0..tags.len()).for_each(|i| assert!(numbers.contains(&(i as f64)), "{i}"));
    assert_eq!(done.renamed["global_step_"], "global_step");
    assert!(done.renamed.values().any(|tag| tag == "_wandb"));
    assert_eq!(row["../../x"], 4.0);
    // Nothing is outside of the directory.
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn a_run_has_its_names_parameters_and_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let long = "x".repeat(65);
    let options = quiet().name("Größe").experiment("a/b").description("**note**").label("good");
    let options = options.label(&long).tag("wandb.job_type", "train").tag("team", "vision");
    let options = options.param("lr", 1e-5).param("layers", 3).param("nan", f64::NAN);
    let options = options.param("a/b", "x").param("on", true).seed("w", 7);
    let run = options.create(logs.join("one")).unwrap();
    run.add_scalar("loss", 0.5, 1).unwrap();
    let child = run.child("fold").unwrap();
    child.add_scalar("loss", 0.25, 1).unwrap();
    child.fail(&io::Error::other("it broke")).unwrap();
    let id = run.id().to_owned();
    run.finish().unwrap();
    RunMeta::update(&logs.join("one"), |meta| {
        meta.start_time = Some(1_700_000_000.0);
        meta.end_time = Some(1_700_000_010.5);
    })
    .unwrap();
    let killed = quiet().create(logs.join("two")).unwrap();
    killed.add_scalar("loss", 1.0, 1).unwrap();
    killed.finish().unwrap();
    RunMeta::update(&logs.join("two"), |meta| {
        meta.status = Some(Status::Killed);
        meta.other.insert("wandb".into(), json!({ "run_id": "abc-1_x" }));
    })
    .unwrap();
    let out = dir.path().join("out");
    let done = export(&logs, &out, &WandbExport::new());
    assert_eq!(done.new_runs, 3);
    assert!(done.warnings.iter().any(|what| what.contains(&long)), "{:?}", done.warnings);
    let all = directories(&out);
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let with = |end: &str| all.iter().find(|path| name(path).ends_with(end)).unwrap();
    assert_eq!(name(with(&id)), format!("offline-run-20231114_221320-{id}"));
    let one = Offline::read(with(&id));
    assert_eq!((one.run.project.as_str(), one.run.display_name.as_str()), ("a-b", "Größe"));
    assert_eq!((one.run.notes.as_str(), one.run.job_type.as_str()), ("**note**", "train"));
    assert_eq!(one.run.tags, ["good"]);
    assert_eq!((&one.config["lr"], &one.config["layers"]), (&json!(1e-5), &json!(3)));
    assert_eq!((&one.config["nan"], &one.config["a/b"]), (&json!("NaN"), &json!("x")));
    assert_eq!((&one.config["on"], &one.config["seed/w"]), (&json!(true), &json!(7)));
    assert_eq!(one.config["tbx/tags"], json!({ "team": "vision" }));
    assert_eq!((one.exit_code, one.run.run_group.as_str()), (Some(0), ""));
    assert!(one.files.contains(&"tbx/tbx.json".to_owned()));
    let two = Offline::read(with("-abc-1_x"));
    assert_eq!(two.exit_code, Some(255));
    let fold = all.iter().map(|dir| Offline::read(dir)).find(|run| run.run.display_name == "fold");
    let fold = fold.unwrap();
    assert_eq!((fold.run.run_group.as_str(), fold.run.project.as_str()), ("Größe", "a-b"));
    assert_eq!(fold.exit_code, Some(1));
    assert!(fold.console.contains("it broke"), "{}", fold.console);
}

#[test]
fn parts_of_a_run_are_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    for (part, value) in [("train", 1.0), ("validation", 2.0)] {
        let writer = SummaryWriter::create(logs.join("run").join(part)).unwrap();
        (0..3).for_each(|step| writer.add_scalar("epoch_loss", value, step).unwrap());
        writer.close().unwrap();
    }
    let (done, found, _out) = one(&logs);
    assert_eq!((done.runs, done.rows, done.points), (1, 3, 6));
    assert_eq!(found.rows[2]["train/epoch_loss"], 1.0);
    assert_eq!(found.rows[2]["validation/epoch_loss"], 2.0);
    let out = tempfile::tempdir().unwrap();
    let apart = WandbExport::new().folding(tbx_runs::table::Folding::None);
    assert_eq!(export(&logs, out.path(), &apart).runs, 2);
}

#[test]
fn an_export_that_is_repeated_writes_nothing_twice() {
    let (_dir, logs) = log(|writer| writer.add_scalar("x", 1.0, 0).unwrap());
    let out = tempfile::tempdir().unwrap();
    let again = || export(&logs, out.path(), &WandbExport::new());
    again();
    let [dir] = directories(out.path()).try_into().unwrap();
    let changed = || fs::metadata(read::file(&dir)).unwrap().modified().unwrap();
    // Files that `wandb sync` adds do not count.
    fs::write(dir.join("files/config.yaml"), "x").unwrap();
    let before = changed();
    let done = again();
    assert_eq!((done.new_runs, done.unchanged_runs, changed()), (0, 1, before));
    let writer = SummaryWriter::create(logs.join("run")).unwrap();
    writer.add_scalar("x", 2.0, 1).unwrap();
    writer.close().unwrap();
    let done = again();
    assert_eq!((done.new_runs, done.kept.len(), changed()), (0, 1, before));
    let done = export(&logs, out.path(), &WandbExport::new().overwrite(true));
    assert_eq!((done.new_runs, done.kept.len()), (1, 0));
    assert_eq!(Offline::read(&dir).values("x").len(), 2);
    assert!(!dir.join("files/config.yaml").exists());
    // A directory of the package is not replaced.
    fs::write(read::file(&dir), "something else").unwrap();
    let done = export(&logs, out.path(), &WandbExport::new().overwrite(true));
    assert!(done.kept[0].contains("was not written by tbx"), "{:?}", done.kept);
    assert_eq!(fs::read(read::file(&dir)).unwrap(), b"something else");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_value_costs_itself() {
    use tbx::event::pb::summary::{Image, Value, value};
    let (_dir, logs) = log(|writer| {
        let image = Image { encoded_image_string: b"no image".to_vec().into(), ..Image::default() };
        let value = Value {
            tag: "drawn".into(),
            value: Some(value::Value::Image(image)),
            ..Value::default()
        };
        writer.add_summary(tbx::event::pb::Summary { value: vec![value] }, 0).unwrap();
        writer.add_tensor("t", tbx::ndarray::arr1(&[1.0f32, 2.0]), 0).unwrap();
        writer.add_scalar("x", 1.0, 0).unwrap();
    });
    let (done, found, _out) = one(&logs);
    assert_eq!(done.report.issues.len(), 1);
    assert!(done.report.issues[0].to_string().contains("drawn"), "{}", done.report.issues[0]);
    assert_eq!(done.left_out, [(Kind::Tensor, 1)].into());
    assert_eq!(found.rows[0]["x"], 1.0);
}

/// A link must not bring a file of this machine to a server.
#[cfg(unix)]
#[test]
fn links_out_of_a_run_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let run = quiet().create(logs.join("run")).unwrap();
    run.add_scalar("x", 1.0, 0).unwrap();
    run.log_artifact_bytes("a/b.txt", b"hello", None).unwrap();
    run.finish().unwrap();
    std::os::unix::fs::symlink("/etc/hostname", logs.join("run/artifacts/link")).unwrap();
    let (done, found, out) = one(&logs);
    assert_eq!((done.artifacts, done.bytes), (1, 5));
    assert!(done.report.issues.iter().any(|issue| issue.to_string().contains("link")));
    let [artifact] = found.artifacts.as_slice() else { panic!("{:?}", found.artifacts) };
    let entry = &artifact.manifest.as_ref().unwrap().contents[0];
    assert_eq!(
        (entry.path.as_str(), entry.digest.as_str()),
        ("a/b.txt", "XUFAKrxLKna5cZ2REBfFkg==")
    );
    assert_eq!(fs::read(&entry.local_path).unwrap(), b"hello");
    assert!(Path::new(&entry.local_path).starts_with(out.path()));
}

#[test]
fn kill_9_loses_no_row_that_was_flushed() {
    for round in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Child::start("wandb_export::child_that_records", dir.path());
        let mut flushed = vec![child.next().unwrap()];
        std::thread::sleep(std::time::Duration::from_millis(37 * round));
        flushed.extend(child.kill());
        let last = usize::try_from(*flushed.last().unwrap()).unwrap();
        let [path] = directories(&dir.path().join("wandb")).try_into().unwrap();
        let mut records =
            tbx::wandb::block::Records::new(fs::File::open(read::file(&path)).unwrap()).unwrap();
        let mut rows = 0;
        while let Some(found) = records.next().unwrap() {
            use prost::Message;
            use tbx::wandb::block::{Found, Loss, Reason};
            use tbx::wandb::record::{Content, Record};
            match found {
                Found::Record { bytes, .. } => {
                    let content = Record::decode(bytes).unwrap().content;
                    rows += usize::from(matches!(content, Some(Content::History(_))));
                }
                // A row that was being written.
                Found::Lost(Loss { reason: Reason::Cut, .. }) => {}
                Found::Lost(loss) => panic!("{loss:?}"),
            }
        }
        assert!(rows > last, "{rows} rows, but step {last} was flushed");
    }
}

#[test]
#[ignore = "another test starts it in a separate process"]
fn child_that_records() {
    let dir = child::dir();
    let run = quiet().wandb(dir.join("wandb")).create(dir.join("logs/run")).unwrap();
    for step in 0.. {
        run.add_scalar("loss", 0.5, step).unwrap();
        run.add_text("note", "text", step).unwrap();
        if step % 5 == 4 {
            run.flush().unwrap();
            child::say(step);
        }
    }
}

#[test]
fn a_recorded_run_keeps_both_kinds_of_a_tag_and_writes_a_step_that_never_ends() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("wandb");
    let run = quiet().wandb(&out).create(dir.path().join("logs/run")).unwrap();
    run.add_scalar("x", 1.0, 0).unwrap();
    run.add_text("x", "text", 0).unwrap();
    for n in 0..20_000 {
        run.add_scalar("same", f64::from(n), 1).unwrap();
    }
    run.finish().unwrap();
    let [path] = directories(&out).try_into().unwrap();
    let ended = Offline::read(&path);
    let kinds: Vec<_> = ended.rows[0].keys().filter(|key| key.starts_with('x')).collect();
    assert!(kinds.len() > 1, "{kinds:?}");
    assert_eq!(ended.values("same").last(), Some(&(1, json!(19999.0))));
}

#[test]
fn a_run_that_is_recorded_has_its_directory_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("wandb");
    let run = quiet().name("live").experiment("e").param("lr", 0.5).wandb(&out);
    let run = run.create(dir.path().join("logs/run")).unwrap();
    for step in 0..3 {
        run.add_scalar("loss", step as f32, step).unwrap();
        run.add_scalar("acc", 0.5, step).unwrap();
    }
    run.add_scalars("lines", [("a/x", 1.0), ("b", 2.0)], 2).unwrap();
    run.flush().unwrap();
    let [path] = directories(&out).try_into().unwrap();
    // As a killed program leaves it.
    let killed = Offline::read(&path);
    assert_eq!((killed.rows.len(), killed.exit_code), (3, None));
    assert_eq!((&killed.rows[2]["acc"], &killed.summary["loss"]), (&json!(0.5), &json!(2.0)));
    assert_eq!(
        (&killed.rows[2]["lines/a/x"], &killed.rows[2]["lines/b"]),
        (&json!(1.0), &json!(2.0))
    );
    run.add_scalar("late", 7.0, 1).unwrap();
    run.add_text("note", "<b>", 4).unwrap();
    run.update(|meta| meta.labels.extend(["done".to_owned()])).unwrap();
    let child = run.child("fold").unwrap();
    child.add_scalar("x", 1.0, 0).unwrap();
    child.finish().unwrap();
    run.finish().unwrap();
    let all = directories(&out);
    let ended = Offline::read(&path);
    let steps = |name: &str| -> Vec<_> {
        ended.rows.iter().map(|row| row[name].as_i64().unwrap()).collect()
    };
    assert_eq!((steps("global_step"), steps("_step")), (vec![0, 1, 2, 1, 4], vec![0, 1, 2, 3, 4]));
    assert_eq!((ended.exit_code, ended.run.tags.as_slice()), (Some(0), &["done".to_owned()][..]));
    assert_eq!((ended.run.project.as_str(), ended.run.display_name.as_str()), ("e", "live"));
    assert_eq!(
        (&ended.config["lr"], ended.rows[4]["note._type"].as_str()),
        (&json!(0.5), Some("html-file"))
    );
    let fold = all.iter().find(|other| **other != path).unwrap();
    assert_eq!(Offline::read(fold).run.run_group, "live");
    // The run goes on in another directory.
    let run = quiet().wandb(&out).create(dir.path().join("logs/run")).unwrap();
    run.add_scalar("loss", 9.0, 9).unwrap();
    drop(run);
    let third = directories(&out).into_iter().find(|dir| !all.contains(dir)).unwrap();
    let third = Offline::read(&third);
    assert!(third.run.resume && third.run.run_id == ended.run.run_id);
    assert_eq!((third.values("loss"), third.exit_code), (vec![(9, json!(9.0))], Some(1)));
    assert!(third.console.contains("dropped"), "{}", third.console);
}

/// They have their own records, so they are no rows, and the steps of the rows stay.
#[test]
fn measurements_of_the_machine_are_system_metrics() {
    let (dir, logs) = log(|writer| {
        for second in [10, 20] {
            let value = f64::from(second as u8);
            writer.add_scalar("system/network_receive_megabytes", value, second).unwrap();
            writer.add_scalar("system/gpu_0_utilization_percentage", 50.0, second).unwrap();
            writer.add_scalar("system/cpu_utilization_percentage", 25.0, second).unwrap();
        }
        writer.add_scalar("loss", 0.5, 1).unwrap();
    });
    let (_, exported, out) = one(&logs);
    assert_eq!(exported.values("loss"), [(1, json!(0.5))]);
    assert_eq!(exported.rows.len(), 1);
    let again = dir.path().join("again");
    let imported = tbx_runs::import::Import::new().run(out.path().to_str().unwrap(), &again);
    assert!(imported.unwrap().report.is_lossless());
    let loaded = tbx::Logdir::open(&again).unwrap().load(&tbx::LoadOptions::new()).unwrap();
    let run = loaded.runs.iter().find(|run| run.get("loss").is_some()).unwrap();
    let values = |tag: &str| run.get(tag).unwrap().scalars().unwrap().iter().collect::<Vec<_>>();
    assert_eq!(values("system/network.recv"), [10e6, 20e6]);
    assert_eq!(values("system/gpu.0.gpu"), [50.0, 50.0]);
    assert_eq!(values("system/cpu_utilization_percentage"), [25.0, 25.0]);
    let times = run.get("system/gpu.0.gpu").unwrap().wall_times();
    assert!(times.iter().all(|time| (time - 1_700_000_000.25).abs() < 1e-3), "{times:?}");
}
