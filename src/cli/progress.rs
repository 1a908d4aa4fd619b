//! How far something is, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::render::{DIM, styled};

/// How often it is shown.
const OFTEN: Duration = Duration::from_millis(100);

/// A line on the terminal that says how far a long work is.
pub(super) struct ProgressLine {
    is_shown: bool,
    next: Instant,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self { is_shown: false, next: Instant::now() + OFTEN }
    }

    pub(super) fn show(&mut self, runs: usize, all: usize, what: &str) {
        self.say(&format!("{runs} of {all} runs, {what}"));
    }

    pub(super) fn say(&mut self, what: &str) {
        let now = Instant::now();
        if now < self.next || !io::stderr().is_terminal() {
            return;
        }
        self.next = now + OFTEN;
        self.is_shown = true;
        let line = styled(DIM, what);
        // To the end of the line, for a longer one that was there.
        let _ = write!(anstream::stderr(), "\r{line}\x1b[K");
    }

    pub(super) fn clear(&self) {
        if self.is_shown {
            let _ = write!(anstream::stderr(), "\r\x1b[K");
        }
    }
}
