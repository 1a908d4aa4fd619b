//! Versions of artifacts: logged, used, listed, fetched, and kept.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use tbx::artifacts::{ArtifactName, Artifacts};
use tbx::meta::RunMeta;
use tbx::track::{ActiveRun, RunOptions};
use tbx_runs::archive::Rules;
use tbx_runs::registry::Registry;
use walkdir::WalkDir;

fn quiet() -> RunOptions {
    ActiveRun::options().git(false).environment(false).card(false).system_metrics(None)
}

fn name(text: &str) -> ArtifactName {
    text.parse().unwrap()
}

/// The program, with its output, its errors and its exit code.
fn tbx(dir: &Path, args: &str) -> (Option<i32>, String, String) {
    let program = env!("CARGO_BIN_EXE_tbx");
    let args = args.split_whitespace();
    let done = Command::new(program)
        .current_dir(dir)
        .args(args)
        .env_remove("TBX_LOGDIR")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

/// Number of files whose content is `bytes`, below `dir`.
fn copies(dir: &Path, bytes: &[u8]) -> usize {
    let files = WalkDir::new(dir).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    files.filter(|entry| fs::read(entry.path()).unwrap() == bytes).count()
}

/// A log directory where one run logged a folder and a file, and another used the folder.
fn logs() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (data, model) = (dir.path().join("data"), dir.path().join("model.bin"));
    fs::create_dir_all(data.join("sub")).unwrap();
    fs::write(data.join("sub/b"), "two").unwrap();
    fs::write(data.join("a"), "one").unwrap();
    let run = quiet().create(dir.path().join("runs/prepare")).unwrap();
    run.log_version("data", "dataset", &data, None).unwrap();
    run.finish().unwrap();
    let run = quiet().create(dir.path().join("runs/train")).unwrap();
    let used = run.use_artifact("data:latest").unwrap();
    assert_eq!(fs::read(used.path.join("sub/b")).unwrap(), b"two");
    for step in 0..5 {
        fs::write(&model, if step < 3 { "first" } else { "second" }).unwrap();
        run.log_version("model", "model", &model, step).unwrap();
    }
    run.finish().unwrap();
    dir
}

#[test]
fn the_same_content_is_the_same_version_and_is_stored_once() {
    let dir = logs();
    let runs = dir.path().join("runs");
    assert_eq!(copies(&runs, b"first"), 1);
    assert_eq!(copies(&runs, b"second"), 1);
    let again = quiet().create(runs.join("again")).unwrap();
    let version = again.log_version("data", "dataset", dir.path().join("data"), None).unwrap();
    assert_eq!((version.version, &*version.run, version.files), (0, "prepare", 2));
    fs::write(dir.path().join("model.bin"), "first").unwrap();
    let old = again.log_version("model", "model", dir.path().join("model.bin"), None).unwrap();
    assert_eq!(old.version, 0);
    assert_eq!(copies(&runs, b"first"), 1);
    let meta = again.meta().unwrap();
    assert!(meta.artifacts.is_empty());
    let outputs: Vec<_> = meta.outputs.iter().map(|out| (&*out.name, out.version)).collect();
    assert_eq!(outputs, [("data", 0), ("model", 0)]);
    again.finish().unwrap();

    let train = RunMeta::read(&runs.join("train")).unwrap().unwrap();
    assert_eq!((&*train.inputs[0].name, train.inputs[0].version), ("data", 0));
    let steps: Vec<_> = train.artifacts.iter().map(|artifact| artifact.step).collect();
    assert_eq!(steps, [Some(0), Some(3)]);
    for artifact in &train.artifacts {
        assert!(runs.join("train/artifacts").join(&artifact.path).is_file());
        assert_eq!(artifact.kind.as_deref(), Some("model"));
    }
}

#[test]
fn runs_at_the_same_time_get_different_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    thread::scope(|scope| {
        for i in 0..8 {
            scope.spawn(move || {
                let run = quiet().create(root.join(format!("runs/{i}"))).unwrap();
                let own = root.join(format!("{i}.txt"));
                fs::write(&own, format!("{}", i / 2)).unwrap();
                run.log_version("data", "dataset", &own, None).unwrap();
                run.finish().unwrap();
            });
        }
    });
    let all = Artifacts::open(root.join("runs")).all().unwrap();
    let mut numbers: Vec<_> = all["data"].versions.iter().map(|found| found.version).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let digests: std::collections::BTreeSet<_> =
        all["data"].versions.iter().map(|found| &found.digest).collect();
    assert_eq!(digests.len(), 4);
}

#[test]
fn another_content_is_not_loaded_and_a_removed_one_is_logged_anew() {
    let dir = logs();
    let runs = dir.path().join("runs");
    let artifacts = Artifacts::open(&runs);
    let place = artifacts.path(&name("data:v0")).unwrap();
    fs::write(place.join("a"), "changed").unwrap();
    let said = artifacts.path(&name("data")).unwrap_err().to_string();
    assert!(said.contains("its digest differs"), "{said}");
    let out = dir.path().join("out");
    artifacts.fetch(&name("data"), &out).unwrap_err();
    assert!(!out.exists());
    fs::remove_dir_all(runs.join("prepare")).unwrap();
    artifacts.path(&name("data")).unwrap_err();

    let run = quiet().create(runs.join("again")).unwrap();
    let version = run.log_version("data", "dataset", dir.path().join("data"), None).unwrap();
    assert_eq!((version.version, &*version.run), (0, "again"));
    artifacts.fetch(&name("data:v0"), &out).unwrap();
    assert_eq!(fs::read(out.join("sub/b")).unwrap(), b"two");
    artifacts.fetch(&name("data:v0"), &out).unwrap_err(); // not empty
    run.use_artifact("data:v1").unwrap_err();
    run.use_artifact("other").unwrap_err();
    for wrong in ["../data", "", "a/b", ".data", "a:b"] {
        run.log_version(wrong, "dataset", dir.path().join("data"), None).unwrap_err();
    }
    run.finish().unwrap();
}

/// The list may come from elsewhere.
#[test]
fn a_list_of_versions_leads_nowhere() {
    let dir = logs();
    let runs = dir.path().join("runs");
    let path = runs.join("tbx.artifacts.json");
    let json = fs::read_to_string(&path).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    for (run, file) in [("..", "secret"), ("/etc", "passwd"), ("train", "../../../secret")] {
        let mut list: serde_json::Value = serde_json::from_str(&json).unwrap();
        let version = &mut list["artifacts"]["data"]["versions"][0];
        version["run"] = run.into();
        version["path"] = file.into();
        fs::write(&path, list.to_string()).unwrap();
        Artifacts::open(&runs).path(&name("data")).unwrap_err();
        Artifacts::open(&runs).fetch(&name("data"), &dir.path().join("out")).unwrap_err();
    }
    #[cfg(unix)]
    {
        fs::write(&path, &json).unwrap();
        let place = Artifacts::open(&runs).path(&name("model:v0")).unwrap();
        fs::write(dir.path().join("secret"), "first").unwrap();
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), &place).unwrap();
        let said = Artifacts::open(&runs).path(&name("model:v0")).unwrap_err().to_string();
        assert!(said.contains("secret"), "{said}");
        Artifacts::open(&runs).follow_links(true).path(&name("model:v0")).unwrap();
    }
    for wrong in ["", "{}", "[]", r#"{"schema": "tbx.run/1"}"#] {
        fs::write(&path, wrong).unwrap();
        let said = Artifacts::open(&runs).all().unwrap_err().to_string();
        assert!(said.contains("tbx.artifacts.json"), "{said}");
    }
}

#[test]
fn the_program_lists_versions_shows_lineage_and_fetches() {
    let dir = logs();
    let (code, out, _) = tbx(dir.path(), "artifacts runs");
    assert_eq!(code, Some(0));
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1][..4], ["data", "v0", "dataset", "latest"]);
    assert_eq!(lines[2][..4], ["model", "v0", "model", "train"]);
    assert_eq!(lines[3][..4], ["model", "v1", "model", "latest"]);
    let (code, out, _) = tbx(dir.path(), "artifacts runs lineage --format csv");
    let expected = "version,kind,logged by,used by\ndata:v0,dataset,prepare,train\n\
                    model:v0,model,train,\nmodel:v1,model,train,\n";
    assert_eq!((code, out.replace('\r', "").as_str()), (Some(0), expected));
    let (_, out, _) = tbx(dir.path(), "artifacts runs lineage --of model:v1 --dot");
    assert!(out.contains(r#""v:data:v0" -> "r:train""#) && !out.contains("model:v0"), "{out}");
    let (code, out, _) = tbx(dir.path(), "artifacts runs fetch data --out got");
    assert_eq!((code, &*out), (Some(0), "data:v0: 2 files, 6 B, written to got\n"));
    assert_eq!(fs::read(dir.path().join("got/a")).unwrap(), b"one");
    assert_eq!(tbx(dir.path(), "artifacts runs alias model:v0 best").0, Some(0));
    let (_, path, _) = tbx(dir.path(), "artifacts runs path model:best");
    assert_eq!(fs::read(dir.path().join(path.trim())).unwrap(), b"first");
    assert_eq!(tbx(dir.path(), "artifacts runs alias model:v0 latest").0, Some(2));
    assert_eq!(tbx(dir.path(), "artifacts runs fetch data:v7 --out other").0, Some(2));
    fs::remove_dir_all(dir.path().join("runs/prepare")).unwrap();
    assert!(tbx(dir.path(), "artifacts runs").1.contains("gone"));
    assert_eq!(tbx(dir.path(), "artifacts runs lineage --of nothing").0, Some(2));
}

#[test]
fn versions_are_never_collected_and_folders_are_models() {
    let dir = logs();
    let runs = dir.path().join("runs");
    let run = quiet().create(runs.join("saved")).unwrap();
    run.log_artifacts(dir.path().join("data"), None).unwrap();
    run.log_text("notes.md", "hello", None).unwrap();
    run.log_dict("classes.json", &std::collections::BTreeMap::from([("cat", 0)]), None).unwrap();
    run.finish().unwrap();
    let registry = Registry::open(&runs);
    let version = registry.register("folder", runs.join("saved"), "data").unwrap();
    assert_eq!((version.version, version.size), (1, 6));
    assert_eq!(registry.register("folder", runs.join("saved"), "data").unwrap().version, 1);
    let path = registry.path(&"folder/latest".parse().unwrap()).unwrap();
    assert_eq!(fs::read(path.join("sub/b")).unwrap(), b"two");
    let found = Rules::new().unregistered().find(&runs).unwrap();
    let names: Vec<_> = found.files.iter().map(|file| file.artifact.as_str()).collect();
    assert_eq!(names, ["classes.json", "notes.md"]);
    assert_eq!(found.registered, 6);
    // A file of the folder that differs from the metadata of its run.
    fs::write(path.join("a"), "changed").unwrap();
    registry.path(&"folder/1".parse().unwrap()).unwrap_err();
    let said = registry.register("folder", runs.join("saved"), "data").unwrap_err().to_string();
    assert!(said.contains("differs from"), "{said}");
}
