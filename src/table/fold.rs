//! Directories that are parts of one run.
//!
//! TensorBoard's runs are directories, and several libraries spread what a person calls a run
//! over some:
//!
//! - Keras and TensorFlow's estimators: `train`, `validation`, `eval` below the run's directory,
//!   which itself may hold no event file (`keras/src/callbacks/tensorboard.py`, `_train_dir`).
//! - PyTorch's `add_scalars`: `<main tag with / as _>_<name>` with the one tag `<main tag>`
//!   (`torch/utils/tensorboard/writer.py`); tensorboardX: `<main tag>/<name>`.
//! - PyTorch's `add_hparams`: a directory named after the time, with the parameters and the
//!   metrics' last values.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;

use super::RunRow;

/// Whether directories are folded into the run that they are a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Folding {
    /// `train`, `validation`, `eval` and the like, and those that PyTorch's `add_scalars` and
    /// `add_hparams` make.
    #[default]
    Known,
    /// A row a directory, as in TensorBoard.
    None,
}

/// Directories that hold a part of their parent's scalars.
const PARTS: [&str; 8] =
    ["train", "training", "validation", "val", "valid", "eval", "evaluation", "test"];

/// What becomes of a directory.
enum Part {
    /// It is a run.
    Run,
    /// A part of the run of this name; its tags are renamed.
    Of { parent: String, rename: Rename },
}

#[derive(Debug)]
enum Rename {
    /// Tags have this before them.
    Prefix(String),
    /// The only tag has this behind it.
    Line(String),
    /// Tags stay.
    Keep,
}

/// Of which run each directory is a part, and what its tags are called there.
#[cfg(feature = "mlflow")]
#[derive(Debug, Default)]
pub(crate) struct Parts(HashMap<String, (String, Rename)>);

#[cfg(feature = "mlflow")]
impl Parts {
    /// Of directories with these rows.
    pub(crate) fn of(rows: &[RunRow], folding: Folding) -> Self {
        let names: BTreeSet<String> = rows.iter().map(|row| row.name.clone()).collect();
        let rows = rows.iter().filter(|_| folding == Folding::Known);
        let of_row = |row: &RunRow| match part(row, &names) {
            Part::Run => None,
            Part::Of { parent, rename } => Some((row.name.clone(), (parent, rename))),
        };
        Self(rows.filter_map(of_row).collect())
    }

    /// The run that the directory `name` is or belongs to, and the name of its tag `tag` there.
    pub(crate) fn place(&self, name: &str, tag: &str) -> (String, String) {
        let (mut run, mut tag) = (name.to_owned(), tag.to_owned());
        // Each is above the last one, so this ends.
        while let Some((parent, rename)) = self.0.get(&run) {
            tag = rename.of(&tag);
            run.clone_from(parent);
        }
        (run, tag)
    }
}

/// Folds `rows`, which are sorted by name.
pub(super) fn fold(rows: Vec<RunRow>) -> Vec<RunRow> {
    let names: BTreeSet<String> = rows.iter().map(|row| row.name.clone()).collect();
    let mut runs: BTreeMap<String, RunRow> = BTreeMap::new();
    let mut parts = Vec::new();
    for row in rows {
        match part(&row, &names) {
            Part::Run => drop(runs.insert(row.name.clone(), row)),
            Part::Of { parent, rename } => parts.push((parent, rename, row)),
        }
    }
    // The deepest first: a part of a part reaches the run through that.
    parts.sort_by(|(a, ..), (b, ..)| depth(b).cmp(&depth(a)).then_with(|| a.cmp(b)));
    let mut places: HashMap<String, usize> = HashMap::new();
    for (i, (_, _, row)) in parts.iter().enumerate() {
        places.insert(row.name.clone(), i);
    }
    for i in 0..parts.len() {
        let Some((parent, rename, row)) = parts.get_mut(i) else { break };
        let (parent, row) = (mem::take(parent), renamed(mem::take(row), rename));
        let above = places.get(&parent).and_then(|place| parts.get_mut(*place));
        match above {
            Some((_, _, above)) => merge(above, row),
            None => {
                let run = runs.entry(parent.clone());
                merge(run.or_insert_with(|| RunRow { name: parent, ..RunRow::default() }), row);
            }
        }
    }
    runs.into_values().collect()
}

/// What `row` is, among the runs `names`.
fn part(row: &RunRow, names: &BTreeSet<String>) -> Part {
    let (parent, last) = split(&row.name);
    let only_tag = row.metrics.keys().next().filter(|_| row.metrics.len() == 1);
    let line_of = |tag: &Arc<str>| line(&row.name, parent, last, tag, names);
    let only_tag = only_tag.filter(|_| row.params.is_empty() && row.name != ".");
    if let Some(line) = only_tag.and_then(line_of) {
        return line;
    }
    if PARTS.contains(&last) {
        return Part::Of { parent: parent.into(), rename: Rename::Prefix(format!("{last}/")) };
    }
    if names.contains(parent) && row.name != "." && !row.params.is_empty() && is_time(last) {
        return Part::Of { parent: parent.into(), rename: Rename::Keep };
    }
    Part::Run
}

/// A directory of `add_scalars`, whose one tag is `tag`.
fn line(name: &str, parent: &str, last: &str, tag: &str, names: &BTreeSet<String>) -> Option<Part> {
    // PyTorch: <run>/<tag with / as _>_<line>.
    let torch = last.strip_prefix(&tag.replace('/', "_")).and_then(|rest| rest.strip_prefix('_'));
    if let Some(line) = torch.filter(|line| !line.is_empty() && names.contains(parent)) {
        return Some(Part::Of { parent: parent.into(), rename: Rename::Line(line.into()) });
    }
    // tensorboardX: <run>/<tag>/<line>, where the tag may be several directories.
    let run = parent.strip_suffix(tag)?;
    let run = if run.is_empty() { "." } else { run.strip_suffix('/')? };
    let (run, line) = (names.contains(run).then_some(run)?, name.rsplit('/').next()?);
    Some(Part::Of { parent: run.into(), rename: Rename::Line(line.into()) })
}

/// The parent directory's name and the last part.
fn split(name: &str) -> (&str, &str) {
    let separator = |c: char| c == '/' || c == std::path::MAIN_SEPARATOR;
    match name.rfind(separator) {
        Some(at) => {
            let (parent, last) = name.split_at(at);
            (parent, last.trim_start_matches(separator))
        }
        None => (".", name),
    }
}

fn depth(name: &str) -> usize {
    if name == "." { 0 } else { 1 + name.matches(['/', std::path::MAIN_SEPARATOR]).count() }
}

/// Whether `name` is a time as Python's `str(time.time())` writes it.
fn is_time(name: &str) -> bool {
    name.contains('.')
        && name.chars().all(|c| c.is_ascii_digit() || c == '.')
        && name.parse::<f64>().is_ok_and(|secs| secs > 1e9)
}

impl Rename {
    fn of(&self, tag: &str) -> String {
        match self {
            Self::Prefix(prefix) => format!("{prefix}{tag}"),
            Self::Line(line) => format!("{tag}/{line}"),
            Self::Keep => tag.to_owned(),
        }
    }
}

fn renamed(mut row: RunRow, rename: &Rename) -> RunRow {
    let name = |tag: Arc<str>| -> Arc<str> { rename.of(&tag).into() };
    let metrics = mem::take(&mut row.metrics).into_iter();
    row.metrics = metrics.map(|(tag, stats)| (name(tag), stats)).collect();
    let curves = mem::take(&mut row.curves).into_iter();
    row.curves = curves.map(|(tag, curve)| (name(tag), curve)).collect();
    row
}

/// Adds what `part` has to `run`. What the run has itself stays.
fn merge(run: &mut RunRow, part: RunRow) {
    run.parts.push(part.name);
    run.parts.extend(part.parts);
    run.start_time = [run.start_time, part.start_time].into_iter().flatten().reduce(f64::min);
    run.end_time = [run.end_time, part.end_time].into_iter().flatten().reduce(f64::max);
    run.last_step = run.last_step.max(part.last_step);
    run.status = run.status.or(part.status);
    for (name, value) in part.params {
        run.params.entry(name).or_insert(value);
    }
    for (tag, stats) in part.metrics {
        run.metrics.entry(tag).or_insert(stats);
    }
    for (tag, curve) in part.curves {
        run.curves.entry(tag).or_insert(curve);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Param;
    use crate::table::stats::ScalarStats;

    const STATS: ScalarStats = ScalarStats {
        count: 1,
        first: 0.5,
        last: 0.5,
        min: 0.5,
        max: 0.5,
        mean: 0.5,
        first_step: 0,
        last_step: 0,
        min_step: 0,
        max_step: 0,
        nan: 0,
        inf: 0,
    };

    fn row(name: &str, tags: &[&str], params: &[&str]) -> RunRow {
        RunRow {
            name: name.into(),
            metrics: tags.iter().map(|tag| ((*tag).into(), STATS)).collect(),
            params: params.iter().map(|name| ((*name).into(), Param::Bool(true))).collect(),
            ..RunRow::default()
        }
    }

    /// The folded rows: names and tags.
    fn folded(mut rows: Vec<RunRow>) -> Vec<(String, Vec<String>)> {
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        let tags = |row: &RunRow| row.metrics.keys().map(ToString::to_string).collect();
        fold(rows).iter().map(|row| (row.name.clone(), tags(row))).collect()
    }

    fn expected(rows: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let owned = |tags: &[&str]| tags.iter().map(ToString::to_string).collect();
        rows.iter().map(|(name, tags)| (name.to_string(), owned(tags))).collect()
    }

    #[test]
    fn keras_parts_are_one_run_also_without_events_of_its_own() {
        let rows = vec![
            row("a/train", &["loss"], &[]),
            row("a/validation", &["loss"], &[]),
            row("b", &["lr"], &[]),
            row("b/eval", &["loss"], &[]),
            row("trainer", &["loss"], &[]),
        ];
        let one = expected(&[
            ("a", &["train/loss", "validation/loss"]),
            ("b", &["eval/loss", "lr"]),
            ("trainer", &["loss"]),
        ]);
        assert_eq!(folded(rows), one);
        let root = vec![row("train", &["loss"], &[]), row("validation", &["loss"], &[])];
        assert_eq!(folded(root), expected(&[(".", &["train/loss", "validation/loss"])]));
    }

    #[test]
    fn lines_of_add_scalars_belong_to_the_run_above() {
        let rows = vec![
            row("run", &["lr"], &[]),
            row("run/loss_all_train", &["loss/all"], &[]),
            row("run/loss/all/valid", &["loss/all"], &[]),
            row("run/other", &["loss/all"], &[]),
            row("orphan/loss_train", &["loss"], &[]),
        ];
        let one = expected(&[
            ("orphan/loss_train", &["loss"]),
            ("run", &["loss/all/train", "loss/all/valid", "lr"]),
            ("run/other", &["loss/all"]),
        ]);
        assert_eq!(folded(rows), one);
        let root = vec![row(".", &["lr"], &[]), row("loss/b", &["loss"], &[])];
        assert_eq!(folded(root), expected(&[(".", &["loss/b", "lr"])]));
    }

    #[test]
    fn parameters_that_add_hparams_put_aside_come_back() {
        let rows = vec![
            row("run", &["loss"], &[]),
            row("run/1700000000.25", &["hparam/accuracy"], &["lr"]),
            row("sweep/1700000000.25", &["loss"], &["lr"]),
            row("sweep/1700000001.5", &["loss"], &["lr"]),
        ];
        let one = fold(rows);
        assert_eq!(one[0].params.keys().collect::<Vec<_>>(), ["lr"]);
        assert_eq!(one[0].parts, ["run/1700000000.25"]);
        // Trials of a sweep have no run above them.
        let names: Vec<_> = one.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["run", "sweep/1700000000.25", "sweep/1700000001.5"]);
    }

    #[test]
    fn a_part_of_a_part_reaches_the_run() {
        let rows = vec![row("run/train", &["lr"], &[]), row("run/train/loss_a", &["loss"], &[])];
        assert_eq!(folded(rows), expected(&[("run", &["train/loss/a", "train/lr"])]));
    }
}
