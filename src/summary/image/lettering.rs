//! Text in images, in bitmap fonts that need no file.

use std::convert::Infallible;

use embedded_graphics::mono_font::iso_8859_1::{
    FONT_5X8, FONT_6X10, FONT_6X13_BOLD, FONT_9X15_BOLD, FONT_9X18_BOLD, FONT_10X20,
};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Baseline, Text};

/// Fonts of fixed width, from smallest to largest. They contain the letters of Western Europe, and
/// show a question mark for all others.
const FONTS: [&MonoFont<'static>; 6] =
    [&FONT_5X8, &FONT_6X10, &FONT_6X13_BOLD, &FONT_9X15_BOLD, &FONT_9X18_BOLD, &FONT_10X20];

/// Beyond these limits, coordinates could overflow an i32. No image shows that much.
const MAX_SCALE: u32 = 100;
const MAX_CHARS: usize = 100_000;

/// A font, and the number of pixels per side for each of its points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lettering {
    font: &'static MonoFont<'static>,
    scale: u32,
}

impl Lettering {
    /// The largest lettering that is at most `pixels` high, or the smallest one if none is.
    pub(super) fn of_height(pixels: u32) -> Self {
        let scale = (pixels / 15).clamp(1, MAX_SCALE); // the last three fonts fill the gaps
        let fits = |font: &&&MonoFont<'_>| font.character_size.height * scale <= pixels;
        let font = FONTS.iter().rev().find(fits).copied().unwrap_or(&FONT_5X8);
        Self { font, scale }
    }

    pub(super) fn height(&self) -> u32 {
        self.font.character_size.height * self.scale
    }

    /// A suitable margin around a text.
    pub(super) fn margin(&self) -> u32 {
        self.height() / 8 + 1
    }

    /// Width of each character.
    pub(super) fn advance(&self) -> u32 {
        self.font.character_size.width * self.scale
    }

    /// Width of `text`.
    pub(super) fn width(&self, text: &str) -> u32 {
        let chars = u32::try_from(text.chars().take(MAX_CHARS).count()).unwrap_or(u32::MAX);
        chars.saturating_mul(self.advance())
    }

    /// Calls `point` with each pixel of `text`, drawn on one line to the right of and below the
    /// origin. Control characters are drawn as spaces.
    pub(super) fn draw(&self, text: &str, point: impl FnMut(i32, i32)) {
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let text: String = text.chars().take(MAX_CHARS).map(visible).collect();
        let style = MonoTextStyle::new(self.font, BinaryColor::On);
        let mut points = Points { scale: self.scale.try_into().unwrap_or(1), point };
        let Ok(_) =
            Text::with_baseline(&text, Point::zero(), style, Baseline::Top).draw(&mut points);
    }
}

/// Draw target for the library. It is unlimited, so that everything is drawn.
struct Points<F> {
    scale: i32,
    point: F,
}

impl<F> OriginDimensions for Points<F> {
    fn size(&self) -> Size {
        Size::new(u32::MAX, u32::MAX)
    }
}

impl<F: FnMut(i32, i32)> DrawTarget for Points<F> {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<BinaryColor>>,
    {
        for Pixel(at, _) in pixels.into_iter().filter(|pixel| pixel.1.is_on()) {
            for (dx, dy) in (0..self.scale).flat_map(|dy| (0..self.scale).map(move |dx| (dx, dy))) {
                (self.point)(at.x * self.scale + dx, at.y * self.scale + dy);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(height: u32, text: &str) -> Vec<(i32, i32)> {
        let mut points = Vec::new();
        Lettering::of_height(height).draw(text, |x, y| points.push((x, y)));
        points
    }

    #[test]
    fn there_is_a_font_for_every_height() {
        let heights = [0, 8, 9, 10, 13, 15, 17, 20, 29, 30, 38, 45, 400];
        let found = heights.map(|pixels| Lettering::of_height(pixels).height());
        assert_eq!(found, [8, 8, 8, 10, 13, 15, 15, 20, 20, 30, 36, 45, 390]);
        assert_eq!(Lettering::of_height(u32::MAX).height(), 2000);
    }

    #[test]
    fn a_line_of_text_fills_its_height_and_advance() {
        for height in [8, 13, 20, 30, 60] {
            let lettering = Lettering::of_height(height);
            let points = points(height, "|W_ ");
            let (across, down) = (4 * lettering.advance(), lettering.height());
            let inside = |at: i32, end: u32| u32::try_from(at).is_ok_and(|at| at < end);
            assert!(points.iter().all(|&(x, y)| inside(x, across) && inside(y, down)));
            assert!(points.len() > 20);
        }
    }

    #[test]
    fn letters_that_the_font_lacks_are_question_marks_and_control_characters_spaces() {
        assert_eq!(points(20, "\u{640d}"), points(20, "?"));
        assert_ne!(points(20, "\u{df}"), points(20, "?"));
        assert_eq!(points(20, "a\n\tb\0\u{1b}"), points(20, "a  b  "));
    }
}
