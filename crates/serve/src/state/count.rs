//! The number of blobs of a value, from its first bytes.

/// Larger numbers are not believed: then the value is read.
const MAX_BLOBS: u64 = 10_000;

/// Field numbers of `Event`, `Summary`, `Summary.Value`, `TensorProto`, `TensorShapeProto` and its `Dim`.
const SUMMARY: u64 = 5;
const VALUE: u64 = 1;
const IMAGE: u64 = 4;
const AUDIO: u64 = 6;
const TENSOR: u64 = 8;
const SHAPE: u64 = 2;
const DIM: u64 = 2;
const SIZE: u64 = 1;

/// The length of the first dimension of the tensor in the first bytes of an event or of a value; 1 for an image or a clip
/// of v1. `None` if they do not show it. Tags and shapes are before the content in what all known writers write.
pub(super) fn first_dimension(head: &[u8], is_event: bool) -> Option<usize> {
    let value = match is_event {
        true => content(content(head, SUMMARY)?.0, VALUE)?.0,
        false => head,
    };
    let payload = Fields(value).find(|(number, _)| [IMAGE, AUDIO, TENSOR].contains(number))?;
    let tensor = match payload {
        (TENSOR, Field::Bytes(tensor, _)) => tensor,
        _ => return Some(1),
    };
    let (shape, true) = content(tensor, SHAPE)? else { return None };
    let (dim, true) = content(shape, DIM)? else { return None };
    match Fields(dim).find(|(number, _)| *number == SIZE)? {
        (_, Field::Number(size)) if size <= MAX_BLOBS => usize::try_from(size).ok(),
        _ => None,
    }
}

/// The content of the first field of this number, and whether it is whole.
fn content(message: &[u8], number: u64) -> Option<(&[u8], bool)> {
    match Fields(message).find(|(own, _)| *own == number)? {
        (_, Field::Bytes(content, is_whole)) => Some((content, is_whole)),
        _ => None,
    }
}

enum Field<'a> {
    Number(u64),
    /// The bytes that are there, and whether these are all.
    Bytes(&'a [u8], bool),
}

/// The fields of a message that may be cut anywhere.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, len: u64) -> Field<'a> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let (content, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        Field::Bytes(content, content.len() == len)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => self.take(8),
            2 => {
                let len = self.varint()?;
                self.take(len)
            }
            5 => self.take(4),
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use tbx::pb::event::What;
    use tbx::pb::summary::value::Value as Content;
    use tbx::pb::tensor_shape_proto::Dim;
    use tbx::pb::{Event, Summary, TensorProto, TensorShapeProto, summary};

    use super::*;

    fn value(count: i64) -> summary::Value {
        let dims = [count, 2].map(|size| Dim { size, ..Default::default() });
        let shape = TensorShapeProto { dim: dims.to_vec(), ..Default::default() };
        let tensor = TensorProto {
            tensor_shape: Some(shape),
            string_val: vec![vec![7; 100_000].into(); 3],
            ..Default::default()
        };
        summary::Value {
            tag: "t".repeat(300),
            value: Some(Content::Tensor(tensor)),
            ..Default::default()
        }
    }

    #[test]
    fn the_first_bytes_show_the_number() {
        let event = |value| Event {
            wall_time: 1.0,
            step: 7,
            what: Some(What::Summary(Summary { value: vec![value] })),
            ..Default::default()
        };
        let head = |message: Vec<u8>, len| message[..len].to_vec();
        assert_eq!(first_dimension(&head(value(5).encode_to_vec(), 1024), false), Some(5));
        assert_eq!(first_dimension(&head(event(value(5)).encode_to_vec(), 1024), true), Some(5));
        assert_eq!(first_dimension(&value(1 << 40).encode_to_vec(), false), None);
        assert_eq!(first_dimension(&value(-1).encode_to_vec(), false), None);
        let whole = event(value(5)).encode_to_vec();
        // However much is there, the number is right or not known.
        for len in 0..400 {
            let found = first_dimension(&whole[..len], true);
            assert!(matches!(found, None | Some(5)), "{len}: {found:?}");
        }
        for hostile in [&b"\xff"[..], &[0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x0b; 40], &[0; 9]] {
            assert_eq!(first_dimension(hostile, true), None);
        }
    }
}
