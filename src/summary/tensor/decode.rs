//! Decodes tensors from their messages.

use bytes::Bytes;

use super::element::sealed::Image;
use super::element::size_of_element;
use super::message::{shape, strings};
use super::{Data, Tensor, elements};
use crate::error::ErrorKind;
use crate::event::pb::{DataType, TensorProto};

/// Maximum number of elements after filling up a shorter array.
const MAX_FILLED: usize = 1 << 20;
/// Offset of a reference type from the type that it refers to.
const REFERENCE: i32 = 100;

pub(super) fn tensor(message: TensorProto) -> Result<Tensor, ErrorKind> {
    let dtype = message.dtype;
    let dtype = if dtype > REFERENCE { dtype - REFERENCE } else { dtype };
    let Ok(dtype) = DataType::try_from(dtype) else {
        return Err(ErrorKind::Value(format!("a tensor of the unknown type {dtype}")));
    };
    let shape = shape(&message)?;
    let data = match dtype {
        DataType::DtString => Data::Strings(strings(message, &shape)?),
        _ => Data::Image(image(message, dtype, &shape)?),
    };
    Ok(Tensor { dtype, shape, data })
}

/// If `tensor` would fill up `message`, returns the number of elements in its typed array and in
/// its shape. A single element does not count, because it is used for all places.
pub fn filled_up(message: &TensorProto) -> Result<Option<(usize, usize)>, ErrorKind> {
    let places = elements(&shape(message)?).unwrap_or(usize::MAX);
    let found = typed_len(message);
    let is_short = message.tensor_content.is_empty() && found < places && found != 1;
    Ok(is_short.then_some((found, places)))
}

/// Total number of elements in the typed arrays.
pub fn typed_len(message: &TensorProto) -> usize {
    [
        message.float_val.len(),
        message.double_val.len(),
        message.int_val.len(),
        message.string_val.len(),
        message.scomplex_val.len() / 2,
        message.int64_val.len(),
        message.bool_val.len(),
        message.dcomplex_val.len() / 2,
        message.half_val.len(),
        message.uint32_val.len(),
        message.uint64_val.len(),
        message.float8_val.len(),
        message.resource_handle_val.len(),
        message.variant_val.len(),
    ]
    .iter()
    .sum()
}

fn image(message: TensorProto, dtype: DataType, shape: &[usize]) -> Result<Bytes, ErrorKind> {
    let name = dtype.as_str_name();
    let Some(size) = size_of_element(dtype) else {
        return Err(ErrorKind::Value(format!("a tensor of {name}, which has no numbers")));
    };
    let count = elements(shape).unwrap_or(usize::MAX);
    if !message.tensor_content.is_empty() {
        let found = message.tensor_content.len();
        if Some(found) != count.checked_mul(size) {
            return Err(ErrorKind::Value(format!("{found} bytes for {name} of {shape:?}")));
        }
        return Ok(message.tensor_content);
    }
    let mut image = typed(message, dtype)?;
    let found = image.len() / size;
    if found > count || (found < count && count > MAX_FILLED) {
        return Err(ErrorKind::Value(format!("{found} elements for {name} of {shape:?}")));
    }
    if found < count {
        let last = image.len().checked_sub(size).and_then(|start| image.get(start..));
        let last = last.map_or_else(|| vec![0; size], <[u8]>::to_vec);
        image.extend(last.repeat(count - found));
    }
    Ok(image.into())
}

/// The elements of the typed array for `dtype`, as bytes in memory
/// (`tensorflow/core/framework/tensor.proto`).
fn typed(message: TensorProto, dtype: DataType) -> Result<Vec<u8>, ErrorKind> {
    use DataType::*;
    Ok(match dtype {
        DtFloat => f32::image(&message.float_val),
        DtDouble => f64::image(&message.double_val),
        DtInt64 => i64::image(&message.int64_val),
        DtUint32 => u32::image(&message.uint32_val),
        DtUint64 => u64::image(&message.uint64_val),
        DtBool => bool::image(&message.bool_val),
        DtComplex64 => pairs(f32::image(&message.scomplex_val), 8)?,
        DtComplex128 => pairs(f64::image(&message.dcomplex_val), 16)?,
        DtHalf => halves(&message.half_val, |value| half::f16::from_f32(value).to_bits()),
        DtBfloat16 => halves(&message.half_val, |value| half::bf16::from_f32(value).to_bits()),
        // Written by PyTorch.
        DtUint8 if message.int_val.is_empty() => {
            message.uint32_val.iter().map(|value| low_byte(value.cast_signed(), 0xff)).collect()
        }
        DtInt8 | DtUint8 | DtQint8 | DtQuint8 => {
            message.int_val.iter().map(|value| low_byte(*value, 0xff)).collect()
        }
        DtInt4 | DtUint4 => message.int_val.iter().map(|value| low_byte(*value, 0x0f)).collect(),
        DtInt2 | DtUint2 => message.int_val.iter().map(|value| low_byte(*value, 0x03)).collect(),
        DtInt16 | DtUint16 | DtQint16 | DtQuint16 => {
            let words: Vec<_> = message.int_val.iter().map(|value| low_word(*value)).collect();
            u16::image(&words)
        }
        DtInt32 | DtQint32 => i32::image(&message.int_val),
        _ => message.float8_val.into(),
    })
}

/// Decodes halves. Each is normally stored as its 16 bits, zero-extended. PyTorch writes the 32
/// bits of the number as a float32 instead. For any number that a half can represent, except zero,
/// these take more than 16 bits.
fn halves(values: &[i32], round: impl Fn(f32) -> u16) -> Vec<u8> {
    let is_half = values.iter().all(|value| u16::try_from(*value).is_ok());
    let word = |value: &i32| match is_half {
        true => low_word(*value),
        false => round(f32::from_bits(value.cast_unsigned())),
    };
    let words: Vec<_> = values.iter().map(word).collect();
    u16::image(&words)
}

fn pairs(image: Vec<u8>, size: usize) -> Result<Vec<u8>, ErrorKind> {
    match image.len() % size {
        0 => Ok(image),
        _ => Err(ErrorKind::Value("a complex number without an imaginary part".into())),
    }
}

/// The low bits of an int32, which TensorFlow keeps for a narrower type.
fn low_byte(value: i32, mask: u8) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low & mask
}

fn low_word(value: i32) -> u16 {
    let [low, high, ..] = value.to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::pb::TensorShapeProto;
    use crate::summary::tensor::{Element, shape_message};
    use half::{bf16, f16};
    use prost::Message;

    /// Parses a tensor from the bytes of a message, given as hexadecimal digits.
    fn read(hex: &str) -> Result<Tensor, ErrorKind> {
        tensor(TensorProto::decode(&bytes(hex)[..]).unwrap())
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    #[track_caller]
    fn assert_reads<T>(hex: &str, shape: &[usize], expected: &[T])
    where
        T: Element + PartialEq + std::fmt::Debug,
    {
        let tensor = read(hex).unwrap();
        assert_eq!(tensor.shape(), shape);
        assert_eq!(tensor.to_vec::<T>().unwrap(), expected);
        assert_eq!(super::tensor(tensor.to_message()).unwrap(), tensor);
    }

    /// Checks bytes that are also what is written for the same tensor.
    #[track_caller]
    fn assert_same<T>(hex: &str, shape: &[usize], expected: &[T])
    where
        T: Element + PartialEq + std::fmt::Debug,
    {
        assert_reads(hex, shape, expected);
        assert_eq!(read(hex).unwrap().to_message().encode_to_vec(), bytes(hex));
    }

    /// Written by `tf.summary.write(name, tf.constant(values, dtype))`, TensorFlow 2.21.
    #[test]
    fn every_type_is_read_and_written_as_tensorflow_does() {
        let halves = [1.5, -2.0, 0.0];
        assert_same("08131204120208032206003e00c00000", &[3], &halves.map(f16::from_f32));
        assert_same("080e1204120208032206c03f00c00000", &[3], &halves.map(bf16::from_f32));
        assert_same("0801120412020803220c0000c03f000000c000000000", &[3], &[1.5f32, -2.0, 0.0]);
        let doubles = "08021204120208032218000000000000f83f00000000000000c00000000000000000";
        assert_same(doubles, &[3], &[1.5f64, -2.0, 0.0]);
        assert_same("08061204120208032203fd0207", &[3], &[-3i8, 2, 7]);
        assert_same("08051204120208032206fdff02000700", &[3], &[-3i16, 2, 7]);
        assert_same("0803120412020803220cfdffffff0200000007000000", &[3], &[-3i32, 2, 7]);
        let longs = "08091204120208032218fdffffffffffffff02000000000000000700000000000000";
        assert_same(longs, &[3], &[-3i64, 2, 7]);
        assert_same("08041204120208032203010207", &[3], &[1u8, 2, 7]);
        assert_same("08111204120208032206010002000700", &[3], &[1u16, 2, 7]);
        assert_same("0816120412020803220c010000000200000007000000", &[3], &[1u32, 2, 7]);
        let longs = "08171204120208032218010000000000000002000000000000000700000000000000";
        assert_same(longs, &[3], &[1u64, 2, 7]);
        assert_same("080a1204120208032203010001", &[3], &[true, false, true]);
        let complex = "080812041202080322180000803f0000004000000080000000bf0000404000000000";
        assert_same(complex, &[3], &[(1.0f32, 2.0), (0.0, -0.5), (3.0, 0.0)]);
        let complex = "08121204120208032230000000000000f03f00000000000000400000000000000080\
                       000000000000e0bf00000000000008400000000000000000";
        assert_same(complex, &[3], &[(1.0f64, 2.0), (0.0, -0.5), (3.0, 0.0)]);
        assert_same("080b1204120208032203010203", &[3], &[1i8, 2, 3]); // quantized, as below
        assert_same("080c1204120208032203010203", &[3], &[1u8, 2, 3]);
        assert_same("080f1204120208032206010002000300", &[3], &[1i16, 2, 3]);
        assert_same("08101204120208032206010002000300", &[3], &[1u16, 2, 3]);
        assert_same("080d120412020803220c010000000200000003000000", &[3], &[1i32, 2, 3]);
        let hex = "0807120812020802120208024201614202ff004200420164";
        let strings = read(hex).unwrap();
        assert_eq!(strings.shape(), [2, 2]);
        assert_eq!(strings.strings().unwrap(), [&b"a"[..], b"\xff\0", b"", b"d"]);
        assert_eq!(strings.to_message().encode_to_vec(), bytes(hex));
    }

    /// Written by `tf.make_tensor_proto` as a typed array; TensorFlow 2.21.
    #[test]
    fn typed_arrays_are_read_in_every_type() {
        assert_reads("08111204120208033a03010207", &[3], &[1u16, 2, 7]);
        assert_reads("080a1204120208035a03010001", &[3], &[true, false, true]);
        let complex = "08081204120208034a180000803f0000004000000080000000bf0000404000000000";
        assert_reads(complex, &[3], &[(1.0f32, 2.0), (0.0, -0.5), (3.0, 0.0)]);
        let complex = "08121204120208036230000000000000f03f00000000000000400000000000000080\
                       000000000000e0bf00000000000008400000000000000000";
        assert_reads(complex, &[3], &[(1.0f64, 2.0), (0.0, -0.5), (3.0, 0.0)]);
        let halves = TensorProto {
            dtype: DataType::DtHalf.into(),
            tensor_shape: Some(shape_message(&[2])),
            half_val: vec![0x3e00, 0xc000],
            ..Default::default()
        };
        let expected = [1.5, -2.0].map(f16::from_f32);
        assert_eq!(tensor(halves).unwrap().to_vec::<f16>().unwrap(), expected);
        let words = TensorProto {
            dtype: DataType::DtUint32.into(),
            tensor_shape: Some(shape_message(&[1])),
            uint32_val: vec![u32::MAX],
            ..Default::default()
        };
        assert_eq!(tensor(words).unwrap().to_vec::<u32>().unwrap(), [u32::MAX]);
        let words = TensorProto {
            dtype: DataType::DtUint64Ref.into(),
            tensor_shape: Some(shape_message(&[1])),
            uint64_val: vec![u64::MAX],
            ..Default::default()
        };
        assert_eq!(tensor(words).unwrap().to_vec::<u64>().unwrap(), [u64::MAX]);
    }

    /// Written by `torch.utils.tensorboard.summary.tensor_proto`, PyTorch 2.15.
    #[test]
    fn what_pytorch_writes_is_read_as_it_was_meant() {
        let halves = "08131204120208066a24808080fe0380808080fcffffffff010080808080f8ffffffff01\
                      8080809c0380c0ffbb04";
        let expected = [1.5, -2.0, 0.0, -0.0, 6e-8, 65504.0].map(f16::from_f32);
        assert_reads(halves, &[6], &expected);
        let halves = "080e1204120208046a13808080fe0380808080fcffffffff010080802c";
        assert_reads(halves, &[4], &[1.5, -2.0, 0.0, 1e-39].map(bf16::from_f32));
        assert_reads("0801120812020801120208022a080000c03f000000c0", &[1, 2], &[1.5f32, -2.0]);
        assert_reads("0802120032089a9999999999b93f", &[], &[0.1f64]);
        assert_reads("08061204120208023a0bffffffffffffffffff0102", &[2], &[-1i8, 2]);
        assert_reads("0804120412020802820103ff0102", &[2], &[255u8, 2]);
        assert_reads("08051204120208023a0bd4fdffffffffffffff0102", &[2], &[-300i16, 2]);
        assert_reads("08031204120208023a0bfdffffffffffffffff0102", &[2], &[-3i32, 2]);
        let longs = "08091204120208025210fdffffffffffffffff01808080808020";
        assert_reads(longs, &[2], &[-3i64, 1 << 40]);
        assert_reads("080a1204120208025a020100", &[2], &[true, false]);
        assert_reads("08081204120208014a080000803f00000040", &[1], &[(1.0f32, 2.0)]);
        let complex = "08121204120208026220000000000000f03f0000000000000040000000000000e03f\
                       0000000000000000";
        assert_reads(complex, &[2], &[(1.0f64, 2.0), (0.5, 0.0)]);
        assert_reads::<f32>("08011206120012020803", &[0, 3], &[]);
    }

    /// TensorFlow 2.21, as above.
    #[test]
    fn types_that_rust_has_none_for_are_bytes() {
        for (hex, bytes) in [
            ("081812041202080322033ec000", [0x3e, 0xc0, 0]), // float8_e5m2
            ("081912041202080322033cc000", [0x3c, 0xc0, 0]), // float8_e4m3fn
            ("081d12041202080322030d0207", [0x0d, 2, 7]),    // int4
            ("081d1204120208033a0cfdffffffffffffffff010207", [0x0d, 2, 7]), // int_val
            ("081e1204120208033a03010207", [1, 2, 7]),       // uint4
        ] {
            let tensor = read(hex).unwrap();
            assert_eq!((tensor.shape(), tensor.len()), (&[3][..], 3), "{hex}");
            assert_eq!(tensor.le_bytes().unwrap()[..], bytes, "{hex}");
            assert!(tensor.to_f64().is_none() && tensor.to_vec::<u8>().is_none(), "{hex}");
        }
    }

    fn floats(dims: &[i64], float_val: Vec<f32>) -> TensorProto {
        TensorProto {
            dtype: DataType::DtFloat.into(),
            tensor_shape: Some(shape_message(dims)),
            float_val,
            ..Default::default()
        }
    }

    #[test]
    fn an_array_that_is_too_short_is_filled_as_in_tensorflow() {
        let read = |dims: &[i64], values: &[f32]| {
            tensor(floats(dims, values.to_vec())).unwrap().to_vec::<f32>().unwrap()
        };
        assert_eq!(read(&[2, 2], &[0.5]), [0.5; 4]);
        assert_eq!(read(&[4], &[0.5, 1.5]), [0.5, 1.5, 1.5, 1.5]);
        assert_eq!(read(&[3], &[]), [0.0; 3]);
        assert_eq!(read(&[], &[]), [0.0]);
        assert_eq!(read(&[1 << 20], &[1.0]).len(), 1 << 20);
    }

    #[test]
    fn nothing_is_allocated_because_a_shape_says_so() {
        for dims in [&[(1 << 20) + 1][..], &[1 << 40], &[1 << 20, 1 << 20], &[i64::MAX, i64::MAX]] {
            for values in [vec![], vec![1.0]] {
                let error = tensor(floats(dims, values)).unwrap_err();
                assert!(matches!(error, ErrorKind::Value(_)), "{error}");
            }
        }
        assert!(tensor(floats(&[0, i64::MAX], vec![])).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_tensor_is_refused() {
        let refused = [
            TensorProto::default(),
            TensorProto { dtype: 77, ..Default::default() },
            TensorProto { dtype: i32::MIN, ..Default::default() },
            TensorProto { dtype: DataType::DtResource.into(), ..Default::default() },
            TensorProto { dtype: DataType::DtVariant.into(), ..Default::default() },
            floats(&[-1], vec![1.0]),
            floats(&[2], vec![1.0, 2.0, 3.0]),
            floats(&[0], vec![1.0]),
            TensorProto { tensor_content: vec![0; 7].into(), ..floats(&[2], vec![]) },
            TensorProto { tensor_content: vec![0; 12].into(), ..floats(&[2], vec![]) },
            TensorProto {
                dtype: DataType::DtComplex64.into(),
                tensor_shape: Some(shape_message(&[2])),
                scomplex_val: vec![1.0, 2.0, 3.0],
                ..Default::default()
            },
            TensorProto {
                dtype: DataType::DtString.into(),
                tensor_content: vec![1, b'a'].into(),
                ..Default::default()
            },
        ];
        for message in refused {
            let error = tensor(message.clone()).unwrap_err();
            assert!(matches!(error, ErrorKind::Value(_)), "{message:?}: {error}");
        }
        let unknown = TensorShapeProto { unknown_rank: true, ..Default::default() };
        let number = TensorProto { tensor_shape: Some(unknown), ..floats(&[], vec![0.5]) };
        assert_eq!(tensor(number).unwrap().to_f64().unwrap(), [0.5]);
    }
}
