//! Values as they stand in the log, for those who decode them.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use prost::Message;

use super::tensor::{shape, strings};
use crate::error::ErrorKind;
use crate::event::pb;

/// One value of a series that is not a scalar: its serialized message, not yet decoded.
///
/// A slice of the mapped file where the file is mapped; each kind has a type that reads it,
/// for example [`Histogram::read`](crate::summary::histogram::Histogram::read).
#[derive(Clone, PartialEq, Eq)]
pub struct RawValue {
    /// Which message it is.
    pub form: Form,
    /// The serialized message; empty for [`Form::None`].
    pub bytes: Bytes,
}

/// The message that a [`RawValue`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// None: the value was metadata only.
    None,
    /// No message but a float32: a v1 scalar. Series of scalars have columns, not these.
    Simple,
    /// `TensorProto`: every v2 value.
    Tensor,
    /// `HistogramProto`: a v1 histogram.
    Histo,
    /// `Summary.Image`: a v1 picture.
    Image,
    /// `Summary.Audio`: a v1 clip.
    Audio,
    /// `GraphDef`, from an event of its own.
    GraphDef,
    /// `RunMetadata`, from an event of its own.
    RunMetadata,
}

impl RawValue {
    /// The tensor of a v2 value; a value without a payload is an empty one, as in TensorBoard.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: it is a v1 value, or not a readable tensor.
    pub fn tensor(&self) -> Result<pb::TensorProto, ErrorKind> {
        match self.form {
            Form::Tensor => decode(&self.bytes, "tensor"),
            Form::None => Ok(pb::TensorProto::default()),
            _ => Err(ErrorKind::Value(format!("a {:?} where a tensor should be", self.form))),
        }
    }

    /// The strings of a v2 value, each as bytes, and their dimensions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the value is not a tensor of strings, or has fewer or more than
    /// its shape says. One string stands for all, as in TensorBoard.
    pub fn strings(&self) -> Result<(Vec<Bytes>, Vec<usize>), ErrorKind> {
        let tensor = self.tensor()?;
        let shape = shape(&tensor)?;
        Ok((strings(tensor, &shape)?, shape))
    }
}

impl fmt::Debug for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(<{} bytes>)", self.form, self.bytes.len())
    }
}

/// The message in `bytes`. Payloads in it stay slices of `bytes`.
pub(super) fn decode<M: Message + Default>(bytes: &Bytes, what: &str) -> Result<M, ErrorKind> {
    M::decode(bytes.clone()).map_err(|error| ErrorKind::Value(format!("not a {what}: {error}")))
}

/// Text in which invalid UTF-8 is replaced.
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
