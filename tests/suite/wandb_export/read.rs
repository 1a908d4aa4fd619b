//! The content of an offline directory, read by tbx and by the package's own reader.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use serde_json::Value;
use tbx::wandb::block::{Found, Records};
use tbx::wandb::items::Item;
use tbx::wandb::record::{Content, Record};
use tbx::wandb::run::Run;

use super::server::loose;

/// The content of an offline directory.
#[derive(Debug, Default)]
pub(super) struct Offline {
    pub(super) run: Run,
    pub(super) config: BTreeMap<String, Value>,
    /// Values by key; the names of nested objects are joined by a dot.
    pub(super) rows: Vec<BTreeMap<String, Value>>,
    pub(super) summary: BTreeMap<String, Value>,
    /// The x axes of keys.
    pub(super) axes: BTreeMap<String, String>,
    pub(super) files: Vec<String>,
    pub(super) console: String,
    pub(super) artifacts: Vec<tbx::wandb::artifact::Artifact>,
    pub(super) exit_code: Option<i32>,
}

fn add(to: &mut BTreeMap<String, Value>, items: &[Item]) {
    for item in items {
        let key = if item.nested_key.is_empty() { &item.key } else { &item.nested_key.join(".") };
        to.insert(key.clone(), loose(&item.value_json));
    }
}

/// The file with the records.
pub(super) fn file(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|end| end == "wandb"));
    files.next().unwrap()
}

/// The directories of runs in `out`, sorted.
pub(super) fn directories(out: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = all.filter(|path| path.is_dir()).collect();
    all.sort();
    all
}

impl Offline {
    pub(super) fn read(dir: &Path) -> Self {
        let mut records = Records::new(File::open(file(dir)).unwrap()).unwrap();
        let (mut all, mut num) = (Self::default(), 0);
        while let Some(found) = records.next().unwrap() {
            let Found::Record { bytes, .. } = found else { panic!("{found:?}") };
            let record = Record::decode(bytes).unwrap();
            num += 1;
            assert_eq!(record.num, num);
            match record.content.unwrap() {
                Content::Run(run) => {
                    add(&mut all.config, &run.config.as_ref().unwrap().update);
                    all.run = *run;
                }
                Content::Config(config) => add(&mut all.config, &config.update),
                Content::History(history) => {
                    let mut row = BTreeMap::new();
                    for item in history.item {
                        row.insert(item.nested_key.join("."), loose(&item.value_json));
                    }
                    assert_eq!(row["_step"], history.step.unwrap().num);
                    all.rows.push(row);
                }
                Content::Summary(summary) => add(&mut all.summary, &summary.update),
                Content::Metric(metric) => {
                    all.axes.insert(metric.name, metric.step_metric);
                }
                Content::Files(files) => all.files.extend(files.files.into_iter().map(|f| f.path)),
                Content::OutputRaw(output) => all.console += &output.line,
                Content::Artifact(artifact) => all.artifacts.push(*artifact),
                Content::Exit(exit) => all.exit_code = Some(exit.exit_code),
                Content::Header(_) | Content::Environment(_) | Content::Stats(_) => {}
                other => panic!("{other:?}"),
            }
        }
        for path in &all.files {
            assert!(dir.join("files").join(path).is_file(), "{path}");
        }
        all
    }

    /// The values of a key, by step.
    pub(super) fn values(&self, key: &str) -> Vec<(i64, Value)> {
        let value = |row: &BTreeMap<String, Value>| {
            Some((row["global_step"].as_i64().unwrap(), row.get(key)?.clone()))
        };
        self.rows.iter().filter_map(value).collect()
    }
}

/// The output of the package's own reader for a directory.
#[derive(Debug, Default)]
pub(super) struct Leet {
    pub(super) rows: Vec<BTreeMap<String, Value>>,
    pub(super) summary: Value,
}

impl Leet {
    pub(super) fn read(core: &Path, dir: &Path) -> Self {
        let inspect = |more: &[&str]| {
            let mut command = Command::new(core);
            command.args(["leet", "inspect", "-no-observability", "-json"]).args(more);
            let output = command.arg("-run-file").arg(file(dir)).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{said}");
            String::from_utf8(output.stdout).unwrap()
        };
        let mut rows = Vec::new();
        for line in inspect(&[]).lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            if record["type"] == "history" {
                let items = record["history"]["item"].as_object().unwrap().clone();
                rows.push(items.into_iter().collect());
            }
        }
        let summary = serde_json::from_str(&inspect(&["-summary"])).unwrap();
        Self { rows, summary }
    }
}
