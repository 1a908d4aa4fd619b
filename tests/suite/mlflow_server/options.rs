//! Each option of `tbx export` has an effect for a target, or is an error that names it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tbx::SummaryWriter;

use super::fake::Fake;
use super::quiet;

/// The effect of an option for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// The written or sent data differs.
    Changes,
    /// The option is accepted; its effect depends on the data.
    Fine,
    /// The option is an error.
    Refused,
}
use Does::{Changes, Fine, Refused};

/// Options, with their effects for a server, a directory, a database, and a table as CSV.
const OPTIONS: &[(&str, [Does; 4])] = &[
    ("--table runs", [Refused, Refused, Refused, Changes]),
    ("--wide", [Refused, Refused, Refused, Changes]),
    ("--duplicates keep-first", [Refused, Refused, Refused, Refused]),
    ("--wide --duplicates keep-first", [Refused, Refused, Refused, Changes]),
    ("--smooth 0.5", [Refused, Refused, Refused, Changes]),
    ("--table runs --smooth 0.5", [Refused; 4]),
    ("--force", [Refused, Refused, Refused, Fine]),
    ("--artifact-root x", [Refused, Refused, Fine, Refused]),
    ("--experiment other", [Changes, Changes, Fine, Refused]),
    ("--no-fold", [Changes, Changes, Fine, Refused]),
    ("--no-artifacts", [Changes, Changes, Fine, Refused]),
    ("--no-images", [Changes, Changes, Fine, Refused]),
    ("--media none", [Changes, Changes, Fine, Refused]),
    ("--media-last 1", [Changes, Changes, Fine, Refused]),
    ("--event-files", [Changes, Changes, Fine, Refused]),
    ("--connections 2", [Fine, Refused, Refused, Refused]),
    ("--overwrite", [Fine, Refused, Fine, Refused]),
    ("--recreate-deleted", [Fine, Refused, Fine, Refused]),
    ("--state s", [Fine, Refused, Fine, Refused]),
    ("--no-state", [Fine, Refused, Fine, Refused]),
    ("--sample every:3", [Changes, Changes, Fine, Changes]),
    ("--sample lttb:4", [Changes, Changes, Fine, Changes]),
    ("--table runs --sample every:3", [Refused; 4]),
    ("--table images --sample lttb:4", [Refused; 4]),
    ("--shard 2/2", [Changes, Changes, Fine, Changes]),
    ("--tag loss", [Changes, Changes, Fine, Changes]),
    ("--restart keep-all", [Fine; 4]),
    ("--follow-links", [Fine; 4]),
];

fn write(logs: &Path) {
    let run = quiet().create(logs.join("a")).unwrap();
    run.log_artifact_bytes("notes.txt", b"hello", None).unwrap();
    run.finish().unwrap();
    for (name, base) in [("a/train", 0.0), ("a/validation", 1.0), ("b", 2.0)] {
        // Three sessions. Each starts before the previous one ended.
        for first in [0, 5, 8] {
            let writer = SummaryWriter::create(logs.join(name)).unwrap();
            for step in first..first + 8 {
                let value = base + step as f32 + first as f32 / 100.0;
                writer.add_scalar("loss", value, step).unwrap();
                writer.add_scalar("other", -value, step).unwrap();
                writer.add_text("said", format!("at {step}"), step).unwrap();
            }
            let pixels = tbx::Pixels::new(4, 4, 3, &[7u8; 4 * 4 * 3][..]).unwrap();
            writer.add_image("drawn", pixels, first).unwrap();
            writer.close().unwrap();
        }
    }
}

/// Exit code and output.
fn tbx(dir: &Path, args: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MLFLOW_")) {
        command.env_remove(name);
    }
    command.args(args.split_whitespace()).current_dir(dir).env("HOME", dir);
    let done = command.env_remove("XDG_STATE_HOME").stdin(Stdio::null()).output().unwrap();
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

pub(super) type Written = BTreeMap<String, Vec<u8>>;

/// The files below a directory.
pub(super) fn files(dir: &Path) -> Written {
    let mut all = Written::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                // Contains the path of the directory.
                if !name.ends_with("meta.yaml") {
                    all.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    all
}

/// The data that a server received.
fn received(server: &Fake) -> Written {
    let kept = server.kept();
    let mut all: Written = kept.artifacts.into_iter().collect();
    all.insert("experiments".into(), format!("{:?}", kept.experiments).into());
    for run in kept.runs {
        let name = run.tags["mlflow.tbx.run"].clone();
        all.insert(name, format!("{:?} {:?}", run.metrics, run.params).into());
    }
    // Ids of runs are in the order of their creation.
    all.into_iter().map(|(name, bytes)| (name.replace(['0', '1', '2', '3'], ""), bytes)).collect()
}

/// The output of an export of `logs` with `args` for a target, or its message if it fails.
fn exported(dir: &Path, target: usize, args: &str) -> Result<Written, String> {
    let out = dir.join("out");
    if out.is_dir() {
        fs::remove_dir_all(&out).unwrap();
    }
    let server = Fake::start();
    let to = match target {
        0 => format!("--to mlflow --uri {}", server.uri()),
        1 => "--to mlruns --out out".to_owned(),
        2 => "--to mlflow-db --out no.db".to_owned(),
        _ => "--to csv --out out.csv".to_owned(),
    };
    for name in ["out.csv", "out-2-of-2.csv"] {
        let _ = fs::remove_file(dir.join(name));
    }
    let (code, said) = tbx(dir, &format!("export logs {to} {args}"));
    if code != Some(0) {
        return Err(said);
    }
    Ok(match target {
        0 => received(&server),
        1 => files(&out),
        // With --shard, the file name contains the shard.
        _ => ["out.csv", "out-2-of-2.csv"]
            .iter()
            .filter_map(|name| Some(("csv".to_owned(), fs::read(dir.join(name)).ok()?)))
            .collect(),
    })
}

#[test]
fn no_option_is_ignored_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("logs"));
    let plain: Vec<_> = [0, 1, 3].map(|target| exported(dir.path(), target, "").unwrap()).into();
    for (args, all) in OPTIONS {
        for (target, does) in all.iter().enumerate() {
            let what = format!("{args} for target {target}");
            let option = |said: &str| {
                let options = args.split_whitespace().filter_map(|arg| arg.strip_prefix("--"));
                options.into_iter().any(|option| said.contains(option))
            };
            let done = exported(dir.path(), target, args);
            // There is no database here: errors in options are reported before that.
            let has_database = target != 2;
            match (done, does) {
                (Err(said), Refused) => assert!(option(&said), "{what}: {said}"),
                (Err(said), _) => {
                    assert!(!has_database && said.contains("no.db"), "{what}: {said}");
                }
                (Ok(_), Refused) => panic!("{what} is not refused"),
                (Ok(written), Changes) => {
                    let plain = &plain[[0, 1, 0, 2][target]];
                    assert!(written != *plain, "{what} changes nothing");
                }
                (Ok(_), Fine) => {}
            }
        }
    }
}
