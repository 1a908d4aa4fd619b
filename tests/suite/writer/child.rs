//! A second process: one test of this binary, run alone.
//!
//! Such a test is ignored in a normal run, and its parent starts it with `--ignored`. It begins with
//! `child::dir()` and reports numbers on standard error, where the test harness writes nothing.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{self, ChildStderr, Command, Stdio};
use std::{env, iter};

/// Variable with the directory that a child writes to.
pub(crate) const DIR: &str = "TBX_TEST_CHILD_DIR";

/// The directory to write to.
pub(crate) fn dir() -> PathBuf {
    let dir = env::var_os(DIR).map(PathBuf::from);
    dir.unwrap_or_else(|| panic!("without {DIR}: another test starts this one"))
}

/// Reports a number to the parent. Fails once the parent is gone, so that no child outlives it.
pub(crate) fn say(number: i64) {
    // A single write, so that a killed child does not leave half a line.
    io::stderr().write_all(format!("{number}\n").as_bytes()).unwrap();
}

/// A running child, which is killed when it is dropped.
pub(crate) struct Child {
    process: process::Child,
    said: BufReader<ChildStderr>,
}

impl Child {
    /// Starts the test with this full name, which writes to `dir`.
    pub(crate) fn start(test: &str, dir: &Path) -> Self {
        Self::with(Command::new(env::current_exe().unwrap()), test, dir)
    }

    /// Like [`start`](Self::start), but limits files to `blocks` blocks (of 512 or 1024 bytes), to simulate a full
    /// disk.
    #[cfg(unix)]
    pub(crate) fn start_on_full_disk(test: &str, dir: &Path, blocks: u32) -> Self {
        // Without the trap, the signal would end the child before `write` can fail.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh"]).arg(env::current_exe().unwrap());
        Self::with(command, test, dir)
    }

    fn with(mut command: Command, test: &str, dir: &Path) -> Self {
        let mut process = command
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(DIR, dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stderr.take().unwrap());
        Self { process, said }
    }

    /// The next number that the child reports; `None` once it has ended.
    pub(crate) fn next(&mut self) -> Option<i64> {
        let mut line = String::new();
        let len = self.said.read_line(&mut line).unwrap();
        (len > 0)
            .then(|| line.trim_end().parse().unwrap_or_else(|_| panic!("the child says: {line}")))
    }

    /// Kills the child as `kill -9` does. Returns the numbers that were not read yet.
    pub(crate) fn kill(mut self) -> Vec<i64> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        iter::from_fn(|| self.next()).collect()
    }

    /// Waits for the child to end, which must be successful.
    pub(crate) fn finish(mut self) {
        let mut said = String::new();
        io::Read::read_to_string(&mut self.said, &mut said).unwrap();
        let mut result = String::new();
        let out = self.process.stdout.as_mut().unwrap();
        io::Read::read_to_string(out, &mut result).unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {said}{result}");
        // The harness also succeeds if no test has the name.
        assert!(result.contains("1 passed"), "{said}{result}");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The child may have ended, or may have been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
