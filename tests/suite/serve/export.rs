//! `tbx serve --export`: the answers in the files, and those that the worker makes of them, are those of the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tbx::summary::hparams::SessionStatus;
use tbx::{Hparams, SummaryWriter};
use tempfile::TempDir;

use super::client::{Serve, page};
use super::embeddings::write_embeddings;
use super::stock::{copy, write_sessions};
use crate::common::repository;

/// Names that mean something in addresses, paths, scripts or HTML.
#[cfg(unix)]
const NAMES: [&str; 9] = [
    "a&tag=b",
    "a&tag=b&run=c",
    "50%26",
    "q?r#s+t %20",
    "it's \"q\" <b>\\n`${1}`",
    "..x",
    "constructor",
    "__proto__",
    "größe 日本 🎉",
];
#[cfg(not(unix))]
const NAMES: [&str; 4] = ["a&tag=b", "50%26", "constructor", "__proto__"];

/// Logs with every kind of data, and with unusual names.
fn logs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&repository("fixtures/torch"), &dir.path().join("torch"));
    write_sessions(&dir.path().join("sessions"));
    for (i, name) in NAMES.into_iter().enumerate() {
        let writer = SummaryWriter::create(dir.path().join(name)).unwrap();
        for tag in NAMES.into_iter().chain(["x/../y", "/", "\u{ffff}", "\u{1f600}"]) {
            writer.add_scalar(tag, i as f64 / 8.0, 3).unwrap();
        }
        writer.add_text(name, "**text**", 1).unwrap();
        // Equal ones, halves of the last digit, and values that JSON lacks.
        let metric = [f64::NAN, 0.5, f64::INFINITY, 2.0, f64::NEG_INFINITY, 2.0, -f64::NAN];
        if let Some(value) = metric.get(i) {
            writer.add_scalar("metric", *value, 1 << i).unwrap();
        }
        let rate = [1e-5, 1.125, 1e16, 0.0625, 1234.5, -1e-300, 9.995, 1e22, 0.0].get(i);
        let group = ["\u{1f600}", "\u{ffff}", "", "\u{1f600}"].get(i).copied().unwrap_or("");
        let mut hparams = Hparams::new().with(name, name).with("rate", *rate.unwrap());
        hparams = match i % 3 {
            0 => hparams.with("mixed", i as f64),
            1 => hparams.with("mixed", true),
            _ => hparams.with("mixed", name),
        };
        writer.add_hparams(hparams.with_group(group), []).unwrap();
        let status = [SessionStatus::Success, SessionStatus::Failure, SessionStatus::Running];
        writer.close_as(status[i % 3]).unwrap();
    }
    write_embeddings(dir.path());
    // It cannot be read.
    let path = dir.path().join("embeddings/projector_config.pbtxt");
    let mut config = fs::read_to_string(&path).unwrap();
    config.push_str("embeddings { tensor_name: \"unread\" tensor_path: \"gone\" }\n");
    fs::write(path, config).unwrap();
    dir
}

/// A page that has a projector.
fn page_with_projector() -> (TempDir, PathBuf) {
    let (dir, archive) = page();
    let projector = dir.path().join("plugins/projector/tf_projector_plugin");
    fs::create_dir_all(&projector).unwrap();
    for name in ["index.js", "projector_binary.html", "projector_binary.js"] {
        fs::write(projector.join(name), name).unwrap();
    }
    (dir, archive)
}

fn export(logdir: &Path, site: &Path, archive: &Path) -> Output {
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
    let (dir, (_page, archive)) = (logs(), page_with_projector());
    let place = tempfile::tempdir().unwrap();
    let (logdir, site) = (dir.path(), place.path().join("site"));
    let done = export(logdir, &site, &archive);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    assert!(said.contains("answers written to"), "{said}");
    for file in ["guard.js", "index.html", "index.js", "page.html", "start.js", "answers.json"] {
        assert!(site.join(file).is_file(), "{file}");
    }

    let index: Value =
        serde_json::from_slice(&fs::read(site.join("answers.json")).unwrap()).unwrap();
    let index = index.as_object().unwrap();
    let serve = Serve::start_with_page(logdir, &["--webfiles", archive.to_str().unwrap()]);
    let mut compared = 0;
    for (key, found) in index {
        let file = fs::read(site.join(format!("answers/{}", found[0]))).unwrap();
        // The keys of forms have another request, and the worker makes tables of the sessions.
        if key.starts_with("plugin/timeseries/timeSeries") || key == "sessions?" {
            continue;
        }
        let (path, fields) = key.split_once('?').unwrap();
        let plain = |value: &str| value.replace("%26", "&").replace("%25", "%");
        let fields: Vec<String> = fields
            .split('&')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| format!("{name}={}", encoded(&plain(value))))
            .collect();
        let answer = serve.get(&format!("/data/{path}?{}", fields.join("&")));
        assert_eq!((answer.status, &answer.body), (200, &file), "{key}");
        assert!(answer.head.contains(found[1].as_str().unwrap()), "{key}");
        compared += 1;
    }
    assert!(compared > 80, "{compared}");
    for part in [
        "individualImage",
        "individualAudio",
        "mesh/data",
        "graphs/graph",
        "hparams/experiment",
        "plugin_entry.html",
        "projector/bookmarks?name=kept",
        "projector/metadata?name=all",
        "projector/projector_binary.js",
        "projector/sprite_image?name=all",
        "projector/tensor?name=50%25 \"größe\" 'q'",
        "text/text",
    ] {
        assert!(index.keys().any(|key| key.contains(part)), "{part}");
    }
    // Unreadable files are left out: the labels of one, and the numbers of the other.
    assert!(index.contains_key("plugin/projector/tensor?name=gone&run=embeddings"));
    for left_out in ["metadata?name=gone", "bookmarks?name=outside", "tensor?name=unread"] {
        assert!(!index.keys().any(|key| key.contains(left_out)), "{left_out}");
    }

    // Existing files are kept.
    let again = export(logdir, &site, &archive);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"), "{again:?}");
    assert!(site.join("index.html").is_file());
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn a_page_without_a_projector_is_exported_without_one() {
    let (dir, (_page, archive)) = (logs(), page());
    let place = tempfile::tempdir().unwrap();
    let site = place.path().join("site");
    assert!(export(dir.path(), &site, &archive).status.success());
    let index: Value =
        serde_json::from_slice(&fs::read(site.join("answers.json")).unwrap()).unwrap();
    let listing = fs::read(site.join(format!("answers/{}", index["plugins_listing?"][0]))).unwrap();
    let listing: Value = serde_json::from_slice(&listing).unwrap();
    assert_eq!(listing["projector"]["enabled"], false);
    assert_eq!(listing["hparams"]["enabled"], true);
    assert!(!index.as_object().unwrap().keys().any(|key| key.contains("projector")));
}

#[test]
fn the_worker_answers_as_the_server() {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|node| node.status.success()) {
        eprintln!("skipped: the worker of a static site: there is no node");
        return;
    }
    let (dir, (_page, archive)) = (logs(), page_with_projector());
    let place = tempfile::tempdir().unwrap();
    let site = place.path().join("site");
    assert!(export(dir.path(), &site, &archive).status.success());
    let serve = Serve::start_with_page(dir.path(), &["--webfiles", archive.to_str().unwrap()]);
    let compared = Command::new("node")
        .arg(repository("tests/suite/serve/worker.mjs"))
        .arg(&site)
        .arg(format!("http://{}/", serve.address))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [compared.stdout, compared.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(compared.status.success(), "{}\n{}", said[0], said[1]);
    for route in ["session_groups", "download_data", "metric_evals", "projector/tensor"] {
        assert!(said[0].contains(route), "{}", said[0]);
    }
}
