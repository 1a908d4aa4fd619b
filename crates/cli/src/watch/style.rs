//! Styles, and text in them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Writes into a row of `area` from column `x` on, as far as it fits. Returns the next column.
pub(super) fn put(buffer: &mut Buffer, area: Rect, x: u16, text: &str, style: Style) -> u16 {
    let room = usize::from(area.width.saturating_sub(x));
    if room == 0 || !buffer.area.contains((area.x + x, area.y).into()) {
        return x;
    }
    let (end, _) = buffer.set_stringn(area.x + x, area.y, text, room, style);
    end - area.x
}
