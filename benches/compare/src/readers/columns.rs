//! Columns for the readers that only decode: the code that their users would write first.

use std::collections::HashMap;

use super::Loaded;
use crate::totals::Totals;

/// All scalars: by run, then by tag.
#[derive(Default)]
pub struct Columns {
    runs: HashMap<String, Run>,
}

#[derive(Default)]
pub struct Run {
    series: HashMap<String, Series>,
}

/// 20 bytes per point.
#[derive(Default)]
struct Series {
    steps: Vec<i64>,
    wall_times: Vec<f64>,
    values: Vec<f32>,
}

impl Columns {
    pub fn run(&mut self, name: &str) -> &mut Run {
        self.runs.entry(name.to_owned()).or_default()
    }
}

impl Run {
    pub fn contains(&self, tag: &str) -> bool {
        self.series.contains_key(tag)
    }

    pub fn push(&mut self, tag: String, step: i64, wall_time: f64, value: f32) {
        let series = self.series.entry(tag).or_default();
        series.steps.push(step);
        series.wall_times.push(wall_time);
        series.values.push(value);
    }
}

impl Loaded for Columns {
    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for series in self.runs.values().flat_map(|run| run.series.values()) {
            totals.series += 1;
            let values = series.values.iter().copied().map(f64::from);
            for ((step, wall_time), value) in
                series.steps.iter().zip(&series.wall_times).zip(values)
            {
                totals.add(*step, *wall_time, value);
            }
        }
        totals
    }
}
