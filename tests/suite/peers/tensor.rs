//! Tensors, whose numbers and strings can be in different fields.

use half::{bf16, f16};
use protox::prost_reflect::{DynamicMessage, ReflectMessage, Value};

use super::fields::{Fields, Opener, text};

/// Adds the type, shape and contents of a tensor, and the field of the contents.
///
/// Reads the same fields as `make_ndarray` in `tensorboard/util/tensor_util.py`, except that 16-bit
/// floats and small unsigned integers are read from any field.
pub(super) fn fields(
    tensor: &DynamicMessage,
    path: &str,
    opener: &mut Opener,
    fields: &mut Fields,
) {
    let mut dtype = String::new();
    let mut elements = Elements::default();
    let shape = shape(tensor);
    for (field, value) in tensor.fields() {
        let name = field.name();
        match (name, value) {
            ("tensor_shape", _) => {}
            ("dtype", _) => {
                let number = value.as_enum_number().unwrap();
                let kind = field.kind();
                dtype = kind.as_enum().unwrap().get_value(number).unwrap().name().to_owned();
                fields.insert(format!("{path}.dtype"), dtype.clone());
            }
            ("tensor_content", Value::Bytes(bytes)) => {
                elements =
                    Elements { field: name.into(), numbers: image(&dtype, bytes), strings: vec![] };
            }
            ("string_val", Value::List(list)) => {
                let strings = list.iter().map(|one| one.as_bytes().unwrap().to_vec()).collect();
                elements = Elements { field: name.into(), numbers: vec![], strings };
            }
            (_, Value::List(list)) => {
                let numbers = list.iter().map(|one| number(&dtype, one)).collect();
                elements = Elements { field: name.into(), numbers, strings: vec![] };
            }
            other => panic!("a tensor with {other:?}"),
        }
    }
    if let Some(shape) = &shape {
        fields.insert(format!("{path}.tensor_shape"), format!("{shape:?}"));
    }
    if !elements.field.is_empty() {
        fields.insert(format!("{path}.elements in"), elements.field.clone());
    }
    // A single element is repeated for all.
    let count = shape.iter().flatten().product::<i64>() as usize;
    if let ([only], 2..) = (elements.numbers.as_slice(), count) {
        elements.numbers = vec![only.clone(); count];
    }
    if !elements.numbers.is_empty() {
        fields.insert(format!("{path}.elements"), elements.numbers.join(" "));
    }
    for (i, string) in elements.strings.iter().enumerate() {
        opener.string(string, &format!("{path}.elements[{i}]"), fields);
    }
}

#[derive(Default)]
struct Elements {
    field: String,
    numbers: Vec<String>,
    strings: Vec<Vec<u8>>,
}

/// The shape; `None` if the message has none.
fn shape(tensor: &DynamicMessage) -> Option<Vec<i64>> {
    let field = tensor.descriptor().get_field_by_name("tensor_shape").unwrap();
    if !tensor.has_field(&field) {
        return None;
    }
    let shape = tensor.get_field(&field);
    let dims = shape.as_message().unwrap().get_field_by_name("dim").unwrap().into_owned();
    let size = |dim: &Value| {
        dim.as_message().unwrap().get_field_by_name("size").unwrap().as_i64().unwrap()
    };
    Some(dims.as_list().unwrap().iter().map(size).collect())
}

/// A number of one of the typed fields.
fn number(dtype: &str, value: &Value) -> String {
    match (dtype, value) {
        ("DT_HALF", Value::I32(bits @ 0..=0xffff)) => f16::from_bits(*bits as u16).to_string(),
        ("DT_BFLOAT16", Value::I32(bits @ 0..=0xffff)) => bf16::from_bits(*bits as u16).to_string(),
        ("DT_HALF" | "DT_BFLOAT16", Value::I32(bits)) => format!("bits {bits:#x}"),
        (_, Value::Bool(value)) => u8::from(*value).to_string(),
        (_, Value::F32(value)) => value.to_string(),
        (_, Value::F64(value)) => value.to_string(),
        _ => text(value),
    }
}

/// The numbers whose memory representation is `bytes`.
fn image(dtype: &str, bytes: &[u8]) -> Vec<String> {
    macro_rules! numbers {
        ($type:ty) => {{
            let places = bytes.as_chunks::<{ size_of::<$type>() }>().0;
            places.iter().map(|place| <$type>::from_le_bytes(*place).to_string()).collect()
        }};
    }
    match dtype {
        "DT_FLOAT" | "DT_COMPLEX64" => numbers!(f32),
        "DT_DOUBLE" | "DT_COMPLEX128" => numbers!(f64),
        "DT_HALF" => numbers!(f16),
        "DT_BFLOAT16" => numbers!(bf16),
        "DT_INT8" => numbers!(i8),
        "DT_INT16" => numbers!(i16),
        "DT_INT32" => numbers!(i32),
        "DT_INT64" => numbers!(i64),
        "DT_UINT8" | "DT_BOOL" => numbers!(u8),
        "DT_UINT64" => numbers!(u64),
        other => panic!("an image of {other}"),
    }
}
