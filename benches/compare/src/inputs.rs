//! Inputs that all writers share. Writers that are not linked in read them from files.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::random::Random;

/// An RGB image, row by row, three bytes per pixel.
pub struct Pixels {
    pub width: u32,
    pub height: u32,
    pub bytes: Vec<u8>,
}

/// An image that compresses to about a third of its size: smooth waves with faint noise.
pub fn textured(seed: u64, width: u32, height: u32) -> Pixels {
    let mut random = Random::seeded(seed);
    let (across, down) = (random.between(10.0, 40.0), random.between(15.0, 50.0));
    let mut bytes = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let noise = random.normal() * 0.33;
            let (x, y) = (f64::from(x), f64::from(y));
            // Red and green are equal, since the channels of photographs are nearly so.
            for phase in [0.0, 0.0, 2.0] {
                let wave = (x / across + phase).sin() * (y / down).cos();
                bytes.push((128.0 + 100.0 * wave + noise).clamp(0.0, 255.0) as u8);
            }
        }
    }
    Pixels { width, height, bytes }
}

/// Values like the weights of a layer.
pub fn weights(seed: u64, count: usize) -> Vec<f32> {
    let mut random = Random::seeded(seed);
    (0..count).map(|_| (random.normal() * 0.1) as f32).collect()
}

/// Saves numbers to the file `name`, little-endian: `save(folder, "x.f32", &x, f32::to_le_bytes)`.
pub fn save<T: Copy, const N: usize>(
    folder: &Path,
    name: &str,
    values: &[T],
    bytes: fn(T) -> [u8; N],
) -> Result<()> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| bytes(*value)).collect();
    Ok(fs::write(folder.join(name), bytes)?)
}
