//! Values whose bytes do not match their kind.

use prost::Message;
use tbx::summary::Form;
use tbx::{
    Category, Chart, ChartLayout, Histogram, Images, Kind, Margin, Mesh, MeshComponent, Metadata,
    PrCurve, PrCurveOptions, RawValue, Tensor, Text, pb,
};

use crate::common::Rng;

/// Messages of sound values, each with its metadata.
fn sound() -> Vec<(Metadata, Vec<u8>)> {
    let curve = PrCurve::new([1, 0], [0.5, 0.25], &PrCurveOptions::new().thresholds(3)).unwrap();
    let mesh = Mesh::new(&[[0.0; 3], [1.0; 3]]).unwrap().with_faces(&[[0, 1, 1]]).unwrap();
    let layout = ChartLayout::new().category(
        Category::new("c")
            .chart(Chart::multiline("a", ["x", "y"]))
            .chart(Chart::margin("b", [Margin::new("x", "y", "z")])),
    );
    let tensor = Tensor::new([2, 2], [0.5f32, 1.0, 1.5, 2.0]).unwrap();
    let typed = pb::TensorProto { float_val: vec![0.5; 3], ..Tensor::from([0u32; 0]).to_message() };
    let halves =
        pb::TensorProto { half_val: vec![1, -1], ..Tensor::from(half::f16::ONE).to_message() };
    let mut values = mesh.to_v2("mesh").unwrap();
    values.push(curve.to_v2("pr").unwrap());
    values.push(layout.to_v2().unwrap());
    values.push(tbx::summary::tensor::v2("tensor", &tensor));
    values.push(Text::table([["a", "b"], ["c", "d"]]).unwrap().into_v2("text").unwrap());
    values.push(Histogram::uniform([1.0, 2.0], 2).to_v2("histogram"));
    let mut sound: Vec<_> = values
        .into_iter()
        .map(|value| {
            let Some(pb::summary::value::Value::Tensor(tensor)) = value.value else { panic!() };
            (Metadata::of(Form::Tensor, value.metadata.as_ref()), tensor.encode_to_vec())
        })
        .collect();
    for message in [typed, halves] {
        sound.push((Metadata::new(Kind::Tensor), message.encode_to_vec()));
    }
    sound
}

/// Reads a value as every kind and returns the number of kinds that accept it.
fn read_as_everything(metadata: &Metadata, value: &RawValue) -> usize {
    let taken = [
        Tensor::read(value).map(|tensor| drop((tensor.to_f64(), tensor.to_vec::<u8>()))).is_ok(),
        Text::read(value).is_ok(),
        Histogram::read(value).is_ok(),
        Images::read(value).is_ok(),
        PrCurve::read(value).is_ok(),
        ChartLayout::read(value).is_ok(),
        MeshComponent::read(metadata, value)
            .map(|component| drop(Mesh::from_components([component])))
            .is_ok(),
    ];
    taken.into_iter().filter(|taken| *taken).count()
}

#[test]
fn no_bytes_of_a_value_make_a_reader_panic() {
    let mut rng = Rng(7);
    let mut taken = 0;
    for (metadata, message) in sound() {
        for round in 0..3000 {
            let (mut bytes, mut content) = (message.clone(), metadata.content.to_vec());
            for part in [&mut bytes, &mut content] {
                for _ in 0..rng.below(4) {
                    let at = rng.below(part.len().max(1));
                    match part.get_mut(at) {
                        Some(byte) if round % 3 == 0 => *byte ^= 1 << rng.below(8),
                        Some(byte) if round % 3 == 1 => *byte = rng.next() as u8,
                        _ => part.truncate(at),
                    }
                }
            }
            let mut metadata = metadata.clone();
            metadata.content = content.into();
            for form in [Form::Tensor, Form::None, Form::Image] {
                let value = RawValue::new(form, bytes.clone());
                taken += read_as_everything(&metadata, &value);
            }
        }
    }
    assert!(taken > 1000, "{taken} values were read");
}
