//! `tbx mirror` and runs with a mirror: what a server has while runs are written, and after it was away.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tbx::SummaryWriter;
use tbx::meta::Status;
use tbx_runs::mirror::{Mirror, MirrorEvent};
use tbx_runs::trackers::mlflow::StateDir;

use super::fake::{Fake, Fault, KeptRun};
use super::{export, fine, quiet};

/// A running `tbx mirror`, which is killed when it is dropped.
pub(super) struct Mirroring {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Mirroring {
    pub(super) fn start(logs: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
        command.arg("mirror").arg(logs).args(args).args(["--interval", "0.05"]);
        command.env("HOME", logs.parent().unwrap()).env_remove("XDG_STATE_HOME");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MLFLOW_")) {
            command.env_remove(name);
        }
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, said }
    }

    pub(super) fn to(logs: &Path, uri: &str, args: &[&str]) -> Self {
        Self::start(logs, &[&["--to", "mlflow", "--uri", uri], args].concat())
    }

    /// The next line that it says.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }

    /// Waits until it ends. Returns its exit code and what it said.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }

    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Mirroring {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `is_so`.
#[track_caller]
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The only run of the server, once it has `points` points of `loss`.
fn run_with(server: &Fake, points: usize) -> KeptRun {
    let has = |server: &Fake| server.kept().runs.first().map_or(0, |run| run.points("loss").len());
    wait_until("points", || has(server) == points);
    server.kept().runs.swap_remove(0)
}

#[test]
fn a_run_is_followed_from_before_its_start_to_its_end() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    let logs = dir.path().join("logs");
    let mut mirror = Mirroring::to(&logs, &server.uri(), &["--until-finished"]);
    assert!(mirror.line().contains("logs does not exist yet"));
    let run = quiet().param("lr", 0.5).create(logs.join("run")).unwrap();
    for step in 0..10 {
        run.add_scalar("loss", step as f32, step).unwrap();
    }
    let picture = image::RgbImage::from_pixel(2, 2, image::Rgb([7; 3]));
    run.add_image("picture", &picture, 3).unwrap();
    run.log_artifact_bytes("model.bin", b"first", None).unwrap();
    run.flush().unwrap();
    let found = run_with(&server, 10);
    assert_eq!(found.info["status"], "RUNNING");
    assert!(!found.info.contains_key("end_time"));
    assert_eq!(found.params["lr"], "0.5");
    let has =
        |name: &str| server.kept().artifacts.keys().filter(|path| path.contains(name)).count();
    wait_until("the image", || has("images/picture") == 2);
    // Files that change until the end wait for it.
    assert_eq!(has("model.bin") + has("tbx.json"), 0);
    for step in 10..20 {
        run.add_scalar("loss", step as f32, step).unwrap();
    }
    run.log_artifact_bytes("model.bin", b"second", None).unwrap();
    run.finish().unwrap();
    let (code, said) = mirror.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 run, 20 points, 1 images"), "{said}");
    let found = run_with(&server, 20);
    assert_eq!(found.info["status"], "FINISHED");
    assert!(found.info["end_time"].as_i64().unwrap() > 0);
    assert_eq!(found.metrics.len(), 20, "no point was sent twice");
    assert_eq!((has("model.bin"), has("tbx.json"), has("images/picture")), (1, 1, 2));
    let images = server.asked().into_iter().filter(|(asked, _)| asked.path.contains("images/"));
    assert_eq!(images.count(), 2, "no image was sent twice");
    // An export finds nothing to do.
    let said = fine(export(&logs, &server.uri(), &[], &[]));
    assert!(said.contains("1 run (0 new), 0 points"), "{said}");
}

#[test]
fn a_server_that_is_away_is_waited_for_and_told_once() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    let logs = dir.path().join("logs");
    server.fails(|_, _| Fault::Status("503 Service Unavailable", "", "starting"));
    let mut mirror = Mirroring::to(&logs, &server.uri(), &["--until-finished"]);
    let run = quiet().create(logs.join("run")).unwrap();
    run.add_scalar("loss", 1.0, 0).unwrap();
    run.flush().unwrap();
    let mut line = mirror.line();
    while line.contains("does not exist yet") {
        line = mirror.line();
    }
    assert!(line.contains("503") && line.contains("waiting until the server answers"), "{line}");
    let mut asked = 0;
    wait_until("more requests", || {
        asked += server.asked().len();
        asked > 3
    });
    server.fails(|_, _| Fault::None);
    run_with(&server, 1);
    run.add_scalar("loss", 2.0, 1).unwrap();
    run.finish().unwrap();
    let (code, said) = mirror.end();
    assert!(code == Some(0) && said.contains("the server answers again"), "{said}");
    assert!(!said.contains("503"), "{said}");
    assert_eq!(run_with(&server, 2).metrics.len(), 2);
}

#[test]
fn a_refusal_that_does_not_pass_ends_the_mirror() {
    let (server, dir) = (Fake::start(), super::logs(1));
    server.fails(|_, _| Fault::Status("401 Unauthorized", "", "who are you?"));
    let (code, said) = Mirroring::to(&dir.path().join("logs"), &server.uri(), &[]).end();
    assert!(code == Some(2) && said.contains("MLFLOW_TRACKING_PASSWORD"), "{said}");
}

/// Several runs at once. One fails, and one was there before. The mirror is killed again and again.
#[test]
fn a_mirror_that_is_killed_is_continued() {
    let (server, dir) = (Fake::start(), super::logs(100));
    let logs = dir.path().join("logs");
    let runs: Vec<_> =
        ["a", "b"].map(|name| quiet().create(logs.join(name)).unwrap()).into_iter().collect();
    for round in 0..6_i64 {
        let mirror = Mirroring::to(&logs, &server.uri(), &[]);
        for step in round * 500..(round + 1) * 500 {
            runs.iter().for_each(|run| run.add_scalar("loss", 0.5, step).unwrap());
        }
        runs.iter().for_each(|run| run.flush().unwrap());
        thread::sleep(Duration::from_millis(20 + 60 * round.unsigned_abs()));
        mirror.kill();
    }
    let mut runs = runs.into_iter();
    runs.next().unwrap().finish().unwrap();
    runs.next().unwrap().fail(&std::io::Error::other("broken")).unwrap();
    fine(Mirroring::to(&logs, &server.uri(), &["--until-finished"]).end());
    let kept = server.kept();
    let active =
        kept.runs.iter().filter(|run| run.info.get("lifecycle_stage") != Some(&"deleted".into()));
    let mut found: Vec<_> = active
        .map(|run| {
            let text = |name: &str| run.info[name].as_str().unwrap().to_owned();
            (text("run_name"), text("status"), run.points("loss").len())
        })
        .collect();
    found.sort();
    let expected = [("a", "FINISHED", 3000), ("b", "FAILED", 3000), ("run", "FINISHED", 100)];
    assert_eq!(found, expected.map(|(name, status, n)| (name.into(), status.into(), n)));
}

/// The log of a program on another machine, as PyTorch writes it.
#[test]
fn a_log_without_metadata_is_running_until_it_is_silent() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    let logs = dir.path().join("logs");
    let writer = SummaryWriter::create(logs.join("run")).unwrap();
    writer.add_scalar("loss", 1.0, 0).unwrap();
    writer.close().unwrap();
    drop(writer); // it has the file open
    let file = fs::read_dir(logs.join("run")).unwrap().next().unwrap().unwrap().path();
    fs::rename(file, logs.join("run/events.out.tfevents.1700000000.elsewhere.7.0")).unwrap();
    fine(export(&logs, &server.uri(), &[], &[]));
    let found = run_with(&server, 1);
    assert_eq!(found.info["status"], "RUNNING");
    assert!(!found.info.contains_key("end_time"));
    fine(Mirroring::to(&logs, &server.uri(), &["--until-finished", "--silence", "1s"]).end());
    let found = run_with(&server, 1);
    assert_eq!(found.info["status"], "FINISHED");
    assert!(found.info["end_time"].as_i64().unwrap() > 0);
}

#[test]
fn a_run_mirrors_itself_and_its_children() {
    let (server, dir) = (Fake::start(), tempfile::tempdir().unwrap());
    let logs = dir.path().join("logs");
    let mirror = Mirror::mlflow(server.uri())
        .state(StateDir::At(dir.path().join("state")))
        .every(Duration::from_millis(20));
    let run = quiet().mirror(mirror).create(logs.join("run")).unwrap();
    run.add_scalar("loss", 1.0, 0).unwrap();
    run.flush().unwrap();
    assert_eq!(run_with(&server, 1).info["status"], "RUNNING");
    let child = run.child("fold-0").unwrap();
    child.add_scalar("loss", 2.0, 0).unwrap();
    child.finish().unwrap();
    run.add_scalar("loss", 3.0, 1).unwrap();
    run.finish().unwrap();
    // `finish` has waited for the rest.
    let kept = server.kept();
    assert_eq!(kept.runs.len(), 2);
    assert!(kept.runs.iter().all(|run| run.info["status"] == "FINISHED"));
    assert_eq!(kept.runs[0].points("loss").len(), 2);
    assert_eq!(kept.runs[1].tags["mlflow.parentRunId"], "run0");
    assert_eq!(kept.experiments, ["logs"]);
    // The same runs for the program.
    let state = dir.path().join("state");
    let args = ["--until-finished", "--state", state.to_str().unwrap()];
    fine(Mirroring::to(&logs, &server.uri(), &args).end());
    assert_eq!(server.kept().runs.len(), 2);
}

#[test]
fn a_dead_server_does_not_delay_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let (said, hears) = std::sync::mpsc::channel();
    let said = std::sync::Mutex::new(said);
    // Nothing listens on the port "discard".
    let mirror = Mirror::mlflow("http://127.0.0.1:9").every(Duration::from_millis(20));
    let mirror = mirror.state(StateDir::At(dir.path().join("state"))).on_event(move |event| {
        if matches!(event, MirrorEvent::Away(_)) {
            said.lock().unwrap().send(()).unwrap();
        }
    });
    let run = quiet().mirror(mirror).create(logs.join("run")).unwrap();
    run.add_scalar("loss", 1.0, 0).unwrap();
    run.flush().unwrap();
    hears.recv_timeout(Duration::from_secs(60)).unwrap();
    let begun = Instant::now();
    run.add_scalar("loss", 2.0, 1).unwrap();
    run.finish().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(9), "it has not waited");
    assert_eq!(hears.try_iter().count(), 0, "it is said once");
    let meta = tbx::meta::RunMeta::read(&logs.join("run")).unwrap().unwrap();
    assert_eq!(meta.status, Some(Status::Finished));
    let server = Fake::start();
    fine(Mirroring::to(&logs, &server.uri(), &["--until-finished"]).end());
    assert_eq!(run_with(&server, 2).info["status"], "FINISHED");
}

#[test]
fn directories_for_wandb_are_those_of_an_export() {
    let dir = tempfile::tempdir().unwrap();
    let [logs, mirrored, exported] = ["logs", "mirrored", "exported"].map(|n| dir.path().join(n));
    let out = mirrored.to_str().unwrap();
    let mirror = Mirroring::start(&logs, &["--to", "wandb", "--out", out, "--until-finished"]);
    let run = quiet().create(logs.join("run")).unwrap();
    run.add_scalar("loss", 1.0, 0).unwrap();
    run.flush().unwrap();
    let names = |dir: &Path| -> Vec<_> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("offline-run-")).collect()
    };
    wait_until("a directory", || names(&mirrored).len() == 1);
    run.add_scalar("loss", 2.0, 1).unwrap();
    run.log_artifact_bytes("model.bin", b"bytes", None).unwrap();
    run.finish().unwrap();
    fine(mirror.end());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
    command.arg("export").arg(&logs).args(["--to", "wandb", "--out"]).arg(&exported);
    assert!(command.stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(names(&mirrored), names(&exported));
    let [name] = names(&mirrored).try_into().unwrap();
    let records = |dir: &Path| {
        let files = fs::read_dir(dir.join(&name)).unwrap().flatten().map(|entry| entry.path());
        let file = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "wandb"));
        fs::read(file.unwrap()).unwrap().len()
    };
    assert!(records(&mirrored) > 0 && records(&mirrored).abs_diff(records(&exported)) < 100);
}
