//! The progress of jobs that take long.

use std::fmt;
use std::sync::Arc;

/// The progress of a job: an export, an import, an edit, and so on.
///
/// Each job has a method `on_progress`, whose argument is called from any thread while the job runs. A
/// field that has no meaning for the job stays 0.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::sync::Arc;
/// use tbx_runs::verify::Verify;
///
/// let seen = Arc::new(AtomicUsize::new(0));
/// let done = seen.clone();
/// let verify = Verify::new().on_progress(move |progress| {
///     done.fetch_max(progress.runs, Ordering::Relaxed);
/// });
/// verify.run(&tbx::Logdir::open("fixtures/keras")?);
/// assert_eq!(seen.load(Ordering::Relaxed), 2);
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of runs that are done.
    pub runs: usize,
    /// Total number of runs; 0 if it is not known.
    pub all_runs: usize,
    /// Number of points that were written or sent so far.
    pub points: u64,
    /// Number of rows that were written so far, in all tables.
    pub rows: u64,
    /// Number of files that are done.
    pub files: u64,
    /// Size of these files in bytes.
    pub bytes: u64,
    /// Whether the job waits for another program that works on the same runs.
    pub is_waiting: bool,
}

/// The callback for the progress of a job.
#[derive(Clone, Default)]
pub(crate) struct OnProgress(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl OnProgress {
    pub(crate) fn new(f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(f)))
    }

    pub(crate) fn call(&self, progress: Progress) {
        if let Some(f) = &self.0 {
            f(progress);
        }
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(..)" } else { "None" })
    }
}
