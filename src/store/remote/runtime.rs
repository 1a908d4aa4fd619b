//! The threads that communicate with servers.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// Maximum number of threads, which mostly decrypt data.
const MAX_THREADS: usize = 4;

static RUNTIME: LazyLock<Mutex<Option<Runtime>>> = LazyLock::new(Mutex::default);

/// Runs `future` and returns its result. Blocks the calling thread, which may belong to another
/// runtime.
///
/// # Errors
///
/// No threads can be started, or `future` panics.
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
                // The waiting thread exists until it has the answer.
                let _ = sender.send(future.await);
            });
        }
    }
    receiver.recv().map_err(|_| io::Error::other("a request was abandoned"))
}
