//! What answers need.

use std::sync::Arc;

use crate::http::{Answer, Refusal, Request};
use crate::page::Page;
use crate::routes;
use crate::state::State;

/// The state, the page, and what is said of them.
pub(crate) struct App {
    pub(crate) state: Arc<State>,
    pub(crate) page: Page,
    /// The log directories, as the user gave them.
    pub(crate) location: String,
    /// The title of the window.
    pub(crate) title: String,
}

impl App {
    /// Answers a request.
    pub(crate) fn answer(&self, request: &Request) -> Result<Answer, Refusal> {
        match routes::route(self, request) {
            Some(answer) => answer,
            None if request.path.starts_with("/data/") => {
                Err(Refusal::NotFound("Not found".to_owned()))
            }
            None => self.page.answer(&request.path),
        }
    }
}
