//! A progress line on the terminal that shows the current measurement.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

/// Replaces the line. Does nothing if stderr is not a terminal.
pub fn show(what: impl Display) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}

/// Removes the line.
pub fn clear() {
    show("");
}
