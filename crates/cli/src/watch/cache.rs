//! The charts that were drawn last.

use std::collections::HashMap;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use tbx_runs::table::ChartX;

/// The charts that were drawn last, and what they depend on.
pub(super) struct ChartCache {
    pub(super) key: Key,
    pub(super) drawn: Buffer,
}

/// Everything that charts depend on.
#[derive(PartialEq)]
pub(super) struct Key {
    pub(super) version: u64,
    pub(super) area: Rect,
    pub(super) tags: Vec<Arc<str>>,
    pub(super) runs: Vec<String>,
    pub(super) named: HashMap<String, usize>,
    pub(super) selected: usize,
    pub(super) how: (u64, bool, ChartX),
}
