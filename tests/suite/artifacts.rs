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
fn the_same_content_is_the_same_version_and_each_run_has_it_once() {
    let dir = logs();
    let runs = dir.path().join("runs");
    assert_eq!((copies(&runs, b"first"), copies(&runs, b"second")), (1, 1));
    let again = quiet().create(runs.join("again")).unwrap();
    let data = dir.path().join("data");
    for step in 0..3 {
        let version = again.log_version("data", "dataset", &data, step).unwrap();
        assert_eq!((version.version, &*version.run, version.files), (0, "prepare", 2));
        assert_eq!(version.copies[0].run, "again");
    }
    fs::write(dir.path().join("model.bin"), "first").unwrap();
    let old = again.log_version("model", "model", dir.path().join("model.bin"), 7).unwrap();
    assert_eq!(old.version, 0);
    let meta = again.meta().unwrap();
    assert!(meta.artifacts.is_empty());
    let outputs: Vec<_> = meta.outputs.iter().map(|out| (&*out.name, out.step)).collect();
    assert_eq!(outputs, [("data", Some(0)), ("model", Some(7))]);
    for output in &meta.outputs {
        let own = again.dir().join("artifacts").join(output.path.as_ref().unwrap());
        assert!(own.exists());
        #[cfg(unix)]
        if own.is_file() {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(own.metadata().unwrap().nlink(), 2);
        }
    }
    again.finish().unwrap();
    assert_eq!(copies(&again_of(&runs), b"first"), 1);

    let train = RunMeta::read(&runs.join("train")).unwrap().unwrap();
    assert_eq!((&*train.inputs[0].name, train.inputs[0].version), ("data", 0));
    let steps: Vec<_> = train.outputs.iter().map(|output| output.step).collect();
    assert_eq!(steps, [Some(0), Some(3)]);

    // Neither run needs the other.
    fs::remove_dir_all(runs.join("prepare")).unwrap();
    fs::remove_dir_all(runs.join("train")).unwrap();
    let artifacts = Artifacts::open(&runs);
    for (version, file) in [("data:v0", "sub/b"), ("model:v0", "model.bin")] {
        let out = dir.path().join(version.replace(':', "-"));
        artifacts.fetch(&name(version), &out).unwrap();
        assert!(out.join(file).is_file());
    }
    artifacts.fetch(&name("model:v1"), &dir.path().join("gone")).unwrap_err();
}

fn again_of(runs: &Path) -> std::path::PathBuf {
    runs.join("again")
}

#[test]
fn the_latest_version_is_the_one_that_was_logged_last() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().create(dir.path().join("runs/a")).unwrap();
    let path = dir.path().join("file");
    for (content, number) in [("A", 0), ("B", 1), ("A", 0)] {
        fs::write(&path, content).unwrap();
        assert_eq!(run.log_version("data", "dataset", &path, None).unwrap().version, number);
        let latest = run.use_artifact("data:latest").unwrap();
        assert_eq!(latest.version.version, number);
        assert_eq!(fs::read_to_string(latest.path).unwrap(), content);
    }
    run.finish().unwrap();
    let (_, out, _) = tbx(dir.path(), "artifacts runs --format csv");
    let latest: Vec<_> = out.lines().filter(|line| line.contains("latest")).collect();
    assert!(latest.len() == 1 && latest[0].starts_with("data,v0,"), "{out}");
}

/// A file list in `tbx.json` would exceed the size that is read.
#[test]
fn a_version_of_many_files_leaves_its_run_readable() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let long = "d".repeat(100);
    fs::create_dir_all(data.join(&long)).unwrap();
    for i in 0..5_000 {
        fs::write(data.join(&long).join(format!("{i}{}", "x".repeat(100))), "").unwrap();
    }
    let run = quiet().create(dir.path().join("runs/a")).unwrap();
    let version = run.log_version("data", "dataset", &data, None).unwrap();
    assert_eq!(version.files, 5_000);
    run.finish().unwrap();
    for file in ["a/tbx.json", "tbx.artifacts.json"] {
        assert!(dir.path().join("runs").join(file).metadata().unwrap().len() < 4096, "{file}");
    }
    // sha256sum reads the list of the files, and the version has the digest of the list.
    let place = dir.path().join("runs/a/artifacts").join(&version.path);
    let list = fs::read(place.with_extension("sha256")).unwrap();
    assert_eq!(tbx::digest::sha256(&list), version.digest);
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--quiet", "-"]).current_dir(&place);
    match check.stdin(std::process::Stdio::piped()).spawn() {
        Ok(mut check) => {
            std::io::Write::write_all(&mut check.stdin.take().unwrap(), &list).unwrap();
            assert!(check.wait().unwrap().success());
        }
        Err(_) => println!("skipped: sha256sum is not installed"),
    }
    fs::remove_file(place.join(&long).join(format!("77{}", "x".repeat(100)))).unwrap();
    let said = Artifacts::open(dir.path().join("runs")).path(&name("data")).unwrap_err();
    assert!(said.to_string().contains("/77x") && said.to_string().contains("is missing"), "{said}");
}

#[test]
fn a_list_that_would_be_too_long_to_read_is_refused_and_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().create(dir.path().join("a")).unwrap();
    run.update(|meta| {
        let made = (0..30_000).map(|i| tbx::meta::Artifact::new(format!("{i}"), 1, ""));
        meta.artifacts.extend(made);
    })
    .unwrap();
    let said = run.log_text("one more", "", None).unwrap_err().to_string();
    assert!(said.contains("30000 files and versions"), "{said}");
    assert_eq!(run.meta().unwrap().artifacts.len(), 30_000);
    run.finish().unwrap();
}

#[test]
fn content_that_stays_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let write = |content| {
        fs::write(&path, content).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    };
    write("one");
    let run = quiet().create(dir.path().join("runs/a")).unwrap();
    let log = || run.log_version("data", "dataset", &path, None).unwrap().version;
    assert_eq!(log(), 0);
    // Only if it is not read does it look the same as before.
    write("two");
    assert_eq!(log(), 0);
    fs::write(&path, "another").unwrap();
    assert_eq!(log(), 1);
    // A change right after the last one has possibly the same time.
    fs::write(&path, "ANOTHER").unwrap();
    assert_eq!(log(), 2);
    run.finish().unwrap();
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
    assert!(said.contains("its digest differs: a has another content"), "{said}");
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
    assert_eq!(found.registered, 7); // also the list of the files of data
    // A file of the folder that differs from the metadata of its run.
    fs::write(path.join("a"), "changed").unwrap();
    registry.path(&"folder/1".parse().unwrap()).unwrap_err();
    let said = registry.register("folder", runs.join("saved"), "data").unwrap_err().to_string();
    assert!(said.contains("differs from"), "{said}");
}

/// Logs a version in another process: `log` of the test below.
const LOG: &str = "TBX_TEST_LOG_VERSION";

#[test]
fn processes_at_the_same_time_get_different_numbers() {
    if let Some(number) = std::env::var_os(LOG) {
        let number = number.into_string().unwrap();
        let root = std::env::current_dir().unwrap();
        let run = quiet().create(root.join("runs").join(&number)).unwrap();
        let own = root.join(format!("{number}.txt"));
        for i in 0..20 {
            fs::write(&own, format!("{}", i * (1 + number.parse::<u32>().unwrap() % 2))).unwrap();
            run.log_version("data", "dataset", &own, i64::from(i)).unwrap();
        }
        return run.finish().unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let start = |number: u32| {
        let mut command = Command::new(&program);
        command.args(["--exact", "artifacts::processes_at_the_same_time_get_different_numbers"]);
        command.current_dir(dir.path()).env(LOG, number.to_string());
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let all: Vec<_> = (0..4).map(start).collect();
    for mut process in all {
        assert!(process.wait().unwrap().success());
    }
    let artifacts = Artifacts::open(dir.path().join("runs"));
    let data = artifacts.all().unwrap().remove("data").unwrap();
    // 0 to 19, and the even numbers to 38.
    let numbers: Vec<_> = data.versions.iter().map(|version| version.version).collect();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>());
    for version in &data.versions {
        let name = ArtifactName::new("data", version.version);
        let content = fs::read_to_string(artifacts.path(&name).unwrap()).unwrap();
        assert_eq!(tbx::digest::sha256(&content), version.digest);
        let even = content.parse::<u32>().unwrap() % 2 == 0;
        let holders = if even && content.parse::<u32>().unwrap() < 20 { 4 } else { 2 };
        assert_eq!(version.places().count(), holders, "{content}");
    }
}

#[test]
fn old_versions_are_collected_only_by_their_rule() {
    let dir = tempfile::tempdir().unwrap();
    let (runs, data) = (dir.path().join("runs"), dir.path().join("data"));
    fs::create_dir(&data).unwrap();
    let run = quiet().create(runs.join("train")).unwrap();
    for i in 0..6 {
        fs::write(data.join("weights"), format!("content {i}")).unwrap();
        run.log_version("model", "model", &data, i64::from(i)).unwrap();
    }
    run.finish().unwrap();
    let user = quiet().create(runs.join("user")).unwrap();
    user.use_artifact("model:v1").unwrap();
    user.finish().unwrap();
    assert_eq!(tbx(dir.path(), "artifacts runs alias model:v0 best").0, Some(0));
    let gc = |args: &str| tbx(dir.path(), &format!("gc runs {args}"));
    let (_, out, _) = gc("--unregistered");
    assert!(out.contains("0 artifacts"), "{out}");
    // v0 has an alias, v1 is used, v4 and v5 are the newest.
    let (code, out, said) = gc("--keep-versions 2 --kind model");
    assert_eq!(code, Some(0), "{said}");
    assert!(out.contains("model:v2, 2 files") && out.contains("model:v3, 2 files"), "{out}");
    assert!(!out.contains("model:v1") && out.contains("4 artifacts"), "{out}");
    let none = [gc("--keep-versions 2 --kind dataset").1, gc("--keep-versions 9").1];
    assert!(none.iter().all(|out| out.contains("0 artifacts")), "{none:?}");
    fs::write(dir.path().join("tbx.toml"), "[[gc.remove]]\nkeep_versions = 2\n").unwrap();
    let (code, out, _) = gc("--policy --delete");
    assert!(code == Some(0) && out.contains("4 removed"), "{out}");
    let (_, out, _) = tbx(dir.path(), "artifacts runs --format csv");
    let gone: Vec<_> = out.lines().filter(|line| line.ends_with("gone")).collect();
    assert!(gone.len() == 2 && gone[0].contains("v2") && gone[1].contains("v3"), "{out}");
    let meta = RunMeta::read(&runs.join("train")).unwrap().unwrap();
    let removed = meta.outputs.iter().filter(|output| output.other.contains_key("removed"));
    assert_eq!(removed.map(|output| output.version).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(gc("--policy --delete").0, Some(0));
}

#[test]
fn an_archive_has_the_versions_of_its_runs() {
    let dir = logs();
    let args = "archive runs --out all.tar.zst";
    assert_eq!(tbx(dir.path(), args).0, Some(0));
    let restore = |out: &str| tbx(dir.path(), &format!("restore all.tar.zst --out {out}"));
    assert_eq!(restore("again").0, Some(0));
    assert_eq!(tbx(dir.path(), "artifacts again alias model:v1 best").0, Some(0));
    let fetch = |from: &str, version: &str, to: &str| {
        tbx(dir.path(), &format!("artifacts {from} fetch {version} --out {to}"))
    };
    let (code, _, said) = fetch("again", "data:latest", "a");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fs::read(dir.path().join("a/sub/b")).unwrap(), b"two");
    assert_eq!(restore("again").0, Some(0)); // the same once more

    // Where another content has the number.
    let other = quiet().create(dir.path().join("other/own")).unwrap();
    other.log_text("unused", "", None).unwrap();
    fs::write(dir.path().join("file"), "another").unwrap();
    other.log_version("model", "model", dir.path().join("file"), None).unwrap();
    other.finish().unwrap();
    let (code, _, said) = restore("other");
    assert_eq!(code, Some(0), "{said}");
    let model = Artifacts::open(dir.path().join("other")).all().unwrap().remove("model").unwrap();
    let of_run = |number: usize| (model.versions[number].version, &*model.versions[number].run);
    assert_eq!([of_run(0), of_run(1), of_run(2)], [(0, "own"), (1, "train"), (2, "train")]);
    assert_eq!(model.latest(), Some(0));
    // A run's version is found by its digest, not by the number that it had.
    let (_, out, _) = tbx(dir.path(), "artifacts other lineage --format csv");
    assert!(out.contains("model:v2,model,train,") && out.contains("model:v0,model,own,"), "{out}");

    // One run with its versions.
    let (code, ..) = tbx(dir.path(), "restore all.tar.zst --out one --run prepare");
    assert_eq!(code, Some(0));
    assert_eq!(fetch("one", "data", "b").0, Some(0));
    assert_eq!(fetch("one", "model", "c").0, Some(2));
}

#[test]
fn a_damaged_run_costs_the_lineage_only_itself() {
    let dir = logs();
    let runs = dir.path().join("runs");
    fs::create_dir(runs.join("broken")).unwrap();
    fs::write(runs.join("broken/tbx.json"), "{").unwrap();
    let (code, out, said) = tbx(dir.path(), "artifacts runs lineage --format csv");
    assert_eq!(code, Some(2));
    assert!(out.contains("data:v0,dataset,prepare,train"), "{out}");
    assert!(said.contains("broken/tbx.json"), "{said}");
}

#[test]
fn versions_of_other_lists_are_told_apart_by_their_content() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    for (experiment, content) in [("a", "one"), ("b", "two")] {
        fs::write(&file, content).unwrap();
        let run = quiet().create(dir.path().join("runs").join(experiment).join("prepare")).unwrap();
        run.log_version("data", "dataset", &file, None).unwrap();
        run.finish().unwrap();
        let run = quiet().create(dir.path().join("runs").join(experiment).join("train")).unwrap();
        run.use_artifact("data").unwrap();
        run.finish().unwrap();
    }
    // A run that came from elsewhere with its directory.
    let runs = dir.path().join("runs");
    fs::rename(runs.join("b/train"), runs.join("a/moved")).unwrap();
    let (_, out, _) = tbx(dir.path(), "artifacts runs lineage --format csv");
    assert!(out.contains("a/data:v0,dataset,a/prepare,a/train"), "{out}");
    assert!(out.contains("b/data:v0,dataset,b/prepare,\n"), "{out}");
    assert!(out.contains("a/data:v0@3fc4ccfe7458,dataset,,a/moved"), "{out}");
}

#[test]
fn a_folder_that_was_not_copied_to_its_end_is_not_registered() {
    let dir = logs();
    let runs = dir.path().join("runs");
    let run = quiet().create(runs.join("saved")).unwrap();
    run.log_artifacts(dir.path().join("data"), None).unwrap();
    run.finish().unwrap();
    fs::remove_file(runs.join("saved/artifacts/data/sub/b")).unwrap();
    let registry = Registry::open(&runs);
    let said = registry.register("m", "saved", "data").unwrap_err().to_string();
    assert!(said.contains("sub/b") && said.contains("it is missing"), "{said}");
    // The same for a version.
    let place = Artifacts::open(&runs).path(&name("data")).unwrap();
    let below = place.strip_prefix(runs.join("prepare/artifacts")).unwrap().to_str().unwrap();
    assert_eq!(registry.register("m", "prepare", below).unwrap().version, 1);
    fs::remove_file(place.join("a")).unwrap();
    registry.register("other", "prepare", below).unwrap_err();
}

#[test]
fn a_logged_model_never_changes() {
    let dir = tempfile::tempdir().unwrap();
    let onnx = |name: &str| tbx::track::OnnxModel::new(crate::common::repository(name));
    let (first, second) =
        (onnx("fixtures/onnx/torch_exported.onnx"), onnx("fixtures/onnx/torch_scripted.onnx"));
    let run = quiet().create(dir.path().join("runs/a")).unwrap();
    let log = |model| {
        let logged = run.log_onnx_model("net", model, None).unwrap();
        logged.iter().find(|file| file.path.ends_with("MLmodel")).unwrap().path.clone()
    };
    assert_eq!(log(&first), "net/MLmodel");
    let registry = Registry::open(dir.path().join("runs"));
    registry.register("net", "a", "net").unwrap();
    assert_eq!(log(&second), "net-2/MLmodel");
    assert_eq!((log(&first).as_str(), log(&second).as_str()), ("net/MLmodel", "net-2/MLmodel"));
    let example = first.clone().input_example(&std::collections::BTreeMap::<String, f32>::new());
    assert_eq!(log(&example.unwrap()), "net-3/MLmodel");
    let text = fs::read_to_string(run.dir().join("artifacts/net-2/MLmodel")).unwrap();
    assert!(text.contains("\"artifact_path\": \"net-2\""), "{text}");
    registry.path(&"net/1".parse().unwrap()).unwrap();
    let said = run.log_onnx_model("net", &first.file("a/model.onnx"), None).unwrap_err();
    assert!(said.to_string().contains("only one file \"model.onnx\""), "{said}");
    run.finish().unwrap();
}

/// Logs versions in a process that ends early: see the test below.
const DIES: &str = "TBX_TEST_LOG_AND_DIE";

#[cfg(unix)]
#[test]
fn a_program_that_dies_while_it_logs_a_version_can_be_repeated() {
    if std::env::var_os(DIES).is_some() {
        let root = std::env::current_dir().unwrap();
        let run = quiet().create(root.join("runs/a")).unwrap();
        run.log_version("data", "dataset", root.join("data"), None).unwrap();
        return run.finish().unwrap();
    }
    let program = std::env::current_exe().unwrap();
    for at in 1.. {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("data/sub")).unwrap();
        fs::write(dir.path().join("data/sub/b"), "two").unwrap();
        let log = |end: Option<u32>| {
            let mut command = Command::new(&program);
            let test = "artifacts::a_program_that_dies_while_it_logs_a_version_can_be_repeated";
            command.args(["--exact", test]).current_dir(dir.path()).env(DIES, "1");
            command.envs(end.map(|end| ("TBX_TEST_END_AT", end.to_string())));
            command.output().unwrap().status.success()
        };
        let is_done = log(Some(at));
        assert!(log(None), "after the end before change {at}");
        let artifacts = Artifacts::open(dir.path().join("runs"));
        let out = dir.path().join("out");
        assert_eq!(artifacts.fetch(&name("data:v0"), &out).unwrap().places().count(), 1);
        assert_eq!(fs::read(out.join("sub/b")).unwrap(), b"two");
        let files = WalkDir::new(dir.path().join("runs/a/artifacts")).into_iter();
        assert_eq!(files.filter(|file| file.as_ref().unwrap().file_type().is_file()).count(), 2);
        if is_done {
            assert!(at > 10, "a test without a test build");
            break;
        }
    }
}
