//! Reduces a GIF frame to at most 256 colors, and assigns one of them to each pixel.
//!
//! A frame with more colors is reduced by Wu's algorithm (Xiaolin Wu, "Efficient Statistical
//! Computations for Optimal Color Quantization", Graphics Gems II, 1991). It repeatedly cuts a box
//! of colors in two: always the box with the largest sum of squared errors, at the place where the
//! sum for both halves is smallest. Pixels are counted in cells of 8x8x8 colors. The counts are
//! summed up along each axis, so that the sums for any box take eight lookups.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::{AddAssign, Range, Sub};

/// Pixels as indices into a palette.
#[derive(Debug, PartialEq)]
pub(super) struct Indexed {
    /// At most 256 colors.
    pub(super) palette: Vec<[u8; 3]>,
    /// One per pixel.
    pub(super) indices: Vec<u8>,
    /// Index of the transparent color.
    pub(super) transparent: Option<u8>,
}

impl Indexed {
    /// Indexes pixels with alpha; 0 is transparent, any other alpha opaque.
    pub(super) fn of(rgba: &[[u8; 4]]) -> Self {
        Self::exact(rgba).unwrap_or_else(|| Self::nearest(rgba))
    }

    /// Keeps each color as it is; `None` if there are more than 256.
    fn exact(rgba: &[[u8; 4]]) -> Option<Self> {
        let mut places = HashMap::new();
        let mut found = Self { palette: vec![], indices: vec![], transparent: None };
        found.indices.reserve(rgba.len());
        let mut before = None;
        for [r, g, b, alpha] in rgba {
            let key = u32::from_be_bytes(if *alpha == 0 { [0; 4] } else { [255, *r, *g, *b] });
            let place = match (before, places.entry(key)) {
                (Some((same, place)), _) if same == key => place,
                (_, Entry::Occupied(known)) => *known.get(),
                (_, Entry::Vacant(new)) => {
                    let place = *new.insert(u8::try_from(found.palette.len()).ok()?);
                    found.palette.push([*r, *g, *b]);
                    found.transparent = found.transparent.or((*alpha == 0).then_some(place));
                    place
                }
            };
            found.indices.push(place);
            before = Some((key, place));
        }
        Some(found)
    }

    fn nearest(rgba: &[[u8; 4]]) -> Self {
        let is_transparent = |[.., alpha]: &&[u8; 4]| *alpha == 0;
        let is_any_transparent = rgba.iter().any(|pixel| is_transparent(&pixel));
        let opaque = rgba.iter().filter(|pixel| !is_transparent(pixel));
        let opaque = opaque.map(|[r, g, b, _]| [*r, *g, *b]);
        let mut palette = Cells::count(opaque).palette(256 - usize::from(is_any_transparent));
        palette.sort_by_key(|color| sum(*color));
        let transparent = u8::try_from(palette.len()).ok().filter(|_| is_any_transparent);

        let nearest = Nearest::of(&palette);
        let mut before = ([0; 3], nearest.place([0; 3]));
        let place = |pixel: &[u8; 4]| match (transparent, *pixel) {
            (Some(place), [.., 0]) => place,
            (_, [r, g, b, _]) => {
                if before.0 != [r, g, b] {
                    before = ([r, g, b], nearest.place([r, g, b]));
                }
                before.1
            }
        };
        let indices: Vec<u8> = rgba.iter().map(place).collect();
        center(&mut palette, &indices, rgba);
        palette.extend(transparent.map(|_| [0; 3]));
        Self { palette, indices, transparent }
    }
}

/// Number of cells per axis: 32, after a border of zeros.
const SIDE: usize = 33;

/// For each cell, the moments of all cells up to and including it on each axis.
struct Cells(Vec<Moments>);

/// Number of pixels, and the sums and the squares of their samples. All are integers below 2^53.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    sums: [f64; 3],
    squares: f64,
}

/// A box of colors.
struct Block {
    /// From before the first cell to the last cell of each axis.
    axes: [Range<usize>; 3],
    moments: Moments,
    /// The errors that a cut could reduce; 0 if no cut is possible.
    errors: f64,
}

impl Cells {
    fn count(colors: impl Iterator<Item = [u8; 3]>) -> Self {
        let mut cells = vec![Moments::default(); SIDE * SIDE * SIDE];
        for color in colors {
            let [r, g, b] = color.map(|sample| usize::from(sample / 8) + 1);
            if let Some(cell) = cells.get_mut((r * SIDE + g) * SIDE + b) {
                *cell += Moments::of(color);
            }
        }
        let mut sums = Vec::new();
        for stride in [1, SIDE, SIDE * SIDE] {
            for block in cells.chunks_exact_mut(stride * SIDE) {
                sums.clear();
                sums.resize(stride, Moments::default());
                for line in block.chunks_exact_mut(stride) {
                    for (cell, sum) in line.iter_mut().zip(&mut sums) {
                        *sum += *cell;
                        *cell = *sum;
                    }
                }
            }
        }
        Self(cells)
    }

    /// At most `max` colors.
    fn palette(&self, max: usize) -> Vec<[u8; 3]> {
        let axes = [0..SIDE - 1, 0..SIDE - 1, 0..SIDE - 1];
        let mut blocks = vec![Block::new(self.sum(&axes), axes)];
        while blocks.len() < max {
            let worst = blocks.iter_mut().max_by(|a, b| a.errors.total_cmp(&b.errors));
            let Some(worst) = worst.filter(|block| block.errors > 0.0) else { break };
            match self.halves(worst) {
                Some([first, second]) => {
                    *worst = first;
                    blocks.push(second);
                }
                None => worst.errors = 0.0,
            }
        }
        blocks.iter().map(|block| block.moments.mean()).collect()
    }

    /// Cuts a box in two at the best place; `None` if all its pixels are in one cell.
    fn halves(&self, whole: &Block) -> Option<[Block; 2]> {
        let mut best = None;
        let mut least = f64::INFINITY;
        for (axis, range) in whole.axes.iter().enumerate() {
            for at in range.start + 1..range.end {
                let (mut below, mut above) = (whole.axes.clone(), whole.axes.clone());
                below.get_mut(axis)?.end = at;
                above.get_mut(axis)?.start = at;
                let first = self.sum(&below);
                let second = whole.moments - first;
                let errors = first.errors() + second.errors();
                if errors < least && first.count > 0.0 && second.count > 0.0 {
                    best = Some([Block::new(first, below), Block::new(second, above)]);
                    least = errors;
                }
            }
        }
        best
    }

    fn sum(&self, [r, g, b]: &[Range<usize>; 3]) -> Moments {
        let line = |start| self.at(start + b.end) - self.at(start + b.start);
        let plane = |r| line((r * SIDE + g.end) * SIDE) - line((r * SIDE + g.start) * SIDE);
        plane(r.end) - plane(r.start)
    }

    fn at(&self, place: usize) -> Moments {
        self.0.get(place).copied().unwrap_or_default()
    }
}

impl Block {
    fn new(moments: Moments, axes: [Range<usize>; 3]) -> Self {
        Self { axes, errors: moments.errors(), moments }
    }
}

impl Moments {
    fn of(color: [u8; 3]) -> Self {
        let sums = color.map(f64::from);
        Self { count: 1.0, sums, squares: sums.iter().map(|sample| sample * sample).sum() }
    }

    /// Sum of squared distances from the mean.
    fn errors(&self) -> f64 {
        let sums: f64 = self.sums.iter().map(|sum| sum * sum).sum();
        if self.count > 0.0 { self.squares - sums / self.count } else { 0.0 }
    }

    fn mean(&self) -> [u8; 3] {
        #[expect(clippy::as_conversions, reason = "a mean of bytes")]
        self.sums.map(|sum| (sum / self.count).round() as u8)
    }
}

impl AddAssign for Moments {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.squares += other.squares;
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, other)| *sum += other);
    }
}

impl Sub for Moments {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self.count -= other.count;
        self.squares -= other.squares;
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, other)| *sum -= other);
        self
    }
}

/// Finds the nearest color. Colors with a similar sum of samples are tried first, and the search
/// ends where the sums differ too much: the distance between two colors is at least the difference
/// of their sums divided by the square root of 3.
struct Nearest<'a> {
    /// Sorted by the sum of samples.
    palette: &'a [[u8; 3]],
    /// For each sum, the number of colors with a smaller one.
    smaller: Vec<usize>,
}

impl<'a> Nearest<'a> {
    fn of(palette: &'a [[u8; 3]]) -> Self {
        let smaller = |limit| palette.partition_point(|color| sum(*color) < limit);
        Self { palette, smaller: (0..=3 * 255).map(smaller).collect() }
    }

    fn place(&self, color: [u8; 3]) -> u8 {
        let start = self.smaller.get(usize::from(sum(color))).copied().unwrap_or(0);
        let (mut least, mut nearest) = (u32::MAX, 0);
        let mut look = |(place, other): (usize, &[u8; 3])| {
            let apart = u32::from(sum(*other).abs_diff(sum(color)));
            if apart * apart / 3 >= least {
                return None;
            }
            let square = |(a, b): (u8, u8)| u32::from(a.abs_diff(b)).pow(2);
            let distance = std::iter::zip(*other, color).map(square).sum();
            if distance < least {
                (least, nearest) = (distance, place);
            }
            Some(())
        };
        let from = || self.palette.iter().enumerate();
        from().skip(start).try_for_each(&mut look);
        from().take(start).rev().try_for_each(look);
        u8::try_from(nearest).unwrap_or(u8::MAX)
    }
}

fn sum(color: [u8; 3]) -> u16 {
    color.into_iter().map(u16::from).sum()
}

/// Moves each color of a palette to the mean of the pixels that use it.
fn center(palette: &mut [[u8; 3]], indices: &[u8], rgba: &[[u8; 4]]) {
    let mut sums = [[0u64; 4]; 256];
    for (index, [r, g, b, _]) in indices.iter().zip(rgba) {
        if let Some(sum) = sums.get_mut(usize::from(*index)) {
            for (sum, value) in sum.iter_mut().zip([*r, *g, *b, 1]) {
                *sum += u64::from(value);
            }
        }
    }
    for (color, [sums @ .., count]) in palette.iter_mut().zip(sums) {
        for (sample, sum) in color.iter_mut().zip(sums) {
            let mean = (sum + count / 2).checked_div(count);
            *sample = mean.and_then(|mean| u8::try_from(mean).ok()).unwrap_or(*sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels that look random but are the same each time.
    fn noise(count: u32) -> Vec<[u8; 4]> {
        let pixel = |i: u32| {
            let mixed = (i ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b1);
            let [r, g, b, alpha] = (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b).to_be_bytes();
            [r, g, b, if alpha < 50 { 0 } else { alpha }]
        };
        (0..count).map(pixel).collect()
    }

    fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
        std::iter::zip(a, b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    }

    #[test]
    fn up_to_256_colours_stay_what_they_are() {
        let rgba: Vec<[u8; 4]> = (0..=255).map(|i: u8| [i, i / 2, 7, 255]).collect();
        let found = Indexed::of(&rgba);
        assert_eq!((found.palette.len(), found.transparent), (256, None));
        for ([r, g, b, _], index) in rgba.iter().zip(found.indices) {
            assert_eq!(found.palette[usize::from(index)], [*r, *g, *b]);
        }
    }

    #[test]
    fn transparency_counts_as_one_colour() {
        let mut rgba: Vec<[u8; 4]> = (0..255).map(|i: u8| [i, 0, 0, 1 + i / 2]).collect();
        rgba.extend([[1, 2, 3, 0], [4, 5, 6, 0]]);
        let found = Indexed::of(&rgba);
        assert_eq!((found.palette.len(), found.transparent), (256, Some(255)));
        assert_eq!(found.indices[255..], [255, 255]);

        let rgba = noise(3000);
        let found = Indexed::of(&rgba);
        assert_eq!((found.palette.len(), found.transparent), (256, Some(255)));
        for ([.., alpha], index) in rgba.iter().zip(found.indices) {
            assert_eq!(*alpha == 0, index == 255);
        }
    }

    #[test]
    fn the_nearest_colour_is_found() {
        let mut palette: Vec<[u8; 3]> =
            noise(200).iter().map(|[r, g, b, _]| [*r, *g, *b]).collect();
        palette.sort_by_key(|color| sum(*color));
        let nearest = Nearest::of(&palette);
        for [r, g, b, _] in noise(5000) {
            let found = palette[usize::from(nearest.place([r, g, b]))];
            let least = palette.iter().map(|color| distance(*color, [r, g, b])).min();
            assert_eq!(Some(distance(found, [r, g, b])), least);
        }
    }

    /// Pixels that are all in one cell cannot be cut, even if that cell has the largest errors.
    #[test]
    fn a_crowded_cell_keeps_no_other_from_being_cut() {
        let crowd = (0..9000u32).map(|i| [i % 8, i / 8 % 8, i / 64 % 8].map(|s| s as u8));
        let mut rgba: Vec<[u8; 4]> = crowd.map(|[r, g, b]| [r, g, b, 255]).collect();
        let others: Vec<[u8; 3]> = (0..100).map(|i| [55 + 2 * i, 200, 255 - 2 * i]).collect();
        rgba.extend(others.iter().map(|[r, g, b]| [*r, *g, *b, 255]));
        let found = Indexed::nearest(&rgba);
        for (color, index) in others.iter().zip(&found.indices[9000..]) {
            let shown = found.palette[usize::from(*index)];
            assert!(distance(shown, *color) <= 3 * 4 * 4, "{shown:?} for {color:?}");
        }
    }

    #[test]
    fn nothing_and_one_pixel_have_a_palette() {
        assert_eq!(Indexed::of(&[]).palette, [[0; 3]; 0]);
        assert_eq!(Indexed::nearest(&[[9, 8, 7, 255]]).palette, [[9, 8, 7]]);
        let transparent =
            Indexed { palette: vec![[9, 8, 7]], indices: vec![0], transparent: Some(0) };
        assert_eq!(Indexed::of(&[[9, 8, 7, 0]]), transparent);
    }
}
