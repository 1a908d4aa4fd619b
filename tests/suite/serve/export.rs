//! `tbx serve --export`: the answers in the files are those of the server.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::client::{Serve, page};
use crate::common::repository;

fn export(logdir: &Path, site: &Path) -> Output {
    let (_dir, archive) = page();
    Command::new(env!("CARGO_BIN_EXE_tbx"))
        .arg("serve")
        .arg(logdir)
        .arg("--webfiles")
        .arg(archive)
        .arg("--export")
        .arg(site)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_site_has_the_answers_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let (logdir, site) = (repository("fixtures/torch"), dir.path().join("site"));
    let done = export(&logdir, &site);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    assert!(said.contains("answers written to"), "{said}");
    for file in
        ["guard.js", "index.html", "index.js", "page.html", "start.js", "worker.js", "answers.json"]
    {
        assert!(site.join(file).is_file(), "{file}");
    }

    let index: Value =
        serde_json::from_slice(&fs::read(site.join("answers.json")).unwrap()).unwrap();
    let index = index.as_object().unwrap();
    let serve = Serve::start(&logdir, &[]);
    let mut compared = 0;
    for (key, found) in index {
        let file = fs::read(site.join(format!("answers/{}", found[0]))).unwrap();
        // The keys of forms have another request, and one list differs: a site has fewer dashboards.
        if key.starts_with("plugin/timeseries/timeSeries") || key.starts_with("plugins_listing") {
            continue;
        }
        let (path, fields) = key.split_once('?').unwrap();
        let fields: Vec<String> = fields
            .split('&')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let answer = serve.get(&format!("/data/{path}?{}", fields.join("&")));
        assert_eq!((answer.status, &answer.body), (200, &file), "{key}");
        assert!(answer.head.contains(found[1].as_str().unwrap()), "{key}");
        compared += 1;
    }
    assert!(compared > 30, "{compared}");
    for part in ["individualImage", "individualAudio", "mesh/data", "graphs/graph", "text/text"] {
        assert!(index.keys().any(|key| key.contains(part)), "{part}");
    }

    // Existing files are kept.
    let again = export(&logdir, &site);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"), "{again:?}");
    assert!(site.join("index.html").is_file());
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
