//! Logs of tensors.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarMap};
use tbx::{Histogram, Kind, Layout, LoadOptions, Logdir, SummaryWriter};
use tbx_candle::{AddTensors, Error, Watch};

/// Each series of the log: tag, steps and the last value as text.
fn read(dir: &Path) -> Vec<(String, Vec<i64>, String)> {
    let loaded = Logdir::open(dir).unwrap().load(&LoadOptions::new()).unwrap();
    assert!(loaded.report.is_lossless(), "{:?}", loaded.report);
    let series = loaded.runs[0].series.iter().map(|series| {
        let last = match series.kind() {
            Kind::Histogram => {
                let histogram = Histogram::read(&series.raw().unwrap()[0]).unwrap();
                format!(
                    "{} values",
                    histogram.buckets.iter().map(|bucket| bucket.count).sum::<f64>()
                )
            }
            _ => series.points().last().unwrap().2.to_string(),
        };
        (series.tag().to_string(), series.steps().to_vec(), last)
    });
    series.collect()
}

fn tags(dir: &Path) -> Vec<String> {
    read(dir).into_iter().map(|(tag, ..)| tag).collect()
}

#[test]
fn tensors_of_all_types_are_logged() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let numbers = Tensor::new(&[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
    let types =
        [DType::U8, DType::U32, DType::I64, DType::BF16, DType::F16, DType::F32, DType::F64];
    for dtype in types {
        let tensor = numbers.to_dtype(dtype).unwrap();
        let sum = tensor.to_dtype(DType::F32).unwrap().sum_all().unwrap().to_dtype(dtype).unwrap();
        writer.add_scalar_of(&format!("scalar/{dtype:?}"), &sum, 1).unwrap();
        writer.add_histogram_of(&format!("histogram/{dtype:?}"), &tensor, 1).unwrap();
    }
    writer.close().unwrap();
    let series = read(dir.path());
    assert_eq!(series.len(), 2 * types.len());
    for (tag, steps, last) in series {
        assert_eq!(steps, [1]);
        if tag.starts_with("scalar/") {
            assert_eq!(last, "21", "{tag}");
        } else {
            assert_eq!(last, "6 values", "{tag}");
        }
    }
}

#[test]
fn views_are_read_as_they_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let numbers = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap().reshape((3, 4)).unwrap();
    // One row in the middle, and one column: the latter is not contiguous.
    let row = numbers.narrow(0, 1, 1).unwrap();
    let column = numbers.narrow(1, 2, 1).unwrap();
    writer.add_scalar_of("row", &row.narrow(1, 3, 1).unwrap(), 0).unwrap();
    writer.add_scalar_of("column", &column.narrow(0, 2, 1).unwrap(), 0).unwrap();
    writer.close().unwrap();
    let values: Vec<_> = read(dir.path()).into_iter().map(|(.., last)| last).collect();
    assert_eq!(values, ["10", "7"]); // sorted by tag
}

#[test]
fn shapes_are_checked() {
    let writer = SummaryWriter::noop();
    let tensor = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    for result in [
        writer.add_scalar_of("tag", &tensor, 0),
        writer.add_images_of("tag", &tensor, Layout::Nchw, 0),
        writer.add_image_of("tag", &tensor.reshape(6).unwrap(), Layout::Hw, 0),
    ] {
        let Err(Error::Shape { .. }) = result else { panic!("{result:?}") };
    }
}

#[test]
fn images_have_the_layout_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let image = Tensor::rand(0f64, 1.0, (3, 8, 4), &Device::Cpu).unwrap();
    writer.add_image_of("float", &image, Layout::Chw, 0).unwrap();
    let bytes = (image * 255.0).unwrap().to_dtype(DType::U8).unwrap();
    writer.add_image_of("bytes", &bytes.permute((1, 2, 0)).unwrap(), Layout::Hwc, 0).unwrap();
    let batch = Tensor::zeros((2, 1, 8, 4), DType::F16, &Device::Cpu).unwrap();
    writer.add_images_of("batch", &batch, Layout::Nchw, 0).unwrap();
    writer.close().unwrap();
    let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
    let run = &loaded.runs[0];
    let pixels = |tag: &str| {
        let values = run.get(tag).unwrap().raw().unwrap();
        tbx::Images::read(&values[0]).unwrap().decode().unwrap()[0].to_rgb8()
    };
    assert_eq!(pixels("float").dimensions(), (4, 8));
    assert_eq!(pixels("float"), pixels("bytes"));
    assert_eq!(pixels("batch").dimensions(), (8, 8)); // next to each other
}

#[test]
fn weights_and_gradients_are_watched() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let map = VarMap::new();
    let init = Init::Const(0.5);
    let used = map.get((2, 2), "layer.weight", init, DType::F32, &Device::Cpu).unwrap();
    let watch = Watch::new(&map).every(2);
    map.get(3, "layer.unused", init, DType::F32, &Device::Cpu).unwrap();
    for step in 0..4 {
        let gradients = used.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        watch.log(&writer, Some(&gradients), step).unwrap();
    }
    // Infinite weights have gradients that are not numbers.
    let gradients = (used * f64::INFINITY).unwrap().sum_all().unwrap().backward().unwrap();
    watch.log(&writer, Some(&gradients), 4).unwrap();
    writer.close().unwrap();
    let series = read(dir.path());
    let names: Vec<_> = series.iter().map(|(tag, steps, _)| (tag.as_str(), steps.len())).collect();
    let expected = [
        ("gradients/layer.weight", 3),
        ("gradients/layer.weight/non_finite", 1),
        ("parameters/layer.unused", 3),
        ("parameters/layer.weight", 3),
    ];
    assert_eq!(names, expected);
    assert!(tags(dir.path()).is_sorted());
}
