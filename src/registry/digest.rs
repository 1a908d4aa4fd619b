//! Digests of files.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::ModelVersion;
use crate::error::ErrorKind;

/// SHA-256 in hex and the size of what `content` gives.
pub(super) fn of(content: &mut impl Read) -> io::Result<(String, u64)> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = match content.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        hash.update(read);
        size += u64::try_from(n).unwrap_or(0);
    }
    let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((hex, size))
}

/// The file at `path`, at its start, if it is that of `version`.
pub(super) fn check(path: &Path, version: &ModelVersion) -> Result<File, ErrorKind> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::Value("the model's file is no regular file".into()));
    }
    let (sha256, size) = of(&mut file)?;
    if !sha256.eq_ignore_ascii_case(&version.sha256) {
        let what = format!(
            "it is not the file that was registered: SHA-256 {sha256} and {size} bytes, not {} and \
             {}; bring that back or register it as a new version",
            version.sha256, version.size
        );
        return Err(ErrorKind::Value(what));
    }
    file.rewind()?;
    Ok(file)
}
