//! Statistics that match NumPy to the last bit, so that the same figure computed in Python and with
//! tbx is the same. Infinities behave as in NumPy: the mean of 1 and an infinity is that infinity,
//! the mean of both infinities is NaN, and so is every deviation from an infinity.
//!
//! Callers must leave out NaN.

/// Maximum number of numbers that are added in eight running sums.
const BLOCK: usize = 128;

/// `numpy.sum` of the numbers at the indices from 0 to `n`.
///
/// Source: `pairwise_sum` in `numpy/_core/src/umath/loops_utils.h.src`.
pub(super) fn sum(n: usize, at: &impl Fn(usize) -> f64) -> f64 {
    0.0 + pairwise(0, n, at)
}

fn pairwise(start: usize, n: usize, at: &impl Fn(usize) -> f64) -> f64 {
    if n < 8 {
        return (start..start + n).fold(-0.0, |sum, i| sum + at(i));
    }
    if n > BLOCK {
        let half = n / 2 - n / 2 % 8;
        return pairwise(start, half, at) + pairwise(start + half, n - half, at);
    }
    let mut sums: [f64; 8] = std::array::from_fn(|i| at(start + i));
    let whole = n - n % 8;
    for eight in (start + 8..start + whole).step_by(8) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += at(eight + i);
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    (start + whole..start + n).fold(sum, |sum, i| sum + at(i))
}

/// `numpy.mean`; NaN if there are no numbers.
pub(super) fn mean(n: usize, at: &impl Fn(usize) -> f64) -> f64 {
    sum(n, at) / float(n)
}

#[expect(clippy::as_conversions, reason = "exact: nobody has 2^53 numbers")]
pub(super) fn float(n: usize) -> f64 {
    n as f64
}

pub(super) use of_slices::{interp, mean_of, median, quantile, std};

mod of_slices {
    use super::{float, mean, sum};

    /// `numpy.mean`; NaN if there are no numbers.
    pub(in crate::table) fn mean_of(numbers: &[f64]) -> f64 {
        mean(numbers.len(), &|i| at(numbers, i))
    }

    /// `numpy.std`; NaN if there are no more numbers than degrees of freedom.
    pub(in crate::table) fn std(numbers: &[f64], ddof: u8) -> f64 {
        let freedom = float(numbers.len()) - f64::from(ddof);
        if freedom <= 0.0 {
            return f64::NAN;
        }
        let mean = mean_of(numbers);
        let square = |i: usize| {
            let distance = at(numbers, i) - mean;
            distance * distance
        };
        (sum(numbers.len(), &square) / freedom).sqrt()
    }

    /// `numpy.median` of sorted numbers; NaN if there are none.
    pub(in crate::table) fn median(sorted: &[f64]) -> f64 {
        let half = sorted.len() / 2;
        match sorted.len() % 2 {
            1 => at(sorted, half),
            _ if sorted.is_empty() => f64::NAN,
            _ => (at(sorted, half - 1) + at(sorted, half)) / 2.0,
        }
    }

    /// `numpy.quantile` of sorted numbers with its default method, `linear`, for a share from 0 to
    /// 1; NaN if there are no numbers. Next to an infinity the result is NaN, even where the share
    /// hits a number exactly. As for whole numbers in NumPy, 0 and 1 give the smallest and the
    /// largest number.
    ///
    /// Source: `_quantile` and `_lerp` in `numpy/lib/_function_base_impl.py`.
    #[expect(clippy::as_conversions, reason = "a place among fewer than 2^53 numbers")]
    pub(in crate::table) fn quantile(sorted: &[f64], share: f64) -> f64 {
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        if share == 0.0 || share == 1.0 {
            return at(sorted, if share == 0.0 { 0 } else { last });
        }
        let place = share * float(last);
        let below = (place.floor() as usize).min(last);
        let (low, high) = (at(sorted, below), at(sorted, (below + 1).min(last)));
        let (rest, difference) = (place - float(below), high - low);
        match rest >= 0.5 {
            true => high - difference * (1.0 - rest),
            false => low + difference * rest,
        }
    }

    /// `numpy.interp` between two points: the first has the value `from.0`, the second, at distance
    /// `length`, has the value `to`. Interpolates at distance `from.1` from the first point.
    ///
    /// Source: `arr_interp` in `numpy/_core/src/multiarray/compiled_base.c`.
    pub(in crate::table) fn interp(from: f64, to: f64, length: f64, distance: f64) -> f64 {
        let slope = (to - from) / length;
        let forward = slope * distance + from;
        if !forward.is_nan() {
            return forward;
        }
        let backward = slope * (distance - length) + to;
        if backward.is_nan() && from == to { from } else { backward }
    }

    fn at(numbers: &[f64], i: usize) -> f64 {
        numbers.get(i).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    fn same(a: f64, b: f64) -> bool {
        a == b || a.is_nan() && b.is_nan()
    }

    /// Expected values come from NumPy 2.4: `nanmean`, `nanstd` with `ddof` 0 and 1, `nanmedian`,
    /// and `nanquantile` for 0.25, 0.5 and 0.75.
    #[test]
    fn infinities_do_as_in_numpy() {
        let cases: &[(&[f64], [f64; 4], [f64; 3])] = &[
            (&[], [NAN, NAN, NAN, NAN], [NAN, NAN, NAN]),
            (&[1.0], [1.0, 0.0, NAN, 1.0], [1.0, 1.0, 1.0]),
            (&[INF], [INF, NAN, NAN, INF], [NAN, NAN, NAN]),
            (&[-INF], [-INF, NAN, NAN, -INF], [NAN, NAN, NAN]),
            (&[1.0, INF], [INF, NAN, NAN, INF], [INF, NAN, NAN]),
            (&[INF, 1.0], [INF, NAN, NAN, INF], [INF, NAN, NAN]),
            (&[INF, INF], [INF, NAN, NAN, INF], [NAN, NAN, NAN]),
            (&[INF, -INF], [NAN, NAN, NAN, NAN], [NAN, NAN, NAN]),
            (&[1.0, 2.0, INF], [INF, NAN, NAN, 2.0], [1.5, NAN, NAN]),
            (&[-INF, 0.0, INF], [NAN, NAN, NAN, 0.0], [-INF, NAN, NAN]),
            (&[1.0, 2.0, 3.0, INF], [INF, NAN, NAN, 2.5], [1.75, 2.5, INF]),
            (&[-INF, 1.0, 2.0, 3.0], [-INF, NAN, NAN, 1.5], [-INF, 1.5, 2.25]),
            (&[-INF, -INF, 1.0], [-INF, NAN, NAN, -INF], [NAN, NAN, -INF]),
            (&[1e308, 1e308], [INF, INF, INF, INF], [1e308, 1e308, 1e308]),
            (
                &[0.1, 0.2, 0.3],
                [0.20000000000000004, 0.0816496580927726, 0.09999999999999999, 0.2],
                [0.15000000000000002, 0.2, 0.25],
            ),
            (
                &[1.0, 2.0, 4.0, 8.0],
                [3.75, 2.680951323690902, 3.095695936834452, 3.0],
                [1.75, 3.0, 5.0],
            ),
        ];
        for (numbers, [mean, population, sample, middle], quantiles) in cases {
            let mut sorted = numbers.to_vec();
            sorted.sort_by(f64::total_cmp);
            assert!(same(mean_of(numbers), *mean), "mean of {numbers:?}");
            assert!(same(std(numbers, 0), *population), "deviation of {numbers:?}");
            assert!(same(std(numbers, 1), *sample), "deviation of {numbers:?}");
            assert!(same(median(&sorted), *middle), "median of {numbers:?}");
            for (share, expected) in [0.25, 0.5, 0.75].iter().zip(quantiles) {
                assert!(same(quantile(&sorted, *share), *expected), "{share} of {numbers:?}");
            }
            let ends = [quantile(&sorted, 0.0), quantile(&sorted, 1.0)];
            let expected = [sorted.first(), sorted.last()].map(|n| n.copied().unwrap_or(NAN));
            assert!(same(ends[0], expected[0]) && same(ends[1], expected[1]), "{numbers:?}");
        }
    }

    /// Expected values come from NumPy 2.4, for the first numbers of a generator: `mean`,
    /// `std(ddof=1)`, and `quantile(0.3)`. Sums of different lengths are computed in different
    /// ways.
    #[test]
    fn sums_are_numpys_to_the_last_bit() {
        let mut state = 12345u64;
        let numbers: Vec<f64> = (0..5000)
            .map(|_| {
                state = (state * 1_103_515_245 + 12345) % (1 << 31);
                state as f64 / 2_147_483_648.0 - 0.3
            })
            .collect();
        for (n, mean, deviation, share) in [
            (1, 0.35515404846519233, NAN, 0.35515404846519233),
            (7, 0.17863006771409085, 0.20619481316027288, 0.15269593698903916),
            (8, 0.16504565398208798, 0.19472758937477022, 0.08192591611295941),
            (9, 0.14189247664892013, 0.19494513687531564, 0.030870497133582836),
            (15, 0.17203445183113217, 0.22312954663610185, 0.017842410225421212),
            (16, 0.20427050399594007, 0.2511857557465902, 0.03738454058766366),
            (100, 0.1885806871112436, 0.2860098199995618, 0.0049038480501622074),
            (128, 0.17676337393932046, 0.28185585620754744, -0.013656058674678185),
            (129, 0.17918135134950858, 0.28209269877701315, -0.011380472965538502),
            (257, 0.2097534308601388, 0.2928708426540482, 0.0034138290211558255),
            (1000, 0.1969107497762889, 0.2872826017538627, -0.005735288700088863),
            (5000, 0.20201879083625973, 0.2880648420458378, 0.005859032412990953),
        ] {
            let mut numbers = numbers[..n].to_vec();
            assert!(same(mean_of(&numbers), mean), "mean of {n}");
            assert!(same(std(&numbers, 1), deviation), "deviation of {n}");
            numbers.sort_by(f64::total_cmp);
            assert!(same(quantile(&numbers, 0.3), share), "quantile of {n}");
        }
        assert_eq!(sum(1, &|_| -0.0).to_bits(), 0.0f64.to_bits());
    }

    /// Expected values come from `numpy.interp`.
    #[test]
    fn lines_between_points_are_numpys() {
        for (from, to, length, distance, expected) in [
            (0.0, 1.0, 10.0, 3.0, 0.30000000000000004),
            (0.1, 0.7, 3.0, 1.0, 0.3),
            (0.1, 0.7, 3.0, 2.0, 0.5),
            (INF, 1.0, 10.0, 5.0, INF),
            (1.0, INF, 10.0, 5.0, INF),
            (INF, INF, 10.0, 5.0, INF),
            (INF, -INF, 10.0, 5.0, NAN),
            (NAN, 1.0, 10.0, 5.0, NAN),
            (1.0, NAN, 10.0, 5.0, NAN),
        ] {
            let found = interp(from, to, length, distance);
            assert!(same(found, expected), "{from} to {to}: {found}");
        }
    }
}
