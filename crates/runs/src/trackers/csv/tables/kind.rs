//! The tables that tbx exports, by their columns.

use super::super::sheet::Sheet;

/// A table that tbx exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Kind {
    Scalars,
    Wide,
    Histograms,
    Texts,
    Meta,
    Hparams,
    Runs,
    Tags,
    PrCurves,
    Images,
    Audio,
}

/// A line of the list of tables.
struct Line {
    kind: Kind,
    /// The name of the table, and of its file by default.
    name: &'static str,
    /// The first columns.
    columns: &'static [&'static str],
}

/// Every table, the most specific columns first.
const TABLES: &[Line] = &[
    line(Kind::Scalars, "scalars", &["run", "tag", "step", "wall_time", "value"]),
    line(
        Kind::Histograms,
        "histograms",
        &["run", "tag", "step", "wall_time", "bucket", "left", "right", "count"],
    ),
    line(Kind::Texts, "texts", &["run", "tag", "step", "wall_time", "index", "text"]),
    line(Kind::PrCurves, "pr_curves", &["run", "tag", "step", "wall_time", "threshold"]),
    line(Kind::Images, "images", &["run", "tag", "step", "wall_time", "index", "width"]),
    line(Kind::Audio, "audio", &["run", "tag", "step", "wall_time", "index", "sample_rate"]),
    line(Kind::Wide, "wide", &["run", "step", "wall_time"]),
    line(Kind::Meta, "meta", &["run", "meta"]),
    line(Kind::Hparams, "hparams", &["run", "name", "type", "value", "number"]),
    line(Kind::Runs, "runs", &["run", "start", "duration", "status", "step"]),
    line(Kind::Tags, "tags", &["run", "tag", "kind", "plugin", "data_class"]),
];

const fn line(kind: Kind, name: &'static str, columns: &'static [&'static str]) -> Line {
    Line { kind, name, columns }
}

/// The table in a file.
pub(in super::super) fn kind(sheet: &Sheet) -> Option<Kind> {
    let starts = |line: &&Line| {
        line.columns.iter().zip(&sheet.columns).filter(|(a, b)| *a == b).count()
            == line.columns.len()
    };
    TABLES.iter().find(starts).map(|line| line.kind)
}

/// Whether an export gives this name to a file.
pub(in super::super) fn is_name(name: &str) -> bool {
    let split = name.rsplit_once('.');
    split.is_some_and(|(stem, extension)| {
        matches!(extension, "csv" | "jsonl") && TABLES.iter().any(|line| line.name == stem)
    })
}
