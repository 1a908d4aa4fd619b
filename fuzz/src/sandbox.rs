//! Directories in memory, next to files that must not be read or changed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Contents by path; for a link, its target.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A text that must never appear in any output.
const SECRET: &[u8] = b"SECRET-OUTSIDE-THE-LOGS";

/// A directory with the inputs in `box/logs`, and with `outside`, the target of links in the inputs.
/// Outputs are not in `box`, since links may point there.
pub struct Sandbox {
    dir: TempDir,
    outside: Files,
    /// True if the input contains the secret: the fuzzer learns the word from the comparison.
    input_has_secret: bool,
}

impl Sandbox {
    /// Creates the sandbox for an input.
    pub fn new(input: &[u8]) -> Self {
        let memory = Path::new("/dev/shm");
        let dir = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let dir = dir.expect("a directory for the input");
        let outside = dir.path().join("outside");
        fs::create_dir_all(outside.join("artifacts/sub")).expect("a new directory");
        for name in ["secret", "artifacts/secret", "artifacts/sub/secret"] {
            fs::write(outside.join(name), SECRET).expect("a new file");
        }
        fs::write(outside.join("tbx.json"), side_file("tbx.run/1")).expect("a new file");
        fs::write(outside.join("hparams.yaml"), b"key: SECRET-OUTSIDE-THE-LOGS\n")
            .expect("a new file");
        fs::create_dir_all(dir.path().join("box/logs")).expect("a new directory");
        let outside = files(&outside);
        Self { dir, outside, input_has_secret: has_secret(input) }
    }

    pub fn logs(&self) -> PathBuf {
        self.path("box/logs")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Fails unless only the files `names` are new, nothing outside changed, and none of them contains the
    /// secret.
    pub fn check(&self, names: &[&str]) {
        for (dir, known) in
            [(self.path(""), &["box", "outside"][..]), (self.path("box"), &["logs"])]
        {
            let names = if known.len() > 1 { names } else { &[] };
            for entry in fs::read_dir(dir).expect("it is there").flatten() {
                let name = entry.file_name();
                let is_known = known.iter().chain(names).any(|known| name == **known);
                assert!(is_known, "{name:?} is not an expected output");
            }
        }
        assert_eq!(self.outside, files(&self.path("outside")), "a file outside was changed");
        let knows_it = self.input_has_secret
            || files(&self.logs()).values().any(|content| has_secret(content));
        for name in names {
            for (path, content) in files(&self.path(name)) {
                let is_temporary = path.iter().any(|part| part.as_bytes().starts_with(b".tbx~"));
                assert!(!is_temporary, "{name}/{} was left", path.display());
                assert!(
                    knows_it || !has_secret(&content),
                    "{name}/{} has what is outside",
                    path.display()
                );
            }
        }
    }
}

fn has_secret(content: &[u8]) -> bool {
    content.windows(SECRET.len()).any(|bytes| bytes == SECRET)
}

fn side_file(schema: &str) -> Vec<u8> {
    format!("{{\"schema\": \"{schema}\", \"name\": \"SECRET-OUTSIDE-THE-LOGS\"}}").into_bytes()
}

/// All files below `dir`, or `dir` itself if it is a file. Links are not followed.
pub fn files(dir: &Path) -> Files {
    let mut found = Files::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(there) = path.symlink_metadata() else { continue };
        let name = path.strip_prefix(dir).expect("it is below").to_owned();
        if there.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| entry.path()));
        } else if there.is_symlink() {
            let to = fs::read_link(&path).unwrap_or_default();
            found.insert(name, to.as_os_str().as_bytes().to_vec());
        } else if there.is_file() {
            found.insert(name, fs::read(&path).unwrap_or_default());
        } else {
            found.insert(name, b"a device".to_vec());
        }
    }
    found
}

/// Writes a file at `path` below `root`, unless something other than a file exists there or the path
/// contains a link: an input must not change anything outside.
pub fn write(root: &Path, path: &Path, content: &[u8]) {
    let is_plain = |path: &Path| match path.symlink_metadata() {
        Ok(there) => there.is_file() || there.is_dir(),
        Err(_) => true,
    };
    let below = path.ancestors().take_while(|path| *path != root);
    if below.into_iter().all(is_plain) {
        let _ = path.parent().map(fs::create_dir_all);
        let _ = fs::write(path, content);
    }
}

/// Creates a FIFO. Opening it blocks forever.
pub(crate) fn fifo(path: &Path) {
    let path: &OsStr = path.as_os_str();
    if let Ok(path) = std::ffi::CString::new(path.as_bytes()) {
        // SAFETY: the path ends in a zero byte.
        unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
    }
}
