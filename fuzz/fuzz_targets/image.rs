//! Encoded images: the header has the size of the decoded image. An image that decodes has a known format.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tbx::Images;
use tbx::summary::image::damage;
use tbx::summary::image::header::ImageHeader;
use tbx_fuzz::raw_strings;

/// Maximum number of pixels that are decoded.
const MAX_PIXELS: u64 = 1 << 18;

fuzz_target!(|data: &[u8]| {
    let header = ImageHeader::of(data);
    let wrong = damage(data);
    assert_eq!(header.is_known, header.format != "unknown data");
    assert!(header.is_known || wrong.is_some());
    let value = raw_strings(&[b"2", b"3", data]);
    let images = Images::read(&value).expect("strings");
    assert_eq!((images.width, images.height), (2, 3));
    let Some((width, height)) = header.size else { return };
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return;
    }
    images.decode_frames().take(4).for_each(drop);
    let Ok(decoded) = images.decode() else { return };
    assert!(header.is_shown, "{header:?}");
    let [decoded] = &decoded[..] else { panic!("{} images", decoded.len()) };
    assert_eq!((decoded.width(), decoded.height()), (width, height), "{}", header.format);
});
