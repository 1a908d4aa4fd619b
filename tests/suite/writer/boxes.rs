//! Images with boxes.

use image::{Rgb, RgbImage};
use tbx::{BoundingBox, ErrorKind, Images, Pixels};

use super::{fixed, run};

#[test]
fn a_picture_with_boxes_is_read_back_with_them() {
    let photo = RgbImage::from_fn(50, 40, |x, y| Rgb([x, y, 7].map(|s| s.try_into().unwrap())));
    let boxes =
        [BoundingBox::new([5.0, 20.0, 20.0, 30.0]).label("cat"), [30.0, 1.0, 45.0, 9.0].into()];
    let given = Pixels::new(50, 40, 3, photo.as_raw().as_slice()).unwrap();
    let expected = given.with_boxes(&boxes).unwrap();
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        writer.add_image_with_boxes("photo", &photo, &boxes, 0).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        let images = Images::read(&run.get("photo").unwrap().raw().unwrap()[0]).unwrap();
        assert_eq!((images.width, images.height), (50, 40));
        assert_eq!(images.decode().unwrap()[0].as_bytes(), expected.samples());
    }
}

#[test]
fn a_bad_box_fails_at_the_call_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let photo = RgbImage::new(50, 40);
    let bad = [[0.0, 0.0, 9.0, 9.0], [0.0, f32::NAN, 9.0, 9.0]];
    let error = writer.add_image_with_boxes("bad", &photo, bad, 7).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    assert_eq!(error.to_string(), "tag \"bad\", step 7: a box from (0, NaN) to (9, 9)");
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
}
