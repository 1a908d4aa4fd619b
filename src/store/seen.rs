//! The facts about a file that are known without reading it.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::time::SystemTime;

/// The state of a file when it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) len: u64,
    pub(crate) modified: Option<SystemTime>,
    /// Stands for the ETag of an object, or for its time if the server has no ETags. Another content has another one.
    pub(super) version: Option<u64>,
}

impl Seen {
    /// Whether the file has not changed since `before`.
    pub(crate) fn is_same(&self, before: &Self) -> bool {
        let is_same = match (self.version, before.version) {
            (Some(version), Some(other)) => version == other,
            _ => self.modified == before.modified,
        };
        self.len == before.len && is_same
    }

    /// Whether it is an object that is as long as the one `before`, and another one. Objects do not change, and
    /// nothing was added.
    pub(crate) fn replaces(&self, before: &Self) -> bool {
        self.version.is_some() && self.len == before.len && !self.is_same(before)
    }
}

impl From<&Metadata> for Seen {
    fn from(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: metadata.modified().ok(), version: None }
    }
}

/// The error for an object that was replaced while it was read.
#[derive(Debug)]
pub(super) struct Replaced;

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the object was replaced while it was read")
    }
}

impl std::error::Error for Replaced {}

/// Whether an object cannot be read on because another one has replaced it.
pub(crate) fn is_replaced(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Replaced>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_object_its_version_counts_and_of_a_file_its_time() {
        let seen = |len, seconds, version| {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            Seen { len, modified: Some(time), version }
        };
        let object = seen(5, 1, Some(7));
        assert!(seen(5, 2, Some(7)).is_same(&object) && !seen(5, 2, Some(7)).replaces(&object));
        assert!(!seen(5, 1, Some(8)).is_same(&object) && seen(5, 1, Some(8)).replaces(&object));
        assert!(!seen(6, 1, Some(8)).is_same(&object) && !seen(6, 1, Some(8)).replaces(&object));
        let file = seen(5, 1, None);
        assert!(seen(5, 1, None).is_same(&file) && !seen(5, 2, None).is_same(&file));
        assert!(!seen(5, 2, None).replaces(&file));
    }
}
