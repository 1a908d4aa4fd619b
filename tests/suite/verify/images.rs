//! Encoded images.

use tbx::summary::image;
use tbx_runs::verify::{Finding, Rule};

use super::{breaks, findings};
use crate::common::summary;

/// A PNG file of 3 by 2 gray pixels, written by Pillow.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\0\0\0\0\xb8\x1f9\xc6\
    \0\0\0\x0bIDATx\x9cc`\x80\0\0\0\x08\0\x01\xb7Xs\x95\0\0\0\0IEND\xaeB`\x82";

fn photo(rule: Rule, encoded: &[u8]) -> Finding {
    breaks(rule, &[summary(1, vec![image::v1("v", 3, 2, 1, encoded.to_vec().into())])])
}

#[test]
fn whole_pictures_of_the_right_size_are_fine() {
    let behind = [PNG, b"trailing data"].concat();
    for encoded in [PNG, &behind, b"GIF89a\x03\0\x02\0\0\0\0\x3b"] {
        let v1 = image::v1("v1", 3, 2, 1, encoded.to_vec().into());
        let v2 = image::v2("v2", 3, 2, vec![encoded.to_vec().into(); 2]);
        assert!(findings(&[summary(1, vec![v1, v2])]).is_empty());
    }
}

#[test]
fn every_changed_byte_and_every_cut_of_a_png_file_is_found() {
    for at in 8..PNG.len() {
        let mut damaged = PNG.to_vec();
        damaged[at] ^= 0x10;
        let value = image::v1("v", 3, 2, 1, damaged.into());
        let found = findings(&[summary(1, vec![value])]);
        assert!(found.iter().any(|finding| finding.rule == Rule::ImageDamaged), "byte {at}");
    }
    for end in [0, 30, 36, 40, PNG.len() - 4, PNG.len() - 1] {
        photo(Rule::ImageDamaged, &PNG[..end]);
    }
    let finding = photo(Rule::ImageDamaged, &PNG[..PNG.len() - 12]);
    assert_eq!(finding.message, "a PNG file that ends at byte 56, without its end");
}

#[test]
fn formats_that_no_browser_gets_and_wrong_sizes_are_found() {
    assert_eq!(photo(Rule::ImageFormat, b"RIFF\x24\0\0\0WEBPVP8 ").message, "WebP");
    assert_eq!(photo(Rule::ImageFormat, b"II*\0").message, "TIFF");
    let unknown = photo(Rule::ImageDamaged, b"what");
    assert_eq!(unknown.message, "unknown data, not an image");
    photo(Rule::ImageDamaged, b"GIF89a\x03\0\x02\0");
    let swapped = image::v1("v", 2, 3, 1, PNG.to_vec().into());
    let finding = breaks(Rule::ImageSize, &[summary(1, vec![swapped])]);
    assert_eq!(finding.message, "3x2 pixels, but the log says 2x3");
}
