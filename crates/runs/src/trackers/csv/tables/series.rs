//! Reads tables of values.

use std::collections::{BTreeMap, HashSet};

use super::super::super::gathered::Gathered;
use super::super::super::source::{At, Histogram, LeftOut, Points, Series};
use super::super::rows::Rows;
use crate::table::column::METRIC;
use tbx::error::ErrorKind;

/// Prefix of the columns of smoothed values.
const SMOOTHED: &str = "smoothed.";
/// Columns of the wide table that are not tags.
const FIXED: [&str; 3] = ["run", "step", "wall_time"];
/// Maximum number of buckets of a run's histograms. They are held in memory until they are written.
const MAX_BUCKETS: usize = 1 << 24;

/// The values of a run.
#[derive(Default)]
pub(super) struct Reading {
    values: Gathered,
    histograms: BTreeMap<String, Vec<At<Histogram>>>,
    buckets: usize,
    descriptions: BTreeMap<String, String>,
    /// Problems of the table that was read last.
    pub(super) problems: Vec<String>,
    flaws: Flaws,
}

/// Cells that are not what their column says.
#[derive(Default)]
struct Flaws {
    rows: u64,
    /// The wall time for a row whose own is not finite.
    last_time: f64,
    times: u64,
}

impl Flaws {
    fn step(&mut self, cell: &str) -> Option<i64> {
        let step = cell.trim().parse().ok();
        self.rows += u64::from(step.is_none());
        step
    }

    fn number(&mut self, cell: &str) -> Option<f64> {
        let number = cell.trim().parse().ok();
        self.rows += u64::from(number.is_none());
        number
    }

    fn wall_time(&mut self, cell: &str) -> f64 {
        match cell.trim().parse::<f64>().ok().filter(|time| time.is_finite()) {
            Some(time) => self.last_time = time,
            None => self.times += 1,
        }
        self.last_time
    }
}

impl Reading {
    pub(super) fn scalars(&mut self, rows: &mut Rows) -> Result<(), ErrorKind> {
        let has_smoothed = rows.columns.get(5).is_some_and(|name| name == "smoothed");
        while rows.read()?.is_some() {
            let Some(step) = self.flaws.step(rows.cell(2)) else { continue };
            let Some(value) = self.flaws.number(rows.cell(4)) else { continue };
            let wall_time = self.flaws.wall_time(rows.cell(3));
            self.values.scalar(rows.cell(1), At { step, wall_time, value });
            if has_smoothed {
                self.values.count("smoothed values");
            }
        }
        self.finish_table(rows);
        Ok(())
    }

    pub(super) fn wide(&mut self, rows: &mut Rows) -> Result<(), ErrorKind> {
        let mut tags = Tags::of(&rows.columns);
        while rows.read()?.is_some() {
            // Only what tbx did not write has columns that appear later.
            let new = rows.columns.iter().skip(tags.0.len());
            tags.0.extend(new.cloned().map(Some));
            let Some(step) = self.flaws.step(rows.cell(1)) else { continue };
            let wall_time = self.flaws.wall_time(rows.cell(2));
            for (column, cell) in rows.cells().filter(|(column, _)| *column >= FIXED.len()) {
                match tags.0.get(column) {
                    _ if cell.trim().is_empty() => {}
                    Some(Some(tag)) => {
                        if let Some(value) = self.flaws.number(cell) {
                            self.values.scalar(tag, At { step, wall_time, value });
                        }
                    }
                    Some(None) => self.values.count("smoothed values"),
                    None => self.values.count("cells in columns without a name"),
                }
            }
        }
        self.finish_table(rows);
        Ok(())
    }

    pub(super) fn texts(&mut self, rows: &mut Rows) -> Result<(), ErrorKind> {
        while rows.read()?.is_some() {
            let Some(step) = self.flaws.step(rows.cell(2)) else { continue };
            let wall_time = self.flaws.wall_time(rows.cell(3));
            let value = rows.cell(5).to_owned();
            self.values.text(rows.cell(1), At { step, wall_time, value });
        }
        self.finish_table(rows);
        Ok(())
    }

    pub(super) fn histograms(&mut self, rows: &mut Rows) -> Result<(), ErrorKind> {
        let mut open: Option<(String, At<Histogram>)> = None;
        while rows.read()?.is_some() {
            let Some(step) = self.flaws.step(rows.cell(2)) else { continue };
            let wall_time = self.flaws.wall_time(rows.cell(3));
            let numbers = [5, 6, 7].map(|column| self.flaws.number(rows.cell(column)));
            let [Some(left), Some(right), Some(count)] = numbers else { continue };
            if self.buckets >= MAX_BUCKETS {
                self.values.count(&format!("buckets of histograms beyond {MAX_BUCKETS}"));
                continue;
            }
            self.buckets += 1;
            let is_first = rows.cell(4).trim() == "0";
            match &mut open {
                Some((tag, at)) if !is_first && tag == rows.cell(1) && at.step == step => {
                    at.value.edges.push(right);
                    at.value.counts.push(count);
                    continue;
                }
                _ => {}
            }
            let value = Histogram { edges: vec![left, right], counts: vec![count] };
            let next = (rows.cell(1).to_owned(), At { step, wall_time, value });
            if let Some((tag, histogram)) = open.replace(next) {
                self.histograms.entry(tag).or_default().push(histogram);
            }
        }
        if let Some((tag, histogram)) = open {
            self.histograms.entry(tag).or_default().push(histogram);
        }
        self.finish_table(rows);
        Ok(())
    }

    /// Descriptions of tags.
    pub(super) fn tags(&mut self, rows: &mut Rows) -> Result<(), ErrorKind> {
        let description = rows.columns.iter().position(|name| name == "description");
        while rows.read()?.is_some() {
            let text = description.map_or("", |column| rows.cell(column));
            if !text.is_empty() {
                self.descriptions.insert(rows.cell(1).to_owned(), text.to_owned());
            }
        }
        self.finish_table(rows);
        Ok(())
    }

    /// Counts the values of a kind whose data is not in the table.
    pub(super) fn count(&mut self, rows: &mut Rows, kind: &str) -> Result<(), ErrorKind> {
        let mut last: Option<[String; 3]> = None;
        while rows.read()?.is_some() {
            // A PR curve has several rows, other kinds have one for each value.
            let index = if kind == "PR curves" { "" } else { rows.cell(4) };
            let value = [rows.cell(1), rows.cell(2), index].map(str::to_owned);
            if last.as_ref() != Some(&value) {
                self.values.count(kind);
                last = Some(value);
            }
        }
        self.finish_table(rows);
        Ok(())
    }

    /// Whether there are scalars.
    pub(super) fn has_scalars(&self) -> bool {
        self.values.has_scalars()
    }

    pub(super) fn finish(self, mut left_out: Vec<LeftOut>) -> (Vec<Series>, Vec<LeftOut>) {
        let (mut series, more) = self.values.into_series();
        left_out.extend(more);
        for (tag, points) in self.histograms {
            series.push(Series { tag, description: None, points: Points::Histograms(points) });
        }
        for series in &mut series {
            series.description = self.descriptions.get(&series.tag).cloned();
        }
        (series, left_out)
    }

    fn finish_table(&mut self, rows: &Rows) {
        let flaws = std::mem::take(&mut self.flaws);
        self.flaws.last_time = flaws.last_time;
        if flaws.rows > 0 {
            let what = format!(
                "{} cells are not numbers of their columns; their values are skipped",
                flaws.rows
            );
            self.problems.push(what);
        }
        if flaws.times > 0 {
            let what = format!(
                "{} wall times are not finite and become those of the row before",
                flaws.times
            );
            self.problems.push(what);
        }
        if let Some((count, first)) = &rows.unreadable {
            self.problems.push(format!("{count} lines are not readable, the first one is {first}"));
        }
    }
}

/// The tag of each column of the wide table; `None` for columns of smoothed values.
struct Tags(Vec<Option<String>>);

impl Tags {
    /// Undoes the prefixes that an export gives to tags that have the name of another column.
    fn of(columns: &[String]) -> Self {
        let names: HashSet<&str> = columns.iter().skip(FIXED.len()).map(String::as_str).collect();
        // The tags with shorter names decide about the longer ones.
        let mut order: Vec<_> = columns.iter().enumerate().skip(FIXED.len()).collect();
        order.sort_by_key(|(_, name)| name.len());
        let mut tags = vec![None; columns.len()];
        let mut known: HashSet<String> = HashSet::new();
        for (place, name) in order {
            let is_fixed = |tag: &str| {
                let of_smoothed = tag.strip_prefix(SMOOTHED);
                FIXED.contains(&tag) || of_smoothed.is_some_and(|tag| known.contains(tag))
            };
            let is_smoothed = name.strip_prefix(SMOOTHED).is_some_and(|tag| known.contains(tag));
            let tag = match name.strip_prefix(METRIC) {
                _ if is_smoothed && names.contains(name.as_str()) => None,
                Some(rest) => {
                    let is_prefix_of_tag =
                        rest.strip_prefix(METRIC).is_some_and(|tag| known.contains(tag));
                    let is_prefixed = is_fixed(rest) || is_prefix_of_tag;
                    Some(if is_prefixed { rest } else { name.as_str() })
                }
                None => Some(name.as_str()),
            };
            if let (Some(tag), Some(slot)) = (tag, tags.get_mut(place)) {
                known.insert(tag.to_owned());
                *slot = Some(tag.to_owned());
            }
        }
        Self(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same cases as in `export/tables/wide.rs`.
    #[test]
    fn columns_of_the_wide_table_are_tags_again() {
        let tags = |columns: &[&str]| {
            let columns = ["run", "step", "wall_time"].iter().chain(columns);
            Tags::of(&columns.map(|name| (*name).to_owned()).collect::<Vec<_>>()).0[3..].to_vec()
        };
        let some =
            |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
        let columns =
            ["a", "a:min", "metric.metric.step", "metric.run", "start", "metric.step", "± a"];
        let expected = some(&["a", "a:min", "metric.step", "run", "start", "step", "± a"]);
        assert_eq!(tags(&columns), expected);
        let columns = ["loss", "metric.smoothed.loss", "smoothed.other"];
        assert_eq!(tags(&columns), some(&["loss", "smoothed.loss", "smoothed.other"]));
        assert_eq!(tags(&["metric.x", "loss"]), some(&["metric.x", "loss"]));
        assert_eq!(tags(&["loss", "smoothed.loss"]), [some(&["loss"]), vec![None]].concat());
    }
}
