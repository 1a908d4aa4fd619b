//! Tensors as NumPy files; texts as a table; other strings unchanged, one file each.

use bytes::Bytes;

use super::Extractor;
use super::piece::{Facts, Part, Piece, numbered};
use super::text::csv;
use tbx::error::ErrorKind;
use tbx::event::pb::DataType;
use tbx::summary::Kind;
use tbx::summary::tensor::Tensor;

pub(super) const EXTRACTOR: Extractor = Extractor {
    name: "tensor",
    about: "tensors that no dashboard shows: .npy; texts as CSV, other strings unchanged",
    kind: Some(Kind::Tensor),
    make,
};

/// Bytes before the text of a header (`numpy/lib/_format_impl.py`, version 1.0).
const MAGIC: &[u8] = b"\x93NUMPY\x01\0";
/// Elements start at a multiple of this offset.
const ALIGNMENT: usize = 64;

fn make(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let [part] = parts else { return Ok(Vec::new()) };
    if part.value.bytes.is_empty() {
        return Ok(Vec::new()); // PyTorch writes this for a video that it cannot encode
    }
    let tensor = Tensor::read(&part.value)?;
    let facts = Facts {
        shape: Some(tensor.shape().to_vec()),
        dtype: Some(name(tensor.dtype())),
        ..Facts::default()
    };
    if let Some(strings) = tensor.strings() {
        let is_text = |bytes: &Bytes| str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
        if strings.len() != 1 && strings.iter().all(is_text) {
            let bytes = csv(parts, strings, tensor.shape())?;
            return Ok(vec![Piece { extension: "csv", bytes, facts, ..Piece::default() }]);
        }
        let piece = |bytes: Bytes| {
            let extension = if is_text(&bytes) { "txt" } else { "bin" };
            Piece { extension, bytes, facts: facts.clone(), ..Piece::default() }
        };
        return Ok(numbered(strings.to_vec(), piece));
    }
    let bytes = npy(&tensor).into();
    Ok(vec![Piece { extension: "npy", bytes, facts, ..Piece::default() }])
}

/// Encodes the array as a NumPy file.
fn npy(tensor: &Tensor) -> Vec<u8> {
    let image = match tensor.dtype() {
        // NumPy has no such type; float32 represents all of its numbers.
        DataType::DtBfloat16 => {
            let values = tensor.to_vec::<half::bf16>().unwrap_or_default();
            let floats = values.into_iter().map(half::bf16::to_f32);
            Bytes::from(floats.flat_map(f32::to_le_bytes).collect::<Vec<_>>())
        }
        _ => tensor.le_bytes().cloned().unwrap_or_default(),
    };
    let sizes: String = tensor.shape().iter().map(|size| format!("{size}, ")).collect();
    // A trailing comma is allowed after several sizes, and required after a single one.
    let shape = sizes.trim_end();
    let descr = descr(tensor.dtype());
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let unpadded = MAGIC.len() + 2 + text.len() + 1;
    let padded = unpadded.next_multiple_of(ALIGNMENT);
    let mut file = Vec::with_capacity(padded + image.len());
    file.extend_from_slice(MAGIC);
    let header_len = u16::try_from(padded - MAGIC.len() - 2).unwrap_or(u16::MAX);
    file.extend_from_slice(&header_len.to_le_bytes());
    file.extend_from_slice(text.as_bytes());
    file.resize(padded - 1, b' ');
    file.push(b'\n');
    file.extend_from_slice(&image);
    file
}

/// NumPy's name for the type of the elements in a file. Types that NumPy lacks, 8-bit floats and
/// integers below 8 bits, are stored as bytes.
fn descr(dtype: DataType) -> &'static str {
    use DataType::*;
    match dtype {
        DtHalf => "<f2",
        DtFloat | DtBfloat16 => "<f4",
        DtDouble => "<f8",
        DtInt8 | DtQint8 => "|i1",
        DtInt16 | DtQint16 => "<i2",
        DtInt32 | DtQint32 => "<i4",
        DtInt64 => "<i8",
        DtUint16 | DtQuint16 => "<u2",
        DtUint32 => "<u4",
        DtUint64 => "<u8",
        DtBool => "|b1",
        DtComplex64 => "<c8",
        DtComplex128 => "<c16",
        _ => "|u1",
    }
}

/// Name of the type in the log, as used by NumPy and related libraries.
fn name(dtype: DataType) -> &'static str {
    use DataType::*;
    match dtype {
        DtHalf => "float16",
        DtFloat => "float32",
        DtDouble => "float64",
        DtBfloat16 => "bfloat16",
        DtFloat8E5m2 => "float8_e5m2",
        DtFloat8E4m3fn => "float8_e4m3fn",
        DtFloat8E4m3fnuz => "float8_e4m3fnuz",
        DtFloat8E4m3b11fnuz => "float8_e4m3b11fnuz",
        DtFloat8E5m2fnuz => "float8_e5m2fnuz",
        DtFloat4E2m1fn => "float4_e2m1fn",
        DtInt2 => "int2",
        DtInt4 => "int4",
        DtInt8 => "int8",
        DtInt16 => "int16",
        DtInt32 => "int32",
        DtInt64 => "int64",
        DtUint2 => "uint2",
        DtUint4 => "uint4",
        DtUint8 => "uint8",
        DtUint16 => "uint16",
        DtUint32 => "uint32",
        DtUint64 => "uint64",
        DtQint8 => "qint8",
        DtQint16 => "qint16",
        DtQint32 => "qint32",
        DtQuint8 => "quint8",
        DtQuint16 => "quint16",
        DtBool => "bool",
        DtComplex64 => "complex64",
        DtComplex128 => "complex128",
        DtString => "string",
        other => other.as_str_name(),
    }
}
