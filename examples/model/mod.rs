//! A small neural network and generated data for it: no downloads, the same on every run.

#![allow(dead_code)] // each example uses only a part of this module

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

/// Pseudo-random numbers, the same for the same seed: Knuth's MMIX generator.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Uniform from 0 (inclusive) to 1 (exclusive).
    pub(crate) fn uniform(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Approximately standard normal: the sum of twelve uniform numbers minus its mean.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}

/// Points in the plane with their classes, 0 or 1.
pub(crate) struct Data {
    /// Shape [points, 2].
    pub(crate) points: Array2<f32>,
    /// Shape [points].
    pub(crate) classes: Array1<f32>,
}

/// Two arms of a spiral, one per class.
pub(crate) fn spirals(count: usize, noise: f32, seed: u64) -> Data {
    let mut random = Random::new(seed);
    let mut points = Array2::zeros((count, 2));
    let mut classes = Array1::zeros(count);
    for i in 0..count {
        let class = (i % 2) as f32;
        let radius = 0.1 + 0.9 * random.uniform();
        let angle = 7.0 * radius + class * std::f32::consts::PI;
        points[[i, 0]] = radius * angle.cos() + noise * random.normal();
        points[[i, 1]] = radius * angle.sin() + noise * random.normal();
        classes[i] = class;
    }
    Data { points, classes }
}

/// Two layers: `hidden` tanh units, then one logistic unit.
#[derive(Clone)]
pub(crate) struct Network {
    /// Shape [2, hidden].
    pub(crate) w1: Array2<f32>,
    /// Shape [hidden].
    pub(crate) b1: Array1<f32>,
    /// Shape [hidden].
    pub(crate) w2: Array1<f32>,
    pub(crate) b2: f32,
}

/// The derivative of the loss with respect to each weight.
pub(crate) struct Gradients {
    pub(crate) w1: Array2<f32>,
    pub(crate) b1: Array1<f32>,
    pub(crate) w2: Array1<f32>,
    pub(crate) b2: f32,
}

/// Performance of a network on some data.
pub(crate) struct Score {
    pub(crate) loss: f32,
    pub(crate) accuracy: f32,
}

impl Network {
    pub(crate) fn new(hidden: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            w1: Array2::from_shape_simple_fn((2, hidden), || 1.5 * random.normal()),
            b1: Array1::from_shape_simple_fn(hidden, || random.normal()),
            w2: Array1::from_shape_simple_fn(hidden, || random.normal() / (hidden as f32).sqrt()),
            b2: 0.0,
        }
    }

    /// Activations of the hidden units for each point: shape [points, hidden].
    pub(crate) fn hidden(&self, points: ArrayView2<'_, f32>) -> Array2<f32> {
        (points.dot(&self.w1) + &self.b1).mapv(f32::tanh)
    }

    /// The probability of class 1 for each point.
    pub(crate) fn predict(&self, points: ArrayView2<'_, f32>) -> Array1<f32> {
        (self.hidden(points).dot(&self.w2) + self.b2).mapv(|x| 1.0 / (1.0 + (-x).exp()))
    }

    pub(crate) fn score(&self, data: &Data) -> Score {
        let predicted = self.predict(data.points.view());
        let (mut loss, mut right) = (0.0, 0.0);
        Zip::from(&predicted).and(&data.classes).for_each(|p, class| {
            loss -= if *class == 1.0 { p.max(1e-7).ln() } else { (1.0 - p).max(1e-7).ln() };
            right += f32::from(u8::from((*p > 0.5) == (*class == 1.0)));
        });
        let count = predicted.len() as f32;
        Score { loss: loss / count, accuracy: right / count }
    }

    /// The gradients of the mean loss over all of `data`.
    pub(crate) fn gradients(&self, data: &Data) -> Gradients {
        let hidden = self.hidden(data.points.view());
        let predicted = self.predict(data.points.view());
        let error = (&predicted - &data.classes) / predicted.len() as f32;
        let back = {
            let spread =
                error.view().insert_axis(Axis(1)).dot(&self.w2.view().insert_axis(Axis(0)));
            spread * hidden.mapv(|h| 1.0 - h * h)
        };
        Gradients {
            w1: data.points.t().dot(&back),
            b1: back.sum_axis(Axis(0)),
            w2: hidden.t().dot(&error),
            b2: error.sum(),
        }
    }

    /// One step of gradient descent.
    pub(crate) fn step(&mut self, gradients: &Gradients, rate: f32) {
        self.w1.scaled_add(-rate, &gradients.w1);
        self.b1.scaled_add(-rate, &gradients.b1);
        self.w2.scaled_add(-rate, &gradients.w2);
        self.b2 -= rate * gradients.b2;
    }
}

/// Predictions of the network on a grid of `side` by `side` points that covers the data: shape
/// [side, side], rows from top to bottom.
pub(crate) fn map(network: &Network, side: usize) -> Array2<f32> {
    let at = |i: usize| 2.6 * (i as f32 / (side - 1) as f32 - 0.5);
    let grid = Array2::from_shape_fn((side * side, 2), |(i, axis)| match axis {
        0 => at(i % side),
        _ => -at(i / side),
    });
    let predicted = network.predict(grid.view());
    Array2::from_shape_fn((side, side), |(y, x)| predicted[y * side + x])
}
