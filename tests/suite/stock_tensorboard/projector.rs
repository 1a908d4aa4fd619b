//! Embeddings with their images and labels.

use image::{Rgb, RgbImage};
use ndarray::{Array2, s};
use serde_json::{Value, json};
use tbx::Embedding;

use super::log::Run;
use super::random::Random;

/// An embedding and the input from which it was made.
struct Given {
    embedding: Embedding,
    noted: Value,
}

impl Given {
    fn new(points: &[Vec<f64>]) -> Self {
        Self { embedding: Embedding::new(points), noted: json!({"points": points}) }
    }

    fn labels(mut self, labels: &[String]) -> Self {
        self.noted["labels"] = json!(labels);
        Self { embedding: self.embedding.labels(labels), ..self }
    }

    fn table(mut self, header: &[&str], rows: &[Vec<String>]) -> Self {
        (self.noted["header"], self.noted["table"]) = (json!(header), json!(rows));
        Self { embedding: self.embedding.metadata(header, rows), ..self }
    }

    fn photos(mut self, photos: &[RgbImage]) -> Self {
        let samples: Vec<_> = photos.iter().map(|photo| photo.as_raw().clone()).collect();
        let size = [photos[0].height(), photos[0].width()];
        self.noted["photos"] = json!({"samples": samples, "size": size});
        Self { embedding: self.embedding.sprite(photos), ..self }
    }
}

impl Run<'_> {
    fn embedding(&mut self, tag: &str, given: Given, step: i64) {
        let writer = self.call("embedding", tag, step, given.noted);
        writer.add_embedding(tag, &given.embedding, step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    let mut random = Random(5);
    let points = |random: &mut Random, count: usize, dimensions: usize| -> Vec<Vec<f64>> {
        let cluster = |i: usize| (i % 3) as f64 * 3.0;
        let point = |i: usize, random: &mut Random| {
            (0..dimensions)
                .map(|d| random.normal() + if d == 0 { cluster(i) } else { 0.0 })
                .collect()
        };
        (0..count).map(|i| point(i, random)).collect()
    };
    let labels: Vec<_> = (0..50).map(|i| format!("größe {i} \"{}\"", i % 3)).collect();
    let photos: Vec<_> = (0..50u8)
        .map(|i| RgbImage::from_fn(12, 8, |x, y| Rgb([(20 * x) as u8, 5 * i, (30 * y) as u8])))
        .collect();
    let table: Vec<_> = (0..50)
        .map(|i| vec![format!("p{i}"), (i % 3).to_string(), if i == 7 { "" } else { "x" }.into()])
        .collect();
    let header = ["name", "cluster", "größe"];
    for step in [0, 7] {
        let given = Given::new(&points(&mut random, 50, 8)).labels(&labels).photos(&photos);
        run.embedding("words/all", given, step);
    }
    let given = Given::new(&points(&mut random, 50, 3)).table(&header, &table);
    run.embedding("table", given, 123_456);
    run.embedding("bare", Given::new(&points(&mut random, 2, 200)), -1);
    let extremes = [0.0, -0.0, 1e-45, 1e-30, 3.4e38, 0.1, 16_777_217.0].map(|x| vec![x, -x]);
    run.embedding("extremes", Given::new(&extremes), 0);
    // Replaced by the next one.
    run.embedding("twice", Given::new(&extremes).labels(&labels[..7]), 0);
    run.embedding("twice", Given::new(&points(&mut random, 5, 3)), 0);
    for tag in ["", "..", "a/b\\c: {\"q\"} 'é' 🎉", "50%", "a?b=c;d", "x.tfevents", "\0"] {
        run.embedding(tag, Given::new(&points(&mut random, 4, 3)), 1);
    }
    // An array with unusual strides.
    let wide = Array2::from_shape_fn((12, 6), |(row, column)| (10 * row + column) as f32 / 4.0);
    let every_second = wide.slice(s![..;2, ..;-2]);
    let rows: Vec<Vec<f64>> = every_second
        .rows()
        .into_iter()
        .map(|row| row.iter().map(|&x| x.into()).collect())
        .collect();
    let embedding = Embedding::new(every_second.rows());
    run.embedding("array", Given { embedding, ..Given::new(&rows) }, 0);
}
