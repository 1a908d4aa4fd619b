//! Videos.

use image::{Rgb, RgbImage};
use ndarray::{Array4, Array5, ArrayView, Dimension};
use serde_json::{Value, json};
use tbx::summary::image::{Channel, IntoFrames};
use tbx::{Layout, Pixels, Video};

use super::images::pixels;
use super::log::Run;

impl Run<'_> {
    /// `samples` has the shape time, height, width, channels.
    fn video<'a>(
        &mut self,
        tag: &str,
        frames: impl IntoFrames<'a>,
        fps: f64,
        samples: &[u8],
        shape: [usize; 4],
        step: i64,
    ) {
        let mut input = pixels(samples.iter(), &shape, Layout::Nhwc);
        input["layout"] = json!("thwc");
        self.add_video(tag, &Video::new(frames, fps).unwrap(), input, step);
    }

    fn video_array<A, D>(
        &mut self,
        tag: &str,
        array: ArrayView<'_, A, D>,
        layout: Layout,
        fps: f64,
        step: i64,
    ) where
        A: Channel + Into<f64>,
        D: Dimension,
    {
        let mut input = pixels(array.iter(), array.shape(), layout);
        if array.ndim() == 4 {
            input["layout"] = json!(input["layout"].as_str().unwrap().replace('n', "t"));
        }
        self.add_video(tag, &Video::new((array, layout), fps).unwrap(), input, step);
    }

    fn add_video(&mut self, tag: &str, video: &Video<'_>, mut input: Value, step: i64) {
        input["fps"] = json!(video.fps());
        self.call("video", tag, step, input).add_video(tag, video, step).unwrap();
    }
}

pub(super) fn write(run: &mut Run<'_>) {
    // A red square that moves over a gray background.
    for step in 0..2u8 {
        let frame = |t: u32| {
            RgbImage::from_fn(64, 48, move |x, y| match (x / 8, y / 8) == (t, t.min(5)) {
                true => Rgb([255, 0, 0]),
                false => Rgb([40 + 100 * step; 3]),
            })
        };
        let frames: Vec<_> = (0..8).map(frame).collect();
        let samples: Vec<u8> = frames.iter().flat_map(|frame| frame.as_raw().clone()).collect();
        run.video("video/square", &frames[..], 8.0, &samples, [8, 48, 64, 3], step.into());
    }
    // Gray, with and without alpha.
    let samples: Vec<u8> = (0..5 * 16 * 16).map(|i| (i % 256) as u8).collect();
    let frame = |t: usize| Pixels::new(16, 16, 1, &samples[256 * t..256 * (t + 1)]).unwrap();
    let frames: Vec<_> = (0..5).map(frame).collect();
    run.video("video/gray", frames, 0.5, &samples, [5, 16, 16, 1], 0);
    let soft: Vec<u8> = (0..3 * 8 * 8 * 4).map(|i| (i * 37 % 256 / 100 * 100) as u8).collect();
    let frame = |t: usize| Pixels::new(8, 8, 4, &soft[256 * t..256 * (t + 1)]).unwrap();
    run.video("video/rgba", (0..3).map(frame).collect::<Vec<_>>(), 20.0, &soft, [3, 8, 8, 4], 0);
    // Three videos in a row, with a black fourth cell; five in two rows.
    let batch = Array5::from_shape_fn((3, 5, 3, 6, 8), |(n, t, c, y, x)| {
        if c == n { 1.0 - (t + x + y) as f32 / 20.0 } else { 0.25 }
    });
    run.video_array("video/ntchw", batch.view(), Layout::Ntchw, 4.0, 0);
    let batch = Array5::from_shape_fn((5, 2, 6, 8, 3), |(n, t, y, x, c)| {
        (n + t + c) as f64 / 10.0 + (x + y) as f64 / 50.0
    });
    run.video_array("video/nthwc", batch.view(), Layout::Nthwc, 25.0, 0);
    let one = Array4::from_shape_fn((4, 10, 12, 3), |(t, y, x, c)| (60 * t + y * c + x) as u8);
    run.video_array("video/one", one.view(), Layout::Nhwc, 50.0, 0);
    // With more than 256 colors.
    let smooth = Array4::from_shape_fn((3, 3, 64, 64), |(t, c, y, x)| match c {
        0 => x as f32 / 63.0,
        1 => y as f32 / 63.0,
        _ => t as f32 / 2.0,
    });
    run.video_array("video/smooth", smooth.view(), Layout::Nchw, 3.0, 0);
}
