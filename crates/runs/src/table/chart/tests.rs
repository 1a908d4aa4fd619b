//! Tests of charts, independently of a renderer.

use super::*;

fn curve(values: impl IntoIterator<Item = f64>) -> Curve {
    let values: Vec<f64> = values.into_iter().collect();
    let steps = (0..).take(values.len()).collect();
    let wall_times = (0..values.len()).map(|i| 1e9 + i as f64).collect();
    Curve { steps, values, wall_times }
}

fn chart(values: &[f64], options: &ChartOptions) -> ScalarChart {
    let curve = curve(values.iter().copied());
    ScalarChart::new("x", [("a".into(), &curve)], options)
}

fn xs(parts: &[Vec<[f64; 2]>], chart: &ScalarChart) -> Vec<Vec<f64>> {
    let x = |place: f64| (chart.x.low + place * (chart.x.high - chart.x.low)).round();
    parts.iter().map(|part| part.iter().map(|[place, _]| x(*place)).collect()).collect()
}

#[test]
fn lines_have_gaps_where_values_are_not_finite() {
    let nan = f64::NAN;
    let chart =
        chart(&[nan, 1.0, 2.0, nan, 3.0, f64::INFINITY, nan, 4.0, 5.0], &Default::default());
    let line = &chart.lines[0];
    assert_eq!(xs(&chart.parts(line, 100), &chart), [vec![1.0, 2.0], vec![4.0], vec![7.0, 8.0]]);
    assert_eq!((line.nan, line.infinite), (3, 1));
    let odd: Vec<_> = chart.marks(line).iter().map(|mark| mark.odd).collect();
    assert_eq!(odd, [Odd::Nan, Odd::Nan, Odd::Above, Odd::Nan]);
}

#[test]
fn a_logarithmic_axis_leaves_out_what_it_has_no_place_for() {
    let options = ChartOptions::new().log(true);
    let chart = chart(&[10.0, 1.0, 0.0, -1.0, 100.0], &options);
    let line = &chart.lines[0];
    assert_eq!(xs(&chart.parts(line, 100), &chart), [vec![0.0, 1.0], vec![4.0]]);
    assert_eq!(line.not_positive, 2);
    assert_eq!(line.left_out(), [("not above 0", 2)]);
    let nothing = super::tests::chart(&[-1.0, 0.0], &options);
    assert!(nothing.parts(&nothing.lines[0], 100).is_empty());
    assert!(!nothing.y.ticks(5).is_empty());
}

#[test]
fn a_part_of_the_lower_axis_keeps_the_lines_that_lead_out_of_it() {
    let range = |from, to| ChartOptions::new().x_range((from, to));
    let values: Vec<f64> = (0..100).map(f64::from).collect();
    let zoomed = chart(&values, &range(Some(10.0), Some(20.0)));
    let parts = xs(&zoomed.parts(&zoomed.lines[0], 100), &zoomed);
    assert_eq!(parts, [(9..=21).map(f64::from).collect::<Vec<_>>()]);
    assert!(zoomed.y.low > 9.0 && zoomed.y.high < 21.0, "{:?}", zoomed.y);
    // Between two points.
    let between = chart(&values, &range(Some(10.2), Some(10.8)));
    assert_eq!(between.parts(&between.lines[0], 100).len(), 1);
    let behind = chart(&values, &range(Some(200.0), None));
    assert!(behind.parts(&behind.lines[0], 100).is_empty());
}

#[test]
fn no_more_points_are_given_than_were_asked_for() {
    let values: Vec<f64> = (0..10_000).map(|i| (f64::from(i) / 100.0).sin()).collect();
    let chart = chart(&values, &Default::default());
    let parts = chart.parts(&chart.lines[0], 300);
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 300);
    assert!(parts.iter().flatten().flatten().all(|place| (0.0..=1.0).contains(place)));
}

#[test]
fn smoothing_keeps_the_values_as_they_were_beside() {
    let options = ChartOptions::new().smoothing(0.5);
    let smoothed = chart(&[1.0, 2.0, 4.0], &options);
    let line = &smoothed.lines[0];
    assert_eq!((line.last, line.last_smoothed), (Some((2, 4.0)), Some(3.0)));
    assert_eq!(smoothed.raw_parts(line, 10).len(), 1);
    let raw = chart(&[1.0, 2.0, 4.0], &Default::default());
    assert!(raw.raw_parts(&raw.lines[0], 10).is_empty());
}

#[test]
fn outliers_are_counted_and_left_out_if_that_was_asked_for() {
    let mut values: Vec<f64> = (0..100).map(f64::from).collect();
    values[7] = 1e9;
    let all = chart(&values, &Default::default());
    assert_eq!((all.far, all.outside), (1, 0));
    assert!(all.y.high > 1e9);
    let options = ChartOptions::new().ignore_outliers(true);
    let most = chart(&values, &options);
    assert_eq!(most.far, 0);
    assert!(most.y.high < 100.0 && most.outside > 1, "{most:?}");
    let sound: Vec<f64> = (0..100).map(f64::from).collect();
    assert_eq!(chart(&sound, &Default::default()).far, 0);
}

#[test]
fn times_are_relative_to_the_first_point_of_each_line() {
    let mut late = curve([1.0, 2.0]);
    late.wall_times = vec![2e9, 2e9 + 10.0];
    let early = curve([1.0, 2.0, 3.0]);
    let options = ChartOptions::new().x(ChartX::Relative);
    let chart = ScalarChart::new("x", [("a".into(), &early), ("b".into(), &late)], &options);
    assert_eq!((chart.x.low, chart.x.high), (0.0, 10.0));
    let options = ChartOptions::new().x(ChartX::Wall);
    late.wall_times[0] = f64::NAN;
    let chart = ScalarChart::new("x", [("b".into(), &late)], &options);
    assert_eq!(chart.lines[0].left_out(), [("without a time", 1)]);
}

#[test]
fn a_chart_of_nothing_has_axes() {
    for chart in [ScalarChart::new("x", [], &Default::default()), chart(&[], &Default::default())] {
        assert!(chart.x.low < chart.x.high && chart.y.low < chart.y.high);
        assert!(!chart.x.ticks(5).is_empty());
    }
}

#[test]
fn the_largest_numbers_have_a_place() {
    let chart = chart(&[f64::MAX, f64::MIN, 0.0], &Default::default());
    let parts = chart.parts(&chart.lines[0], 10);
    assert!(parts.iter().flatten().flatten().all(|place| (0.0..=1.0).contains(place)), "{parts:?}");
}

#[test]
fn many_lines_are_a_band_from_the_smallest_to_the_largest_value() {
    let curves: Vec<Curve> =
        (0..101).map(|i| curve([f64::from(i), 100.0 - f64::from(i)])).collect();
    let named = curves.iter().map(|curve| ("x".to_owned(), curve));
    let mut chart = ScalarChart::new("x", named, &Default::default());
    assert!(!chart.is_crowded());
    chart.lines.iter_mut().skip(3).for_each(|line| line.rank = None);
    assert!(chart.is_crowded());
    let value = |place: f64| (chart.y.low + place * (chart.y.high - chart.y.low)).round();
    let band = chart.band(5);
    let shown: Vec<_> = band[0].iter().map(|p| [p.low, p.median, p.high].map(value)).collect();
    let narrow = [25.0, 50.0, 75.0];
    assert_eq!(shown, [[0.0, 50.0, 100.0], narrow, [50.0; 3], narrow, [0.0, 50.0, 100.0]]);
    assert_eq!(band[0].iter().map(|p| p.place).collect::<Vec<_>>(), [0.0, 0.25, 0.5, 0.75, 1.0]);
}

#[test]
fn a_band_has_gaps_and_keeps_spikes() {
    let nan = f64::NAN;
    let mut values = vec![1.0; 101];
    values[33] = 9.0;
    values[60..=80].fill(nan);
    let (spiked, short) = (curve(values), curve([2.0]));
    let curves = [("a".to_owned(), &spiked), ("b".to_owned(), &short)];
    let chart = ScalarChart::new("x", curves, &Default::default());
    let band = chart.band(11);
    let places: Vec<Vec<f64>> =
        band.iter().map(|part| part.iter().map(|p| (p.place * 100.0).round()).collect()).collect();
    let from = |from: i32, to: i32| (from..=to).map(|i| f64::from(i) * 10.0).collect::<Vec<_>>();
    assert_eq!(places, [from(0, 6), from(8, 10)], "the value at 59 is in the column of 60");
    let peak = band[0].iter().map(|p| p.high).fold(0.0, f64::max);
    assert!(peak > 0.9, "{band:?}");
    assert!(band[0][3].median < 0.1, "the median of one line is that line at this place");
    assert!(band[0][0].low < band[0][0].median && band[0][0].median < band[0][0].high);
    assert!(ScalarChart::new("x", [], &Default::default()).band(10).is_empty());
}
