//! Draws boxes into images, for example the detections of a model.

use std::ops::Range;

use super::lettering::Lettering;
use super::pixels::Pixels;
use crate::error::ErrorKind;

/// A box to draw into an image, optionally with a label.
///
/// ```
/// use tbx::{BoundingBox, Pixels};
///
/// let gray = Pixels::new(64, 48, 1, vec![128; 64 * 48])?;
/// let cat = BoundingBox::new([10.0, 20.0, 30.0, 40.0]).label("cat").color([0, 255, 0]);
/// let marked = gray.with_boxes([cat])?;
/// assert_eq!((marked.width(), marked.height(), marked.channels()), (64, 48, 3));
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BoundingBox {
    corners: [f32; 4],
    label: String,
    color: [u8; 3],
}

impl BoundingBox {
    /// A red box between two opposite corners, given as x, y, x, y in pixels from the image's upper
    /// left corner, as detectors return them. `[0.0, 0.0, width, height]` outlines the whole image.
    pub fn new(corners: [f32; 4]) -> Self {
        Self { corners, label: String::new(), color: [255, 0, 0] }
    }

    /// Sets the label. Default: none.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Sets the red, green and blue of the lines and of the label's background. Default: red.
    #[must_use]
    pub fn color(self, color: [u8; 3]) -> Self {
        Self { color, ..self }
    }

    /// The pixels inside the box: its columns and rows.
    fn area(&self) -> Result<[Range<i64>; 2], ErrorKind> {
        let [x0, y0, x1, y1] = self.corners;
        if self.corners.iter().any(|side| !side.is_finite()) {
            let what = format!("a box from ({x0}, {y0}) to ({x1}, {y1})");
            return Err(ErrorKind::Argument(what));
        }
        #[expect(clippy::as_conversions, reason = "a whole number of up to 41 bits")]
        let pixel = |side: f32| side.clamp(-1e12, 1e12).round() as i64;
        let sides = |a: f32, b: f32| {
            let (from, to) = (pixel(a.min(b)), pixel(a.max(b)));
            from..to.max(from + 1) // at least one pixel
        };
        Ok([sides(x0, x1), sides(y0, y1)])
    }
}

/// A red box without a label.
impl From<[f32; 4]> for BoundingBox {
    fn from(corners: [f32; 4]) -> Self {
        Self::new(corners)
    }
}

impl From<&BoundingBox> for BoundingBox {
    fn from(other: &BoundingBox) -> Self {
        other.clone()
    }
}

impl Pixels<'_> {
    /// Returns the image with boxes drawn into it, as RGB, or as RGBA if it has alpha.
    ///
    /// Lines are drawn inside the box, with a width of one pixel for each 240 pixels of the image's
    /// shorter side. A label is placed above its box if there is room, and inside it otherwise.
    /// Anything outside the image is cut off, except that a label is moved inside if part of its
    /// box is inside.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a corner is not finite.
    pub fn with_boxes(
        &self,
        boxes: impl IntoIterator<Item: Into<BoundingBox>>,
    ) -> Result<Pixels<'static>, ErrorKind> {
        let boxes: Vec<BoundingBox> = boxes.into_iter().map(Into::into).collect();
        let areas = boxes.iter().map(BoundingBox::area).collect::<Result<Vec<_>, _>>()?;
        let mut canvas = Canvas::new(self);
        for (one, area) in boxes.iter().zip(&areas) {
            canvas.outline(area, one.color);
        }
        // Labels come last, so that no line crosses them.
        for (one, area) in boxes.iter().zip(&areas) {
            canvas.label(area, &one.label, one.color);
        }
        canvas.into_pixels()
    }
}

/// A color image to draw into.
struct Canvas {
    size: (u32, u32),
    channels: u8,
    samples: Vec<u8>,
}

impl Canvas {
    fn new(image: &Pixels<'_>) -> Self {
        let samples = image.samples();
        let (channels, samples) = match image.channels() {
            1 => (3, samples.iter().flat_map(|gray| [*gray; 3]).collect()),
            2 => {
                let pixels = samples.as_chunks().0.iter();
                (4, pixels.flat_map(|&[gray, alpha]| [gray, gray, gray, alpha]).collect())
            }
            channels => (channels, samples.to_vec()),
        };
        Self { size: (image.width(), image.height()), channels, samples }
    }

    fn outline(&mut self, [xs, ys]: &[Range<i64>; 2], color: [u8; 3]) {
        let line = i64::from(self.shorter_side() / 240).max(1);
        let (left, right) =
            (xs.start..xs.end.min(xs.start + line), xs.start.max(xs.end - line)..xs.end);
        let (top, bottom) =
            (ys.start..ys.end.min(ys.start + line), ys.start.max(ys.end - line)..ys.end);
        for x in [left, right] {
            self.fill(x, ys.clone(), color);
        }
        for y in [top, bottom] {
            self.fill(xs.clone(), y, color);
        }
    }

    fn label(&mut self, [xs, ys]: &[Range<i64>; 2], label: &str, color: [u8; 3]) {
        let (width, height) = (i64::from(self.size.0), i64::from(self.size.1));
        let is_seen = xs.start < width && xs.end > 0 && ys.start < height && ys.end > 0;
        if label.is_empty() || !is_seen {
            return;
        }
        let lettering = Lettering::of_height(self.shorter_side() / 28);
        let margin = i64::from(lettering.margin());
        let advance = i64::from(lettering.advance());
        let fits = usize::try_from(((width - 2 * margin) / advance).max(1)).unwrap_or(1);
        let label: String = label.chars().take(fits).collect();
        let across = 2 * margin + i64::from(lettering.width(&label));
        let down = 2 * margin + i64::from(lettering.height());
        let above = if ys.start >= down { ys.start - down } else { ys.start };
        let x = xs.start.min(width - across).max(0);
        let y = above.min(height - down).max(0);
        self.fill(x..x + across, y..y + down, color);
        let ink = ink_on(color);
        lettering.draw(&label, |dx, dy| {
            let (x, y) = (x + margin + i64::from(dx), y + margin + i64::from(dy));
            self.fill(x..x + 1, y..y + 1, ink);
        });
    }

    fn shorter_side(&self) -> u32 {
        self.size.0.min(self.size.1)
    }

    /// Fills the part of these columns and rows that is inside the image.
    fn fill(&mut self, xs: Range<i64>, ys: Range<i64>, [r, g, b]: [u8; 3]) {
        let inside = |range: Range<i64>, size: u32| {
            let clamped = [range.start, range.end].map(|at| at.clamp(0, size.into()));
            let [from, to] = clamped.map(|at| usize::try_from(at).unwrap_or(0));
            from..to
        };
        let (xs, ys) = (inside(xs, self.size.0), inside(ys, self.size.1));
        let channels = usize::from(self.channels);
        let row_len = usize::try_from(self.size.0).unwrap_or(0) * channels;
        for row in self.samples.chunks_exact_mut(row_len).take(ys.end).skip(ys.start) {
            let pixels = row.get_mut(xs.start * channels..xs.end * channels).unwrap_or_default();
            for pixel in pixels.chunks_exact_mut(channels) {
                for (sample, value) in pixel.iter_mut().zip([r, g, b, 255]) {
                    *sample = value;
                }
            }
        }
    }

    fn into_pixels(self) -> Result<Pixels<'static>, ErrorKind> {
        Pixels::new(self.size.0, self.size.1, self.channels, self.samples)
    }
}

/// Black or white, whichever is easier to read on `color`, based on its luma (ITU-R BT.601).
fn ink_on([r, g, b]: [u8; 3]) -> [u8; 3] {
    let luma = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    if luma > 128_000 { [0; 3] } else { [255; 3] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 3] = [255, 0, 0];

    /// A black image with this number of channels.
    fn black(width: u32, height: u32, channels: u8) -> Pixels<'static> {
        let len = usize::try_from(width * height).unwrap() * usize::from(channels);
        Pixels::new(width, height, channels, vec![0; len]).unwrap()
    }

    /// Rows of letters: red, other colors, black.
    fn drawn(image: &Pixels<'_>) -> Vec<String> {
        let channels = usize::from(image.channels());
        let row_len = channels * usize::try_from(image.width()).unwrap();
        let letter = |pixel: &[u8]| match pixel[..3] {
            [255, 0, 0] => 'r',
            [0, 0, 0] => '.',
            _ => 'o',
        };
        let row = |row: &[u8]| row.chunks(channels).map(letter).collect();
        image.samples().chunks(row_len).map(row).collect()
    }

    #[test]
    fn lines_are_inside_the_box() {
        let expected =
            ["..........", ".rrrrr....", ".r...r....", ".r...r....", ".rrrrr....", ".........."];
        // Corners in any order; fractions are rounded to the nearest pixel.
        for corners in [
            [1.0, 1.0, 6.0, 5.0],
            [6.0, 5.0, 1.0, 1.0],
            [6.0, 1.0, 1.0, 5.0],
            [1.4, 0.6, 5.5, 5.49],
        ] {
            let image = black(10, 6, 3).with_boxes([corners]).unwrap();
            assert_eq!(drawn(&image), expected, "{corners:?}");
        }
    }

    #[test]
    fn what_is_outside_the_picture_is_left_out() {
        let whole = black(4, 3, 3).with_boxes([[0.0, 0.0, 4.0, 3.0]]).unwrap();
        assert_eq!(drawn(&whole), ["rrrr", "r..r", "rrrr"]);
        let across = black(4, 3, 3).with_boxes([[2.0, -5.0, 1e30, 2.0]]).unwrap();
        assert_eq!(drawn(&across), ["..r.", "..rr", "...."]);
        let nothing = ["....", "....", "...."];
        let out = [[4.0, 0.0, 9.0, 3.0], [-9.0, -9.0, 0.0, 0.0], [-1.0, -1.0, 9.0, 9.0]];
        let out = out.map(|corners| BoundingBox::new(corners).label(""));
        assert_eq!(drawn(&black(4, 3, 3).with_boxes(&out).unwrap()), nothing);
        let far = [f32::MIN, f32::MIN, f32::MAX, f32::MAX];
        assert_eq!(drawn(&black(4, 3, 3).with_boxes([far]).unwrap()), nothing);
        // Neither the box nor its label is visible.
        let label = BoundingBox::new([4.0, 0.0, 9.0, 3.0]).label("x");
        assert_eq!(drawn(&black(4, 3, 3).with_boxes([label]).unwrap()), nothing);
    }

    #[test]
    fn a_box_without_an_area_is_seen() {
        let image = black(4, 3, 3).with_boxes([[1.0, 1.0, 1.0, 1.0]]).unwrap();
        assert_eq!(drawn(&image), ["....", ".r..", "...."]);
    }

    #[test]
    fn lines_are_wider_in_larger_pictures() {
        let image = black(640, 480, 3).with_boxes([[0.0, 0.0, 640.0, 480.0]]).unwrap();
        let rows = drawn(&image);
        assert_eq!(rows.iter().filter(|row| row.contains("rrr")).count(), 4);
        assert!(rows[2..478].iter().all(|row| row.starts_with("rr.") && row.ends_with(".rr")));
    }

    #[test]
    fn gray_becomes_rgb_and_what_is_drawn_is_opaque() {
        for (channels, expected) in [(1, 3), (2, 4), (3, 3), (4, 4)] {
            let samples: Vec<u8> = (0..9 * channels).map(|i| i * 3).collect();
            let given = Pixels::new(3, 3, channels, samples).unwrap();
            let image = given.with_boxes([[0.0, 0.0, 1.0, 1.0]]).unwrap();
            assert_eq!(image.channels(), expected);
            let mut pixels = image.samples().chunks(expected.into());
            assert_eq!(pixels.next().unwrap(), &[255, 0, 0, 255][..expected.into()]);
            let mut unchanged = given.samples().chunks(channels.into()).skip(1).zip(pixels);
            assert!(unchanged.all(|(given, found)| match *given {
                [gray] => found == [gray; 3],
                [gray, alpha] => found == [gray, gray, gray, alpha],
                ref color => found == color,
            }));
        }
    }

    /// The columns and rows of the image that are not black.
    fn extent(image: &Pixels<'_>) -> [Range<usize>; 2] {
        let rows = drawn(image);
        let columns = rows.iter().flat_map(|row| row.char_indices());
        let columns: Vec<_> = columns.filter(|(_, c)| *c != '.').map(|(x, _)| x).collect();
        let ys: Vec<_> = (0..rows.len()).filter(|y| rows[*y].contains(['r', 'o'])).collect();
        let range = |all: &[usize]| *all.iter().min().unwrap()..*all.iter().max().unwrap() + 1;
        [range(&columns), range(&ys)]
    }

    #[test]
    fn a_label_stands_above_its_box_and_stays_in_the_picture() {
        let lettering = Lettering::of_height(0);
        let down = usize::try_from(lettering.height() + 2 * lettering.margin()).unwrap();
        let across = |letters| {
            usize::try_from(letters * lettering.advance() + 2 * lettering.margin()).unwrap()
        };
        let place = |corners, label: &str| {
            let one = BoundingBox::new(corners).label(label);
            extent(&black(100, 50, 3).with_boxes([one]).unwrap())
        };
        // Above; inside if there is no room; moved left; moved right.
        assert_eq!(place([20.0, 30.0, 22.0, 32.0], "cat"), [20..20 + across(3), 30 - down..32]);
        assert_eq!(place([20.0, 5.0, 22.0, 7.0], "cat"), [20..20 + across(3), 5..5 + down]);
        assert_eq!(place([98.0, 30.0, 100.0, 32.0], "cat"), [100 - across(3)..100, 30 - down..32]);
        assert_eq!(place([-9.0, 30.0, 2.0, 32.0], "cat"), [0..across(3), 30 - down..32]);
        assert_eq!(place([20.0, 48.0, 22.0, 99.0], "cat"), [20..20 + across(3), 48 - down..50]);
        // Longer than the image is wide: only the beginning is drawn.
        let [long, _] = place([20.0, 30.0, 22.0, 32.0], &"x".repeat(1 << 20));
        assert_eq!(long, 100 - across(19)..100);
        // In an image that is lower than the letters.
        let low = black(100, 3, 1).with_boxes([BoundingBox::new([0.0; 4]).label("cat")]).unwrap();
        assert_eq!(extent(&low), [0..across(3), 0..3]);
    }

    #[test]
    fn a_label_has_two_colours_and_no_line_crosses_it() {
        for (color, ink) in [(RED, [255; 3]), ([0, 255, 0], [0; 3]), ([1, 2, 3], [255; 3])] {
            let label = BoundingBox::new([10.0, 40.0, 90.0, 90.0]).label("one").color(color);
            let across = BoundingBox::new([20.0, 0.0, 30.0, 60.0]).color([7, 7, 7]);
            let image = black(100, 100, 3).with_boxes([label, across]).unwrap();
            let rows = image.samples().as_chunks::<3>().0.chunks(100);
            let ground: Vec<_> = rows.skip(29).take(11).flat_map(|row| &row[11..24]).collect();
            assert!(ground.iter().all(|pixel| **pixel == color || **pixel == ink));
            assert!(ground.contains(&&color) && ground.contains(&&ink));
        }
    }

    #[test]
    fn a_corner_that_is_nowhere_is_refused() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let refused = black(4, 3, 3).with_boxes([[0.0, 0.0, 1.0, 1.0], [0.0, bad, 1.0, 1.0]]);
            let Err(ErrorKind::Argument(what)) = refused else { panic!("{bad} was taken") };
            assert_eq!(what, format!("a box from (0, {bad}) to (1, 1)"));
        }
    }
}
