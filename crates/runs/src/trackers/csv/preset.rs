//! The programs whose CSV files are known: how each file is recognized, and what its columns are.

use super::clock::Times;

/// Where the steps of rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Steps<C = &'static str> {
    /// A column.
    Column(C),
    /// The sum of a column up to the row; the column is a value, too.
    Sum(C),
}

/// A program's file.
#[derive(Debug)]
pub(super) struct Preset {
    /// The name of the program, for people.
    pub(super) title: &'static str,
    /// The ends of the names of its files in lower case; empty if people choose the name.
    files: &'static [&'static str],
    /// Columns that its files have.
    columns: &'static [&'static str],
    /// Whether the first of `columns` is the first one of the file.
    is_first: bool,
    /// Whether the first line is `#` and an object with the time of the start.
    has_start: bool,
    pub(super) steps: Steps,
    pub(super) times: Times,
    /// Files next to it with parameters, in YAML.
    pub(super) params: &'static [&'static str],
}

/// Every preset, the most specific one first.
///
/// Facts: files that these programs wrote, or their source: Stable-Baselines3 2.9 (`common/monitor.py`,
/// `common/logger.py`), Ultralytics 8.4 (`engine/trainer.py`), fastai 2.8 (`callback/progress.py`), Lightning 2.6
/// (`fabric/loggers/csv_logs.py`, `pytorch/loggers/csv_logs.py`), Keras 3.15 (`callbacks/csv_logger.py`).
const PRESETS: &[Preset] = &[
    Preset {
        title: "Stable-Baselines3 (monitor.csv)",
        files: &["monitor.csv"],
        columns: &["r", "l", "t"],
        is_first: true,
        has_start: true,
        steps: Steps::Sum("l"),
        times: Times::SinceStart("t"),
        params: &[],
    },
    Preset {
        title: "Stable-Baselines3 (progress.csv)",
        files: &["progress.csv"],
        columns: &["time/total_timesteps"],
        is_first: false,
        has_start: false,
        steps: Steps::Column("time/total_timesteps"),
        times: Times::Elapsed("time/time_elapsed"),
        params: &[],
    },
    Preset {
        title: "Ultralytics (results.csv)",
        files: &["results.csv"],
        columns: &["epoch"],
        is_first: true,
        has_start: false,
        steps: Steps::Column("epoch"),
        times: Times::Elapsed("time"),
        params: &["args.yaml"],
    },
    Preset {
        title: "fastai (history.csv)",
        files: &["history.csv"],
        columns: &["epoch", "train_loss"],
        is_first: true,
        has_start: false,
        steps: Steps::Column("epoch"),
        times: Times::Each("time"),
        params: &[],
    },
    Preset {
        title: "Lightning (metrics.csv)",
        files: &["metrics.csv"],
        columns: &["step"],
        is_first: false,
        has_start: false,
        steps: Steps::Column("step"),
        times: Times::None,
        params: &["hparams.yaml"],
    },
    Preset {
        title: "Keras (CSVLogger)",
        files: &[],
        columns: &["epoch"],
        is_first: true,
        has_start: false,
        steps: Steps::Column("epoch"),
        times: Times::None,
        params: &[],
    },
];

/// The preset for a file with this name, these columns, and a first line with a start or not.
pub(super) fn find(name: &str, columns: &[String], has_start: bool) -> Option<&'static Preset> {
    let name = name.to_lowercase();
    PRESETS.iter().find(|preset| {
        (preset.files.is_empty() || preset.files.iter().any(|file| name.ends_with(file)))
            && preset.has_start == has_start
            && preset.columns.iter().all(|column| columns.iter().any(|name| name == column))
            && (!preset.is_first
                || columns.first().map(String::as_str) == preset.columns.first().copied())
    })
}

/// Whether a program gives this name to its files.
pub(super) fn is_name(name: &str) -> bool {
    let name = name.to_lowercase();
    PRESETS.iter().flat_map(|preset| preset.files).any(|file| name.ends_with(file))
}

/// The titles of all presets, for messages.
pub(super) fn titles() -> String {
    let titles: Vec<_> = PRESETS.iter().map(|preset| preset.title).collect();
    titles.join(", ")
}
