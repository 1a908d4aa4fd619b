//! Tracking servers with unusual responses.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tbx_runs::import::{Import, Imported};
use tempfile::TempDir;

use super::{meta, points, walkdir};
use crate::http::{Asked, read_request};

const API: &str = "/api/2.0/mlflow/";

/// Returns the response of a server to a request; `None` for requests that it does not support.
type Say = dyn Fn(&Asked, &Value) -> Option<Answer> + Send + Sync;

/// The body of a response.
enum Answer {
    Json(Value),
    Bytes(Vec<u8>),
    /// A body without an end.
    Endless,
    Failed,
}

/// A server, and the requests that it received.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Maximum number of simultaneous requests.
    most: Arc<AtomicUsize>,
    dir: TempDir,
}

impl Server {
    fn start(say: impl Fn(&Asked, &Value) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let say: Arc<Say> = Arc::new(say);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (log, highest) = (asked.clone(), most.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (say, log) = (say.clone(), log.clone());
                let (now, highest) = (now.clone(), highest.clone());
                // A client that disconnects early is not an error.
                thread::spawn(move || drop(serve(stream, &*say, &log, &now, &highest)));
            }
        });
        Self { address, asked, most, dir: tempfile::tempdir().unwrap() }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("logs")
    }

    fn import(&self) -> tbx::Result<Imported> {
        self.import_with(&Import::new())
    }

    fn import_with(&self, import: &Import) -> tbx::Result<Imported> {
        import.clone().from("mlflow").run(&format!("http://{}", self.address), &self.out())
    }

    /// Number of requests for this path.
    fn count(&self, path: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.path.ends_with(path)).count()
    }
}

fn serve(
    mut stream: TcpStream,
    say: &Say,
    log: &Mutex<Vec<Asked>>,
    now: &AtomicUsize,
    most: &AtomicUsize,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some((asked, body)) = read_request(&mut reader)? {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let answer = say(&asked, &body);
        log.lock().unwrap().push(asked);
        now.fetch_sub(1, Ordering::SeqCst);
        let (status, body) = match answer {
            Some(Answer::Json(json)) => ("200 OK", json.to_string().into_bytes()),
            Some(Answer::Bytes(bytes)) => ("200 OK", bytes),
            Some(Answer::Failed) => ("400 Bad Request", br#"{"message": "broken here"}"#.to_vec()),
            None => ("404 Not Found", b"<!doctype html><title>404</title>".to_vec()),
            Some(Answer::Endless) => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 1 << 16])?;
                }
            }
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)?;
    }
    Ok(())
}

/// MLflow's responses for one experiment with runs `0`, `1` and so on, each with one point.
fn plain(asked: &Asked, runs: usize) -> Option<Answer> {
    let run = |i: usize| {
        json!({
            "info": {
                "run_id": i.to_string(), "run_name": format!("r{i}"), "status": "FINISHED",
                "start_time": i, "artifact_uri": "mlflow-artifacts:/1/x/artifacts",
            },
            "data": { "metrics": [{ "key": "loss" }] },
        })
    };
    Some(Answer::Json(match asked.path.strip_prefix(API).unwrap_or_default() {
        "experiments/search" => json!({ "experiments": [{ "experiment_id": "1", "name": "e" }] }),
        "runs/search" => json!({ "runs": (0..runs).map(run).collect::<Vec<_>>() }),
        "metrics/get-history" => {
            let step = asked.query["run_id"].parse::<i64>().unwrap();
            json!({ "metrics": [{ "key": "loss", "value": 0.5, "step": step, "timestamp": 1000 }] })
        }
        "artifacts/list" => json!({}),
        "registered-models/search" | "model-versions/search" => json!({}),
        _ => return None,
    }))
}

fn issues(imported: &Imported) -> Vec<String> {
    imported.report.issues.iter().map(ToString::to_string).collect()
}

#[test]
fn what_fails_costs_itself_alone_and_the_next_import_brings_it() {
    let is_broken = Arc::new(AtomicUsize::new(1));
    let broken = is_broken.clone();
    let server = Server::start(move |asked, body| {
        let is_broken = broken.load(Ordering::SeqCst) == 1;
        let path = asked.path.as_str();
        match path.strip_prefix(API).unwrap_or_default() {
            "experiments/search" => Some(Answer::Json(json!({ "experiments": [
                { "experiment_id": "1", "name": "e" }, { "experiment_id": "2", "name": "bad" },
            ] }))),
            "runs/search" if body["experiment_ids"][0] == "2" && is_broken => Some(Answer::Failed),
            "runs/search" if body["experiment_ids"][0] == "2" => Some(Answer::Json(json!({}))),
            "metrics/get-history" if asked.query["run_id"] == "1" && is_broken => {
                Some(Answer::Failed)
            }
            "registered-models/search" if is_broken => Some(Answer::Failed),
            "artifacts/list" if asked.query["run_id"] == "2" => {
                Some(Answer::Json(json!({ "files": [
                { "path": "a.txt", "file_size": 1 }, { "path": "bad.txt", "file_size": 1 },
            ] })))
            }
            "artifacts/list" if asked.query["run_id"] == "3" && is_broken => Some(Answer::Failed),
            "artifacts/list" if asked.query["run_id"] == "3" => {
                Some(Answer::Json(json!({ "files": [{ "path": "late.txt", "file_size": 1 }] })))
            }
            _ if path == "/get-artifact" => match asked.query["path"].as_str() {
                "bad.txt" if is_broken => Some(Answer::Failed),
                _ => Some(Answer::Bytes(b"x".to_vec())),
            },
            _ => plain(asked, 4),
        }
    });
    let imported = server.import().unwrap();
    let said = issues(&imported);
    for what in [
        "could not import experiment \"bad\": 400: broken here",
        "could not import run \"r1\" (1): 400: broken here",
        "could not import registered models: 400: broken here",
        "/get-artifact: 400: broken here; skipped",
        "artifacts/list: 400: broken here; skipped",
    ] {
        assert!(said.iter().any(|issue| issue.contains(what)), "{what}: {said:#?}");
    }
    assert_eq!(said.len(), 5, "{said:#?}");
    assert!(said.iter().all(|issue| issue.contains("http://127.0.0.1")), "{said:#?}");
    let names = |imported: &Imported| {
        let new = imported.runs.iter().filter(|run| !run.was_there);
        new.map(|run| run.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&imported), ["r0", "r2", "r3"]);
    let artifacts = |run: &str| {
        let mut names: Vec<_> = fs::read_dir(server.out().join("e").join(run).join("artifacts"))
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(artifacts("r2"), ["a.txt"]);
    let incomplete: Vec<_> = imported.runs.iter().map(|run| run.is_incomplete).collect();
    assert_eq!(incomplete, [false, true, true]);

    is_broken.store(0, Ordering::SeqCst);
    let before = server.count("/get-artifact");
    let again = server.import().unwrap();
    assert!(again.report.issues.is_empty(), "{:#?}", issues(&again));
    assert_eq!(names(&again), ["r1"]);
    assert_eq!(
        (artifacts("r2"), artifacts("r3")),
        (vec!["a.txt".into(), "bad.txt".into()], vec!["late.txt".into()])
    );
    // Existing files are not downloaded again, and from now on no files are listed.
    assert_eq!(server.count("/get-artifact") - before, 2);
    let listed: Vec<_> =
        meta(&server.out().join("e/r2")).artifacts.into_iter().map(|a| a.path).collect();
    assert_eq!(listed, ["a.txt", "bad.txt"]);
    let lists = server.count("artifacts/list");
    assert!(server.import().unwrap().runs.iter().all(|run| run.was_there && run.artifacts == 0));
    assert_eq!(server.count("artifacts/list"), lists);
}

#[test]
fn an_artifact_that_is_a_file_and_a_folder_costs_no_run() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/api/2.0/mlflow/artifacts/list" if asked.query["run_id"] == "1" => {
            let folder = asked.query.get("path").map_or("", String::as_str);
            Some(Answer::Json(match folder {
                "" => json!({ "files": [
                    { "path": "x", "is_dir": false, "file_size": 4 }, { "path": "x", "is_dir": true },
                    { "path": "x", "is_dir": false, "file_size": 4 },
                ] }),
                _ => json!({ "files": [{ "path": "x/y", "is_dir": false, "file_size": 6 }] }),
            }))
        }
        "/get-artifact" => match asked.query["path"].as_str() {
            "x" => Some(Answer::Bytes(b"file".to_vec())),
            _ => Some(Answer::Bytes(b"inside".to_vec())),
        },
        _ => plain(asked, 3),
    });
    let imported = server.import().unwrap();
    assert!(imported.report.issues.is_empty(), "{:#?}", issues(&imported));
    assert_eq!(imported.runs.len(), 3);
    assert_eq!((imported.runs[1].artifacts, imported.runs[1].renamed), (2, 1));
    let dir = server.out().join("e/r1");
    assert_eq!(fs::read(dir.join("artifacts/x/y")).unwrap(), b"inside");
    assert_eq!(fs::read(dir.join("artifacts/x%~2")).unwrap(), b"file");
    let names: BTreeMap<_, _> =
        meta(&dir).artifacts.into_iter().map(|artifact| (artifact.path, artifact.name)).collect();
    assert_eq!(names["x%~2"].as_deref(), Some("x"));
    assert_eq!(names["x/y"], None);
}

#[test]
fn an_artifact_is_as_long_as_the_server_lists_it() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/api/2.0/mlflow/artifacts/list" => Some(Answer::Json(json!({ "files": [
            { "path": "endless", "file_size": 10 }, { "path": "short", "file_size": 10 },
            { "path": "empty", "file_size": 0 }, { "path": "unknown" },
        ] }))),
        "/get-artifact" => match asked.query["path"].as_str() {
            "endless" => Some(Answer::Endless),
            "empty" => Some(Answer::Bytes(Vec::new())),
            _ => Some(Answer::Bytes(b"short".to_vec())),
        },
        _ => plain(asked, 1),
    });
    let imported = server.import().unwrap();
    let said = issues(&imported);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].contains("endless: the server listed 10 bytes but sent more"), "{said:#?}");
    assert!(said[1].contains("short: the server listed 10 bytes but sent only 5"), "{said:#?}");
    let artifacts = server.out().join("e/r0/artifacts");
    let mut sizes: Vec<_> = walkdir(&artifacts)
        .iter()
        .map(|path| (path.file_name().unwrap().to_owned(), fs::metadata(path).unwrap().len()))
        .collect();
    sizes.sort();
    assert_eq!(sizes, [("empty".into(), 0), ("unknown".into(), 5)]);
}

#[test]
fn lists_without_an_end_are_errors_that_cost_few_requests() {
    // The same token, other tokens with the same page, and empty pages.
    type Pages = fn(&str, usize) -> Value;
    let cases: [(&str, Pages, &str); 5] = [
        (
            "experiments/search",
            |_, _| json!({ "experiments": [], "next_page_token": "t" }),
            "returned a page twice",
        ),
        (
            "runs/search",
            |_, n| json!({ "runs": [], "next_page_token": n.to_string() }),
            "its 101 pages are almost empty",
        ),
        (
            "metrics/get-history",
            |_, n| {
                let point = json!({ "value": 0.5, "step": 1, "timestamp": 1 });
                json!({ "metrics": vec![point; 100], "next_page_token": n.to_string() })
            },
            "returned a page twice",
        ),
        (
            "artifacts/list",
            |folder, _| {
                let path = |name| {
                    if folder.is_empty() { format!("{name}") } else { format!("{folder}/{name}") }
                };
                let folder = |name| json!({ "path": path(name), "is_dir": true });
                json!({ "files": [folder('a'), folder('b')] })
            },
            "more than 64 deep",
        ),
        (
            "model-versions/search",
            |_, _| json!({ "model_versions": [{ "name": "m" }], "next_page_token": "t" }),
            "returned a page twice",
        ),
    ];
    for (path, pages, what) in cases {
        let number = AtomicUsize::new(0);
        let server = Server::start(move |asked, _| {
            if !asked.path.ends_with(path) {
                return plain(asked, 1);
            }
            let number = number.fetch_add(1, Ordering::SeqCst);
            let folder = asked.query.get("path").map_or("", String::as_str);
            Some(Answer::Json(pages(folder, number)))
        });
        let said = match server.import() {
            Ok(imported) => issues(&imported).join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(what) && said.contains(path), "{path}: {said}");
        assert!(server.count(path) < 300, "{path}: {} requests", server.count(path));
    }
}

#[test]
fn requests_run_at_a_time_and_results_are_in_order() {
    let server = Server::start(|asked, _| {
        // The responses to the first requests come last.
        let run = asked.query.get("run_id").and_then(|id| id.parse::<u64>().ok()).unwrap_or(0);
        thread::sleep(Duration::from_millis(5 + 20 * (run % 4 == 0) as u64));
        plain(asked, 20)
    });
    let imported = server.import_with(&Import::new().connections(5)).unwrap();
    assert!(imported.report.issues.is_empty(), "{:#?}", issues(&imported));
    let names: Vec<_> = imported.runs.iter().map(|run| run.name.clone()).collect();
    assert_eq!(names, (0..20).map(|i| format!("r{i}")).collect::<Vec<_>>());
    for i in 0..20i32 {
        let found = points(&server.out(), &format!("e/r{i}"), "loss");
        assert_eq!(found, [(i64::from(i), 1.0, 0.5)]);
    }
    let most = server.most.load(Ordering::SeqCst);
    assert!((2..=5).contains(&most), "{most} at a time");

    let one = Server::start(|asked, _| plain(asked, 5));
    one.import_with(&Import::new().connections(1)).unwrap();
    assert_eq!(one.most.load(Ordering::SeqCst), 1);
}

#[test]
fn runs_that_fail_are_all_tried() {
    let server = Server::start(|asked, _| match asked.path.as_str() {
        "/api/2.0/mlflow/metrics/get-history" if asked.query["run_id"] != "39" => {
            Some(Answer::Failed)
        }
        _ => plain(asked, 40),
    });
    let imported = server.import().unwrap();
    assert_eq!((imported.runs.len(), imported.report.issues.len()), (1, 39));
    assert!(server.out().join("e/r39/tbx.json").exists() && !server.out().join("e/r0").exists());
}
