//! Fewer points of a series.

mod lttb;

pub use lttb::lttb;
