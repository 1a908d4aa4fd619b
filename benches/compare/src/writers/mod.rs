//! The programs that write, and the child process in which those linked here run.

mod measure;
mod tboard;
mod tbx;
mod tensorboard_rs;
mod tfrecord;

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

use crate::pixels::Pixels;
use crate::write::Test;

/// A program that writes event files.
#[derive(Clone, Copy)]
pub enum Writer {
    /// Linked into this program.
    Own(Own),
    /// A name that `write.py` knows, and the package that it needs.
    Python { name: &'static str, package: &'static str },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Own {
    Tbx,
    TensorboardRs,
    Tfrecord,
    TfrecordUnflushed,
    Tboard,
}

impl Own {
    /// The argument by which the child knows it.
    pub fn name(self) -> String {
        crate::argument(self)
    }
}

/// The first is what the others are compared with.
pub const ALL: [Writer; 7] = [
    Writer::Own(Own::Tbx),
    Writer::Own(Own::TensorboardRs),
    Writer::Own(Own::Tfrecord),
    Writer::Own(Own::TfrecordUnflushed),
    Writer::Own(Own::Tboard),
    Writer::Python { name: "tensorboardX", package: "tensorboardX" },
    Writer::Python { name: "torch", package: "torch" },
];

impl Writer {
    pub fn label(&self) -> &'static str {
        match self {
            Self::Own(Own::Tbx) => "tbx",
            Self::Own(Own::TensorboardRs) => "tensorboard-rs",
            Self::Own(Own::Tfrecord) => "tfrecord",
            Self::Own(Own::TfrecordUnflushed) => "tfrecord, no flush",
            Self::Own(Own::Tboard) => "tboard, 64 KB buffer",
            Self::Python { name: "torch", .. } => "torch.utils.tensorboard",
            Self::Python { name, .. } => name,
        }
    }
}

/// What every writer is asked to do, in its own API.
trait Peer: Sized {
    /// A picture as the API takes it; made before the clock starts.
    type Picture;

    fn create(folder: &Path) -> Result<Self>;
    fn picture(pixels: Pixels) -> Result<Self::Picture>;
    fn scalar(&mut self, tag: &str, value: f32, step: i64) -> Result<()>;
    fn histogram(&mut self, tag: &str, values: &[f32], step: i64) -> Result<()>;
    fn image(&mut self, tag: &str, picture: &Self::Picture, step: i64) -> Result<()>;
    /// Everything is in the file when this returns.
    fn close(self) -> Result<()>;
}

/// Runs one test in `folder` and prints its figures as one JSON object.
pub fn child(writer: Own, test: Test, count: usize, folder: &Path) -> Result<()> {
    let figures = match writer {
        Own::Tbx => measure::run::<tbx::Writer>(test, count, folder)?,
        Own::TensorboardRs => measure::run::<tensorboard_rs::Writer>(test, count, folder)?,
        Own::Tfrecord => measure::run::<tfrecord::Writer<true>>(test, count, folder)?,
        Own::TfrecordUnflushed => measure::run::<tfrecord::Writer<false>>(test, count, folder)?,
        Own::Tboard => measure::run::<tboard::Writer>(test, count, folder)?,
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}
