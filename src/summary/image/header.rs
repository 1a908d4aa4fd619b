//! Reads the format and size of an image from its first bytes.

/// The first bytes of a PNG file.
pub const PNG_SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Contents of the first bytes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHeader {
    /// Name of the format; `unknown data` if it is not known.
    pub format: &'static str,
    /// Whether the format is known.
    pub is_known: bool,
    /// Whether TensorBoard serves it as an image, as it does PNG, JPEG, GIF and BMP
    /// (`tensorboard/plugins/image/images_plugin.py`, `_IMGHDR_TO_MIMETYPE`).
    pub is_shown: bool,
    /// Width and height in pixels, for formats that are shown; `None` if they are missing.
    pub size: Option<(u32, u32)>,
}

impl ImageHeader {
    /// Parses the first bytes of an image. For a JPEG file, everything up to its frame is needed.
    ///
    /// ```
    /// use tbx::summary::image::header::ImageHeader;
    ///
    /// let gif = ImageHeader::of(b"GIF89a\x05\0\x03\0");
    /// assert_eq!((gif.format, gif.size), ("GIF", Some((5, 3))));
    /// assert!(!ImageHeader::of(b"RIFF\x24\0\0\0WEBPVP8 ").is_shown);
    /// ```
    pub fn of(bytes: &[u8]) -> Self {
        let (format, is_shown, size) = match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => ("PNG", true, png(bytes)),
            [0xff, 0xd8, 0xff, ..] => ("JPEG", true, jpeg(bytes)),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', rest @ ..] => ("GIF", true, gif(rest)),
            [b'B', b'M', ..] => ("BMP", true, bmp(bytes)),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
                ("WebP", false, None)
            }
            [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => ("TIFF", false, None),
            [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => {
                ("AVIF", false, None)
            }
            [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', b'e' | b'i', ..] => {
                ("HEIF", false, None)
            }
            [b'<', b's', b'v', b'g', ..] | [b'<', b'?', b'x', b'm', b'l', ..] => {
                ("SVG", false, None)
            }
            [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', b' ', ..] => {
                ("JPEG XL", false, None)
            }
            [0, 0, 0, 0x0c, b'j', b'P', b' ', b' ', ..] => ("JPEG 2000", false, None),
            [0x76, 0x2f, 0x31, 0x01, ..] => ("OpenEXR", false, None),
            [b'P', b'1'..=b'6', b' ' | b'\n' | b'\r' | b'\t', ..] => ("PNM", false, None),
            _ => ("unknown data", false, None),
        };
        Self { format, is_known: format != "unknown data", is_shown, size }
    }

    /// The extension of file names of the format; `bin` if it is not known.
    pub fn extension(&self) -> &'static str {
        match self.format {
            "PNG" => "png",
            "JPEG" => "jpg",
            "GIF" => "gif",
            "BMP" => "bmp",
            "WebP" => "webp",
            "TIFF" => "tif",
            "AVIF" => "avif",
            "SVG" => "svg",
            "HEIF" => "heic",
            "JPEG XL" => "jxl",
            "JPEG 2000" => "jp2",
            "OpenEXR" => "exr",
            "PNM" => "pnm",
            _ => "bin",
        }
    }
}

/// The header chunk comes first.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.get(12..)?.strip_prefix(b"IHDR")?;
    let (width, rest) = header.split_first_chunk()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(*rest.first_chunk()?)))
}

/// The first frame header among the segments, with a marker from `SOF0` to `SOF15`, except for
/// three that mean something else (ITU T.81, B.2.2).
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.get(2..)?;
    loop {
        let (marker, behind) = rest.split_first_chunk::<2>()?;
        let [0xff, marker] = *marker else { return None };
        match marker {
            0xff => {
                rest = rest.get(1..)?; // padding
                continue;
            }
            0x01 | 0xd0..=0xd8 => {
                rest = behind; // markers without a segment
                continue;
            }
            0xd9 | 0xda => return None, // the end, or pixels
            _ => {}
        }
        let len = usize::from(u16::from_be_bytes(*behind.first_chunk()?));
        let (segment, behind) = behind.split_at_checked(len)?;
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let [_, _, _precision, h0, h1, w0, w1, ..] = *segment else { return None };
            return Some((
                u16::from_be_bytes([w0, w1]).into(),
                u16::from_be_bytes([h0, h1]).into(),
            ));
        }
        rest = behind;
    }
}

/// The size of the logical screen.
fn gif(rest: &[u8]) -> Option<(u32, u32)> {
    let [w0, w1, h0, h1, ..] = *rest else { return None };
    Some((u16::from_le_bytes([w0, w1]).into(), u16::from_le_bytes([h0, h1]).into()))
}

/// The size follows a file header of 14 bytes; a negative height means that rows go from top to
/// bottom.
fn bmp(bytes: &[u8]) -> Option<(u32, u32)> {
    let info = bytes.get(18..)?;
    let (width, rest) = info.split_first_chunk()?;
    let height = i32::from_le_bytes(*rest.first_chunk()?);
    Some((i32::from_le_bytes(*width).unsigned_abs(), height.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_every_shown_format_is_found() {
        let mut png = PNG_SIGNATURE.to_vec();
        png.extend(b"\0\0\0\x0dIHDR\0\0\x01\0\0\0\0\x07");
        let jpeg =
            b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc4\0\x03x\xff\xc2\0\x0b\x08\0\x07\x01\0\x03abc";
        let mut bmp = b"BM".to_vec();
        bmp.resize(18, 0);
        bmp.extend([256i32.to_le_bytes(), (-7i32).to_le_bytes()].concat());
        for bytes in [&png[..], jpeg, b"GIF87a\0\x01\x07\0", &bmp] {
            let header = ImageHeader::of(bytes);
            assert_eq!((header.size, header.is_shown), (Some((256, 7)), true), "{header:?}");
            for end in 0..bytes.len() {
                ImageHeader::of(&bytes[..end]); // no panic
            }
        }
        assert_eq!(ImageHeader::of(b"\xff\xd8\xff\xd9").size, None);
        assert_eq!(ImageHeader::of(b"II*\0").format, "TIFF");
        assert_eq!(ImageHeader::of(b"").format, "unknown data");
    }
}
