//! A progress line on the terminal for commands that take long.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::render::{DIM, bytes, duration, styled};
use tbx::store;

/// Shorter commands show nothing, and the line stays away for this time after other output.
const QUIET: Duration = Duration::from_secs(1);
/// Interval between two updates of the line.
const OFTEN: Duration = Duration::from_millis(100);

/// The line on the standard error. It is global, as there is one terminal.
static LINE: Mutex<Line> =
    Mutex::new(Line { since: None, next: None, is_shown: false, work: String::new() });

struct Line {
    /// When the command began; none if nothing is shown.
    since: Option<Instant>,
    /// Earliest time of the next update.
    next: Option<Instant>,
    is_shown: bool,
    /// The work done so far, as the command describes it.
    work: String,
}

/// Shows how long the command takes and how much it has read, if the standard error is a terminal. Ends
/// when it is dropped.
pub(super) struct Progress;

impl Progress {
    pub(super) fn start() -> Self {
        if io::stderr().is_terminal() {
            let now = Instant::now();
            let mut line = lock();
            (line.since, line.next) = (Some(now), Some(now + QUIET));
            drop(line);
            thread::spawn(|| {
                while lock().draw() {
                    thread::sleep(OFTEN);
                }
            });
        }
        Self
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        end();
    }
}

/// Reports the progress of the command: `runs` of `all` runs, and more.
pub(super) fn runs(runs: usize, all: usize, what: &str) {
    work(|| format!("{runs} of {all} runs, {what}"));
}

/// Reports what the command has done so far.
pub(super) fn work(what: impl FnOnce() -> String) {
    let mut line = lock();
    if line.since.is_some() {
        line.work = what();
    }
}

/// Hides the line for other output, for a while.
pub(super) fn clear() {
    let mut line = lock();
    line.erase();
    line.next = line.next.map(|_| Instant::now() + QUIET);
}

/// Ends the line: the command prints its result, or draws on the terminal itself.
pub(super) fn end() {
    let mut line = lock();
    line.erase();
    line.since = None;
}

fn lock() -> MutexGuard<'static, Line> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// Draws the line if it is time. Returns whether there may be more to draw.
    fn draw(&mut self) -> bool {
        let Some(since) = self.since else { return false };
        if self.next.is_some_and(|next| Instant::now() >= next) {
            self.is_shown = true;
            let text = text(&self.work, store::bytes_read(), since.elapsed());
            // Clears the rest of the line, which may have been longer.
            let _ = write!(anstream::stderr(), "\r{}\x1b[K", styled(DIM, &text));
        }
        true
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _ = write!(anstream::stderr(), "\r\x1b[K");
        }
    }
}

fn text(work: &str, read: u64, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    if !work.is_empty() {
        parts.push(work.to_owned());
    }
    if read > 0 {
        parts.push(format!("{} read", bytes(read)));
    }
    parts.push(duration(elapsed.as_secs_f64()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_what_is_known() {
        let second = Duration::from_secs(1);
        assert_eq!(text("", 0, 2 * second), "2s");
        assert_eq!(text("", 1_500_000, 61 * second), "1.5 MB read, 1m 1s");
        assert_eq!(text("1 of 9 runs, 5 rows", 0, second), "1 of 9 runs, 5 rows, 1s");
    }
}
