//! Images with boxes.

use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::json;
use tbx::{BoundingBox, Layout};

use super::images::pixels;
use super::log::Run;

/// Corners, label and color; `None` is the default color.
type Given = ([f32; 4], &'static str, Option<[u8; 3]>);

impl Run<'_> {
    fn boxes(&mut self, tag: &str, photo: impl Into<DynamicImage>, boxes: &[Given], step: i64) {
        let photo = photo.into();
        let shape = [photo.height(), photo.width(), photo.color().channel_count().into()];
        let shape = shape.map(|size| size as usize);
        let mut input = pixels(photo.as_bytes().iter(), &shape, Layout::Hwc);
        let noted = boxes.iter().map(|(corners, label, color)| {
            json!({"corners": corners, "label": label, "color": color.unwrap_or([255, 0, 0])})
        });
        input["boxes"] = noted.collect();
        let made = boxes.iter().map(|(corners, label, color)| {
            let one = BoundingBox::new(*corners).label(*label);
            color.map_or(one.clone(), |color| one.color(color))
        });
        let writer = self.call("boxes", tag, step, input);
        writer.add_image_with_boxes(tag, &photo, made, step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    let photo = |width, height| {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 90])
        })
    };
    for step in 0..2u8 {
        let shift = 30.0 * f32::from(step);
        let found: [Given; 5] = [
            ([40.0 + shift, 60.0, 150.4, 180.6], "person 0.98", None),
            ([300.0, 100.0 + shift, 180.0, 40.0], "größe", Some([0, 255, 0])),
            ([290.0, 200.0, 400.0, 300.0], "beyond the edge", Some([20, 60, 255])),
            ([-20.0, 3.0, 30.0, 30.0], "no room above", Some([255, 220, 0])),
            ([0.0, 0.0, 320.0, 256.0], "", Some([255, 255, 255])),
        ];
        run.boxes("boxes/detector", photo(320, 256), &found, step.into());
    }
    let corners = [100.0, 100.0, 500.0, 400.0];
    run.boxes("boxes/wide lines", photo(720, 480), &[(corners, "large", None)], 0);
    let gray = GrayImage::from_fn(40, 30, |x, y| Luma([(6 * x + y) as u8]));
    run.boxes("boxes/gray", gray, &[([5.0, 15.0, 20.5, 25.5], "cat", None)], 0);
    let soft = RgbaImage::from_fn(40, 30, |x, y| Rgba([6 * x as u8, 8 * y as u8, 0, 100]));
    run.boxes("boxes/rgba", soft, &[([5.0, 15.0, 20.0, 25.0], "cat", Some([0, 0, 255]))], 0);
    run.boxes("boxes/none", photo(20, 10), &[], 0);
}
