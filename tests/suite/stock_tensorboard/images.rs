//! Images.

use std::any::type_name;

use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Rgb, RgbImage, RgbaImage};
use ndarray::{Array2, Array3, Array4, ArrayView, Dimension};
use serde_json::{Value, json};
use tbx::summary::image::{Channel, IntoBatch, IntoPixels};
use tbx::{Layout, Pixels};

use super::log::{Run, number};

impl Run<'_> {
    /// `samples` of shape height, width, channels.
    pub(super) fn image<'a, T: Copy + Into<f64>>(
        &mut self,
        tag: &str,
        image: impl IntoPixels<'a>,
        samples: &[T],
        shape: [usize; 3],
        step: i64,
    ) {
        let input = pixels(samples.iter(), &shape, Layout::Hwc);
        self.call("image", tag, step, input).add_image(tag, image, step).unwrap();
    }

    /// `samples` of shape number, height, width, channels.
    pub(super) fn images<'a>(
        &mut self,
        tag: &str,
        images: impl IntoBatch<'a>,
        samples: &[u8],
        shape: [usize; 4],
        step: i64,
    ) {
        let input = pixels(samples.iter(), &shape, Layout::Nhwc);
        self.call("image", tag, step, input).add_images(tag, images, step).unwrap();
    }

    pub(super) fn array<A, D>(
        &mut self,
        tag: &str,
        array: ArrayView<'_, A, D>,
        layout: Layout,
        step: i64,
    ) where
        A: Channel + Into<f64>,
        D: Dimension,
    {
        let input = pixels(array.iter(), array.shape(), layout);
        let writer = self.call("image", tag, step, input);
        match layout {
            Layout::Nchw | Layout::Nhwc => writer.add_images(tag, (array, layout), step).unwrap(),
            _ => writer.add_image(tag, (array, layout), step).unwrap(),
        }
    }
}

impl Run<'_> {
    pub(super) fn slice<A: Channel + Into<f64>, const N: usize>(
        &mut self,
        tag: &str,
        samples: &[A],
        shape: [usize; N],
        layout: Layout,
        step: i64,
    ) {
        let input = pixels(samples.iter(), &shape, layout);
        let writer = self.call("image", tag, step, input);
        match layout {
            Layout::Nchw | Layout::Nhwc => {
                writer.add_images(tag, (samples, shape, layout), step).unwrap();
            }
            _ => writer.add_image(tag, (samples, shape, layout), step).unwrap(),
        }
    }
}

pub(super) fn pixels<'a, T: Copy + Into<f64> + 'a>(
    samples: impl Iterator<Item = &'a T>,
    shape: &[usize],
    layout: Layout,
) -> Value {
    let samples: Vec<_> = samples.map(|&sample| number(sample.into())).collect();
    let layout = format!("{layout:?}").to_lowercase();
    json!({"samples": samples, "type": type_name::<T>(), "shape": shape, "layout": layout})
}

pub(super) fn write(run: &mut Run<'_>) {
    for step in 0..4u8 {
        let photo = RgbImage::from_fn(64, 48, |x, y| {
            Rgb([4 * x as u8, 5 * y as u8, 60 * step]) // red to the right, green downwards
        });
        run.image("photo/rgb", &photo, photo.as_raw(), [48, 64, 3], step.into());
    }
    let rgba = RgbaImage::from_fn(32, 32, |x, y| image::Rgba([255, 0, 0, (8 * x.min(y)) as u8]));
    run.image("photo/rgba", &rgba, rgba.as_raw(), [32, 32, 4], 0);
    let gray = GrayImage::from_fn(40, 8, |x, _| image::Luma([6 * x as u8]));
    run.image("photo/gray", &gray, gray.as_raw(), [8, 40, 1], 0);
    let soft = GrayAlphaImage::from_fn(8, 4, |x, y| image::LumaA([30 * x as u8, 60 * y as u8]));
    run.image("photo/gray alpha", &soft, soft.as_raw(), [4, 8, 2], 0);
    let deep: ImageBuffer<Rgb<u16>, _> =
        ImageBuffer::from_fn(16, 16, |x, y| Rgb([4369 * x as u16, 4369 * y as u16, 40_000]));
    let samples = deep.as_raw().clone();
    run.image("photo/16 bit", &DynamicImage::ImageRgb16(deep), &samples, [16, 16, 3], 0);

    let chw = Array3::from_shape_fn((3, 12, 20), |(c, y, x)| match c {
        0 => x as f32 / 19.0,
        1 => y as f32 / 11.0,
        _ => 0.5,
    });
    run.array("array/chw", chw.view(), Layout::Chw, 0);
    run.array("array/hwc", Array3::from_shape_fn((5, 7, 3), pixel).view(), Layout::Hwc, 0);
    let odd = [-0.5, 0.0, 0.5, 0.999, 1.0, 1.5, f64::NAN, f64::INFINITY];
    run.array("array/hw", Array2::from_shape_fn((2, 8), |(_, x)| odd[x]).view(), Layout::Hw, 0);
    let floats: Vec<f32> = (0..72).map(|i| i as f32 / 60.0 - 0.1).collect();
    run.slice("slice/chw", &floats, [3, 6, 4], Layout::Chw, 0);
    run.slice("slice/hwc", &floats, [6, 3, 4], Layout::Hwc, 0);
    run.slice("slice/nchw", &floats, [2, 3, 3, 4], Layout::Nchw, 0);
    let pixels = Pixels::from_f32(4, 6, 3, &floats).unwrap();
    run.image("slice/pixels", pixels, &floats, [6, 4, 3], 0);
    // Rows of eight, the second with six places left black.
    let many = Array4::from_shape_fn((10, 3, 6, 4), |(n, c, y, x)| pixel((n + y, x, c)));
    run.array("batch/nchw", many.view(), Layout::Nchw, 0);
    let few = Array4::from_shape_fn((3, 6, 4, 1), |(n, y, x, _)| (n + x + y) as f64 / 12.0);
    run.array("batch/nhwc", few.view(), Layout::Nhwc, 0);
    let images = [RgbImage::from_pixel(9, 5, Rgb([255, 0, 0])), RgbImage::from_fn(9, 5, blue)];
    let samples = [images[0].as_raw().as_slice(), images[1].as_raw()].concat();
    run.images("batch/images", &images[..], &samples, [2, 5, 9, 3], 0);
}

fn pixel((y, x, c): (usize, usize, usize)) -> u8 {
    (40 * y + 20 * x + 90 * c) as u8
}

fn blue(x: u32, _: u32) -> Rgb<u8> {
    Rgb([0, 0, 25 * x as u8])
}
