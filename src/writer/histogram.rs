//! Logs histograms.

use super::{IntoStep, SummaryWriter, at};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
use crate::summary::histogram::{self, Bins, Histogram, Moments, Numeric};

impl SummaryWriter {
    /// Logs the distribution of `values`: a slice, an iterator or an `ndarray` view of any
    /// [numbers](Numeric).
    ///
    /// The buckets are those of [`Bins::Exponential`], PyTorch's default, unless the handle has
    /// [others](Self::with_bins).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: no value falls into an exponential bucket; uniform buckets accept
    /// any values, including none. Otherwise, the same as for
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_histogram<I>(&self, tag: &str, values: I, step: impl IntoStep) -> Result<()>
    where
        I: IntoIterator<Item: Numeric>,
    {
        let Some(inner) = &self.inner else { return Ok(()) };
        let bins = self.scope.about.as_ref().map_or_else(Bins::default, |about| about.bins);
        match bins {
            Bins::Exponential if !self.is_v2(inner) => {
                let step = step.into_step();
                let histogram = histogram::count(values).map_err(|kind| at(kind, tag, step))?;
                let step = self.step(inner, tag, step);
                let wall_time = self.wall_time(inner);
                let much = inner.file.append_histogram(wall_time, step, tag, &histogram)?;
                inner.worker.notify(much);
                Ok(())
            }
            _ => self.add(tag, step, |v2| match bins {
                Bins::Exponential => counted(tag, histogram::exponential(values)?, v2),
                Bins::Uniform(bins) => Ok(Histogram::uniform(values, bins).to_v2(tag)),
            }),
        }
    }

    /// Logs a histogram that was computed elsewhere. `bucket_limits` are the right edges of the
    /// buckets, and `bucket_counts` the number of values in each.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the number of edges differs from the number of counts, or the edges
    /// are not sorted. Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    pub fn add_histogram_raw(
        &self,
        tag: &str,
        moments: Moments,
        bucket_limits: &[f64],
        bucket_counts: &[f64],
        step: impl IntoStep,
    ) -> Result<()> {
        self.add(tag, step, |v2| {
            let (limits, counts) = (bucket_limits.len(), bucket_counts.len());
            if limits != counts {
                let what = format!("a histogram of {limits} bucket limits and {counts} counts");
                return Err(ErrorKind::Argument(what));
            }
            if !bucket_limits.is_sorted() {
                let what = "a histogram whose bucket limits are not sorted";
                return Err(ErrorKind::Argument(what.into()));
            }
            let message = pb::HistogramProto {
                min: moments.min,
                max: moments.max,
                num: moments.num,
                sum: moments.sum,
                sum_squares: moments.sum_squares,
                bucket_limit: bucket_limits.to_vec(),
                bucket: bucket_counts.to_vec(),
            };
            counted(tag, message, v2)
        })
    }
}

fn counted(
    tag: &str,
    histogram: pb::HistogramProto,
    v2: bool,
) -> Result<pb::summary::Value, ErrorKind> {
    match v2 {
        true => Ok(Histogram::from_v1(&histogram)?.to_v2(tag)),
        false => Ok(histogram::v1(tag, histogram)),
    }
}
