//! Columns by name or pattern.

use std::collections::BTreeSet;

use regex::Regex;

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
    /// else a scalar with or without a [`Stat`] behind a colon. `param.` and `metric.` before a
    /// name say which of two is meant.
    pub fn column(&self, name: &str) -> Option<Column> {
        if let Some(name) = name.strip_prefix("param.").filter(|name| self.params.contains(name)) {
            return Some(Column::Param(name.into()));
        }
        if let Some(metric) = name.strip_prefix("metric.").and_then(|name| self.metric(name)) {
            return Some(metric);
        }
        if let Some(field) = Field::from_name(name) {
            return Some(Column::Run(field));
        }
        if self.params.contains(name) {
            return Some(Column::Param(name.into()));
        }
        self.metric(name)
    }

    fn metric(&self, name: &str) -> Option<Column> {
        if self.metrics.contains(name) {
            return Some(Column::Metric(name.into(), Stat::Last));
        }
        let (tag, stat) = with_stat(name);
        self.metrics.contains(tag).then(|| Column::Metric(tag.into(), stat))
    }

    /// The columns that `pattern` chooses: one by its name, or all that match a pattern in which
    /// `*` stands for any characters and `?` for one. Behind a colon stands the [`Stat`].
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
            let (tags, stat) = with_stat(pattern);
            let (tags, names) = (glob(tags)?, glob(pattern)?);
            let params = self.params().filter(|name| names.is_match(name));
            columns.extend(params.map(|name| Column::Param(name.into())));
            let metrics = self.metrics().filter(|tag| tags.is_match(tag));
            columns.extend(metrics.map(|tag| Column::Metric(tag.into(), stat)));
        }
        if columns.is_empty() { Err(self.unknown(pattern)) } else { Ok(columns) }
    }

    /// That there is no column `name`, and which are like it.
    pub fn unknown(&self, name: &str) -> Error {
        let all = self.params().chain(self.metrics()).chain(Field::ALL.iter().map(|f| f.name()));
        let near = near(with_stat(name).0, all);
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

/// A name without the statistic behind its colon, and that.
fn with_stat(name: &str) -> (&str, Stat) {
    let parts = name.rsplit_once(':');
    let parts = parts.and_then(|(tag, stat)| Some((tag, Stat::from_name(stat)?)));
    parts.unwrap_or((name, Stat::Last))
}

/// A regular expression for a pattern with `*` and `?`.
fn glob(pattern: &str) -> Result<Regex> {
    let escaped = regex::escape(pattern).replace("\\*", ".*").replace("\\?", ".");
    Regex::new(&format!("(?s)^{escaped}$")).map_err(|error| Error::argument(error.to_string()))
}
