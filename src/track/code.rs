//! The code of a run as artifacts: uncommitted changes, sources, and the lock file.

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::capture;
use super::options::Code;
use super::run::ActiveRun;
use crate::error::{Error, ErrorKind, Result, failed};
use crate::store::{Links, Root};

/// The directory of the artifacts.
const CODE: &str = "code";
/// The name of the changes.
const CHANGES: &str = "code/changes.patch";
/// The key in the metadata about git for changes that are too long.
const OMITTED: &str = "changes_omitted";
/// Maximum size of the changes in bytes.
const MAX_CHANGES: u64 = 16 << 20;
/// Maximum size of a source file in bytes.
const MAX_SOURCE: u64 = 16 << 20;
/// Maximum number of source files.
const MAX_SOURCES: usize = 10_000;

impl ActiveRun {
    /// Logs the code of the working directory.
    pub(super) fn log_code(&self, code: Code) -> Result<()> {
        if code.changes {
            match changes(Path::new(".")) {
                Some(Changes::Patch(patch)) => {
                    self.log_artifact_bytes(CHANGES, &patch, None)?;
                }
                Some(Changes::TooLong) => self.change(|meta| {
                    let what = format!("more than {MAX_CHANGES} bytes");
                    meta.git.get_or_insert_default().other.insert(OMITTED.into(), what.into());
                })?,
                None => {}
            }
        }
        if code.sources {
            let dir = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| ".".into(), PathBuf::from);
            self.log_sources(&dir)?;
        }
        if let Some(lock) = capture::find_lock().filter(|_| code.lock_file) {
            self.log_artifact(lock, None)?;
        }
        Ok(())
    }

    fn log_sources(&self, dir: &Path) -> Result<()> {
        let root = Root::new(dir, Links::Inside).map_err(|error| failed(error, dir))?;
        let mut kept = Vec::new();
        for name in sources(dir)? {
            let path = dir.join(&name);
            // The list also has files that only the package has.
            if path.symlink_metadata().is_ok() {
                let content = root.read(&path, MAX_SOURCE).map_err(|error| failed(error, &path))?;
                kept.push(self.store(&format!("{CODE}/{name}"), &mut content.as_slice(), None)?);
            }
        }
        self.list(&kept)
    }
}

/// Uncommitted changes.
enum Changes {
    Patch(Vec<u8>),
    TooLong,
}

/// The changes of tracked files in the repository that contains `dir`; `None` without changes, a repository, a
/// commit, or git.
fn changes(dir: &Path) -> Option<Changes> {
    // Without programs that the repository could name.
    let args = ["diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD"];
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(args).env("GIT_OPTIONAL_LOCKS", "0");
    command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let mut git = command.spawn().ok()?;
    let mut patch = Vec::new();
    let read = git.stdout.take()?.take(MAX_CHANGES + 1).read_to_end(&mut patch);
    let is_too_long = u64::try_from(patch.len()).is_ok_and(|len| len > MAX_CHANGES);
    if is_too_long {
        // It may be waiting to write more.
        let _ = git.kill();
    }
    let is_done = git.wait().is_ok_and(|status| status.success()) && read.is_ok();
    match (is_too_long, is_done && !patch.is_empty()) {
        (true, _) => Some(Changes::TooLong),
        (false, true) => Some(Changes::Patch(patch)),
        (false, false) => None,
    }
}

/// The files of the package in `dir`, relative to it.
fn sources(dir: &Path) -> Result<Vec<String>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["package", "--list", "--allow-dirty", "--offline"]).current_dir(dir);
    let done = command.stdin(Stdio::null()).output().map_err(|error| failed(error, dir))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said.trim().lines().last().unwrap_or_default().to_owned();
        let what = format!("cargo package --list does not name the sources: {last}");
        return Err(failed(ErrorKind::Argument(what), dir));
    }
    let names: Vec<_> = String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect();
    if names.len() > MAX_SOURCES {
        let what = format!("the package has more than {MAX_SOURCES} files: exclude some");
        return Err(Error::new(ErrorKind::Argument(what), crate::error::Location::of(dir)));
    }
    // On Windows, cargo prints backslashes.
    Ok(names.into_iter().map(|name| name.replace(std::path::MAIN_SEPARATOR, "/")).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn git(dir: &Path, args: &[&str]) -> bool {
        let mut command = Command::new("git");
        command.arg("-C").arg(dir).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        command.args(args).output().is_ok_and(|done| done.status.success())
    }

    #[test]
    fn changes_restore_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        if !git(dir.path(), &["init", "--quiet"]) {
            println!("skipped: git is not installed");
            return;
        }
        fs::write(&path, "one\n").unwrap();
        fs::write(dir.path().join("b"), [0, 159, 1]).unwrap();
        assert!(changes(dir.path()).is_none(), "without a commit");
        assert!(git(dir.path(), &["add", "."]));
        assert!(git(dir.path(), &["commit", "--quiet", "--no-gpg-sign", "-m", "one"]));
        assert!(changes(dir.path()).is_none());
        fs::write(&path, "two\n").unwrap();
        fs::write(dir.path().join("b"), [0, 160, 2]).unwrap();
        let Some(Changes::Patch(patch)) = changes(dir.path()) else { panic!("no patch") };
        assert!(git(dir.path(), &["checkout", "--quiet", "."]));
        let file = dir.path().join("patch");
        fs::write(&file, patch).unwrap();
        assert!(git(dir.path(), &["apply", "patch"]));
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        assert_eq!(fs::read(dir.path().join("b")).unwrap(), [0, 160, 2]);
        fs::write(&path, "x\n".repeat(10 << 20)).unwrap();
        assert!(matches!(changes(dir.path()), Some(Changes::TooLong)));
    }

    #[test]
    fn sources_are_those_of_the_package() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        fs::write(dir.path().join("src/lib.rs"), "").unwrap();
        fs::write(dir.path().join("data.bin"), "").unwrap();
        let manifest = "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                        include = [\"/src\"]\n[workspace]\n";
        fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
        let names = sources(dir.path()).unwrap();
        assert!(names.contains(&"src/lib.rs".to_owned()), "{names:?}");
        assert!(!names.contains(&"data.bin".to_owned()), "{names:?}");
        fs::write(dir.path().join("Cargo.toml"), "[package").unwrap();
        let said = sources(dir.path()).unwrap_err().to_string();
        assert!(said.contains("cargo package --list"), "{said}");
    }
}
