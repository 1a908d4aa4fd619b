//! Columns by name or pattern.

use std::collections::BTreeSet;

use regex::Regex;

use super::column::{Heads, METRIC, PARAM, RUN, heads, with_stat};
use super::{Column, Field, RunTable, Stat};
use crate::error::{Error, Result};

/// So many names are proposed for one that is not there.
const MAX_NEAR: usize = 3;
/// Names less alike than this (Jaro-Winkler, 0 to 1) are not proposed.
const NEAR: f64 = 0.7;

/// The names that a table's columns can have.
#[derive(Debug)]
pub struct Names<'t> {
    params: BTreeSet<&'t str>,
    metrics: BTreeSet<&'t str>,
}

impl<'t> Names<'t> {
    /// Those of `table`.
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

    /// The column called `name`: `run`, `start`, `duration`, `status`, `step`, else a parameter,
    /// else a scalar with or without a [`Stat`] behind a colon. `param.`, `metric.` and `run.`
    /// before a name say which of several is meant.
    pub fn column(&self, name: &str) -> Option<Column> {
        if let Some(name) = name.strip_prefix(PARAM).filter(|name| self.params.contains(name)) {
            return Some(Column::Param(name.into()));
        }
        // Behind the prefix, what looks like a statistic is one: `metric.a:min` is the least of
        // `a`, also beside a tag `a:min`, which is `metric.a:min:last`.
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

    /// The last value of the tag `name`.
    fn last(&self, name: &str) -> Option<Column> {
        self.metrics.contains(name).then(|| Column::Metric(name.into(), Stat::Last))
    }

    /// The statistic of a tag.
    fn with_stat(&self, name: &str) -> Option<Column> {
        let (tag, stat) = with_stat(name)?;
        self.metrics.contains(tag).then(|| Column::Metric(tag.into(), stat))
    }

    /// The names of `columns` in a table that has the columns `fixed` besides: each once, and each
    /// such that [`column`](Self::column) finds it again. They are as short as they can be.
    pub fn heads(&self, columns: &[Column], fixed: &[&str]) -> Vec<String> {
        heads(columns, &Heads::Short { fixed, meaning: &|name| self.column(name) })
    }

    /// The columns that `pattern` chooses: one by its name, or all that match a pattern in which
    /// `*` stands for any characters and `?` for one, in that order. A [`Stat`] may stand behind a
    /// colon, and `param.` or `metric.` before it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): there is none; says which are like it.
    pub fn select(&self, pattern: &str) -> Result<Vec<Column>> {
        if let Some(column) = self.column(pattern) {
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

    /// That there is no column `name`, and which are like it.
    pub fn unknown(&self, name: &str) -> Error {
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

/// The names of `all` that are most like `name`, the most alike first.
pub fn near<'n>(name: &str, all: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let name = name.to_lowercase();
    let mut scored: Vec<_> = all
        .into_iter()
        .map(|other| {
            let lower = other.to_lowercase();
            // The last part of a tag is what people remember of it.
            let last = lower.rsplit('/').next().unwrap_or(&lower);
            let score = |part: &str| strsim::jaro_winkler(&name, part);
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

/// A regular expression for a pattern with `*` and `?`.
fn glob(pattern: &str) -> Result<Regex> {
    let escaped = regex::escape(pattern).replace("\\*", ".*").replace("\\?", ".");
    Regex::new(&format!("(?s)^{escaped}$")).map_err(|error| Error::argument(error.to_string()))
}
