//! Scalars.

use serde_json::json;

use super::log::{Run, number};
use super::random::Random;

impl Run<'_> {
    pub(super) fn scalar(&mut self, tag: &str, value: f64, step: i64) {
        let writer = self.call("scalar", tag, step, number(value));
        writer.add_scalar(tag, value, step).unwrap();
    }

    /// Named scalars, written to the runs `runs` below this one.
    pub(super) fn lines(&mut self, tag: &str, values: &[(&str, f64)], runs: &[&str], step: i64) {
        self.log.now += 0.1;
        let wall_time = self.log.now;
        for (run, (_, value)) in runs.iter().zip(values) {
            let run = format!("{}/{run}", self.name);
            if self.lines.insert(run.clone()) {
                self.log.opened(&run, self.start, self.purge_step);
            }
            self.log.calls.push(json!({
                "call": "scalar", "run": run, "v2": self.v2,
                "tag": tag, "step": step, "wall_time": wall_time, "input": value,
            }));
        }
        let writer = self.writer.with_wall_time(wall_time).unwrap();
        writer.add_scalars(tag, values.iter().copied(), step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    let mut random = Random(1);
    for step in 0..1500 {
        let loss = 0.1 + 2.0 / (1.0 + f64::from(step) / 100.0);
        run.scalar("train/loss", loss + 0.05 * random.normal(), step.into());
    }
    for step in 0..30 {
        let values = [("train", f64::from(step)), ("a/b: é", 10.5)];
        let runs = ["parts_loss_train", "parts_loss_a%2fb%3a é"];
        run.lines("parts/loss", &values, &runs, step.into());
    }
}

pub(super) fn write_odd(run: &mut Run<'_>) {
    let odd = [0.0, -0.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-45, 1e300, -1e-300];
    for (step, value) in (0..).zip(odd) {
        run.scalar("values", value, step);
    }
    for step in [-7, -1, 0, 1, 1 << 40] {
        run.scalar("steps", step as f64, step);
    }
    run.scalar("last steps", 1.0, i64::MIN);
    run.scalar("last steps", 2.0, i64::MAX);
    // Points out of order and repeated steps, for which the loaders differ.
    for (i, step) in (0..).zip([1, 1, 1, 2, 3, 4, 5, 3, 4]) {
        run.scalar("order", f64::from(i), step);
    }
    for tag in ["größe/損失 🎉", "a b&c=d?e#f%20/+\"<i>'", "/slash/", " "] {
        run.scalar(tag, 0.75, 3);
    }
}
