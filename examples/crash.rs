//! A training program that crashes, and one that continues where it stopped.
//!
//! ```console
//! $ cargo run --example crash -- runs/crash
//! $ tensorboard --logdir runs
//! ```
//!
//! The first part logs until it panics, and its session is marked as failed. The second part
//! resumes the same run at the last checkpoint. This hides the points that the first part logged
//! after the checkpoint, in both of TensorBoard's loaders, so that the curve has no zigzag.

#![allow(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the panic is the point"
)]

mod model;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use model::{Network, spirals};
use tbx::SummaryWriter;

/// Number of epochs between checkpoints.
const EVERY: i64 = 20;
const CRASH: i64 = 70;
const EPOCHS: i64 = 120;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or("runs/crash".into());
    let mut checkpoint = (0, Network::new(16, 1));

    let crashed = catch_unwind(AssertUnwindSafe(|| -> tbx::Result<()> {
        // The panic drops the writer, which then records a failure.
        let writer = SummaryWriter::create(&dir)?;
        writer.add_hparams([("rate", 2.0.into())], [])?;
        train(&writer, &mut checkpoint, Some(CRASH))?;
        writer.close()
    }));
    assert!(crashed.is_err(), "the program did not crash");
    println!("crashed at epoch {CRASH}, the last checkpoint is of epoch {}", checkpoint.0);

    let writer = SummaryWriter::resume(&dir, checkpoint.0)?;
    train(&writer, &mut checkpoint, None)?;
    writer.close()?;
    println!("went on to epoch {EPOCHS}; tensorboard --logdir {dir}");
    Ok(())
}

fn train(
    writer: &SummaryWriter,
    checkpoint: &mut (i64, Network),
    crash: Option<i64>,
) -> tbx::Result<()> {
    let data = spirals(200, 0.03, 1);
    let (start, mut network) = checkpoint.clone();
    for epoch in start..=EPOCHS {
        if epoch % EVERY == 0 {
            *checkpoint = (epoch, network.clone());
        }
        writer.add_scalar("loss", network.score(&data).loss, epoch)?;
        assert!(crash != Some(epoch), "out of memory, say");
        network.step(&network.gradients(&data), 2.0);
    }
    Ok(())
}
