//! Rows and columns made of runs.

#[cfg(feature = "arrow")]
mod arrow;
#[cfg(feature = "table")]
mod cell;
#[cfg(feature = "plot")]
mod chart;
#[cfg(feature = "table")]
mod checklist;
#[cfg(feature = "table")]
pub(crate) mod column;
#[cfg(feature = "table")]
mod curve;
#[cfg(feature = "table")]
mod diff;
#[cfg(feature = "table")]
mod direction;
#[cfg(feature = "table")]
mod filter;
#[cfg(feature = "table")]
mod fold;
#[cfg(any(feature = "arrow", feature = "export"))]
pub(crate) mod frame;
#[cfg(feature = "table")]
mod group;
pub mod number;
mod numpy;
mod overview;
mod point_table;
#[cfg(feature = "table")]
mod reduce;
#[cfg(feature = "table")]
mod run_table;
mod sample;
#[cfg(feature = "table")]
mod select;
mod smooth;
mod stats;

#[cfg(feature = "table")]
pub use cell::Cell;
#[cfg(feature = "plot")]
pub use chart::{Axis, BandPoint, Chart, ChartOptions, ChartX, Line, Mark, Odd, Tick, Unit};
#[cfg(feature = "table")]
pub use checklist::{CheckedRun, Checklist, NameLint};
#[cfg(feature = "table")]
pub use column::{Column, Field, Stat};
#[cfg(feature = "table")]
pub use curve::{Curve, CurveOrder, Duplicates};
#[cfg(feature = "table")]
pub use diff::{MetricDiff, ParamDiff, RunDiff, Tolerance};
#[cfg(feature = "table")]
pub use direction::Direction;
#[cfg(feature = "table")]
pub use filter::Filter;
#[cfg(feature = "table")]
pub use fold::Folding;
#[cfg(feature = "mlflow")]
pub(crate) use fold::{Directory, Parts, without_logs};
#[cfg(feature = "table")]
pub use group::{Group, GroupBy, Spread};
pub use overview::{
    EmbeddingFile, EmbeddingOverview, FileOverview, IssueRow, Overview, RunOverview,
    ScalarOverview, TagOverview,
};
pub use point_table::{Point, PointTable};
#[cfg(feature = "table")]
pub use reduce::{Align, MAX_TIMES, Reduced, Reduction, reduce};
#[cfg(feature = "export")]
pub(crate) use run_table::Names as TagNames;
#[cfg(feature = "table")]
pub use run_table::{RunRow, RunTable};
#[cfg(any(feature = "edit", feature = "table"))]
pub use sample::Sampling;
pub use sample::lttb;
#[cfg(all(test, feature = "cli"))]
pub(crate) use select::tests as name_tests;
#[cfg(feature = "table")]
pub use select::{Names, meant, near};
pub use smooth::smooth;
pub use stats::ScalarStats;
