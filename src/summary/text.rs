//! Text: strings that TensorBoard renders as Markdown.
//!
//! The value is a tensor of strings with the plugin `text`. Rank 0 is one text, rank 1 a table of
//! one column, and rank 2 a table. For higher ranks, TensorBoard shows the first such table, with a
//! warning (`tensorboard/plugins/text/text_plugin.py`, `text_array_to_html`). There is no v1 form.
//! PyTorch appends `/text_summary` to the tag and writes shape `[1]`, which appears as a table with
//! one cell. Like TensorFlow 2, tbx does neither.

use bytes::Bytes;

use super::raw::lossy;
use super::tensor::{dims, elements, shape_message, value};
use super::{Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;

/// A text, or a list or table of them.
///
/// ```
/// use tbx::Text;
///
/// let one = Text::from("some **Markdown**");
/// let list = Text::list(["first row", "second row"]);
/// let table = Text::table([["model", "loss"], ["small", "0.25"]])?;
/// assert_eq!((one.shape, list.shape, table.shape), (vec![], vec![2], vec![2, 2]));
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    /// The dimensions: none for a single text, one for a list, two for a table.
    pub shape: Vec<usize>,
    /// The strings in row-major order. Bytes that are not UTF-8 are replaced.
    pub strings: Vec<String>,
}

impl Text {
    /// Strings in row-major order with these dimensions; see [`list`](Self::list) and [`table`](Self::table) for the
    /// ones that TensorBoard shows.
    pub fn new(
        shape: impl Into<Vec<usize>>,
        strings: impl IntoIterator<Item: Into<String>>,
    ) -> Self {
        Self { shape: shape.into(), strings: strings.into_iter().map(Into::into).collect() }
    }
}

impl Text {
    /// Creates a list of texts, shown as a table with one text per row.
    pub fn list(texts: impl IntoIterator<Item: Into<String>>) -> Self {
        let strings: Vec<_> = texts.into_iter().map(Into::into).collect();
        Self { shape: vec![strings.len()], strings }
    }

    /// Creates a table, given row by row. TensorBoard shows no header: the first row is like any
    /// other.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a row has more or fewer cells than the first.
    pub fn table(
        rows: impl IntoIterator<Item: IntoIterator<Item: Into<String>>>,
    ) -> Result<Self, ErrorKind> {
        let (mut strings, mut count, mut width) = (Vec::new(), 0, 0);
        for row in rows {
            let start = strings.len();
            strings.extend(row.into_iter().map(Into::into));
            let cells = strings.len() - start;
            if count == 0 {
                width = cells;
            } else if cells != width {
                let what = format!("row {count} of a table has {cells} cells, row 0 has {width}");
                return Err(ErrorKind::Argument(what));
            }
            count += 1;
        }
        Ok(Self { shape: vec![count, width], strings })
    }

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

    /// The value for a text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the number of strings does not match the shape.
    pub fn into_v2(self, tag: &str) -> Result<pb::summary::Value, ErrorKind> {
        let Self { shape, strings } = self;
        if elements(&shape) != Some(strings.len()) {
            let found = strings.len();
            let what = format!("a text of shape {shape:?} with {found} strings");
            return Err(ErrorKind::Argument(what));
        }
        Ok(tensor(tag, &shape, strings))
    }
}

/// A single text.
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { shape: Vec::new(), strings: vec![text] }
    }
}

/// A single text.
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A single text.
impl From<&String> for Text {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

/// The value for a single text.
pub fn v2(tag: &str, text: &str) -> pb::summary::Value {
    tensor(tag, &[], vec![text.into()])
}

fn tensor(tag: &str, shape: &[usize], strings: Vec<String>) -> pb::summary::Value {
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtString.into(),
        tensor_shape: Some(shape_message(&dims(shape))),
        string_val: strings.into_iter().map(Bytes::from).collect(),
        ..Default::default()
    };
    value(tag, Kind::Text, tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_rows_of_different_lengths_is_refused() {
        let error = Text::table([vec!["a", "b"], vec!["c"]]).unwrap_err();
        assert_eq!(error.to_string(), "row 1 of a table has 1 cells, row 0 has 2");
        assert!(Text::table([vec![], vec!["a"]]).is_err());
        let empty: [[&str; 0]; 3] = [[]; 3];
        assert_eq!(Text::table(empty).unwrap().shape, [3, 0]);
        assert_eq!(Text::table([[""; 2]; 0]).unwrap().shape, [0, 0]);
    }

    #[test]
    fn a_text_whose_shape_is_wrong_is_refused() {
        let text = |shape: &[usize], strings: &[&str]| Text {
            shape: shape.to_vec(),
            ..Text::list(strings.iter().copied())
        };
        for wrong in [text(&[2, 2], &["a"; 3]), text(&[], &[]), text(&[usize::MAX, 2], &["a"])] {
            let error = wrong.clone().into_v2("t").unwrap_err();
            assert!(matches!(error, ErrorKind::Argument(_)), "{wrong:?}: {error}");
        }
    }
}
