//! A fast PNG encoder, for images that one filter fits.
//!
//! One filter replaces all samples by their differences from their neighbors. Most differences are small, so
//! one fixed code fits all images: a smaller difference takes fewer bits. The code is looked up for two
//! differences at a time. A run of zeros is written as its length.
//!
//! Formats: [PNG](https://www.w3.org/TR/png-3/), RFC 1950 (zlib) and RFC 1951 (deflate).

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "indices into tables of fixed size, from the bytes of an image; this is the hot loop"
)]

use std::sync::LazyLock;

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use simd_adler32::Adler32;

use super::{Pixels, filter};
use crate::error::ErrorKind;

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
/// Maximum length of a chunk of a PNG file.
const MAX_CHUNK: usize = 0x7fff_ffff;

/// Number of symbols of deflate: the bytes, the end of the data, and lengths of repetitions.
const SYMBOLS: usize = 286;
const END: usize = 256;
/// The symbol of the longest repetition.
const LONGEST: usize = 285;
const MAX_RUN: usize = 258;
/// Minimum length of a repetition.
const MIN_RUN: usize = 3;
/// Largest absolute difference with a code of 2 bits, 3 bits, and so on.
const REACH: [u8; 10] = [0, 1, 2, 4, 6, 9, 14, 20, 29, 39];
const MOST_BITS: u32 = 12;
/// Number of bits for the two codes of a pair; the bits above are their length.
const PAIR_BITS: u32 = 2 * MOST_BITS;

struct Tables {
    /// Code and length of each symbol.
    codes: [(u64, u32); SYMBOLS],
    /// The codes of two bytes, with their length in the bits above.
    pairs: Box<[u32; 1 << 16]>,
    /// Symbol, base and number of extra bits of each length of a repetition.
    lengths: [(u16, u16, u32); MAX_RUN + 1],
}

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

impl Pixels<'_> {
    /// Encodes the image as a PNG file. Compression is fast rather than strong.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the image is too large for PNG.
    pub fn to_png(&self) -> Result<Bytes, ErrorKind> {
        let color = match self.channels() {
            1 => ExtendedColorType::L8,
            2 => ExtendedColorType::La8,
            3 => ExtendedColorType::Rgb8,
            _ => ExtendedColorType::Rgba8,
        };
        let channels = usize::from(self.channels());
        let line_len = usize::try_from(self.width()).unwrap_or(usize::MAX).saturating_mul(channels);
        let filter = filter::choose(self.samples(), line_len, channels);
        if let Some(png) = encode(self, &filter) {
            return Ok(png.into());
        }
        let mut png = Vec::with_capacity(self.samples().len() / 2);
        PngEncoder::new_with_quality(&mut png, CompressionType::Fast, filter)
            .write_image(self.samples(), self.width(), self.height(), color)
            .map_err(|error| ErrorKind::Argument(format!("an image: {error}")))?;
        Ok(png.into())
    }
}

/// The image as a PNG file. `None` if another encoder is better: if no single filter fits, or if the file would
/// not be smaller than the samples.
fn encode(pixels: &Pixels<'_>, filter: &FilterType) -> Option<Vec<u8>> {
    let filter = Filter::of(filter)?;
    let channels = usize::from(pixels.channels());
    let line_len = channels.checked_mul(usize::try_from(pixels.width()).ok()?)?;
    let mut png = Vec::with_capacity(pixels.samples().len() / 2 + 512);
    png.extend_from_slice(SIGNATURE);
    let color = [0, 0, 4, 2, 6][channels.min(4)];
    let mut header = [0; 13];
    header[..4].copy_from_slice(&pixels.width().to_be_bytes());
    header[4..8].copy_from_slice(&pixels.height().to_be_bytes());
    header[8..10].copy_from_slice(&[8, color]);
    chunk(&mut png, b"IHDR", |png| png.extend_from_slice(&header))?;
    chunk(&mut png, b"IDAT", |png| {
        let mut deflate = Deflate::new(std::mem::take(png));
        let mut checksum = Adler32::new();
        let mut line = vec![0; line_len + 1];
        let first = vec![0; line_len];
        let mut above = &first[..];
        for samples in pixels.samples().chunks_exact(line_len) {
            line[0] = filter as u8;
            filter.apply(&mut line[1..], samples, above, channels);
            checksum.write(&line);
            deflate.write(&line);
            above = samples;
        }
        *png = deflate.finish();
        png.extend_from_slice(&checksum.finish().to_be_bytes());
    })?;
    chunk(&mut png, b"IEND", |_| ())?;
    (png.len() < pixels.samples().len()).then_some(png)
}

/// Appends a chunk; `None` if it is too long.
fn chunk(png: &mut Vec<u8>, name: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) -> Option<()> {
    let start = png.len();
    png.extend_from_slice(&[0; 4]);
    png.extend_from_slice(name);
    content(png);
    let len = png.len() - start - 8;
    let written = u32::try_from(len).ok().filter(|_| len <= MAX_CHUNK)?;
    png[start..start + 4].copy_from_slice(&written.to_be_bytes());
    let checksum = crc32fast::hash(&png[start + 4..]);
    png.extend_from_slice(&checksum.to_be_bytes());
    Some(())
}

/// The value that is subtracted from a sample, by its number in PNG.
#[derive(Clone, Copy)]
enum Filter {
    /// The sample to the left.
    Sub = 1,
    /// The sample above.
    Up = 2,
    /// The mean of the two.
    Average = 3,
}

impl Filter {
    fn of(filter: &FilterType) -> Option<Self> {
        match filter {
            FilterType::Sub => Some(Self::Sub),
            FilterType::Up => Some(Self::Up),
            FilterType::Avg => Some(Self::Average),
            _ => None,
        }
    }

    fn apply(self, line: &mut [u8], samples: &[u8], above: &[u8], channels: usize) {
        // The sample to the left of the first pixel counts as 0.
        let (first, rest) = line.split_at_mut(channels);
        let (here, left) = (&samples[channels..], &samples[..samples.len() - channels]);
        match self {
            Self::Sub => {
                first.copy_from_slice(&samples[..channels]);
                for ((to, here), left) in rest.iter_mut().zip(here).zip(left) {
                    *to = here.wrapping_sub(*left);
                }
            }
            Self::Up => {
                for ((to, here), above) in line.iter_mut().zip(samples).zip(above) {
                    *to = here.wrapping_sub(*above);
                }
            }
            Self::Average => {
                for ((to, here), above) in first.iter_mut().zip(samples).zip(above) {
                    *to = here.wrapping_sub(above / 2);
                }
                let above = &above[channels..];
                for (((to, here), left), above) in rest.iter_mut().zip(here).zip(left).zip(above) {
                    // The mean without wider integers, so that the loop is vectorized.
                    *to = here.wrapping_sub((left & above) + ((left ^ above) >> 1));
                }
            }
        }
    }
}

impl Tables {
    fn new() -> Self {
        let bits = bits();
        let codes = codes(&bits);
        let mut pairs = Box::new([0; 1 << 16]);
        for (place, pair) in pairs.iter_mut().enumerate() {
            let ((first, count), (second, more)) = (codes[place & 0xff], codes[place >> 8]);
            *pair = (first | second << count) as u32 | (count + more) << PAIR_BITS;
        }
        let mut lengths = [(0, 0, 0); MAX_RUN + 1];
        let mut base = MIN_RUN;
        for symbol in END + 1..LONGEST {
            // Four symbols for each number of extra bits; eight for none.
            let extra = ((symbol - END - 1) / 4).saturating_sub(1) as u32;
            for length in &mut lengths[base..(base + (1 << extra)).min(MAX_RUN)] {
                *length = (symbol as u16, base as u16, extra);
            }
            base += 1 << extra;
        }
        lengths[MAX_RUN] = (LONGEST as u16, MAX_RUN as u16, 0);
        Self { codes, pairs, lengths }
    }
}

/// Number of bits of each symbol's code.
fn bits() -> [u32; SYMBOLS] {
    let mut bits = [MOST_BITS; SYMBOLS];
    for (symbol, bits) in bits.iter_mut().enumerate().take(END) {
        let size = (symbol as u8).cast_signed().unsigned_abs();
        let shorter = REACH.iter().filter(|reach| size <= **reach).count() as u32;
        *bits = MOST_BITS - shorter;
    }
    bits[LONGEST] = MOST_BITS - 1; // makes the code complete
    bits
}

/// The codes of these lengths, as RFC 1951 assigns them, lowest bit first.
fn codes<const N: usize>(bits: &[u32; N]) -> [(u64, u32); N] {
    let mut codes = [(0, 0); N];
    let mut next = 0u64;
    for count in 1..=15 {
        next <<= 1;
        for (code, _) in codes.iter_mut().zip(bits).filter(|(_, bits)| **bits == count) {
            *code = (next.reverse_bits() >> (64 - count), count);
            next += 1;
        }
    }
    codes
}

/// Writes one block of deflate with the code of [`TABLES`].
struct Deflate {
    tables: &'static Tables,
    out: Vec<u8>,
    /// Number of bytes in `out` that are written; the others are reserved.
    written: usize,
    /// Pending bits, fewer than 8, which do not fill a byte yet.
    bits: u64,
    count: u32,
    /// Number of pending zeros.
    zeros: usize,
}

impl Deflate {
    /// Appends to `out`.
    fn new(out: Vec<u8>) -> Self {
        let written = out.len();
        let mut deflate = Self { tables: &TABLES, out, written, bits: 0, count: 0, zeros: 0 };
        deflate.head();
        deflate
    }

    /// Writes the header of the data, with the length of each code.
    fn head(&mut self) {
        /// Order of the lengths of the code for code lengths (RFC 1951, 3.2.7).
        const ORDER: [usize; 18] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1];
        const REPEAT: usize = 16;
        // The code for code lengths: 1 to 12, and `REPEAT`, which repeats the last one.
        let mut bits = [0; 19];
        bits[1..=12].fill(4);
        for often in [REPEAT, 11, 12] {
            bits[often] = 3;
        }
        let codes = codes(&bits);
        self.room(SYMBOLS);
        self.put(0x0178, 16); // zlib: deflate, 32 KB, fastest
        self.put(0b101, 3); // the last block, with a code of its own
        self.put((SYMBOLS - 257) as u64, 5);
        self.put(0, 5); // one distance
        self.put((ORDER.len() - 4) as u64, 4);
        for symbol in ORDER {
            self.put(bits[symbol].into(), 3);
        }
        let lengths: Vec<u32> = self::bits().into_iter().chain([1]).collect();
        for same in lengths.chunk_by(|a, b| a == b) {
            let (code, count) = codes[same[0] as usize];
            self.put(code, count);
            let mut left = same.len() - 1;
            while left > 0 {
                let times = if left < 3 { 1 } else { left.min(6) };
                match times {
                    1 => self.put(code, count),
                    _ => {
                        self.put(codes[REPEAT].0, codes[REPEAT].1);
                        self.put(times as u64 - 3, 2);
                    }
                }
                left -= times;
            }
        }
    }

    /// Makes room for `len` symbols.
    fn room(&mut self, len: usize) {
        self.out.resize(self.written + 2 * len + 64, 0);
    }

    /// Writes up to 56 bits. There must be room.
    #[inline(always)]
    fn put(&mut self, bits: u64, count: u32) {
        self.bits |= bits << self.count;
        self.count += count;
        let room = self.out.get_mut(self.written..).and_then(|room| room.first_chunk_mut());
        if let Some(room) = room {
            *room = self.bits.to_le_bytes();
        }
        self.written += (self.count / 8) as usize;
        self.bits >>= self.count & !7;
        self.count &= 7;
    }

    fn symbol(&mut self, symbol: usize) {
        let (code, count) = self.tables.codes[symbol];
        self.put(code, count);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.room(bytes.len() + self.zeros);
        let pairs = &*self.tables.pairs;
        let pair = |bytes: u16| {
            let pair = pairs[usize::from(bytes)];
            (u64::from(pair & ((1 << PAIR_BITS) - 1)), pair >> PAIR_BITS)
        };
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let word = u64::from_le_bytes(*word);
            if word == 0 {
                self.zeros += 8;
                continue;
            }
            if self.zeros > 0 {
                self.run();
            }
            for half in [word as u32, (word >> 32) as u32] {
                let ((first, count), (second, more)) =
                    (pair(half as u16), pair((half >> 16) as u16));
                self.put(first | second << count, count + more);
            }
        }
        self.run();
        for byte in rest {
            self.symbol(usize::from(*byte));
        }
    }

    /// Writes the pending zeros: one zero, and a repetition.
    #[inline(never)]
    fn run(&mut self) {
        let zeros = std::mem::take(&mut self.zeros);
        let mut left = zeros.saturating_sub(1);
        if zeros > 0 {
            self.symbol(0);
        }
        while left >= MIN_RUN {
            let length = left.min(MAX_RUN);
            let (symbol, base, extra) = self.tables.lengths[length];
            self.symbol(symbol.into());
            // After the extra bits: the code of the only distance, which is 1.
            self.put((length - usize::from(base)) as u64, extra + 1);
            left -= length;
        }
        for _ in 0..left {
            self.symbol(0);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.room(1);
        self.symbol(END);
        self.put(0, (8 - self.count) % 8);
        self.out.truncate(self.written);
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` samples that differ from their neighbours by up to `spread`, with runs of equal ones.
    fn samples(count: usize, spread: u32, seed: u32) -> Vec<u8> {
        let mut bits = seed;
        let mut sample = 0u32;
        let step = |i: usize| {
            bits ^= bits << 13;
            bits ^= bits >> 17;
            bits ^= bits << 5;
            // A third of the samples are in runs of up to 300.
            if !(i / 300).is_multiple_of(3) || bits.is_multiple_of(7) {
                sample = sample.wrapping_add(bits % (2 * spread + 1)).wrapping_sub(spread);
            }
            sample as u8
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn every_image_is_decoded_to_the_same_samples() {
        let filters = [FilterType::Sub, FilterType::Up, FilterType::Avg];
        let sizes = [(1, 1), (1, 70), (70, 1), (3, 5), (64, 64), (100, 33), (2000, 9)];
        let mut encoded = 0;
        for (width, height) in sizes {
            for channels in 1..=4u8 {
                for spread in [0, 1, 3, 20, 60, 127] {
                    let count = width * height * usize::from(channels);
                    let samples = samples(count, spread, 1 + count as u32);
                    let size = (width as u32, height as u32);
                    let pixels = Pixels::new(size.0, size.1, channels, &samples[..]).unwrap();
                    for filter in &filters {
                        let Some(png) = encode(&pixels, filter) else { continue };
                        encoded += 1;
                        let decoded = image::load_from_memory(&png).unwrap();
                        assert_eq!((decoded.width(), decoded.height()), size);
                        assert_eq!(decoded.color().channel_count(), channels);
                        assert_eq!(decoded.as_bytes(), samples, "{pixels:?} {spread}");
                    }
                }
            }
        }
        assert!(encoded > 100, "{encoded}");
    }

    #[test]
    fn runs_of_every_length_are_decoded() {
        for zeros in (1..600).chain([5000, 70_000]) {
            let mut line = vec![7; 4 * zeros + 4000];
            line[2000..2000 + zeros].fill(0);
            let width = line.len() as u32;
            let pixels = Pixels::new(width, 1, 1, &line[..]).unwrap();
            for filter in [FilterType::Sub, FilterType::Up] {
                let Some(png) = encode(&pixels, &filter) else { continue };
                assert_eq!(image::load_from_memory(&png).unwrap().as_bytes(), line, "{zeros}");
            }
        }
    }

    #[test]
    fn the_code_is_complete() {
        let of = |bits: &[u32]| bits.iter().map(|bits| 1 << (MOST_BITS - bits)).sum::<u32>();
        assert_eq!(of(&bits()), 1 << MOST_BITS);
    }

    #[test]
    fn noise_is_left_to_another_encoder() {
        let noise: Vec<u8> =
            (0..10_000u32).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        let pixels = Pixels::new(100, 100, 1, &noise[..]).unwrap();
        assert!(encode(&pixels, &FilterType::Sub).is_none());
        let png = pixels.to_png().unwrap();
        assert!(png.len() < noise.len() + 400);
        assert_eq!(image::load_from_memory(&png).unwrap().as_bytes(), noise);
    }
}
