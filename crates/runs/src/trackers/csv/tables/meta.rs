//! Reads tables of metadata.

use std::collections::BTreeMap;

use super::super::super::source::LeftOut;
use super::super::rows::Rows;
use crate::table::column::METRIC;
use tbx::error::ErrorKind;
use tbx::meta::{Param, RunMeta, Summary};

/// Prefix of the columns of parameters.
const PARAM: &str = "param.";
/// The statistics of scalars in the table of runs, and the statistic that is their step.
const STATS: [(&str, Option<&str>); 3] =
    [("last", None), ("min", Some("min_step")), ("max", Some("max_step"))];

/// The metadata of a run.
#[derive(Default)]
pub(super) struct Reading {
    meta: Option<RunMeta>,
    hparams: BTreeMap<String, Param>,
    /// The row of the run in the table of runs: columns and cells.
    row: Vec<(String, String)>,
    pub(super) problems: Vec<String>,
}

impl Reading {
    pub(super) fn meta(&mut self, rows: &mut Rows) -> Result<(), ErrorKind> {
        while rows.read()?.is_some() {
            match RunMeta::from_json(rows.cell(1).as_bytes()) {
                Ok(meta) => self.meta = Some(meta),
                Err(error) => self.problems.push(error.to_string()),
            }
        }
        Ok(())
    }

    pub(super) fn hparams(&mut self, rows: &mut Rows) -> Result<(), ErrorKind> {
        while rows.read()?.is_some() {
            let (text, number) = (rows.cell(3), rows.cell(4));
            let param = match rows.cell(2) {
                "bool" => text.parse().ok().map(Param::Bool),
                "number" => match text.parse() {
                    Ok(integer) => Some(Param::Int(integer)),
                    Err(_) => number.parse().ok().map(Param::Number),
                },
                _ => None,
            };
            let param = param.unwrap_or_else(|| Param::Text(text.to_owned()));
            self.hparams.insert(rows.cell(1).to_owned(), param);
        }
        Ok(())
    }

    pub(super) fn runs(&mut self, rows: &mut Rows) -> Result<(), ErrorKind> {
        while rows.read()?.is_some() {
            let cells = rows.cells().filter(|(_, cell)| !cell.is_empty());
            let name = |column: usize| rows.columns.get(column).cloned().unwrap_or_default();
            self.row = cells.map(|(column, cell)| (name(column), cell.to_owned())).collect();
        }
        Ok(())
    }

    /// The metadata. If the export has no values of scalars, their statistics are kept.
    pub(super) fn finish(self, has_scalars: bool, left_out: &mut Vec<LeftOut>) -> RunMeta {
        let row: BTreeMap<String, String> = self.row.into_iter().collect();
        let has_meta = self.meta.is_some();
        let mut meta = self.meta.unwrap_or_default();
        // Files are not part of a table.
        let files = u64::try_from(meta.artifacts.len()).unwrap_or(u64::MAX);
        LeftOut::count(left_out, "artifacts", files, false);
        meta.artifacts.clear();
        meta.process = None;
        if !has_meta {
            meta.params = self.hparams;
            meta.start_time = row.get("start").and_then(|time| time.parse().ok());
            let status = row.get("status").map(|status| status.to_uppercase());
            meta.status = status.and_then(|status| serde_json::from_value(status.into()).ok());
            if meta.params.is_empty() {
                let params = row.iter().filter_map(|(name, cell)| {
                    Some((name.strip_prefix(PARAM)?.to_owned(), Param::inferred(cell)))
                });
                meta.params = params.collect();
            }
        }
        if !has_scalars {
            for (name, cell) in &row {
                if let Some((name, summary)) = statistic(name, cell, &row) {
                    meta.summary.entry(name).or_insert(summary);
                }
            }
        }
        meta
    }
}

/// A statistic of a scalar. The last value has the name of its tag.
fn statistic(name: &str, cell: &str, row: &BTreeMap<String, String>) -> Option<(String, Summary)> {
    let (tag, stat) = name.strip_prefix(METRIC)?.rsplit_once(':')?;
    let (stat, step) = STATS.into_iter().find(|(name, _)| *name == stat)?;
    let mut summary = Summary::new(cell.parse().ok()?);
    summary.statistic = Some(stat.to_owned());
    summary.step = step.and_then(|step| row.get(&format!("{METRIC}{tag}:{step}"))?.parse().ok());
    let name = if step.is_some() { format!("{tag}:{stat}") } else { tag.to_owned() };
    Some((name, summary))
}
