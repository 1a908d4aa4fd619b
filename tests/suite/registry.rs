//! The model registry: models by name and version.

use std::fs;
use std::path::Path;

use tbx::meta::{Artifact, RunMeta};
use tbx_runs::registry::{FILE, OtherVersions, Registry, Stage, VersionName};

fn artifact(root: &Path, run: &str, bytes: &[u8]) {
    let folder = root.join(run).join("artifacts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("model.bin"), bytes).unwrap();
}

fn id(text: &str) -> VersionName {
    text.parse().unwrap()
}

#[test]
fn versions_have_numbers_stages_and_aliases() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    artifact(root, "a", b"one");
    artifact(root, "b/c", b"two");
    let registry = Registry::open(root);
    assert!(registry.models().unwrap().is_empty());
    assert_eq!(registry.register("m", "a", "model.bin").unwrap().version, 1);
    assert_eq!(registry.register("m", root.join("b/c"), "model.bin").unwrap().version, 2);
    // Registering the same file of the same run again gives the same version.
    assert_eq!(registry.register("m", "a", "model.bin").unwrap().version, 1);
    registry.set_alias(&id("m/1"), "best").unwrap();
    registry.set_alias(&id("m/v2"), "best").unwrap(); // moves the alias
    registry.set_stage(&id("m/1"), Stage::Production, OtherVersions::Keep).unwrap();
    registry.set_stage(&id("m/latest"), Stage::Production, OtherVersions::Archive).unwrap();
    registry.describe(&id("m/1"), "first").unwrap();
    registry.tag(&id("m/best"), "checked", "yes").unwrap();
    let version = |name: &str| registry.version(&id(name)).unwrap();
    assert_eq!(version("m/best").run, "b/c");
    assert_eq!(version("m/production").version, 2);
    assert_eq!(version("m/archived").description.as_deref(), Some("first"));
    assert_eq!(version("m/2").tags["checked"], "yes");
    assert_eq!(fs::read(registry.path(&id("m/best")).unwrap()).unwrap(), b"two");
    registry.remove_alias("m", "best").unwrap();
    for unknown in ["m/best", "m/3", "other/1", "m/staging"] {
        registry.version(&id(unknown)).unwrap_err();
    }
    registry.remove_alias("m", "best").unwrap_err();
    registry.set_alias(&id("m/1"), "latest").unwrap_err();
    registry.register("a/b", "a", "model.bin").unwrap_err();
    registry.register("m", "a", "../../secret").unwrap_err();
    registry.register("m", "a", "missing.bin").unwrap_err();
}

#[test]
fn another_file_is_not_loaded_for_what_was_registered() {
    let dir = tempfile::tempdir().unwrap();
    artifact(dir.path(), "a", b"one");
    let registry = Registry::open(dir.path());
    registry.register("m", "a", "model.bin").unwrap();
    fs::write(dir.path().join("a/artifacts/model.bin"), b"two").unwrap();
    let said = registry.path(&id("m/1")).unwrap_err().to_string();
    assert!(said.contains("model.bin") && said.contains("SHA-256"), "{said}");

    // A file that differs from the one that its run recorded is not registered, either.
    let mut meta = RunMeta::default();
    let made = Artifact::new("model.bin", 0, "00");
    meta.artifacts.push(made);
    meta.write(&dir.path().join("a")).unwrap();
    registry.register("m", "a", "model.bin").unwrap_err();
}

#[test]
fn many_register_at_once_and_get_different_versions() {
    let dir = tempfile::tempdir().unwrap();
    for run in 0..8 {
        artifact(dir.path(), &run.to_string(), &[run]);
    }
    let registry = Registry::open(dir.path());
    let mut versions: Vec<u32> = std::thread::scope(|scope| {
        let registry = &registry;
        let register = |run: u8| {
            scope.spawn(move || {
                registry.register("m", run.to_string(), "model.bin").unwrap().version
            })
        };
        let threads: Vec<_> = (0..8).map(register).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    versions.sort_unstable();
    assert_eq!(versions, (1..=8).collect::<Vec<_>>());
}

#[test]
fn keys_that_are_not_known_stay_and_other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    artifact(dir.path(), "a", b"one");
    let json = r#"{"schema": "tbx.registry/1", "owner": "me", "models": {"m": {"color": 3,
        "versions": [{"version": 4, "run": "../x", "path": "model.bin", "signed": true}]}}}"#;
    fs::write(dir.path().join(FILE), json).unwrap();
    let registry = Registry::open(dir.path());
    assert_eq!(registry.register("m", "a", "model.bin").unwrap().version, 5);
    let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
    for kept in ["\"owner\"", "\"color\"", "\"signed\""] {
        assert!(text.contains(kept), "{text}");
    }
    // A run outside the log directory is not followed.
    registry.path(&id("m/4")).unwrap_err();
    for other in ["[]", "{}", "{\"schema\": \"tbx.run/1\"}"] {
        fs::write(dir.path().join(FILE), other).unwrap();
        assert!(registry.models().unwrap_err().to_string().contains(FILE));
        registry.register("m", "a", "model.bin").unwrap_err();
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), other);
    }
}
