//! Logs at URLs, read by the library from a local web server.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod follow;
#[cfg(feature = "serve")]
mod serve;
pub(crate) mod server;

use std::fs;
use std::path::Path;

use tbx::store::File;
use tbx::{ErrorKind, Kind, LoadOptions, Logdir, Run};

use self::server::{Fault, Server};
use crate::common::{NAME, digest, load, repository};

const LOG: &str = "torch/scalars/events.out.tfevents.1700000000.host.1.0";

fn server() -> Server {
    let server = Server::start();
    server.put_all(&repository("fixtures/torch"), "torch");
    server
}

/// The facts about the only file of a run.
fn facts(run: &Run) -> (&str, u64, u64, u64) {
    let file = &run.files[0];
    (&file.name, file.bytes, file.events, file.pending_bytes)
}

#[test]
fn a_file_of_a_web_server_is_read_as_the_local_one_is() {
    let server = server();
    let url = format!("{}/{LOG}", server.url());
    let remote = load(Path::new(&url), &LoadOptions::new());
    let local = load(&repository("fixtures").join(LOG), &LoadOptions::new());
    assert_eq!(remote.runs[0].name, local.runs[0].name);
    assert_eq!(facts(&remote.runs[0]), facts(&local.runs[0]));
    let scalars = |run: &Run| {
        let series = run.series.iter().filter(|series| series.kind() == Kind::Scalar);
        digest(series)
    };
    assert_eq!(scalars(&remote.runs[0]), scalars(&local.runs[0]));
    assert!(remote.report.is_lossless());
    let methods = server.asked().into_iter().map(|asked| asked.method);
    assert!(methods.clone().all(|method| method == "GET"), "a URL may be signed for GET only");
}

#[test]
fn every_range_has_the_bytes_of_the_file() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..5_000_000u32).map(|i| (i % 251) as u8).collect();
    server.put("numbers", bytes.clone());
    let (file, len) = File::open(format!("{}/numbers", server.url()).as_ref()).unwrap();
    assert_eq!((len, file.size().unwrap()), (5_000_000, 5_000_000));
    let file = file.clone();
    for (start, len) in [(0, 1), (7, 100), (0, 1 << 20), (1, 4 << 20), (4_999_990, 100)] {
        let mut buffer = vec![0; len];
        let n = file.read_at(&mut buffer, start as u64).unwrap();
        assert_eq!(n, len.min(bytes.len() - start));
        assert_eq!(&buffer[..n], &bytes[start..start + n]);
    }
    assert_eq!(file.read_at(&mut [0; 9], 5_000_000).unwrap(), 0);
    assert_eq!(file.read_at(&mut [], 5).unwrap(), 0);
    server.put("numbers", bytes[..100].to_vec());
    assert_eq!(file.read_at(&mut vec![0; 3 << 20], 90).unwrap(), 10);
    assert_eq!(file.read_at(&mut [0; 9], 200).unwrap(), 0);
    assert_eq!(file.size().unwrap(), 100);
}

#[test]
fn a_server_that_sends_no_parts_is_asked_for_all() {
    let server = server();
    server.fails(|_| Fault::Whole);
    let url = format!("{}/{LOG}", server.url());
    let remote = load(url.as_ref(), &LoadOptions::new());
    let local = load(&repository("fixtures").join(LOG), &LoadOptions::new());
    assert_eq!(facts(&remote.runs[0]), facts(&local.runs[0]));
    assert_eq!(remote.runs[0].series.len(), local.runs[0].series.len());
    assert!(remote.report.is_lossless());
}

#[test]
fn an_empty_object_is_an_empty_log() {
    let server = Server::start();
    server.put(NAME, Vec::new());
    let loaded = load(format!("{}/{NAME}", server.url()).as_ref(), &LoadOptions::new());
    assert_eq!((loaded.runs[0].files[0].bytes, loaded.runs[0].series.len()), (0, 0));
    assert!(loaded.report.is_lossless());
}

#[test]
fn an_object_that_gets_shorter_is_a_loss_that_is_told() {
    let server = server();
    let bytes = server.get(LOG).unwrap();
    let url = format!("{}/{LOG}", server.url());
    let logdir = Logdir::open(&url).unwrap();
    let short = bytes[..bytes.len() - 200].to_vec();
    server.put(LOG, short);
    let loaded = logdir.load(&LoadOptions::new()).unwrap();
    let issue = loaded.report.issues.first().unwrap();
    let (expected, found) = (bytes.len() as u64, bytes.len() as u64 - 200);
    assert!(
        matches!(issue.kind, ErrorKind::Truncated { expected: e, found: f }
            if (e, f) == (expected, found)),
        "{issue}"
    );
    assert_eq!(issue.location.path.as_deref(), Some(Path::new(&url)));
}

#[test]
fn a_program_that_is_asynchronous_itself_can_wait_for_a_load() {
    let server = server();
    let url = format!("{}/{LOG}", server.url());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let loaded = runtime.block_on(async { load(url.as_ref(), &LoadOptions::new()) });
    assert_eq!(
        loaded.runs[0].files[0].bytes,
        fs::metadata(repository("fixtures").join(LOG)).unwrap().len()
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let server = server();
    let failed = |url: &str| Logdir::open(url).unwrap_err();
    let url = server.url();
    let error = failed(&format!("{url}/torch/"));
    assert!(error.to_string().contains("web servers cannot list directories"), "{error}");
    let error = failed(&format!("{url}/no"));
    assert!(error.to_string().ends_with("404 Not Found, NoSuchKey"), "{error}");
    let is_not_found = |kind: &ErrorKind| {
        matches!(kind,
        ErrorKind::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound)
    };
    assert!(is_not_found(error.kind()));
    assert!(failed("ftp://host/x").to_string().contains("unknown kind of URL"));
    assert!(failed("s3://").to_string().contains("names no bucket"));
}
