//! A measured process: starts it, reads its output, and never leaves it running.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The output of the process on which its messages appear.
pub enum Speaks {
    Stdout,
    Stderr,
}

pub struct Process {
    child: Child,
    lines: BufReader<Box<dyn Read>>,
    started: Instant,
    heard: Vec<String>,
    aside: PathBuf,
}

impl Process {
    /// Starts `command`. Its other output goes to the file `aside`.
    pub fn start(mut command: Command, speaks: Speaks, aside: &Path) -> Result<Self> {
        let file = File::create(aside).with_context(|| format!("create {}", aside.display()))?;
        command.stdin(Stdio::piped());
        // Otherwise the time to capture backtraces for errors would be measured, too.
        command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
        match speaks {
            Speaks::Stdout => command.stdout(Stdio::piped()).stderr(file),
            Speaks::Stderr => command.stderr(Stdio::piped()).stdout(file),
        };
        let started = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("start {}", command.get_program().to_string_lossy()))?;
        let output: Option<Box<dyn Read>> = match speaks {
            Speaks::Stdout => child.stdout.take().map(|pipe| Box::new(pipe) as _),
            Speaks::Stderr => child.stderr.take().map(|pipe| Box::new(pipe) as _),
        };
        let lines = BufReader::new(output.context("the output is piped")?);
        Ok(Self { child, lines, started, heard: Vec::new(), aside: aside.to_owned() })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Time since the start.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for the first line for which `find` returns a value.
    pub fn hear<T>(&mut self, mut find: impl FnMut(&str) -> Option<T>) -> Result<T> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                let status = self.child.wait()?;
                bail!("{} ({status})", self.last_words());
            }
            if let Some(found) = find(line.trim()) {
                return Ok(found);
            }
            self.heard.push(line.trim().to_owned());
        }
    }

    /// The end of both outputs of the process on one line: usually its error message.
    fn last_words(&self) -> String {
        let aside = fs::read_to_string(&self.aside).unwrap_or_default();
        let heard = self.heard.iter().map(String::as_str);
        let lines: Vec<&str> =
            heard.chain(aside.lines()).map(str::trim).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(4)..].join(" ")
    }

    /// Sends an empty line, which tells the process to continue.
    pub fn nudge(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().context("the input is piped")?;
        Ok(input.write_all(b"\n")?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended by itself. Either way, it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
