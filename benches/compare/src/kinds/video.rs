//! Videos.

use std::path::Path;

use anyhow::{Context, Result};
use image::{Rgb, RgbImage};
use tbx::Video;

use super::{Kind, no_method};
use crate::inputs;
use crate::write::Figures;
use crate::writers::measure::Run;
use crate::writers::{Own, TENSORBOARDX, TORCH, Tbx};

const FRAMES: u64 = 16;
const SIDE: u32 = 64;
const NOTE: &str = "by moviepy, over a file of its own";

/// Squares that become brighter: 64 colors per frame, so that a GIF can keep all of them.
pub const FEW_COLOURS: Kind = Kind {
    name: "video-few",
    what: "video, 16×64×64×3, 64 colors per frame",
    calls: (200, 20),
    peers: &[(TENSORBOARDX, NOTE), (TORCH, NOTE)],
    inputs: |folder| save(folder, "video-few.rgb", few),
    write: |own, run| write(own, run, few),
};

/// Waves with faint noise: thousands of colors per frame.
pub const MANY_COLOURS: Kind = Kind {
    name: "video-many",
    what: "video, 16×64×64×3, thousands of colors per frame",
    inputs: |folder| save(folder, "video-many.rgb", many),
    write: |own, run| write(own, run, many),
    ..FEW_COLOURS
};

fn few(number: u64) -> Vec<u8> {
    let pixel = |x, y| Rgb([x / 8 * 32, y / 8 * 32, number as u32 * 16].map(|sample| sample as u8));
    RgbImage::from_fn(SIDE, SIDE, pixel).into_raw()
}

fn many(number: u64) -> Vec<u8> {
    inputs::textured(number, SIDE, SIDE).bytes
}

fn save(folder: &Path, name: &str, frame: fn(u64) -> Vec<u8>) -> Result<()> {
    let frames: Vec<u8> = (0..FRAMES).flat_map(frame).collect();
    Ok(std::fs::write(folder.join(name), frames)?)
}

fn write(own: Own, run: &Run<'_>, frame: fn(u64) -> Vec<u8>) -> Result<Figures> {
    let frame = |number| RgbImage::from_raw(SIDE, SIDE, frame(number)).context("a frame");
    let frames = (0..FRAMES).map(frame).collect::<Result<Vec<_>>>()?;
    match own {
        Own::Tbx => run.calls(|writer: &mut Tbx, step| {
            Ok(writer.0.add_video("rollout", &Video::new(&frames[..], 10)?, step)?)
        }),
        _ => no_method(),
    }
}
