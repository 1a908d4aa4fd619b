//! Downsampling that keeps the shape of a line.

/// The indices of about `n` points that keep the visual shape of the line through `points`,
/// ascending; of all points if there are no more. The first and the last point are always included.
///
/// The algorithm is Largest-Triangle-Three-Buckets: it divides the points between the first and the
/// last into buckets of about equal size. From each bucket it chooses the point that forms the
/// largest triangle with the previously chosen point and the mean of the next bucket. Source: S.
/// Steinarsson, "Downsampling Time Series for Visual Representation", 2013, section 4.2.
///
/// Scale the points as they will be drawn. A point that is not finite forms no triangle and is left
/// out, unless it is first or last. Sample a line with gaps part by part.
///
/// ```
/// let points: Vec<[f64; 2]> = (0..1000).map(|i| [f64::from(i), f64::from(i % 100)]).collect();
/// let kept = tbx_runs::table::lttb(&points, 50);
/// assert_eq!(kept.len(), 50);
/// assert_eq!((kept[0], kept[49]), (0, 999));
/// ```
pub fn lttb(points: &[[f64; 2]], n: usize) -> Vec<usize> {
    let Some(last) = points.len().checked_sub(1) else { return Vec::new() };
    let n = n.max(2);
    if points.len() <= n {
        return (0..points.len()).collect();
    }
    let buckets = n - 2;
    // Start of bucket i, among the points between the first and the last.
    let start = |i: usize| 1 + share(i, last - 1, buckets);
    let mut kept = Vec::with_capacity(n);
    kept.push(0);
    let mut before = points.first().copied().unwrap_or_default();
    for i in 0..buckets {
        let (from, to) = (start(i), start(i + 1));
        let next = if i + 1 < buckets { to..start(i + 2) } else { last..points.len() };
        let target = mean(points.get(next).unwrap_or(&[]));
        let bucket = points.get(from..to).unwrap_or(&[]);
        let areas = bucket.iter().map(|point| area(before, *point, target));
        let largest = areas.enumerate().filter(|(_, area)| !area.is_nan());
        let largest = largest.max_by(|(i, a), (j, b)| a.total_cmp(b).then(j.cmp(i)));
        let Some((offset, _)) = largest else { continue };
        before = bucket.get(offset).copied().unwrap_or(before);
        kept.push(from + offset);
    }
    kept.push(last);
    kept
}

/// `i` of `parts` equal parts of `all`, rounded down.
pub(super) fn share(i: usize, all: usize, parts: usize) -> usize {
    let product = u128::try_from(i).unwrap_or(0) * u128::try_from(all).unwrap_or(0);
    let share = product / u128::try_from(parts).unwrap_or(1).max(1);
    usize::try_from(share).unwrap_or(all)
}

/// The mean of the finite points; NaN if there are none.
fn mean(points: &[[f64; 2]]) -> [f64; 2] {
    let (mut sum, mut count) = ([0.0, 0.0], 0.0);
    for [x, y] in points.iter().filter(|[x, y]| x.is_finite() && y.is_finite()) {
        sum = [sum[0] + x, sum[1] + y];
        count += 1.0;
    }
    [sum[0] / count, sum[1] / count]
}

/// Twice the area of a triangle; NaN if one of its first two corners is not finite.
fn area(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> f64 {
    let finite = [a, b].iter().flatten().all(|side| side.is_finite());
    if !finite {
        return f64::NAN;
    }
    // If nothing finite follows, the distance from the previous point decides.
    let c = if c[0].is_finite() && c[1].is_finite() { c } else { [a[0] + 1.0, a[1]] };
    ((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_points_are_kept_as_were_asked_for_in_order() {
        let points: Vec<[f64; 2]> =
            (0..1000).map(|i| [f64::from(i), (f64::from(i) / 50.0).sin()]).collect();
        for n in [2, 3, 4, 7, 100, 999, 1000, 5000] {
            let kept = lttb(&points, n);
            assert_eq!(kept.len(), n.min(1000), "{n}");
            assert!(kept.is_sorted_by(|a, b| a < b), "{n}");
            assert_eq!((kept.first(), kept.last()), (Some(&0), Some(&999)), "{n}");
        }
        assert_eq!(lttb(&points, 0), [0, 999]);
        assert_eq!(lttb(&[], 5), [0usize; 0]);
        assert_eq!(lttb(&[[1.0, 2.0]], 0), [0]);
    }

    #[test]
    fn a_single_spike_is_kept() {
        for at in [1, 500, 998] {
            let mut points: Vec<[f64; 2]> = (0..1000).map(|i| [f64::from(i), 0.0]).collect();
            points[at][1] = 5.0;
            assert!(lttb(&points, 20).contains(&at), "{at}");
        }
    }

    #[test]
    fn what_is_not_finite_is_left_out_but_for_the_ends() {
        let mut points: Vec<[f64; 2]> = (0..100).map(|i| [f64::from(i), 1.0]).collect();
        for at in [0, 10, 11, 12, 50, 99] {
            points[at][1] = f64::NAN;
        }
        points[60][1] = f64::INFINITY;
        let kept = lttb(&points, 30);
        assert!(![10, 11, 12, 50, 60].iter().any(|at| kept.contains(at)), "{kept:?}");
        assert_eq!((kept[0], kept.last()), (0, Some(&99)));
        let nothing = vec![[f64::NAN; 2]; 50];
        assert_eq!(lttb(&nothing, 10), [0, 49]);
    }
}
