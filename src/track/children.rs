//! Numbers over the parts of a run.

use super::Run;
use crate::error::{Error, Result};
use crate::logdir::{self, LoadOptions, Logdir, TimeSeries};
use crate::meta::Summary;
use crate::summary::Kind;

/// The mean and the standard deviation of a metric over the children of a run, such as the folds
/// of a cross-validation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverChildren {
    /// The mean of the last values.
    pub mean: f64,
    /// Their standard deviation; NaN if there are no more of them than degrees of freedom taken.
    pub std: f64,
    /// How many children have the metric.
    pub count: u32,
    /// The largest step at which one has its last value.
    pub step: i64,
}

impl Run {
    /// Takes the last value of the scalar `tag` of each [child](Self::child), and logs their mean
    /// and standard deviation as the scalars `<tag>/mean` and `<tag>/std` of this run; the metadata's
    /// `summary` has them, too. The children's logs are read, so they should have ended or been
    /// flushed.
    ///
    /// `ddof` is what the number of values is made less by: 1 for a sample, as pandas and
    /// spreadsheets have it, 0 for all there are, as NumPy has it.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::track::Run;
    ///
    /// let run = Run::create(dir.path())?;
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
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): no child has the metric; else as
    /// [`Logdir::load`] and [`SummaryWriter::add_scalar`](crate::SummaryWriter::add_scalar).
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

    /// What `take` has of the scalar `tag` of each child, in the order of their names.
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
