//! A row a series: what the log says about it, and the numbers that sum it up.

use std::sync::Arc;

use super::rows::{NamedRows, count, text};
use super::{Rows, Table, Take};
use crate::error::Result;
use crate::export::batch::{Column, Type};
use crate::logdir::{Run, TimeSeries};
use crate::summary::DataClass;
use crate::table::{Cell, ScalarStats, Stat};

pub(super) const TABLE: Table = Table {
    name: "tags",
    about: "a row a tag of a run, of any kind: run, tag, kind, plugin, data_class, display_name, \
            description, count, first_step, last_step, .., min, max, mean, ..",
    is_rare: false,
    has_values: false,
    kinds: &[],
    make: |_, _, _| Ok(Box::new(TagRows::default())),
};

/// What sums up a scalar, besides its count.
const STATS: [Stat; 9] = [
    Stat::First,
    Stat::Last,
    Stat::Min,
    Stat::Max,
    Stat::Mean,
    Stat::MinStep,
    Stat::MaxStep,
    Stat::Nan,
    Stat::Inf,
];

#[derive(Default)]
struct TagRows(NamedRows);

impl Rows for TagRows {
    fn columns(&self) -> Vec<Column> {
        let mut columns = vec![
            Column::required("run", Type::Name),
            Column::required("tag", Type::Name),
            Column::required("kind", Type::Text),
            Column::nullable("plugin", Type::Text),
            Column::required("data_class", Type::Text),
            Column::nullable("display_name", Type::Text),
            Column::nullable("description", Type::Text),
            Column::required("count", Type::Int),
            Column::nullable("first_step", Type::Int),
            Column::nullable("last_step", Type::Int),
            Column::nullable("first_wall_time", Type::Float),
            Column::nullable("last_wall_time", Type::Float),
        ];
        columns.extend(STATS.map(|stat| {
            let data = match stat {
                Stat::MinStep | Stat::MaxStep | Stat::Nan | Stat::Inf => Type::Int,
                _ => Type::Float,
            };
            Column::nullable(stat.name(), data)
        }));
        columns
    }

    fn run(&mut self, run: &Run, to: &mut Take<'_>) -> Result<()> {
        let name: Arc<str> = run.name.as_str().into();
        for series in &run.series {
            self.0.push([&name, &series.tag().into()], cells(series));
            if self.0.is_full() {
                to(&self.columns(), self.0.take())?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, to: &mut Take<'_>) -> Result<()> {
        to(&self.columns(), self.0.take())
    }
}

fn cells(series: &TimeSeries) -> [Cell; 19] {
    let metadata = series.metadata();
    let class = match metadata.data_class {
        DataClass::Scalar => "scalar",
        DataClass::Tensor => "tensor",
        DataClass::BlobSequence => "blob_sequence",
    };
    let step = |step: Option<&i64>| step.map_or(Cell::Empty, |step| Cell::Int(*step));
    let time = |time: Option<&f64>| time.map_or(Cell::Empty, |time| Cell::Number(*time));
    let stats = ScalarStats::of(series);
    let [first, last, min, max, mean, min_step, max_step, nan, inf] =
        STATS.map(|stat| stats.as_ref().map_or(Cell::Empty, |stats| stat.of(stats)));
    [
        metadata.kind.name().into(),
        text(&metadata.plugin),
        class.into(),
        text(&metadata.display_name),
        text(&metadata.description),
        count(series.len()),
        step(series.steps().first()),
        step(series.steps().last()),
        time(series.wall_times().first()),
        time(series.wall_times().last()),
        first,
        last,
        min,
        max,
        mean,
        min_step,
        max_step,
        nan,
        inf,
    ]
}
