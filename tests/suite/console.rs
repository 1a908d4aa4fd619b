//! Runs the console blocks of the documents in order, and compares the output with the text.

#![cfg(test)] // Repeated here so that clippy treats helpers as test code.
#![cfg(unix)]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::repository;

/// Commands that are skipped, by prefix, with the reason.
const NOT_RUN: &[(&str, &str)] = &[
    ("tests/run", "it installs packages and runs this test"),
    ("cargo run --release --manifest-path benches/compare", "it measures for minutes"),
    ("tbx export fixtures/torch --to mlflow --uri", "it needs an MLflow server"),
];
/// Commands that are run for their side effects: prefix, replacement, reason.
const RUN_AS: &[(&str, &str, &str)] = &[
    ("cargo run --release --example ", "", "the suite has built it"),
    ("cargo run --release -- ", "tbx ", "the suite has built it; the text describes the output"),
];
/// Setup: logs that the reader of a document already has.
const MADE_BEFORE: &[(&str, &str)] = &[
    (
        "tbx models runs register",
        "mkdir -p runs/first/artifacts && printf weights > runs/first/artifacts/model.bin",
    ),
    ("tbx artifacts runs", VERSIONS),
];
/// A run that logged a version of an artifact, and one that used it.
const VERSIONS: &str = r#"D=0d05de583bb662d0c9fa8afa28a030bbba6cf57c67a4aecba6b13cade1612622
mkdir -p runs/prepare/artifacts/data/0d05de583bb662d0/sub runs/train
printf one > runs/prepare/artifacts/data/0d05de583bb662d0/a
printf two > runs/prepare/artifacts/data/0d05de583bb662d0/sub/b
printf '{"schema": "tbx.artifacts/1", "artifacts": {"data": {"kind": "dataset", "versions": [{"digest": "%s",
    "size": 6, "files": 2, "run": "prepare", "path": "data/0d05de583bb662d0", "created": 1e9}]}}}' $D > runs/tbx.artifacts.json
printf '{"schema": "tbx.run/1", "inputs": [{"name": "data", "digest": "%s"}]}' $D > runs/train/tbx.json
true"#;

/// A command in a document, with its output.
struct Shown {
    place: String,
    command: String,
    output: String,
}

/// The commands in all console blocks of a document.
fn commands(path: &Path) -> Vec<Shown> {
    let text = fs::read_to_string(path).unwrap();
    let mut commands: Vec<Shown> = Vec::new();
    let mut is_console = false;
    for (i, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_console) {
            let place = format!("{}:{}", path.display(), i + 1);
            commands.push(Shown { place, command: command.into(), output: String::new() });
        } else if let Some(last) = commands.last_mut().filter(|_| is_console) {
            last.output += line;
            last.output.push('\n');
        }
    }
    commands
}

/// The text without dates and times.
fn lasting(text: &str) -> String {
    let is_date = |word: &str| {
        word.len() == 10
            && word.split('-').map(str::len).eq([4, 2, 2])
            && !word.starts_with("2023-")
    };
    let is_time = |word: &str| word.len() == 8 && word.split(':').map(str::len).eq([2; 3]);
    let line = |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        for i in 1..words.len() {
            if is_date(words[i - 1]) && is_time(words[i]) {
                (words[i - 1], words[i]) = ("DATE", "TIME");
            }
        }
        words.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

#[test]
fn the_documents_show_what_the_program_prints() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_tbx"));
    let programs = program.parent().unwrap();
    let path = [programs.to_owned(), programs.join("examples")].into_iter();
    let path =
        env::join_paths(path.chain(env::split_paths(&env::var_os("PATH").unwrap()))).unwrap();
    let mut documents = vec![repository("README.md")];
    let docs = fs::read_dir(repository("docs")).unwrap().map(|entry| entry.unwrap().path());
    documents.extend(docs.filter(|path| path.extension().is_some_and(|ext| ext == "md")));
    documents.sort();
    let (mut run, mut wrong) = (0, Vec::new());
    let mut dir = tempfile::tempdir().unwrap();
    let mut last = None;
    for (document, shown) in documents
        .iter()
        .flat_map(|document| commands(document).into_iter().map(move |shown| (document, shown)))
    {
        // Each document gets its own directory.
        if last != Some(document) {
            dir = tempfile::tempdir().unwrap();
            symlink(repository("fixtures"), dir.path().join("fixtures")).unwrap();
            last = Some(document);
        }
        let Shown { place, command, output } = shown;
        if NOT_RUN.iter().any(|(begin, _)| command.starts_with(begin)) {
            continue;
        }
        let made = MADE_BEFORE.iter().find(|(begin, _)| command.starts_with(begin));
        let before = made.map_or(String::new(), |(_, before)| format!("{before} && "));
        let run_as = RUN_AS.iter().find(|(begin, ..)| command.starts_with(begin));
        let script = match run_as {
            Some((begin, instead, _)) => command.replacen(begin, instead, 1).replace(" -- ", " "),
            None => command.clone(),
        };
        let done = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {before}{script}")])
            .current_dir(dir.path())
            .env("PATH", &path)
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let printed = String::from_utf8(done.stdout).unwrap();
        // 1 is a regular result; 127 means that the program was not found.
        assert!(matches!(done.status.code(), Some(0..=2)), "{place}: {command}: {printed}");
        run += 1;
        if run_as.is_none() && lasting(&printed) != lasting(&output) {
            wrong.push(format!("{place}: {command}\nshows\n{output}\nprints\n{printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run >= 15, "only {run} commands were run");
}
