//! Written values are read back, with the same content from the v1 and the v2 form.

use half::{bf16, f16};
use tbx::summary::histogram::exponential;
use tbx::{Attr, Bins, Graph, Histogram, Kind, Moments, Node, Run, SummaryWriter, Text, pb};

use super::{START, fixed, noise, numbers, run, steps};

/// Writes a run in each form and reads it back.
fn both(write: impl Fn(&SummaryWriter)) -> [Run; 2] {
    [false, true].map(|v2| {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        write(&writer);
        writer.close().unwrap();
        run(dir.path())
    })
}

/// The histograms of the series `tag`.
fn histograms(run: &Run, tag: &str) -> Vec<Histogram> {
    let series = run.get(tag).unwrap();
    assert_eq!(series.kind(), Kind::Histogram);
    series.raw().unwrap().iter().map(|value| Histogram::read(value).unwrap()).collect()
}

#[test]
fn scalars_are_read_back_as_float32() {
    let values = [
        0.0,
        -0.0,
        0.1,
        1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e-45,
        1e-300,
        f64::from(f32::MAX),
        1e300,
        -1e300,
        16_777_217.0,
    ];
    let expected = [
        0.0,
        -0.0,
        0.1f32,
        1.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e-45,
        0.0,
        f32::MAX,
        f32::INFINITY,
        f32::NEG_INFINITY,
        16_777_216.0,
    ];
    let runs = both(|writer| {
        for (value, step) in values.into_iter().zip(0..) {
            writer.add_scalar("loss", value, step).unwrap();
        }
    });
    for run in runs {
        let series = run.get("loss").unwrap();
        assert_eq!((series.kind(), series.metadata().plugin.as_str()), (Kind::Scalar, "scalars"));
        let found = series.scalars().unwrap().as_f32().unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            let same = found.to_bits() == expected.to_bits();
            assert!(same || found.is_nan() && expected.is_nan(), "{found} instead of {expected}");
        }
        assert_eq!(series.wall_times(), [START; 13]);
    }
}

#[test]
fn every_number_type_is_a_scalar() {
    let runs = both(|writer| {
        writer.add_scalar("x", 1.5f32, 0).unwrap();
        writer.add_scalar("x", 1.5f64, 1).unwrap();
        writer.add_scalar("x", 7i32, 2).unwrap();
        writer.add_scalar("x", u32::MAX, 3).unwrap();
        writer.add_scalar("x", -8i8, 4).unwrap();
    });
    for run in runs {
        assert_eq!(numbers(&run, "x"), [1.5, 1.5, 7.0, 4_294_967_296.0, -8.0]);
    }
}

#[test]
fn steps_and_wall_times_are_exact() {
    let all = [0, 1, -1, 127, 128, 1 << 40, i64::MIN, i64::MAX];
    let times = [0.0, -0.5, 1.0, 1e-9, START, 1_700_000_000.123_456_7, 1e300, f64::MIN_POSITIVE];
    let runs = both(|writer| {
        for (step, time) in all.into_iter().zip(times) {
            let writer = writer.with_wall_time(time).unwrap();
            writer.add_scalar("scalar", 0.5, step).unwrap();
            writer.add_histogram("histogram", [0.5], step).unwrap();
            writer.add_text("text", "", step).unwrap();
        }
    });
    for run in runs {
        for tag in ["scalar", "histogram", "text"] {
            let series = run.get(tag).unwrap();
            assert_eq!((series.steps(), series.wall_times()), (&all[..], &times[..]), "{tag}");
        }
    }
}

#[test]
fn tags_are_read_back_whatever_is_in_them() {
    let long = "x".repeat(70_000);
    let tags = ["", " ", "a/b", "/a//b/", "..", "\0", "\n", "\u{1b}[31m", "損失 🎉", "%2f", &long];
    let runs = both(|writer| {
        for (tag, step) in tags.into_iter().zip(0..) {
            writer.add_scalar(&format!("scalar{tag}"), 0.5, step).unwrap();
            writer.add_scalar(tag, 0.5, step).unwrap();
            writer.add_text(&format!("text{tag}"), tag, step).unwrap();
        }
    });
    for run in runs {
        assert_eq!(run.series.len(), 3 * tags.len());
        for (tag, step) in tags.into_iter().zip(0..) {
            for tag in [tag.into(), format!("scalar{tag}"), format!("text{tag}")] {
                assert_eq!(steps(&run, &tag), [step], "{tag:?}");
            }
        }
    }
}

/// The same numbers in various types, as slices, vectors and iterators.
#[test]
fn a_histogram_does_not_depend_on_the_type_of_its_numbers() {
    let values = [0.0, 1.0, 1.0, 2.0, 3.0, 100.0];
    let floats = values.map(|value| f16::from_f64(value).to_f32());
    let bytes = [0u8, 1, 1, 2, 3, 100];
    let add = |writer: &SummaryWriter, tag: &str, bins| {
        let halves = floats.map(f16::from_f32);
        let brains = floats.map(bf16::from_f32);
        writer.with_bins(bins).add_histogram(tag, values, 0).unwrap();
        writer.with_bins(bins).add_histogram(tag, values.iter(), 1).unwrap();
        writer.with_bins(bins).add_histogram(tag, values.as_slice(), 2).unwrap();
        writer.with_bins(bins).add_histogram(tag, values.to_vec(), 3).unwrap();
        writer
            .with_bins(bins)
            .add_histogram(tag, values.iter().map(|value| value * 1.0), 4)
            .unwrap();
        writer.with_bins(bins).add_histogram(tag, floats, 5).unwrap();
        writer.with_bins(bins).add_histogram(tag, halves, 6).unwrap();
        writer.with_bins(bins).add_histogram(tag, brains.iter(), 7).unwrap();
        writer.with_bins(bins).add_histogram(tag, bytes, 8).unwrap();
        writer
            .with_bins(bins)
            .add_histogram(tag, bytes.map(i8::try_from).map(Result::unwrap), 9)
            .unwrap();
        writer.with_bins(bins).add_histogram(tag, bytes.map(u16::from), 10).unwrap();
        writer.with_bins(bins).add_histogram(tag, bytes.map(i32::from), 11).unwrap();
        writer.with_bins(bins).add_histogram(tag, bytes.map(i64::from), 12).unwrap();
        writer.with_bins(bins).add_histogram(tag, bytes.map(u128::from), 13).unwrap();
        writer.with_bins(bins).add_histogram(tag, bytes.map(usize::from), 14).unwrap();
    };
    let [v1, v2] = both(|writer| {
        add(writer, "exponential", Bins::Exponential);
        add(writer, "uniform", Bins::Uniform(10));
        writer.with_bins(Bins::Uniform(2)).add_histogram("bool", [true, false, true], 0).unwrap();
    });
    let exponential = Histogram::from_v1(&exponential(values).unwrap()).unwrap();
    let uniform = Histogram::uniform(values, 10);
    assert_eq!(histograms(&v1, "exponential"), vec![exponential.clone(); 15]);
    let bare = Histogram::new(exponential.buckets);
    assert_eq!(histograms(&v2, "exponential"), vec![bare; 15]);
    for run in [v1, v2] {
        assert_eq!(histograms(&run, "uniform"), vec![uniform.clone(); 15]);
        assert_eq!(histograms(&run, "bool"), [Histogram::uniform([1, 0, 1], 2)]);
    }
}

#[test]
fn histograms_of_many_values_have_the_same_buckets_in_both_forms() {
    let value = |i| {
        let bits = u32::try_from(noise(i) >> 40).unwrap(); // 24 bits
        (f64::from(bits) / f64::from(1 << 24) - 0.25)
            * 10f64.powi(i32::try_from(i % 9).unwrap() - 4)
    };
    let values: Vec<f64> = (0..20_000).map(value).collect();
    let infinite = [1.0, f64::INFINITY, -2.0];
    let [v1, v2] = both(|writer| {
        writer.add_histogram("weights", &values, 0).unwrap();
        writer.add_histogram("weights", infinite, 1).unwrap();
        writer.with_bins(Bins::Uniform(3)).add_histogram("none", [0.0f32; 0], 0).unwrap();
    });
    let moments = histograms(&v1, "weights")[0].moments.unwrap();
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
    assert_eq!(moments.num, 20_000.0);
    assert!(close(moments.sum, values.iter().sum()));
    assert!(close(moments.sum_squares, values.iter().map(|value| value * value).sum()));
    assert_eq!(moments.min, values.iter().copied().fold(f64::INFINITY, f64::min));
    assert_eq!(moments.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    for (first, second) in histograms(&v1, "weights").iter().zip(histograms(&v2, "weights")) {
        assert_eq!(first.buckets, second.buckets);
    }
    let buckets = &histograms(&v1, "weights")[0].buckets;
    assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<f64>(), 20_000.0);
    for bucket in buckets {
        let inside = |value: &&f64| {
            let last = bucket.right == moments.max && **value == moments.max;
            (bucket.left..bucket.right).contains(*value) || last
        };
        let count = u32::try_from(values.iter().filter(inside).count()).unwrap();
        assert_eq!(bucket.count, f64::from(count), "{bucket:?}");
    }
    for run in [v1, v2] {
        assert_eq!(histograms(&run, "none"), [Histogram::uniform([0.0; 0], 3)]);
    }
}

/// A raw histogram comes from the caller and has sums, which v2 histograms do not store.
#[test]
fn a_raw_histogram_is_read_back_as_it_was_given() {
    let moments = Moments { min: 0.5, max: 3.0, num: 6.5, sum: 9.0, sum_squares: 21.0 };
    let (limits, counts) = ([0.0, 1.0, 2.0, 4.0], [0.0, 2.0, 3.0, 1.5]);
    let runs = both(|writer| {
        writer.add_histogram_raw("raw", moments, &limits, &counts, 3).unwrap();
        writer.add_histogram_raw("raw", moments, &[], &[], 4).unwrap();
    });
    for (i, run) in runs.into_iter().enumerate() {
        let message = |limits: &[f64], counts: &[f64]| pb::HistogramProto {
            min: 0.5,
            max: 3.0,
            num: 6.5,
            sum: 9.0,
            sum_squares: 21.0,
            bucket_limit: limits.to_vec(),
            bucket: counts.to_vec(),
        };
        let mut expected =
            [message(&limits, &counts), message(&[], &[])].map(|m| Histogram::from_v1(&m).unwrap());
        if i == 1 {
            expected.iter_mut().for_each(|histogram| histogram.moments = None);
        }
        assert_eq!(histograms(&run, "raw"), expected);
        assert_eq!(steps(&run, "raw"), [3, 4]);
    }
}

#[test]
fn texts_are_read_back_as_they_were_given() {
    let long = "# größe 🎉\n".repeat(100_000);
    let texts = ["", "plain", "a\nb\0c", "| a | b |\n|---|---|\n", "\u{feff}<script>", &long];
    let runs = both(|writer| {
        for (text, step) in texts.into_iter().zip(0..) {
            writer.add_text("note", text, step).unwrap();
        }
    });
    for run in runs {
        let series = run.get("note").unwrap();
        assert_eq!((series.kind(), series.metadata().plugin.as_str()), (Kind::Text, "text"));
        let read: Vec<_> = series.raw().unwrap().iter().map(|v| Text::read(v).unwrap()).collect();
        let expected = texts.map(Text::from);
        assert_eq!(read, expected);
    }
}

#[test]
fn a_graph_is_read_back_as_it_was_given() {
    let graph = Graph::new()
        .node(Node::new("input", "Placeholder").output_shape([-1, 784]))
        .node(Node::new("dense/kernel", "Variable").attr("dtype", pb::DataType::DtFloat))
        .node(
            Node::new("dense/MatMul", "MatMul")
                .input("input")
                .input("^dense/kernel")
                .attr("units", 10)
                .attr("rate", 0.1f32)
                .attr("bias", true)
                .attr("note", "größe 🎉")
                .attr("shape", Attr::Shape(vec![-1, 10])),
        );
    let runs = both(|writer| {
        writer.add_graph(&graph).unwrap();
        writer.add_graph(&Graph::new()).unwrap();
    });
    for run in runs {
        let series = run.get("__run_graph__").unwrap();
        assert_eq!((series.kind(), series.wall_times()), (Kind::Graph, &[START; 2][..]));
        let read: Vec<_> = series.raw().unwrap().iter().map(|v| Graph::read(v).unwrap()).collect();
        assert_eq!(read, [graph.clone(), Graph::new()]);
    }
}
