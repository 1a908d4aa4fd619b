//! The state of the code according to git.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::meta::Git;
use crate::redact;

/// The state of the repository that contains `dir`; none if there is no repository or no git.
pub(super) fn state(dir: &Path) -> Option<Git> {
    // Untracked files are not part of the code, and searching for them in a log directory takes
    // long.
    let status = git(dir, &["status", "--porcelain=v2", "--branch", "--untracked-files=no"])?;
    let mut found = Git { dirty: Some(false), ..Git::default() };
    for line in status.lines() {
        match line.strip_prefix("# ").and_then(|head| head.split_once(' ')) {
            Some(("branch.oid", commit)) => {
                found.commit = Some(commit.to_owned()).filter(|commit| commit != "(initial)");
            }
            Some(("branch.head", branch)) => {
                found.branch = Some(branch.to_owned()).filter(|branch| branch != "(detached)");
            }
            Some(_) => {}
            None => found.dirty = Some(true),
        }
    }
    let remote = git(dir, &["remote", "get-url", "origin"]);
    found.remote = remote.map(|url| redact::address(url.trim()).into_owned());
    Some(found)
}

fn git(dir: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(args).stdin(Stdio::null());
    // Avoids taking a lock that another git process waits for.
    let done = command.env("GIT_OPTIONAL_LOCKS", "0").output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_repository_has_no_state() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(state(dir.path()), None);
    }

    #[test]
    fn a_repository_tells_commit_branch_and_changes() {
        let dir = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| git(dir.path(), args);
        if run(&["init", "--quiet", "--initial-branch=trunk"]).is_none() {
            println!("skipped: git is not installed");
            return;
        }
        run(&["config", "user.email", "a@b"]).unwrap();
        run(&["config", "user.name", "a"]).unwrap();
        run(&["remote", "add", "origin", "https://me:secret@host/a"]).unwrap();
        std::fs::write(dir.path().join("a"), "1").unwrap();
        run(&["add", "a"]).unwrap();
        run(&["commit", "--quiet", "--no-gpg-sign", "-m", "one"]).unwrap();
        std::fs::write(dir.path().join("untracked"), "1").unwrap();
        let clean = state(dir.path()).unwrap();
        assert_eq!(clean.commit.as_ref().unwrap().len(), 40);
        assert_eq!(clean.branch.as_deref(), Some("trunk"));
        assert_eq!(clean.remote.as_deref(), Some("https://host/a"));
        assert_eq!(clean.dirty, Some(false));
        std::fs::write(dir.path().join("a"), "2").unwrap();
        assert_eq!(state(dir.path()).unwrap(), Git { dirty: Some(true), ..clean });
    }
}
