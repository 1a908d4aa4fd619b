//! Videos: animated GIFs in image series.

use image::{Rgb, RgbImage, Rgba, RgbaImage};
use ndarray::Array5;
use tbx::{Images, Kind, Layout, Pixels, Run, SummaryWriter, Video};

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

/// The values of the series `tag`, one per step.
fn videos(run: &Run, tag: &str) -> Vec<Images> {
    let series = run.get(tag).unwrap();
    assert_eq!((series.kind(), series.metadata().plugin.as_str()), (Kind::Image, "images"));
    series.raw().unwrap().iter().map(|value| Images::read(value).unwrap()).collect()
}

/// The frames of a video, with the duration of each in milliseconds.
fn frames(video: &Images) -> (Vec<RgbaImage>, Vec<u32>) {
    assert_eq!(video.encoded.len(), 1);
    let frames = video.decode_frames().map(|frame| {
        let frame = frame.unwrap();
        let (milliseconds, per) = frame.delay().numer_denom_ms();
        (frame.into_buffer(), milliseconds / per)
    });
    frames.unzip()
}

fn opaque(photo: &RgbImage) -> RgbaImage {
    RgbaImage::from_fn(photo.width(), photo.height(), |x, y| {
        let Rgb([r, g, b]) = *photo.get_pixel(x, y);
        Rgba([r, g, b, 255])
    })
}

#[test]
fn videos_are_read_back_to_the_pixel() {
    let frame = |t: u8| {
        RgbImage::from_fn(20, 12, move |x, y| Rgb([10 * t, u8::try_from(x * 12 + y).unwrap(), 9]))
    };
    let colors: Vec<_> = (0..20).map(frame).collect();
    let one = Pixels::new(1, 1, 4, vec![1, 2, 3, 0]).unwrap();
    let runs = both(|writer| {
        writer.add_video("video", &Video::new(&colors[..], 10).unwrap(), 0).unwrap();
        writer.add_video("video", &Video::new(&colors[7..9], 0.5f32).unwrap(), 3).unwrap();
        writer.add_video("dot", &Video::new(vec![one.clone()], 4).unwrap(), 0).unwrap();
    });
    for run in runs {
        let found = videos(&run, "video");
        assert!(found.iter().all(|video| (video.width, video.height) == (20, 12)));
        let expected: Vec<_> = colors.iter().map(opaque).collect();
        assert!(frames(&found[0]) == (expected.clone(), vec![100; 20]));
        assert!(frames(&found[1]) == (expected[7..9].to_vec(), vec![2000; 2]));
        // As an image, it is the first frame.
        assert!(found[0].decode().unwrap() == [expected[0].clone().into()]);
        assert!(frames(&videos(&run, "dot")[0]) == (vec![RgbaImage::new(1, 1)], vec![250]));
    }
}

#[test]
fn a_batch_of_videos_plays_side_by_side() {
    let batch =
        Array5::from_shape_fn((5, 3, 1, 2, 2), |(n, t, ..)| 0.1 * (n + 1) as f32 + 0.01 * t as f32);
    let runs = both(|writer| {
        let video = Video::new((batch.view(), Layout::Ntchw), 4).unwrap();
        writer.add_video("batch", &video, 0).unwrap();
    });
    for run in runs {
        let video = &videos(&run, "batch")[0];
        assert_eq!((video.width, video.height), (8, 4)); // two rows of four
        let (frames, _) = frames(video);
        assert_eq!(frames.len(), 3);
        for (t, frame) in frames.iter().enumerate() {
            for (x, y, pixel) in frame.enumerate_pixels() {
                let n = usize::try_from(x / 2 + 4 * (y / 2)).unwrap();
                let gray = batch.get((n, t, 0, 0, 0)).map_or(0, |gray| (gray * 255.0) as u8);
                assert_eq!(pixel.0, [gray, gray, gray, 255]);
            }
        }
    }
}

#[test]
fn pictures_that_do_not_move_have_one_frame() {
    let photo = RgbImage::from_pixel(3, 2, Rgb([1, 2, 3]));
    let runs = both(|writer| writer.add_image("photo", &photo, 0).unwrap());
    for run in runs {
        let frames: Vec<_> = videos(&run, "photo")[0].decode_frames().collect();
        assert_eq!(frames.len(), 1);
        assert!(*frames[0].as_ref().unwrap().buffer() == opaque(&photo));
    }
}
