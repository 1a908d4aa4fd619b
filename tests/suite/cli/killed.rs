//! Kills every command that changes files before each of its changes on disk. Repeated, it must end as if
//! it had never been killed. In between, nothing incomplete may be read as a log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use super::{Done, Folder, done};

/// Upper limit of the changes of one command.
const MAX_CHANGES: usize = 1000;

/// The contents of a directory: its directories, and the bytes of its files.
type State = BTreeMap<String, Option<Vec<u8>>>;

fn state(folder: &Folder) -> State {
    let mut state = State::new();
    let mut directories = vec![folder.path("")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder.path("")).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                state.insert(name, None);
                directories.push(path);
            } else if !name.starts_with("core") {
                state.insert(name, Some(fs::read(&path).unwrap()));
            }
        }
    }
    state
}

/// The part of the state that is the same in each execution. Names of event files with a time and a process
/// id differ, and so do times in `tbx.json` and bytes that contain either.
fn timeless(state: State) -> State {
    let mut timeless = State::new();
    for (name, content) in state {
        let is_fixed = name.starts_with("logs/");
        let name = match name.split_once(".mlflow.").or(name.split_once(".tbx.")) {
            Some((start, _)) if !is_fixed && name.contains("tfevents") => {
                start.trim_end_matches(char::is_numeric).to_owned()
            }
            _ => name,
        };
        let is_timeless = name.ends_with(".json") || name.contains("tfevents") && !is_fixed;
        let is_timeless = is_timeless || name.ends_with("meta.yaml") || name.ends_with(".zst");
        let content = content.map(|bytes| if is_timeless { Vec::new() } else { bytes });
        assert!(timeless.insert(name.clone(), content).is_none(), "{name} appears twice");
    }
    timeless
}

fn logs_in(state: &State) -> BTreeSet<&str> {
    // As in TensorBoard: by the base name, in any directory.
    let is_log = |name: &&str| name.rsplit('/').next().unwrap().contains("tfevents");
    state.keys().map(String::as_str).filter(is_log).collect()
}

/// Kills `args` before each of its changes in turn. `again` is the error that a repeated call may print if
/// the first one was complete.
#[track_caller]
fn can_be_made_again(make: impl Fn() -> Folder, args: &str, again: Option<&str>) {
    if !cfg!(debug_assertions) {
        println!("skipped: a release cannot be killed from inside");
        return;
    }
    let whole = make();
    let before = timeless(state(&whole));
    let whole_done = done(&mut whole.command(args));
    assert_eq!(whole_done.code, Some(0), "{args}: {whole_done:?}");
    let after = timeless(state(&whole));
    let allowed: BTreeSet<_> = logs_in(&before).into_iter().chain(logs_in(&after)).collect();
    for change in 1..=MAX_CHANGES {
        let folder = make();
        let killed =
            folder.command(args).env("TBX_TEST_END_AT", change.to_string()).output().unwrap();
        if killed.status.code() == Some(0) {
            assert!(change > 3, "{args} made too few changes");
            return;
        }
        let between = timeless(state(&folder));
        for log in logs_in(&between) {
            assert!(allowed.contains(log), "{args}, killed at {change}: {log} is not a log");
        }
        let repeated = folder.tbx(args);
        let is_fine =
            repeated.code == Some(0) || again.is_some_and(|again| repeated.err.contains(again));
        assert!(is_fine, "{args}, killed at {change}, again: {repeated:?}");
        let end = timeless(state(&folder));
        let keys = |state: &State| state.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&end), keys(&after), "{args}, killed at {change}: {repeated:?}");
        assert!(end == after, "{args}, killed at {change}: the bytes differ");
    }
    panic!("{args}: more than {MAX_CHANGES} changes");
}

/// Runs `args` while another process with the same arguments is paused before each of its changes in turn.
/// One of the two may fail with one of the messages `said`. The result must be the same as after one call,
/// or after two.
#[track_caller]
fn can_run_twice(make: impl Fn() -> Folder, args: &str, said: &[&str]) {
    if !cfg!(debug_assertions) {
        println!("skipped: a release cannot be held up from inside");
        return;
    }
    let whole = make();
    assert_eq!(done(&mut whole.command(args)).code, Some(0), "{args}");
    let once = timeless(state(&whole));
    whole.tbx(args);
    let twice = timeless(state(&whole));
    let check = |who: &str, change: usize, done: &Done| {
        let is_fine = done.code == Some(0) || said.iter().any(|said| done.err.contains(said));
        assert!(is_fine, "{args}, {who} at {change}: {done:?}");
    };
    let mut refused = 0;
    for change in 1..=MAX_CHANGES {
        let folder = make();
        let mut first = folder.command(args);
        first.env("TBX_TEST_PAUSE_AT", change.to_string());
        first.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut first = first.spawn().unwrap();
        let mut err = BufReader::new(first.stderr.take().unwrap());
        let (mut line, mut before) = (String::new(), String::new());
        while err.read_line(&mut line).unwrap() > 0 && line != "paused\n" {
            before += &std::mem::take(&mut line);
        }
        if line != "paused\n" {
            assert!(first.wait().unwrap().success(), "{args}: {before}");
            assert!(change > 3 && refused > 0, "{args}: no call was refused");
            return;
        }
        let second = folder.tbx(args);
        drop(first.stdin.take());
        err.read_to_string(&mut before).unwrap();
        let code = first.wait_with_output().unwrap().status.code();
        let first = Done { code, out: String::new(), err: before };
        check("the first", change, &first);
        check("the second", change, &second);
        refused += usize::from(second.code != Some(0));
        assert!(first.code == Some(0) || second.code == Some(0), "{args}: {first:?} {second:?}");
        let end = timeless(state(&folder));
        let keys = end.keys().collect::<Vec<_>>();
        assert!(
            end == once || end == twice,
            "{args}, held up at {change}: {keys:#?} {first:?} {second:?}"
        );
    }
    panic!("{args}: more than {MAX_CHANGES} changes");
}

fn log(folder: &Folder, name: &str) {
    let writer = folder.run(name);
    (0..3).try_for_each(|step| writer.add_scalar("loss", step as f32, step)).unwrap();
    writer.close().unwrap();
    // The same names in every process.
    let file = writer.path().unwrap();
    fs::rename(file, file.with_file_name(super::FILE)).unwrap();
}

/// Three runs: one is inside another, one has artifacts.
fn logs() -> Folder {
    let folder = Folder::new();
    for name in ["logs/a", "logs/a/part", "logs/b"] {
        log(&folder, name);
    }
    let meta = r#"{"schema": "tbx.run/1", "status": "FAILED", "artifacts":
        [{"path": "m.bin", "size": 3, "sha256":
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}, {"path": "n.bin", "size": 1, "sha256":
        "18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4"}]}"#;
    fs::write(folder.path("logs/b/tbx.json"), meta).unwrap();
    fs::create_dir(folder.path("logs/b/artifacts")).unwrap();
    fs::write(folder.path("logs/b/artifacts/m.bin"), "abc").unwrap();
    fs::write(folder.path("logs/b/artifacts/n.bin"), "d").unwrap();
    fs::write(folder.path("logs/b/artifacts/other.txt"), "e").unwrap();
    folder
}

/// A log directory that is itself a run.
fn rooted() -> Folder {
    let folder = logs();
    log(&folder, "logs");
    fs::write(folder.path("logs/hparams.yaml"), "lr: 1\n").unwrap();
    folder
}

fn archived() -> Folder {
    let folder = logs();
    folder.tbx("archive logs --out a.tar.zst").fine();
    folder
}

#[test]
fn archive() {
    can_be_made_again(logs, "archive logs --out a.tar.zst", Some("already exists"));
    can_be_made_again(archived, "archive logs --out a.tar.zst --force", None);
}

#[test]
fn archive_and_remove() {
    can_be_made_again(logs, "archive logs --out a.tar.zst --remove", None);
    can_be_made_again(logs, "archive logs --out a.tar.zst --remove --run ^a$ --run ^b", None);
    can_be_made_again(archived, "archive logs --out a.tar.zst --remove", None);
}

#[test]
fn archive_and_remove_of_a_folder_that_is_a_run() {
    can_be_made_again(rooted, "archive logs --out a.tar.zst --remove", None);
}

#[test]
fn restore() {
    can_be_made_again(archived, "restore a.tar.zst --out back", None);
}

#[test]
fn gc() {
    can_be_made_again(logs, "gc logs --unregistered --delete", None);
}

#[test]
fn edit_in_place() {
    can_be_made_again(logs, "edit logs --in-place --shift-steps 100", None);
    let many = "edit logs --in-place --drop-run ^b$ --split-tags (loss) new_$1 --split-size 1k";
    can_be_made_again(logs, many, None);
    // Side files change, too.
    let params = "edit logs --in-place --shift-steps 100 --set-param lr=0.5";
    can_be_made_again(logs, params, None);
    let join = "edit logs --in-place --shift-steps 100 --join a,b --into a";
    can_be_made_again(logs, join, None);
}

#[test]
fn export_to_directories_of_wandb() {
    // The records of artifacts have their absolute paths.
    can_be_made_again(logs, "export logs --to wandb --out new --no-artifacts", None);
}

#[test]
fn edit_to_a_folder() {
    can_be_made_again(logs, "edit logs --out new --shift-steps 100", Some("exists"));
}

/// Two damaged logs.
fn broken() -> Folder {
    let folder = Folder::new();
    folder.copy("broken/flip_middle_payload", "logs/a");
    folder.copy("broken/flip_middle_payload", "logs/b");
    folder
}

#[test]
fn repair() {
    can_be_made_again(broken, "repair logs --in-place", None);
    can_be_made_again(broken, "repair logs --out new", Some("exists"));
}

#[test]
fn export_and_extract() {
    let tables = "export logs --to csv --table scalars --table tags --table runs --out tables";
    can_be_made_again(logs, tables, Some("exists"));
    can_be_made_again(logs, "export logs --to csv --out points.csv", Some("exists"));
    can_be_made_again(logs, "export logs --to mlruns --out mlruns", Some("exists"));
    let images = || Folder::with("torch/media");
    can_be_made_again(images, "extract logs --out files", Some("exists"));
    can_be_made_again(logs, "plot logs --out plot.svg", Some("exists"));
}

#[test]
fn reduce() {
    can_be_made_again(logs, "reduce logs --op mean --out new", Some("exists"));
}

#[test]
fn models() {
    can_be_made_again(logs, "models logs register clf b m.bin", None);
}

/// A store with the logs.
fn store() -> Folder {
    let folder = logs();
    fs::rename(folder.path("logs"), folder.path("exported")).unwrap();
    let done = folder.tbx("export exported --to mlruns --event-files --out mlruns");
    assert_eq!(done.code, Some(0), "{done:?}");
    fs::remove_dir_all(folder.path("exported")).unwrap();
    folder
}

#[test]
fn import() {
    can_be_made_again(store, "import --from mlflow mlruns --out out", None);
}

/// Start of the message that the rejected process prints.
const ANOTHER: &str = "another program (process ";

#[test]
fn archives_and_removals_at_once() {
    let args = "archive logs --out a.tar.zst";
    can_run_twice(logs, args, &[ANOTHER, "already exists"]);
    can_run_twice(logs, &format!("{args} --remove"), &[ANOTHER, "there is no run to pack"]);
    can_run_twice(logs, "gc logs --unregistered --delete", &[ANOTHER]);
}

#[test]
fn restores_and_imports_at_once() {
    can_run_twice(archived, "restore a.tar.zst --out back", &[ANOTHER]);
    can_run_twice(store, "import --from mlflow mlruns --out out", &[ANOTHER]);
}

#[test]
fn edits_and_repairs_at_once() {
    can_run_twice(
        logs,
        "edit logs --in-place --shift-steps 100",
        &[ANOTHER, "another program changed it meanwhile"],
    );
    can_run_twice(
        broken,
        "repair logs --in-place",
        &[ANOTHER, "another program changed it meanwhile"],
    );
    can_run_twice(logs, "edit logs --out new --shift-steps 100", &["exist", "not empty"]);
}

#[test]
fn exports_at_once() {
    let tables = "export logs --to csv --table scalars --table tags --out tables";
    can_run_twice(logs, tables, &["exists"]);
    can_run_twice(logs, "export logs --to mlruns --out mlruns", &["exist", "not empty"]);
}

/// An MLflow directory with a model without a run, a registered model, an empty experiment, and a run with
/// an event file among its artifacts.
fn mlruns() -> Folder {
    let folder = Folder::new();
    log(&folder, "log");
    let id = "0123456789abcdef0123456789abcdef";
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path(format!("mlruns/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("1/meta.yaml", b"experiment_id: '1'\nname: digits\n");
    write("2/meta.yaml", b"experiment_id: '2'\nname: empty\n");
    write(
        &format!("1/{id}/meta.yaml"),
        format!("run_id: {id}\nrun_name: a\nstatus: 3\n").as_bytes(),
    );
    let events = fs::read(folder.path("log").join(super::FILE)).unwrap();
    write(&format!("1/{id}/artifacts/train/{}", super::FILE), &events);
    write(&format!("1/{id}/artifacts/model/MLmodel"), b"of the run");
    write("1/models/m-1/meta.yaml", b"model_id: m-1\nname: net\n");
    write("1/models/m-1/artifacts/MLmodel", b"of no run");
    write("models/net/meta.yaml", b"name: net\n");
    write("models/net/version-1/meta.yaml", format!("source: runs:/{id}/model\n").as_bytes());
    fs::remove_dir_all(folder.path("log")).unwrap();
    folder
}

#[test]
fn import_of_models_and_event_files() {
    let args = "import --from mlflow mlruns --out out --event-files runs";
    can_be_made_again(mlruns, args, None);
    // A run that was imported without artifacts gets them later.
    let without = || {
        let folder = mlruns();
        folder.tbx("import --from mlflow mlruns --out out --no-artifacts").fine();
        folder
    };
    can_be_made_again(without, args, None);
}
