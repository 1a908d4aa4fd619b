//! A table with one row per point.

use std::sync::Arc;

use tbx::error::{Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Scalars, TimeSeries};
use tbx::summary::Kind;

/// A table with one row per scalar point: run, tag, step, wall time, value.
///
/// The points are ordered by run, then tag, then position in the log, and take 20 to 24 bytes each.
///
/// ```
/// use tbx_runs::table::PointTable;
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let table = PointTable::load(&logdir, &LoadOptions::new())?;
/// let losses = table.iter().filter(|point| point.tag == "epoch_loss");
/// let best = losses.min_by(|a, b| a.value.total_cmp(&b.value)).unwrap();
/// assert_eq!((best.run, best.step), ("validation", 2));
/// # Ok::<(), tbx::Error>(())
/// ```
///
/// With the feature `serde` it serializes as a list of [`Point`]s; with `arrow`, `to_record_batch`
/// passes the columns to Arrow.
#[derive(Debug)]
#[non_exhaustive]
pub struct PointTable {
    pub(super) series: Vec<(Arc<str>, TimeSeries)>,
    /// Data that was damaged or dropped during loading.
    pub report: Report,
}

/// A row of a [`PointTable`].
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Point<'t> {
    /// The run's name: the path of its directory in the log directory, `.` for the log directory
    /// itself.
    pub run: &'t str,
    /// The tag.
    pub tag: &'t str,
    /// The step; may repeat, decrease and be negative.
    pub step: i64,
    /// The wall time, in seconds since the Unix epoch; may be 0, NaN and infinite.
    #[serde(serialize_with = "super::number::exact")]
    pub wall_time: f64,
    /// The value. Integers beyond 2^53 are rounded; everything else is exact.
    #[serde(serialize_with = "super::number::exact")]
    pub value: f64,
}

impl PointTable {
    /// Loads every scalar point of `logdir`.
    ///
    /// # Errors
    ///
    /// The same as for [`Logdir::load`].
    pub fn load(logdir: &Logdir, options: &LoadOptions) -> Result<Self> {
        let loaded = logdir.load(&options.clone().kinds([Kind::Scalar]))?;
        let mut series = Vec::new();
        for run in loaded.runs {
            let name: Arc<str> = run.name.into();
            series.extend(run.series.into_iter().map(|series| (name.clone(), series)));
        }
        Ok(Self { series, report: loaded.report })
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.series.iter().map(|(_, series)| series.len()).sum()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The points.
    pub fn iter(&self) -> impl Iterator<Item = Point<'_>> {
        self.columns().flat_map(|(run, series, values)| {
            let points = series.steps().iter().zip(series.wall_times()).zip(values.iter());
            points.map(|((step, wall_time), value)| Point {
                run,
                tag: series.tag(),
                step: *step,
                wall_time: *wall_time,
                value,
            })
        })
    }

    /// The run name and the numbers of each series.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &TimeSeries, &Scalars)> {
        self.series.iter().filter_map(|(run, series)| Some((&**run, series, series.scalars()?)))
    }
}

impl serde::Serialize for PointTable {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tbx::writer::SummaryWriter;

    #[test]
    fn rows_are_serialized_to_the_last_bit() {
        let dir = tempfile::tempdir().unwrap();
        let writer = SummaryWriter::options().clock(|| 1.5).create(dir.path().join("a")).unwrap();
        for (value, step) in [0.1, f32::NAN, f32::NEG_INFINITY].into_iter().zip(-1..) {
            writer.add_scalar("loss", value, step).unwrap();
        }
        writer.add_text("note", "no number", 0).unwrap();
        writer.close().unwrap();
        let table =
            PointTable::load(&Logdir::open(dir.path()).unwrap(), &LoadOptions::new()).unwrap();
        assert_eq!((table.len(), table.is_empty()), (3, false));
        let row = |step: i64, value: &str| {
            format!(r#"{{"run":"a","tag":"loss","step":{step},"wall_time":1.5,"value":{value}}}"#)
        };
        let rows = [row(-1, "0.10000000149011612"), row(0, r#""NaN""#), row(1, r#""-Infinity""#)];
        let expected = format!("[{}]", rows.join(","));
        assert_eq!(serde_json::to_string(&table).unwrap(), expected);
    }
}
