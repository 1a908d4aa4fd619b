//! Values as stored in the log, not yet decoded.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use prost::Message;

use super::Form;
use super::tensor::{shape, strings};
use crate::error::ErrorKind;
use crate::event::pb;

/// One value of a series that is not a scalar: its serialized message, not yet decoded.
///
/// If the file is mapped, the bytes are a slice of the map. Each kind has a type that decodes it,
/// for example [`Histogram::read`](crate::summary::histogram::Histogram::read).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawValue {
    /// Type of the message.
    pub form: Form,
    /// The serialized message; empty for [`Form::None`].
    pub bytes: Bytes,
}

impl RawValue {
    /// The serialized message `bytes` of type `form`.
    pub fn new(form: Form, bytes: impl Into<Bytes>) -> Self {
        Self { form, bytes: bytes.into() }
    }

    /// Returns the tensor of a v2 value. A value without a payload gives an empty tensor, as in
    /// TensorBoard.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: this is a v1 value, or the tensor cannot be parsed.
    pub fn tensor(&self) -> Result<pb::TensorProto, ErrorKind> {
        match self.form {
            Form::Tensor => decode(&self.bytes, "tensor"),
            Form::None => Ok(pb::TensorProto::default()),
            _ => Err(ErrorKind::Value(format!("a {:?} instead of a tensor", self.form))),
        }
    }

    /// Returns the strings of a v2 value as bytes, and their dimensions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the value is not a tensor of strings, or the number of strings does
    /// not match its shape. A single string is repeated to fill the shape, as in TensorBoard.
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

/// Decodes the message in `bytes`. Its payloads remain slices of `bytes`.
pub(super) fn decode<M: Message + Default>(bytes: &Bytes, what: &str) -> Result<M, ErrorKind> {
    M::decode(bytes.clone()).map_err(|error| ErrorKind::Value(format!("not a {what}: {error}")))
}

/// Converts bytes to text and replaces invalid UTF-8.
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
