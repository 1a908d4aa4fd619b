//! The examples work as documented.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tbx::meta::{RunMeta, Status};
use tbx::{
    Audio, Embedding, HparamsRecord, Images, Kind, LoadOptions, Loaded, Logdir, RestartPolicy,
    SessionStatus,
};

/// Runs an example, which logs below `dir`, and returns its output.
pub(crate) fn run(example: &str, dir: &Path) -> String {
    // Examples are next to the program: `cargo test` builds both.
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
    // Everything that TensorBoard shows, and tensors.
    let shown = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Meta);
    assert_eq!(kinds, shown.collect());
    let last = |tag: &str| run.get(tag).unwrap().scalars().unwrap().iter().last().unwrap();
    assert!(last("accuracy/valid") > 0.9 && last("loss/train") < 0.3, "{said}");
    let images = run.get("plane/wrong").unwrap().raw().unwrap();
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
        let loss = loaded.runs[0].get("loss").unwrap();
        assert!(loss.steps().iter().copied().eq(0..=120), "{policy:?}: {:?}", loss.steps());
        let end = loaded.runs[0].get("_hparams_/session_end_info").unwrap();
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
        let start = run.get("_hparams_/session_start_info");
        let end = run.get("_hparams_/session_end_info");
        start.is_some() && end.is_some() && run.get("valid").is_some()
    });
    assert_eq!(sessions.count(), 9);
    assert!(loaded.runs[0].get("_hparams_/experiment").is_some());
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

/// The metadata of the runs below `dir`, by path.
fn metas(dir: &Path) -> BTreeMap<String, RunMeta> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        if let Some(meta) = RunMeta::read(&folder).unwrap() {
            let name = folder.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            found.insert(name, meta);
        }
        let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|path| path.is_dir()));
    }
    found
}

#[test]
fn every_pattern_of_tracking_does_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let said = run("patterns", dir.path());
    let metas = metas(dir.path());
    let below = |pattern: &str| {
        let inside = format!("{pattern}/");
        let runs = metas.iter().filter(|(name, _)| *name == pattern || name.starts_with(&inside));
        runs.map(|(_, meta)| meta).collect::<Vec<_>>()
    };
    // Workers may join a search later, so it has no end.
    assert_eq!(metas["search"].status, None);
    for (name, meta) in metas.iter().filter(|(name, _)| *name != "search") {
        let is_trial = name.starts_with("search/");
        let expected = match name.starts_with("failed_run/") {
            true => Status::Failed,
            // A search ends its bad trials.
            false if is_trial && meta.status == Some(Status::Pruned) => Status::Pruned,
            false => Status::Finished,
        };
        assert_eq!(meta.status, Some(expected), "{name}");
    }
    assert_eq!(metas["basic_run"].name.as_deref(), Some("spirals-mlp-first"));

    let params: Vec<_> = metas["params_and_metrics"].params.keys().collect();
    assert_eq!(params, ["epochs", "model/hidden", "optimizer/lr", "optimizer/name"]);

    let artifacts = &metas["artifacts"].artifacts;
    assert_eq!(
        artifacts.iter().map(|artifact| artifact.step).collect::<Vec<_>>(),
        [Some(100), Some(200), None]
    );

    // The search, its two architectures, and three trials for each.
    let search = below("nested_search");
    assert_eq!(search.len(), 1 + 2 + 6);
    let parents: BTreeSet<_> = search.iter().filter_map(|meta| meta.parent.as_deref()).collect();
    assert_eq!(parents.len(), 3);
    let best = &metas["nested_search/hidden-8"].summary["loss"];
    assert!(best.value > 0.0 && best.other["run"].as_str().unwrap().starts_with("trial-"));

    let models = tbx_runs::registry::Registry::open(dir.path().join("registry")).models().unwrap();
    let spirals = &models["spirals"];
    assert_eq!(spirals.aliases["champion"], 2);
    let stages: Vec<_> = spirals.versions.iter().map(|version| version.stage.name()).collect();
    assert_eq!(stages, ["Archived", "Production"]);

    let stages = below("stages");
    assert_eq!(stages.len(), 3);
    assert!(stages[1..].iter().all(|stage| stage.role.as_deref() == Some("stage")));

    assert_eq!(said.matches("experiments: ").count(), 4, "{said}");
    assert_eq!(metas["experiments/large/seed-2"].experiment.as_deref(), Some("large"));

    let cv = &metas["cross_validation"].summary;
    assert_eq!(cv["accuracy/std"].other["ddof"], 1);
    assert_eq!(cv["accuracy/mean"].other["count"], 4);
    assert!((0.5..=1.0).contains(&cv["accuracy/mean"].value));

    let failure = metas["failed_run/diverged"].failure.as_ref().unwrap();
    assert!(failure.kind.ends_with("Diverged") && failure.message.starts_with("the loss is"));
    let failure = metas["failed_run/panicked"].failure.as_ref().unwrap();
    assert!(failure.message.contains("index out of bounds") && failure.traceback.is_some());

    assert_eq!(below("sweep").len(), 1 + 6);
    assert_eq!(metas["sweep"].other["sweep"]["goal"], "maximize");

    let [v1, v2] = ["v1", "v2"].map(|v| &metas[&format!("datasets/{v}")].datasets[0]);
    assert!(v1.digest.len() == 64 && v1.digest != v2.digest);

    let environment = metas["environment"].environment.as_ref().unwrap();
    assert!(environment.lock_sha256.is_some() && environment.cpus > Some(0));

    let written = fs::read_to_string(dir.path().join("classifier/artifacts/confusion_matrix.md"));
    assert!(written.unwrap().contains("inner"));

    let models = tbx_runs::registry::Registry::open(dir.path().join("models")).models().unwrap();
    let digits = &models["digits"].versions[0];
    assert_eq!((digits.stage.name(), &*digits.tags["task"]), ("Production", "classification"));
    assert!(said.contains("models: models:/digits/production has 2758 bytes"), "{said}");

    let [made, used] = [&metas["versions/prepare"].outputs, &metas["versions/train"].inputs];
    assert_eq!(made.iter().map(|output| output.version).collect::<Vec<_>>(), [0, 1]);
    let [newest, used] = [&made[1], &used[0]];
    assert_eq!(
        (&newest.name, newest.version, &newest.digest),
        (&used.name, used.version, &used.digest)
    );
    assert_eq!(metas["versions/train"].outputs[0].name, "spirals-model");

    // Fifteen trials; hyperband ends some. And the run of the sweep itself.
    let search = below("search");
    assert_eq!(search.len(), 1 + 15);
    assert!(search.iter().any(|meta| meta.status == Some(Status::Pruned)));

    let loaded = load(&dir.path().join("watch"), RestartPolicy::default());
    let steps = |tag: &str| loaded.runs[0].get(tag).unwrap().steps().to_vec();
    assert_eq!(steps("gradients/w1"), [0, 100, 200]);
    assert_eq!((steps("loss").len(), steps("val/accuracy").len()), (300, 5));
}
