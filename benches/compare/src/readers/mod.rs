//! The programs that read, and the child process that runs those linked into this program.

mod columns;
mod rustboard;
mod tboard;
mod tbx;
mod tfrecord;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::totals::Totals;

pub use rustboard::{command as rustboard_command, load_seconds as rustboard_load_seconds};

/// A program that loads all scalars of a log directory.
#[derive(Clone, Copy)]
pub enum Reader {
    /// Linked into this program.
    Own(Own, Threads),
    /// TensorBoard's data server.
    Rustboard { checksums: bool },
    /// A name that `read_slow.py` knows.
    Python(&'static str),
}

/// Number of rayon threads.
#[derive(Clone, Copy, PartialEq)]
pub enum Threads {
    AllCores,
    One,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Own {
    Tbx,
    TbxAllChecksums,
    Tfrecord,
    Tboard,
}

impl Own {
    /// The command-line argument that identifies it to the child.
    pub fn name(self) -> String {
        crate::argument(self)
    }
}

/// The others are compared with the first.
pub const FAST: [Reader; 7] = [
    Reader::Own(Own::Tbx, Threads::AllCores),
    Reader::Own(Own::TbxAllChecksums, Threads::AllCores),
    Reader::Own(Own::Tbx, Threads::One),
    Reader::Rustboard { checksums: false },
    Reader::Rustboard { checksums: true },
    Reader::Own(Own::Tfrecord, Threads::AllCores),
    Reader::Own(Own::Tboard, Threads::AllCores),
];

pub const SLOW: [Reader; 3] = [
    Reader::Own(Own::Tbx, Threads::AllCores),
    Reader::Python("EventAccumulator"),
    Reader::Python("tbparse"),
];

impl Reader {
    pub fn label(&self) -> &'static str {
        match self {
            Self::Own(Own::Tbx, Threads::AllCores) => "tbx",
            Self::Own(Own::Tbx, Threads::One) => "tbx, one thread",
            Self::Own(Own::TbxAllChecksums, _) => "tbx, all checksums",
            Self::Own(Own::Tfrecord, _) => "tfrecord",
            Self::Own(Own::Tboard, _) => "tboard",
            Self::Rustboard { checksums: false } => "RustBoard",
            Self::Rustboard { checksums: true } => "RustBoard --checksum",
            Self::Python(name) => name,
        }
    }
}

/// The result of a load, in memory.
trait Loaded {
    fn totals(&self) -> Totals;
}

/// Loads `folder` and reports to the parent: a line with the seconds when the load is done, then,
/// after a nudge, a line with the totals. The parent measures memory before the nudge.
pub fn child(reader: Own, folder: &Path) -> Result<()> {
    let started = Instant::now();
    let loaded: Box<dyn Loaded> = match reader {
        Own::Tbx => Box::new(tbx::load(folder, ::tbx::Checksums::Wanted)?),
        Own::TbxAllChecksums => Box::new(tbx::load(folder, ::tbx::Checksums::All)?),
        Own::Tfrecord => Box::new(tfrecord::load(folder)?),
        Own::Tboard => Box::new(tboard::load(folder)?),
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut stdout = std::io::stdout();
    writeln!(stdout, "loaded {seconds}")?;
    stdout.flush()?;

    std::io::stdin().read_line(&mut String::new())?;
    writeln!(stdout, "totals {}", serde_json::to_string(&loaded.totals())?)?;
    Ok(())
}
