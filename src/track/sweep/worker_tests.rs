use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::logdir::{LoadOptions, Logdir};
use crate::meta::{RunMeta, Status, now};
use crate::track::RunOptions;

fn sweep() -> Sweep {
    Sweep::minimize("loss").uniform("x", -1.0, 1.0).choice("n", [1, 2, 3]).seed(5)
}

/// Without what takes time.
fn quick() -> RunOptions {
    RunOptions::default().git(false).environment(false).card(false)
}

fn join(sweep: &Sweep, dir: &Path) -> Worker {
    sweep.join(dir).unwrap().options(quick())
}

fn claimed(worker: &Worker) -> ActiveTrial {
    match worker.claim().unwrap() {
        Next::Trial(trial) => *trial,
        other => panic!("{other:?}"),
    }
}

/// Sets the last heartbeat of a trial to long ago, as if its worker had died.
fn silence(worker: &Worker, trial: &str) {
    RunMeta::update(&worker.dir().join(trial), |meta| {
        meta.process.as_mut().unwrap().heartbeat = now() - 1e4;
    })
    .unwrap();
}

#[test]
fn workers_have_the_trials_of_the_sequence_each_once() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep().trials(24);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let worker = join(&sweep, dir.path());
                while let Some(mut trial) = worker.next_trial().unwrap() {
                    let x = trial.trial().number("x").unwrap();
                    assert!(!trial.report(1, x * x).unwrap().is_prune());
                    trial.finish().unwrap();
                }
            });
        }
    });
    let worker = Worker::open(dir.path()).unwrap();
    let trials = worker.trials().unwrap();
    assert_eq!(trials.len(), 24);
    for (trial, expected) in trials.iter().zip(sweep.random(24, 5).unwrap()) {
        assert_eq!((&trial.name, &trial.params), (&expected.name, &expected.params));
        assert_eq!((trial.status, trial.attempts), (Some(Status::Finished), 1));
        let x = expected.number("x").unwrap();
        assert_eq!((trial.value, trial.step), (Some(x * x), Some(1)));
    }
    // The directory is a log directory; every lock is gone.
    let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| crate::replace::is_temporary(&name)));
    let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
    assert_eq!(loaded.runs.len(), 25);
    assert!(matches!(worker.claim().unwrap(), Next::Over));
}

#[test]
fn a_trial_of_a_dead_worker_is_taken_up_and_one_of_a_living_worker_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (join(&sweep().trials(1), dir.path()), join(&sweep().trials(1), dir.path()));
    let mut trial = claimed(&a);
    let _ = trial.report(3, 0.5).unwrap();
    assert!(matches!(b.claim().unwrap(), Next::Wait), "it runs");
    silence(&a, "trial-0000");
    assert!(matches!(b.claim().unwrap(), Next::Wait), "its lock is held");
    // Leaves everything as it is when a process is killed, except for the lock.
    let lock = trial.claim_file().unwrap();
    std::mem::forget(trial);
    lock.unlock().unwrap();
    let mut again = claimed(&b);
    assert_eq!((again.number(), again.attempt()), (0, 2));
    assert_eq!(again.trial().params, sweep().random(1, 5).unwrap().next().unwrap().params);
    assert_eq!(again.best(), Some(0.5));
    let _ = again.report(1, 0.75).unwrap();
    assert_eq!(again.best(), Some(0.75), "it began again");
    again.finish().unwrap();
    assert!(matches!(b.claim().unwrap(), Next::Over));
    assert_eq!(b.trials().unwrap()[0].attempts, 2);
}

/// Its worker died between two calls that create it.
#[test]
fn half_a_claim_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let worker = join(&sweep().trials(2), dir.path());
    fs::create_dir(dir.path().join("trial-0000")).unwrap();
    let expected: Vec<_> = sweep().random(2, 5).unwrap().collect();
    for expected in expected {
        let trial = claimed(&worker);
        assert_eq!((&trial.trial().params, trial.attempt()), (&expected.params, 1));
        trial.finish().unwrap();
    }
    assert!(matches!(worker.claim().unwrap(), Next::Over));
}

#[test]
fn a_trial_that_is_given_back_is_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let worker = join(&sweep().trials(3), dir.path());
    let (first, second) = (claimed(&worker), claimed(&worker));
    assert_eq!((first.number(), second.number()), (0, 1));
    first.release().unwrap();
    assert_eq!(worker.trials().unwrap()[0].status, Some(Status::Scheduled));
    let first = claimed(&worker);
    assert_eq!((first.number(), first.attempt()), (0, 2));
    first.fail(&std::io::Error::other("no")).unwrap();
    second.finish().unwrap();
    assert_eq!(claimed(&worker).number(), 2, "a trial that failed is not tried again");
}

#[test]
fn a_pruned_trial_has_a_status_of_its_own_and_a_tag() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep().trials(7).pruner(Pruner::median().startup_trials(2));
    let worker = join(&sweep, dir.path());
    let mut ended = Vec::new();
    while let Some(mut trial) = worker.next_trial().unwrap() {
        let level = trial.number() as f64;
        let mut verdict = Verdict::Continue;
        for step in 1..=3 {
            verdict = trial.report(step, level + 1.0 / f64::from(step)).unwrap();
            if verdict.is_prune() {
                break;
            }
        }
        ended.push(verdict.is_prune());
        if verdict.is_prune() { trial.prune().unwrap() } else { trial.finish().unwrap() }
    }
    assert_eq!(ended, [false, false, true, true, true, true, true]);
    let trials = worker.trials().unwrap();
    assert_eq!(trials[2].status, Some(Status::Pruned));
    assert_eq!((trials[2].value, trials[2].step), (Some(3.0), Some(1)));
    let meta = RunMeta::read(&dir.path().join("trial-0002")).unwrap().unwrap();
    assert_eq!(meta.tags["tbx.pruned"], "1");
    assert_eq!(meta.process, None);
}

#[test]
fn only_workers_of_the_same_sweep_may_join() {
    let dir = tempfile::tempdir().unwrap();
    join(&sweep().trials(2), dir.path());
    for other in [
        sweep().seed(6),
        sweep().uniform("x", -1.0, 2.0),
        sweep().method(Method::Tpe),
        sweep().target(0.0),
        Sweep { goal: Goal::Maximize, ..sweep() },
    ] {
        let said = other.join(dir.path()).unwrap_err().to_string();
        assert!(said.contains("has another sweep"), "{said}");
    }
    join(&sweep().trials(1), dir.path());
    assert_eq!(Worker::open(dir.path()).unwrap().sweep().trials, Some(2));
    join(&sweep().trials(5), dir.path());
    assert_eq!(Worker::open(dir.path()).unwrap().sweep().trials, Some(5));
    join(&sweep(), dir.path());
    join(&sweep().trials(6), dir.path());
    assert_eq!(Worker::open(dir.path()).unwrap().sweep().trials, None, "no limit is the largest");
    let none = tempfile::tempdir().unwrap();
    assert!(Worker::open(none.path()).unwrap_err().to_string().contains("has no sweep"));
    let token = format!("ghp_{}", "a1B2".repeat(9));
    for (name, value) in [("api_key", "b"), ("which", &token)] {
        let secret = Sweep::minimize("loss").choice(name, ["a", value]);
        let said = secret.join(none.path()).unwrap_err().to_string();
        assert!(said.contains(name) && !said.contains(&token), "{said}");
    }
    assert_eq!(fs::read_dir(none.path()).unwrap().count(), 0);
}

#[test]
fn grids_and_targets_end_a_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let grid = Sweep::maximize("score").choice("a", [1, 2]).choice("b", [true, false]);
    let worker = join(&grid.method(Method::Grid { points: 3 }), dir.path());
    let mut seen = BTreeMap::new();
    while let Some(trial) = worker.next_trial().unwrap() {
        seen.insert(format!("{:?}", trial.trial().params), ());
        trial.finish().unwrap();
    }
    assert_eq!(seen.len(), 4);
    let dir = tempfile::tempdir().unwrap();
    let worker = join(&Sweep::maximize("score").uniform("x", 0.0, 1.0).target(2.0), dir.path());
    for value in [1.0, 2.0] {
        let mut trial = claimed(&worker);
        let _ = trial.report(0, value).unwrap();
        trial.finish().unwrap();
    }
    assert!(matches!(worker.claim().unwrap(), Next::Over));
}

/// The trials of a worker are those of `suggest`, and a seed gives them again.
#[test]
fn one_worker_has_the_trials_of_its_seed() {
    let sweep = Sweep::minimize("loss")
        .log_uniform("lr", 1e-4, 1.0)
        .param("layers", Domain::int(1, 6))
        .choice("opt", ["adam", "sgd"])
        .param("momentum", Domain::uniform(0.0, 1.0).when("opt", ["sgd"]))
        .method(Method::Tpe)
        .seed(11);
    let loss = |trial: &Trial| {
        let number = |name| trial.number(name).unwrap_or(0.25);
        (number("lr").ln() + 4.0).abs() + (number("layers") - 3.0).abs() + number("momentum")
    };
    let mut expected: Vec<(Trial, f64)> = Vec::new();
    for _ in 0..25 {
        let trial = sweep.suggest(&expected).unwrap();
        let loss = loss(&trial);
        expected.push((trial, loss));
    }
    let dir = tempfile::tempdir().unwrap();
    let worker = join(&sweep.clone().trials(25), dir.path());
    while let Some(mut trial) = worker.next_trial().unwrap() {
        let loss = loss(trial.trial());
        let _ = trial.report(0, loss).unwrap();
        trial.finish().unwrap();
    }
    let found = worker.trials().unwrap();
    let found: Vec<_> = found.iter().map(|trial| &trial.params).collect();
    assert_eq!(found, expected.iter().map(|(trial, _)| &trial.params).collect::<Vec<_>>());
    // To the last bit: a change would change the trials of everybody's seeds.
    let last = &expected[24].0;
    assert_eq!(last.params["lr"], Param::Number(0.847_211_873_120_459_6));
    assert_eq!(last.params["momentum"], Param::Number(0.027_605_220_979_074_592));
}

#[test]
fn the_heartbeat_of_a_living_worker_is_not_missing() {
    let dir = tempfile::tempdir().unwrap();
    let worker = sweep().trials(1).join(dir.path()).unwrap();
    let worker = worker.options(quick().heartbeat(Duration::from_millis(20)));
    let trial = claimed(&worker);
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(20));
        assert!(matches!(worker.claim().unwrap(), Next::Wait));
    }
    trial.finish().unwrap();
}

/// Two workers that know different things: each sees the last reports of the other one's trials.
#[test]
fn a_rule_sees_what_other_workers_reported_last() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = sweep().trials(2).pruner(Pruner::hyperband(2, 100, 2).brackets(1));
    let (a, b) = (join(&sweep, dir.path()), join(&sweep, dir.path()));
    let (mut first, mut second) = (claimed(&a), claimed(&b));
    for step in 1..=3 {
        assert!(!first.report(step, 1.0).unwrap().is_prune());
    }
    for step in 1..=3 {
        assert!(!second.report(step, 0.5).unwrap().is_prune(), "it is the better one");
    }
    for step in 4..=9 {
        let _ = first.report(step, 0.125).unwrap();
    }
    first.finish().unwrap();
    for step in 4..=7 {
        assert!(!second.report(step, 0.5).unwrap().is_prune() || step == 4, "{step}");
    }
    assert!(second.report(8, 0.5).unwrap().is_prune(), "the first trial was better at step 8");
}

/// A worker that was suspended comes back while another attempt runs.
#[test]
fn a_worker_that_lost_its_trial_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (join(&sweep().trials(1), dir.path()), join(&sweep().trials(1), dir.path()));
    let mut old = claimed(&a);
    let _ = old.report(1, 0.5).unwrap();
    silence(&a, "trial-0000");
    old.claim_file().unwrap().unlock().unwrap();
    let new = claimed(&b);
    let path = dir.path().join("trial-0000/tbx.json");
    let before = fs::read_to_string(&path).unwrap();
    assert!(!old.is_lost());
    let said = old.update(|meta| meta.status = Some(Status::Failed)).unwrap_err().to_string();
    assert!(said.contains("another worker has taken up this trial"), "{said}");
    assert!(old.is_lost() && !new.is_lost());
    old.finish().unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    new.finish().unwrap();
    assert_eq!(b.trials().unwrap()[0].status, Some(Status::Finished));
}

/// A directory in the place of the file: a read error that may pass.
#[test]
fn a_trial_that_cannot_be_read_has_not_ended() {
    let dir = tempfile::tempdir().unwrap();
    let worker = join(&sweep().trials(1), dir.path());
    let trial = claimed(&worker);
    let path = dir.path().join("trial-0000/tbx.json");
    let text = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(worker.claim().unwrap(), Next::Wait));
    assert_eq!(worker.waits_for().len(), 1, "{:?}", worker.waits_for());
    assert!(!worker.trials().unwrap()[0].has_ended());
    fs::remove_dir(&path).unwrap();
    fs::write(&path, text).unwrap();
    assert_eq!(worker.trials().unwrap()[0].problem, None);
    trial.finish().unwrap();
    assert!(matches!(worker.claim().unwrap(), Next::Over));
}

#[test]
fn a_silent_trial_that_is_locked_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let worker = join(&sweep().trials(1), dir.path());
    let trial = claimed(&worker);
    assert!(matches!(worker.claim().unwrap(), Next::Wait) && worker.waits_for().is_empty());
    silence(&worker, "trial-0000");
    assert!(matches!(worker.claim().unwrap(), Next::Wait));
    assert!(worker.waits_for()[0].starts_with("trial-0000: its worker is silent"));
    trial.release().unwrap();
}

#[test]
fn trials_that_failed_can_be_retried_and_start_clean() {
    let dir = tempfile::tempdir().unwrap();
    let worker = join(&sweep().trials(1), dir.path());
    claimed(&worker).fail(&std::io::Error::other("no GPU")).unwrap();
    assert!(matches!(worker.claim().unwrap(), Next::Over));
    worker.retry(0).unwrap();
    let mut again = claimed(&worker);
    assert_eq!(again.attempt(), 2);
    let _ = again.report(3, 0.5).unwrap();
    again.prune().unwrap();
    worker.retry(0).unwrap();
    let trial = dir.path().join("trial-0000");
    assert_eq!(RunMeta::read(&trial).unwrap().unwrap().status, Some(Status::Pruned));
    // As `tbx meta set` does.
    RunMeta::update(&trial, |meta| meta.status = Some(Status::Scheduled)).unwrap();
    let again = claimed(&Worker::open(dir.path()).unwrap().options(quick()));
    let meta = again.meta().unwrap();
    assert!(!meta.tags.contains_key("tbx.pruned") && meta.summary.is_empty());
}

/// Keras writes the same tag to `train` and `validation`.
#[test]
fn the_value_is_that_of_one_run() {
    let dir = tempfile::tempdir().unwrap();
    for (metric, value) in [("loss", None), ("validation/loss", Some(2.0))] {
        let at = dir.path().join(metric.replace('/', "-"));
        let worker = join(&Sweep::minimize(metric).uniform("x", 0.0, 1.0).trials(1), &at);
        let trial = claimed(&worker);
        for (run, level) in [("train", 1.0), ("validation", 2.0)] {
            let writer = crate::writer::SummaryWriter::create(trial.dir().join(run)).unwrap();
            for step in 0..3 {
                writer.add_scalar("loss", level + f64::from(2 - step), i64::from(step)).unwrap();
            }
            writer.close().unwrap();
        }
        let said = trial.conclude(Status::Finished).unwrap();
        assert_eq!(said.is_some(), value.is_none(), "{said:?}");
        let trials = worker.trials().unwrap();
        assert_eq!((trials[0].status, trials[0].value), (Some(Status::Finished), value));
    }
}
