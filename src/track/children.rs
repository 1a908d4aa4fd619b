//! Statistics over the children of a run.

use super::ActiveRun;
use crate::error::{Error, Result};
use crate::logdir::{self, LoadOptions, Logdir, TimeSeries};
use crate::meta::Summary;
use crate::summary::Kind;

/// The mean and the standard deviation of a metric over the children of a run, such as the folds
/// of a cross-validation.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct OverChildren {
    /// The mean of the last values.
    pub mean: f64,
    /// The standard deviation of the last values; NaN if there are not more of them than `ddof`.
    pub std: f64,
    /// Number of children that have the metric.
    pub count: u32,
    /// The largest step among the last values.
    pub step: i64,
}

impl ActiveRun {
    /// Takes the last value of the scalar `tag` of each [child](Self::child), and logs the mean and
    /// the standard deviation as the scalars `<tag>/mean` and `<tag>/std` of this run. They are
    /// also stored in the `summary` of the metadata. The children's logs are read from disk, so the
    /// children should have ended or been flushed.
    ///
    /// `ddof` is subtracted from the number of values in the divisor: use 1 for a sample (pandas,
    /// spreadsheets) and 0 for a whole population (NumPy).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::track::ActiveRun;
    ///
    /// let run = ActiveRun::create(dir.path())?;
    /// for (fold, accuracy) in [0.8, 0.9, 1.0].into_iter().enumerate() {
    ///     let child = run.child(&format!("fold-{fold}"))?;
    ///     child.add_scalar("accuracy", accuracy, 10)?;
    ///     child.finish()?;
    /// }
    /// let found = run.summarize_children("accuracy", 1)?;
    /// assert!((found.mean - 0.9).abs() < 1e-6 && (found.std - 0.1).abs() < 1e-6);
    /// run.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): no child has the metric; otherwise the
    /// same as for [`Logdir::load`] and
    /// [`SummaryWriter::add_scalar`](crate::SummaryWriter::add_scalar).
    pub fn summarize_children(&self, tag: &str, ddof: u32) -> Result<OverChildren> {
        let found = self.of_children(tag, |_, series| {
            Some((series.scalars()?.iter().last()?, *series.steps().last()?))
        })?;
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let Some(step) = found.iter().map(|(_, step)| *step).max() else {
            return Err(Error::argument(format!("no child of this run has the scalar {tag:?}")));
        };
        let mean = found.iter().map(|(value, _)| value).sum::<f64>() / f64::from(count);
        let squares: f64 = found.iter().map(|(value, _)| (value - mean).powi(2)).sum();
        let degrees = count.checked_sub(ddof).filter(|degrees| *degrees > 0);
        let std = degrees.map_or(f64::NAN, |degrees| (squares / f64::from(degrees)).sqrt());
        let of_name = |name: &str| format!("{tag}/{name}");
        for (name, value) in [("mean", mean), ("std", std)] {
            self.add_scalar(&of_name(name), value, step)?;
        }
        self.update(|meta| {
            for (name, value) in [("mean", mean), ("std", std)] {
                let mut summary = Summary { value, step: Some(step), ..Summary::default() };
                summary.statistic = Some(name.into());
                summary.other.insert("count".into(), count.into());
                summary.other.insert("ddof".into(), ddof.into());
                meta.summary.insert(of_name(name), summary);
            }
        })?;
        Ok(OverChildren { mean, std, count, step })
    }

    /// Applies `take` to the scalar `tag` of each child, in the order of their names.
    pub(super) fn of_children<T: Send>(
        &self,
        tag: &str,
        take: impl Fn(&logdir::Run, &TimeSeries) -> Option<T> + Sync,
    ) -> Result<Vec<T>> {
        let wanted = tag.to_owned();
        let options = LoadOptions::new().kinds([Kind::Scalar]).tags(move |tag| tag == wanted);
        let (found, _) = Logdir::open(self.dir())?.map_runs(&options, |run| {
            let is_child = run.meta().0.parent.as_deref() == Some(self.id());
            run.series.first().filter(|_| is_child).and_then(|series| take(&run, series))
        })?;
        Ok(found.into_iter().flatten().collect())
    }
}
