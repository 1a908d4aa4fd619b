//! Converts arrays to images.

use ndarray::{ArrayView, Dimension, Ix3, Ix4, Ix5};

use super::channel::Channel;
use super::layout::{Layout, only, pixels, side_by_side};
use super::pixels::{IntoBatch, IntoPixels, Pixels};
use super::video::IntoFrames;
use crate::error::ErrorKind;

/// An array of one image, and its layout.
impl<'a, A: Channel, D: Dimension> IntoPixels<'static> for (ArrayView<'a, A, D>, Layout) {
    fn into_pixels(self) -> Result<Pixels<'static>, ErrorKind> {
        only(images(self)?)
    }
}

/// A batch, or one image.
impl<'a, A: Channel, D: Dimension> IntoBatch<'static> for (ArrayView<'a, A, D>, Layout) {
    fn into_batch(self) -> Result<Vec<Pixels<'static>>, ErrorKind> {
        images(self)
    }
}

/// The frames of a video, or of a batch of videos that play side by side.
///
/// A batch is tiled as in PyTorch: black videos pad it to a power of two.
impl<'a, A: Channel, D: Dimension> IntoFrames<'static> for (ArrayView<'a, A, D>, Layout) {
    fn into_frames(self) -> Result<Vec<Pixels<'static>>, ErrorKind> {
        let (array, layout) = self;
        let shape = array.shape().to_vec();
        let wrong =
            || ErrorKind::Argument(format!("a video of shape {shape:?} that is {layout:?}"));
        let axes = match layout {
            Layout::Ntchw => [1, 0, 3, 4, 2],
            Layout::Nthwc => [1, 0, 2, 3, 4],
            Layout::Nchw | Layout::Nhwc => return images((array, layout)),
            Layout::Hw | Layout::Chw | Layout::Hwc => return Err(wrong()),
        };
        let array = array.into_dyn().into_dimensionality::<Ix5>().map_err(|_| wrong())?;
        let array = array.permuted_axes(axes);
        let images = |batch: ArrayView<'_, A, Ix4>| -> Result<Vec<_>, ErrorKind> {
            batch.outer_iter().map(|one| hwc(&one)).collect()
        };
        array.outer_iter().map(|batch| side_by_side(&images(batch)?)).collect()
    }
}

/// The images in an array.
fn images<A: Channel, D: Dimension>(
    (array, layout): (ArrayView<'_, A, D>, Layout),
) -> Result<Vec<Pixels<'static>>, ErrorKind> {
    let shape = array.shape().to_vec();
    let wrong = || ErrorKind::Argument(format!("an array of shape {shape:?} is not {layout:?}"));
    let array = array.into_dyn();
    match layout {
        Layout::Hw if array.ndim() == 2 => {
            let array = array.insert_axis(ndarray::Axis(2));
            Ok(vec![hwc(&array.into_dimensionality::<Ix3>().map_err(|_| wrong())?)?])
        }
        Layout::Chw => {
            let array = array.into_dimensionality::<Ix3>().map_err(|_| wrong())?;
            Ok(vec![hwc(&array.permuted_axes([1, 2, 0]))?])
        }
        Layout::Hwc => Ok(vec![hwc(&array.into_dimensionality::<Ix3>().map_err(|_| wrong())?)?]),
        Layout::Nchw => {
            let array = array.into_dimensionality::<Ix4>().map_err(|_| wrong())?;
            array.outer_iter().map(|one| hwc(&one.permuted_axes([1, 2, 0]))).collect()
        }
        Layout::Nhwc => {
            let array = array.into_dimensionality::<Ix4>().map_err(|_| wrong())?;
            array.outer_iter().map(|one| hwc(&one)).collect()
        }
        Layout::Hw | Layout::Ntchw | Layout::Nthwc => Err(wrong()),
    }
}

fn hwc<A: Channel>(array: &ArrayView<'_, A, Ix3>) -> Result<Pixels<'static>, ErrorKind> {
    let (height, width, channels) = array.dim();
    pixels([width, height, channels], array.iter().map(|value| value.to_sample()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3, Array4, Array5, Axis};

    /// Two rows of three pixels, each channel different.
    fn image() -> Array3<u8> {
        Array3::from_shape_fn((2, 3, 3), |(y, x, c)| (100 * y + 10 * x + c) as u8)
    }

    #[test]
    fn every_layout_gives_the_same_pixels() {
        let hwc = image();
        let expected = (hwc.view(), Layout::Hwc).into_pixels().unwrap();
        assert_eq!((expected.width(), expected.height(), expected.channels()), (3, 2, 3));
        assert_eq!(expected.samples()[..6], [0, 1, 2, 10, 11, 12]);
        let chw = hwc.view().permuted_axes([2, 0, 1]);
        assert_eq!((chw.view(), Layout::Chw).into_pixels().unwrap(), expected);
        let batch: Array4<u8> = hwc.clone().insert_axis(Axis(0));
        assert_eq!(images((batch.view(), Layout::Nhwc)).unwrap(), std::slice::from_ref(&expected));
        let nchw = chw.insert_axis(Axis(0));
        assert_eq!(images((nchw, Layout::Nchw)).unwrap(), [expected]);
        let gray = Array2::from_elem((4, 5), 7u8);
        let gray = (gray.view(), Layout::Hw).into_pixels().unwrap();
        assert_eq!((gray.width(), gray.height(), gray.channels()), (5, 4, 1));
    }

    #[test]
    fn videos_are_tiled_as_in_pytorch() {
        // Output of PyTorch 2.15.0's `_prepare_video`: the position of each video for a given number of videos; 0
        // is black.
        let expected: [(usize, &[&[u8]]); 7] = [
            (1, &[&[1]]),
            (2, &[&[1, 2]]),
            (3, &[&[1, 2, 3, 0]]),
            (4, &[&[1, 2], &[3, 4]]),
            (5, &[&[1, 2, 3, 4], &[5, 0, 0, 0]]),
            (9, &[&[1, 2, 3, 4, 5, 6, 7, 8], &[9, 0, 0, 0, 0, 0, 0, 0]]),
            (
                17,
                &[
                    &[1, 2, 3, 4, 5, 6, 7, 8],
                    &[9, 10, 11, 12, 13, 14, 15, 16],
                    &[17, 0, 0, 0, 0, 0, 0, 0],
                    &[0; 8],
                ],
            ),
        ];
        for (count, rows) in expected {
            let ntchw =
                Array5::from_shape_fn((count, 2, 1, 2, 3), |(n, t, _, y, x)| match (y, x) {
                    (0, 0) => n as u8 + 1,
                    _ => (100 * t + 10 * y + x) as u8,
                });
            let frames = (ntchw.view(), Layout::Ntchw).into_frames().unwrap();
            assert_eq!(frames.len(), 2);
            for (t, frame) in frames.iter().enumerate() {
                let width = 3 * rows[0].len();
                assert_eq!(usize::try_from(frame.width()).unwrap(), width);
                assert_eq!(usize::try_from(frame.height()).unwrap(), 2 * rows.len());
                for (i, sample) in frame.samples().iter().enumerate() {
                    let (y, x) = (i / width, i % width);
                    let video = rows[y / 2][x / 3];
                    let inside = (100 * t + 10 * (y % 2) + x % 3) as u8;
                    let expected = match (video, y % 2, x % 3) {
                        (0, ..) => 0,
                        (video, 0, 0) => video,
                        _ => inside,
                    };
                    assert_eq!(*sample, expected, "video {video}, row {y}, column {x}");
                }
            }
            let nthwc = ntchw.view().permuted_axes([0, 1, 3, 4, 2]);
            assert_eq!((nthwc, Layout::Nthwc).into_frames().unwrap(), frames);
            assert!((ntchw.view(), Layout::Nchw).into_frames().is_err());
            assert!((ntchw.view(), Layout::Ntchw).into_batch().is_err());
        }
    }

    #[test]
    fn a_batch_of_pictures_is_one_video() {
        let batch = Array4::from_shape_fn((5, 2, 3, 1), |(t, y, x, _)| (t + y + x) as f32 / 9.0);
        let images = images((batch.view(), Layout::Nhwc)).unwrap();
        assert_eq!((batch.view(), Layout::Nhwc).into_frames().unwrap(), images);
        assert_eq!(images.len(), 5);
        assert!((batch.view(), Layout::Ntchw).into_frames().is_err());
        let empty = Array5::<f32>::zeros((0, 5, 3, 2, 2));
        assert!((empty.view(), Layout::Ntchw).into_frames().is_err());
        let hwc = image();
        assert!((hwc.view(), Layout::Hwc).into_frames().is_err());
    }

    #[test]
    fn an_array_that_is_not_of_its_layout_is_refused() {
        let hwc = image();
        assert!((hwc.view(), Layout::Hw).into_pixels().is_err());
        assert!((hwc.view(), Layout::Nchw).into_pixels().is_err());
        let many = Array3::<u8>::zeros((9, 4, 4));
        assert!((many.view(), Layout::Chw).into_pixels().is_err());
    }
}
