//! Secrets appear neither in the files of a run nor in the output of the program.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod table;

use std::fs;
use std::path::Path;
use std::process::Command;

use tbx::meta::{Dataset, RunMeta};
use tbx::track::ActiveRun;

use self::table::{OPTIONS, SHOWN, VALUES};

/// Environment variable with the directory to which [`this_process_is_a_run`] writes its run.
const DIR: &str = "TBX_TEST_RUN_DIR";

/// Writes a run with the arguments and variables of this process, and fails with a message that
/// contains them. The tests below call it in a separate process.
#[test]
#[ignore = "only in a process of its own"]
fn this_process_is_a_run() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let args: Vec<String> = std::env::args().skip_while(|arg| arg != "--").collect();
    let mut options =
        ActiveRun::options().variables(["DATABASE_URL", "GIT_ASKPASS", "DB_PASS", "EPOCHS"]);
    for (i, arg) in args.iter().enumerate() {
        let mut data = Dataset::new(format!("d{i}"), "");
        data.source = Some(arg.clone());
        options =
            options.param(format!("p{i}"), arg.as_str()).tag(format!("t{i}"), arg).dataset(data);
    }
    eprintln!("{options:?}");
    let run = options.description(args.join("\n\n")).create(dir).unwrap();
    panic!("what the run was begun with: {} {}", args.join("\n"), run.id());
}

/// The contents of all files of a run in a process with these arguments, after its options as
/// printed.
fn files_of_run(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "redact::this_process_is_a_run", "--ignored", "--nocapture"]);
    command.env(DIR, dir.join("run")).arg("--").args(args).current_dir(dir);
    command.env("DATABASE_URL", "postgres://me:hunter/zz@host/db").env("DB_PASS", "hunterzz");
    let output = command.env("EPOCHS", "7").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let options = said.lines().find(|line| line.starts_with("RunOptions")).expect(&said);
    let mut all = options.to_owned();
    let mut folders = vec![dir.join("run")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => all += &String::from_utf8_lossy(&fs::read(path).unwrap()),
            }
        }
    }
    all
}

/// The arguments in the command line that the run recorded, without those before `--`.
fn command_of_run(dir: &Path) -> Vec<String> {
    let meta = RunMeta::read(&dir.join("run")).unwrap().unwrap();
    let command = meta.environment.unwrap().command;
    command.into_iter().skip_while(|arg| arg != "--").skip(1).collect()
}

/// Separates options, so that none of them takes the next one as its value.
const NEXT: &str = "and";

#[test]
fn no_secret_of_an_option_is_in_a_file_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let args: Vec<&str> =
        OPTIONS.iter().flat_map(|(args, _)| [args, &[NEXT][..]].concat()).collect();
    files_of_run(dir.path(), &args);
    let command = command_of_run(dir.path());
    let kept: Vec<_> = command.split(|arg| arg == NEXT).collect();
    assert_eq!(kept.len(), OPTIONS.len() + 1);
    for ((args, secrets), kept) in OPTIONS.iter().zip(kept) {
        let shown = kept.join(" ");
        assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{args:?}: {shown}");
        assert!(shown.contains("(secret)"), "{args:?}: {shown}");
    }
}

#[test]
fn no_secret_of_a_value_is_in_a_file_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let args: Vec<&str> = VALUES.iter().map(|(value, _)| *value).collect();
    let all = files_of_run(dir.path(), &args);
    for (value, secrets) in VALUES {
        for secret in *secrets {
            let at = all.find(secret).map(|at| all[at.saturating_sub(60)..].chars().take(120));
            assert!(at.is_none(), "{value:?}: {:?}", at.unwrap().collect::<String>());
        }
    }
    assert!(all.contains("postgres://host/db") && !all.contains("hunterzz"), "a variable");
    assert!(all.contains("\"EPOCHS\": \"7\""));
}

#[test]
fn what_only_resembles_secrets_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let args: Vec<&str> = SHOWN.iter().flat_map(|args| [args, &[NEXT][..]].concat()).collect();
    files_of_run(dir.path(), &args);
    let command = command_of_run(dir.path());
    let kept: Vec<_> = command.split(|arg| arg == NEXT).collect();
    for (args, kept) in SHOWN.iter().zip(kept) {
        assert_eq!(*args, kept);
    }
    let meta = RunMeta::read(&dir.path().join("run")).unwrap().unwrap();
    let message = meta.failure.unwrap().message;
    for (i, arg) in args.iter().enumerate() {
        assert_eq!(meta.tags[&format!("t{}", i + 1)], *arg);
        assert_eq!(meta.datasets[i + 1].source.as_deref(), Some(*arg));
        assert!(message.contains(arg), "{arg}: {message}");
    }
}

#[test]
fn the_table_is_as_long_as_it_should_be() {
    assert!(OPTIONS.len() + VALUES.len() >= 80 && SHOWN.len() >= 50);
}
