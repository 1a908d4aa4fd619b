//! Runs with metadata.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use tbx::meta::{Dataset, RunMeta, Status};
use tbx::track::{ActiveRun, RunOptions, Sweep};
use tbx::{HparamsRecord, LoadOptions, Logdir, SessionStatus, Text};

fn meta(dir: &Path) -> RunMeta {
    RunMeta::read(dir).unwrap().unwrap()
}

/// Options without metadata that depends on the machine.
fn quiet() -> RunOptions {
    ActiveRun::options().git(false).environment(false)
}

fn load(dir: &Path) -> tbx::Run {
    let loaded = Logdir::open(dir).unwrap().load(&LoadOptions::new()).unwrap();
    assert!(loaded.report.is_lossless());
    loaded.runs.into_iter().next().unwrap()
}

fn end(dir: &Path) -> SessionStatus {
    let run = load(dir);
    let end = run.get("_hparams_/session_end_info").unwrap();
    let HparamsRecord::End(end) = HparamsRecord::read(end.metadata()).unwrap() else { panic!() };
    end.status
}

fn text(dir: &Path, tag: &str) -> Vec<String> {
    let run = load(dir);
    Text::read(&run.get(tag).unwrap().raw().unwrap()[0]).unwrap().strings
}

#[test]
fn a_run_that_finished_says_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let data = Dataset::new("spirals", "ab12");
    let options = quiet().name("two layers").experiment("spirals").description("a *test*");
    let options = options.tag("model", "mlp").label("baseline").param("lr", 0.5);
    let run = options.seed("weights", u64::MAX).dataset(data).create(dir.path()).unwrap();
    let running = meta(dir.path());
    assert_eq!(running.status, Some(Status::Running));
    assert_eq!(running.process.unwrap().pid, std::process::id());
    assert_eq!(running.id.as_deref(), Some(run.id()));
    run.add_scalar("loss", 0.25, 7).unwrap();
    fs::write(dir.path().join("weights.bin"), b"abc").unwrap();
    run.log_artifact(dir.path().join("weights.bin"), 7).unwrap();
    run.log_artifact_bytes("plots/a.txt", b"old", None).unwrap();
    run.log_artifact_bytes("plots/a.txt", b"new!", 8).unwrap();
    run.finish().unwrap();

    let found = meta(dir.path());
    assert_eq!(found.status, Some(Status::Finished));
    assert_eq!(found.process, None);
    assert!(found.end_time >= found.start_time);
    assert_eq!(found.seeds["weights"], u64::MAX);
    let artifacts: Vec<_> =
        found.artifacts.iter().map(|a| (a.path.as_str(), a.size, a.step)).collect();
    assert_eq!(artifacts, [("weights.bin", 3, Some(7)), ("plots/a.txt", 4, Some(8))]);
    assert_eq!(fs::read(dir.path().join("artifacts/plots/a.txt")).unwrap(), b"new!");

    // The log alone holds the same metadata.
    fs::remove_file(dir.path().join("tbx.json")).unwrap();
    assert_eq!(load(dir.path()).meta().0, found);
    assert_eq!(end(dir.path()), SessionStatus::Success);
    let card = text(dir.path(), "tbx/run").join("|");
    assert!(
        card.starts_with("name|two layers|experiment|spirals|description|a *test*|id|"),
        "{card}"
    );
    assert!(card.ends_with("tag model|mlp|labels|baseline|dataset spirals|ab12"), "{card}");
}

#[test]
fn the_environment_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let run = ActiveRun::options().variables(["PATH"]).create(dir.path()).unwrap();
    let environment = run.meta().unwrap().environment.unwrap();
    assert!(environment.cpus > Some(0) && environment.memory > Some(1 << 20), "{environment:?}");
    assert!(environment.language.unwrap().starts_with("rustc 1."));
    assert_eq!(environment.lock_sha256.unwrap().len(), 64);
    assert!(environment.packages.contains_key("prost"));
    assert!(environment.variables.contains_key("PATH"));
    assert!(!environment.command.is_empty());
    run.finish().unwrap();
}

#[test]
fn an_error_is_kept_with_its_causes() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().create(dir.path()).unwrap();
    let error = io::Error::other(io::Error::other("the disk is gone\n```\n# no head"));
    run.fail(&error).unwrap();
    let found = meta(dir.path());
    assert_eq!(found.status, Some(Status::Failed));
    let failure = found.failure.unwrap();
    assert_eq!(failure.kind, "std::io::error::Error");
    assert!(failure.message.starts_with("the disk is gone"), "{}", failure.message);
    assert_eq!(end(dir.path()), SessionStatus::Failure);
    let card = &text(dir.path(), "tbx/error")[0];
    assert!(card.lines().all(|line| line.starts_with("    ")), "{card}");
    assert!(card.contains("the disk is gone\n    ```\n    # no head"), "{card}");
}

#[test]
fn a_panic_is_kept_with_message_and_backtrace() {
    let dir = tempfile::tempdir().unwrap();
    let train = || {
        let _run = quiet().create(dir.path()).unwrap();
        panic!("loss is {}", f64::NAN);
    };
    catch_unwind(AssertUnwindSafe(train)).unwrap_err();
    let found = meta(dir.path());
    assert_eq!(found.status, Some(Status::Failed));
    let failure = found.failure.unwrap();
    assert_eq!(failure.kind, "panic");
    assert!(failure.message.starts_with("loss is NaN at "), "{}", failure.message);
    assert!(failure.message.contains("tests/suite/track.rs"), "{}", failure.message);
    assert!(failure.traceback.unwrap().contains("track"));
    assert_eq!(end(dir.path()), SessionStatus::Failure);
}

#[test]
fn a_run_that_is_dropped_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    drop(quiet().create(dir.path()).unwrap());
    let found = meta(dir.path());
    assert_eq!(found.status, Some(Status::Failed));
    assert_eq!(found.failure.unwrap().kind, "dropped");
}

#[test]
fn children_know_their_parent() {
    let dir = tempfile::tempdir().unwrap();
    let parent = quiet().experiment("folds").create(dir.path()).unwrap();
    let child = quiet().create_child(&parent, "../fold 0").unwrap();
    assert!(child.dir().starts_with(dir.path()));
    assert_eq!(child.dir().parent(), Some(dir.path()));
    let found = child.meta().unwrap();
    assert_eq!(found.parent.as_deref(), Some(parent.id()));
    assert_eq!(found.experiment.as_deref(), Some("folds"));
    assert_eq!(found.name.as_deref(), Some("../fold 0"));
    child.finish().unwrap();
    parent.finish().unwrap();
}

/// Metadata that somebody adds in the meantime stays, and a resumed run is the same run.
#[test]
fn a_run_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().param("lr", 0.5).create(dir.path()).unwrap();
    let id = run.id().to_owned();
    RunMeta::update(dir.path(), |meta| {
        meta.tags.insert("reviewed".into(), "yes".into());
    })
    .unwrap();
    drop(run);
    let run = quiet().param("epochs", 3).create(dir.path()).unwrap();
    assert_eq!(run.id(), id);
    run.finish().unwrap();
    let found = meta(dir.path());
    assert_eq!(found.failure, None);
    assert_eq!(found.status, Some(Status::Finished));
    assert_eq!(found.tags["reviewed"], "yes");
    assert_eq!(found.params.keys().collect::<Vec<_>>(), ["epochs", "lr"]);
}

#[test]
fn a_run_says_that_it_is_alive_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().heartbeat(Duration::from_millis(20)).create(dir.path()).unwrap();
    let first = meta(dir.path()).process.unwrap().heartbeat;
    let give_up = std::time::Instant::now() + Duration::from_secs(20);
    while meta(dir.path()).process.unwrap().heartbeat == first {
        assert!(std::time::Instant::now() < give_up, "no beat");
        std::thread::sleep(Duration::from_millis(5));
    }
    let found = meta(dir.path());
    // A killed run sends no more heartbeats.
    let last = found.process.as_ref().unwrap().heartbeat;
    assert_eq!(found.status_at(last + 0.05), Some(Status::Running));
    assert_eq!(found.status_at(last + 0.1), Some(Status::Killed));
    run.finish().unwrap();
    assert_eq!(meta(dir.path()).status_at(last + 1000.0), Some(Status::Finished));
}

/// A heartbeat does not restore a file that somebody removed, nor make a run look alive that was
/// resumed elsewhere.
#[test]
fn only_the_own_heart_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().heartbeat(Duration::from_millis(5)).create(dir.path()).unwrap();
    let elsewhere = |meta: &mut RunMeta| {
        let process = meta.process.as_mut().unwrap();
        (process.pid, process.heartbeat) = (process.pid.wrapping_add(1), 7.0);
    };
    RunMeta::update(dir.path(), elsewhere).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(meta(dir.path()).process.unwrap().heartbeat, 7.0);
    fs::remove_file(dir.path().join("tbx.json")).unwrap();
    std::thread::sleep(Duration::from_millis(60));
    assert!(!dir.path().join("tbx.json").exists());
    drop(run);
}

#[test]
fn a_log_may_be_without_cards() {
    let dir = tempfile::tempdir().unwrap();
    quiet().card(false).param("lr", 0.5).create(dir.path()).unwrap().finish().unwrap();
    let tags: Vec<_> = load(dir.path()).series.iter().map(|s| s.tag().to_owned()).collect();
    assert_eq!(tags, ["tbx/run_meta"]);
}

/// Compares with `numpy.mean`, and `numpy.std` with `ddof` 1 and 0, of 0.5, 0.75 and 1.75.
#[test]
fn folds_have_a_mean_and_a_deviation() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().create(dir.path()).unwrap();
    run.add_scalar("accuracy", 100.0, 0).unwrap(); // the parent's own point
    assert!(run.summarize_children("accuracy", 1).is_err());
    for (fold, value) in [0.5, 0.75, 1.75].into_iter().enumerate() {
        let child = quiet().create_child(&run, &format!("fold-{fold}")).unwrap();
        child.add_scalar("accuracy", 7.0, 1).unwrap();
        child.add_scalar("accuracy", value, 2).unwrap();
        quiet().create_child(&child, "stage").unwrap().add_scalar("accuracy", 9.0, 5).unwrap();
        child.finish().unwrap();
    }
    let sample = run.summarize_children("accuracy", 1).unwrap();
    assert_eq!((sample.mean, sample.count, sample.step), (1.0, 3, 2));
    assert!((sample.std - 0.661_437_827_766_147_7).abs() < 1e-15, "{}", sample.std);
    assert!(run.summarize_children("accuracy", 3).unwrap().std.is_nan());
    let all = run.summarize_children("accuracy", 0).unwrap();
    assert!((all.std - 0.540_061_724_867_321_7).abs() < 1e-15, "{}", all.std);
    let summary = run.meta().unwrap().summary;
    assert_eq!(summary["accuracy/mean"].value, 1.0);
    assert_eq!(summary["accuracy/std"].other["ddof"], 0);
    run.finish().unwrap();
    let means = load(dir.path()).get("accuracy/mean").unwrap().steps().to_vec();
    assert_eq!(means, [2, 2, 2]);
}

#[test]
fn a_sweep_knows_its_best_trial_and_tells_the_table_of_its_space() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = Sweep::maximize("accuracy").choice("deep", [true, false]).uniform("lr", 0.0, 1.0);
    let parent = quiet().card(false).create(dir.path()).unwrap();
    sweep.describe(&parent).unwrap();
    assert!(sweep.best(&parent).is_err());
    for trial in sweep.grid(3).unwrap() {
        let run = quiet().trial(&trial).create_child(&parent, &trial.name).unwrap();
        let lr = trial.number("lr").unwrap();
        run.add_scalar("accuracy", f64::NAN, 0).unwrap();
        run.add_scalar("accuracy", lr, 1).unwrap();
        run.add_scalar("accuracy", 0.25, 2).unwrap();
        run.finish().unwrap();
    }
    let best = sweep.best(&parent).unwrap();
    assert_eq!((best.run.as_str(), best.value, best.step), ("trial-0002", 1.0, 1));
    let said = parent.meta().unwrap();
    assert_eq!(said.summary["accuracy"].other["run"], "trial-0002");
    assert_eq!(said.other["sweep"]["space"]["lr"]["max"], 1.0);
    let trial = meta(&dir.path().join("trial-0003"));
    assert_eq!(trial.params["deep"], false.into());
    assert_eq!(trial.role.as_deref(), Some("trial"));
    parent.finish().unwrap();

    let run = load(dir.path());
    let series = run.get("_hparams_/experiment").unwrap();
    let record = HparamsRecord::read(series.metadata()).unwrap();
    let HparamsRecord::Experiment(experiment) = record else { panic!("{record:?}") };
    let names: Vec<_> = experiment.hparams.iter().map(|hparam| hparam.name.as_str()).collect();
    assert_eq!(names, ["deep", "lr"]);
}

#[test]
fn a_child_does_not_measure_the_machine_that_its_parent_measures() {
    let dir = tempfile::tempdir().unwrap();
    let every_second = std::time::Duration::from_secs(1);
    let run = ActiveRun::options().system_metrics(every_second).create(dir.path()).unwrap();
    let child = run.child("fold").unwrap();
    let asked = ActiveRun::options().system_metrics(every_second);
    let asked = asked.create_child(&run, "asked").unwrap();
    // Until the run itself has measured twice.
    let measured = |name: &str| {
        let loaded = tbx::Logdir::open(dir.path()).unwrap().load(&tbx::LoadOptions::new()).unwrap();
        let series = loaded.run(name).and_then(|run| run.get("system/cpu_utilization_percentage"));
        series.map_or(0, |series| series.steps().len())
    };
    let is_done = || measured(".") > 1 && measured("asked") > 0;
    for _ in 0..600 {
        if is_done() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(is_done());
    assert_eq!(measured("fold"), 0);
    for run in [asked, child, run] {
        run.finish().unwrap();
    }
}
