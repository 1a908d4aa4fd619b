//! Any log can be exported. The tables are the same in every format, with the values of the log. The index
//! lists exactly the extracted files.

#![no_main]

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use parquet::file::reader::{FileReader, SerializedFileReader};
use tbx::{LoadOptions, RestartPolicy};
use tbx_fuzz::{Input, Logs, Sandbox, files, open, policy};
use tbx_runs::export::extract::Extraction;
use tbx_runs::export::{Export, TABLES, TARGETS, Target};
use tbx_runs::table::{Folding, Overview, RunTable, TableOptions};

/// Number of rows of a table in a file, without the header.
fn rows(path: &Path, target: &Target) -> u64 {
    match target.name {
        "csv" => cells(path).len() as u64,
        "json" => {
            let text = std::fs::read_to_string(path).expect("JSON is UTF-8");
            let lines = text.lines().map(serde_json::from_str::<serde_json::Value>);
            lines.map(|line| line.expect("a line is JSON")).count() as u64
        }
        _ => {
            let file = File::open(path).expect("it was written");
            let reader = SerializedFileReader::new(file).expect("it is Parquet");
            reader.metadata().file_metadata().num_rows() as u64
        }
    }
}

/// Reads CSV, and fails unless each row has as many cells as the header.
fn cells(path: &Path) -> Vec<csv::StringRecord> {
    let mut reader = csv::Reader::from_path(path).expect("it was written");
    reader.records().map(|row| row.expect("a row is like the head")).collect()
}

fn exports(sandbox: &Sandbox, options: &LoadOptions) {
    let logdir = open(&sandbox.logs());
    let mut counts: Vec<Vec<u64>> = Vec::new();
    for target in TARGETS {
        let out = sandbox.path(target.name);
        let export = Export::new(target).tables(TABLES);
        let done = export.run(&logdir, options, &out).expect("damage is in the report");
        let tables = done.tables.clone();
        done.finish().expect("nothing else writes there");
        for table in &tables {
            assert_eq!(table.rows, rows(&table.path, target), "{}", table.path.display());
        }
        counts.push(tables.iter().map(|table| table.rows).collect());
    }
    assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "{counts:?}");
    let loaded = logdir.load(options).expect("damage is in the report");
    let mut scalars = cells(&sandbox.path("csv/scalars.csv")).into_iter();
    for run in &loaded.runs {
        for series in &run.series {
            let Some(values) = series.scalars() else { continue };
            for (i, value) in values.iter().enumerate() {
                let row = scalars.next().expect("a row for each point");
                let number = |column: usize| row[column].parse::<f64>().expect("a number");
                assert_eq!(row[2].parse(), Ok(series.steps()[i]));
                for (found, expected) in [(number(3), series.wall_times()[i]), (number(4), value)] {
                    let is_same = found.to_bits() == expected.to_bits();
                    assert!(is_same || found.is_nan() && expected.is_nan(), "{found} {expected}");
                }
            }
        }
    }
    assert!(scalars.next().is_none());
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    sandbox.check(&names);
}

fn extracts(sandbox: &Sandbox, options: &LoadOptions) {
    let logdir = open(&sandbox.logs());
    let out = sandbox.path("files");
    let done = Extraction::new().run(&[logdir], options, &out);
    let extracted = done.expect("damage is in the report");
    if extracted.files() == 0 {
        return sandbox.check(&["files"]);
    }
    let mut there: BTreeSet<_> = files(&out).into_keys().collect();
    assert!(there.remove(Path::new("index.csv")));
    let index = cells(&out.join("index.csv"));
    assert_eq!(index.len() as u64, extracted.files());
    let named: BTreeSet<_> = index.iter().map(|row| row[0].into()).collect();
    assert_eq!(there, named);
    sandbox.check(&["files"]);
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (what, policy) = (input.below(4), policy(&mut input));
    let logs = Logs::read(&mut input);
    let sandbox = Sandbox::new(data);
    logs.write_to(&sandbox.logs());
    let before = files(&sandbox.logs());
    let options = LoadOptions::new().restart(policy);
    match what {
        0 => {
            let logdir = open(&sandbox.logs());
            for folding in [Folding::Known, Folding::None] {
                RunTable::load(&logdir, &options, &TableOptions::new().folding(folding))
                    .expect("damage is in the report");
            }
            let overview = Overview::load(&logdir, &options).expect("damage is in the report");
            let kept = options.restart(RestartPolicy::KeepAll);
            let loaded = logdir.load(&kept).expect("damage is in the report");
            assert_eq!(overview.runs.len(), loaded.runs.len());
            sandbox.check(&[]);
        }
        1 => extracts(&sandbox, &options),
        _ => exports(&sandbox, &options),
    }
    assert!(before == files(&sandbox.logs()), "the log was changed");
});
