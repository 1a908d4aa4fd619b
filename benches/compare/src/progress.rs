//! One line on the terminal that says what is measured now.

use std::fmt::Display;
use std::io::{IsTerminal, stderr};

/// Replaces the line; nothing where stderr is not a terminal.
pub fn show(what: impl Display) {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}

/// Removes the line.
pub fn clear() {
    show("");
}
