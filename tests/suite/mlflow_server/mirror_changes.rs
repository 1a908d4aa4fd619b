//! The data of a server after a run, its log or the server itself has changed while a mirror follows it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tbx::SummaryWriter;
use tbx::meta::RunMeta;
use tbx_runs::mirror::Mirror;
use tbx_runs::trackers::mlflow::StateDir;

use super::fake::{Fake, Fault, KeptRun};
use super::mirror::{Mirroring, wait_until};
use super::{export, fine, logs, quiet};

fn is_active(run: &KeptRun) -> bool {
    run.info.get("lifecycle_stage").is_none_or(|stage| stage != "deleted")
}

/// The active runs of the server.
fn active(server: &Fake) -> Vec<KeptRun> {
    server.kept().runs.into_iter().filter(is_active).collect()
}

/// Number of points of the only active run.
fn points(server: &Fake) -> usize {
    match active(server).as_slice() {
        [run] => run.metrics.len(),
        _ => 0,
    }
}

fn write(dir: &Path, tag: &str, steps: std::ops::Range<i64>) {
    let writer = SummaryWriter::create(dir).unwrap();
    steps.for_each(|step| writer.add_scalar(tag, 0.5, step).unwrap());
    writer.close().unwrap();
}

/// Keras begins `validation` an epoch after `train`: only then are both one run.
#[test]
fn a_run_that_becomes_a_part_is_replaced() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    let logs = dir.path().join("logs");
    write(&logs.join("exp/train"), "epoch_loss", 0..5);
    let mirror = Mirroring::to(&logs, &server.uri(), &[]);
    wait_until("the first directory", || points(&server) == 5);
    write(&logs.join("exp/validation"), "epoch_loss", 0..3);
    wait_until("the whole run", || points(&server) == 8);
    let [run] = active(&server).try_into().unwrap_or_else(|_| panic!("one run"));
    assert_eq!(
        (run.points("train/epoch_loss").len(), run.points("validation/epoch_loss").len()),
        (5, 3)
    );
    mirror.kill();
    // A mirror that was killed in between has left the first one.
    let second = Fake::start();
    let mirror = Mirroring::to(&logs, &second.uri(), &["--no-fold"]);
    wait_until("two runs", || {
        active(&second).iter().map(|run| run.metrics.len()).sum::<usize>() == 8
    });
    mirror.kill();
    let mirror = Mirroring::to(&logs, &second.uri(), &[]);
    wait_until("one run", || points(&second) == 8);
    mirror.kill();
}

/// A run whose metadata comes after its first points, and one whose start time does.
#[test]
fn a_run_is_the_same_when_its_log_tells_more() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    let logs = dir.path().join("logs");
    write(&logs.join("run"), "loss", 0..5);
    let mirror = Mirroring::to(&logs, &server.uri(), &[]);
    wait_until("the first points", || points(&server) == 5);
    let writer = SummaryWriter::create(logs.join("run")).unwrap();
    writer.add_hparams([("lr", 0.1.into())], []).unwrap();
    writer.add_scalar("loss", 0.5, 5).unwrap();
    writer.flush().unwrap();
    wait_until("the parameters", || {
        points(&server) == 6 && active(&server)[0].params.contains_key("lr")
    });
    RunMeta::update(&logs.join("run"), |meta| {
        meta.id = Some("0123456789abcdef0123456789abcdef".into());
        meta.name = Some("named".into());
    })
    .unwrap();
    writer.add_scalar("loss", 0.5, 6).unwrap();
    writer.close().unwrap();
    wait_until("the last point", || points(&server) == 7);
    mirror.kill();
    assert_eq!(server.kept().runs.len(), 1);
    assert_eq!(active(&server)[0].tags["mlflow.tbx.run_key"], "0123456789abcdef0123456789abcdef");
    // Another log in the same place is another run.
    fs::remove_dir_all(logs.join("run")).unwrap();
    let run = quiet().create(logs.join("run")).unwrap();
    run.add_scalar("loss", 0.5, 0).unwrap();
    run.finish().unwrap();
    fine(Mirroring::to(&logs, &server.uri(), &["--until-finished"]).end());
    assert_eq!(active(&server).len(), 2);
}

#[test]
fn a_run_that_is_resumed_runs_again_and_ends_again() {
    let (server, dir) = (Fake::start(), logs(10));
    let logs = dir.path().join("logs");
    let mirror = Mirroring::to(&logs, &server.uri(), &[]);
    let status = |server: &Fake| {
        let runs = active(server);
        let info = &runs.first()?.info;
        Some((info["status"].as_str()?.to_owned(), info.get("end_time").and_then(|t| t.as_i64())))
    };
    let is = |server: &Fake, name: &str| status(server).is_some_and(|(status, _)| status == name);
    wait_until("the end", || is(&server, "FINISHED"));
    for (i, step) in [(1, 10), (2, 11)] {
        let run = quiet().create(logs.join("run")).unwrap();
        run.add_scalar("loss", 0.5, step).unwrap();
        run.flush().unwrap();
        wait_until("the run again", || is(&server, "RUNNING") && points(&server) == 10 + i);
        assert_eq!(status(&server).unwrap().1, Some(0), "it has no end time");
        run.finish().unwrap();
        wait_until("the end again", || is(&server, "FINISHED"));
        assert!(status(&server).unwrap().1 > Some(0));
    }
    mirror.kill();
    assert_eq!(server.kept().runs.len(), 1);
}

#[test]
fn points_that_a_server_forgot_while_the_run_was_open_are_sent_again() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    let logs = dir.path().join("logs");
    let run = quiet().create(logs.join("run")).unwrap();
    (0..5).for_each(|step| run.add_scalar("loss", 0.5, step).unwrap());
    run.flush().unwrap();
    let mirror = Mirroring::to(&logs, &server.uri(), &["--until-finished"]);
    wait_until("the first points", || points(&server) == 5);
    server.asked();
    server.fails(|path, _| match path.ends_with("log-batch") {
        true => Fault::Forgotten,
        false => Fault::None,
    });
    (5..10).for_each(|step| run.add_scalar("loss", 0.5, step).unwrap());
    run.flush().unwrap();
    wait_until("a lost request", || {
        server.asked().iter().any(|(asked, json)| {
            asked.path.ends_with("log-batch") && !json["metrics"].as_array().unwrap().is_empty()
        })
    });
    server.fails(|_, _| Fault::None);
    (10..15).for_each(|step| run.add_scalar("loss", 0.5, step).unwrap());
    run.finish().unwrap();
    fine(mirror.end());
    assert_eq!(points(&server), 15, "each point once");
}

/// The answer to the request that checks the points is lost, after a request with points was.
#[test]
fn a_check_that_a_server_did_not_answer_is_repeated() {
    let (server, dir) = (Fake::start(), logs(10));
    let (mut is_lost, mut away) = (false, 0);
    server.fails(move |path, _| {
        if path.ends_with("runs/log-batch") && away == 0 && !is_lost {
            // The first one has the ticket.
            is_lost = true;
            return Fault::None;
        }
        match path.rsplit('/').next() {
            Some("log-batch") if is_lost && away == 0 => {
                away = 1;
                Fault::Forgotten
            }
            Some("update") if away == 1 => {
                away = 2;
                Fault::None
            }
            Some("get" | "search") if (2..8).contains(&away) => {
                away += 1;
                Fault::Status("503 Service Unavailable", "", "")
            }
            _ => Fault::None,
        }
    });
    let logs = dir.path().join("logs");
    let (_, said) = Mirroring::to(&logs, &server.uri(), &["--until-finished"]).end();
    assert!(said.contains("the server answers again"), "{said}");
    assert_eq!(points(&server), 10, "{said}");
}

#[test]
fn a_server_that_lost_points_or_a_whole_run_gets_them_again() {
    let (server, dir) = (Fake::start(), logs(100));
    let logs = dir.path().join("logs");
    fine(export(&logs, &server.uri(), &[], &[]));
    assert_eq!(points(&server), 100);
    // From a backup.
    server.change(|kept| kept.runs[0].metrics.truncate(40));
    fine(export(&logs, &server.uri(), &[], &[]));
    assert_eq!(points(&server), 100);
    server.change(|kept| kept.runs.clear());
    fine(export(&logs, &server.uri(), &[], &[]));
    assert_eq!(points(&server), 100);
    let mirror = Mirroring::to(&logs, &server.uri(), &[]);
    let run = quiet().create(logs.join("run")).unwrap();
    run.add_scalar("loss", 0.5, 100).unwrap();
    run.flush().unwrap();
    wait_until("the new point", || points(&server) == 101);
    server.change(|kept| kept.runs.clear());
    run.add_scalar("loss", 0.5, 101).unwrap();
    run.finish().unwrap();
    wait_until("all points", || points(&server) == 102);
    mirror.kill();
}

/// A store that appends what it gets, like MLflow's file store, has no point twice.
#[test]
fn a_mirror_that_was_killed_sends_no_point_twice() {
    let (server, dir) = (Fake::start(), logs(20_000));
    let logs = dir.path().join("logs");
    server.fails(|path, _| match path.ends_with("log-batch") {
        true => Fault::Slow(Duration::from_millis(10)),
        false => Fault::None,
    });
    for _ in 0..3 {
        let before = points(&server);
        let mirror = Mirroring::to(&logs, &server.uri(), &[]);
        wait_until("some points", || points(&server) > before + 2000);
        mirror.kill();
        thread::sleep(Duration::from_millis(50));
    }
    fine(Mirroring::to(&logs, &server.uri(), &["--until-finished"]).end());
    assert_eq!(points(&server), 20_000);
}

/// A refusal of one run does not stop the others, and does not keep the mirror for ever.
#[test]
fn a_run_that_a_server_refuses_does_not_stop_the_others() {
    let (server, dir) = (Fake::start(), logs(10));
    let logs = dir.path().join("logs");
    fs::create_dir(logs.join("a")).unwrap();
    for name in ["a/refused", "z"] {
        let run = quiet().create(logs.join(name)).unwrap();
        run.add_scalar("loss", 0.5, 0).unwrap();
        run.log_artifact_bytes("big.bin", b"1", None).unwrap();
        run.finish().unwrap();
    }
    // The first file, whose run is the first one.
    let mut refused = None;
    server.fails(move |path, _| {
        let run = path.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/0/").unwrap_or_default();
        let run = run.split('/').next().filter(|_| path.ends_with("big.bin"));
        if run.is_some() && refused.is_none() {
            refused = run.map(str::to_owned);
        }
        match run.is_some() && run == refused.as_deref() {
            true => Fault::Status("413 Content Too Large", "", "<html>too large"),
            false => Fault::None,
        }
    });
    let (code, said) = Mirroring::to(&logs, &server.uri(), &["--until-finished"]).end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.matches("is not complete").count() == 1 && said.contains("413"), "{said}");
    let ended = active(&server).iter().filter(|run| run.info["status"] == "FINISHED").count();
    assert_eq!((active(&server).len(), ended), (3, 2));
}

#[test]
fn a_server_that_hangs_delays_one_run_for_a_short_time() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    server.fails(|_, _| Fault::Slow(Duration::from_secs(60)));
    let begun = Instant::now();
    for name in ["a", "b", "c", "d"] {
        let mirror = Mirror::mlflow(server.uri()).every(Duration::from_millis(20));
        let mirror = mirror.state(StateDir::At(dir.path().join("state"))).on_event(|_| {});
        let run = quiet().mirror(mirror).create(dir.path().join("logs").join(name)).unwrap();
        run.add_scalar("loss", 0.5, 0).unwrap();
        run.finish().unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_second_mirror_of_the_same_logs_says_what_it_waits_for() {
    let (server, dir) = (Fake::start(), logs(10));
    let logs = dir.path().join("logs");
    server.fails(|path, _| match path.ends_with("log-batch") {
        true => Fault::Slow(Duration::from_secs(4)),
        false => Fault::None,
    });
    let first = Mirroring::to(&logs, &server.uri(), &["--until-finished"]);
    wait_until("a request", || {
        server.asked().iter().any(|(asked, _)| asked.path.ends_with("log-batch"))
    });
    let second = Mirroring::to(&logs, &server.uri(), &["--until-finished"]);
    let said = fine(second.end());
    assert!(said.contains("waiting for it"), "{said}");
    fine(first.end());
    assert_eq!(points(&server), 10);
}

#[test]
fn a_log_directory_that_is_missing_does_not_stop_the_others() {
    let (server, dir) = (Fake::start(), logs(10));
    let missing = dir.path().join("missing");
    let args = [missing.to_str().unwrap(), "--until-finished"];
    let said = fine(Mirroring::to(&dir.path().join("logs"), &server.uri(), &args).end());
    assert!(said.contains("missing does not exist yet"), "{said}");
    assert_eq!(points(&server), 10);
}

/// The program names the directory by a link, and other runs and files are next to it.
#[cfg(unix)]
#[test]
fn a_program_mirrors_its_own_run_however_it_is_named() {
    let (server, dir) = (Fake::start(), logs(10));
    let logs = dir.path().join("logs");
    fs::create_dir(logs.join("r7")).unwrap();
    std::os::unix::fs::symlink("r7", logs.join("latest")).unwrap();
    let mirror = Mirror::mlflow(server.uri()).every(Duration::from_millis(20));
    let mirror = mirror.state(StateDir::At(dir.path().join("state")));
    let run = quiet().mirror(mirror).create(logs.join("latest")).unwrap();
    run.add_scalar("loss", 0.5, 0).unwrap();
    run.finish().unwrap();
    assert_eq!(points(&server), 1);
    let tags = &active(&server)[0].tags;
    assert_eq!(tags["mlflow.tbx.run"], "r7");
}

#[test]
fn a_password_is_not_shown() {
    let shown = format!("{:?}", Mirror::mlflow("http://user:secret@127.0.0.1:1"));
    assert!(!shown.contains("secret"), "{shown}");
}

/// The time for which a mirror waits for a server is no reason to rest: it would fall further and further behind.
#[test]
fn a_slow_server_has_a_new_point_soon() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    let logs = dir.path().join("logs");
    let run = quiet().create(logs.join("run")).unwrap();
    run.add_scalar("loss", 1.0, 0).unwrap();
    run.flush().unwrap();
    server.fails(|path, _| match path.ends_with("log-batch") {
        true => Fault::Slow(Duration::from_secs(8)),
        false => Fault::None,
    });
    let mirror = Mirroring::to(&logs, &server.uri(), &[]);
    let points =
        |server: &Fake| server.kept().runs.first().map_or(0, |run| run.points("loss").len());
    wait_until("the first point", || points(&server) == 1);
    run.add_scalar("loss", 2.0, 1).unwrap();
    run.flush().unwrap();
    // After the answer to the first one, and not 60 seconds later.
    let begun = Instant::now();
    wait_until("the second point", || points(&server) == 2);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    drop(mirror);
}
