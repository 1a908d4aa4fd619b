//! The data behind all answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::page::Page;
use crate::state::{Source, State};

/// The state, the page, and what is said of them.
pub(crate) struct App {
    pub(crate) state: Arc<State>,
    pub(crate) page: Page,
    /// The log directories, as the user gave them.
    pub(crate) location: String,
    /// The title of the window.
    pub(crate) title: String,
    /// The runs with embeddings.
    pub(crate) embedded: Embedded,
}

impl App {
    pub(crate) fn new(state: Arc<State>, page: Page, sources: &[Source], title: String) -> Self {
        let paths: Vec<_> = sources.iter().map(|source| source.path().to_string_lossy()).collect();
        let location = paths.join(", ");
        Self { state, page, location, title, embedded: Embedded::default() }
    }
}

/// How long it is known which runs have embeddings: finding out looks for two files per run.
const KNOWN_FOR: Duration = Duration::from_secs(5);

/// The runs with embeddings, as they were a moment ago.
#[derive(Default)]
pub(crate) struct Embedded(Mutex<Option<(Instant, Vec<String>)>>);

impl Embedded {
    /// The names of the runs; `find` finds them if they are not known.
    pub(crate) fn runs(&self, find: impl FnOnce() -> Vec<String>) -> Vec<String> {
        // Requests at the same time wait for the first one instead of looking, too.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, names)) = &*known
            && at.elapsed() < KNOWN_FOR
        {
            return names.clone();
        }
        let names = find();
        *known = Some((Instant::now(), names.clone()));
        names
    }
}
