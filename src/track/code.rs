//! The code of a run as artifacts: uncommitted changes, sources, and the lock file.

use std::env;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::options::Code;
use super::run::ActiveRun;
use super::{capture, clean, git};
use crate::digest;
use crate::error::{Error, ErrorKind, Result, failed};
use crate::meta::{Artifact, RunMeta};
use crate::replace::disk;
use crate::store::{Links, Root};

/// The directory of the artifacts.
const CODE: &str = "code";
/// The name of the changes.
const CHANGES: &str = "code/changes.patch";
/// The key in the metadata for what is missing or was hidden in the code.
const NOTES: &str = "code_notes";
/// Maximum size of the changes in bytes.
const MAX_CHANGES: u64 = 16 << 20;
/// Maximum size of a source file in bytes.
const MAX_SOURCE: u64 = 16 << 20;
/// Maximum number of source files.
const MAX_SOURCES: usize = 10_000;
/// Number of hex digits of its digest in the name of an earlier patch.
const IN_NAME: usize = 8;

impl ActiveRun {
    /// Logs the code of the working directory. What cannot be logged is noted in the metadata: it is no reason not
    /// to start a run.
    pub(super) fn log_code(&self, code: Code) -> Result<()> {
        let mut notes = Vec::new();
        let mut note = |what: &str, done: Result<Vec<String>>| match done {
            Ok(found) => notes.extend(found.into_iter().map(|found| format!("{what}: {found}"))),
            Err(error) => notes.push(format!("{what}: not logged: {error}")),
        };
        note("changes", self.log_changes(Path::new("."), code.changes));
        if code.sources {
            let dir = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| ".".into(), PathBuf::from);
            note("sources", self.log_sources(&dir));
        }
        if let Some(lock) = capture::find_lock().filter(|_| code.lock_file) {
            note("lock file", self.log_artifact(lock, None).map(|_| Vec::new()));
        }
        // Also removes the notes of an earlier start.
        let is_noted = |meta: &RunMeta| meta.other.contains_key(NOTES);
        if notes.is_empty() && !is_noted(&self.meta()?) {
            return Ok(());
        }
        self.update(|meta| {
            meta.other.remove(NOTES);
            if !notes.is_empty() {
                meta.other.insert(NOTES.into(), notes.into());
            }
        })
    }

    /// Logs the uncommitted changes, if they are wanted. Those of an earlier start of the run belong to the commit at
    /// that time, so they get another name.
    fn log_changes(&self, dir: &Path, is_wanted: bool) -> Result<Vec<String>> {
        let found = if is_wanted { changes(dir)? } else { None };
        let (mut patch, mut notes) = (None, Vec::new());
        if let Some(found) = found {
            let (cleaned, hidden) = clean::patch(&found.patch);
            notes.extend(hidden);
            notes.extend(found.left_out);
            patch = Some(cleaned).filter(|patch| !patch.is_empty());
        }
        let known = self.meta()?.artifacts.into_iter().find(|known| known.path == CHANGES);
        if let Some(known) = known {
            if patch.as_ref().is_some_and(|patch| digest::sha256(patch) == known.sha256) {
                return Ok(notes);
            }
            self.put_aside(&known)?;
        }
        if let Some(patch) = patch {
            self.log_artifact_bytes(CHANGES, &patch, None)?;
        }
        Ok(notes)
    }

    /// Gives the patch of an earlier start a name of its own.
    fn put_aside(&self, known: &Artifact) -> Result<()> {
        let start: String = known.sha256.chars().take(IN_NAME).collect();
        let name = format!("{CODE}/changes-{start}.patch");
        let (from, to) = (Artifact::place(&self.dir, CHANGES)?, Artifact::place(&self.dir, &name)?);
        let is_there = match disk::rename(&from, &to) {
            // A program may have died right after it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => to.is_file(),
            renamed => renamed.map(|()| true).map_err(|error| failed(error, &from))?,
        };
        self.change(|meta| {
            meta.artifacts
                .retain(|other| other.path != name && (is_there || other.path != CHANGES));
            for artifact in meta.artifacts.iter_mut().filter(|other| other.path == CHANGES) {
                artifact.path.clone_from(&name);
            }
        })
    }

    fn log_sources(&self, dir: &Path) -> Result<Vec<String>> {
        let root = Root::new(dir, Links::Inside).map_err(|error| failed(error, dir))?;
        let (mut kept, mut notes) = (Vec::new(), Vec::new());
        for name in sources(dir)? {
            let path = dir.join(&name);
            if clean::is_secret_file(&name) {
                notes.push(format!("{name} is left out: such files have secrets"));
            } else if path.symlink_metadata().is_ok() {
                // The list also has files that only the package has.
                let content = match root.read(&path, MAX_SOURCE) {
                    Ok(content) => content,
                    Err(error) => {
                        notes.push(format!("{name} is left out: {error}"));
                        continue;
                    }
                };
                let (content, is_changed) = clean::file(&name, content);
                if is_changed {
                    notes.push(format!("a secret in {name} is hidden"));
                }
                kept.push(self.store(&format!("{CODE}/{name}"), &mut content.as_slice(), None)?);
            }
        }
        self.list(&kept)?;
        Ok(notes)
    }
}

/// Uncommitted changes.
#[derive(Debug)]
struct Changes {
    patch: Vec<u8>,
    /// The changes that are not in the patch.
    left_out: Vec<String>,
}

/// The changes of tracked files in the repository that contains `dir`, without files that have secrets; `None`
/// without changes, a repository, a commit, or git.
fn changes(dir: &Path) -> Result<Option<Changes>> {
    let everything = ":/".to_owned();
    let excluded = clean::SECRET_FILES.map(|name| format!(":(top,exclude,icase,glob)**/{name}"));
    let Some(patch) = diff(dir, &["--binary"], [everything].into_iter().chain(excluded))? else {
        return Ok(None);
    };
    let secret = clean::SECRET_FILES.map(|name| format!(":(top,icase,glob)**/{name}"));
    let names = diff(dir, &["--name-only", "-z"], secret)?.unwrap_or_default();
    let names = String::from_utf8_lossy(&names);
    let names = names.split('\0').filter(|name| !name.is_empty());
    let left_out: Vec<_> =
        names.map(|name| format!("{name} is left out: such files have secrets")).collect();
    Ok((!patch.is_empty() || !left_out.is_empty()).then_some(Changes { patch, left_out }))
}

/// The output of `git diff HEAD`; `None` without a repository, a commit, or git. Its form does not depend on the
/// configuration of the user, and no program runs that the repository could name.
fn diff(
    dir: &Path,
    options: &[&str],
    paths: impl IntoIterator<Item = String>,
) -> Result<Option<Vec<u8>>> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir);
    command.args(["-c", "core.quotePath=true", "-c", "diff.suppressBlankEmpty=false"]);
    command.args([
        "diff",
        "-O/dev/null",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-relative",
    ]);
    command.args(["--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--inter-hunk-context=0"]);
    command.args(["--full-index", "--no-renames", "--submodule=short", "--diff-algorithm=myers"]);
    command.args(options).args(["HEAD", "--"]).args(paths);
    command.env("GIT_OPTIONAL_LOCKS", "0").env_remove("GIT_DIFF_OPTS");
    command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else { return Ok(None) };
    let mut out = Vec::new();
    let stdout = child.stdout.take();
    let read = stdout.map(|stdout| stdout.take(MAX_CHANGES + 1).read_to_end(&mut out));
    let is_too_long = u64::try_from(out.len()).is_ok_and(|len| len > MAX_CHANGES);
    if is_too_long {
        // It may be waiting to write more.
        let _ = child.kill();
    }
    let is_done = child.wait().is_ok_and(|status| status.success());
    match read {
        _ if is_too_long => {
            Err(ErrorKind::Value(format!("they have more than {MAX_CHANGES} bytes")).into())
        }
        Some(Err(error)) => Err(failed(error, dir)),
        _ if is_done => Ok(Some(out)),
        // Without a commit, it fails as well.
        _ if git::state(dir).is_none_or(|state| state.commit.is_none()) => Ok(None),
        _ => Err(failed(ErrorKind::Value("git diff failed".into()), dir)),
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
        let changes = |dir: &Path| super::changes(dir).unwrap().map(|changes| changes.patch);
        assert!(changes(dir.path()).is_none(), "without a commit");
        assert!(git(dir.path(), &["add", "."]));
        assert!(git(dir.path(), &["commit", "--quiet", "--no-gpg-sign", "-m", "one"]));
        assert!(changes(dir.path()).is_none());
        fs::write(&path, "two\n").unwrap();
        fs::write(dir.path().join("b"), [0, 160, 2]).unwrap();
        // Options that a user may have set.
        for (name, value) in [
            ("diff.noprefix", "true"),
            ("diff.mnemonicPrefix", "true"),
            ("color.ui", "always"),
            ("diff.external", "false"),
            ("diff.context", "0"),
            ("diff.renames", "copies"),
        ] {
            assert!(git(dir.path(), &["config", name, value]));
        }
        let patch = changes(dir.path()).unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        assert_eq!(changes(&dir.path().join("sub")), Some(patch.clone()));
        assert!(git(dir.path(), &["checkout", "--quiet", "."]));
        let file = dir.path().join("patch");
        fs::write(&file, patch).unwrap();
        assert!(git(dir.path(), &["apply", "patch"]));
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
        assert_eq!(fs::read(dir.path().join("b")).unwrap(), [0, 160, 2]);
        fs::write(&path, "x\n".repeat(10 << 20)).unwrap();
        let said = super::changes(dir.path()).unwrap_err().to_string();
        assert!(said.contains("more than 16777216 bytes"), "{said}");
    }

    #[test]
    fn files_with_secrets_are_not_among_the_changes() {
        let dir = tempfile::tempdir().unwrap();
        if !git(dir.path(), &["init", "--quiet"]) {
            println!("skipped: git is not installed");
            return;
        }
        fs::create_dir(dir.path().join("sub")).unwrap();
        for name in ["a", ".env", "sub/server.PEM"] {
            fs::write(dir.path().join(name), "one").unwrap();
        }
        assert!(git(dir.path(), &["add", "."]));
        assert!(git(dir.path(), &["commit", "--quiet", "--no-gpg-sign", "-m", "one"]));
        for name in ["a", ".env", "sub/server.PEM"] {
            fs::write(dir.path().join(name), "HUNTER7").unwrap();
        }
        let found = changes(&dir.path().join("sub")).unwrap().unwrap();
        let patch = String::from_utf8(found.patch).unwrap();
        assert_eq!(patch.matches("HUNTER7").count(), 1, "{patch}");
        assert_eq!(found.left_out.len(), 2);
    }

    fn run(dir: &Path) -> ActiveRun {
        let options = ActiveRun::options().git(false).environment(false).system_metrics(None);
        options.create(dir).unwrap()
    }

    fn paths(run: &ActiveRun) -> Vec<String> {
        run.meta().unwrap().artifacts.into_iter().map(|artifact| artifact.path).collect()
    }

    #[test]
    fn changes_belong_to_one_start_of_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let code = dir.path().join("code");
        fs::create_dir(&code).unwrap();
        fs::write(code.join("a"), "one\n").unwrap();
        if !git(&code, &["init", "--quiet"]) {
            println!("skipped: git is not installed");
            return;
        }
        assert!(git(&code, &["add", "."]));
        assert!(git(&code, &["commit", "--quiet", "--no-gpg-sign", "-m", "one"]));
        fs::write(code.join("a"), "password = \"HUNTER7\"\n").unwrap();
        let run = run(&dir.path().join("run"));
        let hidden = run.log_changes(&code, true).unwrap();
        assert_eq!(hidden, ["a secret in a is hidden"]);
        assert_eq!(paths(&run), [CHANGES]);
        // The same changes, others, and none.
        run.log_changes(&code, true).unwrap();
        assert_eq!(paths(&run), [CHANGES]);
        fs::write(code.join("a"), "two\n").unwrap();
        run.log_changes(&code, true).unwrap();
        assert_eq!(paths(&run).len(), 2);
        assert!(git(&code, &["checkout", "--quiet", "."]));
        run.log_changes(&code, true).unwrap();
        let left = paths(&run);
        assert!(left.len() == 2 && !left.contains(&CHANGES.to_owned()), "{left:?}");
        for path in left {
            let patch = fs::read_to_string(run.dir().join("artifacts").join(&path)).unwrap();
            assert!(patch.contains("-one") && !patch.contains("HUNTER7"), "{patch}");
        }
        run.finish().unwrap();
    }

    #[test]
    fn sources_have_no_secrets_and_what_fails_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("package");
        fs::create_dir_all(package.join("src")).unwrap();
        fs::write(package.join("src/lib.rs"), "const KEY: &str = \"ghp_HUNTER7abcdefgh\";")
            .unwrap();
        fs::write(package.join(".env"), "HUNTER7").unwrap();
        let manifest = "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                        include = [\"/src\", \".env\"]\n[workspace]\n";
        fs::write(package.join("Cargo.toml"), manifest).unwrap();
        let run = run(&dir.path().join("run"));
        let notes = run.log_sources(&package).unwrap();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(paths(&run).contains(&"code/src/lib.rs".to_owned()));
        let code = run.dir().join("artifacts/code");
        assert!(!code.join(".env").exists());
        let source = fs::read_to_string(code.join("src/lib.rs")).unwrap();
        assert_eq!(source, "const KEY: &str = \"(secret)\";");
        run.log_sources(&dir.path().join("nothing")).unwrap_err();
        run.finish().unwrap();
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
