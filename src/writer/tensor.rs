//! Logs tensors.

use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::tensor::{self, Tensor};

impl SummaryWriter {
    /// Logs an array of any shape and element type: a [`Tensor`], a number or a string, a slice or
    /// array of numbers, or, with the feature `ndarray`, an array or view of any dimension.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{LoadOptions, Logdir, SummaryWriter, Tensor};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// writer.add_tensor("embedding", Tensor::new([2, 2], [0.5f32, 1.0, 1.5, 2.0])?, 0)?;
    /// writer.add_tensor("order", [3u64, 1, 2], 0)?;
    /// writer.close()?;
    ///
    /// let loaded = Logdir::open(dir.path())?.load(&LoadOptions::new())?;
    /// let order = &loaded.runs[0].get("order").unwrap().raw().unwrap()[0];
    /// assert_eq!(Tensor::read(order)?.to_vec::<u64>().unwrap(), [3, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// TensorBoard has no dashboard for tensors, but both of its loaders keep them and serve them
    /// to programs (`DataProvider.read_tensors`, plugin `tensor`). It cannot decode `bf16`, 8-bit
    /// types that NumPy lacks, or empty `u32` and `u64` tensors: a request for such a series fails.
    /// TensorFlow can decode all of them.
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar).
    pub fn add_tensor(
        &self,
        tag: &str,
        tensor: impl Into<Tensor>,
        step: impl IntoStep,
    ) -> Result<()> {
        self.add(tag, step, |_| Ok(tensor::v2(tag, &tensor.into())))
    }
}
