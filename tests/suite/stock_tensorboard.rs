//! Stock TensorBoard shows what `SummaryWriter` was given.
//!
//! The calls are noted beside the log, with their raw values. `tests/stock_tensorboard/check.py`
//! works out what TensorBoard should show for them, and asks it, with each of its two loaders.
//! Needs a Python that has `tests/stock_tensorboard/requirements.txt`: `TBX_TEST_PYTHON`, else
//! `.venv/bin/python` in the repository. `TBX_STOCK_OUT=<new directory>` keeps the log, to be
//! looked at.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.
#![cfg(all(feature = "image", feature = "ndarray"))]
#![expect(clippy::as_conversions, reason = "between the numbers of one picture or series")]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Rgb, RgbImage, RgbaImage};
use ndarray::{Array2, Array3, Array4};
use serde_json::Value;
use tbx::{Attr, Bins, Graph, Layout, Moments, Node, pb};

use self::calls::{Log, Run};
use crate::common::repository;

#[path = "../stock_tensorboard/calls.rs"]
mod calls;

#[test]
fn stock_tensorboard_shows_what_was_written() {
    let temporary = tempfile::tempdir().unwrap();
    let out = match env::var_os("TBX_STOCK_OUT") {
        Some(kept) => PathBuf::from(kept),
        None => temporary.path().join("out"),
    };
    assert!(!out.exists(), "{} is there already", out.display());
    let logdir = out.join("logs");
    fs::create_dir_all(&logdir).unwrap();
    let calls = write_everything(&logdir);
    fs::write(out.join("calls.json"), serde_json::to_string(&calls).unwrap()).unwrap();
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: stock TensorBoard: {reason}");
            assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{reason}");
            return;
        }
    };
    let script = repository("tests/stock_tensorboard/check.py");
    let checked = Command::new(python)
        .args(["-B", "-X", "utf8"]) // no __pycache__ in the repository
        .arg(script)
        .arg(&out)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8(text).unwrap());
    eprint!("{}", said[0]);
    assert!(checked.status.success(), "{}\n{}", checked.status, said[1]);
}

/// A Python with TensorBoard in it, or why there is none.
fn python() -> Result<OsString, String> {
    let venv = repository(".venv/bin/python");
    let python = match env::var_os("TBX_TEST_PYTHON") {
        Some(named) => named,
        None if venv.exists() => venv.into(),
        None => return Err("neither TBX_TEST_PYTHON nor .venv/bin/python is there".into()),
    };
    // There are platforms for which TensorBoard's package has no data server in it.
    let probe = "import numpy, PIL, tensorboard, tensorboard_data_server as server\n\
                 assert server.server_binary(), 'no data server for this platform'";
    let tried = Command::new(&python).args(["-c", probe]).output();
    let tried = tried.map_err(|error| format!("{}: {error}", python.display()))?;
    let errors = String::from_utf8_lossy(&tried.stderr).into_owned();
    match tried.status.success() {
        true => Ok(python),
        false => Err(format!("{}: {}", python.display(), errors.lines().last().unwrap_or("?"))),
    }
}

/// Writes every kind of value, in every form; returns the calls that did.
fn write_everything(logdir: &Path) -> Vec<Value> {
    let mut log = Log::new(logdir);
    let mut run = log.open(".", false, None);
    run.scalar("loss", 0.5, 0);
    run.close();
    for v2 in [false, true] {
        let form = if v2 { "v2" } else { "v1" };
        let mut run = log.open(form, v2, None);
        scalars(&mut run);
        histograms(&mut run);
        pictures(&mut run);
        texts(&mut run);
        run.graph(&graph());
        run.close();
        let mut run = log.open(&format!("odd/{form}"), v2, None);
        odd_scalars(&mut run);
        odd_histograms(&mut run);
        run.close();
    }
    restarts(&mut log);
    let mut run = log.open("été 1/größe=2", false, None);
    run.scalar("loss", 0.25, 1);
    run.close();
    log.into_calls()
}

fn scalars(run: &mut Run<'_>) {
    let mut random = Random(1);
    for step in 0..1500 {
        let loss = 0.1 + 2.0 / (1.0 + f64::from(step) / 100.0);
        run.scalar("train/loss", loss + 0.05 * random.normal(), step.into());
    }
    for step in 0..30 {
        let values = [("train", f64::from(step)), ("a/b: é", 10.5)];
        let runs = ["parts_loss_train", "parts_loss_a%2fb%3a é"];
        run.lines("parts/loss", &values, &runs, step.into());
    }
}

fn odd_scalars(run: &mut Run<'_>) {
    let odd = [0.0, -0.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-45, 1e300, -1e-300];
    for (step, value) in (0..).zip(odd) {
        run.scalar("values", value, step);
    }
    for step in [-7, -1, 0, 1, 1 << 40] {
        run.scalar("steps", step as f64, step);
    }
    run.scalar("last steps", 1.0, i64::MIN);
    run.scalar("last steps", 2.0, i64::MAX);
    // Points out of order and steps written twice: the loaders differ.
    for (i, step) in (0..).zip([1, 1, 1, 2, 3, 4, 5, 3, 4]) {
        run.scalar("order", f64::from(i), step);
    }
    for tag in ["größe/損失 🎉", "a b&c=d?e#f%20/+\"<i>'", "/slash/", " "] {
        run.scalar(tag, 0.75, 3);
    }
}

fn histograms(run: &mut Run<'_>) {
    let mut random = Random(2);
    for step in 0..20 {
        let spread = 1.0 - f64::from(step) / 40.0;
        let center = f64::from(step) / 10.0;
        let weights: Vec<f64> = (0..300).map(|_| center + spread * random.normal()).collect();
        let floats: Vec<f32> = weights.iter().map(|weight| *weight as f32).collect();
        run.histogram("weights/f32", &floats, step.into(), Bins::Exponential);
        run.histogram("weights/f64", &weights, step.into(), Bins::Exponential);
        run.histogram("weights/uniform", &weights, step.into(), Bins::Uniform(30));
        let whole: Vec<i64> = weights.iter().map(|weight| (weight * 10.0) as i64).collect();
        run.histogram("weights/i64", &whole, step.into(), Bins::Exponential);
    }
}

fn odd_histograms(run: &mut Run<'_>) {
    for (tag, values) in [
        ("exponential/zero", &[0.0][..]),
        ("exponential/one", &[-3.5]),
        ("exponential/tiny", &[1e-300, -1e-300, 5e-13]),
        ("exponential/infinity", &[1.0, 2.0, f64::INFINITY]),
        ("exponential/nan", &[1.0, f64::NAN, -2.0]),
        ("exponential/huge", &[1e19, -1e30, 1e300]),
        ("exponential/three", &[-1.0, 0.0, 1.0]),
    ] {
        run.histogram(tag, values, 0, Bins::Exponential);
    }
    for (tag, values, bins) in [
        ("uniform/none", &[][..], 3),
        ("uniform/equal", &[5.0, 5.0, 5.0], 3),
        ("uniform/four", &[1.0, 2.0, 3.0, 4.0], 2),
        ("uniform/eleven", &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], 10),
        ("uniform/nan", &[1.0, f64::NAN], 2),
        ("uniform/no bins", &[1.0, 2.0], 0),
    ] {
        run.histogram(tag, values, 0, Bins::Uniform(bins));
    }
    run.histogram("types/u8", &[1u8, 2, 255], 0, Bins::Exponential);
    run.histogram("types/bool", &[true, false, true], 0, Bins::Uniform(2));
    let moments = |min, max, num| Moments { min, max, num, sum: 6.0, sum_squares: 14.0 };
    let limits = [0.5, 1.5, 2.5, 3.5, 4.5];
    let counts = [0.0, 1.0, 0.5, 1.25, 0.0];
    run.histogram_raw("raw/weights", moments(1.0, 3.0, 2.75), &limits, &counts, 0);
    let outer = [-f64::MAX, -1.0, 2.0, f64::MAX];
    run.histogram_raw("raw/outer", moments(-1.5, 4.0, 6.0), &outer, &[0.0, 2.0, 3.0, 1.0], 0);
    run.histogram_raw("raw/zeros", moments(0.0, 0.0, 0.0), &limits, &[0.0; 5], 0);
    run.histogram_raw("raw/none", moments(0.0, 0.0, 0.0), &[], &[], 0);
}

fn pictures(run: &mut Run<'_>) {
    for step in 0..4u8 {
        let picture = RgbImage::from_fn(64, 48, |x, y| {
            Rgb([4 * x as u8, 5 * y as u8, 60 * step]) // red to the right, green downwards
        });
        run.image("photo/rgb", &picture, picture.as_raw(), [48, 64, 3], step.into());
    }
    let rgba = RgbaImage::from_fn(32, 32, |x, y| image::Rgba([255, 0, 0, (8 * x.min(y)) as u8]));
    run.image("photo/rgba", &rgba, rgba.as_raw(), [32, 32, 4], 0);
    let gray = GrayImage::from_fn(40, 8, |x, _| image::Luma([6 * x as u8]));
    run.image("photo/gray", &gray, gray.as_raw(), [8, 40, 1], 0);
    let soft = GrayAlphaImage::from_fn(8, 4, |x, y| image::LumaA([30 * x as u8, 60 * y as u8]));
    run.image("photo/gray alpha", &soft, soft.as_raw(), [4, 8, 2], 0);
    let deep: ImageBuffer<Rgb<u16>, _> =
        ImageBuffer::from_fn(16, 16, |x, y| Rgb([4369 * x as u16, 4369 * y as u16, 40_000]));
    let samples = deep.as_raw().clone();
    run.image("photo/16 bit", &DynamicImage::ImageRgb16(deep), &samples, [16, 16, 3], 0);

    let chw = Array3::from_shape_fn((3, 12, 20), |(c, y, x)| match c {
        0 => x as f32 / 19.0,
        1 => y as f32 / 11.0,
        _ => 0.5,
    });
    run.array("array/chw", chw.view(), Layout::Chw, 0);
    run.array("array/hwc", Array3::from_shape_fn((5, 7, 3), pixel).view(), Layout::Hwc, 0);
    let odd = [-0.5, 0.0, 0.5, 0.999, 1.0, 1.5, f64::NAN, f64::INFINITY];
    run.array("array/hw", Array2::from_shape_fn((2, 8), |(_, x)| odd[x]).view(), Layout::Hw, 0);
    // Rows of eight, the second with six places left black.
    let many = Array4::from_shape_fn((10, 3, 6, 4), |(n, c, y, x)| pixel((n + y, x, c)));
    run.array("batch/nchw", many.view(), Layout::Nchw, 0);
    let few = Array4::from_shape_fn((3, 6, 4, 1), |(n, y, x, _)| (n + x + y) as f64 / 12.0);
    run.array("batch/nhwc", few.view(), Layout::Nhwc, 0);
    let images = [RgbImage::from_pixel(9, 5, Rgb([255, 0, 0])), RgbImage::from_fn(9, 5, blue)];
    let samples = [images[0].as_raw().as_slice(), images[1].as_raw()].concat();
    run.images("batch/images", &images[..], &samples, [2, 5, 9, 3], 0);
}

fn pixel((y, x, c): (usize, usize, usize)) -> u8 {
    (40 * y + 20 * x + 90 * c) as u8
}

fn blue(x: u32, _: u32) -> Rgb<u8> {
    Rgb([0, 0, 25 * x as u8])
}

fn texts(run: &mut Run<'_>) {
    let table = "| model | loss |\n|---|---|\n| größe 🎉 | `0.25` |\n";
    let markdown = "# Title\n\n- **bold** and <script>alert(1)</script>\n- [link](https://a.b/)\n";
    for (step, text) in (0..).zip(["plain", "", markdown, table, "a\nb\0c"]) {
        run.text("notes/markdown", text, step);
    }
    run.text("config", "lr = 0.001\nbatch = 32", 0);
}

fn graph() -> Graph {
    let dense = |layer: usize, from: &str, units: i64| {
        let name = |part: &str| format!("model/dense_{layer}/{part}");
        [
            Node::new(name("kernel"), "VariableV2")
                .attr("dtype", pb::DataType::DtFloat)
                .attr("shape", Attr::Shape(vec![-1, units]))
                .output_shape([-1, units]),
            Node::new(name("MatMul"), "MatMul")
                .input(from)
                .input(name("kernel") + ":0")
                .attr("transpose_b", false)
                .attr("units", units)
                .attr("scale", 0.1f32)
                .output_shape([-1, units]),
            Node::new(name("Relu"), "Relu")
                .input(name("MatMul"))
                .attr("note", "größe 'quoted' \"twice\"")
                .output_shape([-1, units]),
        ]
    };
    let loss = Node::new("loss", "Mean")
        .input("model/dense_2/Relu")
        .input("input:1")
        .input("^model/dense_1/Relu")
        .attr("large", "x".repeat(2000));
    let mut graph = Graph::new()
        .node(Node::new("input", "Placeholder").output_shape([-1, 784]).output_shape([]));
    graph.nodes.extend(dense(1, "input", 128));
    graph.nodes.extend(dense(2, "model/dense_1/Relu", 10));
    for node in &mut graph.nodes {
        node.device = "/device:GPU:0".into();
    }
    graph.node(loss)
}

/// Runs that go on after a crash, once and twice.
fn restarts(log: &mut Log) {
    for resumed in [1, 2] {
        let name = format!("resumed/{resumed}");
        let mut run = log.open(&name, false, None);
        for step in [1, 2, 3] {
            run.scalar("a", step as f64, step);
        }
        run.scalar("b", 3.0, 3);
        run.text("c", "three", 3);
        for step in [1, 2, 3] {
            run.lines("d", &[("x", step as f64)], &["d_x"], step);
        }
        run.close();
        for start in 2..2 + resumed {
            let mut run = log.open(&name, false, Some(start));
            run.scalar("a", 10.0 * start as f64, start);
            run.lines("d", &[("x", 10.0 * start as f64)], &["d_x"], start);
            run.close();
        }
    }
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        // Knuth's MMIX generator; the lower bits are poor.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
