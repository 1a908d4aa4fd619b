//! Tests that run the program as users do: in a fresh directory, with its output and exit code compared.

#![cfg(test)] // Repeated here so that clippy treats helpers as test code.

mod archive;
mod check;
mod compare;
mod edit;
mod empty;
mod export;
mod extract;
mod fold;
mod gc;
mod import;
mod inspect;
mod json;
mod killed;
mod meta;
mod models;
mod other_files;
mod plot;
#[cfg(unix)]
mod progress;
#[cfg(feature = "remote")]
mod remote;
mod repair;
mod shell;
#[cfg(unix)]
mod side_files;
mod streams;
mod table;
#[cfg(unix)]
mod terminal;
mod values;
mod verify;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tbx::SummaryWriter;
use tempfile::TempDir;

use crate::common::repository;

/// The only event file of most fixtures.
const FILE: &str = "events.out.tfevents.1700000000.host.1.0";
/// When generated runs start.
const START: f64 = 1_700_000_000.5;

/// Environment variables that change the output or the behavior of the program.
const VARIABLES: [&str; 9] = [
    // If it is set, colors are used as on a terminal.
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "NO_COLOR",
    "TBX_COLOR",
    "TBX_LOGDIR",
    "TBX_RESTART",
    "TBX_THREADS",
];

/// A fresh directory in which the program runs.
struct Folder(TempDir);

/// The exit code and the output of a program.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A directory with a copy of a fixture as `logs`.
    fn with(fixture: &str) -> Self {
        let folder = Self::new();
        folder.copy(fixture, "logs");
        folder
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// Copies a directory of fixtures.
    fn copy(&self, fixture: &str, to: impl AsRef<Path>) {
        copy_all(&repository("fixtures").join(fixture), &self.path(to));
    }

    /// Starts a run with a fixed clock.
    fn run(&self, name: impl AsRef<Path>) -> SummaryWriter {
        SummaryWriter::options().host("host").clock(|| START).create(self.path(name)).unwrap()
    }

    /// The program, with arguments separated by spaces.
    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
        command.args(args.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command
    }

    fn tbx(&self, args: &str) -> Done {
        done(&mut self.command(args))
    }
}

fn done(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    Done { code: output.status.code(), out, err }
}

impl Done {
    /// Fails unless the exit code is 0 and the standard error is empty. Returns the output.
    #[track_caller]
    fn fine(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    /// Fails unless the program failed without any output. Returns the standard error.
    #[track_caller]
    fn failed(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{self:?}");
        self.err
    }
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy_all(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn the_program_says_what_it_is() {
    let folder = Folder::new();
    let version = folder.tbx("--version").fine();
    assert_eq!(version, concat!("tbx ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = folder.tbx("--help").fine();
    assert!(help.contains("inspect") && help.contains("export"), "{help}");
    assert!(folder.tbx("").failed().contains("Usage: tbx [OPTIONS] <COMMAND>"));
    assert!(folder.tbx("inspect").failed().contains("<LOGDIR>"));
}

#[test]
fn a_wrong_word_gets_a_better_one() {
    let folder = Folder::with("keras");
    let suggestions = [
        ("inspct logs", "'inspect'"),
        ("inspect logs --sttrict", "'--strict'"),
        ("inspect logs --kind scalr", "'scalar'"),
        ("inspect logs --restart keepall", "'keep-all'"),
        ("inspect logs --format jsn", "'json'"),
        ("export logs --to jsonl --out x", "'json'"),
    ];
    for (args, suggestion) in suggestions {
        let said = folder.tbx(args).failed();
        let tip = said.lines().find(|line| line.contains("tip:"));
        assert!(tip.is_some_and(|tip| tip.contains(suggestion)), "{args}: {said}");
    }
    assert!(!folder.path("x").exists());
}

#[cfg(not(feature = "remote"))]
#[test]
fn a_program_without_urls_says_how_to_get_one_with_them() {
    let folder = Folder::with("keras");
    let get = "this tbx was built without support for URLs; `cargo install tbx-cli --features remote` \
               builds one with it";
    for args in ["inspect s3://b/logs", "table https://h/x", "export logs --to csv --out gs://b/x"]
    {
        let url = args.split(' ').find(|arg| arg.contains("://")).unwrap();
        assert_eq!(folder.tbx(args).failed(), format!("tbx: {url}: {get}\n"));
    }
}

#[test]
fn a_bad_regular_expression_is_shown_where_it_is_bad() {
    let folder = Folder::with("keras");
    for flag in ["--run", "--tag"] {
        let said = folder.tbx(&format!("inspect logs {flag} a(b")).failed();
        assert!(said.contains("unclosed group"), "{said}");
        assert!(said.contains(flag), "{said}");
    }
}
