//! Images, encoded as PNG, JPEG or GIF. An animated GIF is a video.
//!
//! v1 is a `Summary.Image`: the size and the encoded bytes of one image. v2 is a tensor of strings with the plugin
//! `images`: width and height as decimal digits, followed by one or more encoded images
//! (`tensorboard/plugins/image/summary_v2.py`). TensorBoard shows PNG, JPEG, GIF and BMP.

#[cfg(feature = "ndarray")]
mod array;
#[cfg(feature = "image")]
mod boxes;
#[cfg(feature = "image")]
mod channel;
mod damage;
#[cfg(feature = "plotters")]
mod figure;
#[cfg(feature = "image")]
mod filter;
#[doc(hidden)]
pub mod header;
#[cfg(feature = "image")]
mod layout;
#[cfg(feature = "image")]
mod lettering;
#[cfg(feature = "image")]
mod palette;
#[cfg(feature = "image")]
mod pixels;
#[cfg(feature = "image")]
mod png;
#[cfg(feature = "image")]
mod video;

use bytes::Bytes;

#[cfg(feature = "image")]
pub use boxes::BoundingBox;
#[cfg(feature = "image")]
pub use channel::Channel;
#[doc(hidden)]
pub use damage::damage;
#[cfg(feature = "plotters")]
pub use figure::{FigureArea, FigureBackend, figure};
#[cfg(feature = "image")]
pub use layout::Layout;
#[cfg(feature = "image")]
pub(super) use pixels::tile;
#[cfg(feature = "image")]
pub use pixels::{IntoBatch, IntoPixels, Pixels, grid};
#[cfg(feature = "image")]
pub use video::{IntoFrames, Video};

use super::raw::{decode, lossy};
use super::tensor::{shape_message, value};
use super::{Form, Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;

/// The images of one step, still encoded.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Images {
    /// Width in pixels, as stored in the log. Some writers swap it with the height.
    pub width: u32,
    /// Height in pixels, as stored in the log.
    pub height: u32,
    /// The encoded images.
    pub encoded: Vec<Bytes>,
}

impl Images {
    /// Reads a value of an image series.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        match value.form {
            Form::Image => {
                let image: pb::summary::Image = decode(&value.bytes, "image")?;
                Ok(Self {
                    width: u32::try_from(image.width).unwrap_or(0),
                    height: u32::try_from(image.height).unwrap_or(0),
                    encoded: vec![image.encoded_image_string],
                })
            }
            _ => {
                let (strings, shape) = value.strings()?;
                let [width, height, encoded @ ..] = strings.as_slice() else {
                    let what = format!("an image of {} strings, not 3 or more", strings.len());
                    return Err(ErrorKind::Value(what));
                };
                if shape.len() != 1 {
                    return Err(ErrorKind::Value(format!("an image of shape {shape:?}")));
                }
                Ok(Self { width: size(width)?, height: size(height)?, encoded: encoded.to_vec() })
            }
        }
    }

    /// Decodes the images. Of a video, decodes the first frame.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: an image is damaged, or is not PNG, JPEG or GIF.
    #[cfg(feature = "image")]
    pub fn decode(&self) -> Result<Vec<image::DynamicImage>, ErrorKind> {
        let decode = |bytes: &Bytes| {
            image::load_from_memory(bytes)
                .map_err(|error| ErrorKind::Value(format!("an image: {error}")))
        };
        self.encoded.iter().map(decode).collect()
    }

    /// Decodes the frames of the images, each with the time for which it is shown: all frames of a video, and one
    /// of any other image. Frames are decoded one by one, when they are requested. After an error, the image has
    /// no more frames.
    ///
    /// # Errors
    ///
    /// The same as for [`decode`](Self::decode).
    #[cfg(feature = "image")]
    pub fn decode_frames(&self) -> impl Iterator<Item = Result<image::Frame, ErrorKind>> {
        self.encoded.iter().flat_map(|bytes| video::frames(bytes))
    }
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { width, height, encoded } = self;
        let lengths: Vec<_> = encoded.iter().map(Bytes::len).collect();
        write!(f, "Images({width}x{height}, {lengths:?} bytes)")
    }
}

fn size(digits: &[u8]) -> Result<u32, ErrorKind> {
    let digits = lossy(digits);
    digits.parse().map_err(|_| ErrorKind::Value(format!("an image with size {digits:?}")))
}

/// The value of a v1 image. `channels` is 1 for gray, 2 for gray with alpha, 3 for RGB, 4 for RGBA.
pub fn v1(tag: &str, width: u32, height: u32, channels: u8, encoded: Bytes) -> pb::summary::Value {
    let image = pb::summary::Image {
        height: i32::try_from(height).unwrap_or(i32::MAX),
        width: i32::try_from(width).unwrap_or(i32::MAX),
        colorspace: channels.into(),
        encoded_image_string: encoded,
    };
    pb::summary::Value {
        tag: tag.into(),
        value: Some(pb::summary::value::Value::Image(image)),
        ..Default::default()
    }
}

/// The value of one or more v2 images of the same size.
pub fn v2(tag: &str, width: u32, height: u32, encoded: Vec<Bytes>) -> pb::summary::Value {
    let sizes = [width, height].map(|size| Bytes::from(size.to_string()));
    let strings: Vec<Bytes> = sizes.into_iter().chain(encoded).collect();
    let size = i64::try_from(strings.len()).unwrap_or(i64::MAX);
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtString.into(),
        tensor_shape: Some(shape_message(&[size])),
        string_val: strings,
        ..Default::default()
    };
    value(tag, Kind::Image, tensor)
}
