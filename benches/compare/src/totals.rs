//! Expected totals of a load: each reader's result is checked against the counts of the workload.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// Wall times are summed relative to this time, so that the sum keeps its fractions.
pub const EPOCH: f64 = 1.7e9;

/// Counts and sums over all scalars of a log directory.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Totals {
    pub series: u64,
    pub scalars: u64,
    pub step_sum: i64,
    pub value_sum: f64,
    /// Sum of the seconds after [`EPOCH`].
    pub wall_time_sum: f64,
}

impl Totals {
    pub fn add(&mut self, step: i64, wall_time: f64, value: f64) {
        self.scalars += 1;
        self.step_sum += step;
        self.value_sum += value;
        self.wall_time_sum += wall_time - EPOCH;
    }

    /// Returns an error that names the differences from the `expected` totals.
    pub fn check(&self, expected: &Self) -> Result<()> {
        // Readers sum in different orders, so floats agree only approximately.
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
        ensure!(
            self.series == expected.series
                && self.scalars == expected.scalars
                && self.step_sum == expected.step_sum
                && near(self.value_sum, expected.value_sum)
                && near(self.wall_time_sum, expected.wall_time_sum),
            "wrong result: {self:?}, written were {expected:?}"
        );
        Ok(())
    }
}
