//! Errors.

use std::fmt;

use candle_core::Tensor;

/// Why a tensor could not be logged.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The log could not be written, or the values cannot be logged.
    Log(tbx::Error),
    /// The tensor could not be read from its device or converted.
    Tensor(candle_core::Error),
    /// The tensor has another shape than is needed.
    Shape {
        /// The tag of the value.
        tag: String,
        /// The shape that is needed, for example `4 dimensions`.
        needed: &'static str,
        /// The dimensions of the tensor.
        dims: Vec<usize>,
    },
}

impl Error {
    pub(crate) fn shape(tag: &str, needed: &'static str, tensor: &Tensor) -> Self {
        Self::Shape { tag: tag.into(), needed, dims: tensor.dims().to_vec() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(error) => error.fmt(f),
            Self::Tensor(error) => write!(f, "a tensor cannot be read: {error}"),
            Self::Shape { tag, needed, dims } => {
                write!(f, "tag {tag:?}: the tensor has the shape {dims:?}, but needs {needed}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Log(error) => Some(error),
            Self::Tensor(error) => Some(error),
            Self::Shape { .. } => None,
        }
    }
}

impl From<tbx::Error> for Error {
    fn from(error: tbx::Error) -> Self {
        Self::Log(error)
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(error)
    }
}
