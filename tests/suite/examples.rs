//! The examples do what they say.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.
#![cfg(feature = "ndarray")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use tbx::{
    Audio, Embedding, HparamsRecord, Images, Kind, LoadOptions, Loaded, Logdir, RestartPolicy,
    SessionStatus,
};

/// Runs an example, which logs below `dir`; what it prints.
fn run(example: &str, dir: &Path) -> String {
    // Beside the program: `cargo test` builds both.
    let program = PathBuf::from(env!("CARGO_BIN_EXE_tbx"));
    let name = format!("{example}{}", std::env::consts::EXE_SUFFIX);
    let path = program.parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not built: cargo build --examples", path.display());
    let done = Command::new(path).arg(dir).output().unwrap();
    let [out, err] = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(done.status.success(), "{example}: {out}{err}");
    out
}

fn load(dir: &Path, policy: RestartPolicy) -> Loaded {
    let loaded = Logdir::open(dir).unwrap().load(&LoadOptions::new().restart(policy)).unwrap();
    assert!(loaded.report.is_lossless(), "{:?}", loaded.report.issues);
    loaded
}

#[test]
fn the_training_loop_logs_every_kind_and_learns() {
    let dir = tempfile::tempdir().unwrap();
    let said = run("train", dir.path());
    assert!(said.contains("accuracy"), "{said}");
    let loaded = load(dir.path(), RestartPolicy::default());
    let run = &loaded.runs[0];
    let kinds: BTreeSet<Kind> = run.series.iter().map(|series| series.kind()).collect();
    // All that TensorBoard shows, and tensors.
    let shown = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Meta);
    assert_eq!(kinds, shown.collect());
    let last = |tag: &str| run.series(tag).unwrap().scalars().unwrap().iter().last().unwrap();
    assert!(last("accuracy/valid") > 0.9 && last("loss/train") < 0.3, "{said}");
    let images = run.series("plane/wrong").unwrap().raw().unwrap();
    assert_eq!(Images::read(&images[0]).unwrap().decode().unwrap()[0].width(), 96);
    let sound = run.series.iter().find(|series| series.kind() == Kind::Audio).unwrap();
    assert_eq!(Audio::read(&sound.raw().unwrap()[0]).unwrap().decode().unwrap().len(), 1);
    let names: Vec<_> = loaded.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, [".", "losses_train", "losses_valid"]);
}

#[test]
fn the_program_that_crashes_goes_on_without_a_zigzag() {
    let dir = tempfile::tempdir().unwrap();
    let said = run("crash", dir.path());
    assert!(
        said.starts_with("crashed at epoch 70, the last checkpoint is of epoch 60\n"),
        "{said}"
    );
    for policy in
        [RestartPolicy::SessionStart, RestartPolicy::Tensorboard, RestartPolicy::Rustboard]
    {
        let loaded = load(dir.path(), policy);
        let loss = loaded.runs[0].series("loss").unwrap();
        assert!(loss.steps().iter().copied().eq(0..=120), "{policy:?}: {:?}", loss.steps());
        let end = loaded.runs[0].series("_hparams_/session_end_info").unwrap();
        let Ok(HparamsRecord::End(end)) = HparamsRecord::read(end.metadata()) else {
            panic!("no end");
        };
        assert_eq!(end.status, SessionStatus::Failure);
    }
}

#[test]
fn the_grid_has_a_session_a_trial() {
    let dir = tempfile::tempdir().unwrap();
    let said = run("hparams_grid", dir.path());
    assert!(said.starts_with("best: hidden="), "{said}");
    let loaded = load(dir.path(), RestartPolicy::default());
    let sessions = loaded.runs.iter().filter(|run| {
        let start = run.series("_hparams_/session_start_info");
        let end = run.series("_hparams_/session_end_info");
        start.is_some() && end.is_some() && run.series("valid").is_some()
    });
    assert_eq!(sessions.count(), 9);
    assert!(loaded.runs[0].series("_hparams_/experiment").is_some());
}

#[test]
fn the_embeddings_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    run("embeddings", dir.path());
    let loaded = load(dir.path(), RestartPolicy::default());
    let saved = loaded.runs[0].embeddings().unwrap();
    let read: Vec<Embedding> = saved.iter().map(|saved| saved.load().unwrap()).collect();
    assert_eq!(
        read.iter().map(|e| (e.len(), e.dimensions())).collect::<Vec<_>>(),
        [(300, 240), (10, 7)]
    );
    assert_eq!(read[0].header(), ["digit", "parity"]);
}
