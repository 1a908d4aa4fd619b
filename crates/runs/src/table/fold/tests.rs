//! Directory layouts that libraries and people create, and the runs in them.
//!
//! A layout has one directory per line: its name, a colon, and its contents. Contents are the tags
//! of scalars, parameters such as `lr=0.1`, and other facts in brackets: `[json]` has a `tbx.json`,
//! `[empty]` holds no event files, `[graph]` has a graph, `[unread]` was not requested. The runs
//! use the same format.

use std::collections::BTreeMap;

use super::*;
use crate::table::RunRow;
use crate::table::run_table::fold;
use crate::table::stats::ScalarStats;
use tbx::meta::Param;

const LAYOUTS: &[(&str, &str, &str)] = &[
    // Stages.
    (
        "Keras: one directory per run, and one per stage below it",
        "logs/1: graph=x\nlogs/1/train: loss\nlogs/1/validation: loss\nlogs/2/train: loss\nlogs/2/validation: loss",
        "logs/1: graph=x train/loss validation/loss\nlogs/2: train/loss validation/loss",
    ),
    (
        "Keras: the logdir is the run",
        "train: loss\nvalidation: loss",
        ".: train/loss validation/loss",
    ),
    (
        "Keras: the first run in the logdir itself, later ones below it",
        "train: loss\nvalidation: loss\n2024/train: loss\n2024/validation: loss",
        ".: train/loss validation/loss\n2024: train/loss validation/loss",
    ),
    (
        "Keras without data for validation",
        "a/train: loss\nb/train: loss",
        "a/train: loss\nb/train: loss",
    ),
    (
        "a TensorFlow estimator: its evaluations below the run",
        "model: loss\nmodel/eval: loss\nmodel/eval_other: loss",
        "model: eval/loss eval_other/loss loss",
    ),
    ("TensorFlow object detection", "m/train: loss\nm/eval: loss", "m: eval/loss train/loss"),
    ("TensorFlow object detection, 1.x", ".: loss\neval_0: loss", ".: eval_0/loss loss"),
    (
        "fairseq",
        "train: loss\ntrain_inner: loss\nvalid: loss",
        ".: train/loss train_inner/loss valid/loss",
    ),
    ("CatBoost", "c/learn: loss\nc/test: loss", "c: learn/loss test/loss"),
    (
        "folds",
        "fold_0/train: x\nfold_0/val: x\nfold_1/train: x\nfold_1/val: x",
        "fold_0: train/x val/x\nfold_1: train/x val/x",
    ),
    (
        "Keras Tuner: parameters above, executions below",
        "trial_0: lr=1\ntrial_0/execution0/train: x\ntrial_0/execution0/validation: x",
        "trial_0: lr=1\ntrial_0/execution0: train/x validation/x",
    ),
    ("one stage in a run that logs itself", "run: lr\nrun/test: loss", "run: lr test/loss"),
    (
        "one stage in a run with a tbx.json",
        "run: [empty json] lr=1\nrun/train: loss",
        "run: lr=1 train/loss",
    ),
    (
        "parameters of a run without event files of its own",
        "run: [empty] lr=1\nrun/train: loss\nrun/val: loss",
        "run: lr=1 train/loss val/loss",
    ),
    (
        "a directory without event files and parts is not a run",
        "run: [empty json]\nrun/train: [json] loss",
        "run/train: [json] loss",
    ),
    // Directories that are named like stages, but are runs.
    (
        "Ultralytics",
        "train: loss\ntrain2: loss\ntrain3: loss",
        "train: loss\ntrain2: loss\ntrain3: loss",
    ),
    (
        "Ultralytics, trained and validated twice",
        "train: a\nval: a\ntrain2: a\nval2: a",
        "train: a\ntrain2: a\nval: a\nval2: a",
    ),
    (
        "numbers after a separator, and runs below a number",
        "a/train: x\na/val: x\na/train-2/seed: x",
        "a/train: x\na/train-2/seed: x\na/val: x",
    ),
    (
        "a number below the stage of a run that logs itself",
        ".: x\neval: x\neval_1: x",
        ".: x\neval: x\neval_1: x",
    ),
    (
        "a run called test next to others",
        "exp1: loss\nexp2: loss\ntest: loss",
        "exp1: loss\nexp2: loss\ntest: loss",
    ),
    (
        "train and test next to another run",
        "best: loss\ntest: loss\ntrain: loss",
        "best: loss\ntest: loss\ntrain: loss",
    ),
    ("two names of one stage", "val: loss\nvalid: loss", "val: loss\nvalid: loss"),
    (
        "a name that only starts like a stage",
        "trainer: loss\nvalidation: loss",
        "trainer: loss\nvalidation: loss",
    ),
    (
        "MLflow's runs, imported",
        "d/test: [json] acc lr=2\nd/train: [json] acc lr=1",
        "d/test: [json] acc lr=2\nd/train: [json] acc lr=1",
    ),
    (
        "one of two declares itself a run",
        "d/test: acc\nd/train: [json] acc",
        "d/test: acc\nd/train: [json] acc",
    ),
    ("both have parameters", "test: acc lr=2\ntrain: acc lr=1", "test: acc lr=2\ntrain: acc lr=1"),
    (
        "one of them has the parameters of the run",
        "test: acc\ntrain: acc lr=1",
        ".: lr=1 test/acc train/acc",
    ),
    (
        "a stage with runs below it",
        "exp/train: x\nexp/train/seed_1: x\nexp/val: x",
        "exp/train: x\nexp/train/seed_1: x\nexp/val: x",
    ),
    (
        "a tag that the run already has",
        "run: train/loss\nrun/train: loss",
        "run: train/loss\nrun/train: loss",
    ),
    (
        "another value of a parameter that the run has",
        "run: lr=1\nrun/train: x lr=2",
        "run: lr=1\nrun/train: x lr=2",
    ),
    ("the same value", "run: lr=1\nrun/train: x lr=1", "run: lr=1 train/x"),
    // Lines of `add_scalars`.
    (
        "PyTorch's lines",
        "run: lr\nrun/loss_all_train: loss/all\nrun/loss_all_valid: loss/all\nrun/acc_train: acc",
        "run: acc/train loss/all/train loss/all/valid lr",
    ),
    (
        "PyTorch's lines of a run that logs nothing else, and their parameters",
        "run:\nrun/loss_a: loss\nrun/loss_b: loss\nrun/1700000000.25: hparam/acc lr=1",
        "run: hparam/acc loss/a loss/b lr=1",
    ),
    (
        "tensorboardX's lines, whose names may have slashes",
        ".: lr\nloss/all/a: loss/all\nloss/all/b/c: loss/all\nloss/all/train: loss/all",
        ".: loss/all/a loss/all/b/c loss/all/train lr",
    ),
    (
        "lines without a run above",
        "x/loss_a: loss\nx/loss_b: loss",
        "x/loss_a: loss\nx/loss_b: loss",
    ),
    (
        "lines next to another run",
        ".: lr\nloss_a: loss\nloss_b: loss\nother: loss",
        ".: lr\nloss_a: loss\nloss_b: loss\nother: loss",
    ),
    (
        "a line that the run logs under the same name",
        ".: loss/a\nloss_a: loss\nloss_b: loss",
        ".: loss/a\nloss_a: loss\nloss_b: loss",
    ),
    (
        "a line with a second tag",
        ".: lr\nloss_a: loss\nloss_b: loss acc",
        ".: lr\nloss_a: loss\nloss_b: acc loss",
    ),
    (
        "lines of a stage",
        "run: lr\nrun/train: lr\nrun/train/loss_a: loss\nrun/val: lr",
        "run: lr train/loss/a train/lr val/lr",
    ),
    (
        "lines with the names of stages",
        ".:\nloss/train: loss\nloss/val: loss",
        ".: loss/train loss/val",
    ),
    (
        "stages below a directory with the name of their tag",
        ".:\nloss/train: loss a\nloss/val: loss",
        ".:\nloss: train/a train/loss val/loss",
    ),
    // Sessions of `add_hparams`.
    (
        "PyTorch's and Hugging Face's session",
        "run: loss\nrun/1700000000.25: hparam/acc lr=1",
        "run: hparam/acc loss lr=1",
    ),
    (
        "PyTorch: one writer, several sessions",
        "exp:\nexp/1700000000.25: acc lr=1\nexp/1700000001.5: acc lr=2",
        "exp/1700000000.25: acc lr=1\nexp/1700000001.5: acc lr=2",
    ),
    (
        "the same, if the writer logs more",
        "exp: loss\nexp/1700000000.25: acc lr=1\nexp/1700000001.5: acc lr=2",
        "exp: loss\nexp/1700000000.25: acc lr=1\nexp/1700000001.5: acc lr=2",
    ),
    ("a session without a run above", "s/1700000000.25: acc lr=1", "s/1700000000.25: acc lr=1"),
    ("a time without parameters", ".: x\n1700000000.25: acc", ".: x\n1700000000.25: acc"),
    (
        "a session that contradicts the run",
        ".: lr=1\n1700000000.25: acc lr=2",
        ".: lr=1\n1700000000.25: acc lr=2",
    ),
    // Runs in directories that hold nothing themselves, or only the description of an experiment.
    (
        "Lightning, Stable-Baselines3 and tianshou",
        "l/version_0: x\nl/version_1: x\nPPO_1: x\nPPO_2: x",
        "PPO_1: x\nPPO_2: x\nl/version_0: x\nl/version_1: x",
    ),
    (
        "OpenMMLab",
        "cfg/20240101/vis_data: x\ncfg/20240102/vis_data: x",
        "cfg/20240101/vis_data: x\ncfg/20240102/vis_data: x",
    ),
    (
        "TensorFlow's experiment of several trials",
        ".:\nrun-0: acc lr=1\nrun-1: acc lr=2",
        "run-0: acc lr=1\nrun-1: acc lr=2",
    ),
    ("a graph counts as data", ".: [graph]\na: x\nb: x", ".: [graph]\na: x\nb: x"),
    ("no data yet, and no directories below", ".:", ".:"),
    // Only some of the directories were requested.
    (
        "one of two stages was requested",
        "a/train: [unread]\na/validation: loss",
        "a: validation/loss",
    ),
    ("one of several runs was requested", "train: loss\ntrain2: [unread]", "train: loss"),
    (
        "one of several sessions was requested",
        "e: x\ne/1700000000.25: acc lr=1\ne/1700000001.5: [unread]",
        "e: x\ne/1700000000.25: acc lr=1",
    ),
    (
        "one of several lines was requested",
        ".: [unread]\nloss_a: loss\nloss_b: [unread]",
        ".: loss/a",
    ),
    (
        "a line next to a run that was not requested",
        ".: lr\nloss_a: loss\nother: [unread]",
        ".: lr\nloss_a: loss",
    ),
    (
        "a stage next to a run that was not requested",
        "test: loss\ntrain: [unread json]",
        "test: loss",
    ),
];

/// Parses a line of a layout into a directory and its row.
fn directory(line: &str) -> (Directory, RunRow) {
    let (name, content) = line.split_once(':').unwrap();
    let (facts, content) = match content.split_once('[') {
        Some((_, rest)) => rest.split_once(']').unwrap(),
        None => ("", content),
    };
    let is = |fact: &str| facts.split_whitespace().any(|found| found == fact);
    let (params, tags): (Vec<_>, Vec<_>) =
        content.split_whitespace().partition(|word| word.contains('='));
    let params = params.iter().map(|param| param.split_once('=').unwrap());
    let params = params.map(|(name, value)| (name.to_owned(), Param::from(value)));
    let params: BTreeMap<String, Param> = params.collect();
    let directory = Directory {
        name: name.into(),
        has_logs: !is("empty"),
        is_read: !is("unread"),
        is_run: is("json"),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        params: params.clone(),
        has_data: !tags.is_empty() || is("graph"),
    };
    let metrics = tags.iter().map(|tag| ((*tag).into(), ScalarStats::OF_ONE_POINT)).collect();
    (directory, RunRow { name: name.into(), metrics, params, ..RunRow::default() })
}

/// The folded rows of a layout, in the same format.
fn folded(layout: &str) -> Vec<String> {
    let (all, rows): (Vec<_>, Vec<_>) = layout.lines().map(directory).unzip();
    let parts = Parts::among(&all.iter().collect::<Vec<_>>());
    let (read, unread): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.is_read);
    let rows = rows.into_iter().filter(|row| unread.iter().all(|one| one.name != row.name));
    fold(rows.collect(), &read, &parts).iter().map(text).collect()
}

fn text(row: &RunRow) -> String {
    let params = row.params.iter().map(|(name, value)| format!("{name}={value}"));
    let mut words: Vec<_> = row.metrics.keys().map(ToString::to_string).chain(params).collect();
    words.sort();
    format!("{}: {}", row.name, words.join(" "))
}

#[test]
fn layouts_have_the_runs_that_people_see_in_them() {
    for (title, layout, runs) in LAYOUTS {
        let runs: Vec<_> = runs.lines().map(|line| text(&directory(line).1)).collect();
        assert_eq!(folded(layout), runs, "{title}");
        // The order of the directories does not matter.
        let reversed: Vec<_> = layout.lines().rev().collect();
        assert_eq!(folded(&reversed.join("\n")), runs, "{title}, reversed");
        // Nor does a directory around all.
        let inside = |text: &str| {
            let lines = text.lines().map(|line| match line.strip_prefix(".:") {
                Some(content) => format!("around/it:{content}"),
                None => format!("around/it/{line}"),
            });
            lines.collect::<Vec<_>>().join("\n")
        };
        let around: Vec<_> = inside(&runs.join("\n")).lines().map(str::to_owned).collect();
        assert_eq!(folded(&inside(layout)), around, "{title}, in a directory");
    }
}

#[test]
fn nothing_is_lost_by_folding() {
    for (title, layout, _) in LAYOUTS {
        let (all, rows): (Vec<_>, Vec<_>) = layout.lines().map(directory).unzip();
        if all.iter().any(|one| !one.is_read || !one.has_logs) {
            continue;
        }
        let parts = Parts::among(&all.iter().collect::<Vec<_>>());
        let count = |rows: &[RunRow]| {
            let values = |row: &RunRow| row.metrics.len() + row.params.len();
            rows.iter().map(values).sum::<usize>()
        };
        let before = count(&rows);
        let folded = fold(rows, &all, &parts);
        // Only parameters with the same value may be merged.
        let least = before - usize::from(*title == "the same value");
        assert_eq!(count(&folded), least, "{title}");
    }
}

#[test]
fn each_directory_is_a_run_of_its_own_if_that_is_wanted() {
    for (title, layout, _) in LAYOUTS {
        let (all, rows): (Vec<_>, Vec<_>) = layout.lines().map(directory).unzip();
        let expected = all.iter().filter(|one| one.has_logs && one.is_read).count();
        let (all, rows): (Vec<_>, Vec<_>) =
            all.into_iter().zip(rows).filter(|(one, _)| one.is_read).unzip();
        let parts = Parts { of: HashMap::new(), folding: Folding::None };
        assert_eq!(fold(rows, &all, &parts).len(), expected, "{title}");
    }
}

#[test]
fn the_directories_that_were_folded_are_named() {
    let layout = "run: lr\nrun/train: lr\nrun/train/loss_a: loss\nrun/val: lr";
    let (all, rows): (Vec<_>, Vec<_>) = layout.lines().map(directory).unzip();
    let folded = fold(rows, &all, &Parts::among(&all.iter().collect::<Vec<_>>()));
    assert_eq!(folded[0].parts, ["run/train", "run/val", "run/train/loss_a"]);
}

/// Directories in a log may have any names.
#[test]
fn many_directories_and_deep_ones_are_decided_on() {
    let names = (0..20_000).map(|i| format!("eval_{i}: x"));
    let layout = names.collect::<Vec<_>>().join("\n");
    assert_eq!(folded(&layout).len(), 20_000);
    let deep = vec!["train"; 2_000].join("/");
    assert_eq!(folded(&format!("{deep}: x")).len(), 1);
}
