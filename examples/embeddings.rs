//! Points for the projector: images of digits, each with its label and its image.
//!
//! ```console
//! $ cargo run --release --example embeddings -- runs/embeddings
//! $ tensorboard --logdir runs
//! ```
//!
//! TensorBoard shows the "Projector" tab once it has scanned the log directory twice.

#![allow(clippy::as_conversions, clippy::indexing_slicing, reason = "arrays of known shapes")]

mod model;

use std::error::Error;

use image::GrayImage;
use model::Random;
use ndarray::Array2;
use tbx::{Embedding, SummaryWriter};

/// The strokes of each digit: top, upper left, upper right, middle, lower left, lower right,
/// bottom.
const DIGITS: [[u8; 7]; 10] = [
    [1, 1, 1, 0, 1, 1, 1],
    [0, 0, 1, 0, 0, 1, 0],
    [1, 0, 1, 1, 1, 0, 1],
    [1, 0, 1, 1, 0, 1, 1],
    [0, 1, 1, 1, 0, 1, 0],
    [1, 1, 0, 1, 0, 1, 1],
    [1, 1, 0, 1, 1, 1, 1],
    [1, 0, 1, 0, 0, 1, 0],
    [1, 1, 1, 1, 1, 1, 1],
    [1, 1, 1, 1, 0, 1, 1],
];
const WIDTH: u32 = 12;
const HEIGHT: u32 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or("runs/embeddings".into());
    let mut random = Random::new(1);
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for i in 0..300 {
        let digit = i % 10;
        images.push(draw(&DIGITS[digit], &mut random));
        labels.push([digit.to_string(), if digit % 2 == 0 { "even" } else { "odd" }.to_owned()]);
    }
    let pixels = (WIDTH * HEIGHT) as usize;
    let points = Array2::from_shape_fn((images.len(), pixels), |(i, pixel)| {
        f32::from(images[i].as_raw()[pixel]) / 255.0
    });

    let writer = SummaryWriter::create(&dir)?;
    let embedding = Embedding::new(points.rows()).metadata(["digit", "parity"], &labels);
    writer.add_embedding("digits", &embedding.sprite(&images[..]), 0)?;
    // A second embedding in the same run: the strokes themselves.
    let strokes: Vec<Vec<f32>> =
        DIGITS.iter().map(|strokes| strokes.iter().map(|on| f32::from(*on)).collect()).collect();
    let names = (0..10).map(|digit| digit.to_string());
    writer.add_embedding("strokes", &Embedding::new(&strokes).labels(names), 0)?;
    writer.close()?;
    println!("{} points; tensorboard --logdir {dir}", images.len());
    Ok(())
}

/// Draws a digit, slightly shifted and with some noise.
fn draw(strokes: &[u8; 7], random: &mut Random) -> GrayImage {
    let shift = random.normal() * 0.7;
    GrayImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let (x, y) = (x as f32 + shift, y as f32);
        let near = |a: f32, b: f32| (a - b).abs() < 1.2;
        let across = (2.0..=9.0).contains(&x);
        let on = [
            near(y, 2.0) && across,
            near(x, 2.0) && (2.0..=9.5).contains(&y),
            near(x, 9.0) && (2.0..=9.5).contains(&y),
            near(y, 9.5) && across,
            near(x, 2.0) && (9.5..=17.0).contains(&y),
            near(x, 9.0) && (9.5..=17.0).contains(&y),
            near(y, 17.0) && across,
        ];
        let lit = on.iter().zip(strokes).any(|(on, stroke)| *on && *stroke == 1);
        let ink = if lit { 0.85 } else { 0.1 } + 0.05 * random.normal();
        image::Luma([(255.0 * ink.clamp(0.0, 1.0)) as u8])
    })
}
