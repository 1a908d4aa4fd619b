//! Charts drawn with `plotters`.

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    rasterizer,
};

use super::lettering::Lettering;
use super::pixels::Pixels;
use crate::error::ErrorKind;

/// The canvas of a figure: the root of `plotters`' drawing areas.
pub type FigureArea = DrawingArea<FigureBackend, Shift>;

/// A backend of `plotters` that draws into RGB pixels.
///
/// Text is drawn with built-in bitmap fonts. `plotters` needs fonts from the system (with its
/// feature `ttf`) or from files (with `ab_glyph`). Without them, its own bitmap backend panics at
/// the first letter. Of a font's style, only the size and the color are used. The fonts cover the
/// letters of Western Europe.
#[derive(Debug)]
pub struct FigureBackend {
    size: (u32, u32),
    /// Empty once the figure is finished.
    samples: Rc<RefCell<Vec<u8>>>,
}

/// Creates a white figure of `width` by `height` pixels and calls `draw` to draw into it.
///
/// # Errors
///
/// [`ErrorKind::Argument`]: the figure has no pixels, or too many (2^31, or more than fit in
/// memory), or `draw` failed, in which case the message is that of `draw`.
pub fn figure(
    (width, height): (u32, u32),
    draw: impl FnOnce(&FigureArea) -> Result<(), Box<dyn Error>>,
) -> Result<Pixels<'static>, ErrorKind> {
    let wrong = || ErrorKind::Argument(format!("a figure of {width}x{height} pixels"));
    // Coordinates are i32.
    let [columns, rows] = [width, height].map(|side| i32::try_from(side).unwrap_or(0));
    let pixels = columns.checked_mul(rows).filter(|pixels| *pixels > 0);
    let len = pixels.and_then(|pixels| usize::try_from(pixels).ok()?.checked_mul(3));
    let len = len.ok_or_else(wrong)?;
    let mut samples = Vec::new();
    samples.try_reserve_exact(len).map_err(|_| wrong())?;
    samples.resize(len, 255);
    let samples = Rc::new(RefCell::new(samples));
    let backend = FigureBackend { size: (width, height), samples: samples.clone() };
    draw(&backend.into_drawing_area())
        .map_err(|error| ErrorKind::Argument(format!("a figure: {error}")))?;
    Pixels::new(width, height, 3, samples.take())
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl FigureBackend {
    /// Blends `color` into a pixel; does nothing outside the figure.
    fn blend(&self, (x, y): BackendCoord, color: BackendColor) {
        let [Ok(x), Ok(y)] = [x, y].map(u32::try_from) else { return };
        let (width, height) = self.size;
        if x >= width || y >= height {
            return;
        }
        let at = u64::from(y) * u64::from(width) + u64::from(x);
        let at = usize::try_from(3 * at).unwrap_or(usize::MAX);
        let mut samples = self.samples.borrow_mut();
        let Some(pixel) = samples.get_mut(at..at + 3) else { return };
        let (r, g, b) = color.rgb;
        for (sample, new) in pixel.iter_mut().zip([r, g, b]) {
            let mixed = f64::from(*sample) * (1.0 - color.alpha) + f64::from(new) * color.alpha;
            #[expect(clippy::as_conversions, reason = "saturates")]
            let mixed = mixed.round() as u8;
            *sample = mixed;
        }
    }
}

impl DrawingBackend for FigureBackend {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.blend(point, color);
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        one: BackendCoord,
        other: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        if !fill {
            return rasterizer::draw_rect(self, one, other, style, false);
        }
        // Without the last row and column, as in plotters' own bitmaps, so that adjacent bars do
        // not overlap.
        let inside = |from: i32, to: i32, size: u32| {
            from.min(to).max(0)..from.max(to).min(i32::try_from(size).unwrap_or(i32::MAX))
        };
        for y in inside(one.1, other.1, self.size.1) {
            for x in inside(one.0, other.0, self.size.0) {
                self.blend((x, y), style.color());
            }
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        let lettering = lettering(style);
        let (across, down) = extent(text, lettering);
        let dx = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -across / 2,
            HPos::Right => -across,
        };
        let dy = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => -down / 2,
            VPos::Bottom => -down,
        };
        let (transform, color) = (style.transform(), style.color());
        lettering.draw(text, |x, y| {
            let (x, y) = transform.transform(x + dx, y + dy);
            self.blend((at.0.saturating_add(x), at.1.saturating_add(y)), color);
        });
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let (across, down) = extent(text, lettering(style));
        Ok((across.unsigned_abs(), down.unsigned_abs()))
    }
}

/// `plotters` defines the size of a font as its em size times 1.24.
fn lettering(style: &impl BackendTextStyle) -> Lettering {
    #[expect(clippy::as_conversions, reason = "saturates")]
    let pixels = (style.size() / 1.24).round() as u32;
    Lettering::of_height(pixels)
}

/// Width and height of a text, in pixels.
fn extent(text: &str, lettering: Lettering) -> (i32, i32) {
    let sides = (lettering.width(text), lettering.height());
    (i32::try_from(sides.0).unwrap_or(i32::MAX), i32::try_from(sides.1).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use plotters::prelude::*;

    use super::*;

    type Failed = Box<dyn Error>;

    /// Lines and shapes, some partly outside, some transparent.
    fn shapes<B>(root: &DrawingArea<B, Shift>) -> Result<(), Failed>
    where
        B: DrawingBackend<ErrorType: 'static>,
    {
        root.fill(&RGBColor(250, 251, 252))?;
        let mut chart = ChartBuilder::on(root).margin(7).build_cartesian_2d(0.0..9.0, -1.0..1.0)?;
        let wave = (0..90).map(|x| f64::from(x) / 10.0).map(|x| (x, x.sin()));
        chart.draw_series(LineSeries::new(wave.clone(), &RED))?;
        chart.draw_series(LineSeries::new(
            wave.map(|(x, y)| (x, -y)),
            ShapeStyle::from(BLUE).stroke_width(5),
        ))?;
        let bars = (0..9).map(f64::from).map(|x| [(x, 0.0), (x + 1.0, x / 9.0)]);
        chart.draw_series(bars.map(|corners| Rectangle::new(corners, GREEN.mix(0.3).filled())))?;
        root.draw(&Circle::new((100, 60), 30, MAGENTA.filled()))?;
        root.draw(&Circle::new((190, 60), 30, CYAN))?;
        root.draw(&Rectangle::new([(150, 90), (900, 70)], BLACK.filled()))?;
        root.draw(&Rectangle::new([(-20, 20), (40, 50)], BLACK))?;
        root.draw(&Polygon::new([(10, 10), (60, 20), (30, 70)], RED.mix(0.5)))?;
        root.draw_pixel((3, 4), &BLUE)?;
        Ok(())
    }

    #[test]
    fn lines_and_shapes_are_those_of_plotters_own_bitmaps() {
        let size = (200, 120);
        let found = figure(size, shapes).unwrap();
        let mut expected = vec![0; 200 * 120 * 3];
        shapes(&BitMapBackend::with_buffer(&mut expected, size).into_drawing_area()).unwrap();
        // Where colors are mixed, plotters rounds down, and in 256ths. It also draws horizontal
        // lines to the left, such as those at the edges of polygons, without their ends.
        let far = found.samples().iter().zip(&expected).filter(|(a, b)| a.abs_diff(**b) > 4);
        assert!(far.count() < 20);
    }

    #[test]
    fn the_ground_is_white() {
        let found = figure((3, 2), |_| Ok(())).unwrap();
        assert_eq!(found, Pixels::new(3, 2, 3, vec![255; 18]).unwrap());
    }

    /// The columns and rows of a figure of 200x200 pixels that are not white.
    fn extent_of(text: &str, style: TextStyle<'_>, at: (i32, i32)) -> [(i32, i32); 2] {
        let found = figure((200, 200), |root| Ok(root.draw_text(text, &style, at)?)).unwrap();
        let dark = found.samples().as_chunks::<3>().0.iter().zip(0..).filter(|(p, _)| p[0] < 255);
        let places: Vec<(i32, i32)> = dark.map(|(_, i)| (i % 200, i / 200)).collect();
        [places.iter().map(|p| p.0).collect::<Vec<_>>(), places.iter().map(|p| p.1).collect()]
            .map(|all| (*all.iter().min().unwrap(), *all.iter().max().unwrap()))
    }

    #[test]
    fn text_is_anchored_and_turned_as_its_style_says() {
        use plotters::style::text_anchor::Pos;

        // Letters of 9x15 that extend from about the second row to the third last.
        let style = |transform| ("sans-serif", 20).into_font().transform(transform).color(&BLACK);
        let at = (100, 100);
        for (h_pos, v_pos, xs, ys) in [
            (HPos::Left, VPos::Top, 100..136, 100..115),
            (HPos::Center, VPos::Center, 82..118, 93..108),
            (HPos::Right, VPos::Bottom, 64..100, 85..100),
        ] {
            let style = style(FontTransform::None).pos(Pos::new(h_pos, v_pos));
            let [(left, right), (top, bottom)] = extent_of("HHHH", style, at);
            assert!(xs.contains(&left) && xs.contains(&right) && right - left > 30, "{xs:?}");
            assert!(ys.contains(&top) && ys.contains(&bottom) && bottom - top > 7, "{ys:?}");
        }
        for (transform, xs, ys) in [
            (FontTransform::Rotate90, 86..101, 100..136),
            (FontTransform::Rotate180, 65..101, 86..101),
            (FontTransform::Rotate270, 100..115, 65..101),
        ] {
            let [(left, right), (top, bottom)] = extent_of("HHHH", style(transform), at);
            assert!(xs.contains(&left) && xs.contains(&right), "{xs:?} {left} {right}");
            assert!(ys.contains(&top) && ys.contains(&bottom), "{ys:?} {top} {bottom}");
        }
        // Cut off at the edge.
        let [(_, right), _] = extent_of(&"H".repeat(1 << 20), style(FontTransform::None), at);
        assert!(right > 190);
    }

    #[test]
    fn a_size_that_is_none_and_an_error_of_the_drawing_are_refused() {
        let big = u32::MAX;
        for size in [(0, 5), (5, 0), (big, 1), (1 << 16, 1 << 16), (50_000, 50_000)] {
            // Drawing may fail before it begins.
            let refused = figure(size, |_| unreachable!("{size:?}"));
            assert!(matches!(refused, Err(ErrorKind::Argument(_))), "{size:?}");
        }
        let refused = figure((5, 5), |_| Err("no data".into()));
        let Err(ErrorKind::Argument(what)) = refused else { panic!("{refused:?}") };
        assert_eq!(what, "a figure: no data");
    }
}
