//! Written values are read back unchanged.

use proptest::collection::vec;
use proptest::prelude::*;
use tbx::summary::text::Text;
use tbx::{
    Attr, Bins, Graph, Histogram, Kind, LoadOptions, Moments, Node, Run, SummaryWriter,
    WriterOptions,
};

use crate::common::{cases, load};

/// The run that `write` logs.
fn logged(options: WriterOptions, write: impl FnOnce(&SummaryWriter) -> tbx::Result<()>) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let writer = options.create(dir.path()).unwrap();
    write(&writer).unwrap();
    writer.close().unwrap();
    let mut loaded = load(dir.path(), &LoadOptions::new());
    assert!(loaded.report.issues.is_empty(), "{:?}", loaded.report);
    loaded.runs.remove(0)
}

fn options(v2: bool) -> WriterOptions {
    SummaryWriter::options().v2(v2)
}

fn tag() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..20).prop_map(String::from_iter)
}

/// Names that are valid in a graph.
fn name() -> impl Strategy<Value = String> {
    tag().prop_map(|tag| format!("n{tag}"))
}

fn attr() -> impl Strategy<Value = Attr> {
    prop_oneof![
        any::<i64>().prop_map(Attr::Int),
        any::<f32>().prop_map(Attr::Float),
        any::<bool>().prop_map(Attr::Bool),
        vec(any::<u8>(), 0..20).prop_map(Attr::Text),
        vec(any::<i64>(), 0..4).prop_map(Attr::Shape),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let attrs = proptest::collection::btree_map(name(), attr(), 0..4);
    let shapes = vec(vec(-1i64..1000, 0..4), 0..3);
    (name(), tag(), vec(tag(), 0..3), tag(), attrs, shapes).prop_map(
        |(name, op, inputs, device, attrs, output_shapes)| {
            let mut node = Node::new(name, op);
            (node.inputs, node.device) = (inputs, device);
            (node.attrs, node.output_shapes) = (attrs, output_shapes);
            node
        },
    )
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn scalars_are_read_back(
        tag in tag(),
        points in vec((any::<i64>(), any::<u32>().prop_map(f32::from_bits)), 1..20),
        wall_time in 0.0..4e9,
        v2 in any::<bool>(),
    ) {
        let run = logged(options(v2), |writer| {
            let writer = writer.with_wall_time(wall_time)?;
            points.iter().try_for_each(|(step, value)| writer.add_scalar(&tag, *value, *step))
        });
        let series = run.get(&tag).unwrap();
        prop_assert_eq!(series.kind(), Kind::Scalar);
        prop_assert!(series.steps().iter().eq(points.iter().map(|(step, _)| step)));
        prop_assert!(series.wall_times().iter().all(|time| *time == wall_time));
        let found = series.scalars().unwrap().as_f32().unwrap();
        for (found, (_, value)) in found.iter().zip(&points) {
            prop_assert!(found.to_bits() == value.to_bits() || found.is_nan() && value.is_nan());
        }
    }

    #[test]
    fn histograms_are_read_back(
        values in vec(-1e6..1e6f64, 1..50),
        limits in vec(-1e6..1e6f64, 1..20),
        step in any::<i64>(),
    ) {
        let mut limits = limits;
        limits.sort_by(f64::total_cmp);
        let counts: Vec<_> = (1..=limits.len()).map(|n| n as f64).collect();
        let sum = values.iter().sum();
        let moments = Moments { min: -2e6, max: 2e6, num: 5.0, sum, sum_squares: 7.0 };
        let run = logged(options(false), |writer| {
            writer.add_histogram_raw("raw", moments, &limits, &counts, step)?;
            writer.add_histogram("v1", &values, step)?;
            writer.with_bins(Bins::Uniform(7)).add_histogram("v2", &values, step)
        });
        let read = |tag: &str| Histogram::read(&run.get(tag).unwrap().raw().unwrap()[0]).unwrap();
        let raw = read("raw");
        prop_assert_eq!(raw.moments, Some(moments));
        prop_assert!(raw.buckets.iter().map(|bucket| bucket.count).eq(counts));
        let rights = raw.buckets.iter().map(|bucket| bucket.right);
        prop_assert!(rights.take(limits.len() - 1).eq(limits[..limits.len() - 1].iter().copied()));
        prop_assert_eq!(read("v2"), Histogram::uniform(&values, 7));
        let v1 = read("v1");
        prop_assert_eq!(v1.buckets.iter().map(|bucket| bucket.count).sum::<f64>(), values.len() as f64);
        for tag in ["raw", "v1", "v2"] {
            prop_assert_eq!(run.get(tag).unwrap().steps(), [step]);
            prop_assert_eq!(run.get(tag).unwrap().kind(), Kind::Histogram);
        }
    }

    #[test]
    fn texts_are_read_back(tag in tag(), texts in vec(tag(), 1..5)) {
        let run = logged(options(false), |writer| {
            texts.iter().zip(0..).try_for_each(|(text, step)| writer.add_text(&tag, text, step))
        });
        let series = run.get(&tag).unwrap();
        prop_assert_eq!(series.kind(), Kind::Text);
        for (raw, text) in series.raw().unwrap().iter().zip(&texts) {
            let read = Text::read(raw).unwrap();
            prop_assert_eq!(read, Text::from(text.as_str()));
        }
        prop_assert_eq!(series.len(), texts.len());
    }

    #[test]
    fn graphs_are_read_back(nodes in vec(node(), 0..5)) {
        let mut nodes = nodes;
        nodes.iter_mut().enumerate().for_each(|(i, node)| node.name += &i.to_string());
        let graph = nodes.into_iter().fold(Graph::new(), Graph::node);
        let run = logged(options(false), |writer| writer.add_graph(&graph));
        let series = &run.series[0];
        prop_assert_eq!((series.kind(), series.tag()), (Kind::Graph, "__run_graph__"));
        prop_assert_eq!(Graph::read(&series.raw().unwrap()[0]).unwrap(), graph);
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn pictures_are_read_back(
        width in 1u32..20,
        height in 1u32..20,
        seed in any::<u64>(),
        v2 in any::<bool>(),
    ) {
        use image::{RgbaImage, Rgba};
        let mut rng = crate::common::Rng(seed);
        let photo = RgbaImage::from_fn(width, height, |_, _| Rgba((rng.next() as u32).to_le_bytes()));
        let run = logged(options(v2), |writer| writer.add_image("i", &photo, 3));
        let series = run.get("i").unwrap();
        prop_assert_eq!((series.kind(), series.steps()), (Kind::Image, &[3][..]));
        let images = tbx::summary::image::Images::read(&series.raw().unwrap()[0]).unwrap();
        prop_assert_eq!((images.width, images.height), (width, height));
        prop_assert_eq!(images.decode().unwrap(), [image::DynamicImage::ImageRgba8(photo)]);
    }
}
