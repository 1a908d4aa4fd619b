//! A row a parameter of a run.

use std::sync::Arc;

use super::rows::NamedRows;
use super::{Rows, Table, Take};
use crate::error::Result;
use crate::export::batch::{Column, Type};
use crate::logdir::Run;
use crate::meta::Param;
use crate::summary::Kind;
use crate::table::{Cell, RunRow};

pub(super) const TABLE: Table = Table {
    name: "hparams",
    about: "a row a parameter: run, name, type, value (as text), number",
    is_rare: true,
    has_values: false,
    kinds: &[Kind::Hparams],
    make: |_, _, _| Ok(Box::new(HparamRows::default())),
};

#[derive(Default)]
struct HparamRows(NamedRows);

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
        let row = RunRow::params_of(run);
        let run: Arc<str> = run.name.as_str().into();
        for (name, param) in row {
            let (data, number) = match &param {
                Param::Bool(_) => ("bool", Cell::Empty),
                Param::Number(number) => ("number", Cell::Number(*number)),
                Param::Text(_) => ("text", Cell::Empty),
            };
            let value = Cell::Text(Cell::from(&param).to_string());
            self.0.push([&run, &name.into()], [data.into(), value, number]);
        }
        if self.0.is_full() { to(&self.columns(), self.0.take()) } else { Ok(()) }
    }

    fn finish(&mut self, to: &mut Take<'_>) -> Result<()> {
        to(&self.columns(), self.0.take())
    }
}
