//! How much room there is, and whether colours can be seen. The standard output decides, and nothing
//! else: a file or a pipe has no width, whatever terminal the program was started in.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};

/// The columns of the terminal that the standard output is; none if it is a file or a pipe: then
/// nothing is cut. `COLUMNS` is asked only where a terminal does not know its own width: shells leave
/// it behind when the window changes.
pub(crate) fn terminal_width() -> Option<usize> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let known = terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
    let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    known.or_else(columns).filter(|width| *width > 0)
}

/// Whether the standard output shows colours.
pub(crate) fn has_colors() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Whether somebody looks at the standard output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
