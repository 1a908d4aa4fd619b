//! The programs that write, and the child process that runs those linked into this program.

pub mod measure;
mod tboard;
mod tbx;
mod tensorboard_rs;
mod tfrecord;

use std::path::Path;

use anyhow::{Error, Result};
use clap::ValueEnum;

pub use self::tboard::Writer as Tboard;
pub use self::tbx::Writer as Tbx;
pub use self::tensorboard_rs::Writer as TensorboardRs;
pub use self::tfrecord::Writer as Tfrecord;
use crate::inputs::Pixels;
use crate::kinds;
use crate::write::{Figures, Test};

/// A program that writes event files.
#[derive(Clone, Copy, PartialEq)]
pub enum Writer {
    /// Linked into this program.
    Own(Own),
    /// A name that `write.py` knows, and the package that it needs.
    Python { name: &'static str, package: &'static str },
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Own {
    Tbx,
    TensorboardRs,
    Tfrecord,
    TfrecordUnflushed,
    Tboard,
}

impl Own {
    /// The command-line argument that identifies it to the child.
    pub fn name(self) -> String {
        crate::argument(self)
    }
}

pub const TBX: Writer = Writer::Own(Own::Tbx);
pub const TENSORBOARD_RS: Writer = Writer::Own(Own::TensorboardRs);
pub const TFRECORD: Writer = Writer::Own(Own::Tfrecord);
pub const TFRECORD_UNFLUSHED: Writer = Writer::Own(Own::TfrecordUnflushed);
pub const TBOARD: Writer = Writer::Own(Own::Tboard);
pub const TENSORBOARDX: Writer = Writer::Python { name: "tensorboardX", package: "tensorboardX" };
pub const TORCH: Writer = Writer::Python { name: "torch", package: "torch" };
pub const TENSORFLOW: Writer = Writer::Python { name: "tensorflow", package: "tensorflow" };

/// The others are compared with the first.
pub const ALL: [Writer; 8] =
    [TBX, TENSORBOARD_RS, TFRECORD, TFRECORD_UNFLUSHED, TBOARD, TENSORBOARDX, TORCH, TENSORFLOW];

impl Writer {
    pub fn label(&self) -> &'static str {
        match self {
            Self::Own(Own::Tbx) => "tbx",
            Self::Own(Own::TensorboardRs) => "tensorboard-rs",
            Self::Own(Own::Tfrecord) => "tfrecord",
            Self::Own(Own::TfrecordUnflushed) => "tfrecord, no flush",
            Self::Own(Own::Tboard) => "tboard, 64 KB buffer",
            Self::Python { name: "torch", .. } => "torch.utils.tensorboard",
            Self::Python { name: "tensorflow", .. } => "TensorFlow",
            Self::Python { name, .. } => name,
        }
    }
}

/// The operations that are measured, in each writer's own API.
pub trait Peer: Sized {
    /// An image in the form that the API takes, made before the clock starts.
    type Picture;

    fn create(folder: &Path) -> Result<Self>;
    fn photo(pixels: Pixels) -> Result<Self::Picture>;
    fn scalar(&mut self, tag: &str, value: f32, step: i64) -> Result<()>;
    fn histogram(&mut self, tag: &str, values: &[f32], step: i64) -> Result<()>;
    fn image(&mut self, tag: &str, photo: &Self::Picture, step: i64) -> Result<()>;
    /// Returns when all data is in the file.
    fn close(self) -> Result<()>;
}

/// Runs one test, or the calls of one kind of data, and prints the figures as one JSON object.
pub fn child(writer: Own, what: &str, count: usize, folder: &Path) -> Result<()> {
    let run = measure::Run { count, folder };
    let figures = match kinds::ALL.iter().find(|kind| kind.name == what) {
        Some(kind) => (kind.write)(writer, &run)?,
        None => test(writer, Test::from_str(what, false).map_err(Error::msg)?, &run)?,
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

fn test(writer: Own, test: Test, run: &measure::Run<'_>) -> Result<Figures> {
    match writer {
        Own::Tbx => measure::test::<Tbx>(test, run),
        Own::TensorboardRs => measure::test::<TensorboardRs>(test, run),
        Own::Tfrecord => measure::test::<Tfrecord<true>>(test, run),
        Own::TfrecordUnflushed => measure::test::<Tfrecord<false>>(test, run),
        Own::Tboard => measure::test::<Tboard>(test, run),
    }
}
