//! Servers that are away, as known to the mirrors of one program: each of its runs has one, and only one of them should
//! wait for a server that does not answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::MAX_PAUSE;

/// When servers were found to be away, by their addresses.
static AWAY: Mutex<BTreeMap<String, Instant>> = Mutex::new(BTreeMap::new());

/// The state of a server, if it is shared.
pub(super) struct Away<'a>(Option<&'a str>);

impl<'a> Away<'a> {
    pub(super) fn of(server: Option<&'a str>) -> Self {
        Self(server)
    }

    /// Whether it was away a short time ago.
    pub(super) fn is_known(&self) -> bool {
        let since = self.0.and_then(|server| all().get(server).copied());
        since.is_some_and(|since| since.elapsed() < MAX_PAUSE)
    }

    pub(super) fn set(&self, is_away: bool) {
        let Some(server) = self.0 else { return };
        match is_away {
            true => drop(all().insert(server.to_owned(), Instant::now())),
            false => drop(all().remove(server)),
        }
    }
}

fn all() -> MutexGuard<'static, BTreeMap<String, Instant>> {
    AWAY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_away_is_known_to_all() {
        let [one, other] = ["http://one", "http://other"].map(|server| Away::of(Some(server)));
        one.set(true);
        assert!(Away::of(Some("http://one")).is_known() && !other.is_known());
        one.set(false);
        assert!(!one.is_known());
        let alone = Away::of(None);
        alone.set(true);
        assert!(!alone.is_known());
    }
}
