//! Tensors: what is decoded can be encoded and decoded again with the same result, and its accessors agree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::event::{Number, TensorRef};
use tbx::prost::Message;
use tbx::summary::Form;
use tbx::{Tensor, pb};
use tbx_fuzz::{raw, raw_tensor};

fuzz_target!(|data: &[u8]| {
    let value = raw(Form::Tensor, data);
    let read = Tensor::read(&value);
    let strings = value.strings();
    let Ok(message) = pb::TensorProto::decode(data) else {
        assert!(read.is_err(), "prost refuses it");
        return;
    };
    let number = TensorRef::parse(data).expect("prost takes it").number().expect("prost takes it");
    let Ok(tensor) = read else { return };

    let shape = tensor.shape();
    let places = if shape.contains(&0) { 0 } else { shape.iter().product() };
    assert_eq!((tensor.len(), tensor.is_empty()), (places, places == 0));
    let again = raw_tensor(&tensor.to_message());
    assert_eq!(Tensor::read(&again).expect("what was written can be read"), tensor);
    match tensor.strings() {
        Some(texts) => {
            assert!(tensor.to_f64().is_none() && tensor.le_bytes().is_none());
            let (seen, shape) = strings.expect("a tensor of strings");
            assert_eq!((seen.as_slice(), shape.as_slice()), (texts, tensor.shape()));
        }
        None => {
            let bytes = tensor.le_bytes().expect("numbers");
            let same = Tensor::from_le_bytes(tensor.dtype(), tensor.shape(), bytes.clone());
            assert_eq!(same.expect("as many bytes as before"), tensor);
        }
    }
    // A single number is read without the rest. It need not be there: a tensor may be filled up.
    if let (Some(number), Some([wide])) = (number, tensor.to_f64().as_deref())
        && message.dtype == i32::from(tensor.dtype())
    {
        let number = match number {
            Number::F32(number) => number.into(),
            Number::F64(number, dtype) => {
                assert_eq!(dtype, tensor.dtype());
                number
            }
        };
        // PyTorch stores a half as a float32; a tensor rounds it, a single number does not.
        let number = match tensor.dtype() {
            pb::DataType::DtHalf => tbx::half::f16::from_f64(number).into(),
            pb::DataType::DtBfloat16 => tbx::half::bf16::from_f64(number).into(),
            _ => number,
        };
        assert!(number == *wide || (number.is_nan() && wide.is_nan()), "{number} and {wide}");
    }
});
