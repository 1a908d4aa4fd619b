//! The Python on this machine, and the packages in it.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Removes the current directory from the places where modules are searched: a folder of logs may be somebody else's, and a
/// file `pip.py` in it would be run. Python 3.10 and earlier have no option for that.
const NOT_HERE: &str = "import sys; sys.path[:] = [path for path in sys.path if path]; ";
/// Runs the module that the first argument names, with the others.
const RUN: &str =
    "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)";
/// Prints the path of the package `tensorboard`, without importing it. A mere folder of this name has no origin.
const WHERE: &str = "import importlib.util as u
s = u.find_spec('tensorboard')
print(s.origin if s and s.origin else '')";

/// A Python that runs this program, not looking for modules in the current directory.
fn program(python: impl AsRef<OsStr>, program: &str) -> Command {
    let mut command = Command::new(python);
    command.arg("-c").arg(format!("{NOT_HERE}{program}"));
    command
}

/// The command that runs a module.
pub(super) fn module(python: impl AsRef<OsStr>, module: &str) -> Command {
    let mut command = program(python, RUN);
    command.arg(module);
    command
}

/// The directory of the package `tensorboard` of a Python.
pub(super) fn tensorboard_of(python: impl AsRef<OsStr>) -> Option<PathBuf> {
    let mut ask = program(python, WHERE);
    let asked = ask.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let origin = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    origin.is_file().then(|| origin.parent().map(PathBuf::from)).flatten()
}

/// The command that starts the TensorBoard that is installed: in the active virtual environment, or for the first Python on
/// the path that has one. `None` if there is none.
pub fn tensorboard() -> Option<Command> {
    let active = env::var_os("VIRTUAL_ENV").or_else(|| env::var_os("CONDA_PREFIX"));
    let active = active.map(PathBuf::from).into_iter();
    let active = active.flat_map(|path| [path.join("bin/python"), path.join("Scripts/python.exe")]);
    let mut all = active.chain(["python3", "python"].map(PathBuf::from));
    let python = all.find(|python| tensorboard_of(python).is_some())?;
    Some(module(python, "tensorboard.main"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The first Python on the path; none on a machine without.
    fn python() -> Option<&'static str> {
        let starts = |python: &&str| Command::new(python).arg("-V").output().is_ok();
        ["python3", "python"].into_iter().find(starts)
    }

    #[test]
    fn modules_in_the_current_directory_are_not_run() {
        let Some(python) = python() else { return };
        let here = tempfile::tempdir().unwrap();
        fs::create_dir(here.path().join("tensorboard")).unwrap();
        fs::write(here.path().join("tensorboard/__init__.py"), "").unwrap();
        fs::write(here.path().join("tensorboard/main.py"), "print('run')").unwrap();
        fs::write(here.path().join("importlib.py"), "print('run')").unwrap();
        let mut start = module(python, "tensorboard.main");
        let started = start.current_dir(here.path()).arg("--version").output().unwrap();
        assert!(!String::from_utf8_lossy(&started.stdout).contains("run"), "{started:?}");
        let mut ask = program(python, WHERE);
        let asked = ask.current_dir(here.path()).output().unwrap();
        let found = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(!found.contains(&*here.path().to_string_lossy()) && !found.contains("run"));
    }

    #[test]
    fn packages_of_the_user_are_found() {
        let Some(python) = python() else { return };
        let user = tempfile::tempdir().unwrap();
        let package = user.path().join("tensorboard");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("__init__.py"), "").unwrap();
        let mut ask = program(python, WHERE);
        let asked = ask.env("PYTHONPATH", user.path()).output().unwrap();
        let origin = String::from_utf8(asked.stdout).unwrap();
        assert_eq!(PathBuf::from(origin.trim()), package.join("__init__.py"));
    }

    #[test]
    fn the_arguments_reach_the_module() {
        let Some(python) = python() else { return };
        let user = tempfile::tempdir().unwrap();
        fs::write(user.path().join("say.py"), "import sys; print(sys.argv[1:], __name__)").unwrap();
        let mut run = module(python, "say");
        let ran = run.args(["a b", "--c"]).env("PYTHONPATH", user.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "['a b', '--c'] __main__");
    }
}
