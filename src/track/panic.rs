//! Panic messages, for runs that end with a panic.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic;
use std::sync::Once;

use crate::meta::Failure;

thread_local! {
    /// The last panic of this thread.
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Records panics from now on, and then calls the previous hook.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("a panic without a message");
            let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
            let failure = Failure {
                kind: "panic".into(),
                message: format!("{message}{place}"),
                traceback: Some(Backtrace::force_capture().to_string()),
                ..Failure::default()
            };
            // The thread may be about to end.
            let _ = LAST.try_with(|last| last.replace(Some(failure)));
            before(info);
        }));
    });
}

/// The panic of this thread, if it is panicking.
pub(super) fn current() -> Option<Failure> {
    std::thread::panicking().then(|| LAST.with(|last| last.take())).flatten()
}
