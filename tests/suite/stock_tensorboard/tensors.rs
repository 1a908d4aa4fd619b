//! Tensors, which no dashboard shows.

use half::{bf16, f16};
use ndarray::{Array2, s};
use serde_json::{Value, json};
use tbx::{Tensor, pb};

use super::log::Run;

impl Run<'_> {
    /// `hex` is the memory of the elements, little-endian and row-major; for strings, their bytes.
    fn tensor(&mut self, tag: &str, tensor: impl Into<Tensor>, hex: Value, step: i64) {
        let tensor = tensor.into();
        let dtype = tensor.dtype().as_str_name();
        let input = json!({"dtype": dtype, "shape": tensor.shape(), "hex": hex});
        self.call("tensor", tag, step, input).add_tensor(tag, tensor, step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    run.tensor("f16", [f16::ONE, f16::from_f32(-0.5), f16::NAN], json!("003c00b8007e"), 0);
    run.tensor("bf16", [bf16::ONE, bf16::from_f32(-0.5)], json!("803f00bf"), 0);
    run.tensor("f32", [0.5f32, -0.0, f32::INFINITY], json!("0000003f000000800000807f"), 0);
    run.tensor("f32", 0.25f32, json!("0000803e"), 1);
    run.tensor("f64", [0.1, 1e300], json!("9a9999999999b93f9c7500883ce4377e"), 0);
    run.tensor("i8", [-1i8, 127], json!("ff7f"), 0);
    run.tensor("i16", [-2i16, 258], json!("feff0201"), 0);
    run.tensor("i32", [-2, i32::MAX], json!("feffffffffffff7f"), 0);
    run.tensor("i64", [i64::MIN, 1], json!("00000000000000800100000000000000"), 0);
    run.tensor("u8", [0u8, 1, 255], json!("0001ff"), 0);
    run.tensor("u16", [1u16, 65535], json!("0100ffff"), 0);
    run.tensor("u32", [1u32, u32::MAX], json!("01000000ffffffff"), 0);
    run.tensor("u64", [1u64, u64::MAX], json!("0100000000000000ffffffffffffffff"), 0);
    run.tensor("bool", [true, false, true], json!("010001"), 0);
    run.tensor("complex64", [(1.0f32, -2.0)], json!("0000803f000000c0"), 0);
    run.tensor("complex128", (0.5f64, 1.0), json!("000000000000e03f000000000000f03f"), 0);
    run.tensor("empty/f32", Tensor::new([2, 0, 3], [0.0f32; 0]).unwrap(), json!(""), 0);
    run.tensor("empty/u32", Tensor::new([0], [0u32; 0]).unwrap(), json!(""), 0);
    let float8 = Tensor::from_le_bytes(pb::DataType::DtFloat8E5m2, [2], &b"\x3c\xc0"[..]);
    run.tensor("float8", float8.unwrap(), json!("3cc0"), 0);
    run.tensor("string", "größe", json!(["6772c3b6c39f65"]), 0);
    let strings = Tensor::from_strings([2, 2], [&b"a"[..], b"\xff\0", b"", b"d"]).unwrap();
    run.tensor("strings", strings, json!(["61", "ff00", "", "64"]), 0);
    let matrix = Array2::from_shape_fn((4, 6), |(y, x)| (10 * y + x) as u8);
    run.tensor("array", matrix.slice(s![..;2, 1..;2]).t(), json!("011503170519"), 0);
    let ones = Tensor::new([100, 10], [1u16; 1000]).unwrap();
    run.tensor("large/größe", ones, json!("0100".repeat(1000)), 3);
}
