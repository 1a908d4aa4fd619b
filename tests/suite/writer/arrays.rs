//! Images, and arrays of the `ndarray` crate.

use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, RgbaImage};
use ndarray::{Array1, Array2, Array3, Array4, s};
use tbx::{Bins, Histogram, Images, Kind, Layout, Pixels, Run, SummaryWriter};

use super::{fixed, run};

/// Writes a run in each form and reads it back.
fn both(write: impl Fn(&SummaryWriter)) -> [Run; 2] {
    [false, true].map(|v2| {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        write(&writer);
        writer.close().unwrap();
        run(dir.path())
    })
}

/// The decoded images of the series `tag`, one per step.
fn photos(run: &Run, tag: &str) -> Vec<DynamicImage> {
    let series = run.get(tag).unwrap();
    assert_eq!((series.kind(), series.metadata().plugin.as_str()), (Kind::Image, "images"));
    let read = |value| {
        let images = Images::read(value).unwrap();
        let mut decoded = images.decode().unwrap();
        assert_eq!(decoded.len(), 1);
        let only = decoded.remove(0);
        assert_eq!((images.width, images.height), (only.width(), only.height()));
        only
    };
    series.raw().unwrap().iter().map(read).collect()
}

/// An image in which every sample depends on its position.
fn rgb(width: u32, height: u32) -> RgbImage {
    let sample = |n: u32| u8::try_from(n % 256).unwrap();
    RgbImage::from_fn(width, height, |x, y| Rgb([sample(7 * x), sample(5 * y), sample(x * y)]))
}

#[test]
fn pictures_are_read_back_to_the_pixel() {
    let color = rgb(31, 17);
    let gray = GrayImage::from_fn(5, 9, |x, y| Luma([u8::try_from(20 * x + y).unwrap()]));
    let transparent =
        RgbaImage::from_fn(4, 4, |x, _| image::Rgba([9, 8, 7, x.try_into().unwrap()]));
    let soft = GrayAlphaImage::from_pixel(3, 2, image::LumaA([7, 128]));
    let one = RgbImage::from_pixel(1, 1, Rgb([1, 2, 3]));
    let samples: Vec<u8> = (0..24).collect();
    let runs = both(|writer| {
        writer.add_image("photo", &color, 0).unwrap();
        writer.add_image("photo", &gray, 1).unwrap();
        writer.add_image("photo", &transparent, 2).unwrap();
        writer.add_image("photo", &soft, 3).unwrap();
        writer.add_image("photo", &one, 4).unwrap();
        writer.add_image("photo", &DynamicImage::from(color.clone()), 5).unwrap();
        writer.add_image("photo", Pixels::new(4, 2, 3, &samples[..]).unwrap(), 6).unwrap();
    });
    let expected: [DynamicImage; 7] = [
        color.clone().into(),
        gray.clone().into(),
        transparent.clone().into(),
        soft.clone().into(),
        one.clone().into(),
        color.clone().into(),
        RgbImage::from_raw(4, 2, samples.clone()).unwrap().into(),
    ];
    for run in runs {
        assert!(photos(&run, "photo") == expected);
    }
}

#[test]
fn a_picture_of_16_bits_is_read_back_with_8() {
    let deep: ImageBuffer<Rgb<u16>, _> = ImageBuffer::from_pixel(2, 2, Rgb([0, 0x8080, 0xffff]));
    let deep = DynamicImage::ImageRgb16(deep);
    let expected = DynamicImage::from(RgbImage::from_pixel(2, 2, Rgb([0, 0x80, 0xff])));
    for run in both(|writer| writer.add_image("photo", &deep, 0).unwrap()) {
        assert!(photos(&run, "photo") == [expected.clone()]);
    }
}

#[test]
fn arrays_of_every_layout_and_stride_are_pictures() {
    let hwc =
        Array3::from_shape_fn((6, 4, 3), |(y, x, c)| u8::try_from(40 * y + 9 * x + c).unwrap());
    let expected = RgbImage::from_raw(4, 6, hwc.iter().copied().collect()).unwrap();
    let chw = hwc.view().permuted_axes([2, 0, 1]);
    let floats = hwc.mapv(|sample| (f32::from(sample) + 0.5) / 255.0);
    let wide = Array3::from_shape_fn((12, 8, 3), |(y, x, c)| hwc[[y / 2, x / 2, c]]);
    let standard = chw.as_standard_layout();
    let upside_down = hwc.slice(s![..;-1, .., ..]);
    let runs = both(|writer| {
        let add = |step, array, layout| writer.add_image("array", (array, layout), step).unwrap();
        add(0, hwc.view(), Layout::Hwc);
        add(1, chw, Layout::Chw);
        add(2, standard.view(), Layout::Chw);
        add(3, wide.slice(s![..;2, ..;2, ..]), Layout::Hwc);
        add(4, upside_down, Layout::Hwc);
        writer.add_image("array", (floats.view(), Layout::Hwc), 5).unwrap();
        let gray = Array2::from_elem((3, 2), 0.5f64);
        writer.add_image("gray", (gray.view(), Layout::Hw), 0).unwrap();
    });
    let flipped = image::imageops::flip_vertical(&expected);
    for run in runs {
        let mut all = vec![DynamicImage::from(expected.clone()); 6];
        all[4] = flipped.clone().into();
        assert!(photos(&run, "array") == all);
        let gray = GrayImage::from_pixel(2, 3, Luma([127]));
        assert!(photos(&run, "gray") == [DynamicImage::from(gray)]);
    }
}

#[test]
fn a_batch_is_one_picture_eight_in_a_row() {
    let many: Vec<_> =
        (1..=10).map(|i| RgbImage::from_pixel(3, 2, Rgb([i, 10 * i, 200]))).collect();
    let batch = Array4::from_shape_fn((10, 2, 3, 3), |(n, y, x, c)| {
        let pixel = many[n].get_pixel(x.try_into().unwrap(), y.try_into().unwrap());
        pixel.0[c]
    });
    let nchw = batch.view().permuted_axes([0, 3, 1, 2]);
    let runs = both(|writer| {
        writer.add_images("batch", &many[..], 0).unwrap();
        writer.add_images("batch", (batch.view(), Layout::Nhwc), 1).unwrap();
        writer.add_images("batch", (nchw, Layout::Nchw), 2).unwrap();
    });
    let expected = RgbImage::from_fn(24, 4, |x, y| {
        let n = usize::try_from(8 * (y / 2) + x / 3).unwrap();
        many.get(n).map_or(Rgb([0; 3]), |photo| *photo.get_pixel(0, 0))
    });
    for run in runs {
        assert!(photos(&run, "batch") == vec![DynamicImage::from(expected.clone()); 3]);
    }
}

#[test]
fn array_views_are_the_values_of_histograms() {
    let flat = Array1::from_vec(vec![1.0f32, 2.0, 2.0, 5.0, 8.0, 8.0]);
    let matrix = flat.to_shape((2, 3)).unwrap();
    let every_second = Array1::from_shape_fn(12, |i| flat[i / 2]);
    let runs = both(|writer| {
        let bins = Bins::Uniform(4);
        writer.with_bins(bins).add_histogram("weights", &flat, 0).unwrap();
        writer.with_bins(bins).add_histogram("weights", flat.view(), 1).unwrap();
        writer.with_bins(bins).add_histogram("weights", matrix.view(), 2).unwrap();
        writer.with_bins(bins).add_histogram("weights", matrix.t(), 3).unwrap();
        writer.with_bins(bins).add_histogram("weights", every_second.slice(s![..;2]), 4).unwrap();
        writer.add_histogram("exponential", matrix.view(), 0).unwrap();
        writer.add_histogram("exponential", flat.iter(), 1).unwrap();
    });
    for run in runs {
        let read = |tag| run.get(tag).unwrap().raw().unwrap().iter().map(Histogram::read);
        let uniform = Histogram::uniform(&flat, 4);
        assert!(read("weights").all(|histogram| histogram.unwrap() == uniform));
        let exponential: Vec<_> = read("exponential").map(|histogram| histogram.unwrap()).collect();
        assert_eq!(exponential[0], exponential[1]);
        assert_eq!(run.get("weights").unwrap().len(), 5);
    }
}
