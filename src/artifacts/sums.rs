//! The list of the files of a version with their digests, in a file next to their directory.
//!
//! It has the lines that `sha256sum` prints, and `sha256sum --check` in the directory reads them. The digest of the
//! version is the SHA-256 of this file.

#[cfg(feature = "track")]
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::digest;
use crate::store;
use crate::tree::Tree;

/// The extension of the file.
const EXTENSION: &str = "sha256";
/// Maximum size in bytes: a million files with paths of 190 bytes.
const MAX_BYTES: u64 = 256 << 20;

/// The path of the list for the files in `folder`.
pub(super) fn path(folder: &Path) -> PathBuf {
    let mut path = folder.to_owned().into_os_string();
    path.push(format!(".{EXTENSION}"));
    path.into()
}

/// Writes the list for the files of `tree` in `folder`, unless it is there.
#[cfg(feature = "track")]
pub(super) fn write(folder: &Path, tree: &Tree) -> crate::error::Result<()> {
    let (path, sums) = (path(folder), tree.sums());
    let is_there = store::read(&path, MAX_BYTES).is_ok_and(|there| there == sums.as_bytes());
    if is_there {
        return Ok(());
    }
    crate::replace::replace(&path, |out| out.write_all(sums.as_bytes()))
}

/// The first file in `folder`, which has the files `there`, that is not as it was logged under `digest`; `None`
/// without its list.
pub(super) fn first_difference(folder: &Path, there: &Tree, digest: &str) -> Option<String> {
    let list = store::read(&path(folder), MAX_BYTES).ok()?;
    let list = String::from_utf8(list).ok().filter(|list| digest::sha256(list) == digest)?;
    let now = there.sums();
    // Both are sorted, so that the first lines that differ are about the same file, or one is of a file that only
    // one of them has.
    let (logged, now) = list.lines().zip(now.lines()).find(|(a, b)| a != b).map_or_else(
        || (list.lines().nth(there.files().len()), now.lines().nth(list.lines().count())),
        |(logged, now)| (Some(logged), Some(now)),
    );
    let name = |line: &str| line.split_once("  ").map(|(_, name)| name.to_owned());
    match (logged.and_then(name), now.and_then(name)) {
        (Some(logged), Some(now)) if logged == now => Some(format!("{logged} has another content")),
        (Some(logged), Some(now)) if logged < now => Some(format!("{logged} is missing")),
        (Some(logged), None) => Some(format!("{logged} is missing")),
        (_, Some(now)) => Some(format!("{now} is new")),
        (None, None) => None,
    }
}
