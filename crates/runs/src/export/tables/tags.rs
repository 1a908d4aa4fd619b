//! One row per series: its metadata in the log, and summary statistics.

use std::sync::Arc;

use super::rows::{NamedRows, count, text};
use super::{Rows, Table, Take};
use crate::export::batch::{Column, Type};
use crate::table::{Cell, ScalarStats, Stat};
use tbx::error::Result;
use tbx::logdir::{LoadOptions, Run, TimeSeries};
use tbx::summary::DataClass;

pub(super) const TABLE: Table = Table {
    name: "tags",
    about: "one row per tag of a run, of any kind: run, tag, kind, plugin, data_class, \
            display_name, description, count, first_step, last_step, .., min, max, mean, ..",
    is_rare: false,
    has_values: false,
    kinds: &[],
    make: |_, _, options| {
        Ok(Box::new(TagRows { options: options.clone(), rows: NamedRows::default() }))
    },
};

/// The statistics of a scalar, except the count.
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

struct TagRows {
    /// The requested options; other tables may need more data.
    options: LoadOptions,
    rows: NamedRows,
}

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
        let wanted = |series: &&TimeSeries| self.options.wants_tag(series.tag());
        for series in run.series.iter().filter(wanted) {
            self.rows.push([&name, &series.tag().into()], cells(series));
            if self.rows.is_full() {
                to(&self.columns(), self.rows.take())?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, to: &mut Take<'_>) -> Result<()> {
        to(&self.columns(), self.rows.take())
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
