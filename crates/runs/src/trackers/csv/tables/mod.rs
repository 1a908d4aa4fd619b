//! Tables that tbx exported: an export becomes the log again.

mod kind;
mod meta;
mod series;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) use self::kind::{Kind, is_name, kind};
use super::super::local::{self, issue};
use super::super::source::Content;
use super::sheet::Sheet;
use tbx::error::{Effect, ErrorKind, Report, Result, failed};
use tbx::store::Root;

/// Maximum number of parts of a file that belong to another run than the part before. Each takes 16 bytes of memory.
const MAX_PARTS: usize = 1 << 22;
/// Maximum number of runs.
const MAX_RUNS: usize = 1 << 20;

/// The tables of an export.
pub(super) struct Export {
    tables: Vec<Table>,
    /// The names of all runs, in order.
    pub(super) runs: Vec<String>,
}

/// The parts of a file with the rows of each run: from one offset to another.
type Parts = HashMap<Arc<str>, Vec<(u64, u64)>>;

/// A table and the places of its rows.
struct Table {
    kind: Kind,
    sheet: Sheet,
    parts: Parts,
}

impl Export {
    /// Opens tables of one directory.
    pub(super) fn open(root: &Root, sheets: Vec<Sheet>, report: &mut Report) -> Result<Self> {
        let mut tables: Vec<(Kind, Sheet)> =
            sheets.into_iter().filter_map(|sheet| Some((kind(&sheet)?, sheet))).collect();
        let has = |tables: &[(Kind, Sheet)], wanted: Kind, is_json: bool| {
            tables.iter().any(|(kind, sheet)| *kind == wanted && sheet.is_json() == is_json)
        };
        let other_form = |kind: Kind, sheet: &Sheet, all: &[(Kind, Sheet)]| {
            let is_again = sheet.is_json() && has(all, kind, false);
            let is_wide = kind == Kind::Wide
                && (has(all, Kind::Scalars, false) || has(all, Kind::Scalars, true));
            is_again || is_wide
        };
        let again: Vec<_> =
            tables.iter().map(|(kind, sheet)| other_form(*kind, sheet, &tables)).collect();
        let mut again = again.into_iter();
        tables.retain(|(_, sheet)| {
            let is_again = again.next().unwrap_or_default();
            if is_again {
                let what = "the same values are in another file of the export";
                issue(report, &sheet.path, ErrorKind::Value(what.into()), Effect::LeftAlone);
            }
            !is_again
        });
        let (mut all, mut names) = (Vec::new(), BTreeMap::<Arc<str>, ()>::new());
        for (kind, sheet) in tables {
            let parts = parts(root, &sheet).map_err(|error| failed(error, &sheet.path))?;
            names.extend(parts.keys().map(|name| (name.clone(), ())));
            all.push(Table { kind, sheet, parts });
        }
        let runs = names.into_keys().map(|name| name.to_string()).collect();
        Ok(Self { tables: all, runs })
    }

    /// The state of the export.
    pub(super) fn state(&self) -> String {
        local::state(self.tables.iter().map(|table| table.sheet.path.as_path()))
    }

    /// The content of a run.
    pub(super) fn content(&self, root: &Root, run: &str, report: &mut Report) -> Result<Content> {
        let mut reading = series::Reading::default();
        let mut meta = meta::Reading::default();
        for table in &self.tables {
            let Some(parts) = table.parts.get(run) else { continue };
            let sheet = &table.sheet;
            let mut read = || -> Result<(), ErrorKind> {
                let rows = &mut sheet.read(root, parts.clone())?;
                match table.kind {
                    Kind::Scalars => reading.scalars(rows),
                    Kind::Wide => reading.wide(rows),
                    Kind::Histograms => reading.histograms(rows),
                    Kind::Texts => reading.texts(rows),
                    Kind::Tags => reading.tags(rows),
                    Kind::PrCurves => reading.count(rows, "PR curves"),
                    Kind::Images => reading.count(rows, "images"),
                    Kind::Audio => reading.count(rows, "audio clips"),
                    Kind::Meta => meta.meta(rows),
                    Kind::Hparams => meta.hparams(rows),
                    Kind::Runs => meta.runs(rows),
                }
            };
            read().map_err(|error| failed(error, &sheet.path))?;
            for what in reading.problems.drain(..).chain(meta.problems.drain(..)) {
                let what = format!("run {run:?}: {what}");
                issue(report, &sheet.path, ErrorKind::Value(what), Effect::SkippedValue);
            }
        }
        let has_scalars = reading.has_scalars();
        let mut content = Content::default();
        content.meta = meta.finish(has_scalars, &mut content.left_out);
        (content.series, content.left_out) = reading.finish(content.left_out);
        Ok(content)
    }
}

/// The parts of a file with the rows of each run, which are one part in what tbx writes.
fn parts(root: &Root, sheet: &Sheet) -> Result<Parts, ErrorKind> {
    let mut rows = sheet.read(root, vec![sheet.rows])?;
    let mut all = Parts::new();
    let mut last: Option<(Arc<str>, u64)> = None;
    let (begin, mut count) = (sheet.rows.0, 0usize);
    let mut close = |all: &mut Parts, name: Arc<str>, from, to: u64| {
        count += 1;
        if count > MAX_PARTS {
            let what =
                format!("rows of its runs alternate more than {MAX_PARTS} times; sort it by run");
            return Err(ErrorKind::Value(what));
        }
        all.entry(name).or_default().push((begin.saturating_add(from), begin.saturating_add(to)));
        if all.len() > MAX_RUNS {
            return Err(ErrorKind::Value(format!("it has more than {MAX_RUNS} runs")));
        }
        Ok(())
    };
    while let Some(at) = rows.read()? {
        let name = rows.cell(0);
        match &last {
            Some((known, _)) if **known == *name => {}
            _ => {
                let next = (Arc::from(name), at);
                if let Some((known, from)) = last.replace(next) {
                    close(&mut all, known, from, at)?;
                }
            }
        }
    }
    if let Some((known, from)) = last {
        close(&mut all, known, from, rows.offset())?;
    }
    Ok(all)
}
