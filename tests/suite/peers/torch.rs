//! The calls of PyTorch's and tensorboardX's writers, made with tbx.

use image::RgbImage;
use ndarray::{ArrayD, Ix2, Ix3, Ix4};
use serde_json::Value;
use tbx::summary::Form;
use tbx::summary::audio::Sample;
use tbx::summary::hparams::{HparamInfo, MetricInfo};
use tbx::{
    Bins, BoundingBox, Category, Chart, ChartLayout, Clip, Embedding, Experiment, Graph,
    HparamValue, Hparams, Layout, Margin, Mesh, Moments, PrCurve, PrCurveOptions, RawValue, Result,
    RunMetadata, SummaryWriter, Tensor, Video, pb,
};

use super::cases::{Args, Array, array, texts, with_numbers, with_samples};
use crate::common::repository;

/// Calls `method` on `writer`, which already has the step and the description.
pub(super) fn call(writer: &SummaryWriter, method: &str, args: &Args) -> Result<()> {
    let tag = args.text(&["tag", "main_tag"]).unwrap_or("");
    match method {
        "add_scalar" => {
            with_numbers!(args.array("scalar_value"), values, |values| {
                writer.add_scalar(tag, values[0], None)
            })
        }
        "add_scalars" => {
            let values = args.entries("tag_scalar_dict").iter();
            let values =
                values.map(|(name, value)| (name.as_str(), array(value).values::<f64>()[0]));
            writer.add_scalars(tag, values, None)
        }
        "add_histogram" => with_numbers!(args.array("values"), values, |values| {
            match args.integer(&["bins"]) {
                None => writer.add_histogram(tag, values, None),
                Some(bins) => {
                    writer.with_bins(Bins::Uniform(bins as usize)).add_histogram(tag, values, None)
                }
            }
        }),
        "add_histogram_raw" => {
            let number = |name| args.number(name);
            let moments = Moments {
                min: number("min"),
                max: number("max"),
                num: number("num"),
                sum: number("sum"),
                sum_squares: number("sum_squares"),
            };
            let [limits, counts] =
                ["bucket_limits", "bucket_counts"].map(|name| args.numbers(name));
            writer.add_histogram_raw(tag, moments, &limits, &counts, None)
        }
        "add_image" => with_samples!(args.array("img_tensor"), |samples| {
            writer.add_image(tag, (samples.view(), layout(args)), None)
        }),
        "add_images" => add_images(writer, tag, args),
        "add_image_with_boxes" => {
            let corners: Vec<f32> = args.array("box_tensor").values();
            let labels = args.get("labels").map(texts).unwrap_or_default();
            // Each label belongs to a box, so there cannot be more labels than boxes.
            let boxes = corners.as_chunks::<4>().0.iter().enumerate().map(|(i, corners)| {
                BoundingBox::new(*corners).label(labels.get(i).cloned().unwrap_or_default())
            });
            with_samples!(args.array("img_tensor"), |samples| {
                writer.add_image_with_boxes(tag, (samples.view(), Layout::Chw), boxes, None)
            })
        }
        "add_video" => add_video(writer, tag, args),
        "add_audio" => {
            let rate = args.integer(&["sample_rate"]).unwrap() as u32;
            let samples = args.array("snd_tensor");
            let clip = match samples.dtype.as_str() {
                "float32" => clip(samples.ndarray::<f32>(), rate),
                "int16" => clip(samples.ndarray::<i16>(), rate),
                _ => clip(samples.ndarray::<f64>(), rate),
            };
            writer.add_audio(tag, &clip?, None)
        }
        "add_text" => writer.add_text(tag, args.text(&["text_string"]).unwrap(), None),
        "add_pr_curve" => add_pr_curve(writer, tag, args),
        "add_pr_curve_raw" => writer.add_pr_curve_raw(tag, &raw_curve(args), None),
        "add_mesh" => writer.add_mesh(tag, &mesh(args)?, None),
        "add_hparams" => add_hparams(writer, args),
        "add_custom_scalars" => writer.add_custom_scalars(&chart_layout(args)),
        "add_custom_scalars_multilinechart" => {
            let [category, title] = ["category", "title"].map(|name| args.text(&[name]).unwrap());
            writer.add_custom_scalars_multilinechart(args.texts("tags"), category, title)
        }
        "add_custom_scalars_marginchart" => {
            let [category, title] = ["category", "title"].map(|name| args.text(&[name]).unwrap());
            let tags = args.texts("tags");
            let tags = std::array::from_fn(|i| tags[i].as_str());
            writer.add_custom_scalars_marginchart(tags, category, title)
        }
        "add_tensor" => writer.add_tensor(tag, tensor(&args.array("tensor")), None),
        "add_embedding" => {
            writer.add_embedding(args.text(&["tag"]).unwrap_or("default"), &embedding(args), None)
        }
        "add_summary" => {
            writer.add_summary(prost::Message::decode(&*args.message("summary")).unwrap(), None)
        }
        "add_event" => {
            let event: pb::Event = prost::Message::decode(&*args.message("event")).unwrap();
            writer.add_event(pb::Event { step: args.integer(&["step"]).unwrap(), ..event })
        }
        "add_graph" => {
            writer.add_graph(&graph(args.message("graph")))?;
            // PyTorch's run metadata: one device, and no nodes.
            writer.with_step(0).add_run_metadata("step1", &RunMetadata::new(), None)
        }
        "add_onnx_graph" => {
            let path = args.text(&["prototxt", "onnx_model_file"]).unwrap();
            writer.add_onnx_graph(repository(path))
        }
        other => panic!("no call {other}"),
    }
}

fn layout(args: &Args) -> Layout {
    match args.text(&["dataformats"]).unwrap() {
        "HW" => Layout::Hw,
        "CHW" => Layout::Chw,
        "HWC" => Layout::Hwc,
        "NCHW" => Layout::Nchw,
        "NHWC" => Layout::Nhwc,
        "NTCHW" => Layout::Ntchw,
        "NTHWC" => Layout::Nthwc,
        other => panic!("no layout {other}"),
    }
}

/// An array, or tensorboardX's list of arrays.
fn add_images(writer: &SummaryWriter, tag: &str, args: &Args) -> Result<()> {
    let layout = match args.text(&["dataformats"]).unwrap() {
        "CHW" => Layout::Nchw,
        _ => layout(args),
    };
    with_samples!(args.array("img_tensor"), |samples| {
        writer.add_images(tag, (samples.view(), layout), None)
    })
}

fn add_video(writer: &SummaryWriter, tag: &str, args: &Args) -> Result<()> {
    let layout = args.get("dataformats").map_or(Layout::Ntchw, |_| layout(args));
    let fps = args.integer(&["fps"]).unwrap_or(4) as u32;
    with_samples!(args.array("vid_tensor"), |samples| {
        writer.add_video(tag, &Video::new((samples.view(), layout), fps)?, None)
    })
}

pub(super) fn clip<S: Sample>(samples: ArrayD<S>, rate: u32) -> Result<Clip> {
    Ok(Clip::from_array(samples.view(), rate)?)
}

pub(super) fn add_pr_curve(writer: &SummaryWriter, tag: &str, args: &Args) -> Result<()> {
    let labels = args.numbers("labels");
    let mut options = PrCurveOptions::new();
    if let Some(count) = args.integer(&["num_thresholds"]) {
        options = options.thresholds(count as u32);
    }
    if args.get("weights").is_some() {
        options = options.weights(args.numbers("weights"));
    }
    let predictions = args.array("predictions");
    let curve = match predictions.dtype.as_str() {
        "float32" => PrCurve::new(labels, predictions.values::<f32>(), &options)?,
        _ => PrCurve::new(labels, predictions.values::<f64>(), &options)?,
    };
    writer.add_pr_curve_raw(tag, &curve, None)
}

pub(super) fn raw_curve(args: &Args) -> PrCurve {
    let row = |name| args.array(name).values();
    PrCurve {
        true_positives: row("true_positive_counts"),
        false_positives: row("false_positive_counts"),
        true_negatives: row("true_negative_counts"),
        false_negatives: row("false_negative_counts"),
        precision: row("precision"),
        recall: row("recall"),
    }
}

pub(super) fn mesh(args: &Args) -> Result<Mesh> {
    let mut mesh = Mesh::new(args.array("vertices").ndarray::<f32>())?;
    if args.get("faces").is_some() {
        mesh = mesh.with_faces(args.array("faces").ndarray::<i32>())?;
    }
    if args.get("colors").is_some() {
        mesh = mesh.with_colors(args.array("colors").ndarray::<u8>())?;
    }
    Ok(match args.get("config_dict") {
        Some(config) => mesh.with_config(plain(config).to_string())?,
        None => mesh,
    })
}

/// JSON in which encoded numbers are plain numbers.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(entries) if entries.contains_key("dtype") => {
            array(value).values::<f64>()[0].into()
        }
        Value::Object(entries) => {
            entries.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        other => other.clone(),
    }
}

/// Writes to the existing run, whereas the peers create one below it. The domains of an
/// experiment's hyperparameters are a separate call.
fn add_hparams(writer: &SummaryWriter, args: &Args) -> Result<()> {
    let values = args.entries("hparam_dict");
    let metrics = args.entries("metric_dict").iter();
    let metrics: Vec<_> =
        metrics.map(|(tag, value)| (tag.as_str(), array(value).values::<f64>()[0])).collect();
    if let Some(domains) = args.get("hparam_domain_discrete") {
        let infos = values.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
            let info = match hparam(value) {
                HparamValue::Number(_) => HparamInfo::number(name),
                HparamValue::Bool(_) => HparamInfo::bool(name),
                _ => HparamInfo::text(name),
            };
            match domains.get(name) {
                Some(domain) => info.values(domain.as_array().unwrap().iter().map(hparam)),
                None => info,
            }
        });
        let experiment = infos.fold(Experiment::new(), Experiment::hparam);
        let infos = metrics.iter().map(|(tag, _)| MetricInfo::new(*tag));
        writer.add_hparams_config(&infos.fold(experiment, Experiment::metric))?;
    }
    writer.add_hparams(hparams(args, "hparam_dict"), metrics)
}

pub(super) fn hparams(args: &Args, name: &str) -> Hparams {
    args.entries(name).iter().map(|(name, value)| (name.clone(), hparam(value))).collect()
}

fn hparam(value: &Value) -> HparamValue {
    match value {
        Value::Null => HparamValue::Unset,
        Value::Bool(value) => (*value).into(),
        Value::String(text) => text.into(),
        number => array(number).values::<f64>()[0].into(),
    }
}

fn chart_layout(args: &Args) -> ChartLayout {
    let chart = |(title, chart): (&String, &Value)| {
        let tags = texts(&chart[1]);
        match chart[0].as_str().unwrap() {
            "Margin" => Chart::margin(title, [Margin::new(&tags[0], &tags[1], &tags[2])]),
            _ => Chart::multiline(title, tags),
        }
    };
    let categories = args.entries("layout").iter().map(|(title, charts)| {
        charts.as_object().unwrap().iter().map(chart).fold(Category::new(title), Category::chart)
    });
    categories.fold(ChartLayout::new(), ChartLayout::category)
}

pub(super) fn tensor(array: &Array) -> Tensor {
    let shape = array.shape.clone();
    let tensor = match array.dtype.as_str() {
        "bool" => {
            Tensor::new(shape, array.values::<u8>().iter().map(|v| *v == 1).collect::<Vec<_>>())
        }
        "complex64" => Tensor::new(shape, pairs::<f32>(array)),
        "complex128" => Tensor::new(shape, pairs::<f64>(array)),
        _ => with_numbers!(array, values, |values| Tensor::new(shape, values)),
    };
    tensor.unwrap()
}

fn pairs<T: Copy + std::str::FromStr<Err: std::fmt::Debug>>(array: &Array) -> Vec<(T, T)> {
    array.values::<T>().as_chunks::<2>().0.iter().map(|&[re, im]| (re, im)).collect()
}

fn embedding(args: &Args) -> Embedding {
    let mat = args.array("mat").ndarray::<f32>().into_dimensionality::<Ix2>().unwrap();
    let mut embedding = Embedding::new(mat.outer_iter().map(|row| row.to_vec()));
    if let Some(rows) = args.get("metadata") {
        let rows = rows.as_array().unwrap();
        embedding = match args.get("metadata_header") {
            Some(header) => embedding.metadata(texts(header), rows.iter().map(cells)),
            None => embedding.labels(rows.iter().map(|label| label.as_str().unwrap())),
        };
    }
    if args.get("label_img").is_some() {
        let photos = args.array("label_img").ndarray::<f32>();
        let photos = photos.into_dimensionality::<Ix4>().unwrap();
        let photos: Vec<_> =
            photos.outer_iter().map(|chw| rgb(&chw.into_dimensionality().unwrap())).collect();
        embedding = embedding.sprite(&photos[..]);
    }
    embedding
}

/// A row of a table, as Python prints it.
fn cells(row: &Value) -> Vec<String> {
    let cell = |value: &Value| match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    row.as_array().unwrap().iter().map(cell).collect()
}

fn rgb(chw: &ndarray::ArrayView<'_, f32, Ix3>) -> RgbImage {
    let (_, height, width) = chw.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        image::Rgb([0, 1, 2].map(|c| (chw[[c, y as usize, x as usize]] * 255.0) as u8))
    })
}

pub(super) fn graph(bytes: Vec<u8>) -> Graph {
    Graph::read(&RawValue::new(Form::GraphDef, bytes)).unwrap()
}
