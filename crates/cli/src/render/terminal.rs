//! The width of the terminal, and whether colors are visible. Only the standard output decides: a file or a
//! pipe has no width, whatever terminal the program runs in.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};

/// Columns of the terminal behind the standard output; none for a file or a pipe, where nothing is
/// shortened. `COLUMNS` is used only if a terminal does not know its width, since shells do not update it
/// when the window changes.
pub(crate) fn terminal_width() -> Option<usize> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let known = terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
    let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    known.or_else(columns).filter(|width| *width > 0)
}

/// True if the standard output shows colors.
pub(crate) fn has_colors() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// True if the standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
