//! Files that a run produces.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::digest;
use crate::error::{Result, failed};
use crate::meta::Artifact;
use crate::replace::{disk, replace};
use crate::store::open_regular;

/// Stores `content` as the artifact `name` of the run in `dir`. The file is replaced atomically: it
/// is either complete or unchanged.
pub(super) fn keep(dir: &Path, name: &str, content: &mut dyn Read) -> Result<Artifact> {
    let path = Artifact::place(dir, name)?;
    if let Some(parent) = path.parent() {
        disk::create_dir_all(parent).map_err(|error| failed(error, parent))?;
    }
    let (mut size, mut sha256) = (0, String::new());
    replace(&path, |out| {
        (size, sha256) = digest::copy(content, out)??;
        Ok(())
    })?;
    Ok(Artifact { path: name.into(), size, sha256, ..Artifact::default() })
}

/// Opens the file at `path` to store it as an artifact.
pub(super) fn open(path: &Path) -> Result<File> {
    open_regular(path).map(|(file, _)| file).map_err(|error| failed(error, path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn artifacts_stay_in_their_folder() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", "/etc/passwd", "../a", "a/../../b", "a\\b", "a\0b", "."] {
            let error = keep(dir.path(), name, &mut &b"x"[..]).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{name:?}: {error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_artifact_has_its_size_and_digest() {
        let dir = tempfile::tempdir().unwrap();
        let kept = keep(dir.path(), "models/a.bin", &mut &b"abc"[..]).unwrap();
        assert_eq!((kept.path.as_str(), kept.size), ("models/a.bin", 3));
        // FIPS 180-2, appendix B.1
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(kept.sha256, abc);
        assert_eq!(fs::read(dir.path().join("artifacts/models/a.bin")).unwrap(), b"abc");
    }
}
