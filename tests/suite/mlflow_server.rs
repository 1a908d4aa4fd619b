//! `tbx export --to mlflow`: the data that is sent, and the results when the server or the
//! connection fails.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod fake;
mod hostile;
mod mirror;
mod mirror_changes;
#[cfg(unix)]
mod mirror_killed;
#[cfg(unix)]
mod models;
mod options;
#[cfg(unix)]
mod real;
#[cfg(unix)]
mod round_trip;
mod shared;
#[cfg(unix)]
mod system;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tbx::SummaryWriter;
use tbx::track::{ActiveRun, RunOptions};
use tempfile::TempDir;

use self::fake::{Fake, Fault};

/// The exit code and output of the program.
type Ended = (Option<i32>, String);

/// `tbx export DIR --to mlflow`, with these variables and no others that MLflow respects.
fn export(dir: &Path, uri: &str, args: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
    command.arg("export").arg(dir).args(["--to", "mlflow", "--uri", uri]).args(args);
    command.stdin(Stdio::null()).env("HOME", dir.parent().unwrap()).env_remove("XDG_STATE_HOME");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MLFLOW_")) {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert_eq!(output.stdout, b"", "{:?}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn fine((code, said): Ended) -> String {
    assert_eq!(code, Some(0), "{said}");
    said
}

/// Options without metadata that depends on the machine.
fn quiet() -> RunOptions {
    ActiveRun::options().git(false).environment(false)
}

/// A directory `logs` with a run that has `points` points.
fn logs(points: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().param("lr", 0.5).create(dir.path().join("logs/run")).unwrap();
    for i in 0..points {
        run.add_scalar("loss", i as f32, i as i64).unwrap();
    }
    run.finish().unwrap();
    dir
}

fn paths(asked: &[(crate::http::Asked, Value)]) -> Vec<&str> {
    asked.iter().map(|(asked, _)| asked.path.rsplit('/').next().unwrap()).collect()
}

#[test]
fn a_busy_server_is_asked_again() {
    for answer in [
        Fault::Status("429 Too Many Requests", "Retry-After: 1", "slow down"),
        Fault::Status("503 Service Unavailable", "", "<html>"),
        Fault::Status("500 Internal Server Error", "", "{}"),
        Fault::Cut(1),
        Fault::Unheard,
    ] {
        let (server, dir) = (Fake::start(), logs(10));
        let mut answer = Some(answer);
        server.fails(move |path, _| match path.ends_with("runs/log-batch") {
            true => answer.take().unwrap_or(Fault::None),
            false => Fault::None,
        });
        let said = fine(export(&dir.path().join("logs"), &server.uri(), &[], &[]));
        assert!(said.contains("1 run, 10 points"), "{said}");
        let kept = server.kept();
        assert_eq!(kept.runs.len(), 1);
        assert_eq!(kept.runs[0].metrics.len(), 10, "no point was sent twice");
        assert_eq!(kept.runs[0].params["lr"], "0.5");
    }
}

#[test]
fn a_run_whose_making_was_not_heard_is_not_made_twice() {
    for answer in [Fault::Unheard, Fault::Cut(3)] {
        let (server, dir) = (Fake::start(), logs(10));
        let mut answer = Some(answer);
        server.fails(move |path, _| match path.ends_with("runs/create") {
            true => answer.take().unwrap_or(Fault::None),
            false => Fault::None,
        });
        fine(export(&dir.path().join("logs"), &server.uri(), &[], &[]));
        let kept = server.kept();
        assert_eq!(kept.runs.len(), 1);
        assert_eq!(kept.runs[0].points("loss").len(), 10);
        assert_eq!(kept.runs[0].info["status"], "FINISHED");
    }
}

#[test]
fn the_second_export_sends_nothing_that_is_there() {
    let (server, dir) = (Fake::start(), logs(1500));
    let logs = dir.path().join("logs");
    let said = fine(export(&logs, &server.uri(), &[], &[]));
    assert!(said.contains("1 run, 1,500 points"), "{said}");
    let first = server.kept();
    for args in [&[][..], &["--no-state"]] {
        server.asked();
        let said = fine(export(&logs, &server.uri(), args, &[]));
        assert!(said.contains("1 run (0 new), 0 points"), "{said}");
        assert!(paths(&server.asked()).iter().all(|path| !path.starts_with("log-batch")));
    }
    // Nothing is written next to the logs.
    assert!(!logs.join("run/tbx.sync.json").exists());
    assert_eq!(server.kept().runs[0].metrics, first.runs[0].metrics);

    let writer = SummaryWriter::create(logs.join("run")).unwrap();
    writer.add_scalar("loss", 7.0, 1500).unwrap();
    writer.close().unwrap();
    let said = fine(export(&logs, &server.uri(), &[], &[]));
    assert!(said.contains("1 run (0 new), 1 point"), "{said}");
    assert_eq!(server.kept().runs[0].metrics.len(), 1501);
}

#[test]
fn what_a_server_lost_is_told() {
    let (server, dir) = (Fake::start(), logs(1500));
    let mut batches = 0;
    server.fails(move |path, _| {
        batches += usize::from(path.ends_with("log-batch"));
        if batches == 2 && path.ends_with("log-batch") { Fault::Forgotten } else { Fault::None }
    });
    let logs = dir.path().join("logs");
    let (code, said) = export(&logs, &server.uri(), &[], &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("fewer than 1500 points of metric \"loss\"; run it again"), "{said}");
    server.fails(|_, _| Fault::None);
    fine(export(&logs, &server.uri(), &[], &[]));
    assert_eq!(server.kept().runs[0].points("loss").len(), 1500);
}

#[test]
fn a_server_that_goes_away_in_the_middle_is_gone_on_with() {
    let (server, dir) = (Fake::start(), logs(4500));
    let logs = dir.path().join("logs");
    let mut batches = 0;
    server.fails(move |path, _| {
        batches += usize::from(path.ends_with("log-batch"));
        if batches < 4 { Fault::None } else { Fault::Status("502 Bad Gateway", "", "gone") }
    });
    let variables = [("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")];
    let (code, said) = export(&logs, &server.uri(), &[], &variables);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("502: gone") && said.contains("run it again"), "{said}");
    assert_eq!(server.kept().runs[0].metrics.len(), 2000);
    server.fails(|_, _| Fault::None);
    let said = fine(export(&logs, &server.uri(), &[], &variables));
    assert!(said.contains("1 run (0 new), 2,500 points"), "{said}");
    assert_eq!(server.kept().runs[0].metrics.len(), 4500);
}

/// Whichever request is the first without an answer, and whether others wait for answers at that time.
#[test]
fn a_server_that_goes_away_at_any_request_is_an_error() {
    let variables = [("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")];
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    for name in ["a", "b", "c"] {
        let run = quiet().create(logs.join(name)).unwrap();
        (0..1500).for_each(|step| run.add_scalar("loss", 0.5, step).unwrap());
        run.log_artifact_bytes("notes.txt", b"of a run", None).unwrap();
        run.finish().unwrap();
    }
    let closed: Answers = |_| Fault::Raw(|_| Ok(()));
    let busy: Answers = |_| Fault::Status("503 Service Unavailable", "", "gone");
    let lost: Answers = |_| Fault::Unheard;
    for (answers, apart) in [(closed, 1), (busy, 3), (lost, 3)] {
        for requests in (0..).step_by(apart) {
            let server = Fake::start();
            server.fails(move |path, before| match before < requests {
                true => Fault::None,
                false => answers(path),
            });
            let (code, said) = export(&logs, &server.uri(), &[], &variables);
            if server.asked().len() <= requests {
                assert!(requests > 20 && code == Some(0), "{requests}: {code:?} {said}");
                break;
            }
            assert!(code == Some(2) && said.contains("tbx: "), "{requests}: {code:?} {said}");
            server.fails(|_, _| Fault::None);
            fine(export(&logs, &server.uri(), &[], &variables));
            let kept = server.kept();
            let is_active =
                |run: &&fake::KeptRun| run.info.get("lifecycle_stage") != Some(&"deleted".into());
            let active = kept.runs.iter().filter(is_active);
            let points: Vec<_> = active.map(|run| run.points("loss").len()).collect();
            assert_eq!(points, [1500; 3], "{requests}: {said}");
        }
    }
}

type Answers = fn(&str) -> Fault;

#[test]
fn errors_say_what_is_to_be_done() {
    let (server, dir) = (Fake::start(), logs(1));
    let logs = dir.path().join("logs");
    for (status, header, body, expected) in [
        ("401 Unauthorized", "", "You are not authenticated", "MLFLOW_TRACKING_PASSWORD"),
        ("403 Forbidden", "", "Invalid Host header", "--allowed-hosts"),
        ("404 Not Found", "", "<!doctype html><p>Not here", "is this an MLflow tracking server?"),
        ("200 OK", "", "<!doctype html><p>Welcome", "not a response from MLflow"),
        (
            "301 Moved",
            "Location: https://elsewhere/api",
            "",
            "it has moved to https://elsewhere/api",
        ),
        (
            "400 Bad Request",
            "",
            r#"{"error_code": "INVALID_PARAMETER_VALUE", "message": "no\u001b[1m"}"#,
            "400 INVALID_PARAMETER_VALUE: no",
        ),
    ] {
        server.fails(move |_, _| Fault::Status(status, header, body));
        let uri = server.uri().replace("//", "//me:hidden@");
        let (code, said) = export(&logs, &uri, &[], &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(expected) && said.contains("/api/2.0/mlflow/experiments"), "{said}");
        assert!(!said.contains("hidden") && !said.contains('\u{1b}'), "{said}");
    }
    server.fails(|_, _| Fault::Slow(Duration::from_secs(5)));
    let variables =
        [("MLFLOW_HTTP_REQUEST_TIMEOUT", "1"), ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")];
    let (code, said) = export(&logs, &server.uri(), &[], &variables);
    assert!(code == Some(2) && said.contains("timeout"), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_not_waited_for() {
    let dir = logs(1);
    let start = Instant::now();
    // Nothing listens on the port "discard".
    let (code, said) = export(&dir.path().join("logs"), "http://127.0.0.1:9", &[], &[]);
    assert!(code == Some(2) && said.contains("is the server running?"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn requests_say_who_asks() {
    let dir = logs(1);
    let logs = dir.path().join("logs");
    let home = dir.path().join(".mlflow");
    let basic = "Basic bWU6c2VjcmV0"; // me:secret
    let names = [("MLFLOW_TRACKING_USERNAME", "me"), ("MLFLOW_TRACKING_PASSWORD", "secret")];
    let token = ("MLFLOW_TRACKING_TOKEN", "token");
    for (variables, file, expected) in [
        (vec![], None, None),
        (vec![token], None, Some("Bearer token")),
        (vec![names[0], names[1], token], None, Some(basic)),
        (
            vec![token],
            Some(
                "[other]\nmlflow_tracking_username = x\n[mlflow]\nmlflow_tracking_username = me\n\
                  mlflow_tracking_password = secret\n",
            ),
            Some(basic),
        ),
    ] {
        if let Some(text) = file {
            std::fs::create_dir_all(&home).unwrap();
            std::fs::write(home.join("credentials"), text).unwrap();
        }
        let server = Fake::start();
        let variables = [&variables[..], &[("MLFLOW_WORKSPACE", "ours")]].concat();
        fine(export(&logs, &server.uri(), &[], &variables));
        for (asked, _) in server.asked() {
            assert_eq!(asked.headers.get("authorization").map(String::as_str), expected);
            assert_eq!(asked.headers["x-mlflow-workspace"], "ours");
            // The server rejects requests from pages of other sites.
            assert!(!asked.headers.contains_key("origin"));
            if asked.method == "POST" {
                assert_eq!(asked.headers["content-type"], "application/json");
                assert!(!asked.headers.contains_key("content-encoding"));
            }
        }
    }
}

#[test]
fn requests_keep_to_the_limits_of_mlflow() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = quiet();
    for i in 0..250 {
        options = options.param(format!("p{i}"), "x".repeat(if i == 0 { 7000 } else { 5000 }));
    }
    for i in 0..150 {
        options = options.tag(format!("t{i}"), "y".repeat(if i == 0 { 9000 } else { 10 }));
    }
    let run = options.create(dir.path().join("logs/run")).unwrap();
    for step in 0..2500 {
        let value = [1.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY][step % 4];
        run.add_scalar("loss(x)", value, step as i64).unwrap();
    }
    run.finish().unwrap();
    let server = Fake::start();
    let said = fine(export(&dir.path().join("logs"), &server.uri(), &[], &[]));
    assert!(said.contains("parameter \"p0\" of 1 run is truncated to 6000 characters"), "{said}");
    assert!(said.contains("tag \"t0\" of 1 run is truncated to 8000 characters"), "{said}");
    assert!(said.contains("loss(x) as loss_x_-"), "{said}");
    for (asked, body) in server.asked() {
        let len = |name: &str| body[name].as_array().map_or(0, Vec::len);
        assert!(len("metrics") + len("params") + len("tags") <= 1000);
        if asked.path.ends_with("log-batch") {
            assert!(len("params") <= 100 && len("tags") <= 100);
            assert!(body.to_string().len() <= 1_000_000, "{}", body.to_string().len());
        }
    }
    let run = &server.kept().runs[0];
    assert_eq!((run.params.len(), run.params["p0"].len()), (250, 6000));
    assert_eq!(run.tags["t149"], "y".repeat(10));
    let values: Vec<&Value> = run.metrics.iter().take(4).map(|point| &point["value"]).collect();
    assert_eq!(values, [&json!(1.5), &json!("NaN"), &json!("Infinity"), &json!("-Infinity")]);
}
