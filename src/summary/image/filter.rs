//! Chooses the filter of a PNG file: the neighbors from which each sample is predicted.

use image::codecs::png::FilterType;

/// Maximum number of lines that are examined, and of bytes in each.
const LINES: usize = 8;
const BYTES: usize = 128;
/// Number of zeros in a row after which more zeros cost almost nothing.
const RUN: u32 = 8;

/// Number of bits that the examined lines need, for each filter.
#[derive(Default)]
struct Costs {
    sub: u32,
    up: u32,
    average: u32,
    paeth: u32,
    /// Number of bits with the best filter for each line.
    best: u32,
    /// Number of examined samples.
    looked_at: u32,
}

/// Chooses a filter for `samples`, in lines of `line_len` bytes, with `channels` samples per pixel.
///
/// Searching for the best filter of each line takes longer than compressing it. A single filter is therefore used
/// for all lines if it needs at most 30 % more bits in the examined parts. This does not apply to images that
/// consist of little more than areas of one color: there, the search is fast, and a wrong guess makes the file
/// many times larger.
pub(super) fn choose(samples: &[u8], line_len: usize, channels: usize) -> FilterType {
    let Costs { sub, up, average, paeth, best, looked_at } = costs(samples, line_len, channels);
    if best < looked_at {
        return FilterType::Adaptive;
    }
    if best >= 8 * looked_at {
        return FilterType::NoFilter; // as large as it is
    }
    let is_near = |cost: u32, tenths: u32| cost <= best.saturating_add(best / 10 * tenths);
    let fast = [(up, FilterType::Up), (sub, FilterType::Sub), (average, FilterType::Avg)];
    match fast.into_iter().min_by_key(|(cost, _)| *cost) {
        Some((cost, filter)) if is_near(cost, 3) => filter,
        _ if is_near(paeth, 1) => FilterType::Paeth, // slower, but closer
        _ => FilterType::Adaptive,
    }
}

fn costs(samples: &[u8], line_len: usize, channels: usize) -> Costs {
    let mut costs = Costs::default();
    let lines = samples.len() / line_len.max(1);
    for line in (1..lines).step_by(lines.div_ceil(LINES).max(1)) {
        // Each line is examined at a different position after its first pixel.
        let part = line_len.saturating_sub(BYTES);
        let start = channels + (line * BYTES / 2) % (part + 1);
        let at = |offset: usize| samples.get(line * line_len + offset..(line + 1) * line_len);
        let above = |offset: usize| samples.get((line - 1) * line_len + offset..line * line_len);
        let left = start - channels;
        let (Some(here), Some(a), Some(b), Some(c)) =
            (at(start), at(left), above(start), above(left))
        else {
            continue;
        };
        let count = |predict: fn(u8, u8, u8) -> u8| {
            let near = a.iter().zip(b).zip(c).map(|((a, b), c)| predict(*a, *b, *c));
            bits(here.iter().zip(near).take(BYTES).map(|(here, near)| here.wrapping_sub(near)))
        };
        let (sub, up) = (count(|a, _, _| a), count(|_, b, _| b));
        let (average, paeth) = (count(|a, b, _| a.midpoint(b)), count(paeth));
        costs.sub += sub;
        costs.up += up;
        costs.average += average;
        costs.paeth += paeth;
        costs.looked_at += u32::try_from(here.len().min(BYTES)).unwrap_or(0);
        costs.best += sub.min(up).min(average).min(paeth);
    }
    costs
}

/// Estimates the number of bits that `fdeflate` needs for the differences. Its code is fixed: 2 bits for 0, 12 for
/// large differences, and almost none for a run of zeros.
fn bits(differences: impl Iterator<Item = u8>) -> u32 {
    let mut zeros = 0;
    let mut bits = 0;
    for difference in differences {
        let size = u32::from(difference.cast_signed().unsigned_abs());
        zeros = if size == 0 { zeros + 1 } else { 0 };
        if zeros <= RUN {
            bits += 2 + (1 + size * size).ilog2().min(10);
        }
    }
    bits
}

/// The neighbor that is nearest to left + above - above left.
fn paeth(a: u8, b: u8, c: u8) -> u8 {
    let [p, q, r] = [a, b, c].map(i16::from);
    let (near_a, near_b, near_c) = ((q - r).abs(), (p - r).abs(), (p + q - 2 * r).abs());
    if near_a <= near_b && near_a <= near_c {
        a
    } else if near_b <= near_c {
        b
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use image::codecs::png::{CompressionType, PngEncoder};
    use image::{ExtendedColorType, ImageEncoder};

    use super::super::Pixels;
    use super::*;

    fn noise(i: usize) -> u8 {
        let bits = (i as u32).wrapping_mul(0x9e37_79b9);
        ((bits ^ (bits >> 15)).wrapping_mul(0x85eb_ca6b) >> 24) as u8
    }

    /// Samples of 128 x 96 RGB pixels, as a function of column, line and channel.
    fn drawn(sample: impl Fn(usize, usize, usize) -> usize) -> Vec<u8> {
        (0..96 * 128 * 3).map(|i| sample(i / 3 % 128, i / 3 / 128, i % 3) as u8).collect()
    }

    #[test]
    fn no_image_is_much_larger_than_with_the_best_filter_of_each_line() {
        let at = |x: usize, y: usize| 3 * (128 * y + x);
        for (what, samples) in [
            ("noise", drawn(|x, y, c| noise(at(x, y) + c).into())),
            ("one colour", drawn(|_, _, c| 50 * c)),
            ("falls", drawn(|_, y, _| y)),
            ("rises to the right", drawn(|x, _, _| 2 * x)),
            ("rises both ways", drawn(|x, y, c| x + y * c)),
            ("photo", drawn(|x, y, c| x + y / 2 + 20 * c + usize::from(noise(at(x, y)) / 32))),
            ("rough photo", drawn(|x, y, c| x + y / 2 + 20 * c + usize::from(noise(at(x, y)) / 8))),
            ("squares", drawn(|x, y, c| if (x / 16 + y / 24) % 2 == 0 { 255 } else { 90 * c })),
            ("cells", drawn(|x, y, _| noise(x / 8 + 77 * (y / 8)).into())),
            ("half", drawn(|x, y, _| if y < 48 { 9 } else { noise(at(x, y)).into() })),
            ("line", drawn(|x, y, _| if x == y { 0 } else { 255 })),
        ] {
            let mut least = Vec::new();
            PngEncoder::new_with_quality(&mut least, CompressionType::Fast, FilterType::Adaptive)
                .write_image(&samples, 128, 96, ExtendedColorType::Rgb8)
                .unwrap();
            let png = Pixels::new(128, 96, 3, &samples[..]).unwrap().to_png().unwrap();
            assert!(10 * png.len() <= 13 * least.len(), "{what}: {} {}", png.len(), least.len());
            assert_eq!(image::load_from_memory(&png).unwrap().as_bytes(), samples, "{what}");
        }
    }

    #[test]
    fn photos_need_no_search() {
        let photo =
            drawn(|x, y, c| x + y / 2 + 20 * c + usize::from(noise(3 * (128 * y + x)) / 32));
        assert!(!matches!(choose(&photo, 3 * 128, 3), FilterType::Adaptive));
    }

    #[test]
    fn an_image_of_any_shape_has_a_filter() {
        for (width, height, channels) in [(1, 1, 1), (1, 9, 4), (9, 1, 3), (2, 2, 2), (700, 3, 1)] {
            let samples: Vec<u8> = (0..width * height * channels).map(noise).collect();
            choose(&samples, width * channels, channels);
        }
        choose(&[], 0, 1);
    }
}
