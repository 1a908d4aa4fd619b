//! Handles URLs without the feature `remote`: errors explain how to get it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Listing, Seen};

/// Uninhabited: there are no objects.
#[derive(Debug)]
pub(super) enum Object {}

impl Object {
    pub(super) fn size(&self) -> io::Result<u64> {
        match *self {}
    }

    pub(super) fn read_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
        match *self {}
    }

    pub(super) fn read_ahead(&self, _range: Range<u64>) -> io::Result<()> {
        match *self {}
    }
}

pub(super) fn open(_path: &Path) -> io::Result<(Object, u64)> {
    Err(unsupported())
}

pub(super) fn open_version(_path: &Path) -> io::Result<(Object, u64)> {
    Err(unsupported())
}

pub(super) fn check(_path: &Path) -> io::Result<()> {
    Err(unsupported())
}

pub(super) fn seen(_path: &Path) -> io::Result<Seen> {
    Err(unsupported())
}

/// URLs are not changed: errors do not contain secrets.
pub(super) fn enter(path: &Path) -> PathBuf {
    path.to_owned()
}

pub(super) fn list(_path: &Path, _remembered: fn(&str) -> bool) -> io::Result<Listing> {
    Err(unsupported())
}

/// Uninhabited: there are no uploads.
#[derive(Debug)]
pub enum Upload {}

impl Upload {
    #[doc(hidden)]
    pub fn create(_path: &Path, _overwrite: bool) -> io::Result<Self> {
        Err(unsupported())
    }

    #[doc(hidden)]
    pub fn write_all(&mut self, _bytes: &[u8]) -> io::Result<()> {
        match *self {}
    }

    #[doc(hidden)]
    pub fn finish(&mut self) -> io::Result<()> {
        match *self {}
    }
}

fn unsupported() -> io::Error {
    let message = "this tbx was built without support for URLs; \
        `cargo install tbx-cli --features remote` builds one with it";
    io::Error::new(io::ErrorKind::Unsupported, message)
}
