//! Keeps the writer from logging to itself. Foreign code that runs inside the writer may log, and
//! its messages may come back to the writer: endlessly, or into a lock that this thread holds. They
//! are therefore ignored.

use std::cell::Cell;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this thread is running [`quietly`].
#[cfg(any(feature = "log", feature = "tracing"))]
pub(super) fn is_quiet() -> bool {
    QUIET.get()
}

/// Runs `work`. Messages that this thread logs meanwhile are ignored by the loggers of this crate.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    /// Restores the previous state, even after a panic.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            QUIET.set(self.0);
        }
    }
    let _before = Before(QUIET.replace(true));
    work()
}
