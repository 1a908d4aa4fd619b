//! Several log directories at once.

use std::fs;

use super::super::{Folder, START};

/// Two log directories, each with a run of the same name, and one that is itself a run.
fn logs() -> Folder {
    let folder = Folder::new();
    for (run, value) in [("a/train", 1.0), ("b/train", 2.0), ("b/old", 3.0), ("c", 4.0)] {
        let writer = tbx::SummaryWriter::options().host("host").clock(|| START);
        let writer = writer.create(folder.path(run)).unwrap();
        let writer = writer.with_wall_time(START).unwrap();
        writer.add_scalar("loss", value, 7).unwrap();
        writer.close().unwrap();
    }
    folder
}

/// The first cell of each row of a CSV file.
fn runs(text: &str) -> Vec<&str> {
    text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect()
}

#[test]
fn names_of_runs_begin_with_their_log_directory_in_every_table() {
    let folder = logs();
    let all = ["a/train", "b/old", "b/train", "c"];
    for args in ["--table scalars", "--wide", "--table runs", "--table tags"] {
        let out = folder.tbx(&format!("export a b c --to csv --out - {args}")).out;
        assert_eq!(runs(&out), all, "{args}");
    }
    folder.tbx("export a b c --to parquet --table scalars,runs --out data");
    assert!(
        folder.path("data/scalars.parquet").exists() && folder.path("data/runs.parquet").exists()
    );
    // The names are the same as in other commands. A single log directory keeps its own names.
    let table = folder.tbx("table a b c --no-fold --format csv").out;
    assert_eq!(runs(&table), all);
    assert_eq!(runs(&folder.tbx("export b --to csv --out -").out), ["old", "train"]);
    let checked = folder.tbx("check a b c --no-fold --format csv").out;
    assert_eq!(runs(&checked), all);
}

#[test]
fn filters_see_the_name_in_the_log_directory() {
    let folder = logs();
    let out = folder.tbx("export a b --to csv --out - --run ^train$").out;
    assert_eq!(runs(&out), ["a/train", "b/train"]);
    let parts: Vec<String> = (1..=3)
        .map(|i| folder.tbx(&format!("export a b c --to csv --out - --shard {i}/3")).out)
        .collect();
    let mut all: Vec<&str> = parts.iter().flat_map(|part| runs(part)).collect();
    all.sort_unstable();
    assert_eq!(all, ["a/train", "b/old", "b/train", "c"], "each run is in one shard");
}

#[test]
fn what_is_given_twice_is_refused() {
    let folder = logs();
    for dirs in ["a a", "a ./a", "b b/train"] {
        let said = folder.tbx(&format!("export {dirs} --to csv --out -")).failed();
        assert!(said.contains("is given twice"), "{dirs}: {said}");
    }
    let said = folder.tbx("export a nowhere --to csv --out -").failed();
    assert!(said.contains("nowhere"), "{said}");
}

/// In MLflow each log directory is an experiment, and runs of the same name stay separate.
#[test]
fn each_is_an_experiment_of_mlflow() {
    let folder = logs();
    fs::write(folder.path("a/tbx.registry.json"), r#"{"schema": "tbx.registry/1"}"#).unwrap();
    let done = folder.tbx("export a b --to mlruns --no-fold --out mlruns");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.err.contains("registered models of a are not exported"), "{}", done.err);
    let mut experiments: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder.path("mlruns")).unwrap() {
        let meta = entry.unwrap().path().join("meta.yaml");
        let text = fs::read_to_string(meta).unwrap_or_default();
        let name = text.lines().find_map(|line| line.strip_prefix("name: "));
        experiments.extend(name.map(|name| name.trim_matches(['\'', '"']).to_owned()));
    }
    experiments.sort();
    assert_eq!(experiments, ["a", "b"]);
    let one = folder.tbx("export a b --to mlruns --no-fold --experiment both --out one");
    assert!(one.err.contains("3 runs"), "{}", one.err);
}
