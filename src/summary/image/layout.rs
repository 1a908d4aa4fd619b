//! Images in slices, and the meaning of array axes.

use super::channel::Channel;
use super::pixels::{IntoBatch, IntoPixels, Pixels, tile};
use super::video::IntoFrames;
use crate::error::ErrorKind;

/// The axes of an array or a slice, in order: height, width, channels, number in a batch, and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layout {
    /// Height, width: one gray image.
    Hw,
    /// Channels, height, width, as in PyTorch.
    Chw,
    /// Height, width, channels, as in TensorFlow and NumPy.
    Hwc,
    /// A batch of [`Chw`](Self::Chw).
    Nchw,
    /// A batch of [`Hwc`](Self::Hwc).
    Nhwc,
    /// A batch of videos, each a sequence of [`Chw`](Self::Chw) frames, as in PyTorch.
    Ntchw,
    /// A batch of videos, each a sequence of [`Hwc`](Self::Hwc) frames.
    Nthwc,
}

impl Layout {
    /// The meaning of each axis: 0 to 4 for number, time, height, width and channels.
    fn axes(self) -> &'static [usize] {
        match self {
            Self::Hw => &[2, 3],
            Self::Chw => &[4, 2, 3],
            Self::Hwc => &[2, 3, 4],
            Self::Nchw => &[0, 4, 2, 3],
            Self::Nhwc => &[0, 2, 3, 4],
            Self::Ntchw => &[0, 1, 4, 2, 3],
            Self::Nthwc => &[0, 1, 2, 3, 4],
        }
    }
}

/// The elements of one image, its shape and its layout. Elements are in row-major order, as in PyTorch, NumPy,
/// candle and burn.
///
/// ```
/// use tbx::{Layout, Pixels};
/// use tbx::summary::image::IntoPixels;
///
/// // Two pixels, the first red and the second blue, in planes as in PyTorch.
/// let planes = [1.0f32, 0.0, 0.0, 0.0, 0.0, 1.0];
/// let pixels = (&planes[..], [3, 1, 2], Layout::Chw).into_pixels()?;
/// assert_eq!(pixels, Pixels::new(2, 1, 3, vec![255, 0, 0, 0, 0, 255])?);
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Argument`]: the number of axes differs between the shape and the layout, the number of elements
/// differs between the shape and the slice, or the shape does not describe one image with 1 to 4 channels.
impl<A: Channel, const N: usize> IntoPixels<'static> for (&[A], [usize; N], Layout) {
    fn into_pixels(self) -> Result<Pixels<'static>, ErrorKind> {
        only(self.into_batch()?)
    }
}

/// A batch, or one image.
impl<A: Channel, const N: usize> IntoBatch<'static> for (&[A], [usize; N], Layout) {
    fn into_batch(self) -> Result<Vec<Pixels<'static>>, ErrorKind> {
        let (samples, shape, layout) = self;
        let axes = Axes::of(samples.len(), &shape, layout)?;
        if layout.axes().contains(&1) {
            let what = format!("an array of shape {shape:?} is a video, not an image");
            return Err(ErrorKind::Argument(what));
        }
        (0..axes.len(0)).map(|n| axes.image(samples, n, 0)).collect()
    }
}

/// The frames of a video: a batch of images, or a batch of videos that play side by side, as with
/// arrays.
impl<A: Channel, const N: usize> IntoFrames<'static> for (&[A], [usize; N], Layout) {
    fn into_frames(self) -> Result<Vec<Pixels<'static>>, ErrorKind> {
        let (samples, shape, layout) = self;
        let axes = Axes::of(samples.len(), &shape, layout)?;
        match layout {
            Layout::Hw | Layout::Chw | Layout::Hwc => {
                Err(ErrorKind::Argument(format!("a video of shape {shape:?} that is {layout:?}")))
            }
            Layout::Nchw | Layout::Nhwc => self.into_batch(),
            Layout::Ntchw | Layout::Nthwc => {
                let frame = |t| {
                    let videos = (0..axes.len(0)).map(|n| axes.image(samples, n, t));
                    side_by_side(&videos.collect::<Result<Vec<_>, _>>()?)
                };
                (0..axes.len(1)).map(frame).collect()
            }
        }
    }
}

/// Length and stride of the axes number, time, height, width and channels. A missing axis has length 1.
struct Axes([(usize, usize); 5]);

impl Axes {
    /// The axes of `len` elements in row-major order.
    fn of(len: usize, shape: &[usize], layout: Layout) -> Result<Self, ErrorKind> {
        let order = layout.axes();
        if order.len() != shape.len() {
            let what = format!("an array of shape {shape:?} is not {layout:?}");
            return Err(ErrorKind::Argument(what));
        }
        let mut axes = [(1, 0); 5];
        let mut stride = Some(1usize);
        for (axis, len) in order.iter().zip(shape).rev() {
            if let Some(axis) = axes.get_mut(*axis) {
                *axis = (*len, stride.unwrap_or(0));
            }
            stride = stride.and_then(|stride| stride.checked_mul(*len));
        }
        if stride != Some(len) {
            let what = format!("an array of shape {shape:?} with {len} elements");
            return Err(ErrorKind::Argument(what));
        }
        Ok(Self(axes))
    }

    fn len(&self, axis: usize) -> usize {
        self.0.get(axis).map_or(0, |axis| axis.0)
    }

    /// Returns one image of the batch, at one time.
    fn image<A: Channel>(
        &self,
        samples: &[A],
        n: usize,
        t: usize,
    ) -> Result<Pixels<'static>, ErrorKind> {
        let [number, time, (height, rows), (width, columns), (channels, planes)] = self.0;
        let start = n * number.1 + t * time.1;
        let mut image = Vec::with_capacity(height * width * channels);
        for y in 0..height {
            for x in 0..width {
                let at = start + y * rows + x * columns;
                let pixel = (0..channels).filter_map(|c| samples.get(at + c * planes));
                image.extend(pixel.map(|sample| sample.to_sample()));
            }
        }
        pixels([width, height, channels], image)
    }
}

/// Converts samples to an image with this width, height and number of channels.
pub(super) fn pixels(size: [usize; 3], samples: Vec<u8>) -> Result<Pixels<'static>, ErrorKind> {
    let [width, height, channels] = size;
    let too_large = |_| ErrorKind::Argument(format!("an image of {width}x{height}x{channels}"));
    Pixels::new(
        u32::try_from(width).map_err(too_large)?,
        u32::try_from(height).map_err(too_large)?,
        u8::try_from(channels).map_err(too_large)?,
        samples,
    )
}

/// Returns the image of a batch of one.
pub(super) fn only(mut images: Vec<Pixels<'static>>) -> Result<Pixels<'static>, ErrorKind> {
    match (images.pop(), images.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(ErrorKind::Argument("an array of more than one image, or none".into())),
    }
}

/// Combines a batch of images into one, tiled like videos: black images pad it to a power of two, and it has
/// `2^(log2(n) / 2)` rows, where both `log2` and the division round down (`torch/utils/tensorboard/_utils.py`,
/// `_prepare_video`).
pub(super) fn side_by_side(images: &[Pixels<'static>]) -> Result<Pixels<'static>, ErrorKind> {
    if images.is_empty() {
        return Err(ErrorKind::Argument("a video of an empty batch".into()));
    }
    let rows = 1 << (images.len().ilog2() / 2);
    tile(images, images.len().next_power_of_two() / rows, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row-major positions of the elements, in the order of `axes`.
    fn in_order(shape: [usize; 3], axes: [usize; 3], sample: impl Fn([usize; 3]) -> u8) -> Vec<u8> {
        let mut samples = Vec::new();
        let len = |axis: usize| shape[axes[axis]];
        for i in 0..len(0) {
            for j in 0..len(1) {
                for k in 0..len(2) {
                    let mut at = [0; 3];
                    for (axis, place) in axes.into_iter().zip([i, j, k]) {
                        at[axis] = place;
                    }
                    samples.push(sample(at));
                }
            }
        }
        samples
    }

    #[test]
    fn a_slice_of_any_layout_gives_the_same_pixels() {
        let sample = |[y, x, c]: [usize; 3]| (100 * y + 10 * x + c) as u8;
        let hwc = in_order([2, 3, 4], [0, 1, 2], sample);
        let chw = in_order([2, 3, 4], [2, 0, 1], sample);
        let expected = Pixels::new(3, 2, 4, hwc.clone()).unwrap();
        assert_eq!((&hwc[..], [2, 3, 4], Layout::Hwc).into_pixels().unwrap(), expected);
        assert_eq!((&chw[..], [4, 2, 3], Layout::Chw).into_pixels().unwrap(), expected);
        let twice = chw.repeat(2);
        let batch = (&twice[..], [2, 4, 2, 3], Layout::Nchw).into_batch().unwrap();
        assert_eq!(batch, [expected.clone(), expected.clone()]);
        assert_eq!((&hwc[..], [1, 2, 3, 4], Layout::Nhwc).into_pixels().unwrap(), expected);
        let gray = (&[0.0f32, 0.5, 1.0, f32::NAN][..], [2, 2], Layout::Hw).into_pixels().unwrap();
        assert_eq!((gray.channels(), gray.samples()), (1, &[0, 127, 255, 0][..]));
        // Two videos of two frames, side by side.
        let videos: Vec<u8> = (0..8).collect();
        let frames = (&videos[..], [2, 2, 1, 2, 1], Layout::Ntchw).into_frames().unwrap();
        let samples: Vec<_> = frames.iter().map(|frame| frame.samples().to_vec()).collect();
        assert_eq!(samples, [[0, 4, 1, 5], [2, 6, 3, 7]]);
        assert_eq!((&videos[..], [2, 2, 2, 1, 1], Layout::Nthwc).into_frames().unwrap(), frames);
    }

    #[test]
    fn a_slice_that_is_not_of_its_shape_or_layout_is_refused() {
        let refused = |result: Result<Pixels<'_>, ErrorKind>| match result {
            Err(ErrorKind::Argument(what)) => what,
            other => panic!("{other:?}"),
        };
        let samples = [0u8; 12];
        let said = refused((&samples[..], [2, 2, 3], Layout::Hw).into_pixels());
        assert_eq!(said, "an array of shape [2, 2, 3] is not Hw");
        let said = refused((&samples[..], [3, 2, 3], Layout::Hwc).into_pixels());
        assert_eq!(said, "an array of shape [3, 2, 3] with 12 elements");
        let huge = [usize::MAX, 2, 3];
        assert!(refused((&samples[..], huge, Layout::Hwc).into_pixels()).contains("12 elements"));
        refused((&samples[..], [12, 1, 1], Layout::Chw).into_pixels());
        refused((&samples[..], [2, 2, 3, 1], Layout::Nhwc).into_pixels());
        refused((&samples[..], [1, 2, 2, 3, 1], Layout::Nthwc).into_pixels());
        refused((&samples[..0], [0, 2, 3], Layout::Hwc).into_pixels());
        assert!((&samples[..], [2, 2, 3], Layout::Hwc).into_frames().is_err());
        assert!((&samples[..0], [0, 2, 3, 1, 1], Layout::Ntchw).into_frames().is_err());
    }
}
