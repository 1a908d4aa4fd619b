//! Measurements of the machine, which W&B has apart from the history: the scalars `system/...`.

use std::collections::BTreeMap;

use tbx::error::Result;
use tbx::logdir::TimeSeries;
use tbx::wandb::offline::OfflineRun;

/// The start of their tags.
pub(super) const SYSTEM: &str = "system/";

/// Whether measurements of W&B can have these scalars: they have no step but their number, and one time.
pub(super) fn are(all: &BTreeMap<String, &TimeSeries>) -> bool {
    let mut times: BTreeMap<i64, u64> = BTreeMap::new();
    let is_rising = all.values().all(|series| series.steps().is_sorted_by(|a, b| a < b));
    let mut points = all.values().flat_map(|series| series.steps().iter().zip(series.wall_times()));
    is_rising
        && points
            .all(|(step, time)| *times.entry(*step).or_insert(time.to_bits()) == time.to_bits())
        && times.keys().zip(0i64..).all(|(step, number)| *step == number)
}

/// Writes scalars, which are [measurements](are).
pub(super) fn write(all: &BTreeMap<String, &TimeSeries>, out: &mut OfflineRun) -> Result<()> {
    for (tag, series) in all {
        let scalars = series.scalars().into_iter().flat_map(|scalars| scalars.iter());
        for ((step, time), value) in series.steps().iter().zip(series.wall_times()).zip(scalars) {
            out.measured(tag, *step, *time, value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tbx::{LoadOptions, Logdir, SummaryWriter};

    fn found(points: &[(&str, i64, f64)]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let writer = SummaryWriter::create(dir.path()).unwrap();
        for (tag, step, time) in points {
            writer.with_wall_time(*time).unwrap().add_scalar(tag, 1.0, *step).unwrap();
        }
        writer.close().unwrap();
        let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
        let all =
            loaded.runs[0].series.iter().map(|series| (series.tag().to_owned(), series)).collect();
        are(&all)
    }

    #[test]
    fn measurements_are_numbered_and_have_one_time() {
        assert!(found(&[("a", 0, 1.0), ("b", 0, 1.0), ("a", 1, 2.0), ("b", 2, 3.0)]));
        assert!(!found(&[("a", 0, 1.0), ("b", 0, 1.5)]), "two times");
        assert!(!found(&[("a", 0, 1.0), ("a", 2, 2.0)]), "a gap");
        assert!(!found(&[("a", 1, 1.0), ("a", 2, 2.0)]), "not from 0");
    }
}
