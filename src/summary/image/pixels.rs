//! Pixels to be encoded as a PNG file.

use std::borrow::Cow;

use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};

use super::channel::Channel;
use crate::error::ErrorKind;

/// An image with 8 bits per channel, row by row. The channels of a pixel are adjacent.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels<'a> {
    width: u32,
    height: u32,
    channels: u8,
    samples: Cow<'a, [u8]>,
}

impl<'a> Pixels<'a> {
    /// Creates an image of `width` by `height` pixels with 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA)
    /// channels.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are more than 4 channels, or none; there are no pixels; or the number of
    /// samples is not `width * height * channels`.
    pub fn new(
        width: u32,
        height: u32,
        channels: u8,
        samples: impl Into<Cow<'a, [u8]>>,
    ) -> Result<Self, ErrorKind> {
        let samples = samples.into();
        let shape = format!("an image of {width}x{height} pixels with {channels} channels");
        if !(1..=4).contains(&channels) {
            return Err(ErrorKind::Argument(format!("{shape}: there may be 1 to 4")));
        }
        if width == 0 || height == 0 {
            return Err(ErrorKind::Argument(format!("{shape} has no pixels")));
        }
        let expected = u128::from(width) * u128::from(height) * u128::from(channels);
        if u128::try_from(samples.len()) != Ok(expected) {
            let found = samples.len();
            return Err(ErrorKind::Argument(format!("{shape} with {found} samples")));
        }
        Ok(Self { width, height, channels, samples })
    }

    /// Creates an image of `width` by `height` pixels from floats between 0 and 1, row by row. The 1 (gray), 2
    /// (gray, alpha), 3 (RGB) or 4 (RGBA) channels of a pixel are adjacent.
    ///
    /// Floats are multiplied by 255, clamped and rounded down, as in PyTorch. NaN becomes 0. For separate planes,
    /// as in PyTorch's tensors, see [`Layout`](super::Layout).
    ///
    /// ```
    /// use tbx::Pixels;
    ///
    /// let pixels = Pixels::from_f32(2, 1, 3, &[1.0, 0.0, 0.0, 0.0, 0.5, 2.0])?;
    /// assert_eq!(pixels.samples(), [255, 0, 0, 0, 127, 255]);
    /// # Ok::<(), tbx::ErrorKind>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`new`](Self::new).
    pub fn from_f32(
        width: u32,
        height: u32,
        channels: u8,
        samples: &[f32],
    ) -> Result<Self, ErrorKind> {
        let samples: Vec<u8> = samples.iter().map(|sample| sample.to_sample()).collect();
        Self::new(width, height, channels, samples)
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Number of channels: 1 for gray, 2 for gray with alpha, 3 for RGB, 4 for RGBA.
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// The samples, row by row.
    pub fn samples(&self) -> &[u8] {
        &self.samples
    }

    /// Returns the same image with owned samples.
    pub fn into_owned(self) -> Pixels<'static> {
        let Self { width, height, channels, samples } = self;
        Pixels { width, height, channels, samples: samples.into_owned().into() }
    }
}

impl std::fmt::Debug for Pixels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pixels({}x{}x{})", self.width, self.height, self.channels)
    }
}

/// A type that can be logged as an image: [`Pixels`], an 8-bit image or `DynamicImage` of the `image` crate, a
/// slice with its shape and [`Layout`](super::Layout), and, with the feature `ndarray`, an array with its layout.
pub trait IntoPixels<'a> {
    /// Converts to pixels.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the value is not an image.
    fn into_pixels(self) -> Result<Pixels<'a>, ErrorKind>;
}

impl<'a> IntoPixels<'a> for Pixels<'a> {
    fn into_pixels(self) -> Result<Pixels<'a>, ErrorKind> {
        Ok(self)
    }
}

macro_rules! image_types {
    ($($image:ty: $channels:literal,)*) => {
        $(impl<'a> IntoPixels<'a> for &'a $image {
            fn into_pixels(self) -> Result<Pixels<'a>, ErrorKind> {
                Pixels::new(self.width(), self.height(), $channels, self.as_raw().as_slice())
            }
        })*
    };
}

image_types! {
    GrayImage: 1,
    GrayAlphaImage: 2,
    RgbImage: 3,
    RgbaImage: 4,
}

/// Images with more than 8 bits per channel are reduced to 8.
impl<'a> IntoPixels<'a> for &'a DynamicImage {
    fn into_pixels(self) -> Result<Pixels<'a>, ErrorKind> {
        use DynamicImage::{ImageLuma8, ImageLumaA8, ImageRgb8, ImageRgba8};
        let (width, height) = (self.width(), self.height());
        match self {
            ImageLuma8(image) => image.into_pixels(),
            ImageLumaA8(image) => image.into_pixels(),
            ImageRgb8(image) => image.into_pixels(),
            ImageRgba8(image) => image.into_pixels(),
            other if other.color().has_alpha() => {
                Pixels::new(width, height, 4, other.to_rgba8().into_raw())
            }
            other => Pixels::new(width, height, 3, other.to_rgb8().into_raw()),
        }
    }
}

/// A type that can be logged as a batch of images.
pub trait IntoBatch<'a> {
    /// Converts to images.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: an element is not an image.
    fn into_batch(self) -> Result<Vec<Pixels<'a>>, ErrorKind>;
}

impl<'a, T> IntoBatch<'a> for &'a [T]
where
    &'a T: IntoPixels<'a>,
{
    fn into_batch(self) -> Result<Vec<Pixels<'a>>, ErrorKind> {
        self.iter().map(IntoPixels::into_pixels).collect()
    }
}

/// One image by reference.
impl<'a> IntoPixels<'a> for &'a Pixels<'a> {
    fn into_pixels(self) -> Result<Pixels<'a>, ErrorKind> {
        let Pixels { width, height, channels, samples } = self;
        Ok(Pixels {
            width: *width,
            height: *height,
            channels: *channels,
            samples: Cow::Borrowed(samples),
        })
    }
}

/// Combines images into one, side by side in rows of eight, as PyTorch's `add_images` does with a batch. The rest
/// of the last row is black.
///
/// # Errors
///
/// [`ErrorKind::Argument`]: there are no images, or their sizes or numbers of channels differ.
pub fn grid<'a>(images: &[Pixels<'a>]) -> Result<Pixels<'a>, ErrorKind> {
    let columns = images.len().clamp(1, 8);
    tile(images, columns, images.len().div_ceil(columns))
}

/// Combines images in rows of `columns`. Empty places are black. The images must fit into `rows`.
pub(in crate::summary) fn tile<'a>(
    images: &[Pixels<'a>],
    columns: usize,
    rows: usize,
) -> Result<Pixels<'a>, ErrorKind> {
    let Some(first) = images.first() else {
        return Err(ErrorKind::Argument("a batch of no images".into()));
    };
    if let Some(other) = images.iter().find(|other| size(other) != size(first)) {
        let what = format!("a batch with images of two sizes, {first:?} and {other:?}");
        return Err(ErrorKind::Argument(what));
    }
    let too_large = || ErrorKind::Argument(format!("a batch of {} {first:?}", images.len()));
    let times = |side: u32, count: usize| side.checked_mul(u32::try_from(count).ok()?);
    let width = times(first.width, columns).ok_or_else(too_large)?;
    let height = times(first.height, rows).ok_or_else(too_large)?;
    let lines = usize::try_from(first.height).unwrap_or(usize::MAX);
    let line_len = first.samples.len() / lines;
    let len = line_len.checked_mul(columns).and_then(|len| len.checked_mul(lines * rows));
    let len = len.ok_or_else(too_large)?;
    let mut samples = Vec::with_capacity(len);
    for row in images.chunks(columns) {
        for y in 0..lines {
            let start = samples.len();
            for image in row {
                let line = image.samples.get(y * line_len..(y + 1) * line_len);
                samples.extend_from_slice(line.unwrap_or(&[]));
            }
            samples.resize(start + columns * line_len, 0);
        }
    }
    samples.resize(len, 0);
    Pixels::new(width, height, first.channels, samples)
}

fn size(image: &Pixels<'_>) -> (u32, u32, u8) {
    (image.width, image.height, image.channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_channels_is_encoded_and_decoded_to_the_same_pixels() {
        for channels in 1..=4u8 {
            let samples: Vec<u8> = (0..5 * 3 * channels).map(|i| i.wrapping_mul(7)).collect();
            let pixels = Pixels::new(5, 3, channels, samples.clone()).unwrap();
            let decoded = image::load_from_memory(&pixels.to_png().unwrap()).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (5, 3));
            assert_eq!(decoded.color().channel_count(), channels);
            assert_eq!(decoded.as_bytes(), samples);
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for (width, height, channels, samples) in
            [(2, 2, 3, 11), (2, 2, 5, 20), (0, 2, 3, 0), (2, 2, 0, 0), (u32::MAX, u32::MAX, 4, 4)]
        {
            assert!(Pixels::new(width, height, channels, vec![0; samples]).is_err());
        }
    }

    #[test]
    fn a_batch_is_tiled_in_rows_of_eight() {
        let images: Vec<_> =
            (1..=9).map(|i| Pixels::new(2, 1, 1, vec![i, i + 100]).unwrap()).collect();
        let grid = grid(&images).unwrap();
        assert_eq!((grid.width(), grid.height(), grid.channels()), (16, 2, 1));
        assert_eq!(&grid.samples()[..4], [1, 101, 2, 102]);
        assert_eq!(&grid.samples()[16..20], [9, 109, 0, 0]);
    }
}
