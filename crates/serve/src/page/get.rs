//! The page from the package index of Python.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tbx::digest;
use tbx::error::{Error, ErrorKind, Result, failed};
use tbx::replace::replace;
use zip::ZipArchive;

use super::files::{PROJECTOR, PROJECTOR_FILES};
use super::find::cache_path;
use super::python::module;

/// The version whose page is fetched, and the digest of its archive.
const VERSION: &str = "2.21.0";
const SHA256: &str = "b481685cf943e871128813f9addbbe0363e8e6b56c828dfe75f96bddc71d2b0b";
/// The archive in the package.
const ARCHIVE: &str = "tensorboard/webfiles.zip";
/// The digests of the projector's files, in the order of [`PROJECTOR_FILES`].
const PROJECTOR_SHA256: [&str; 3] = [
    "4e18b58d9547f899014723fb75b48f4b01b22aa3ff6c588a37f3224642acf46f",
    "346824b3cb562b2a4af8a7fba16af89b310fb1873f1904dd72be5d30e7f1bba8",
    "53c38430766be25dc672a30846ac3b9eba86aee35eb0746785ec012647c7d9a2",
];
/// Maximum size of the archive in bytes.
const MAX_ARCHIVE: u64 = 64 << 20;

/// Downloads TensorBoard 2.21.0 with pip into a temporary directory, without its dependencies, and puts the page into the
/// cache, whose path is returned. Nothing is installed.
///
/// # Errors
///
/// [`ErrorKind::Argument`]: there is no Python with pip, the download fails, or there is no directory for the cache;
/// [`ErrorKind::Value`]: the archive is not the expected one; [`ErrorKind::Io`].
pub fn get() -> Result<PathBuf> {
    let cache = cache_path().ok_or_else(|| {
        Error::argument("there is no directory for the cache: set XDG_CACHE_HOME to one")
    })?;
    let temporary = Temporary::new()?;
    download(&temporary.0)?;
    let wheels = std::fs::read_dir(&temporary.0).map_err(|error| failed(error, &temporary.0))?;
    let wheels = wheels.filter_map(|entry| Some(entry.ok()?.path()));
    let wheel = wheels.filter(|path| path.extension().is_some_and(|ext| ext == "whl")).max();
    let wheel = wheel.ok_or_else(|| Error::argument("pip downloaded no wheel of tensorboard"))?;
    // Next to the archive, as in the package.
    let beside = cache.parent().unwrap_or(Path::new(""));
    for (name, sha256) in PROJECTOR_FILES.iter().zip(PROJECTOR_SHA256) {
        let path = beside.join(PROJECTOR).join(name);
        put(&wheel, &format!("tensorboard/{PROJECTOR}/{name}"), &path, sha256)?;
    }
    put(&wheel, ARCHIVE, &cache, SHA256)?;
    Ok(cache)
}

/// A directory that is removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tbx-webfiles-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| failed(error, &path))?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // A file that cannot be removed is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn download(to: &Path) -> Result<()> {
    let mut reason = "there is no Python on PATH".to_owned();
    for python in ["python3", "python"] {
        let pip = module(python, "pip")
            .args(["download", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary", ":all:", "--dest"])
            .arg(to)
            .arg(format!("tensorboard=={VERSION}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output();
        match pip {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let last = said.lines().last().unwrap_or("no message");
                reason = format!("{python} -m pip: {last}");
            }
            Err(_) => {}
        }
    }
    Err(Error::argument(format!(
        "tensorboard {VERSION} cannot be downloaded: {reason}. On another machine, `pip download --no-deps tensorboard` \
         gets the wheel, a zip archive; its file {ARCHIVE} can be named with --webfiles"
    )))
}

/// Puts a file of a wheel at `path`, if it has this digest.
fn put(wheel: &Path, name: &str, path: &Path, sha256: &str) -> Result<()> {
    let io = |error| failed(ErrorKind::from(error), wheel);
    let wrong = |what: String| failed(ErrorKind::Value(what), wheel);
    let file = File::open(wheel).map_err(io)?;
    let mut zip = ZipArchive::new(file).map_err(|error| wrong(format!("not a wheel: {error}")))?;
    let entry = zip.by_name(name).map_err(|error| wrong(format!("{name}: {error}")))?;
    let mut content = Vec::new();
    entry.take(MAX_ARCHIVE).read_to_end(&mut content).map_err(io)?;
    let found = digest::sha256(&content);
    if found != sha256 {
        return Err(wrong(format!("{name} has the digest {found}, not {sha256}")));
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| failed(error, directory))?;
    }
    replace(path, |out| out.write_all(&content))
}

#[cfg(test)]
mod tests {
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    #[test]
    fn only_the_expected_archive_gets_into_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let (wheel, cache) = (dir.path().join("x.whl"), dir.path().join("cache/tbx/webfiles.zip"));
        let mut zip = ZipWriter::new(File::create(&wheel).unwrap());
        zip.start_file(ARCHIVE, SimpleFileOptions::default()).unwrap();
        zip.write_all(b"the archive").unwrap();
        zip.finish().unwrap();
        let error = put(&wheel, ARCHIVE, &cache, SHA256).unwrap_err().to_string();
        assert!(error.contains("digest"), "{error}");
        assert!(!cache.exists());
        for _ in 0..2 {
            put(&wheel, ARCHIVE, &cache, &digest::sha256(b"the archive")).unwrap();
            assert_eq!(std::fs::read(&cache).unwrap(), b"the archive");
        }
        std::fs::write(&wheel, "no wheel").unwrap();
        assert!(put(&wheel, ARCHIVE, &cache, SHA256).is_err());
    }
}
