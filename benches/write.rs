//! Speed of writing logs, from the first call to the closed file: `cargo bench --bench write`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

#[cfg(feature = "serde")]
use std::collections::BTreeMap;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tbx::WriterOptions;
#[cfg(feature = "image")]
use tbx::{BoundingBox, Video};
use tbx::{Category, Chart, ChartLayout, Clip, Hparams, Mesh, SummaryWriter, Tensor, Text};
use tbx::{Embedding, Graph, Node, NodeStats, RunMetadata};

fn main() {
    divan::main();
}

/// Measures creating a run, `count` calls of `add`, and closing it. `bytes` is the size of the
/// input of one call.
fn write(
    bencher: Bencher<'_, '_>,
    options: &WriterOptions,
    count: u32,
    bytes: usize,
    add: impl Fn(&SummaryWriter, i64) -> tbx::Result<()> + Sync,
) {
    let calls = usize::try_from(count).unwrap();
    bencher
        .counter(BytesCount::new(calls * bytes))
        .counter(ItemsCount::new(calls))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_values(|dir| {
            let writer = options.clone().create(dir.path()).unwrap();
            (0..i64::from(count)).try_for_each(|step| add(&writer, step)).unwrap();
            writer.close().unwrap();
            dir // returned, so that it is removed after the measurement
        });
}

/// A pseudo-random number from 0 to 1, the same for the same seed.
fn noise(seed: u32) -> f32 {
    let mut bits = seed.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995;
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    f32::from_bits(0x3f80_0000 | bits >> 9) - 1.0
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn scalars_100k(bencher: Bencher<'_, '_>) {
    let options = SummaryWriter::options();
    write(bencher, &options, 100_000, size_of::<f32>(), |writer, step| {
        writer.add_scalar("loss/train", 0.5, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn scalars_v2_100k(bencher: Bencher<'_, '_>) {
    let options = SummaryWriter::options().v2(true);
    write(bencher, &options, 100_000, size_of::<f32>(), |writer, step| {
        writer.add_scalar("loss/train", 0.5, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn histograms_100_of_10k_f32(bencher: Bencher<'_, '_>) {
    let values: Vec<f32> = (0..10_000).map(|i| noise(i) - 0.5).collect();
    write(bencher, &SummaryWriter::options(), 100, size_of_val(&values[..]), |writer, step| {
        writer.add_histogram("weights", &values, step)
    });
}

#[cfg(feature = "image")]
#[divan::bench(sample_count = 30, sample_size = 1)]
fn images_20_of_256x256x3(bencher: Bencher<'_, '_>) {
    // Smooth with some noise, like a photograph.
    let photo = image::RgbImage::from_fn(256, 256, |x, y| {
        let sample = |base: u32| u8::try_from((base + u32::from(noise(x * 256 + y) > 0.5)) / 2);
        image::Rgb([x + y, 2 * x, 2 * y].map(|base| sample(base.min(509)).unwrap()))
    });
    write(bencher, &SummaryWriter::options(), 20, photo.as_raw().len(), |writer, step| {
        writer.add_image("photo", &photo, step)
    });
}

#[cfg(feature = "image")]
#[divan::bench(sample_count = 30, sample_size = 1)]
fn pictures_20_of_256x256x3_with_10_boxes(bencher: Bencher<'_, '_>) {
    let photo = image::RgbImage::new(256, 256);
    let found = |i: u8| {
        let [x, y] = [20.0 * f32::from(i), 10.0 * f32::from(i) + 20.0];
        BoundingBox::new([x, y, x + 60.0, y + 60.0]).label("person 0.98")
    };
    let boxes: Vec<_> = (0..10).map(found).collect();
    write(bencher, &SummaryWriter::options(), 20, photo.as_raw().len(), |writer, step| {
        writer.add_image_with_boxes("found", &photo, &boxes, step)
    });
}

#[cfg(feature = "plotters")]
#[divan::bench(sample_count = 20, sample_size = 1)]
fn figures_10_of_640x480(bencher: Bencher<'_, '_>) {
    use plotters::prelude::{ChartBuilder, LineSeries, RED};

    let draw = |root: &tbx::FigureArea| {
        let mut chart = ChartBuilder::on(root)
            .caption("loss", ("sans-serif", 30))
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d(0..640u32, 0f32..1f32)?;
        chart.configure_mesh().draw()?;
        chart.draw_series(LineSeries::new((0..640).map(|x| (x, noise(x))), &RED))?;
        Ok(())
    };
    write(bencher, &SummaryWriter::options(), 10, 640 * 480 * 3, |writer, step| {
        writer.add_figure("loss", (640, 480), draw, step)
    });
}

/// Measures RGB videos of 16 frames of 64x64 pixels.
#[cfg(feature = "image")]
fn videos(bencher: Bencher<'_, '_>, pixel: impl Fn(u32, u32, u32) -> [u8; 3]) {
    let frame = |t| image::RgbImage::from_fn(64, 64, |x, y| image::Rgb(pixel(t, x, y)));
    let frames: Vec<_> = (0..16).map(frame).collect();
    let bytes = frames.iter().map(|frame| frame.as_raw().len()).sum();
    write(bencher, &SummaryWriter::options(), 5, bytes, |writer, step| {
        writer.add_video("rollout", &Video::new(&frames[..], 10)?, step)
    });
}

#[cfg(feature = "image")]
#[divan::bench(sample_count = 20, sample_size = 1)]
fn videos_5_of_16x64x64x3_of_few_colours(bencher: Bencher<'_, '_>) {
    videos(bencher, |t, x, y| [x / 8 * 32, y / 8 * 32, t * 16].map(|s| s.try_into().unwrap()));
}

#[cfg(feature = "image")]
#[divan::bench(sample_count = 20, sample_size = 1)]
fn videos_5_of_16x64x64x3_of_many_colours(bencher: Bencher<'_, '_>) {
    videos(bencher, |t, x, y| [x * 4, y * 4, t * 16].map(|s| s.try_into().unwrap()));
}

#[divan::bench(sample_count = 30, sample_size = 1)]
fn clips_100_of_1s_at_44khz(bencher: Bencher<'_, '_>) {
    let samples: Vec<f32> = (0..44_100).map(|i| 2.0 * noise(i) - 1.0).collect();
    write(bencher, &SummaryWriter::options(), 100, size_of_val(&samples[..]), |writer, step| {
        writer.add_audio("noise", &Clip::mono(&samples, 44_100)?, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn texts_1000_of_1kb(bencher: Bencher<'_, '_>) {
    let text = "a few words of text ".repeat(50);
    write(bencher, &SummaryWriter::options(), 1000, text.len(), |writer, step| {
        writer.add_text("note", &text, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn text_tables_1000_of_4x25(bencher: Bencher<'_, '_>) {
    let table = Text::table([["cell of text"; 4]; 25]).unwrap();
    write(bencher, &SummaryWriter::options(), 1000, 25 * 4 * 12, |writer, step| {
        writer.add_text("table", &table, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn pr_curves_100_of_10k_f32(bencher: Bencher<'_, '_>) {
    let predictions: Vec<f32> = (0..10_000).map(noise).collect();
    let labels: Vec<bool> = (0..10_000).map(|i| noise(i + 1) > 0.5).collect();
    let bytes = size_of_val(&predictions[..]) + labels.len();
    write(bencher, &SummaryWriter::options(), 100, bytes, |writer, step| {
        writer.add_pr_curve("pr", &labels, &predictions, step)
    });
}

/// The mesh is also built in each call, as it must be if the vertices move.
#[divan::bench(sample_count = 30, sample_size = 1)]
fn meshes_50_of_10k_vertices_20k_faces(bencher: Bencher<'_, '_>) {
    let vertices: Vec<[f32; 3]> = (0..10_000).map(|i| [noise(i), noise(i + 1), 0.5]).collect();
    let faces: Vec<[i32; 3]> = (0..20_000).map(|i| [i % 10_000, i / 2, 9_999]).collect();
    let bytes = size_of_val(&vertices[..]) + size_of_val(&faces[..]);
    write(bencher, &SummaryWriter::options(), 50, bytes, |writer, step| {
        writer.add_mesh("mesh", &Mesh::new(&vertices)?.with_faces(&faces)?, step)
    });
}

#[divan::bench(sample_count = 30, sample_size = 1)]
fn tensors_50_of_1m_f32(bencher: Bencher<'_, '_>) {
    let values: Vec<f32> = (0..1 << 20).map(noise).collect();
    write(bencher, &SummaryWriter::options(), 50, size_of_val(&values[..]), |writer, step| {
        writer.add_tensor("tensor", Tensor::new([1 << 10, 1 << 10], &values)?, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn layouts_1000_of_20_charts(bencher: Bencher<'_, '_>) {
    let mut category = Category::new("losses");
    for chart in 0..20 {
        category =
            category.chart(Chart::multiline(format!("chart {chart}"), ["train/loss", "test/loss"]));
    }
    let layout = ChartLayout::new().category(category);
    write(bencher, &SummaryWriter::options(), 1000, 20 * 29, |writer, _| {
        writer.add_custom_scalars(&layout)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn hparams_20_of_a_run(bencher: Bencher<'_, '_>) {
    let hparams: Hparams = (0..20).map(|i| (format!("group/name {i}"), i)).collect();
    write(bencher, &SummaryWriter::options(), 1, 0, |writer, _| {
        writer.add_hparams(hparams.clone(), [("accuracy", 0.5)])
    });
}

#[cfg(feature = "serde")]
#[divan::bench(sample_count = 50, sample_size = 1)]
fn structs_10k_of_10_f32(bencher: Bencher<'_, '_>) {
    let metrics: BTreeMap<_, _> = (0..10).map(|i| (format!("metric {i}"), noise(i))).collect();
    write(bencher, &SummaryWriter::options(), 10_000, 10 * size_of::<f32>(), |writer, step| {
        writer.add_metrics("train", &metrics, step)
    });
}

#[cfg(feature = "tracing")]
#[divan::bench(sample_count = 50, sample_size = 1)]
fn tracing_10k_spans_with_an_event(bencher: Bencher<'_, '_>) {
    use tracing_subscriber::prelude::*;

    bencher
        .counter(ItemsCount::new(10_000u32))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_values(|dir| {
            let writer = SummaryWriter::create(dir.path()).unwrap();
            let layer = tbx::TracingLayer::new(writer.clone());
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                for step in 0..10_000 {
                    let _span = tracing::info_span!("epoch", step).entered();
                    tracing::info!(loss = 0.5, "done");
                }
            });
            writer.close().unwrap();
            dir
        });
}

#[cfg(feature = "log")]
#[divan::bench(sample_count = 50, sample_size = 1)]
fn log_10k_with_a_number(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(10_000u32))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_values(|dir| {
            let writer = SummaryWriter::create(dir.path()).unwrap();
            let logger = tbx::Logger::new(writer.clone());
            log::set_max_level(log::LevelFilter::Info);
            for step in 0..10_000 {
                log::info!(logger: logger, step, loss = 0.5; "done");
            }
            writer.close().unwrap();
            dir
        });
}
/// A chain of layers with two nodes each.
fn graph(nodes: usize) -> Graph {
    let mut graph = Graph::new().node(Node::new("x", "Placeholder").output_shape([-1, 64]));
    while graph.nodes.len() < nodes {
        let from = graph.nodes.last().unwrap().name.clone();
        let name = |part: &str| format!("block/layer_{}/{part}", graph.nodes.len() / 2);
        let matmul = Node::new(name("MatMul"), "MatMul").input(from).attr("transpose", true);
        let relu = Node::new(name("Relu"), "Relu").input(name("MatMul"));
        graph.nodes.push(matmul.output_shape([-1, 64]));
        graph.nodes.push(relu.output_shape([-1, 64]));
    }
    graph
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn graphs_10_of_1000_nodes(bencher: Bencher<'_, '_>) {
    let graph = graph(1000);
    let bytes = graph.to_bytes().unwrap().len();
    write(bencher, &SummaryWriter::options(), 10, bytes, |writer, _| writer.add_graph(&graph));
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn onnx_graphs_100_of_28_nodes(bencher: Bencher<'_, '_>) {
    let path = "fixtures/onnx/control_flow.onnx";
    write(bencher, &SummaryWriter::options(), 100, 963, |writer, _| writer.add_onnx_graph(path));
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn run_metadata_100_of_1000_nodes(bencher: Bencher<'_, '_>) {
    let stats = |node: &Node| NodeStats::new(&node.name).with_time(1, 100).output_shape([32, 64]);
    let metadata = graph(1000).nodes.iter().map(stats).fold(RunMetadata::new(), RunMetadata::node);
    let bytes = metadata.to_bytes().unwrap().len();
    write(bencher, &SummaryWriter::options(), 100, bytes, |writer, step| {
        writer.add_run_metadata("step", &metadata, step)
    });
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn embeddings_1_of_10k_x_128_f32(bencher: Bencher<'_, '_>) {
    let number = |row: u32, column: u32| noise(128 * row + column) - 0.5;
    let rows: Vec<Vec<f32>> =
        (0..10_000).map(|row| (0..128).map(|column| number(row, column)).collect()).collect();
    let labels: Vec<_> = (0..10_000).map(|i| format!("word {i}")).collect();
    write(bencher, &SummaryWriter::options(), 1, 4 * 128 * 10_000, |writer, step| {
        writer.add_embedding("words", &Embedding::new(&rows).labels(&labels), step)
    });
}
