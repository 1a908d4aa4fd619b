//! Videos, encoded as animated GIF, the only video format that TensorBoard shows.

use std::io::Cursor;
use std::mem;

use bytes::Bytes;
use gif::{DisposalMethod, Repeat};
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, Frame, ImageDecoder, ImageFormat, Limits};

use super::palette::Indexed;
use super::pixels::{IntoPixels, Pixels};
use crate::error::ErrorKind;

/// Frames per second. GIF stores delays in hundredths of a second, and browsers replace a delay of less than two
/// hundredths by ten.
const FPS: std::ops::RangeInclusive<f64> = 0.01..=50.0;

/// Frames of the same size, and their rate.
///
/// ```
/// use ndarray::Array5;
/// use tbx::{Layout, Pixels, Video};
///
/// let frames: Vec<_> =
///     (0..20u8).map(|i| Pixels::new(64, 48, 1, vec![10 * i; 64 * 48])).collect::<Result<_, _>>()?;
/// let fading = Video::new(frames, 10)?;
/// let batch = Array5::<f32>::zeros((4, 20, 3, 24, 32)); // four videos of 20 frames
/// let black = Video::new((batch.view(), Layout::Ntchw), 10)?;
/// assert_eq!((fading.width(), fading.height()), (black.width(), black.height()));
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Video<'a> {
    frames: Vec<Pixels<'a>>,
    fps: f64,
}

impl<'a> Video<'a> {
    /// Creates a video with `fps` frames per second, from 0.01 to 50. PyTorch's default is 4.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the rate is out of range, there are no frames, frames differ in size or number of
    /// channels, or a side is longer than 65535 pixels.
    pub fn new(frames: impl IntoFrames<'a>, fps: impl Into<f64>) -> Result<Self, ErrorKind> {
        let frames = frames.into_frames()?;
        let fps = fps.into();
        let Some(first) = frames.first() else {
            return Err(ErrorKind::Argument("a video of no frames".into()));
        };
        let size = |frame: &Pixels<'_>| (frame.width(), frame.height(), frame.channels());
        if let Some(other) = frames.iter().find(|frame| size(frame) != size(first)) {
            let what = format!("a video with frames of two sizes, {first:?} and {other:?}");
            return Err(ErrorKind::Argument(what));
        }
        side(first.width().max(first.height()))?;
        if !FPS.contains(&fps) {
            let (slowest, fastest) = (FPS.start(), FPS.end());
            let what = format!("{fps} frames per second, not {slowest} to {fastest}");
            return Err(ErrorKind::Argument(what));
        }
        Ok(Self { frames, fps })
    }

    /// The frames; at least one.
    pub fn frames(&self) -> &[Pixels<'a>] {
        &self.frames
    }

    /// Frames per second.
    pub fn fps(&self) -> f64 {
        self.fps
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.frames.first().map_or(0, Pixels::width)
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.frames.first().map_or(0, Pixels::height)
    }

    /// Number of channels: 1 for gray, 2 for gray with alpha, 3 for RGB, 4 for RGBA.
    pub fn channels(&self) -> u8 {
        self.frames.first().map_or(0, Pixels::channels)
    }

    /// Returns the same video with owned samples.
    pub fn into_owned(self) -> Video<'static> {
        let frames = self.frames.into_iter().map(Pixels::into_owned).collect();
        Video { frames, fps: self.fps }
    }

    /// Encodes the video as a GIF file that repeats forever.
    ///
    /// A pixel is transparent if its alpha is 0, and opaque otherwise. A frame with at most 256 colors keeps all
    /// of them, and so does every gray frame; transparency counts as one color. For other frames, Wu's algorithm
    /// chooses 256 colors: samples of smooth images then differ by 2 to 4 of 255 (root mean square). Each frame
    /// starts at the nearest hundredth of a second. At 30 frames per second, for example, 30 frames take exactly
    /// one second, but their durations differ.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the video cannot be encoded.
    pub fn to_gif(&self) -> Result<Bytes, ErrorKind> {
        let error = |error| ErrorKind::Argument(format!("a video: {error}"));
        // The shared palette of gray frames; other frames have their own. Pillow treats a frame whose own palette
        // is all grays as one without a palette, so there should be no other gray palette.
        let grays: Vec<u8> = (0..=255).flat_map(|gray| [gray; 3]).collect();
        let (width, height) = (side(self.width())?, side(self.height())?);
        let mut gif = gif::Encoder::new(Vec::new(), width, height, &grays).map_err(error)?;
        gif.set_repeat(Repeat::Infinite).map_err(error)?;
        for (frame, delay) in self.frames.iter().zip(self.delays()) {
            let mut frame = self.indexed(frame, width, height);
            frame.delay = delay;
            gif.write_frame(&frame).map_err(error)?;
        }
        Ok(gif.into_inner().map_err(error)?.into())
    }

    fn indexed<'f>(&self, frame: &'f Pixels<'_>, width: u16, height: u16) -> gif::Frame<'f> {
        let samples = frame.samples();
        let rgba: Vec<[u8; 4]> = match frame.channels() {
            1 => {
                let buffer = samples.into();
                return gif::Frame { width, height, buffer, ..Default::default() };
            }
            2 => samples.as_chunks().0.iter().map(|&[gray, a]| [gray, gray, gray, a]).collect(),
            3 => samples.as_chunks().0.iter().map(|&[r, g, b]| [r, g, b, 255]).collect(),
            _ => samples.as_chunks().0.to_vec(),
        };
        let Indexed { palette, indices, transparent } = Indexed::of(&rgba);
        // Prevents the previous frame from showing through transparent pixels.
        let has_alpha = frame.channels() != 3;
        let dispose = if has_alpha { DisposalMethod::Background } else { DisposalMethod::Keep };
        gif::Frame {
            width,
            height,
            buffer: indices.into(),
            palette: Some(palette.into_flattened()),
            transparent,
            dispose,
            ..Default::default()
        }
    }

    /// The duration of each frame in hundredths of a second. They add up to the total duration, rounded once.
    fn delays(&self) -> impl Iterator<Item = u16> {
        let mut number = 0.0;
        let hundredths = 100.0 / self.fps;
        std::iter::repeat_with(move || {
            let start = (number * hundredths).round();
            number += 1.0;
            #[expect(clippy::as_conversions, reason = "a whole number from 2 to 10000")]
            let delay = ((number * hundredths).round() - start) as u16;
            delay
        })
    }
}

fn side(pixels: u32) -> Result<u16, ErrorKind> {
    let what = || format!("a video with a side of {pixels} pixels, the limit is {}", u16::MAX);
    u16::try_from(pixels).map_err(|_| ErrorKind::Argument(what()))
}

/// A type that can be the frames of a video: a slice of images, or a vector of [`Pixels`]. With the feature
/// `ndarray`, also an array with its layout: a batch of images ([`Nchw`](super::Layout::Nchw),
/// [`Nhwc`](super::Layout::Nhwc)), where each image is a frame, or a batch of videos
/// ([`Ntchw`](super::Layout::Ntchw), [`Nthwc`](super::Layout::Nthwc)), which play side by side.
pub trait IntoFrames<'a> {
    /// Converts to frames.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a frame is not an image.
    fn into_frames(self) -> Result<Vec<Pixels<'a>>, ErrorKind>;
}

impl<'a> IntoFrames<'a> for Vec<Pixels<'a>> {
    fn into_frames(self) -> Result<Vec<Pixels<'a>>, ErrorKind> {
        Ok(self)
    }
}

impl<'a, T> IntoFrames<'a> for &'a [T]
where
    &'a T: IntoPixels<'a>,
{
    fn into_frames(self) -> Result<Vec<Pixels<'a>>, ErrorKind> {
        self.iter().map(IntoPixels::into_pixels).collect()
    }
}

/// Decodes the frames of an encoded image, one by one as they are requested: all frames of an animated GIF, and
/// one of any other image. After an error, there are no more frames.
pub(super) fn frames(encoded: &[u8]) -> impl Iterator<Item = Result<Frame, ErrorKind>> {
    let error = |error| ErrorKind::Value(format!("an image: {error}"));
    let mut failed = false;
    each(encoded)
        .take_while(move |frame| !mem::replace(&mut failed, frame.is_err()))
        .map(move |frame| frame.map_err(error))
}

type Frames<'a> = Box<dyn Iterator<Item = image::ImageResult<Frame>> + 'a>;

fn each(encoded: &[u8]) -> Frames<'_> {
    let frames = || -> image::ImageResult<Frames<'_>> {
        if image::guess_format(encoded)? != ImageFormat::Gif {
            let image = image::load_from_memory(encoded)?;
            return Ok(Box::new(std::iter::once(Ok(Frame::new(image.to_rgba8())))));
        }
        let mut decoder = GifDecoder::new(Cursor::new(encoded))?;
        decoder.set_limits(Limits::default())?; // limits the memory for a frame
        Ok(Box::new(decoder.into_frames()))
    };
    frames().unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The visible content of a video: the samples of each frame as RGBA, and its duration in hundredths of a
    /// second.
    fn shown(video: &Video<'_>) -> Vec<(Vec<u8>, u32)> {
        let shown = |frame: Frame| {
            let (milliseconds, 1) = frame.delay().numer_denom_ms() else { panic!("a fraction") };
            assert_eq!((frame.left(), frame.top()), (0, 0));
            (frame.into_buffer().into_raw(), milliseconds / 10)
        };
        frames(&video.to_gif().unwrap()).map(|frame| shown(frame.unwrap())).collect()
    }

    fn delays(frames: usize, fps: f64) -> Vec<u32> {
        let frames = vec![Pixels::new(1, 1, 1, vec![0]).unwrap(); frames];
        shown(&Video::new(frames, fps).unwrap()).into_iter().map(|(_, delay)| delay).collect()
    }

    /// 256 colors, or grays. Nine of them are transparent if there is alpha.
    fn colors(channels: u8, shift: u8) -> Pixels<'static> {
        let pixel = |i: u8| {
            let alpha = if i < 9 { 0 } else { 255 };
            match channels {
                1 => vec![i],
                2 => vec![i, alpha],
                3 => vec![i, i.wrapping_mul(77), shift],
                _ => vec![i, i.wrapping_mul(77), shift, alpha],
            }
        };
        Pixels::new(32, 8, channels, (0..=255).rev().flat_map(pixel).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_frame_of_256_colours_keeps_each_of_them() {
        for channels in 1..=4 {
            let frames = [0, 100, 200].map(|shift| colors(channels, shift));
            let video = Video::new(&frames[..], 4).unwrap();
            let shown = shown(&video);
            assert_eq!(shown.len(), 3);
            for (frame, (found, _)) in frames.iter().zip(shown) {
                let pixel = |pixel: &[u8]| match *pixel {
                    [gray] => [gray, gray, gray, 255],
                    [r, g, b] => [r, g, b, 255],
                    [.., 0] => [0; 4],
                    [gray, a] => [gray, gray, gray, a],
                    [r, g, b, a] => [r, g, b, a],
                    _ => unreachable!(),
                };
                let pixels = frame.samples().chunks(channels.into());
                let expected: Vec<u8> = pixels.flat_map(pixel).collect();
                assert_eq!(found, expected, "{channels} channels");
            }
        }
    }

    #[test]
    fn of_more_colours_the_nearest_are_shown() {
        let samples = (0..64 * 64).flat_map(|i: u32| [i % 64 * 4, i / 64 * 4, 128]);
        let samples: Vec<u8> = samples.map(|sample| sample.try_into().unwrap()).collect();
        let video = Video::new(vec![Pixels::new(64, 64, 3, &samples[..]).unwrap()], 4).unwrap();
        let found = &shown(&video)[0].0;
        let given = samples.as_chunks::<3>().0.iter().zip(found.as_chunks::<4>().0);
        let far = given.flat_map(|(given, found)| std::iter::zip(*given, *found));
        assert!(far.clone().all(|(given, found)| given.abs_diff(found) < 20));
        let squares: f64 = far.map(|(given, found)| f64::from(given.abs_diff(found)).powi(2)).sum();
        assert!(squares / (3.0 * 64.0 * 64.0) < 14.0, "{squares}"); // 36.7 dB
    }

    #[test]
    fn frames_start_at_the_nearest_hundredth_of_a_second() {
        assert_eq!(delays(3, 4.0), [25; 3]);
        assert_eq!(delays(6, 30.0), [3, 4, 3, 3, 4, 3]);
        assert_eq!(delays(3000, 29.97).iter().sum::<u32>(), 10_010);
        assert_eq!(delays(4, 50.0), [2; 4]);
        assert!(delays(400, 49.0).iter().all(|delay| *delay >= 2));
        assert_eq!(delays(1, 0.01), [10_000]);
    }

    #[test]
    fn it_plays_for_ever() {
        let video = Video::new(vec![Pixels::new(1, 1, 1, vec![0]).unwrap(); 2], 4).unwrap();
        let gif = video.to_gif().unwrap();
        let decoder = GifDecoder::new(Cursor::new(&gif)).unwrap();
        assert!(matches!(decoder.loop_count(), image::metadata::LoopCount::Infinite));
    }

    #[test]
    fn what_is_no_video_is_refused() {
        let frame = |width, height, channels: u8| {
            let len = usize::try_from(width * height).unwrap() * usize::from(channels);
            Pixels::new(width, height, channels, vec![0; len]).unwrap()
        };
        let two = |other| vec![frame(2, 3, 1), other];
        for (frames, fps, why) in [
            (vec![], 4.0, "a video of no frames"),
            (two(frame(3, 2, 1)), 4.0, "two sizes, Pixels(2x3x1) and Pixels(3x2x1)"),
            (two(frame(2, 3, 3)), 4.0, "two sizes, Pixels(2x3x1) and Pixels(2x3x3)"),
            (vec![frame(65_536, 1, 1)], 4.0, "a side of 65536 pixels, the limit is 65535"),
            (two(frame(2, 3, 1)), 0.0, "0 frames per second, not 0.01 to 50"),
            (two(frame(2, 3, 1)), -1.0, "-1 frames per second"),
            (two(frame(2, 3, 1)), 60.0, "60 frames per second"),
            (two(frame(2, 3, 1)), f64::NAN, "NaN frames per second"),
        ] {
            let Err(ErrorKind::Argument(what)) = Video::new(frames, fps) else { panic!("{why}") };
            assert!(what.contains(why), "{what}");
        }
    }

    #[test]
    fn after_a_frame_that_cannot_be_decoded_there_are_no_more() {
        let frame = |gray| Pixels::new(40, 30, 1, vec![gray; 1200]).unwrap();
        let video = Video::new((0..4).map(frame).collect::<Vec<_>>(), 4).unwrap();
        let gif = video.to_gif().unwrap();
        for len in 0..gif.len() {
            let found: Vec<_> = frames(&gif[..len]).collect();
            let whole = found.iter().filter(|frame| frame.is_ok()).count();
            assert!(whole <= 4 && found.len() - whole <= 1, "{len} bytes");
            assert!(found[..whole].iter().all(Result::is_ok));
        }
        // A canvas that takes 17 GB.
        let mut huge = gif.to_vec();
        huge[6..10].fill(0xff);
        let found: Vec<_> = frames(&huge).collect();
        assert!(matches!(found[..], [Err(ErrorKind::Value(_))]));
    }
}
