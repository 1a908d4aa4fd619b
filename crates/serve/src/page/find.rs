//! Where the page may be.

use std::env;
use std::path::{Path, PathBuf};

use super::python::tensorboard_of;

/// The archive in the package `tensorboard`.
const ARCHIVE: &str = "tensorboard/webfiles.zip";

/// The archive `webfiles.zip` of TensorBoard on this machine: in the active virtual environment, in the cache of tbx,
/// or in the first Python on the path. `None` if it is in none of them.
pub fn find() -> Option<PathBuf> {
    let active = env::var_os("VIRTUAL_ENV").or_else(|| env::var_os("CONDA_PREFIX"));
    active
        .and_then(|environment| in_environment(Path::new(&environment)))
        .or_else(|| cache_path().filter(|path| path.is_file()))
        .or_else(|| ["python3", "python"].into_iter().find_map(of_python))
}

/// The place of the archive in the cache of the user: `tbx/webfiles.zip` in `XDG_CACHE_HOME` or the directory that the
/// system has for caches.
pub fn cache_path() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| {
        if cfg!(windows) {
            absolute("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            absolute("HOME").map(|home| home.join("Library/Caches"))
        } else {
            absolute("HOME").map(|home| home.join(".cache"))
        }
    });
    cache.map(|cache| cache.join("tbx").join("webfiles.zip"))
}

/// The archive in a virtual environment.
fn in_environment(environment: &Path) -> Option<PathBuf> {
    let windows = environment.join("Lib").join("site-packages").join(ARCHIVE);
    let versions = std::fs::read_dir(environment.join("lib")).into_iter().flatten();
    let versions = versions.filter_map(|entry| Some(entry.ok()?.path()));
    let unix = versions.map(|lib| lib.join("site-packages").join(ARCHIVE));
    unix.chain([windows]).find(|path| path.is_file())
}

/// The archive of a Python on the path.
fn of_python(python: &str) -> Option<PathBuf> {
    let path = tensorboard_of(python)?.join("webfiles.zip");
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_environment_of_each_system_is_searched() {
        for below in ["lib/python3.11/site-packages", "Lib/site-packages"] {
            let environment = tempfile::tempdir().unwrap();
            assert_eq!(in_environment(environment.path()), None);
            let archive = environment.path().join(below).join(ARCHIVE);
            fs::create_dir_all(archive.parent().unwrap()).unwrap();
            fs::write(&archive, "").unwrap();
            assert_eq!(in_environment(environment.path()), Some(archive));
        }
    }
}
