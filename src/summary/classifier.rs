//! Evaluations of classifiers: confusion matrices and ROC curves.

use super::histogram::Numeric;
use crate::error::ErrorKind;

/// How often each class was predicted for samples of each class.
///
/// ```
/// use tbx::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::new(["cat", "dog"], [0, 0, 1, 1], [0, 1, 1, 1])?;
/// assert_eq!(matrix.count(0, 1), 1);
/// assert_eq!(matrix.accuracy(), 0.75);
/// assert_eq!(matrix.recall(0), 0.5);
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: Vec<String>,
    /// Row by row: a row for each actual class.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Maximum number of classes.
    pub const MAX_CLASSES: usize = 1000;

    /// Counts samples by their class and the predicted one. Both are indices in `classes`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are no classes or more than 1000, an index is out of range, or the numbers of
    /// labels and predictions differ.
    pub fn new(
        classes: impl IntoIterator<Item: Into<String>>,
        labels: impl IntoIterator<Item = usize>,
        predictions: impl IntoIterator<Item = usize>,
    ) -> Result<Self, ErrorKind> {
        let classes: Vec<String> = classes.into_iter().map(Into::into).collect();
        let len = classes.len();
        if len == 0 || len > Self::MAX_CLASSES {
            let what = format!("{len} classes: there may be 1 to {}", Self::MAX_CLASSES);
            return Err(ErrorKind::Argument(what));
        }
        let mut matrix = Self { counts: vec![0; len.saturating_mul(len)], classes };
        let (mut labels, mut predictions) = (labels.into_iter(), predictions.into_iter());
        loop {
            match (labels.next(), predictions.next()) {
                (Some(actual), Some(predicted)) => matrix.add(actual, predicted)?,
                (None, None) => return Ok(matrix),
                _ => {
                    let what = "a confusion matrix needs as many labels as predictions";
                    return Err(ErrorKind::Argument(what.into()));
                }
            }
        }
    }

    fn add(&mut self, actual: usize, predicted: usize) -> Result<(), ErrorKind> {
        let len = self.classes.len();
        let outside = [actual, predicted].into_iter().find(|class| *class >= len);
        let at = actual.saturating_mul(len).saturating_add(predicted);
        match (outside, self.counts.get_mut(at)) {
            (None, Some(count)) => {
                *count = count.saturating_add(1);
                Ok(())
            }
            (class, _) => {
                let class = class.unwrap_or_default();
                Err(ErrorKind::Argument(format!("class {class} of {len} classes")))
            }
        }
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Number of samples of the class `actual` that were predicted as `predicted`; 0 for classes that do not exist.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        let len = self.classes.len();
        let at = actual.saturating_mul(len).saturating_add(predicted);
        self.counts.get(at).copied().filter(|_| predicted < len).unwrap_or(0)
    }

    /// The share of samples that were predicted correctly; NaN without samples.
    pub fn accuracy(&self) -> f64 {
        let correct = (0..self.classes.len()).map(|class| self.count(class, class)).sum();
        ratio(correct, self.counts.iter().sum())
    }

    /// The share of samples predicted as `class` that are of it; NaN if there are none.
    pub fn precision(&self, class: usize) -> f64 {
        let predicted = (0..self.classes.len()).map(|actual| self.count(actual, class)).sum();
        ratio(self.count(class, class), predicted)
    }

    /// The share of samples of `class` that were predicted as such; NaN if there are none.
    pub fn recall(&self, class: usize) -> f64 {
        let actual = (0..self.classes.len()).map(|predicted| self.count(class, predicted)).sum();
        ratio(self.count(class, class), actual)
    }

    /// The harmonic mean of precision and recall of a class; NaN if no sample is of it or was predicted as such.
    pub fn f1_score(&self, class: usize) -> f64 {
        let all = 0..self.classes.len();
        let of_it = all.map(|other| self.count(class, other) + self.count(other, class)).sum();
        ratio(2 * self.count(class, class), of_it)
    }

    /// A table in Markdown: a row for each actual class, a column for each predicted one.
    pub fn to_markdown(&self) -> String {
        let names: Vec<_> = self.classes.iter().map(|name| cell(name)).collect();
        let mut table = format!("| actual \\ predicted | {} |\n", names.join(" | "));
        table.push_str(&format!("|---|{}\n", "---:|".repeat(names.len())));
        for (actual, name) in names.iter().enumerate() {
            let counts =
                (0..names.len()).map(|predicted| self.count(actual, predicted).to_string());
            let counts: Vec<_> = counts.collect();
            table.push_str(&format!("| {name} | {} |\n", counts.join(" | ")));
        }
        table
    }
}

/// A name in a cell of a table.
fn cell(name: &str) -> String {
    name.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[expect(clippy::as_conversions, reason = "counts, which float64 may round")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// The true positive rate of a binary classifier over its false positive rate.
///
/// ```
/// use tbx::RocCurve;
///
/// let curve = RocCurve::new([false, false, true, true], [0.1, 0.4, 0.35, 0.8])?;
/// assert_eq!(curve.auc(), 0.75);
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RocCurve {
    /// Scores in falling order. The first one is infinite. Samples count as positive from this score on.
    pub thresholds: Vec<f64>,
    /// The share of negatives that count as positive at each threshold, from 0 to 1.
    pub false_positive_rates: Vec<f64>,
    /// The share of positives that count as positive at each threshold, from 0 to 1.
    pub true_positive_rates: Vec<f64>,
    /// The area under the curve with all points.
    auc: f64,
}

impl RocCurve {
    /// Maximum number of points of a curve.
    pub const MAX_POINTS: usize = 10_000;

    /// Computes the curve of samples with these labels, bools or numbers that are 0 or 1, and scores, which are higher
    /// for samples that are rather positive. There is one point for each score that occurs, as scikit-learn's
    /// `roc_curve` with `drop_intermediate=False` has it. Samples with the same score are one point.
    ///
    /// Of more than 10,000 points, those on a line between their neighbors are left out first, which does not change the
    /// curve. If there are still too many, about every nth is kept, always with the first and the last one. The
    /// [area](Self::auc) is that of all points.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the numbers of labels and scores differ, a label is not 0 or 1, a score is NaN, or all
    /// labels are the same.
    pub fn new(
        labels: impl IntoIterator<Item: Numeric>,
        scores: impl IntoIterator<Item: Numeric>,
    ) -> Result<Self, ErrorKind> {
        let wrong = |what: &str| Err(ErrorKind::Argument(format!("a ROC curve: {what}")));
        let labels: Vec<f64> = labels.into_iter().map(Numeric::to_f64).collect();
        let scores: Vec<f64> = scores.into_iter().map(Numeric::to_f64).collect();
        if labels.len() != scores.len() {
            return wrong("the numbers of labels and scores differ");
        }
        if labels.iter().any(|label| *label != 0.0 && *label != 1.0) {
            return wrong("labels are 0 or 1");
        }
        if scores.iter().any(|score| score.is_nan()) {
            return wrong("a score is NaN");
        }
        let mut samples: Vec<_> = scores.into_iter().zip(labels).collect();
        samples.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let all_positive: f64 = samples.iter().map(|(_, label)| label).sum();
        let all_negative = samples.iter().map(|(_, label)| 1.0 - label).sum::<f64>();
        if all_positive == 0.0 || all_negative == 0.0 {
            return wrong("there must be positive and negative samples");
        }
        let mut curve = Self {
            thresholds: vec![f64::INFINITY],
            false_positive_rates: vec![0.0],
            true_positive_rates: vec![0.0],
            auc: 0.0,
        };
        let (mut positive, mut negative) = (0.0, 0.0);
        // 0 and -0 are one score.
        for equal in samples.chunk_by(|(a, _), (b, _)| a == b) {
            for (_, label) in equal {
                positive += label;
                negative += 1.0 - label;
            }
            curve.thresholds.extend(equal.first().map(|(score, _)| score));
            curve.false_positive_rates.push(negative / all_negative);
            curve.true_positive_rates.push(positive / all_positive);
        }
        curve.auc = curve.area();
        curve.thin_out();
        Ok(curve)
    }

    /// Leaves out points beyond the maximum.
    fn thin_out(&mut self) {
        let count = self.thresholds.len();
        if count <= Self::MAX_POINTS {
            return;
        }
        // Rates of points on a line rise by the same amounts. Each is a multiple of 1 / samples, so that amounts that
        // differ by less than this differ only by rounding.
        let is_close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let on_line = |rates: &[f64], i: usize| match rates.get(i.saturating_sub(1)..=i + 1) {
            Some([a, b, c]) => Some((b - a, c - b)),
            _ => None,
        };
        let is_corner = |i: &usize| {
            let rises =
                on_line(&self.false_positive_rates, *i).zip(on_line(&self.true_positive_rates, *i));
            // The first and the last one have one neighbor.
            rises.is_none_or(|((x0, x1), (y0, y1))| !is_close(x0, x1) || !is_close(y0, y1))
        };
        let mut kept: Vec<usize> =
            (0..count).filter(|i| *i == 0 || *i + 1 == count || is_corner(i)).collect();
        let stride = kept.len().div_ceil(Self::MAX_POINTS);
        if stride > 1 {
            let last = kept.last().copied();
            kept = kept.into_iter().step_by(stride).collect();
            kept.truncate(Self::MAX_POINTS - 1);
            kept.extend(last.filter(|last| kept.last() != Some(last)));
        }
        for values in
            [&mut self.thresholds, &mut self.false_positive_rates, &mut self.true_positive_rates]
        {
            *values = kept.iter().filter_map(|i| values.get(*i).copied()).collect();
        }
    }

    /// The area under the curve, from 0 to 1: the probability that a positive sample has a higher score than a
    /// negative one.
    pub fn auc(&self) -> f64 {
        self.auc
    }

    fn area(&self) -> f64 {
        let points = self.false_positive_rates.iter().zip(&self.true_positive_rates);
        let mut before = (0.0, 0.0);
        points.fold(0.0, |area, (x, y)| {
            let (x0, y0) = before;
            before = (*x, *y);
            area + (x - x0) * (y + y0) / 2.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of `sklearn.metrics` 1.5 for the same samples.
    #[test]
    fn curves_are_those_of_scikit_learn() {
        let curve = RocCurve::new([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).unwrap();
        assert_eq!(curve.thresholds, [f64::INFINITY, 0.8, 0.4, 0.35, 0.1]);
        assert_eq!(curve.false_positive_rates, [0.0, 0.0, 0.5, 0.5, 1.0]);
        assert_eq!(curve.true_positive_rates, [0.0, 0.5, 0.5, 1.0, 1.0]);
        // Equal scores are one point.
        let curve = RocCurve::new([true, false, true, false], [0.5f32, 0.5, 0.5, 0.0]).unwrap();
        assert_eq!(curve.thresholds, [f64::INFINITY, 0.5, 0.0]);
        assert_eq!(curve.auc(), 0.75);
        assert_eq!(RocCurve::new([1, 0], [0.9, 0.1]).unwrap().auc(), 1.0);
        assert_eq!(RocCurve::new([0, 1], [0.9, 0.1]).unwrap().auc(), 0.0);
    }

    #[test]
    fn a_large_curve_keeps_its_shape_and_its_area() {
        // Blocks of positives and of negatives: all points of a block are on a line.
        let labels = (0..50_000).map(|i| (i / 10_000) % 2 == 1);
        let curve = RocCurve::new(labels, (0..50_000).map(f64::from)).unwrap();
        assert_eq!(curve.thresholds.len(), 6);
        assert!((curve.auc() - 0.5).abs() < 1e-12, "{}", curve.auc());
        assert!((curve.area() - curve.auc()).abs() < 1e-12);
        // No line is longer than a few points.
        let labels = (0u64..200_000).map(|i| i * 7919 % 10 + i / 20_000 > 9);
        let scores = (0..200_000).map(f64::from);
        let curve = RocCurve::new(labels, scores).unwrap();
        assert!((5_000..=RocCurve::MAX_POINTS).contains(&curve.thresholds.len()));
        let ends = |rates: &[f64]| (rates[0], rates[rates.len() - 1]);
        assert_eq!(ends(&curve.false_positive_rates), (0.0, 1.0));
        assert_eq!(ends(&curve.true_positive_rates), (0.0, 1.0));
        assert_eq!(curve.thresholds[curve.thresholds.len() - 1], 0.0);
        assert!((curve.area() - curve.auc()).abs() < 1e-3);
        assert!(curve.thresholds.is_sorted_by(|a, b| a > b));
        // Ties: one point, whatever the order of the samples.
        let tied = RocCurve::new([true, false, false, true], [0.5, 0.5, 0.5, 0.5]).unwrap();
        assert_eq!((tied.thresholds.len(), tied.auc()), (2, 0.5));
    }

    #[test]
    fn curves_that_do_not_exist_are_refused() {
        assert!(RocCurve::new([1, 1], [0.1, 0.2]).is_err());
        assert!(RocCurve::new([0, 1], [f64::NAN, 0.2]).is_err());
        assert!(RocCurve::new([0, 2], [0.1, 0.2]).is_err());
        assert!(RocCurve::new([0, 1], [0.1]).is_err());
        assert!(RocCurve::new([0; 0], [0.0; 0]).is_err());
    }

    #[test]
    fn a_matrix_counts_and_has_rates() {
        let matrix =
            ConfusionMatrix::new(["a", "b|c", "d"], [0, 0, 1, 2, 2], [0, 1, 1, 2, 0]).unwrap();
        assert_eq!((matrix.accuracy(), matrix.precision(0), matrix.recall(2)), (0.6, 0.5, 0.5));
        assert!((matrix.f1_score(1) - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(matrix.count(2, 0), 1);
        assert_eq!((matrix.count(0, 3), matrix.count(3, 0)), (0, 0));
        let expected = "| actual \\ predicted | a | b\\|c | d |\n|---|---:|---:|---:|\n\
                        | a | 1 | 1 | 0 |\n| b\\|c | 0 | 1 | 0 |\n| d | 1 | 0 | 1 |\n";
        assert_eq!(matrix.to_markdown(), expected);
        let none = ConfusionMatrix::new(["a"], [], []).unwrap();
        assert!(none.accuracy().is_nan() && none.f1_score(0).is_nan());
        assert!(ConfusionMatrix::new(["a"], [0, 0], [0]).is_err());
        assert!(ConfusionMatrix::new(["a"], [1], [0]).is_err());
        assert!(ConfusionMatrix::new([""; 0], [], []).is_err());
        assert!(ConfusionMatrix::new([""; 1001], [], []).is_err());
    }
}
