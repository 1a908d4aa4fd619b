//! The threads that talk to servers.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// Decrypting is what they are busy with.
const MAX_THREADS: usize = 4;

static RUNTIME: LazyLock<Mutex<Option<Runtime>>> = LazyLock::new(Mutex::default);

/// What `future` gives. The calling thread waits, and may be one of another runtime.
///
/// # Errors
///
/// There are no threads to be had, or `future` panics.
pub(super) fn wait<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    {
        let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if runtime.is_none() {
            let processors = thread::available_parallelism().map_or(1, |n| n.get());
            let threads = processors.min(MAX_THREADS);
            let built = Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name("tbx-remote")
                .enable_all()
                .build()?;
            *runtime = Some(built);
        }
        if let Some(runtime) = runtime.as_ref() {
            runtime.spawn(async move {
                // Who waits is there until it has the answer.
                let _ = sender.send(future.await);
            });
        }
    }
    receiver.recv().map_err(|_| io::Error::other("a request was given up"))
}
