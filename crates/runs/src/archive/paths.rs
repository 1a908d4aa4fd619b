//! The paths in an archive, which must not contradict each other.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::invalid;
use tbx::replace::is_temporary;

/// Maximum number of files and directories in an archive, including directories that occur only in
/// paths: each takes about 40 bytes of memory.
const MAX_PATHS: usize = 1 << 22;
/// Maximum length of a path in bytes: no system accepts longer ones.
const MAX_PATH: usize = 4096;
/// Maximum length of a name in bytes, as on nearly all file systems.
const MAX_NAME: usize = 255;

/// The paths so far.
#[derive(Default)]
pub(super) struct Paths(HashMap<u128, Kind>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

impl Paths {
    /// Adds an entry. Returns an error if its path conflicts with earlier entries.
    pub(super) fn add(&mut self, path: &Path, is_dir: bool) -> io::Result<()> {
        let refused = |what: &str| Err(invalid(&format!("entry {path:?} {what}")));
        if path.as_os_str().len() > MAX_PATH {
            let start: String = path.to_string_lossy().chars().take(80).collect();
            return Err(invalid(&format!(
                "a path in it has more than {MAX_PATH} bytes: {start:?}..."
            )));
        }
        let mut hash = Sha256::new();
        let names = path.iter().count();
        for (i, name) in path.iter().enumerate() {
            if name.len() > MAX_NAME {
                return refused(&format!("has a name of more than {MAX_NAME} bytes"));
            }
            if is_temporary(name) {
                return refused("has the name of a temporary file of tbx");
            }
            hash.update(name.as_encoded_bytes());
            hash.update(b"/");
            let is_last = i + 1 == names;
            let kind = if is_last && !is_dir { Kind::File } else { Kind::Directory };
            let is_full = self.0.len() >= MAX_PATHS;
            match self.0.entry(short(&hash)) {
                Vacant(_) if is_full => {
                    let what = format!("it has more than {MAX_PATHS} files and directories");
                    return Err(invalid(&what));
                }
                Vacant(place) => drop(place.insert(kind)),
                Occupied(known) => match (*known.get(), kind) {
                    (Kind::Directory, Kind::Directory) => {}
                    (Kind::File, Kind::File) => return refused("occurs twice"),
                    (Kind::File, Kind::Directory) if !is_last => {
                        return refused("is inside another entry that is a file");
                    }
                    _ => return refused("is both a file and a directory"),
                },
            }
        }
        Ok(())
    }
}

/// Hash that represents a path; collisions cannot be found in practice.
fn short(hash: &Sha256) -> u128 {
    let digest: [u8; 32] = hash.clone().finalize().into();
    let (half, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
    u128::from_le_bytes(*half)
}
