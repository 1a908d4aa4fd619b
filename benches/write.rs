//! How fast logs are written, from the first call to the closed file. `cargo bench --bench write`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tbx::{Embedding, Graph, Node, NodeStats, RunMetadata, SummaryWriter, WriterOptions};

fn main() {
    divan::main();
}

/// Measures runs that are created, filled by `count` calls of `add` and closed. `bytes` is what a
/// call is given.
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
            dir // removed when the clock stands
        });
}

/// A number from 0 to 1 that looks random and is the same each time.
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
    // Smooth with some noise, as photographs are.
    let picture = image::RgbImage::from_fn(256, 256, |x, y| {
        let sample = |base: u32| u8::try_from((base + u32::from(noise(x * 256 + y) > 0.5)) / 2);
        image::Rgb([x + y, 2 * x, 2 * y].map(|base| sample(base.min(509)).unwrap()))
    });
    write(bencher, &SummaryWriter::options(), 20, picture.as_raw().len(), |writer, step| {
        writer.add_image("photo", &picture, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn texts_1000_of_1kb(bencher: Bencher<'_, '_>) {
    let text = "a few words of text ".repeat(50);
    write(bencher, &SummaryWriter::options(), 1000, text.len(), |writer, step| {
        writer.add_text("note", &text, step)
    });
}

/// Layers of two nodes, one after the other.
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
    let stats = |node: &Node| NodeStats::new(&node.name).time(1, 100).output_shape([32, 64]);
    let nodes = graph(1000).nodes.iter().map(stats).collect();
    let metadata = RunMetadata { nodes, ..RunMetadata::new() };
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
