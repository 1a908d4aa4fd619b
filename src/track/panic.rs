//! What a panic says, for runs that end by one.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic;
use std::sync::Once;

use crate::meta::Failure;

thread_local! {
    /// The last panic of this thread.
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Notes panics from now on, and has the hook that is there do what it does.
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

/// The panic that this thread is in.
pub(super) fn current() -> Option<Failure> {
    std::thread::panicking().then(|| LAST.with(|last| last.take())).flatten()
}
