//! Log directories that are missing, empty or not log directories.

use std::fs;

use super::Folder;

/// Commands that need logs; `LOGS` is replaced by the log directories.
const COMMANDS: &[&str] = &[
    "inspect LOGS",
    "inspect LOGS --format json",
    "table LOGS",
    "table LOGS --format csv",
    "table LOGS --group-by status",
    "diff LOGS LOGS",
    "reduce LOGS",
    "reduce LOGS --out new",
    "plot LOGS",
    "plot LOGS --out new.svg",
    "export LOGS --to csv --out -",
    "export LOGS --to json --out new.json",
    "export LOGS --to parquet --table all --out new",
    "export LOGS --to mlruns --out new",
    "export LOGS --to wandb --out new",
    "extract LOGS --out new",
    "check LOGS",
    "check LOGS --format json",
    "verify LOGS",
    "verify LOGS --format json",
    "models LOGS",
    "repair LOGS --out new",
    "repair LOGS --dry-run",
    "edit LOGS --out new --shift-steps 1",
    "edit LOGS --in-place --shift-steps 1",
    "gc LOGS --older-than 1d",
    "archive LOGS --out new.tar.zst",
];
/// Files and directories that these commands write.
const NEW: [&str; 4] = ["new", "new.svg", "new.json", "new.tar.zst"];
const NO_LOGS: &str = "no event files (their names contain \"tfevents\")";

fn folder() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path("empty")).unwrap();
    fs::create_dir_all(folder.path("other/below")).unwrap();
    fs::write(folder.path("other/notes.txt"), "no log").unwrap();
    // Its name contains "tfevents", but it is obviously not a log.
    fs::write(folder.path("other/below/events.out.tfevents.1.h.dvc"), "md5: 1").unwrap();
    fs::write(folder.path("file.txt"), "no log").unwrap();
    folder
}

#[test]
fn a_folder_that_does_not_exist_is_an_error_everywhere() {
    let folder = folder();
    let more =
        ["watch LOGS", "meta show LOGS", "models LOGS path a/1", "models LOGS register a b c"];
    for command in COMMANDS.iter().chain(&more) {
        let done = folder.tbx(&command.replace("LOGS", "missing"));
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{command}: {done:?}");
        assert!(done.err.starts_with("tbx: missing: No such file"), "{command}: {done:?}");
    }
}

#[test]
fn a_folder_without_logs_is_said_and_the_answer_is_no() {
    let folder = folder();
    for (command, logs) in
        COMMANDS.iter().flat_map(|command| [(command, "empty"), (command, "other")])
    {
        let done = folder.tbx(&command.replace("LOGS", logs));
        assert_eq!(done.code, Some(1), "{command}: {done:?}");
        let is_said = format!("{}{}", done.out, done.err).contains(&format!("{logs}: {NO_LOGS}\n"));
        assert!(is_said || done.out.contains("\"runs\":[]"), "{command}: {done:?}");
        for new in NEW {
            assert!(!folder.path(new).exists(), "{command} made {new}");
        }
    }
}

#[test]
fn who_expects_no_logs_says_so() {
    for (command, logs) in
        COMMANDS.iter().flat_map(|command| [(command, "empty"), (command, "other")])
    {
        let folder = folder();
        let done = folder.tbx(&format!("{} --allow-empty", command.replace("LOGS", logs)));
        assert_eq!(done.code, Some(0), "{command}: {done:?}");
        assert!(!done.err.contains("tbx:"), "{command}: {done:?}");
    }
}

#[test]
fn a_file_that_is_no_log_is_an_error() {
    for command in COMMANDS {
        let folder = folder();
        let done = folder.tbx(&command.replace("LOGS", "file.txt"));
        // For verify, findings are a regular result.
        let code = if command.starts_with("verify") { 1 } else { 2 };
        assert_eq!(done.code, Some(code), "{command}: {done:?}");
        assert!(format!("{}{}", done.out, done.err).contains("file.txt"), "{command}: {done:?}");
    }
}

#[test]
fn one_folder_without_logs_among_others_is_no_too() {
    let folder = folder();
    folder.copy("keras", "logs");
    for command in ["table", "check", "inspect", "verify", "export --to csv --out -", "plot"] {
        let done = folder.tbx(&format!("{command} logs empty"));
        let (without, _) = (folder.tbx(&format!("{command} logs")), ());
        assert_eq!(done.code, Some(without.code.unwrap().max(1)), "{command}: {done:?}");
        assert!(!done.out.is_empty(), "{command}: {done:?}");
        let both = format!("{}{}", done.out, done.err);
        assert!(both.contains(&format!("empty: {NO_LOGS}")), "{command}: {done:?}");
        let allowed = folder.tbx(&format!("{command} logs empty --allow-empty"));
        assert_eq!(allowed.code, without.code, "{command}: {allowed:?}");
    }
}

#[test]
fn mlflow_has_experiments_without_runs() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("logs/later")).unwrap();
    let about = r#"{"schema": "tbx.experiment/1", "name": "later", "tags": {"team": "vision"}}"#;
    fs::write(folder.path("logs/later/tbx.experiment.json"), about).unwrap();
    let done = folder.tbx("export logs --to mlruns --out new");
    assert_eq!(done.code, Some(0), "{}", done.err);
    let is_there = |entry: fs::DirEntry| entry.path().join("tags/team").is_file();
    assert!(fs::read_dir(folder.path("new")).unwrap().any(|entry| is_there(entry.unwrap())));
    // The format has no column for it.
    let done = folder.tbx("export logs --to csv --out new.csv");
    assert!(done.code == Some(1) && done.err.contains(NO_LOGS), "{}", done.err);
}
