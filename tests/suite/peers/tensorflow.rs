//! The calls of `tf.summary` and of TensorBoard's plugins, made with tbx.

use ndarray::{ArrayD, Axis, Slice};
use prost::Message;
use serde_json::Value;
use tbx::summary::Form;
use tbx::summary::hparams::{self, HparamInfo, MetricInfo, SessionEnd};
use tbx::{
    Bins, Category, Chart, ChartLayout, Clip, Experiment, HparamValue, Layout, Margin, RawValue,
    Result, RunMetadata, SessionStatus, SummaryWriter, Text, pb,
};

use super::cases::{Args, array, with_numbers, with_samples};
use super::torch::{self, clip};
use crate::common::repository;

/// Like [`torch::call`], for the methods of TensorFlow and TensorBoard.
pub(super) fn call(writer: &SummaryWriter, method: &str, args: &Args) -> Result<()> {
    let tag = args.text(&["tag", "name"]).unwrap_or("");
    match method {
        "tf.summary.scalar"
        | "scalar.summary_v2.scalar_pb"
        | "scalar.summary.pb"
        | "Writer.add_scalar" => add_scalar(writer, tag, args, "data"),
        "v1.summary.scalar" => add_scalar(writer, tag, args, "tensor"),
        "tf.summary.histogram" | "histogram.summary_v2.histogram_pb" | "histogram.summary.pb" => {
            let buckets = args.integer(&["buckets"]).unwrap_or(30) as usize;
            with_numbers!(args.array("data"), values, |values| {
                writer.with_bins(Bins::Uniform(buckets)).add_histogram(tag, values, None)
            })
        }
        "v1.summary.histogram" => with_numbers!(args.array("values"), values, |values| {
            writer.add_histogram(tag, values, None)
        }),
        "tf.summary.image" => add_images(writer, tag, args, "data"),
        "image.summary.pb" => add_images(writer, tag, args, "images"),
        "v1.summary.image" => add_images(writer, tag, args, "tensor"),
        "tf.summary.audio" => add_audios(writer, tag, args, "data"),
        "audio.summary.pb" => add_audios(writer, tag, args, "audio"),
        "v1.summary.audio" => add_audios(writer, tag, args, "tensor"),
        "tf.summary.text" | "text.summary_v2.text_pb" | "text.summary.pb" => {
            writer.add_text(tag, text(args.value("data"))?, None)
        }
        "v1.summary.text" => writer.add_text(tag, text(args.value("tensor"))?, None),
        "tf.summary.write" => match args.value("tensor") {
            Value::String(text) => writer.add_tensor(tag, text.as_str(), None),
            tensor => writer.add_tensor(tag, torch::tensor(&array(tensor)), None),
        },
        "tf.summary.graph" => writer.add_graph(&torch::graph(args.message("graph_data"))),
        "tf.summary.trace_export" => {
            let bytes = args.message("run_metadata");
            let metadata = RunMetadata::read(&RawValue::new(Form::RunMetadata, bytes))?;
            writer.add_run_metadata(tag, &metadata, None)
        }
        "tf.summary.keras_model_summary" => {
            let json = std::fs::read_to_string(repository(args.text(&["path"]).unwrap())).unwrap();
            writer.add_keras_graph(tag, &json, None)
        }
        "pr_curve.summary.pb" => torch::add_pr_curve(writer, tag, args),
        "pr_curve.summary.raw_data_pb" => {
            writer.add_pr_curve_raw(tag, &torch::raw_curve(args), None)
        }
        "mesh.summary_v2.mesh_pb" | "mesh.summary.pb" => {
            writer.add_mesh(tag, &torch::mesh(args)?, None)
        }
        "custom_scalar.summary.pb" => {
            writer.add_custom_scalars(&chart_layout(&args.message("scalars_layout")))
        }
        "hparams.summary_v2.hparams_pb" | "hparams.summary.session_start_pb" => {
            let text = |name| args.text(&[name]).unwrap_or("").to_owned();
            let mut start = torch::hparams(args, "hparams");
            start.group = text("trial_id") + &text("group_name");
            (start.model_uri, start.monitor_url) = (text("model_uri"), text("monitor_url"));
            start.start_time = Some(args.number("start_time_secs"));
            writer.add_hparams(start, [])
        }
        "hparams.summary_v2.hparams_config_pb" => {
            writer.add_hparams_config(&experiment(args, "hparams", "metrics"))
        }
        "hparams.summary.experiment_pb" => {
            writer.add_hparams_config(&experiment(args, "hparam_infos", "metric_infos"))
        }
        // `close` writes it, after a start.
        "hparams.summary.session_end_pb" => {
            let status = match args.integer(&["status"]) {
                Some(1) => SessionStatus::Success,
                _ => SessionStatus::Failure,
            };
            let end = SessionEnd::new(status, Some(args.number("end_time_secs")));
            writer.add_summary(pb::Summary { value: vec![hparams::session_end(&end)] }, 0)
        }
        other => panic!("no call {other}"),
    }
}

fn add_scalar(writer: &SummaryWriter, tag: &str, args: &Args, name: &str) -> Result<()> {
    with_numbers!(args.array(name), values, |values| writer.add_scalar(tag, values[0], None))
}

/// The first elements of an array, as many as the call takes.
fn limited<T: Clone>(array: ArrayD<T>, args: &Args) -> ArrayD<T> {
    let count = args.integer(&["max_outputs"]).unwrap_or(3) as usize;
    array.slice_axis(Axis(0), Slice::from(..count.min(array.shape()[0]))).to_owned()
}

fn add_images(writer: &SummaryWriter, tag: &str, args: &Args, name: &str) -> Result<()> {
    with_samples!(args.array(name), |samples| {
        writer.add_images(tag, (limited(samples, args).view(), Layout::Nhwc), None)
    })
}

fn add_audios(writer: &SummaryWriter, tag: &str, args: &Args, name: &str) -> Result<()> {
    let rate = array(args.value("sample_rate")).values::<f64>()[0] as u32;
    let samples = limited(args.array(name).ndarray::<f32>(), args);
    let clips: Result<Vec<Clip>> =
        samples.outer_iter().map(|one| clip(one.to_owned(), rate)).collect();
    writer.add_audios(tag, &clips?, None)
}

/// A string, strings in lists of any depth, or an empty array.
fn text(value: &Value) -> Result<Text> {
    fn collect(value: &Value, depth: usize, shape: &mut Vec<usize>, strings: &mut Vec<String>) {
        match value {
            Value::String(text) => strings.push(text.clone()),
            Value::Array(list) => {
                if shape.len() == depth {
                    shape.push(list.len());
                }
                list.iter().for_each(|value| collect(value, depth + 1, shape, strings));
            }
            other => shape.extend(array(other).shape),
        }
    }
    let (mut shape, mut strings) = (Vec::new(), Vec::new());
    collect(value, 0, &mut shape, &mut strings);
    Ok(Text::new(shape, strings))
}

fn chart_layout(message: &[u8]) -> ChartLayout {
    let message = pb::Layout::decode(message).unwrap();
    let categories = message.category.into_iter().map(|category| {
        let charts = category.chart.into_iter().map(|chart| match chart.content.unwrap() {
            pb::chart::Content::Multiline(lines) => Chart::multiline(chart.title, lines.tag),
            pb::chart::Content::Margin(margin) => {
                let series = margin.series.into_iter();
                Chart::margin(chart.title, series.map(|s| Margin::new(s.value, s.lower, s.upper)))
            }
        });
        let mut made = charts.fold(Category::new(category.title), Category::chart);
        made.closed = category.closed;
        made
    });
    categories.fold(ChartLayout::new(), ChartLayout::category)
}

fn experiment(args: &Args, hparams: &str, metrics: &str) -> Experiment {
    let text = |name| args.text(&[name]).unwrap_or("");
    let hparams = args.messages(hparams);
    let metrics = args.messages(metrics);
    let mut experiment =
        Experiment::new().with_description(text("description")).with_user(text("user"));
    experiment.time_created =
        args.get("time_created_secs").map(|_| args.number("time_created_secs"));
    let experiment =
        hparams.iter().map(|info| hparam_info(info)).fold(experiment, Experiment::hparam);
    metrics.iter().map(|info| metric_info(info)).fold(experiment, Experiment::metric)
}

fn hparam_info(message: &[u8]) -> HparamInfo {
    use pb::google::protobuf::value::Kind;
    use pb::hparams::h_param_info::Domain as Wire;

    let info = pb::hparams::HParamInfo::decode(message).unwrap();
    let mut made = match info.r#type() {
        pb::hparams::DataType::Unset => HparamInfo::unknown(&info.name),
        pb::hparams::DataType::String => HparamInfo::text(&info.name),
        pb::hparams::DataType::Bool => HparamInfo::bool(&info.name),
        pb::hparams::DataType::Float64 => HparamInfo::number(&info.name),
    };
    made = made.with_display_name(info.display_name).with_description(info.description);
    match info.domain {
        None => made,
        Some(Wire::DomainInterval(interval)) => {
            made.interval(interval.min_value, interval.max_value)
        }
        Some(Wire::DomainDiscrete(list)) => {
            made.values(list.values.into_iter().map(|value| match value.kind.unwrap() {
                Kind::NumberValue(value) => HparamValue::from(value),
                Kind::StringValue(value) => value.into(),
                Kind::BoolValue(value) => value.into(),
                other => panic!("{other:?}"),
            }))
        }
    }
}

fn metric_info(message: &[u8]) -> MetricInfo {
    let info = pb::hparams::MetricInfo::decode(message).unwrap();
    let dataset = match info.dataset_type() {
        pb::hparams::DatasetType::DatasetUnknown => hparams::MetricDataset::Unknown,
        pb::hparams::DatasetType::DatasetTraining => hparams::MetricDataset::Training,
        pb::hparams::DatasetType::DatasetValidation => hparams::MetricDataset::Validation,
    };
    let name = info.name.unwrap();
    let made = MetricInfo::new(name.tag).with_group(name.group).with_dataset(dataset);
    made.with_display_name(info.display_name).with_description(info.description)
}
