//! A log folder that is followed while it grows.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.

mod files;
mod grow;
mod kept;

use self::kept::{Kept, facts_of_load};
