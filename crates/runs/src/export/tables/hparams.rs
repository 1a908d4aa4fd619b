//! One row per parameter of a run.

use std::mem;
use std::sync::Arc;

use super::rows::NamedRows;
use super::{Rows, Table, Take};
use crate::export::batch::{Column, Type};
use crate::table::Cell;
use tbx::error::{Report, Result};
use tbx::logdir::Run;
use tbx::meta::Param;
use tbx::summary::Kind;

pub(super) const TABLE: Table = Table {
    name: "hparams",
    about: "one row per parameter: run, name, type, value (as text), number",
    is_rare: true,
    has_values: true,
    kinds: &[Kind::Hparams, Kind::Meta],
    make: |_, _, _| Ok(Box::new(HparamRows::default())),
};

#[derive(Default)]
struct HparamRows {
    rows: NamedRows,
    report: Report,
}

impl Rows for HparamRows {
    fn columns(&self) -> Vec<Column> {
        vec![
            Column::required("run", Type::Name),
            Column::required("name", Type::Name),
            Column::required("type", Type::Text),
            Column::required("value", Type::Text),
            Column::nullable("number", Type::Float),
        ]
    }

    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()> {
        let (meta, issues) = run.meta();
        self.report.issues.extend(issues);
        let run: Arc<str> = run.name.as_str().into();
        for (name, param) in meta.params {
            let number = param.number().map_or(Cell::Empty, Cell::Number);
            let data = match &param {
                Param::Bool(_) => "bool",
                Param::Int(_) | Param::Number(_) => "number",
                Param::Text(_) => "text",
            };
            let value = Cell::Text(Cell::from(&param).to_string());
            self.rows.push([&run, &name.into()], [data.into(), value, number]);
        }
        if self.rows.is_full() { to(&self.columns(), self.rows.take()) } else { Ok(()) }
    }

    fn finish(&mut self, to: &mut Take<'_>) -> Result<()> {
        to(&self.columns(), self.rows.take())
    }

    fn report(&mut self) -> Report {
        mem::take(&mut self.report)
    }
}
