//! Rows of three numbers.

use crate::error::ErrorKind;
use crate::summary::tensor::{Element, Tensor};

/// Rows of three numbers, with the same number of rows for each mesh of a batch: an array of shape
/// `[batch, rows, 3]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Triples<T> {
    batch: usize,
    values: Vec<[T; 3]>,
}

impl<T: Copy> Triples<T> {
    /// Creates the rows of `batch` meshes, one mesh after the other.
    ///
    /// ```
    /// use tbx::{Mesh, Triples};
    ///
    /// let two = Triples::new(2, [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0; 3], [0.0, 1.0, 0.0]])?;
    /// assert_eq!(two.rows(), 2);
    /// let mesh = Mesh::new(two)?;
    /// # Ok::<(), tbx::ErrorKind>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the number of rows is not a multiple of `batch`, or `batch` is 0.
    pub fn new(batch: usize, values: impl Into<Vec<[T; 3]>>) -> Result<Self, ErrorKind> {
        let values = values.into();
        if values.len().checked_rem(batch) != Some(0) {
            let rows = values.len();
            return Err(ErrorKind::Argument(format!("{rows} rows for {batch} meshes")));
        }
        Ok(Self { batch, values })
    }

    /// Number of meshes.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of rows per mesh.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.batch).unwrap_or(0)
    }

    /// The rows of all meshes, one mesh after the other.
    pub fn values(&self) -> &[[T; 3]] {
        &self.values
    }

    pub(super) fn try_map<U, E>(
        self,
        mut map: impl FnMut(T) -> Result<U, E>,
    ) -> Result<Triples<U>, E> {
        let row = |[a, b, c]: [T; 3]| Ok([map(a)?, map(b)?, map(c)?]);
        let values = self.values.into_iter().map(row).collect::<Result<_, E>>()?;
        Ok(Triples { batch: self.batch, values })
    }
}

impl<T: Element> Triples<T> {
    pub(super) fn to_tensor(&self) -> Tensor {
        Tensor::of(vec![self.batch, self.rows(), 3], self.values.as_flattened())
    }
}

/// A type that can be converted to the rows of a mesh: a slice of arrays for one mesh, [`Triples`]
/// for a batch, and, with the feature `ndarray`, an array of shape `[rows, 3]` or `[batch, rows,
/// 3]`.
pub trait IntoTriples<T> {
    /// Converts to rows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: an array has another shape.
    fn into_triples(self) -> Result<Triples<T>, ErrorKind>;
}

impl<T> IntoTriples<T> for Triples<T> {
    fn into_triples(self) -> Result<Triples<T>, ErrorKind> {
        Ok(self)
    }
}

impl<T: Copy> IntoTriples<T> for &Triples<T> {
    fn into_triples(self) -> Result<Triples<T>, ErrorKind> {
        Ok(self.clone())
    }
}

impl<T: Copy> IntoTriples<T> for &[[T; 3]] {
    fn into_triples(self) -> Result<Triples<T>, ErrorKind> {
        Triples::new(1, self)
    }
}

impl<T: Copy> IntoTriples<T> for &Vec<[T; 3]> {
    fn into_triples(self) -> Result<Triples<T>, ErrorKind> {
        Triples::new(1, self.as_slice())
    }
}

impl<T: Copy, const N: usize> IntoTriples<T> for &[[T; 3]; N] {
    fn into_triples(self) -> Result<Triples<T>, ErrorKind> {
        Triples::new(1, self.as_slice())
    }
}

#[cfg(feature = "ndarray")]
impl<T, S, D> IntoTriples<T> for &ndarray::ArrayBase<S, D>
where
    T: Copy,
    S: ndarray::Data<Elem = T>,
    D: ndarray::Dimension,
{
    fn into_triples(self) -> Result<Triples<T>, ErrorKind> {
        let batch = match *self.shape() {
            [_, 3] => 1,
            [batch, _, 3] => batch,
            ref shape => {
                let what = format!("an array of shape {shape:?}, not [n, 3] or [batch, n, 3]");
                return Err(ErrorKind::Argument(what));
            }
        };
        let numbers: Vec<T> = self.iter().copied().collect();
        let (rows, _) = numbers.as_chunks::<3>();
        Triples::new(batch, rows)
    }
}

#[cfg(feature = "ndarray")]
impl<T, S, D> IntoTriples<T> for ndarray::ArrayBase<S, D>
where
    T: Copy,
    S: ndarray::Data<Elem = T>,
    D: ndarray::Dimension,
{
    fn into_triples(self) -> Result<Triples<T>, ErrorKind> {
        (&self).into_triples()
    }
}
