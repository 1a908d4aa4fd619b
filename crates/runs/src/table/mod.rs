//! Rows and columns made of runs.

#[cfg(feature = "arrow")]
mod arrow;
mod cell;
#[cfg(feature = "plot")]
mod chart;
mod checklist;
pub(crate) mod column;
mod curve;
mod diff;
mod direction;
mod filter;
mod fold;
pub(crate) mod frame;
mod group;
mod importance;
mod names;
pub mod number;
mod numpy;
mod overview;
mod point_table;
mod reduce;
mod run_table;
mod sample;
mod select;
mod smooth;
mod stats;

pub use cell::Cell;
#[cfg(feature = "plot")]
pub use chart::{Axis, BandPoint, ChartOptions, ChartX, Line, Mark, Odd, ScalarChart, Tick, Unit};
pub use checklist::{CheckedRun, Checklist};
pub use column::{Column, Field, Stat};
pub use curve::{Curve, CurveOrder, Duplicates};
pub use diff::{MetricDiff, ParamDiff, RunDiff, Tolerance};
pub use direction::Direction;
pub use filter::Filter;
pub use fold::Folding;
#[cfg(any(feature = "mlflow", feature = "wandb"))]
pub(crate) use fold::without_logs;
pub(crate) use fold::{Directory, Parts};
pub use group::{Group, GroupBy, Spread};
pub use importance::{Importance, importance};
pub use names::{NameLint, NamedFinding};
pub use overview::{
    EmbeddingFile, EmbeddingOverview, FileOverview, IssueRow, Overview, RunOverview,
    ScalarOverview, TagOverview,
};
pub use point_table::{Point, PointTable};
pub use reduce::{Align, MAX_TIMES, Reduced, Reduction, reduce};
pub(crate) use run_table::Names as TagNames;
pub use run_table::{RunRow, RunTable, TableOptions};
pub use sample::Sampling;
pub use sample::lttb;
pub use select::ColumnNames;
#[doc(hidden)]
pub use select::{meant, near};
pub use smooth::smooth;
pub use stats::ScalarStats;
