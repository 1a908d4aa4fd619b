//! Runs of programs without event files are imported, and tables that tbx exported become logs again.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tbx::meta::RunMeta;
use tbx::{Kind, LoadOptions, Loaded, Logdir};
use tbx_runs::export::{Export, Table, Target};
use tbx_runs::import::{Import, Imported};
use tempfile::TempDir;

use crate::common::{load, repository};

fn import(source: &Path, out: &Path) -> Imported {
    let imported = Import::new().run(source.to_str().unwrap(), out).unwrap();
    assert!(imported.report.is_lossless(), "{:?}", imported.report.issues);
    imported
}

/// Exports tables of a log directory to a new one.
fn export(logs: &Path, format: &str, tables: &[&str], out: &Path) {
    let tables = tables.iter().map(|name| Table::from_name(name).unwrap());
    let export = Export::new(Target::from_name(format).unwrap()).tables(tables);
    let exported = export.run(&Logdir::open(logs).unwrap(), &LoadOptions::new(), out).unwrap();
    exported.finish().unwrap();
}

/// Points of scalars by run and tag: steps, and the bits of wall times and values.
type Scalars = BTreeMap<(String, String), Vec<(i64, u64, u64)>>;

/// Steps, wall times and values of all scalars, by run and tag; numbers as bits.
fn scalars(loaded: &Loaded, below: &str) -> Scalars {
    let mut all = BTreeMap::new();
    for run in &loaded.runs {
        let Some(name) = run.name.strip_prefix(below) else { continue };
        for series in run.series.iter().filter(|series| series.kind() == Kind::Scalar) {
            let values = series.scalars().unwrap();
            let points = (0..series.len()).map(|i| {
                let value = values.get(i).unwrap();
                let value = if value.is_nan() { f64::NAN } else { value };
                (series.steps()[i], series.wall_times()[i].to_bits(), value.to_bits())
            });
            all.insert((name.to_owned(), series.tag().to_owned()), points.collect());
        }
    }
    all
}

/// The lines of a table in CSV, without the names of runs.
fn lines(logs: &Path, table: &str, leaves_out: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("tables");
    export(logs, "csv", &[table], &out);
    let file = if out.is_dir() { out.join(format!("{table}.csv")) } else { out };
    let text = fs::read_to_string(file).unwrap();
    let line = |line: &str| line.split_once(',').unwrap().1.to_owned();
    let lines = text.lines().filter(|line| line.contains(',')).map(line);
    let mut lines: Vec<_> = lines.filter(|line| !line.starts_with(leaves_out)).collect();
    lines.sort();
    lines
}

/// The lines of a table of values without the fifth column, which numbers the parts of a value.
fn parts(logs: &Path, table: &str) -> Vec<String> {
    let without_number = |line: String| {
        let cells: Vec<_> = line.split(',').collect();
        // The rest of a text with several lines has fewer.
        if cells.len() < 5 { line } else { [&cells[..3], &cells[4..]].concat().join(",") }
    };
    let lines = lines(logs, table, "tbx").into_iter().map(without_number);
    // Several empty buckets at one place become one.
    let mut lines: Vec<_> =
        lines.filter(|line| table != "histograms" || !line.ends_with(",0.0")).collect();
    lines.sort();
    lines
}

/// Fails with the first difference.
#[track_caller]
fn assert_same(before: &[String], after: &[String], what: &str) {
    let pair = before.iter().zip(after).find(|(before, after)| before != after);
    assert_eq!(pair, None, "{what}");
    assert_eq!(before.len(), after.len(), "{what}");
}

#[test]
fn what_tbx_exported_becomes_the_log_again() {
    const TABLES: [&str; 6] = ["scalars", "runs", "hparams", "meta", "histograms", "texts"];
    for fixture in ["fixtures/torch", "fixtures/keras", "fixtures/tf2"] {
        let logs = repository(fixture);
        let before = scalars(&load(&logs, &LoadOptions::new()), "");
        assert!(!before.is_empty());
        for format in ["csv", "json"] {
            let dir = tempfile::tempdir().unwrap();
            let (tables, out) = (dir.path().join("tables"), dir.path().join("logs"));
            export(&logs, format, &TABLES, &tables);
            let imported = Import::new().float64(true).run(tables.to_str().unwrap(), &out).unwrap();
            assert_eq!(imported.tracker, "CSV");
            let after = scalars(&load(&out, &LoadOptions::new()), "tables/");
            // The run in the log directory itself has the name of the export.
            let before: BTreeMap<_, _> = before
                .iter()
                .map(|((run, tag), points)| {
                    let run = if run == "." { "tables" } else { run };
                    ((run.to_owned(), tag.clone()), points.clone())
                })
                .collect();
            let names =
                |all: &BTreeMap<(String, String), _>| all.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&before), names(&after), "{fixture} {format}");
            assert!(before == after, "{fixture} {format}: scalars differ");
            let points: usize = before.values().map(Vec::len).sum();
            assert_eq!(imported.points, u64::try_from(points).unwrap());
            let what = format!("{fixture} {format}");
            assert_same(&lines(&logs, "hparams", "-"), &lines(&out, "hparams", "-"), &what);
            // The card of a run, which the import adds, is a text, too.
            for table in ["histograms", "texts"] {
                assert_same(&parts(&logs, table), &parts(&out, table), &what);
            }
        }
    }
}

#[test]
fn a_wide_table_has_the_values_of_its_scalars() {
    let logs = repository("fixtures/keras");
    let dir = tempfile::tempdir().unwrap();
    let (table, out) = (dir.path().join("wide.csv"), dir.path().join("logs"));
    export(&logs, "csv", &["wide"], &table);
    import(&table, &out);
    let values = |all: Scalars| {
        let points = |points: Vec<(i64, u64, u64)>| {
            points.into_iter().map(|(step, _, value)| (step, value)).collect::<BTreeMap<_, _>>()
        };
        all.into_iter().map(|(name, all)| (name, points(all))).collect::<BTreeMap<_, _>>()
    };
    let before = values(scalars(&load(&logs, &LoadOptions::new()), ""));
    let found = load(&out, &LoadOptions::new());
    let experiment = dir.path().file_name().unwrap().to_str().unwrap();
    assert_eq!(before, values(scalars(&found, &format!("{experiment}/"))));
}

struct Source(TempDir);

impl Source {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn loss(&self) -> usize {
        let loaded = load(&self.path("logs"), &LoadOptions::new());
        let series = loaded.runs.iter().flat_map(|run| &run.series);
        series.filter(|series| series.tag().contains("loss")).map(tbx::TimeSeries::len).sum()
    }
}

#[test]
fn a_repeated_import_brings_what_is_new() {
    let source = Source::new();
    let (runs, out) = (source.path("lightning_logs"), source.path("logs"));
    source.write("lightning_logs/version_0/metrics.csv", "epoch,step,loss\n0,1,0.5\n");
    source.write("lightning_logs/version_0/hparams.yaml", "lr: 0.1\n");
    let first = import(&runs, &out);
    assert_eq!((first.runs.len(), first.points, source.loss()), (1, 2, 1));
    assert!(out.join("lightning_logs/version_0/tbx.json").is_file());
    let same = import(&runs, &out);
    assert!(same.runs[0].was_there);
    // The file grows, and another run begins.
    source.write("lightning_logs/version_0/metrics.csv", "epoch,step,loss\n0,1,0.5\n1,2,0.25\n");
    source.write("lightning_logs/version_1/metrics.csv", "epoch,step,loss\n0,1,0.5\n");
    let grown = import(&runs, &out);
    assert_eq!(grown.runs.iter().filter(|run| run.was_there).count(), 0);
    assert_eq!(source.loss(), 3);
    assert_eq!(import(&runs, &out).runs.iter().filter(|run| run.was_there).count(), 2);
    let meta = RunMeta::read(&out.join("lightning_logs/version_0")).unwrap().unwrap();
    assert_eq!(meta.params["lr"], 0.1.into());
    // A training that ended goes on.
    let state = |step: i64, more: &str| {
        format!(
            r#"{{"global_step": {step}, "log_history": [{{"loss": 1, "step": 1}}, {{"train_runtime": 2, "step": {step}}}{more}]}}"#
        )
    };
    source.write("out/trainer_state.json", &state(1, ""));
    import(&source.path("out"), &out);
    let before = source.loss();
    let dir = fs::read_dir(&out).unwrap().flatten().map(|entry| entry.path().join("out"));
    let dir = dir.into_iter().find(|dir| dir.is_dir()).unwrap();
    assert_eq!(RunMeta::read(&dir).unwrap().unwrap().status, Some(tbx::meta::Status::Finished));
    source.write("out/trainer_state.json", &state(3, r#", {"loss": 2, "step": 3}"#));
    import(&source.path("out"), &out);
    assert_eq!(source.loss(), before + 1);
}

#[test]
fn no_name_leaves_the_log_directory() {
    let source = Source::new();
    let long = "x".repeat(3000);
    let mut csv = "run,tag,step,wall_time,value\n".to_owned();
    for run in [
        "../../up",
        "/etc",
        "a/../../b",
        "con",
        "a\\b",
        "",
        ".",
        &long,
        "artifacts",
        "A",
        "a",
        "x/.tbx~1.new",
    ] {
        csv += &format!("{run},../loss,1,1.0,0.5\n");
    }
    source.write("in/t/scalars.csv", &csv);
    let imported = import(&source.path("in/t"), &source.path("in/logs"));
    assert_eq!(imported.runs.len(), 12);
    assert_eq!(imported.points, 12);
    let names = |dir: PathBuf| {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().flatten().map(|e| e.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(source.path("")), ["in"]);
    assert_eq!(names(source.path("in")), ["logs", "t"]);
    let loaded = load(&source.path("in/logs"), &LoadOptions::new());
    assert_eq!(loaded.runs.len(), 12);
}

#[test]
fn a_directory_of_nothing_says_what_was_looked_for() {
    let source = Source::new();
    source.write("in/readme.txt", "nothing");
    let error = Import::new().run(source.path("in").to_str().unwrap(), &source.path("logs"));
    let said = error.unwrap_err().to_string();
    for name in ["trainer_state.json", "PROJECT.db", "Lightning"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(!source.path("logs").exists());
}
