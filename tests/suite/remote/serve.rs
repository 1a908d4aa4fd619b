//! `tbx serve` and the data server with logs at URLs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::{Fault, Server};
use crate::common::{NAME, file_version, repository, scalar};
use crate::serve::client::{Serve, page};

/// A server of `tbx serve`, and what it has printed.
struct Shown {
    serve: Serve,
    dir: TempDir,
}

/// The program with variables that lead to the store.
fn program(store: &Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_lowercase();
        if ["aws", "azure", "google"].iter().any(|store| text.starts_with(store))
            || text.ends_with("proxy")
            || text.starts_with("tbx_")
        {
            command.env_remove(name);
        }
    }
    command.envs(store.variables());
    command
}

impl Shown {
    fn start(store: &Server, logdirs: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (pages, archive) = page();
        let mut command = program(store);
        command.arg("serve").args(logdirs).args(["--port", "0", "--reload", "0.1", "--webfiles"]);
        command.arg(archive).stderr(File::create(dir.path().join("stderr")).unwrap());
        let serve = Serve::spawn(&mut command);
        drop(pages);
        Self { serve, dir }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    /// Waits until the answer is the expected one.
    fn until(&self, path: &str, expected: &Value) {
        let end = Instant::now() + Duration::from_secs(100);
        loop {
            let found: Value =
                serde_json::from_slice(&self.serve.get(path).body).unwrap_or_default();
            if found == *expected {
                return;
            }
            assert!(Instant::now() < end, "{path}: {found}, {}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn steps(&self, run: &str) -> Vec<i64> {
        let points = self.serve.json(&format!("/data/plugin/scalars/scalars?run={run}&tag=loss"));
        points.as_array().unwrap().iter().map(|point| point[1].as_i64().unwrap()).collect()
    }

    fn until_steps(&self, run: &str, expected: &[i64]) {
        let end = Instant::now() + Duration::from_secs(100);
        while self.steps(run) != expected {
            assert!(Instant::now() < end, "{:?}, {}", self.steps(run), self.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn log(steps: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let scalars = steps.into_iter().flat_map(|step| scalar("loss", step, step as f32));
    file_version().into_iter().chain(scalars).collect()
}

fn put(store: &Server, run: &str, bytes: Vec<u8>) {
    store.put(&format!("logs/{run}/{NAME}"), bytes);
}

/// The answers of a static site, by request.
fn answers(site: &Path) -> Vec<(String, Vec<u8>)> {
    let index: Value =
        serde_json::from_slice(&fs::read(site.join("answers.json")).unwrap()).unwrap();
    let answer = |(key, found): (&String, &Value)| {
        (key.clone(), fs::read(site.join(format!("answers/{}", found[0]))).unwrap())
    };
    index.as_object().unwrap().iter().map(answer).collect()
}

fn export(store: &Server, logdirs: &[&str]) -> (std::process::Output, TempDir, PathBuf) {
    let (dir, archive) = page();
    let site = dir.path().join("site");
    let mut command = program(store);
    command.arg("serve").args(logdirs).arg("--webfiles").arg(archive).arg("--export").arg(&site);
    (command.stdin(Stdio::null()).output().unwrap(), dir, site)
}

#[test]
fn every_answer_for_a_url_is_that_for_the_folder() {
    let store = Server::start();
    for name in ["torch", "tf2"] {
        store.put_all(&repository("fixtures").join(name), &format!("logs/{name}"));
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["torch", "tf2"] {
        copy(&repository("fixtures").join(name), &folder.path().join("logs").join(name));
    }
    let local = folder.path().join("logs");
    let local = local.to_str().unwrap();
    let (done, _dir, site) = export(&store, &[local]);
    assert!(done.status.success(), "{done:?}");
    let expected = answers(&site);
    let (done, _dir, site) = export(&store, &["s3://bucket/logs"]);
    assert!(done.status.success(), "{done:?}");
    let found = answers(&site);
    // Embeddings, and where the logs are, differ.
    let differs = |key: &str| key.starts_with("environment") || key.starts_with("logdir");
    let keys = |all: &[(String, Vec<u8>)]| -> BTreeSet<String> {
        all.iter().map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(keys(&found), keys(&expected));
    assert!(found.len() > 100, "{}", found.len());
    for ((key, found), (_, expected)) in found.iter().zip(&expected) {
        if differs(key) {
            assert!(!String::from_utf8_lossy(found).contains(local), "{key}");
        } else {
            assert!(found == expected, "{key}");
        }
    }
    for part in ["individualImage", "individualAudio", "histograms", "graphs/graph", "text/text"] {
        assert!(found.iter().any(|(key, _)| key.contains(part)), "{part}");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

#[test]
fn changes_at_a_url_are_shown() {
    let store = Server::start();
    put(&store, "a", log(0..3));
    let shown = Shown::start(&store, &["s3://bucket/logs"]);
    shown.until("/data/runs", &json!(["a"]));
    assert_eq!(shown.serve.json("/data/logdir"), json!({ "logdir": "s3://bucket/logs" }));
    put(&store, "a", log(0..5));
    put(&store, "b", log(7..8));
    shown.until("/data/runs", &json!(["a", "b"]));
    shown.until_steps("a", &[0, 1, 2, 3, 4]);
    put(&store, "a", log([9, 1, 2, 3, 4]));
    shown.until_steps("a", &[9, 1, 2, 3, 4]);
    store.remove(&format!("logs/b/{NAME}"));
    shown.until("/data/runs", &json!(["a"]));
    // Looks are no more often than every five seconds, though `--reload` asks for ten per second.
    store.asked();
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(6));
    let looks = store.asked().len() as u64;
    assert!(looks <= start.elapsed().as_secs() / 5 + 1, "{looks}");
    assert_eq!(shown.said(), "");
}

#[test]
fn a_server_that_is_away_is_said_once_and_hides_nothing() {
    let store = Server::start();
    put(&store, "a", log(0..3));
    let local = tempfile::tempdir().unwrap();
    fs::create_dir(local.path().join("l")).unwrap();
    fs::write(local.path().join("l").join(NAME), log(0..1)).unwrap();
    let named = format!("here:{}", local.path().display());
    let shown = Shown::start(&store, &["there:s3://bucket/logs", &named]);
    shown.until("/data/runs", &json!(["here/l", "there/a"]));
    // It takes the connection, and does not answer.
    store.fails(|_| Fault::Slow(Duration::from_secs(8)));
    put(&store, "a", log(0..5));
    std::thread::sleep(Duration::from_secs(6));
    // Meanwhile, other log directories are followed.
    let start = Instant::now();
    fs::write(local.path().join("l").join(NAME), log(0..2)).unwrap();
    shown.until_steps("here/l", &[0, 1]);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    let body = "<Error><Code>AccessDenied</Code></Error>";
    store.fails(move |_| Fault::Status("403 Forbidden", body));
    let end = Instant::now() + Duration::from_secs(100);
    while !shown.said().contains("403 Forbidden") {
        assert!(Instant::now() < end, "{}", shown.said());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(shown.serve.json("/data/runs"), json!(["here/l", "there/a"]));
    store.asked();
    while store.asked().is_empty() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(100));
    }
    store.is_well();
    shown.until_steps("there/a", &[0, 1, 2, 3, 4]);
    // Of the list; also of the object, if it was refused while it was being read.
    let of_list = |line: &&str| line.starts_with("tbx: s3://bucket/logs: 403 Forbidden");
    let said = shown.said();
    assert_eq!(said.lines().filter(of_list).count(), 1, "{said}");
    assert!(said.matches("403 Forbidden").count() <= 2, "{said}");
}

#[test]
fn a_value_whose_object_has_changed_is_an_error_of_that_value() {
    let store = Server::start();
    let fixture = repository("fixtures/torch");
    store.put_all(&fixture, "logs");
    let shown = Shown::start(&store, &["s3://bucket/logs"]);
    let end = Instant::now() + Duration::from_secs(100);
    let (run, tag) = loop {
        let tags = shown.serve.json("/data/plugin/images/tags");
        let run = tags.as_object().unwrap().iter().next();
        if let Some((run, tags)) = run {
            break (run.clone(), tags.as_object().unwrap().keys().next().unwrap().clone());
        }
        assert!(Instant::now() < end);
    };
    let images =
        shown.serve.json(&format!("/data/plugin/images/images?run={run}&tag={tag}&sample=0"));
    let query = images[0]["query"].as_str().unwrap().to_owned();
    store.asked();
    let image =
        |query: &str| shown.serve.get(&format!("/data/plugin/images/individualImage?{query}"));
    let before = image(&query);
    assert_eq!(before.status, 200);
    let asked: Vec<_> = store.asked();
    let ranges = asked.iter().filter(|asked| asked.headers.contains_key("range")).count();
    assert_eq!(
        (ranges, asked.iter().filter(|a| !a.query.contains_key("list-type")).count()),
        (1, 1)
    );
    // The same length with other bytes, and then nothing at all.
    let folder = fs::read_dir(fixture.join(&run)).unwrap().next().unwrap().unwrap();
    let key = format!("logs/{run}/{}", folder.file_name().to_str().unwrap());
    let bytes = store.get(&key).unwrap();
    store.put(&key, vec![0; bytes.len()]);
    let changed = image(&query);
    assert_ne!(changed.status, 200, "{}", changed.head);
    store.remove(&key);
    assert_ne!(image(&query).status, 200);
}

#[test]
fn secrets_of_a_url_are_shown_nowhere() {
    let store = Server::start();
    store.put(NAME, log(0..3));
    store.put("other/x", log(0..2));
    let url = |key: &str| format!("{}/{key}", store.url()).replace("//", "//me:hunter7@");
    let signed = format!("{}?X-Amz-Signature=hunter7", url("other/x"));
    let shown = Shown::start(&store, &[&url(NAME), &format!("signed:{signed}")]);
    let plain = format!("{}/{NAME}", store.url());
    shown.until("/data/runs", &json!([plain, "signed"]));
    store.put("other/x", b"no log".to_vec());
    store.remove(NAME);
    shown.until("/data/runs", &json!([]));
    let mut all = shown.said();
    assert!(all.contains("404 Not Found"), "{all}");
    for path in ["/data/logdir", "/data/environment", "/data/runs", "/data/plugin/scalars/tags"] {
        all += &String::from_utf8_lossy(&shown.serve.get(path).body);
    }
    assert!(!all.contains("hunter7"), "{all}");
    assert!(store.asked().iter().any(|asked| asked.headers.contains_key("authorization")));
    // An error that will not pass is said at once, without the password.
    for (url, what) in [
        ("s3://me:hunter7@bucket/logs", "contains a user or a password"),
        ("ftp://me:hunter7@host/logs", "unknown kind of URL"),
        ("http://me:hunter7@host/logs/", "web servers cannot list directories"),
    ] {
        let (done, ..) = export(&store, &[url]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(what), "{said}");
        assert!(!said.contains("hunter7"), "{said}");
    }
}

#[test]
fn an_export_of_a_url_that_cannot_be_listed_fails() {
    let store = Server::start();
    store.fails(|_| Fault::Status("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"));
    let (done, _dir, site) = export(&store, &["s3://bucket/logs"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("403 Forbidden"), "{done:?}");
    assert!(!site.exists());
}

#[test]
fn the_data_server_starts_while_the_store_does_not_answer() {
    let store = Server::start();
    put(&store, "a", log(0..3));
    store.fails(|_| Fault::Slow(Duration::from_secs(20)));
    let dir = tempfile::tempdir().unwrap();
    let port = dir.path().join("port");
    let start = Instant::now();
    let mut server = program(&store)
        .args(["--logdir=s3://bucket/logs", "--reload=1", "--samples-per-plugin=", "--port=0"])
        .arg(format!("--port-file={}", port.display()))
        .arg("--die-after-stdin")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    while !fs::read_to_string(&port).unwrap_or_default().ends_with('\n') {
        assert!(start.elapsed() < Duration::from_secs(10), "TensorBoard waits no longer");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}
