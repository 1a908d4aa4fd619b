//! Conversions from and to arrays of the `ndarray` crate.

use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};

use super::{Element, Tensor};

/// An array of any dimension and strides, or a view of one.
impl<T, S, D> From<&ArrayBase<S, D>> for Tensor
where
    T: Element,
    S: Data<Elem = T>,
    D: Dimension,
{
    fn from(array: &ArrayBase<S, D>) -> Self {
        let shape = array.shape().to_vec();
        match array.as_slice() {
            Some(values) => Self::of(shape, values),
            None => Self::of(shape, &array.iter().copied().collect::<Vec<_>>()),
        }
    }
}

/// An array of any dimension and strides, or a view of one.
impl<T, S, D> From<ArrayBase<S, D>> for Tensor
where
    T: Element,
    S: Data<Elem = T>,
    D: Dimension,
{
    fn from(array: ArrayBase<S, D>) -> Self {
        (&array).into()
    }
}

impl Tensor {
    /// The elements as an array of the same dimensions; `None` if their type is not `T`, see
    /// [`to_vec`](Self::to_vec).
    ///
    /// ```
    /// use ndarray::array;
    /// use tbx::Tensor;
    ///
    /// let matrix = array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
    /// let tensor = Tensor::from(matrix.t());
    /// assert_eq!(tensor.shape(), [3, 2]);
    /// assert_eq!(tensor.to_array::<f32>().unwrap()[[2, 1]], 6.0);
    /// ```
    pub fn to_array<T: Element>(&self) -> Option<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(&self.shape), self.to_vec()?).ok()
    }
}
