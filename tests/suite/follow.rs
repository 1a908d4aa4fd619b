//! Follows a log directory while it grows.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod files;
mod grow;
pub(crate) mod kept;
mod places;

use self::kept::{Kept, facts_of_load};
