//! The Python interpreter in which RustBoard and the Python peers are installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A Python interpreter and the packages that it can import.
pub struct Python {
    program: PathBuf,
    found: Result<Packages, String>,
}

#[derive(Deserialize)]
struct Packages {
    python: String,
    versions: BTreeMap<String, String>,
    rustboard: Option<PathBuf>,
}

impl Python {
    /// Probes `program`, otherwise the virtual environment in this crate's directory, otherwise
    /// `python3`.
    pub fn find(program: Option<&Path>) -> Self {
        let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
        let program = match program {
            Some(program) => program.to_owned(),
            None if local.exists() => local,
            None => PathBuf::from("python3"),
        };
        Self::at(program)
    }

    /// Probes only `program`.
    pub fn only(program: Option<&Path>) -> Self {
        let Some(program) = program else {
            return Self { program: PathBuf::new(), found: Err("no --tf-python".to_owned()) };
        };
        Self::at(program.to_owned())
    }

    fn at(program: PathBuf) -> Self {
        let found = probe(&program).map_err(|error| format!("{error:#}"));
        Self { program, found }
    }

    /// A command that runs one of the scripts in `python/`.
    pub fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name));
        // Otherwise TensorFlow, if installed, prints messages about the processor to stderr.
        command.env("TF_CPP_MIN_LOG_LEVEL", "3");
        command
    }

    /// Returns an error with the reason if `package` cannot be used.
    pub fn require(&self, package: &str) -> Result<()> {
        match &self.found {
            Err(reason) => bail!("no Python for it: {reason}"),
            Ok(packages) if packages.versions.contains_key(package) => Ok(()),
            Ok(_) => bail!("{} has no package {package}", self.program.display()),
        }
    }

    /// Path of the RustBoard server.
    pub fn rustboard(&self) -> Result<&Path> {
        self.require("tensorboard_data_server")?;
        let packages = self.found.as_ref().ok();
        let server = packages.and_then(|packages| packages.rustboard.as_deref());
        server.context("tensorboard_data_server has no server for this platform")
    }

    /// Versions of Python and of each package, for the report.
    pub fn versions(&self) -> Vec<(String, String)> {
        let Ok(packages) = &self.found else { return Vec::new() };
        let python = ("Python".to_owned(), packages.python.clone());
        let others =
            packages.versions.iter().map(|(name, version)| (name.clone(), version.clone()));
        std::iter::once(python).chain(others).collect()
    }
}

fn probe(program: &Path) -> Result<Packages> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/probe.py");
    let output = Command::new(program)
        .arg(script)
        .output()
        .with_context(|| format!("start {}", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
