use std::fs;

use super::super::opened::{Opened, options, read, refused};
use super::SOURCE;
use tbx::meta::Status;

/// A file of `TrainerState.save_to_json` of transformers 5.24, shortened.
const STATE: &str = r#"{
  "best_global_step": 10,
  "best_metric": 0.5,
  "best_model_checkpoint": "out/checkpoint-10",
  "epoch": 2.0,
  "eval_steps": 500,
  "global_step": 20,
  "is_hyper_param_search": false,
  "is_local_process_zero": true,
  "log_history": [
    {"epoch": 0.5, "grad_norm": NaN, "learning_rate": 5e-05, "loss": 2.5, "step": 5},
    {"epoch": 1.0, "learning_rate": 4e-05, "loss": Infinity, "step": 10},
    {"epoch": 1.0, "eval_loss": 0.5, "eval_runtime": 1.5, "step": 10},
    {"flag": true, "l": [1, 2], "note": "hello", "step": 10, "test_loss": 0.75},
    {"epoch": 2.0, "step": 20, "total_flos": 123456789.0, "train_loss": 1.25, "train_runtime": 12.5}
  ],
  "max_steps": 20,
  "num_train_epochs": 2,
  "stateful_callbacks": {},
  "train_batch_size": null,
  "trial_params": {"lr": 0.0001, "opt": {"name": "adam"}}
}
"#;

fn state(step: i64) -> String {
    format!(r#"{{"global_step": {step}, "log_history": [{{"loss": {step}, "step": {step}}}]}}"#)
}

fn one(path: &std::path::Path) -> Opened {
    let (mut runs, report) = read(&SOURCE, path, &options()).unwrap();
    assert!(report.is_lossless(), "{:?}", report.issues);
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

#[test]
fn a_log_has_the_names_that_the_trainer_gives_to_tensorboard() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("models/bert/trainer_state.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, STATE).unwrap();
    assert!((SOURCE.is_here)(&path));
    let run = one(&path);
    assert_eq!(run.name(), "models/bert");
    assert_eq!(run.values("train/loss"), [(5, 2.5), (10, f64::INFINITY)]);
    assert!(run.values("train/grad_norm")[0].1.is_nan());
    assert_eq!(run.values("eval/loss"), [(10, 0.5)]);
    assert_eq!(run.values("test/loss"), [(10, 0.75)]);
    assert_eq!(run.values("train/train_loss"), [(20, 1.25)]);
    assert_eq!(run.values("train/flag"), [(10, 1.0)]);
    assert_eq!(run.values("train/epoch").len(), 4);
    assert_eq!(run.texts("train/note"), [(10, "hello")]);
    assert_eq!(run.left_out(), [("lists in the trainer's log", 1)]);
    let params =
        ["eval_steps=500", "lr=0.0001", "max_steps=20", "num_train_epochs=2", "opt/name=adam"];
    assert_eq!(run.params(), params);
    let best = &run.content.meta.summary["best_metric"];
    assert_eq!((best.value, best.step), (0.5, Some(10)));
    assert_eq!(run.content.meta.status, Some(Status::Finished));
    let facts = &run.content.meta.other["trainer_state"]["trainer"];
    assert_eq!(facts["best_model_checkpoint"], "out/checkpoint-10");
    assert_eq!(facts["epoch"], 2.0);
    let modified = path.metadata().unwrap().modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(run.scalars("train/loss").iter().all(|(_, time, _)| *time == modified));
}

#[test]
fn the_last_checkpoint_is_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for step in [5, 100, 20] {
        let dir = out.join(format!("checkpoint-{step}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("trainer_state.json"), state(step)).unwrap();
    }
    fs::create_dir_all(out.join("checkpoint-last")).unwrap();
    assert!((SOURCE.is_here)(&out));
    let of_output = one(&out);
    assert_eq!(of_output.values("train/loss"), [(100, 100.0)]);
    assert_eq!(of_output.content.meta.status, None);
    // A checkpoint is the same run.
    let of_checkpoint = one(&out.join("checkpoint-20"));
    assert_eq!(of_checkpoint.values("train/loss"), [(20, 20.0)]);
    assert_eq!(of_checkpoint.run.id, of_output.run.id);
    assert_eq!(of_checkpoint.name(), of_output.name());
    // The output's own state is the last one, unless the training went on after it.
    fs::write(out.join("trainer_state.json"), state(99)).unwrap();
    assert_eq!(one(&out).values("train/loss"), [(100, 100.0)]);
    fs::write(out.join("trainer_state.json"), state(101)).unwrap();
    assert_eq!(one(&out).values("train/loss"), [(101, 101.0)]);
    // A damaged state is reported, and the one before it counts.
    fs::remove_file(out.join("trainer_state.json")).unwrap();
    fs::write(out.join("checkpoint-100/trainer_state.json"), "{\"log_history\": [").unwrap();
    let (runs, report) = read(&SOURCE, &out, &options()).unwrap();
    assert_eq!(runs[0].values("train/loss"), [(20, 20.0)]);
    assert_eq!(report.issues.len(), 1);
    // Several trainings are several runs.
    fs::create_dir_all(dir.path().join("b/checkpoint-1")).unwrap();
    fs::write(dir.path().join("b/checkpoint-1/trainer_state.json"), state(1)).unwrap();
    let (runs, _) = read(&SOURCE, dir.path(), &options()).unwrap();
    assert_eq!(runs.len(), 2);
}

#[test]
fn steps_may_be_those_of_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trainer_state.json");
    let log = r#"{"log_history": [{"loss": 1, "step": 1, "tokens": 100, "at": "2023-11-14T22:13:20Z"},
        {"loss": 2, "step": 2, "tokens": 0.5}, 7]}"#;
    fs::write(&path, log).unwrap();
    let mut options = options();
    options.step = Some("tokens".into());
    options.time = Some("at".into());
    let (runs, report) = read(&SOURCE, &path, &options).unwrap();
    assert_eq!(runs[0].scalars("train/loss"), [(100, 1.7e9, 1.0)]);
    assert_eq!(report.issues.len(), 1);
    let said = report.issues[0].kind.to_string();
    assert_eq!(said, "2 records of log_history have no whole number under \"tokens\"");
}

#[test]
fn what_is_no_state_is_refused_with_what_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trainer_state.json");
    let said = refused(&SOURCE, dir.path(), &options());
    assert!(said.contains("trainer_state.json or a directory checkpoint-N"), "{said}");
    assert!(!(SOURCE.is_here)(dir.path()));
    for (json, why) in [
        ("", "EOF"),
        ("[]", "expected an object"),
        ("{}", "has no list log_history"),
        (r#"{"log_history": {}}"#, "expected a list"),
        (r#"{"log_history": [{"a": "#, "EOF"),
        ("\u{0}", "expected value"),
    ] {
        fs::write(&path, json).unwrap();
        let said = refused(&SOURCE, &path, &options());
        assert!(said.contains(why) && said.contains("trainer_state.json"), "{json:?}: {said}");
    }
    let deep = format!(r#"{{"log_history": [{}]}}"#, "[".repeat(100_000));
    fs::write(&path, deep).unwrap();
    refused(&SOURCE, &path, &options());
    let file = fs::File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(refused(&SOURCE, &path, &options()).contains("the limit is 268435456"));
}

#[cfg(unix)]
#[test]
fn links_out_of_the_source_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret.json");
    fs::write(&secret, state(1)).unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    std::os::unix::fs::symlink(&secret, out.join("trainer_state.json")).unwrap();
    let said = refused(&SOURCE, &out, &options());
    assert!(said.contains("follow_links"), "{said}");
    let mut followed = options();
    followed.links = tbx::store::Links::All;
    assert_eq!(read(&SOURCE, &out, &followed).unwrap().0[0].name().rsplit('/').next(), Some("out"));
    let fifo = dir.path().join("trainer_state.json");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    refused(&SOURCE, &fifo, &options());
}
