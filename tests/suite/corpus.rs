//! Event files written by other programs, compared with the results of TensorBoard's own loaders.
//!
//! The corpus is not part of the repository. `TBX_CORPUS` gives its path; otherwise it is looked
//! for next to the repository. Its README explains the numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tbx::{Kind, LoadOptions, Loaded, RestartPolicy, TimeSeries};

use crate::common::{digest, load, repository};

/// An intended difference between tbx and the corpus: directory, run, tags (none: all tags of the
/// run), and the reason.
type Intended = (&'static str, &'static str, &'static [&'static str], &'static str);

/// Data that tbx reads and RustBoard does not show.
const BEYOND_RUSTBOARD: &[Intended] = &[
    ("gh-lhwright13--TensorBoard-Flight-Analysis", FLIGHTS, FLIGHT, NO_CLASS),
    ("gh-shekkizh--TensorflowProjects", MOMENTUM, &[], SILENT),
    ("made-jax", "flax", &["tensor"], NO_CLASS),
    ("made-tbx265", "tbx_all", &["vid"], NO_CLASS),
    ("made-tf221", "tf1_filewriter/test", &["tens"], NO_CLASS),
    ("made-tf221", "tf1_filewriter/train", &["tens"], NO_CLASS),
    ("made-tf221", "tf1_odd", &["notvalue"], NO_CLASS),
    ("made-tf221", "tf2_all/run_a", CUSTOM, NO_CLASS),
    ("made-torch215", "torch_all", &["tens", "vid"], NO_CLASS),
    ("made-torch215", "torch_all", &["loss/dbl"], DOUBLE),
];

/// Data that tbx reads and TensorBoard's Python loader does not show.
const BEYOND_TENSORBOARD: &[Intended] = &[
    ("gh-lhwright13--TensorBoard-Flight-Analysis", FLIGHTS, FLIGHT, NO_PAYLOAD),
    ("gh-shekkizh--TensorflowProjects", MOMENTUM, &[], SILENT),
    ("made-jax", "flax", &[], FAILS),
    ("made-tbx265", "tbx_all", &["vid"], NO_PAYLOAD),
    ("made-tf221", "tf1_odd", &["notvalue"], NO_PAYLOAD),
    ("made-torch215", "torch_all", &["vid"], NO_PAYLOAD),
];

const FLIGHTS: &str = "src/frontend/test_logs";
const FLIGHT: &[&str] =
    &["flight/agent_0/episode", "flight/agent_1/episode", "flight/agent_2/episode"];
const MOMENTUM: &str = "logs/NeuralArtist_logs/runMomemntumOptimizer";
const CUSTOM: &[&str] =
    &["custom/bf16", "custom/bool", "custom/double", "custom/half", "custom/tensor"];

const NO_CLASS: &str = "RustBoard stores no series without a data class: one of a plugin that \
    it does not know, or of none. tbx keeps them as tensors.";
const DOUBLE: &str = "RustBoard drops scalars that are not float32. tbx widens them.";
const NO_PAYLOAD: &str = "TensorBoard drops values that are metadata only, except for hparams. tbx \
    counts them as points.";
const FAILS: &str = "TensorBoard's own loader fails with a KeyError on this run.";
const SILENT: &str = "The corpus describes this run's file, which is sound, but not the run.";

/// Keys of the facts in `found` that `intended` covers; each must be a difference.
fn intended_keys(intended: &[Intended], expected: &Facts, found: &Facts) -> Vec<String> {
    let mut keys = Vec::new();
    for (folder, run, tags, reason) in intended {
        let names: Vec<_> = tags.iter().map(|tag| format!("{folder} {run} {tag:?}")).collect();
        let of_row = |key: &&String| match tags.is_empty() {
            true => key.starts_with(&format!("{folder} {run} \"")),
            false => names.contains(key),
        };
        let row: Vec<_> = found.keys().filter(of_row).cloned().collect();
        assert!(row.len() >= tags.len().max(1), "{folder} {run}: no longer there: {reason}");
        for key in &row {
            assert_ne!(expected.get(key), found.get(key), "no longer a difference: {reason}");
        }
        keys.extend(row);
    }
    keys
}

/// The corpus, if there is one.
pub(crate) fn corpus() -> Option<PathBuf> {
    let beside = || repository("../shared/corpus");
    let corpus = std::env::var_os("TBX_CORPUS").map_or_else(beside, PathBuf::from);
    if corpus.join("oracle").is_dir() {
        return Some(corpus);
    }
    eprintln!("skipped: corpus: {} does not exist", corpus.display());
    None
}

/// Calls `compare` with the name, the files and the oracle of each directory that has an oracle.
fn for_each_folder(suffix: &str, mut compare: impl FnMut(&str, &Path, &Value)) {
    let Some(corpus) = corpus() else { return };
    let mut folders: Vec<_> = corpus.join("files").read_dir().unwrap().flatten().collect();
    folders.sort_by_key(|folder| folder.file_name());
    for folder in folders {
        let name = folder.file_name().into_string().unwrap();
        let Ok(text) = std::fs::read_to_string(corpus.join(format!("oracle/{name}{suffix}")))
        else {
            continue; // data of other programs, without event files
        };
        compare(&name, &folder.path(), &serde_json::from_str(&text).unwrap());
    }
}

/// Facts by their subject.
type Facts = BTreeMap<String, String>;

/// Fails with all differences except the intended ones.
#[track_caller]
fn assert_alike(expected: &Facts, found: &Facts, intended: &[Intended]) {
    if expected.is_empty() {
        return; // there is no corpus
    }
    let intended = intended_keys(intended, expected, found);
    let mut differences = Vec::new();
    for key in expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key))) {
        let (expected, found) = (expected.get(key), found.get(key));
        if expected != found && !intended.contains(key) {
            differences.push(format!("{key}:\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    let n = differences.len();
    assert!(differences.is_empty(), "{n} differences\n{}", differences.join("\n"));
}

fn object<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value[key].as_object().into_iter().flatten()
}

#[test]
fn every_file_of_the_corpus_has_the_records_that_tensorboard_reads() {
    let (mut expected, mut found) = (Facts::new(), Facts::new());
    for_each_folder(".json", |name, files, oracle| {
        for (path, file) in object(oracle, "files") {
            let framing = &file["framing"];
            let left = framing.get("left").and_then(Value::as_u64).unwrap_or(0);
            expected.insert(
                format!("{name} {path}"),
                format!(
                    "{} records up to {}, {left} bytes left",
                    framing["records"], framing["offset"]
                ),
            );
        }
        let loaded = load(files, &LoadOptions::new());
        for (run, file) in
            loaded.runs.iter().flat_map(|run| run.files.iter().map(move |f| (run, f)))
        {
            let path = if run.name == "." {
                file.name.clone()
            } else {
                format!("{}/{}", run.name, file.name)
            };
            let end = file.bytes - file.pending_bytes;
            found.insert(
                format!("{name} {path}"),
                format!("{} records up to {end}, {} bytes left", file.events, file.pending_bytes),
            );
        }
        for issue in &loaded.report.issues {
            found.insert(format!("{name} {}", issue.location), issue.to_string());
        }
    });
    assert_alike(&expected, &found, &[]);
}

#[test]
fn every_series_of_the_corpus_has_the_points_that_tensorboard_reads() {
    let (mut expected, mut found) = (Facts::new(), Facts::new());
    for_each_folder(".json", |name, files, oracle| {
        // A run for which the oracle describes only the file.
        let file_of = |(path, facts): (&String, _)| {
            let run = path.rsplit_once('/').map_or(".", |(run, _)| run).to_owned();
            oracle["runs"].get(&run).is_none().then_some((run, facts))
        };
        let alone = object(oracle, "files").filter_map(file_of);
        let runs = object(oracle, "runs").map(|(run, facts)| (run.clone(), facts));
        for (run, facts) in runs.chain(alone) {
            for (tag, series) in object(facts, "tags") {
                let time = |key: &str| hex_float(series[key].as_str().unwrap());
                let digest = series["sha256_f64"].as_str().unwrap_or_default();
                expected.insert(
                    format!("{name} {run} {tag:?}"),
                    format!(
                        "{} of {:?}, steps {} to {} in {} to {}, times {} to {} {digest}",
                        series["count"],
                        series["plugin"].as_str().unwrap_or_default(),
                        series["first_step"],
                        series["last_step"],
                        series["min_step"],
                        series["max_step"],
                        time("first_wall_hex"),
                        time("last_wall_hex"),
                    ),
                );
            }
        }
        insert_series(&mut found, name, &load_by(files, RestartPolicy::KeepAll), |series| {
            let (steps, times) = (series.steps(), series.wall_times());
            let last = steps.len() - 1;
            let digest =
                if series.kind() == Kind::Scalar { digest([series]) } else { String::new() };
            format!(
                "{} of {:?}, steps {} to {} in {} to {}, times {} to {} {digest}",
                steps.len(),
                series.metadata().plugin,
                steps[0],
                steps[last],
                steps.iter().min().unwrap(),
                steps.iter().max().unwrap(),
                times[0],
                times[last],
            )
        });
    });
    assert_alike(&expected, &found, &[]);
}

#[test]
fn the_policy_tensorboard_keeps_what_tensorboard_keeps_of_the_corpus() {
    let (mut expected, mut found) = (Facts::new(), Facts::new());
    for_each_folder(".json", |name, files, oracle| {
        for (run, facts) in object(oracle, "runs") {
            for (tag, series) in object(facts, "tb") {
                let digest = series["sha256"].as_str().unwrap_or_default();
                expected.insert(
                    format!("{name} {run} {tag:?}"),
                    format!("{} {digest}", series["count"]),
                );
            }
        }
        insert_series(&mut found, name, &load_by(files, RestartPolicy::Tensorboard), |series| {
            format!("{} {}", series.len(), digest_f32(series))
        });
    });
    assert_alike(&expected, &found, BEYOND_TENSORBOARD);
}

#[test]
fn the_policy_rustboard_keeps_what_rustboard_serves_of_the_corpus() {
    let (mut expected, mut found) = (Facts::new(), Facts::new());
    for_each_folder(".rustboard.json", |name, files, oracle| {
        for (run, facts) in object(oracle, "runs") {
            for (tag, series) in facts.as_object().unwrap() {
                let digest = series["sha256"].as_str().unwrap_or_default();
                expected.insert(
                    format!("{name} {run} {tag:?}"),
                    format!(
                        "{} of {:?}, steps {} to {} {digest}",
                        series["count"],
                        series["plugin"].as_str().unwrap(),
                        series["first_step"],
                        series["last_step"],
                    ),
                );
            }
        }
        insert_series(&mut found, name, &load_by(files, RestartPolicy::Rustboard), |series| {
            let steps = series.steps();
            format!(
                "{} of {:?}, steps {} to {} {}",
                steps.len(),
                series.metadata().plugin,
                steps[0],
                steps[steps.len() - 1],
                digest_f32(series),
            )
        });
    });
    assert_alike(&expected, &found, BEYOND_RUSTBOARD);
}

fn load_by(files: &Path, policy: RestartPolicy) -> Loaded {
    load(files, &LoadOptions::new().restart(policy))
}

/// Records the `fact` of each series. Those of several series with one tag are concatenated.
fn insert_series(
    facts: &mut Facts,
    folder: &str,
    loaded: &Loaded,
    fact: impl Fn(&TimeSeries) -> String,
) {
    for (run, series) in loaded.runs.iter().flat_map(|run| run.series.iter().map(move |s| (run, s)))
    {
        let run = &run.name;
        let entry = facts.entry(format!("{folder} {run} {:?}", series.tag())).or_default();
        *entry += &fact(series);
    }
}

/// The digest with values as float32; empty if the series is not scalar.
fn digest_f32(series: &TimeSeries) -> String {
    let Some(scalars) = series.scalars() else { return String::new() };
    let mut digest = Sha256::new();
    for (i, value) in scalars.iter().enumerate() {
        digest.update(series.steps()[i].to_le_bytes());
        digest.update(series.wall_times()[i].to_le_bytes());
        let value = if value.is_nan() { f32::from_bits(0x7fc0 << 16) } else { value as f32 };
        digest.update(value.to_le_bytes());
    }
    tbx::digest::hex(digest.finalize())
}

/// Parses a float in the format of Python's `float.hex`.
fn hex_float(text: &str) -> f64 {
    let (mantissa, exponent) = text.trim_start_matches("0x").split_once('p').unwrap();
    let (int, fraction) = mantissa.split_once('.').unwrap();
    let fraction = u64::from_str_radix(&format!("{fraction:0<13}"), 16).unwrap();
    let bits = int.parse::<u64>().unwrap() << 52 | fraction;
    bits as f64 * 2f64.powi(exponent.parse::<i32>().unwrap() - 52)
}
