//! Histograms: the number of values in each bucket.
//!
//! v1 is a `HistogramProto`: right edges and counts, together with sums over the values. v2 is a tensor of rows
//! (left edge, right edge, count) with the plugin `histograms` (`tensorboard/plugins/histogram/summary_v2.py`).

mod numeric;
mod slots;
mod torch;

use bytes::Bytes;
use prost::Message;

pub use numeric::Numeric;
pub(crate) use torch::{Exponential, histogram as count};

use super::raw::decode;
use super::tensor::{Tensor, shape_message, value};
use super::{Form, Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;

/// The buckets of a histogram that is computed from values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Bins {
    /// The default of PyTorch and TensorFlow 1: edges grow by a factor of 1.1, from 1e-12 to 1e20, and in the same
    /// way below zero. Logged as a v1 histogram.
    #[default]
    Exponential,
    /// The buckets of TensorFlow 2, whose default is 30: this number of buckets of equal width, from the smallest
    /// to the largest value. Logged as a v2 histogram.
    Uniform(usize),
}

/// A histogram, as it is logged: each bucket is a range and a count.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Histogram {
    /// The buckets, from left to right. They may have any width, including zero.
    pub buckets: Vec<Bucket>,
    /// Sums over the values, for v1 histograms only.
    pub moments: Option<Moments>,
}

/// A bucket: `count` values x with `left <= x < right`. The last bucket also contains `x == right`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bucket {
    /// Left edge.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Number of values; may be a weight.
    pub count: f64,
}

impl Bucket {
    /// The bucket from `left` to `right` with `count` values.
    pub fn new(left: f64, right: f64, count: f64) -> Self {
        Self { left, right, count }
    }
}

/// Statistics of the values of a v1 histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// Smallest value; NaN if any value is NaN.
    pub min: f64,
    /// Largest value; NaN if any value is NaN.
    pub max: f64,
    /// Number of values, including those outside all buckets.
    pub num: f64,
    /// Sum of the values.
    pub sum: f64,
    /// Sum of the squares of the values.
    pub sum_squares: f64,
}

impl Histogram {
    /// The histogram of these buckets, without statistics.
    pub fn new(buckets: impl Into<Vec<Bucket>>) -> Self {
        Self { buckets: buckets.into(), moments: None }
    }

    /// Reads a value of a histogram series.
    ///
    /// The buckets of a v1 histogram are the ones that TensorBoard shows: the outer edges are the minimum and the
    /// maximum, and empty buckets at both ends are left out (`tensorboard/data_compat.py`,
    /// `_migrate_histogram_value`). The left edge of each bucket is the right edge of the previous one in the
    /// message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        match value.form {
            Form::Histo => Self::from_v1(&decode(&value.bytes, "histogram")?),
            _ => Self::from_v2(value),
        }
    }

    /// Converts a v1 message to the histogram that TensorBoard shows; see [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the number of limits differs from the number of buckets. The limits cannot be
    /// assigned to buckets then: some programs write both edges of all buckets, others only the edges between
    /// buckets.
    pub fn from_v1(message: &pb::HistogramProto) -> Result<Self, ErrorKind> {
        let (limits, counts) = (message.bucket_limit.len(), message.bucket.len());
        if limits != counts {
            return Err(ErrorKind::Value(format!("{limits} limits for {counts} buckets")));
        }
        let moments = Moments {
            min: message.min,
            max: message.max,
            num: message.num,
            sum: message.sum,
            sum_squares: message.sum_squares,
        };
        let mut buckets = Vec::with_capacity(message.bucket.len());
        let mut left = message.min;
        for (count, limit) in message.bucket.iter().zip(&message.bucket_limit) {
            buckets.push(Bucket { left, right: *limit, count: *count });
            left = *limit;
        }
        let filled = |bucket: &Bucket| bucket.count > 0.0;
        let end = buckets.iter().rposition(filled).map_or(0, |last| last + 1);
        buckets.truncate(end);
        let start = buckets.iter().position(filled).unwrap_or(0);
        buckets.drain(..start);
        if let Some(first) = buckets.first_mut() {
            first.left = message.min;
        }
        if let Some(last) = buckets.last_mut() {
            last.right = message.max;
        }
        Ok(Self { buckets, moments: Some(moments) })
    }

    fn from_v2(value: &RawValue) -> Result<Self, ErrorKind> {
        let tensor = Tensor::read_complete(value)?;
        let (&[_, 3], Some(numbers)) = (tensor.shape(), tensor.to_f64()) else {
            return Err(ErrorKind::Value(format!(
                "a histogram should be [k, 3], this is {tensor:?}"
            )));
        };
        let (rows, _) = numbers.as_chunks::<3>();
        let bucket = |&[left, right, count]: &[f64; 3]| Bucket { left, right, count };
        Ok(Self { buckets: rows.iter().map(bucket).collect(), moments: None })
    }

    /// Computes TensorFlow 2's histogram of `values`: `bins` buckets of equal width.
    ///
    /// Without values, there are `bins` buckets with count 0. If all values are equal, the buckets have no width,
    /// and all values are in the last one. With an infinity among the values, the width is infinite, and
    /// infinities are in no bucket. With a NaN, all edges are NaN.
    #[expect(clippy::as_conversions, reason = "as TensorFlow converts")]
    pub fn uniform(values: impl IntoIterator<Item: Numeric>, bins: usize) -> Self {
        let values: Vec<f64> = values.into_iter().map(Numeric::to_f64).collect();
        let nan = values.iter().any(|value| value.is_nan());
        let bound = |start, pick: fn(f64, f64) -> f64| match (nan, values.is_empty()) {
            (true, _) => f64::NAN,
            (false, true) => 0.0,
            (false, false) => values.iter().copied().fold(start, pick),
        };
        let min = bound(f64::INFINITY, f64::min);
        let max = bound(f64::NEG_INFINITY, f64::max);
        let mut counts = vec![0.0; bins];
        let last = bins.saturating_sub(1);
        let range = max - min;
        let width = range / bins as f64;
        for value in &values {
            let place = if range == 0.0 { last as f64 } else { ((value - min) / width).floor() };
            // NaN and infinities fall into no bucket.
            let count = counts.get_mut((place as usize).min(last)).filter(|_| !place.is_nan());
            if let Some(count) = count {
                *count += 1.0;
            }
        }
        // Edges as computed by `linspace`: by multiplication, except that the first and the last are exact.
        let edge = |i: usize| match i {
            0 => min,
            i if i == bins => max,
            i => min + width * i as f64,
        };
        let bucket = |(i, count)| Bucket { left: edge(i), right: edge(i + 1), count };
        Self { buckets: counts.into_iter().enumerate().map(bucket).collect(), moments: None }
    }

    /// The value of a v2 histogram.
    pub fn to_v2(&self, tag: &str) -> pb::summary::Value {
        let rows = self.buckets.iter().flat_map(|b| [b.left, b.right, b.count]);
        let content: Vec<u8> = rows.flat_map(f64::to_le_bytes).collect();
        let buckets = i64::try_from(self.buckets.len()).unwrap_or(i64::MAX);
        let tensor = pb::TensorProto {
            dtype: pb::DataType::DtDouble.into(),
            tensor_shape: Some(shape_message(&[buckets, 3])),
            tensor_content: content.into(),
            ..Default::default()
        };
        value(tag, Kind::Histogram, tensor)
    }
}

/// Computes PyTorch's histogram of `values`; see [`Bins::Exponential`].
///
/// # Errors
///
/// [`ErrorKind::Argument`]: no value falls into a bucket. Either there are no values, or all are NaN, infinite or
/// beyond 9.92e19.
pub fn exponential(
    values: impl IntoIterator<Item: Numeric>,
) -> Result<pb::HistogramProto, ErrorKind> {
    torch::histogram(values).map(|histogram| histogram.to_message())
}

/// The value of a v1 histogram.
pub fn v1(tag: &str, histogram: pb::HistogramProto) -> pb::summary::Value {
    pb::summary::Value {
        tag: tag.into(),
        value: Some(pb::summary::value::Value::Histo(histogram)),
        ..Default::default()
    }
}

/// The serialized message of a v1 histogram, as a value for [`Histogram::read`].
#[doc(hidden)]
pub fn raw_v1(histogram: &pb::HistogramProto) -> RawValue {
    RawValue { form: Form::Histo, bytes: Bytes::from(histogram.encode_to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(histogram: &Histogram) -> Vec<(f64, f64, f64)> {
        histogram.buckets.iter().map(|b| (b.left, b.right, b.count)).collect()
    }

    /// From `tensorboard/plugins/histogram/summary_test.py`, and results of TensorFlow 2.21.
    #[test]
    fn uniform_bins_are_tensorflow_2s() {
        assert_eq!(rows(&Histogram::uniform([1, 2, 3, 4], 2)), [(1.0, 2.5, 2.0), (2.5, 4.0, 2.0)]);
        let tenths = (0..11).map(|i| f64::from(i) / 10.0);
        let counts: Vec<_> =
            Histogram::uniform(tenths, 10).buckets.iter().map(|b| b.count).collect();
        assert_eq!(counts, [1.0, 1.0, 2.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 2.0]);
        assert_eq!(rows(&Histogram::uniform([0.0; 0], 2)), [(0.0, 0.0, 0.0); 2]);
        assert_eq!(rows(&Histogram::uniform([5.0; 3], 2)), [(5.0, 5.0, 0.0), (5.0, 5.0, 3.0)]);
        assert!(rows(&Histogram::uniform([5.0; 3], 0)).is_empty());
        let nan = Histogram::uniform([1.0, f64::NAN], 2);
        assert!(nan.buckets.iter().all(|b| b.left.is_nan() && b.right.is_nan() && b.count == 0.0));
        let (max, inf) = (1e308, f64::INFINITY);
        let two = |values: [f64; 3]| rows(&Histogram::uniform(values, 2));
        assert_eq!(two([1.0, inf, 2.0]), [(1.0, inf, 2.0), (inf, inf, 0.0)]);
        assert_eq!(two([-max, max, 0.0]), [(-max, inf, 2.0), (inf, max, 0.0)]);
    }

    #[test]
    fn a_v1_histogram_is_read_as_tensorboard_shows_it() {
        let message = pb::HistogramProto {
            min: 1.0,
            max: 3.0,
            num: 3.0,
            sum: 6.0,
            sum_squares: 14.0,
            bucket_limit: vec![0.5, 1.5, 2.0, 2.5, 3.5, 1e300],
            bucket: vec![0.0, 1.0, 0.0, 1.0, 1.0, 0.0],
        };
        let histogram = Histogram::read(&raw_v1(&message)).unwrap();
        let expected = [(1.0, 1.5, 1.0), (1.5, 2.0, 0.0), (2.0, 2.5, 1.0), (2.5, 3.0, 1.0)];
        assert_eq!(rows(&histogram), expected);
        assert_eq!(histogram.moments.unwrap().sum_squares, 14.0);
        assert!(Histogram::from_v1(&pb::HistogramProto::default()).unwrap().buckets.is_empty());
    }

    /// NumPy has one more edge than counts.
    #[test]
    fn a_v1_histogram_has_a_limit_for_each_bucket() {
        for limits in [2, 4, 0] {
            let message = pb::HistogramProto {
                bucket_limit: vec![1.0; limits],
                bucket: vec![1.0; 3],
                ..Default::default()
            };
            let error = Histogram::read(&raw_v1(&message)).unwrap_err();
            assert_eq!(error.to_string(), format!("{limits} limits for 3 buckets"));
        }
    }

    #[test]
    fn a_v2_histogram_is_read_back_as_it_was_written() {
        let histogram = Histogram::uniform([1.0, 2.0, 4.0], 3);
        let Some(pb::summary::value::Value::Tensor(tensor)) = histogram.to_v2("h").value else {
            panic!("not a tensor")
        };
        let bytes = Bytes::from(tensor.encode_to_vec());
        let raw = RawValue { form: Form::Tensor, bytes };
        assert_eq!(Histogram::read(&raw).unwrap(), histogram);
    }
}
