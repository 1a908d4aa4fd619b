//! Tags of many runs: one row for each tag of all of them.

use std::collections::BTreeMap;

use super::super::render::{Fit, NotShown, Table, count, counted, name, number};
use super::{SPARE, kind, steps};
use tbx::summary::Kind;
use tbx_runs::table::{RunOverview, TagOverview};

/// A tag in several runs.
struct Merged<'a> {
    first: &'a TagOverview,
    runs: usize,
    points: usize,
    steps: (i64, i64),
    lasts: Vec<f64>,
    range: (f64, f64),
    nan: usize,
    inf: usize,
    restarts: usize,
    gaps: usize,
}

impl<'a> Merged<'a> {
    fn new(first: &'a TagOverview) -> Self {
        Self {
            first,
            runs: 0,
            points: 0,
            steps: (i64::MAX, i64::MIN),
            lasts: Vec::new(),
            range: (f64::INFINITY, f64::NEG_INFINITY),
            nan: 0,
            inf: 0,
            restarts: 0,
            gaps: 0,
        }
    }

    fn add(&mut self, tag: &TagOverview) {
        self.runs += 1;
        self.points += tag.count;
        self.steps = (self.steps.0.min(tag.min_step), self.steps.1.max(tag.max_step));
        self.lasts.extend(tag.scalars.last.map(|last| last.0).filter(|last| !last.is_nan()));
        let value = |value: Option<tbx_runs::table::number::Exact>| value.map_or(f64::NAN, |v| v.0);
        self.range.0 = self.range.0.min(value(tag.scalars.min));
        self.range.1 = self.range.1.max(value(tag.scalars.max));
        self.nan += usize::from(tag.scalars.nan.is_some_and(|n| n > 0));
        self.inf += usize::from(tag.scalars.inf.is_some_and(|n| n > 0));
        self.restarts += usize::from(tag.restarts > 0);
        self.gaps += usize::from(tag.gaps > 0);
    }

    fn row(mut self) -> Vec<String> {
        self.lasts.sort_by(f64::total_cmp);
        let median = self.lasts.get(self.lasts.len() / 2);
        let some = |value: f64| median.map_or("".into(), |_| number(value));
        let in_runs = [
            (self.nan, "NaN"),
            (self.inf, "inf"),
            (self.restarts, "restarts"),
            (self.gaps, "gaps"),
        ];
        let notes = in_runs.iter().filter(|(n, _)| *n > 0);
        let notes: Vec<_> =
            notes.map(|(n, what)| format!("{what} in {}", counted(*n, "run"))).collect();
        vec![
            name(&self.first.tag),
            kind(self.first),
            self.runs.to_string(),
            count(u64::try_from(self.points).unwrap_or(u64::MAX)),
            steps(self.steps.0, self.steps.1),
            median.map_or("".into(), |median| number(*median)),
            some(self.range.0),
            some(self.range.1),
            notes.join(", "),
        ]
    }
}

pub(super) fn text(runs: &[RunOverview], not_shown: &mut NotShown) -> String {
    let mut tags: BTreeMap<(&str, Kind), Merged<'_>> = BTreeMap::new();
    for tag in runs.iter().flat_map(|run| &run.tags) {
        tags.entry((&tag.tag, tag.kind)).or_insert_with(|| Merged::new(tag)).add(tag);
    }
    let columns =
        ["TAG", "KIND", ">RUNS", ">POINTS", ">STEPS", ">MEDIAN LAST", ">MIN", ">MAX", "NOTES"];
    let mut table = Table::of(&columns, 0).fit(&["NOTES"], Fit::Text).spare(&SPARE);
    for merged in tags.into_values() {
        table.row(merged.row());
    }
    table.shown(not_shown)
}
