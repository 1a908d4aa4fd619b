//! One row per run that has metadata.

use std::mem;
use std::sync::Arc;

use super::{Rows, Table, Take};
use crate::export::batch::{Batch, Column, Type, Values};
use crate::table::Cell;
use tbx::error::{ErrorKind, Report, Result};
use tbx::logdir::Run;
use tbx::meta::{RunMeta, SCHEMA};
use tbx::summary::Kind;

pub(super) const TABLE: Table = Table {
    name: "meta",
    about: "one row per run with metadata: run, meta (the object of tbx.json, as JSON)",
    is_rare: true,
    has_values: true,
    kinds: &[Kind::Hparams, Kind::Meta],
    make: |_, _, _| Ok(Box::new(MetaRows::default())),
};

#[derive(Default)]
struct MetaRows {
    report: Report,
}

impl Rows for MetaRows {
    fn columns(&self) -> Vec<Column> {
        vec![Column::required("run", Type::Name), Column::required("meta", Type::Text)]
    }

    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()> {
        let (mut meta, issues) = run.meta();
        self.report.issues.extend(issues);
        if meta == RunMeta::default() {
            return Ok(());
        }
        meta.schema = SCHEMA.into();
        let json = serde_json::to_string(&meta).map_err(|error| {
            ErrorKind::Argument(format!("cannot encode the metadata of a run: {error}"))
        })?;
        let name: Arc<str> = run.name.as_str().into();
        let values = vec![Values::Names(vec![(name, 1)]), Values::Json(vec![Cell::Text(json)])];
        to(&self.columns(), Batch { rows: 1, values })
    }

    fn finish(&mut self, _: &mut Take<'_>) -> Result<()> {
        Ok(())
    }

    fn report(&mut self) -> Report {
        mem::take(&mut self.report)
    }
}
