//! Selects columns by name or pattern.

use std::collections::BTreeSet;

use regex::Regex;

use super::column::{Heads, METRIC, PARAM, RUN, heads, with_stat};
use super::{Column, Field, RunTable, Stat};
use tbx::error::{Error, Result};

/// Maximum number of names to suggest for an unknown one.
const MAX_NEAR: usize = 3;
/// Minimum similarity of a suggested name (Jaro-Winkler, 0 to 1).
const NEAR: f64 = 0.7;
/// Minimum similarity for names that differ by one letter, or by two swapped letters.
const ONE_OFF: f64 = 0.9;

/// The names that a table's columns can have.
///
/// ```
/// use tbx::{LoadOptions, Logdir};
/// use tbx_runs::table::{ColumnNames, RunTable, TableOptions};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let table = RunTable::load(&logdir, &LoadOptions::new(), &TableOptions::new())?;
/// let names = ColumnNames::of(&table);
/// let best = names.column("validation/epoch_loss:min")?;
/// println!("{}", best.of(&table.rows[0]));
/// let error = names.column("validation/epoch_los").unwrap_err();
/// assert!(error.to_string().contains("did you mean"));
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug)]
pub struct ColumnNames<'t> {
    params: BTreeSet<&'t str>,
    metrics: BTreeSet<&'t str>,
}

impl<'t> ColumnNames<'t> {
    /// The names for `table`.
    pub fn of(table: &'t RunTable) -> Self {
        Self { params: table.params(), metrics: table.metrics() }
    }

    /// The parameters.
    pub fn params(&self) -> impl Iterator<Item = &'t str> + '_ {
        self.params.iter().copied()
    }

    /// The tags of scalars.
    pub fn metrics(&self) -> impl Iterator<Item = &'t str> + '_ {
        self.metrics.iter().copied()
    }

    /// The column called `name`: `run`, `start`, `duration`, `status` or `step`, otherwise a
    /// parameter, otherwise a scalar with or without a [`Stat`] after a colon. The prefixes
    /// `param.`, `metric.` and `run.` resolve ambiguous names.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is none; the error lists similar ones.
    pub fn column(&self, name: &str) -> Result<Column> {
        self.find(name).ok_or_else(|| self.unknown(name))
    }

    /// The column called `name`, if there is one.
    pub(super) fn find(&self, name: &str) -> Option<Column> {
        if let Some(name) = name.strip_prefix(PARAM).filter(|name| self.params.contains(name)) {
            return Some(Column::Param(name.into()));
        }
        // After the prefix, a suffix that looks like a statistic is one: `metric.a:min` is the
        // minimum of `a`, even if there is a tag `a:min`, which is `metric.a:min:last`.
        let metric = name.strip_prefix(METRIC);
        if let Some(metric) = metric.and_then(|name| self.with_stat(name).or(self.last(name))) {
            return Some(metric);
        }
        if let Some(field) = Field::from_name(name) {
            return Some(Column::Run(field));
        }
        if self.params.contains(name) {
            return Some(Column::Param(name.into()));
        }
        let metric = self.last(name).or(self.with_stat(name));
        metric.or_else(|| Field::from_name(name.strip_prefix(RUN)?).map(Column::Run))
    }

    /// The column with the last value of the tag `name`.
    fn last(&self, name: &str) -> Option<Column> {
        self.metrics.contains(name).then(|| Column::Metric(name.into(), Stat::Last))
    }

    /// The column with a statistic of a tag.
    fn with_stat(&self, name: &str) -> Option<Column> {
        let (tag, stat) = with_stat(name)?;
        self.metrics.contains(tag).then(|| Column::Metric(tag.into(), stat))
    }

    /// The names of `columns` in a table that also has the columns `fixed`. All names differ,
    /// [`column`](Self::column) finds each of them, and they are as short as possible.
    pub fn heads(&self, columns: &[Column], fixed: &[&str]) -> Vec<String> {
        heads(columns, &Heads::Short { fixed, meaning: &|name| self.find(name) })
    }

    /// The columns selected by `pattern`: a name, or a pattern in which `*` matches any characters
    /// and `?` one character. Names take precedence. A [`Stat`] may follow after a colon, and
    /// `param.` or `metric.` may precede it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no such column. The error
    /// suggests similar names.
    pub fn select(&self, pattern: &str) -> Result<Vec<Column>> {
        if let Some(column) = self.find(pattern) {
            return Ok(vec![column]);
        }
        let mut columns = Vec::new();
        if pattern.contains(['*', '?']) {
            let matching = |pattern: Option<&str>| pattern.map(glob).transpose();
            let params = [matching(Some(pattern))?, matching(pattern.strip_prefix(PARAM))?];
            let is_param = |name: &&str| params.iter().flatten().any(|glob| glob.is_match(name));
            columns.extend(self.params().filter(is_param).map(|name| Column::Param(name.into())));
            let (tags, stat) = with_stat(pattern).unwrap_or((pattern, Stat::Last));
            let metrics = [matching(Some(tags))?, matching(tags.strip_prefix(METRIC))?];
            let is_metric = |tag: &&str| metrics.iter().flatten().any(|glob| glob.is_match(tag));
            let metrics = self.metrics().filter(is_metric);
            columns.extend(metrics.map(|tag| Column::Metric(tag.into(), stat)));
        }
        if columns.is_empty() { Err(self.unknown(pattern)) } else { Ok(columns) }
    }

    /// The error for an unknown column `name`, with suggestions.
    pub(super) fn unknown(&self, name: &str) -> Error {
        if let Some(unknown) = self.unknown_stat(name) {
            return unknown;
        }
        if let Some((before, regex)) = name.split_once('~')
            && !near(before, [RUN.trim_end_matches('.')]).is_empty()
        {
            return Error::argument(format!(
                "there is no column {name:?}; did you mean run~{regex}?"
            ));
        }
        let all = self.params().chain(self.metrics()).chain(Field::ALL.iter().map(|f| f.name()));
        let bare = [PARAM, METRIC].iter().find_map(|prefix| name.strip_prefix(prefix));
        let bare = bare.unwrap_or(name);
        let near = near(with_stat(bare).map_or(bare, |(tag, _)| tag), all);
        Error::argument(match near.as_slice() {
            [] => format!("there is no column {name:?}"),
            near => format!("there is no column {name:?}; did you mean {}?", near.join(", ")),
        })
    }
}

impl ColumnNames<'_> {
    /// The error for a known tag with an unknown statistic after the colon.
    fn unknown_stat(&self, name: &str) -> Option<Error> {
        let (tag, stat) = name.rsplit_once(':')?;
        let bare = tag.strip_prefix(METRIC).unwrap_or(tag);
        if stat.is_empty() || !self.metrics.contains(bare) {
            return None;
        }
        let all: Vec<_> = Stat::ALL.iter().map(|stat| stat.name()).collect();
        Some(Error::argument(format!(
            "there is no statistic {stat:?} of {tag}; {}",
            meant(stat, &all)
        )))
    }
}

/// Suggests what `name` may mean: similar names from `all`, otherwise all of them.
pub fn meant(name: &str, all: &[&str]) -> String {
    match near(name, all.iter().copied()).as_slice() {
        [] => format!("the choices are {}", all.join(", ")),
        near => format!("did you mean {}?", near.join(", ")),
    }
}

/// The names in `all` that are most similar to `name`, the most similar first.
pub fn near<'n>(name: &str, all: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let name = name.to_lowercase();
    let mut scored: Vec<_> = all
        .into_iter()
        .map(|other| {
            let lower = other.to_lowercase();
            // People often remember only the last part of a tag.
            let last = lower.rsplit('/').next().unwrap_or(&lower);
            let score = |part: &str| match strsim::osa_distance(&name, part) {
                // `mni` for `min`: the other measure ignores two swapped letters in short names.
                0 | 1 if name.len() > 1 && part.len() > 1 => {
                    ONE_OFF.max(strsim::jaro_winkler(&name, part))
                }
                _ => strsim::jaro_winkler(&name, part),
            };
            let whole = score(&lower);
            (whole.max(score(last)), whole, other)
        })
        .filter(|(score, ..)| *score >= NEAR)
        .collect();
    scored.sort_by(|(a, a_whole, _), (b, b_whole, _)| {
        b.total_cmp(a).then(b_whole.total_cmp(a_whole))
    });
    scored.dedup_by_key(|(.., other)| *other);
    scored.into_iter().take(MAX_NEAR).map(|(.., other)| other).collect()
}

/// Converts a pattern with `*` and `?` to a regular expression.
fn glob(pattern: &str) -> Result<Regex> {
    let escaped = regex::escape(pattern).replace("\\*", ".*").replace("\\?", ".");
    Regex::new(&format!("(?s)^{escaped}$")).map_err(|error| Error::argument(error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::table::{RunRow, ScalarStats};
    use tbx::meta::Param;

    const PIECES: &[&str] = &[
        "lr",
        "a",
        "run",
        "runs",
        "step",
        "start",
        "tag",
        "mean",
        "param.",
        "metric.",
        "run.",
        "smoothed.",
        "± ",
        ":min",
        ":last",
        ":max",
        "\n",
        "\\n",
        " ",
        "",
    ];

    /// Names that look like other names.
    pub(crate) fn any_names() -> impl Strategy<Value = BTreeSet<String>> {
        let name = prop::collection::vec(prop::sample::select(PIECES), 0..4);
        prop::collection::btree_set(name.prop_map(|pieces| pieces.concat()), 0..8)
    }

    /// A table with these parameters and tags.
    pub(crate) fn table(params: &BTreeSet<String>, tags: &BTreeSet<String>) -> RunTable {
        let params = params.iter().map(|name| (name.clone(), Param::from(1.0)));
        let metrics = tags.iter().map(|tag| (tag.as_str().into(), ScalarStats::OF_ONE_POINT));
        let row =
            RunRow { params: params.collect(), metrics: metrics.collect(), ..RunRow::default() };
        RunTable { rows: vec![row], report: tbx::error::Report::default() }
    }

    /// Every column of a table, with two statistics of each scalar.
    pub(crate) fn all_columns(names: &ColumnNames<'_>) -> Vec<Column> {
        let fields = Field::ALL.iter().map(|field| Column::Run(*field));
        let params = names.params().map(|name| Column::Param(name.into()));
        let stats = [Stat::Last, Stat::Min];
        let metric = |tag: &str| stats.map(|stat| Column::Metric(tag.into(), stat));
        fields.chain(params).chain(names.metrics().flat_map(metric)).collect()
    }

    proptest! {
        #[test]
        fn each_column_has_a_name_of_its_own_that_means_it(
            params in any_names(),
            tags in any_names(),
            left_out in any::<u64>(),
        ) {
            let table = table(&params, &tags);
            let names = ColumnNames::of(&table);
            let mut columns = all_columns(&names);
            let mut bits = left_out;
            columns.retain(|column| {
                bits = bits.rotate_left(1);
                bits & 1 == 0 && *column != Column::Run(Field::Name)
            });
            let heads = names.heads(&columns, &["run"]);
            let different: HashSet<&str> = heads.iter().map(String::as_str).collect();
            prop_assert_eq!(different.len(), columns.len(), "{:?}", heads);
            prop_assert!(!different.contains("run"));
            for (head, column) in heads.iter().zip(&columns) {
                prop_assert_eq!(names.find(head), Some(column.clone()), "{:?}", head);
            }
            // In an export, whatever the other columns are.
            let full = heads_in_full(&columns);
            let different: HashSet<&str> = full.iter().map(String::as_str).collect();
            prop_assert_eq!(different.len(), columns.len(), "{:?}", full);
        }
    }

    fn heads_in_full(columns: &[Column]) -> Vec<String> {
        heads(columns, &Heads::Full)
    }

    #[test]
    fn names_are_as_short_as_they_can_be() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let table =
            table(&set(&["lr", "step", "opt"]), &set(&["lr", "loss", "acc", "acc:min", "b:min"]));
        let names = ColumnNames::of(&table);
        let heads = |text: &str| {
            let columns: Vec<_> = text.split(' ').map(|name| names.column(name).unwrap()).collect();
            names.heads(&columns, &["run"]).join(" ")
        };
        assert_eq!(heads("lr loss opt start"), "lr loss opt start");
        assert_eq!(heads("param.lr metric.lr"), "param.lr metric.lr");
        assert_eq!(heads("metric.lr"), "metric.lr");
        assert_eq!(heads("step param.step"), "step param.step");
        assert_eq!(heads("loss:min metric.lr:min"), "loss:min lr:min");
        // A tag with the name of a statistic.
        assert_eq!(heads("acc acc:min"), "acc acc:min");
        assert_eq!(heads("acc:min metric.acc:min"), "metric.acc:min:last metric.acc:min");
        assert_eq!(heads("b:min b:min:min"), "b:min b:min:min");
    }

    #[test]
    fn patterns_choose_by_prefix_and_statistic() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let table = table(&set(&["lr", "momentum"]), &set(&["lr", "val/a", "val/b"]));
        let names = ColumnNames::of(&table);
        let select = |pattern: &str| {
            let columns = names.select(pattern).unwrap();
            columns.iter().map(Column::qualified).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(select("param.*"), "param.lr param.momentum");
        assert_eq!(select("metric.*:min"), "metric.lr:min metric.val/a:min metric.val/b:min");
        assert_eq!(select("l?"), "param.lr metric.lr");
        assert_eq!(select("val/*"), "metric.val/a metric.val/b");
    }
}
