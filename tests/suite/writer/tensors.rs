//! Tensors of every element type.

use half::{bf16, f16};
use tbx::{DataClass, Element, Kind, RawValue, SummaryWriter, Tensor, pb};

use super::{fixed, run, values};
use crate::common::{load, repository};

/// Writes a run and returns the tensors that are read back from the series `tag`.
fn read_back(tag: &str, write: impl Fn(&SummaryWriter)) -> Vec<Tensor> {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    write(&writer);
    writer.close().unwrap();
    let run = run(dir.path());
    let series = run.get(tag).unwrap();
    let metadata = series.metadata();
    let expected = (Kind::Tensor, DataClass::Tensor, "tensor");
    assert_eq!((metadata.kind, metadata.data_class, metadata.plugin.as_str()), expected);
    series.raw().unwrap().iter().map(|value| Tensor::read(value).unwrap()).collect()
}

/// Fails unless `values`, written in every way, are read back unchanged.
fn assert_round_trip<T: Element + PartialEq + std::fmt::Debug>(
    dtype: pb::DataType,
    values: [T; 4],
) {
    let read = read_back("t", |writer| {
        writer.add_tensor("t", values, 0).unwrap();
        writer.add_tensor("t", Tensor::from(&values), 1).unwrap();
        writer.add_tensor("t", &values[..], 2).unwrap();
        writer.add_tensor("t", values.to_vec(), 3).unwrap();
        writer.add_tensor("t", Tensor::new([2, 1, 2], values).unwrap(), 4).unwrap();
        writer.add_tensor("t", values[3], 5).unwrap();
        writer.add_tensor("t", Tensor::new([3, 0], [values[0]; 0]).unwrap(), 6).unwrap();
    });
    let shapes: Vec<_> = read.iter().map(Tensor::shape).collect();
    assert_eq!(shapes, [&[4][..], &[4], &[4], &[4], &[2, 1, 2], &[], &[3, 0]]);
    assert!(read.iter().all(|tensor| tensor.dtype() == dtype));
    assert!(read[..5].iter().all(|tensor| tensor.to_vec::<T>().unwrap() == values));
    assert_eq!(read[5].to_vec::<T>().unwrap(), [values[3]]);
    assert!(read[6].is_empty() && read[6].to_vec::<T>().unwrap().is_empty());
    let others = [read[0].to_vec::<(f64, f64)>().is_some(), read[0].to_vec::<bool>().is_some()];
    assert_eq!(others, [dtype == pb::DataType::DtComplex128, dtype == pb::DataType::DtBool]);
}

#[test]
fn every_element_type_is_read_back_as_it_was_given() {
    use pb::DataType::*;
    assert_round_trip(DtHalf, [0.1, -0.0, 65504.0, f32::INFINITY].map(f16::from_f32));
    assert_round_trip(DtBfloat16, [0.1, -0.0, 3e38, f32::INFINITY].map(bf16::from_f32));
    assert_round_trip(DtFloat, [0.1f32, -0.0, f32::MAX, 1e-45]);
    assert_round_trip(DtDouble, [0.1, f64::NEG_INFINITY, f64::MAX, 5e-324]);
    assert_round_trip(DtInt8, [i8::MIN, -1, 0, i8::MAX]);
    assert_round_trip(DtInt16, [i16::MIN, -1, 0, i16::MAX]);
    assert_round_trip(DtInt32, [i32::MIN, -1, 0, i32::MAX]);
    assert_round_trip(DtInt64, [i64::MIN, -1, 0, i64::MAX]);
    assert_round_trip(DtUint8, [0, 1, 200, u8::MAX]);
    assert_round_trip(DtUint16, [0, 1, 258, u16::MAX]);
    assert_round_trip(DtUint32, [0, 1, 1 << 31, u32::MAX]);
    assert_round_trip(DtUint64, [0, 1, 1 << 63, u64::MAX]);
    assert_round_trip(DtBool, [true, false, false, true]);
    assert_round_trip(DtComplex64, [(0.5f32, -1.0), (0.0, 1e30), (-0.0, 0.0), (1.0, 2.0)]);
    assert_round_trip(DtComplex128, [(0.5, -1.0), (0.0, 1e300), (-0.0, 0.0), (0.1, 0.2)]);
}

#[test]
fn nan_keeps_its_bits() {
    let odd = f32::from_bits(0x7fc1_2345);
    let read = read_back("t", |writer| writer.add_tensor("t", [odd, -odd], 0).unwrap());
    let bits: Vec<_> = read[0].to_vec().unwrap().into_iter().map(f32::to_bits).collect();
    assert_eq!(bits, [0x7fc1_2345, 0xffc1_2345]);
    assert_eq!(read[0], Tensor::from([odd, -odd]));
}

#[test]
fn strings_and_bytes_are_read_back_as_they_were_given() {
    let bytes = [&b"a"[..], b"", b"\0", b"\xff\xfe"];
    let read = read_back("t", |writer| {
        writer.add_tensor("t", "größe 🎉", 0).unwrap();
        writer.add_tensor("t", Tensor::from_strings([2, 2], bytes).unwrap(), 1).unwrap();
        writer.add_tensor("t", Tensor::from_strings([0], [""; 0]).unwrap(), 2).unwrap();
        let one = Tensor::from_strings([1], ["x".repeat(100_000)]).unwrap();
        writer.add_tensor("t", &one, 3).unwrap();
    });
    let shapes: Vec<_> = read.iter().map(Tensor::shape).collect();
    assert_eq!(shapes, [&[][..], &[2, 2], &[0], &[1]]);
    assert_eq!(read[0].strings().unwrap(), ["größe 🎉"]);
    assert_eq!(read[1].strings().unwrap(), bytes);
    assert!(read[2].strings().unwrap().is_empty());
    assert_eq!(read[3].strings().unwrap()[0].len(), 100_000);
    assert!(read.iter().all(|t| t.to_f64().is_none() && t.le_bytes().is_none()));
}

#[test]
fn types_that_rust_lacks_are_read_back_as_bytes() {
    use pb::DataType::*;
    for (dtype, bytes) in [(DtFloat8E5m2, 2), (DtInt4, 2), (DtQuint16, 4), (DtFloat4E2m1fn, 2)] {
        let tensor = Tensor::from_le_bytes(dtype, [2], vec![7; bytes]).unwrap();
        let read = read_back("t", |writer| writer.add_tensor("t", &tensor, 0).unwrap());
        assert_eq!(read, [tensor]);
    }
}

#[test]
fn arrays_of_every_dimension_and_stride_are_tensors() {
    use ndarray::{Array0, Array3, ArrayD, IxDyn, arr0, array, s};
    use num_complex::Complex;

    let cube = Array3::from_shape_fn((4, 3, 2), |(z, y, x)| (100 * z + 10 * y + x) as u16);
    let number: Array0<f64> = arr0(0.5);
    let six = ArrayD::from_elem(IxDyn(&[1, 2, 1, 2, 1, 2]), true);
    let complex = array![[Complex::new(1.0f32, 2.0)], [Complex::new(3.0, 4.0)]];
    let read = read_back("t", |writer| {
        writer.add_tensor("t", &cube, 0).unwrap();
        writer.add_tensor("t", cube.view(), 1).unwrap();
        writer.add_tensor("t", cube.t(), 2).unwrap();
        writer.add_tensor("t", cube.slice(s![..;-2, 1.., ..;2]), 3).unwrap();
        writer.add_tensor("t", cube.broadcast((2, 4, 3, 2)).unwrap(), 4).unwrap();
        writer.add_tensor("t", number.clone(), 5).unwrap();
        writer.add_tensor("t", &six, 6).unwrap();
        writer.add_tensor("t", complex.t(), 7).unwrap();
        writer.add_tensor("t", cube.slice(s![.., 1..1, ..]), 8).unwrap();
    });
    let ints: Vec<_> = read[..5].iter().map(|t| t.to_array::<u16>().unwrap()).collect();
    assert_eq!(ints[0], cube.view().into_dyn());
    assert_eq!(ints[1], cube.view().into_dyn());
    assert_eq!(ints[2], cube.t().into_dyn());
    assert_eq!(ints[3], cube.slice(s![..;-2, 1.., ..;2]).into_dyn());
    assert_eq!(ints[4].slice(s![1, .., .., ..]), cube.view());
    assert_eq!(read[5].to_array::<f64>().unwrap(), number.into_dyn());
    assert_eq!(read[6].to_array::<bool>().unwrap(), six);
    assert_eq!(read[7].to_array::<Complex<f32>>().unwrap(), complex.t().into_dyn());
    assert_eq!(read[7].to_vec::<(f32, f32)>().unwrap(), [(1.0, 2.0), (3.0, 4.0)]);
    assert_eq!(read[8].shape(), [4, 0, 2]);
}

#[test]
fn real_numbers_of_every_type_can_be_widened() {
    let widened = |tensor: Tensor| tensor.to_f64();
    let expected = Some(vec![1.0, 0.0]);
    assert_eq!(widened([f16::ONE, f16::ZERO].into()), expected);
    assert_eq!(widened([bf16::ONE, bf16::ZERO].into()), expected);
    assert_eq!(widened([1.0f32, 0.0].into()), expected);
    assert_eq!(widened([1.0f64, 0.0].into()), expected);
    assert_eq!(widened([1i8, 0].into()), expected);
    assert_eq!(widened([1i64, 0].into()), expected);
    assert_eq!(widened([1u8, 0].into()), expected);
    assert_eq!(widened([1u64, 0].into()), expected);
    assert_eq!(widened([true, false].into()), expected);
    assert_eq!(widened([(1.0f32, 0.0)].into()), None);
    assert_eq!(widened("1".into()), None);
}

#[test]
fn what_does_not_fill_its_shape_is_refused() {
    use pb::DataType::*;
    let wrong = [
        Tensor::new([2, 2], [0.5f32; 3]),
        Tensor::new([2, 2], [0.5f32; 5]),
        Tensor::new([], [0u8; 0]),
        Tensor::new([0], [1u8]),
        Tensor::new([usize::MAX, 2], [1u8]),
        Tensor::from_strings([3], ["a", "b"]),
        Tensor::from_le_bytes(DtFloat, [2], vec![0; 7]),
        Tensor::from_le_bytes(DtFloat, [usize::MAX], vec![0; 4]),
        Tensor::from_le_bytes(DtString, [1], vec![0; 1]),
        Tensor::from_le_bytes(DtResource, [1], vec![0; 1]),
        Tensor::from_le_bytes(DtFloatRef, [1], vec![0; 4]),
    ];
    for tensor in wrong {
        let error = tensor.unwrap_err();
        assert!(matches!(error, tbx::ErrorKind::Argument(_)), "{error}");
    }
}

/// TensorBoard's default loader does not know the plugin `tensor`. It keeps series whose metadata
/// has a data class.
#[test]
fn the_first_value_of_a_tag_says_its_data_class() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    for step in 0..3 {
        writer.add_tensor("t", [0.5f32], step).unwrap();
        writer.add_tensor("u", "text", step).unwrap();
    }
    writer.close().unwrap();
    let metadata: Vec<_> =
        values(writer.path().unwrap()).into_iter().map(|value| value.metadata).collect();
    let first = metadata[0].as_ref().unwrap();
    assert_eq!(first.data_class(), pb::DataClass::Tensor);
    assert_eq!(first.plugin_data.as_ref().unwrap().plugin_name, "tensor");
    assert_eq!(metadata[1], metadata[0]);
    assert!(metadata[2..].iter().all(Option::is_none));
}

#[test]
fn a_tensor_of_pytorch_is_read() {
    let loaded = load(&repository("fixtures/torch"), &tbx::LoadOptions::new());
    let run = loaded.runs.iter().find(|run| run.name == "media").unwrap();
    let series = run.get("tensor").unwrap();
    assert_eq!(series.kind(), Kind::Tensor);
    let read: Vec<_> =
        series.raw().unwrap().iter().map(|value: &RawValue| Tensor::read(value).unwrap()).collect();
    assert_eq!(read, [Tensor::from([0.0f32, 1.0, 2.0, 3.0])]);
}
