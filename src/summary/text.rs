//! Text: strings, which TensorBoard renders as Markdown.
//!
//! A tensor of strings under the plugin `text`: rank 0 is one text, rank 1 and 2 are a table
//! (`tensorboard/plugins/text/summary_v2.py`). There is no v1 form. PyTorch appends
//! `/text_summary` to the tag and writes shape `[1]`, which shows as a table of one cell; tbx,
//! as TensorFlow 2, does neither.

use super::raw::lossy;
use super::tensor::value;
use super::{Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;

/// A text, or a table of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The dimensions: none for one text, one or two for a list or a table.
    pub shape: Vec<usize>,
    /// The strings in row-major order. Bytes that are not UTF-8 are replaced.
    pub strings: Vec<String>,
}

impl Text {
    /// Reads a value of a text series.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        let (strings, shape) = value.strings()?;
        let strings = strings.iter().map(|bytes| lossy(bytes).into_owned()).collect();
        Ok(Self { shape, strings })
    }
}

/// The value of one text.
pub fn v2(tag: &str, text: &str) -> pb::summary::Value {
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtString.into(),
        tensor_shape: Some(pb::TensorShapeProto::default()),
        string_val: vec![text.as_bytes().to_vec().into()],
        ..Default::default()
    };
    value(tag, Kind::Text, tensor)
}
