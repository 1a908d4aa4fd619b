//! Tensors: arrays of any shape and element type.
//!
//! On the wire, every v2 value of every kind is a tensor. Values of this kind are not shown by any
//! dashboard; they are for programs that read the log. PyTorch's `add_tensor` gives them the plugin
//! name `tensor` but no data class, without which TensorBoard's default loader drops the series.
//! tbx writes the same name, and the data class.

#[cfg(feature = "ndarray")]
mod array;
mod decode;
mod element;
mod message;

use std::fmt;

use bytes::Bytes;

#[doc(hidden)]
pub use self::decode::{filled_up, typed_len};
pub use self::element::Element;
use self::element::{same_image, size_of_element};
pub(super) use self::message::{described, dims, shape, shape_message, strings, value};
use super::{Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;

/// An array: its element type, its dimensions and its elements in row-major order.
///
/// ```
/// use tbx::Tensor;
///
/// let matrix = Tensor::new([2, 3], [0.5f32, 1.0, 1.5, 2.0, 2.5, 3.0])?;
/// assert_eq!(matrix.shape(), [2, 3]);
/// assert_eq!(matrix.to_vec::<f32>().unwrap()[2], 1.5);
/// let number = Tensor::from(7u8); // rank 0
/// let list = Tensor::from([true, false]); // rank 1
/// let names = Tensor::from_strings([2], ["cat", "dog"])?;
/// assert_eq!((number.len(), list.len(), names.len()), (1, 2, 2));
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
///
/// A tensor keeps the bytes of the log, so reading one copies nothing. Two tensors are equal if
/// their bytes are, even if they contain NaN. With the feature `ndarray`, tensors can be converted
/// from arrays of any dimension and strides, and back to arrays.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    dtype: pb::DataType,
    shape: Vec<usize>,
    data: Data,
}

#[derive(Clone, PartialEq, Eq)]
enum Data {
    /// The elements as little-endian bytes, without gaps.
    Image(Bytes),
    Strings(Vec<Bytes>),
}

impl Tensor {
    /// Creates a tensor of numbers.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the number of values does not match the shape.
    pub fn new<T: Element>(
        shape: impl Into<Vec<usize>>,
        values: impl AsRef<[T]>,
    ) -> Result<Self, ErrorKind> {
        let (shape, values) = (shape.into(), values.as_ref());
        check(&shape, values.len())?;
        Ok(Self::of(shape, values))
    }

    /// Creates a tensor of strings, which may be any bytes.
    ///
    /// # Errors
    ///
    /// The same as for [`new`](Self::new).
    pub fn from_strings(
        shape: impl Into<Vec<usize>>,
        strings: impl IntoIterator<Item: AsRef<[u8]>>,
    ) -> Result<Self, ErrorKind> {
        let shape = shape.into();
        let strings = strings.into_iter();
        let strings: Vec<_> = strings.map(|s| Bytes::copy_from_slice(s.as_ref())).collect();
        check(&shape, strings.len())?;
        Ok(Self { dtype: pb::DataType::DtString, shape, data: Data::Strings(strings) })
    }

    /// Creates a tensor of any type with a fixed size, including those without a Rust type, such as
    /// float8. The bytes are the elements in memory, little-endian and row-major. Types of less
    /// than 8 bits take one byte each, as in TensorFlow.
    ///
    /// ```
    /// use tbx::{Tensor, pb};
    ///
    /// let tensor = Tensor::from_le_bytes(pb::DataType::DtFloat8E4m3fn, [2], &[0x38, 0xb8][..])?;
    /// assert_eq!(tensor.len(), 2); // 1 and -1
    /// # Ok::<(), tbx::ErrorKind>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: elements of this type have no fixed size, or the number of bytes
    /// does not match the shape.
    pub fn from_le_bytes(
        dtype: pb::DataType,
        shape: impl Into<Vec<usize>>,
        bytes: impl Into<Bytes>,
    ) -> Result<Self, ErrorKind> {
        let (shape, bytes) = (shape.into(), bytes.into());
        let Some(size) = size_of_element(dtype) else {
            let dtype = dtype.as_str_name();
            return Err(ErrorKind::Argument(format!("bytes of {dtype}, which has no fixed size")));
        };
        if elements(&shape).and_then(|count| count.checked_mul(size)) != Some(bytes.len()) {
            let (dtype, found) = (dtype.as_str_name(), bytes.len());
            return Err(ErrorKind::Argument(format!("{found} bytes for {dtype} of {shape:?}")));
        }
        Ok(Self { dtype, shape, data: Data::Image(bytes) })
    }

    /// Reads a value of any v2 series.
    ///
    /// Every type is decoded from `tensor_content` or from its typed array. As in TensorFlow
    /// (`tensorflow/python/framework/tensor_util.py`, `make_ndarray`), an array may be shorter than
    /// the shape: it is then filled up with its last element, or with zeros if it is empty, to at
    /// most 2^20 elements. Halves that PyTorch's `add_tensor` wrote as the bits of a float32
    /// (`torch/utils/tensorboard/summary.py`, `half_to_int`), and its uint8 in the uint32 array,
    /// are read as intended. Reference types (`DT_FLOAT_REF`) are read as the type that they refer
    /// to.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: this is a v1 value or not a tensor; the elements are resources,
    /// variants or of an unknown type; there are more elements than the shape has places or, in
    /// `tensor_content`, fewer.
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        Self::from_message(value.tensor()?)
    }

    /// Like [`read`](Self::read), for a kind that TensorBoard shows. Its own `make_ndarray` does
    /// not fill up arrays: an array has one element per place, or one for all of them
    /// (`tensorboard/util/tensor_util.py`).
    pub(super) fn read_complete(value: &RawValue) -> Result<Self, ErrorKind> {
        let message = value.tensor()?;
        if let Some((found, places)) = decode::filled_up(&message)? {
            let what = format!("{found} elements in a tensor of {places}");
            return Err(ErrorKind::Value(what));
        }
        Self::from_message(message)
    }

    /// Like [`read`](Self::read), from a message.
    ///
    /// # Errors
    ///
    /// The same as for [`read`](Self::read).
    pub fn from_message(message: pb::TensorProto) -> Result<Self, ErrorKind> {
        decode::tensor(message)
    }

    /// Converts to a message. Numbers go into `tensor_content`, the form that TensorFlow 2 writes
    /// and that both TensorFlow's and TensorBoard's `make_ndarray` decode for most types.
    pub fn to_message(&self) -> pb::TensorProto {
        let (tensor_content, string_val) = match &self.data {
            Data::Image(image) => (image.clone(), Vec::new()),
            Data::Strings(strings) => (Bytes::new(), strings.clone()),
        };
        pb::TensorProto {
            dtype: self.dtype.into(),
            tensor_shape: Some(shape_message(&dims(&self.shape))),
            tensor_content,
            string_val,
            ..Default::default()
        }
    }

    /// The element type.
    pub fn dtype(&self) -> pb::DataType {
        self.dtype
    }

    /// The dimensions; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Image(image) => image.len() / size_of_element(self.dtype).unwrap_or(1),
            Data::Strings(strings) => strings.len(),
        }
    }

    /// Returns whether there are no elements, because a dimension is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in row-major order; `None` if their type is not `T`. Quantized integers
    /// (`DT_QINT8`) count as integers.
    pub fn to_vec<T: Element>(&self) -> Option<Vec<T>> {
        match &self.data {
            Data::Image(image) if same_image(self.dtype) == T::DTYPE => Some(T::values(image)),
            _ => None,
        }
    }

    /// The elements in row-major order, converted to `f64`; `None` if they are not real numbers, or
    /// are floats of 8 bits or less. Integers beyond 2^53 are rounded; everything else is exact.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        match &self.data {
            Data::Image(image) => element::widened(self.dtype, image),
            Data::Strings(_) => None,
        }
    }

    /// The strings in row-major order; `None` if this is a tensor of numbers.
    pub fn strings(&self) -> Option<&[Bytes]> {
        match &self.data {
            Data::Image(_) => None,
            Data::Strings(strings) => Some(strings),
        }
    }

    /// The elements as bytes in memory, see [`from_le_bytes`](Self::from_le_bytes); `None` if this
    /// is a tensor of strings.
    pub fn le_bytes(&self) -> Option<&Bytes> {
        match &self.data {
            Data::Image(image) => Some(image),
            Data::Strings(_) => None,
        }
    }

    /// Creates a tensor from as many values as the shape has places.
    pub(super) fn of<T: Element>(shape: Vec<usize>, values: &[T]) -> Self {
        Self { dtype: T::DTYPE, shape, data: Data::Image(T::image(values).into()) }
    }
}

/// Number of elements of a tensor with this shape; `None` if it does not fit into a `usize`.
pub(super) fn elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |elements, size| elements.checked_mul(*size))
}

fn check(shape: &[usize], found: usize) -> Result<(), ErrorKind> {
    if elements(shape) == Some(found) {
        return Ok(());
    }
    Err(ErrorKind::Argument(format!("a tensor of shape {shape:?} with {found} elements")))
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({} {:?})", self.dtype.as_str_name(), self.shape)
    }
}

/// A tensor of rank 0.
impl<T: Element> From<T> for Tensor {
    fn from(value: T) -> Self {
        Self::of(Vec::new(), &[value])
    }
}

/// A tensor of rank 1.
impl<T: Element> From<&[T]> for Tensor {
    fn from(values: &[T]) -> Self {
        Self::of(vec![values.len()], values)
    }
}

/// A tensor of rank 1.
impl<T: Element> From<Vec<T>> for Tensor {
    fn from(values: Vec<T>) -> Self {
        values.as_slice().into()
    }
}

/// A tensor of rank 1.
impl<T: Element> From<&Vec<T>> for Tensor {
    fn from(values: &Vec<T>) -> Self {
        values.as_slice().into()
    }
}

/// A tensor of rank 1.
impl<T: Element, const N: usize> From<&[T; N]> for Tensor {
    fn from(values: &[T; N]) -> Self {
        values.as_slice().into()
    }
}

/// A tensor of rank 1.
impl<T: Element, const N: usize> From<[T; N]> for Tensor {
    fn from(values: [T; N]) -> Self {
        values.as_slice().into()
    }
}

/// A tensor of rank 0: one string.
impl From<&str> for Tensor {
    fn from(string: &str) -> Self {
        let data = Data::Strings(vec![Bytes::copy_from_slice(string.as_bytes())]);
        Self { dtype: pb::DataType::DtString, shape: Vec::new(), data }
    }
}

/// A tensor of rank 0: one string.
impl From<String> for Tensor {
    fn from(string: String) -> Self {
        string.as_str().into()
    }
}

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Self {
        tensor.clone()
    }
}

/// The value for a tensor that no dashboard shows.
pub fn v2(tag: &str, tensor: &Tensor) -> pb::summary::Value {
    value(tag, Kind::Tensor, tensor.to_message())
}
