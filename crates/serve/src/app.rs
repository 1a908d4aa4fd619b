//! What answers need.

use std::sync::Arc;

use crate::page::Page;
use crate::routes::Embedded;
use crate::state::State;

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
    /// Whether the answers are for a static site.
    pub(crate) is_static: bool,
}
