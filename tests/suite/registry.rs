//! Models that runs made, by name and version.

#![cfg(feature = "registry")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};
use tbx::ErrorKind;
use tbx::registry::{FILE, Registry, Stage};
use tempfile::TempDir;

/// SHA-256 of `abc`: FIPS 180-2, appendix B.1.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const ID: &str = "0123456789abcdef0123456789abcdef";

/// A log folder with one run.
fn logs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("group/first");
    fs::create_dir_all(run.join("artifacts/deep")).unwrap();
    fs::write(run.join("artifacts/deep/model.bin"), b"abc").unwrap();
    let meta = json!({"schema": "tbx.run/1", "id": ID});
    fs::write(run.join("tbx.json"), meta.to_string()).unwrap();
    dir
}

fn file(root: &Path) -> Value {
    serde_json::from_slice(&fs::read(root.join(FILE)).unwrap()).unwrap()
}

#[test]
fn a_run_is_named_by_its_name_directory_or_id() {
    let dir = logs();
    let registry = Registry::open(dir.path()).unwrap();
    let path = dir.path().join("group/first");
    for (i, run) in [Path::new("group/first"), &path, Path::new(ID)].into_iter().enumerate() {
        let version = registry.register("clf", run, "deep/model.bin").unwrap();
        assert_eq!(version.version, i as u64 + 1);
        assert_eq!((version.run.as_str(), version.run_id.as_deref()), ("group/first", Some(ID)));
        assert_eq!((version.sha256.as_str(), version.size), (ABC, 3));
    }
    for (run, artifact) in [
        ("no", "deep/model.bin"),
        ("", "deep/model.bin"),
        ("..", "deep/model.bin"),
        ("group/first", "../tbx.json"),
        ("group/first", "/etc/passwd"),
        ("group/first", "deep"),
        ("group/first", "no"),
    ] {
        registry.register("clf", run, artifact).unwrap_err();
    }
    assert_eq!(registry.models().unwrap()["clf"].versions.len(), 3);
}

#[test]
fn versions_of_many_threads_are_distinct() {
    let dir = logs();
    let numbers: BTreeSet<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let registry = Registry::open(dir.path()).unwrap();
                    let one = || registry.register("clf", "group/first", "deep/model.bin");
                    (0..10).map(|_| one().unwrap().version).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(numbers.into_iter().eq(1..=80));
}

#[test]
fn keys_that_are_not_known_stay() {
    let dir = logs();
    let value = json!({
        "schema": "tbx.registry/1",
        "later": [1],
        "models": {"old": {
            "owner": "me",
            "versions": [{"version": 7, "run": "r", "artifact": "a", "sha256": "x", "size": 1,
                "stage": "production", "signed": true}],
        }},
    });
    fs::write(dir.path().join(FILE), value.to_string()).unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    registry.register("clf", "group/first", "deep/model.bin").unwrap();
    registry.set_alias("old", "champion", 7).unwrap();
    let found = file(dir.path());
    assert_eq!(found["later"], json!([1]));
    assert_eq!(found["models"]["old"]["owner"], "me");
    assert_eq!(found["models"]["old"]["versions"][0]["signed"], true);
    assert_eq!(found["models"]["old"]["aliases"]["champion"], 7);
    assert_eq!(registry.get("old/Production").unwrap().version.version, 7);
}

#[test]
fn a_file_that_is_another_is_not_loaded() {
    let dir = logs();
    let registry = Registry::open(dir.path()).unwrap();
    registry.register("clf", "group/first", "deep/model.bin").unwrap();
    let found = registry.get("clf/latest").unwrap();
    assert!(found.path.is_absolute());
    let mut bytes = Vec::new();
    found.open().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"abc");
    fs::write(&found.path, b"abd").unwrap();
    let error = found.open().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Value(_)), "{error}");
    assert!(error.to_string().contains(ABC), "{error}");
    fs::remove_file(&found.path).unwrap();
    assert!(matches!(found.open().unwrap_err().kind(), ErrorKind::Io(_)));
}

#[test]
fn a_file_of_another_size_than_the_run_says_is_not_registered() {
    let dir = logs();
    let meta = json!({"schema": "tbx.run/1", "artifacts": [
        {"path": "deep/model.bin", "size": 4, "sha256": ABC}]});
    fs::write(dir.path().join("group/first/tbx.json"), meta.to_string()).unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    let error = registry.register("clf", "group/first", "deep/model.bin").unwrap_err();
    assert!(error.to_string().contains("3 bytes"), "{error}");
    assert!(!dir.path().join(FILE).exists());
}

#[test]
fn aliases_and_stages_move() {
    let dir = logs();
    let registry = Registry::open(dir.path()).unwrap();
    for _ in 0..3 {
        registry.register("clf", "group/first", "deep/model.bin").unwrap();
    }
    let number = |reference: &str| registry.get(reference).map(|found| found.version.version).ok();
    registry.set_alias("clf", "champion", 1).unwrap();
    registry.set_alias("clf", "champion", 2).unwrap();
    assert_eq!(number("clf/champion"), Some(2));
    registry.set_stage("clf", 1, Stage::Production, false).unwrap();
    registry.set_stage("clf", 2, Stage::Production, false).unwrap();
    assert_eq!(number("clf/production"), Some(2));
    registry.set_stage("clf", 3, Stage::Production, true).unwrap();
    let stages: Vec<_> =
        registry.models().unwrap()["clf"].versions.iter().map(|version| version.stage).collect();
    assert_eq!(stages, [Stage::Archived, Stage::Archived, Stage::Production]);
    for (reference, expected) in [
        ("clf/3", Some(3)),
        ("clf/v2", Some(2)),
        ("clf/latest", Some(3)),
        ("clf/PRODUCTION", Some(3)),
        ("clf/archived", Some(2)),
        ("clf/4", None),
        ("clf/nobody", None),
        ("clf", None),
        ("other/1", None),
    ] {
        assert_eq!(number(reference), expected, "{reference}");
    }
    registry.remove_alias("clf", "champion").unwrap();
    registry.remove_alias("clf", "champion").unwrap_err();
    registry.set_alias("clf", "champion", 9).unwrap_err();
    registry.set_stage("clf", 9, Stage::None, false).unwrap_err();
    registry.describe("clf", None, "sorts").unwrap();
    registry.describe("clf", Some(2), "better").unwrap();
    registry.tag("clf", Some(2), "task", "x").unwrap();
    let model = &registry.models().unwrap()["clf"];
    assert_eq!(model.description.as_deref(), Some("sorts"));
    assert_eq!(model.versions[1].description.as_deref(), Some("better"));
    assert_eq!(model.versions[1].tags["task"], "x");
}

#[test]
fn names_that_would_be_mistaken_are_refused() {
    let dir = logs();
    let registry = Registry::open(dir.path()).unwrap();
    for name in ["", " ", "a/b", "a:b", "a\0b"] {
        registry.register(name, "group/first", "deep/model.bin").unwrap_err();
    }
    registry.register("my model", "group/first", "deep/model.bin").unwrap();
    for alias in ["", "latest", "Latest", "v1", "V12", "3", "production", "a b", "a/b", "a.b"] {
        let error = registry.set_alias("my model", alias, 1).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{alias:?}: {error}");
    }
    for alias in ["champion", "v1-rc", "größe_2"] {
        registry.set_alias("my model", alias, 1).unwrap();
    }
}

#[test]
fn what_is_no_registry_is_left_as_it_is() {
    let dir = logs();
    let registry = Registry::open(dir.path()).unwrap();
    for json in
        ["[]", "{}", "{\"schema\": \"other/1\"}", "{\"schema\": \"tbx.registry/1\", \"models\": 1}"]
    {
        fs::write(dir.path().join(FILE), json).unwrap();
        registry.models().unwrap_err();
        registry.register("clf", "group/first", "deep/model.bin").unwrap_err();
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), json);
    }
    Registry::open(dir.path().join("no")).unwrap_err();
}

/// The registry is a file that anybody may have written.
#[test]
fn no_version_leads_out_of_the_log_folder() {
    let dir = logs();
    for (run, artifact) in [("..", "x"), ("/etc", "passwd"), ("a", "../../../x"), (".", "/x")] {
        let value = json!({"schema": "tbx.registry/1", "models": {"clf": {"versions": [
            {"version": 1, "run": run, "artifact": artifact}]}}});
        fs::write(dir.path().join(FILE), value.to_string()).unwrap();
        Registry::open(dir.path()).unwrap().get("clf/1").unwrap_err();
    }
}
