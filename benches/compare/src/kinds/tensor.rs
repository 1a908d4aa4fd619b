//! Tensors.

use tbx::Tensor;
use tfrecord::protobuf::TensorProto;

use super::{Kind, no_method};
use crate::inputs;
use crate::writers::{Own, TBOARD, TENSORFLOW, TFRECORD_UNFLUSHED, TORCH, Tboard, Tbx, Tfrecord};

const SIDE: usize = 1 << 10;
const TAG: &str = "tensor";

pub const KIND: Kind = Kind {
    name: "tensor",
    what: "tensor of 1,048,576 f32",
    calls: (100, 50),
    peers: &[
        (TFRECORD_UNFLUSHED, "without metadata: TensorBoard drops it"),
        (TBOARD, "without metadata or shape: TensorBoard drops it"),
        (TORCH, "without data class: TensorBoard's default loader drops it"),
        (TENSORFLOW, ""),
    ],
    inputs: |folder| inputs::save(folder, "tensor.f32", &values(), f32::to_le_bytes),
    write: |own, run| {
        let values = values();
        match own {
            Own::Tbx => run.calls(|writer: &mut Tbx, step| {
                Ok(writer.0.add_tensor(TAG, Tensor::new([SIDE, SIDE], &values)?, step)?)
            }),
            Own::TfrecordUnflushed => run.calls(|writer: &mut Tfrecord<false>, step| {
                let tensor = TensorProto::from_slice([SIDE, SIDE], &values)?;
                Ok(writer.0.write_tensor(TAG, step, tensor)?)
            }),
            Own::Tboard => run.calls(|writer: &mut Tboard, step| {
                Ok(writer.0.write_tensor(step, TAG, values.clone())?)
            }),
            _ => no_method(),
        }
    },
};

fn values() -> Vec<f32> {
    inputs::weights(0, SIDE * SIDE)
}
