//! `tbx import --from mlflow` from a malicious or broken server: it fails soon, with an error that
//! names the limit that was reached, and memory and disk use stay bounded.

use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::fake::{Fake, Fault};
use super::{Ended, export, logs};

/// Runs `tbx import URI` with one retry and a short timeout.
fn import(uri: &str, out: &Path) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
    command.args(["import", "--from", "mlflow", uri, "--out"]).arg(out).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MLFLOW_")) {
        command.env_remove(name);
    }
    command.env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1").env("MLFLOW_HTTP_REQUEST_TIMEOUT", "1");
    let output = command.env("HOME", out).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Imports from a server that holds a run but answers requests for `asked` with `fault`. Fails
/// unless the import reports `expected`. Returns the number of requests.
#[track_caller]
fn said(
    asked: &'static str,
    expected: &str,
    mut fault: impl FnMut(usize) -> Fault + Send + 'static,
) -> usize {
    let (server, dir) = (Fake::start(), logs(10));
    assert_eq!(export(&dir.path().join("logs"), &server.uri(), &[], &[]).0, Some(0));
    server.asked();
    let mut count = 0;
    server.fails(move |path, _| {
        if !path.ends_with(asked) {
            return Fault::None;
        }
        count += 1;
        fault(count)
    });
    let (code, said) = import(&server.uri(), &dir.path().join("out"));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains("panicked") && said.len() < 2000, "{said}");
    server.asked().len()
}

fn head(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
}

#[test]
fn no_pause_that_a_server_asks_for_is_a_panic_or_a_long_one() {
    for after in [
        "Retry-After: -1",
        "Retry-After: 0",
        "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
        "Retry-After: 1e400",
        "Retry-After: 99999999999999999999999999",
        "Retry-After: ",
    ] {
        said("experiments/search", "429", move |_| Fault::Status("429 Slow", after, "{}"));
    }
}

#[test]
fn lists_that_have_no_end_are_given_up() {
    let circle = "returned a page twice";
    let page = |id: usize, next: String| {
        Fault::Json(json!({
            "experiments": [{ "experiment_id": id.to_string(), "name": id.to_string() }],
            "next_page_token": next,
        }))
    };
    // Two alternating pages, one page with ever new tokens, ever new pages that are nearly empty.
    let asked = said("experiments/search", circle, move |n| page(n, ["a", "b"][n % 2].into()));
    assert!(asked < 10, "{asked}");
    let asked = said("experiments/search", circle, move |n| page(0, n.to_string()));
    assert!(asked < 10, "{asked}");
    let asked = said("experiments/search", "does not end", move |n| page(n, n.to_string()));
    assert!((1000..1300).contains(&asked), "{asked}");
    let long = "x".repeat(1 << 20);
    said("experiments/search", "next page is too long", move |n| page(n, long.clone()));
    said("get-history", circle, |n| {
        let points: Vec<_> = (0..100).map(|i| json!({ "step": i, "value": 1.0 })).collect();
        Fault::Json(json!({ "metrics": points, "next_page_token": n.to_string() }))
    });
}

#[test]
fn folders_without_files_are_not_gone_into_for_ever() {
    let asked = said("artifacts/list", "1000 consecutive artifact directories", |n| {
        let folder = |i: usize| json!({ "path": i.to_string(), "is_dir": true });
        let folders = if n == 1 { 5000 } else { 0 };
        Fault::Json(json!({ "files": (0..folders).map(folder).collect::<Vec<_>>() }))
    });
    assert!(asked < 1100, "{asked}");
}

#[test]
fn a_body_that_drips_is_not_waited_for() {
    said("experiments/search", "the server is too slow", |_| {
        Fault::Raw(|stream| {
            head(stream)?;
            loop {
                stream.write_all(b"\n")?;
                thread::sleep(Duration::from_millis(200));
            }
        })
    });
}

#[test]
fn an_answer_of_many_small_values_takes_no_memory() {
    said("experiments/search", "not an object", |_| {
        Fault::Raw(|stream| {
            head(stream)?;
            stream.write_all(b"{\"experiments\":[")?;
            for _ in 0..100 {
                stream.write_all(&b"[],".repeat(10_000))?;
            }
            stream.write_all(b"[]]}")
        })
    });
    let many = vec![json!({}); 300_000];
    said("runs/search", "more than 200000 values", move |_| {
        Fault::Json(json!({ "runs": [{ "data": { "tags": many } }] }))
    });
}

#[test]
fn a_file_is_not_longer_than_its_list_says() {
    let (server, dir) = (Fake::start(), logs(1));
    assert_eq!(export(&dir.path().join("logs"), &server.uri(), &[], &[]).0, Some(0));
    server.fails(|path, _| match path {
        path if path.ends_with("artifacts/list") => Fault::Json(json!({
            "files": [{ "path": "model.bin", "is_dir": false, "file_size": 10 }]
        })),
        "/get-artifact" => Fault::Raw(|stream| {
            head(stream)?;
            loop {
                stream.write_all(&[7; 1 << 16])?;
            }
        }),
        _ => Fault::None,
    });
    let (code, said) = import(&server.uri(), &dir.path().join("out"));
    assert!(code == Some(2) && said.contains("listed 10 bytes but sent more"), "{said}");
}

#[test]
fn who_asks_is_told_to_no_other_server() {
    let (server, other, dir) = (Fake::start(), Fake::start(), tempfile::tempdir().unwrap());
    let elsewhere: &'static str =
        Box::leak(format!("Location: {}/x", other.uri()).into_boxed_str());
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        server.fails(move |_, _| Fault::Status(status, elsewhere, ""));
        let uri = server.uri().replace("//", "//me:hun/ter@2@");
        let (code, said) = import(&uri, &dir.path().join("out"));
        assert!(code == Some(2) && said.contains("it has moved to"), "{said}");
        assert!(!said.contains("ter@2") && !said.contains("hun/"), "{said}");
        assert!(
            server.asked().iter().all(|(asked, _)| asked.headers.contains_key("authorization"))
        );
    }
    assert!(other.asked().is_empty());
}

/// Whichever request is the first without an answer, the import says so, and the next one has everything.
#[test]
fn a_server_that_goes_away_at_any_request_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    for name in ["a", "b"] {
        let run = super::quiet().create(logs.join(name)).unwrap();
        (0..10).for_each(|step| run.add_scalar("loss", 0.5, step).unwrap());
        run.log_artifact_bytes("notes.txt", b"of a run", None).unwrap();
        run.finish().unwrap();
    }
    let server = Fake::start();
    assert_eq!(export(&logs, &server.uri(), &[], &[]).0, Some(0));
    for requests in 0.. {
        server.asked();
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("out");
        server.fails(move |_, before| match before < requests {
            true => Fault::None,
            false => Fault::Raw(|_| Ok(())),
        });
        let (code, said) = import(&server.uri(), &out);
        if server.asked().len() <= requests {
            assert!(requests > 5 && code == Some(0), "{requests}: {code:?} {said}");
            break;
        }
        assert!(matches!(code, Some(1 | 2)), "{requests}: {code:?} {said}");
        assert!(said.contains("tbx: ") && !said.contains("panicked"), "{requests}: {said}");
        server.fails(|_, _| Fault::None);
        let (code, said) = import(&server.uri(), &out);
        assert_eq!(code, Some(0), "{requests}: {said}");
        let loaded = tbx::Logdir::open(&out).unwrap().load(&tbx::LoadOptions::new()).unwrap();
        let points = loaded.runs.iter().map(|run| run.get("loss").map_or(0, |it| it.len()));
        assert_eq!(points.collect::<Vec<_>>(), [10, 10], "{requests}: {said}");
    }
}
