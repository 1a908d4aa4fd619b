//! Every way to add a value, and to read it back.

use tbx::summary::hparams::SESSION_START_TAG;
use tbx::{
    Audio, ChartLayout, Clip, Embedding, Experiment, Form, Graph, Histogram, HparamsRecord, Images,
    Kind, Mesh, MeshComponent, Moments, Node, PrCurve, PrCurveOptions, Result, Run, RunMetadata,
    SummaryWriter, Tensor, Text,
};

use crate::common::repository;

/// Adds a valid value with every method.
pub(super) fn add_everything(writer: &SummaryWriter) -> Vec<Result<()>> {
    let mut added = add_each(writer, 0);
    added.push(writer.add_hparams([("lr", 0.1.into())], [("metric", 0.5)]));
    added.push(writer.add_hparams_config(&Experiment::new()));
    added
}

/// Adds a valid value with every method that a run can use repeatedly.
pub(super) fn add_each(writer: &SummaryWriter, step: i64) -> Vec<Result<()>> {
    let graph = Graph::new().node(Node::new("x", "Placeholder"));
    let limits = [1.0, 2.0];
    let mesh = Mesh::new(&[[0.0; 3]]).unwrap();
    let curve = PrCurve::new([1], [0.5], &PrCurveOptions::new()).unwrap();
    let clip = Clip::mono(&[0.5, -0.5], 8000).unwrap();
    vec![
        writer.add_scalar("loss", 0.5, step),
        writer.add_scalars("parts", [("a", 0.5)], step),
        writer.add_scalars("others", [("new", 0.5)], step),
        writer.add_histogram("weights", [1.0, 2.0], step),
        writer.add_histogram_raw("raw", moments(), &limits, &limits, step),
        writer.add_text("note", "text", step),
        writer.add_text("list", Text::list(["text"]), step),
        writer.add_graph(&graph),
        writer.add_pr_curve("pr", [true], [0.5], step),
        writer.add_pr_curve_raw("pr", &curve, step),
        writer.add_mesh("mesh", &mesh, step),
        writer.add_custom_scalars(&ChartLayout::new()),
        writer.add_custom_scalars_multilinechart(["loss"], "category", "title"),
        writer.add_custom_scalars_marginchart(["a", "b", "c"], "category", "title"),
        writer.add_tensor("tensor", [0.5f32], step),
        writer.add_audio("tone", &clip, step),
        writer.add_audios("tones", &[clip.clone(), clip.clone()], step),
        writer.add_metrics("struct", &[0.5, 0.25], step),
        writer.add_onnx_graph(repository("fixtures/onnx/odd.onnx")),
        writer.add_embedding("points", &Embedding::new([[0.0f32; 3]; 2]), 0),
        writer.add_run_metadata("step", &RunMetadata::new(), step),
        writer.add_run_metadata("traced", &RunMetadata::new().graph(graph), step),
        writer.add_keras_graph("keras", KERAS, step),
        writer.add_image("photo", &image::RgbImage::new(2, 2), step),
        writer.add_image_with_boxes("boxes", &image::RgbImage::new(2, 2), [[0.0; 4]], step),
        writer.add_figure("figure", (2, 2), |_| Ok(()), step),
        writer.add_video(
            "video",
            &tbx::Video::new(&[image::RgbImage::new(2, 2)][..], 4).unwrap(),
            step,
        ),
    ]
}

const KERAS: &str = r#"{"config": {"name": "m", "layers": [{"config": {"name": "x"}}]}}"#;

pub(super) fn moments() -> Moments {
    Moments { min: 0.0, max: 2.0, num: 3.0, sum: 3.0, sum_squares: 5.0 }
}

/// Reads every value of the run as its own kind.
pub(super) fn read_everything(run: &Run) {
    for series in &run.series {
        let metadata = series.metadata();
        for value in series.raw().unwrap_or(&[]) {
            match series.kind() {
                Kind::Scalar => unreachable!("numbers are in columns"),
                Kind::Histogram => assert!(!Histogram::read(value).unwrap().buckets.is_empty()),
                Kind::Image => assert!(!Images::read(value).unwrap().encoded[0].is_empty()),
                Kind::Audio => assert_eq!(
                    Audio::read(value).unwrap().decode().unwrap()[0].samples(),
                    [1 << 14, -(1 << 14)]
                ),
                Kind::Text => assert_eq!(Text::read(value).unwrap().strings, ["text"]),
                Kind::PrCurve => assert_eq!(PrCurve::read(value).unwrap().len(), 127),
                Kind::Mesh => drop(MeshComponent::read(metadata, value).unwrap()),
                Kind::Hparams => {
                    let record = HparamsRecord::read(metadata).unwrap();
                    let is_start = matches!(record, HparamsRecord::Start(_));
                    assert_eq!(is_start, series.tag() == SESSION_START_TAG);
                }
                Kind::CustomScalars => drop(ChartLayout::read(value).unwrap()),
                Kind::Graph if value.form == Form::GraphDef => {
                    assert!(!Graph::read(value).unwrap().nodes.is_empty());
                }
                Kind::Graph => assert!(!value.strings().unwrap().0.is_empty()),
                Kind::RunMetadata => drop(RunMetadata::read(value).unwrap()),
                Kind::Tensor => assert_eq!(Tensor::read(value).unwrap().to_f64(), Some(vec![0.5])),
                other => panic!("{other} is not read here"),
            }
        }
    }
    for saved in run.embeddings().unwrap() {
        assert_eq!(saved.load().unwrap().len(), 2);
    }
}
