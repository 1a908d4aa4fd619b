//! Other people's code that runs inside of the writer may log, and what it logs may come back to
//! the writer: for ever, or into a lock that this thread holds. So it is not heard there.

use std::cell::Cell;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs [`quietly`].
#[cfg(any(feature = "log", feature = "tracing"))]
pub(super) fn is_quiet() -> bool {
    QUIET.get()
}

/// Does `work`. What this thread logs meanwhile is not logged by the layers of this crate.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    /// Undone also by a panic.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            QUIET.set(self.0);
        }
    }
    let _before = Before(QUIET.replace(true));
    work()
}
