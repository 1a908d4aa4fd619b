//! The right to a run that other programs may take up, if this one seems to have died.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind, failed};
use crate::meta::RunMeta;

/// The key in a run's metadata that has the number of its attempts.
pub(super) const ATTEMPTS: &str = "attempts";

/// The right of one attempt at a run, until another attempt begins.
///
/// A lock can be lost while its owner lives: a machine was suspended, or a file server was out of reach. So whoever
/// comes back looks at the metadata before it changes anything.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    attempt: u64,
    is_lost: Arc<AtomicBool>,
}

impl Claim {
    pub(super) fn new(attempt: u64) -> Self {
        Self { attempt, is_lost: Arc::default() }
    }

    /// Whether the run with this metadata still belongs to the attempt.
    pub(super) fn holds(&self, meta: &RunMeta) -> bool {
        let holds = attempts(meta) == Some(self.attempt);
        if !holds {
            self.is_lost.store(true, Ordering::SeqCst);
        }
        holds
    }

    /// Whether another attempt was found to have begun.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }

    /// The error of a change that came too late.
    pub(super) fn error(dir: &Path) -> Error {
        let what = "another worker has taken up this trial, so nothing was recorded for this one";
        failed(ErrorKind::Argument(what.into()), dir)
    }
}

/// How often the run was begun, if that is counted.
pub(super) fn attempts(meta: &RunMeta) -> Option<u64> {
    meta.other.get(ATTEMPTS).and_then(serde_json::Value::as_u64)
}
