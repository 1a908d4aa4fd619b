//! Logs tensors of candle to TensorBoard.
//!
//! [`AddTensors`] adds methods to [`SummaryWriter`] that take tensors, and [`Watch`] logs the weights and gradients of a
//! [`VarMap`](candle_nn::VarMap).
//!
//! The numbers of a tensor that is on the CPU and contiguous are read where they are. Other tensors are copied once.
#![doc = ""]
#![doc = include_str!("../README.md")]

mod error;
mod numbers;
mod watch;

use candle_core::Tensor;
use tbx::{IntoStep, Layout, SummaryWriter};

pub use error::Error;
pub use watch::Watch;

use numbers::Visit;

/// Methods of [`SummaryWriter`] that log tensors.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use candle_core::{Device, Tensor};
/// use tbx::{Layout, SummaryWriter};
/// use tbx_candle::AddTensors;
///
/// let writer = SummaryWriter::create(dir.path())?;
/// let tensor = Tensor::randn(0f32, 1.0, (3, 32, 32), &Device::Cpu)?;
/// writer.add_scalar_of("mean", &tensor.mean_all()?, 0)?;
/// writer.add_histogram_of("activations", &tensor, 0)?;
/// writer.add_image_of("image", &tensor, Layout::Chw, 0)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Tensor`] if the numbers of a tensor cannot be read, and [`Error::Log`] for the errors of the methods of
/// [`SummaryWriter`].
pub trait AddTensors {
    /// Logs the number of a tensor with one element as a scalar. See [`SummaryWriter::add_scalar`].
    fn add_scalar_of(&self, tag: &str, tensor: &Tensor, step: impl IntoStep) -> Result<(), Error>;

    /// Logs the distribution of the elements of a tensor of any shape. See [`SummaryWriter::add_histogram`].
    fn add_histogram_of(
        &self,
        tag: &str,
        tensor: &Tensor,
        step: impl IntoStep,
    ) -> Result<(), Error>;

    /// Logs a tensor of 2 or 3 dimensions as an image: u8 from 0 to 255, or other numbers from 0 to 1. See
    /// [`SummaryWriter::add_image`].
    fn add_image_of(
        &self,
        tag: &str,
        tensor: &Tensor,
        layout: Layout,
        step: impl IntoStep,
    ) -> Result<(), Error>;

    /// Logs a tensor of 4 dimensions as several images, side by side. See [`SummaryWriter::add_images`].
    fn add_images_of(
        &self,
        tag: &str,
        tensor: &Tensor,
        layout: Layout,
        step: impl IntoStep,
    ) -> Result<(), Error>;
}

impl AddTensors for SummaryWriter {
    fn add_scalar_of(&self, tag: &str, tensor: &Tensor, step: impl IntoStep) -> Result<(), Error> {
        if tensor.elem_count() != 1 {
            return Err(Error::shape(tag, "one element", tensor));
        }
        numbers::read(tensor, Scalar { writer: self, tag, step })?
    }

    fn add_histogram_of(
        &self,
        tag: &str,
        tensor: &Tensor,
        step: impl IntoStep,
    ) -> Result<(), Error> {
        numbers::read(tensor, Histogram { writer: self, tag, step })?
    }

    fn add_image_of(
        &self,
        tag: &str,
        tensor: &Tensor,
        layout: Layout,
        step: impl IntoStep,
    ) -> Result<(), Error> {
        match *tensor.dims() {
            [a, b] => numbers::read_pixels(tensor, |pixels| match pixels {
                numbers::Pixels::U8(pixels) => self.add_image(tag, (pixels, [a, b], layout), step),
                numbers::Pixels::F32(pixels) => self.add_image(tag, (pixels, [a, b], layout), step),
            })?,
            [a, b, c] => numbers::read_pixels(tensor, |pixels| match pixels {
                numbers::Pixels::U8(pixels) => {
                    self.add_image(tag, (pixels, [a, b, c], layout), step)
                }
                numbers::Pixels::F32(pixels) => {
                    self.add_image(tag, (pixels, [a, b, c], layout), step)
                }
            })?,
            _ => return Err(Error::shape(tag, "2 or 3 dimensions", tensor)),
        }
        .map_err(Error::Log)
    }

    fn add_images_of(
        &self,
        tag: &str,
        tensor: &Tensor,
        layout: Layout,
        step: impl IntoStep,
    ) -> Result<(), Error> {
        let [a, b, c, d] = *tensor.dims() else {
            return Err(Error::shape(tag, "4 dimensions", tensor));
        };
        let shape = [a, b, c, d];
        numbers::read_pixels(tensor, |pixels| match pixels {
            numbers::Pixels::U8(pixels) => self.add_images(tag, (pixels, shape, layout), step),
            numbers::Pixels::F32(pixels) => self.add_images(tag, (pixels, shape, layout), step),
        })?
        .map_err(Error::Log)
    }
}

struct Scalar<'a, S> {
    writer: &'a SummaryWriter,
    tag: &'a str,
    step: S,
}

impl<S: IntoStep> Visit for Scalar<'_, S> {
    type Out = Result<(), Error>;

    fn visit<T: tbx::Numeric>(self, numbers: &[T]) -> Self::Out {
        match numbers {
            [number] => Ok(self.writer.add_scalar(self.tag, *number, self.step)?),
            // The caller has counted them.
            _ => Ok(()),
        }
    }
}

struct Histogram<'a, S> {
    writer: &'a SummaryWriter,
    tag: &'a str,
    step: S,
}

impl<S: IntoStep> Visit for Histogram<'_, S> {
    type Out = Result<(), Error>;

    fn visit<T: tbx::Numeric>(self, numbers: &[T]) -> Self::Out {
        Ok(self.writer.add_histogram(self.tag, numbers, self.step)?)
    }
}
