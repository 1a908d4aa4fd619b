//! A training loop that logs every kind of data that TensorBoard shows.
//!
//! ```console
//! $ cargo run --release --example train -- runs/train
//! $ tensorboard --logdir runs
//! ```
//!
//! A network with two layers learns to separate two spirals. All data is generated here, and is the
//! same on every run.

#![allow(clippy::as_conversions, clippy::indexing_slicing, reason = "arrays of known shapes")]

mod model;

use std::error::Error;
use std::time::Instant;

use image::{Rgb, RgbImage};
use ndarray::{Array2, Axis};
use tbx::{
    BoundingBox, Category, Chart, ChartLayout, Clip, Embedding, ErrorKind, Graph, Hparams, Layout,
    Mesh, Node, NodeStats, RunMetadata, SummaryWriter, Text, Video,
};

use model::{Data, Network, map, spirals};

const HIDDEN: usize = 24;
const RATE: f32 = 2.0;
const EPOCHS: i64 = 300;
/// Number of epochs between logs of larger data.
const EVERY: i64 = 50;
/// Side of the map of the plane, in pixels.
const SIDE: usize = 96;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).unwrap_or("runs/train".into());
    let writer = SummaryWriter::create(&dir)?;
    let (train, valid) = (spirals(400, 0.03, 1), spirals(200, 0.03, 2));
    let mut network = Network::new(HIDDEN, 3);

    describe(&writer)?;
    let mut frames = Vec::new();
    let mut losses = Vec::new();
    for epoch in 0..=EPOCHS {
        // All data of an epoch has the same step.
        let writer = writer.with_step(epoch);
        let gradients = network.gradients(&train);
        let (on_train, on_valid) = (network.score(&train), network.score(&valid));
        writer.add_scalar("loss/train", on_train.loss, None)?;
        writer.add_scalar("loss/valid", on_valid.loss, None)?;
        writer.add_scalar("accuracy/valid", on_valid.accuracy, None)?;
        losses.push(on_train.loss);
        if epoch % EVERY == 0 {
            writer.add_scalars(
                "losses",
                [("train", on_train.loss), ("valid", on_valid.loss)],
                None,
            )?;
            writer.add_histogram("weights/first", &network.w1, None)?;
            writer.add_histogram("weights/second", &network.w2, None)?;
            writer.add_histogram("gradients/first", &gradients.w1, None)?;
            images(&writer, &network, &valid)?;
            frames.push(map(&network, SIDE).mapv(|p| (255.0 * p) as u8));
            let predicted = network.predict(valid.points.view());
            let classes = valid.classes.iter().map(|class| *class == 1.0);
            writer.add_pr_curve("precision and recall", classes, &predicted, None)?;
            writer.add_mesh("probability", &surface(&network)?, None)?;
            writer.add_tensor("tensors/first", &network.w1, None)?;
        }
        network.step(&gradients, RATE);
    }
    last_words(&writer, &network, &valid, &frames, &losses)?;
    writer.close()?;
    let score = network.score(&valid);
    println!("loss {:.3}, accuracy {:.3}; tensorboard --logdir {dir}", score.loss, score.accuracy);
    Ok(())
}

/// Logs the data that is known before the first epoch.
fn describe(writer: &SummaryWriter) -> tbx::Result<()> {
    let hparams = Hparams::new().with("hidden", HIDDEN as i64).with("rate", RATE);
    writer.add_hparams(hparams.with("activation", "tanh").with("shuffle", false), [])?;
    writer.add_text("about", "Two **spirals**, told apart by two layers.", 0)?;
    let table = [["layer", "shape"], ["first", "2 × 24"], ["second", "24"]];
    writer.add_text("layers", Text::table(table)?, 0)?;
    let losses = Chart::multiline("loss", ["loss/.*"]);
    let layout = ChartLayout::new().category(Category::new("learning").chart(losses));
    writer.add_custom_scalars(&layout)?;

    let hidden = HIDDEN as i64;
    let graph = Graph::new()
        .node(Node::new("points", "Placeholder").output_shape([-1, 2]))
        .node(Node::new("first/weights", "Variable").output_shape([2, hidden]))
        .node(
            Node::new("first/product", "MatMul")
                .input("points")
                .input("first/weights")
                .output_shape([-1, hidden]),
        )
        .node(Node::new("first/tanh", "Tanh").input("first/product").output_shape([-1, hidden]))
        .node(Node::new("second/weights", "Variable").output_shape([hidden]))
        .node(
            Node::new("second/product", "MatMul")
                .input("first/tanh")
                .input("second/weights")
                .output_shape([-1]),
        )
        .node(Node::new("second/logistic", "Sigmoid").input("second/product").output_shape([-1]));
    writer.add_graph(&graph)
}

/// Draws the plane in the colors of the classes, with boxes around the misclassified points.
fn images(writer: &SummaryWriter, network: &Network, data: &Data) -> tbx::Result<()> {
    let plane = map(network, SIDE);
    writer.add_image("plane/probability", (plane.view(), Layout::Hw), None)?;
    let colours = RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let p = plane[[y as usize, x as usize]];
        Rgb([(255.0 * p) as u8, 80, (255.0 * (1.0 - p)) as u8])
    });
    let wrong = network.predict(data.points.view()).into_iter().zip(&data.classes);
    let wrong =
        wrong.zip(data.points.rows()).filter(|((p, class), _)| (*p > 0.5) != (**class == 1.0));
    let boxes = wrong.map(|(_, point)| {
        let pixel = |at: f32| (at / 2.6 + 0.5) * (SIDE - 1) as f32;
        let (x, y) = (pixel(point[0]), pixel(-point[1]));
        BoundingBox::new([x - 2.0, y - 2.0, x + 2.0, y + 2.0])
    });
    writer.add_image_with_boxes("plane/wrong", &colours, boxes, None)
}

/// The probability over the plane as a surface in space.
fn surface(network: &Network) -> tbx::Result<Mesh> {
    const SIDE: usize = 24;
    let plane = map(network, SIDE);
    let at = |i: usize| i as f32 / (SIDE - 1) as f32;
    let vertices: Vec<_> = plane.indexed_iter().map(|((y, x), p)| [at(x), at(y), *p]).collect();
    let colours: Vec<_> =
        plane.iter().map(|p| [(255.0 * p) as u8, 80, (255.0 * (1.0 - p)) as u8]).collect();
    let corner = |y: usize, x: usize| (y * SIDE + x) as i32;
    let faces: Vec<_> = (0..SIDE - 1)
        .flat_map(|y| (0..SIDE - 1).map(move |x| (y, x)))
        .flat_map(|(y, x)| {
            let [a, b] = [corner(y, x), corner(y, x + 1)];
            let [c, d] = [corner(y + 1, x), corner(y + 1, x + 1)];
            [[a, b, c], [b, d, c]]
        })
        .collect();
    // With TensorBoard's own angle, parts that are close to the camera are outside of the frame.
    let camera = r#"{"camera": {"cls": "PerspectiveCamera", "fov": 25}}"#;
    Ok(Mesh::new(&vertices)?.with_faces(&faces)?.with_colors(&colours)?.with_config(camera)?)
}

/// Logs the data that is known after the last epoch.
fn last_words(
    writer: &SummaryWriter,
    network: &Network,
    data: &Data,
    frames: &[Array2<u8>],
    losses: &[f32],
) -> tbx::Result<()> {
    let writer = writer.with_step(EPOCHS);
    let frames: Vec<_> = frames.iter().map(|frame| frame.view()).collect();
    let frames =
        ndarray::stack(Axis(0), &frames).map_err(|e| ErrorKind::Argument(e.to_string()))?;
    let video = Video::new((frames.insert_axis(Axis(3)).view(), Layout::Nhwc), 4)?;
    writer.add_video("plane/learning", &video, None)?;

    // The loss as a sound: the larger the loss, the higher the tone.
    let mut phase = 0.0f32;
    let sound: Vec<f32> = losses
        .iter()
        .flat_map(|loss| std::iter::repeat_n(200.0 + 1000.0 * loss, 80))
        .map(|hertz| {
            phase += std::f32::consts::TAU * hertz / 8000.0;
            0.3 * phase.sin()
        })
        .collect();
    writer.add_audio("sound of the loss", &Clip::mono(&sound, 8000)?, None)?;

    let labels = data.classes.iter().map(|class| if *class == 1.0 { "one" } else { "zero" });
    let hidden = network.hidden(data.points.view());
    writer.add_embedding("hidden", &Embedding::new(hidden.rows()).labels(labels), None)?;

    // The time that each part of the graph took.
    let started = Instant::now();
    let micros = || started.elapsed().as_micros() as i64;
    let mut profile = RunMetadata::new();
    let begin = micros();
    let hidden = network.hidden(data.points.view());
    let end = micros().max(begin + 1);
    let shape = [hidden.nrows() as i64, hidden.ncols() as i64];
    let bytes = (hidden.len() * size_of::<f32>()) as u64;
    profile = profile.node(
        NodeStats::new("first/tanh").with_time(begin, end).with_memory(bytes).output_shape(shape),
    );
    let predicted = hidden.dot(&network.w2);
    let bytes = (predicted.len() * size_of::<f32>()) as u64;
    profile = profile.node(
        NodeStats::new("second/product")
            .with_time(end, micros().max(end + 1))
            .with_memory(bytes)
            .output_shape([predicted.len() as i64]),
    );
    writer.add_run_metadata("one pass", &profile, None)
}
