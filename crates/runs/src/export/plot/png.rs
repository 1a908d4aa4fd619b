//! Renders an image as PNG.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use tiny_skia::{
    FillRule, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform,
};

use super::SCALE;
use super::layout::{Anchor, Area, Color, Pen, Scene, Shape, TITLE};
use tbx::error::{Error, Result};
use tbx::summary::image::Pixels;

/// Maximum number of pixels per side, and in total: each takes four bytes.
const LONGEST: f32 = 32_767.0;
const LARGEST: f32 = 134_217_728.0;
/// Replacement for characters that the font lacks.
const UNKNOWN: char = '\u{fffd}';

pub(super) fn draw(scene: &Scene) -> Result<Vec<u8>> {
    let scale = f32::from(SCALE);
    let [width, height] = [scene.width, scene.height].map(|side| (side * scale).ceil());
    let too_large = || {
        let what = "pixels is too large for a PNG; an SVG has no such limit";
        Error::argument(format!("an image of {width} by {height} {what}"))
    };
    if width > LONGEST || height > LONGEST || width * height > LARGEST {
        return Err(too_large());
    }
    let mut pixmap = Pixmap::new(whole(width), whole(height)).ok_or_else(too_large)?;
    pixmap.fill(tiny_skia::Color::WHITE);
    let mut clipped: Option<(Area, Mask)> = None;
    for shape in &scene.shapes {
        let clip = match shape {
            Shape::Stroke { clip, .. } => *clip,
            Shape::Fill { clip, .. } => Some(*clip),
            Shape::Text { .. } => None,
        };
        if let Some(area) = clip.filter(|area| clipped.as_ref().is_none_or(|c| c.0 != *area)) {
            clipped = mask(&pixmap, area).map(|mask| (area, mask));
        }
        let mask = clipped.as_ref().filter(|_| clip.is_some()).map(|(_, mask)| mask);
        match shape {
            Shape::Stroke { points, pen, .. } => stroke(&mut pixmap, points, *pen, mask),
            Shape::Fill { points, color, opacity, .. } => {
                if let Some(path) = path(points) {
                    let paint = paint(*color, *opacity);
                    pixmap.fill_path(&path, &paint, FillRule::Winding, transform(), mask);
                }
            }
            Shape::Text { at, anchor, text, size, color } => {
                letters(&mut pixmap, at.map(|n| n * scale), *anchor, text, *size, *color);
            }
        }
    }
    let (width, height) = (pixmap.width(), pixmap.height());
    let samples = pixmap.take();
    // The background is opaque, so that three channels are enough.
    let rgb: Vec<u8> =
        samples.chunks_exact(4).flat_map(|pixel| pixel.iter().take(3).copied()).collect();
    Ok(Pixels::new(width, height, 3, rgb)?.to_png()?.to_vec())
}

fn transform() -> Transform {
    let scale = f32::from(SCALE);
    Transform::from_scale(scale, scale)
}

fn mask(pixmap: &Pixmap, area: Area) -> Option<Mask> {
    let mut mask = Mask::new(pixmap.width(), pixmap.height())?;
    let path = PathBuilder::from_rect(Rect::from_xywh(area.x, area.y, area.width, area.height)?);
    mask.fill_path(&path, FillRule::Winding, true, transform());
    Some(mask)
}

fn path(points: &[[f32; 2]]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, [x, y]) in points.iter().enumerate() {
        if i == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
    }
    path.finish()
}

fn paint(Color(red, green, blue): Color, opacity: f32) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    let opacity = (opacity * 255.0).round().clamp(0.0, 255.0);
    paint.set_color_rgba8(red, green, blue, byte(opacity));
    paint
}

fn stroke(pixmap: &mut Pixmap, points: &[[f32; 2]], pen: Pen, mask: Option<&Mask>) {
    let Some(path) = path(points) else { return };
    let paint = paint(pen.color, pen.opacity);
    let dash = (!pen.dashes.is_empty()).then(|| StrokeDash::new(pen.dashes.to_vec(), 0.0));
    let stroke = Stroke {
        width: pen.width,
        line_join: LineJoin::Round,
        dash: dash.flatten(),
        ..Stroke::default()
    };
    pixmap.stroke_path(&path, &paint, &stroke, transform(), mask);
}

/// The font, whose letters are as wide and nearly as high as scaled text.
const HEIGHT: RasterHeight = RasterHeight::Size32;

/// Draws a text; `x` and `y` are in pixels, on its baseline.
fn letters(
    pixmap: &mut Pixmap,
    [x, y]: [f32; 2],
    anchor: Anchor,
    text: &str,
    size: f32,
    color: Color,
) {
    let weight = if size >= TITLE { FontWeight::Bold } else { FontWeight::Regular };
    let advance = i32::try_from(get_raster_width(weight, HEIGHT)).unwrap_or(0);
    let count = i32::try_from(text.chars().count()).unwrap_or(0);
    let width = count.saturating_mul(advance);
    let left = match anchor {
        Anchor::Start => 0,
        Anchor::Middle => width / 2,
        Anchor::End => width,
    };
    let mut left = pixel(x).saturating_sub(left);
    // The baseline of letters is at about three quarters of their height.
    let top = pixel(y) - i32::try_from(HEIGHT.val()).unwrap_or(0) * 3 / 4;
    for c in text.chars() {
        let raster = get_raster(c, weight, HEIGHT).or_else(|| get_raster(UNKNOWN, weight, HEIGHT));
        for (row, line) in raster.iter().flat_map(|raster| raster.rows()).zip(top..) {
            for (coverage, column) in row.iter().zip(left..) {
                blend(pixmap, [column, line], color, *coverage);
            }
        }
        left = left.saturating_add(advance);
    }
}

/// Blends a color into a pixel, in proportion to `coverage`.
fn blend(pixmap: &mut Pixmap, [column, row]: [i32; 2], color: Color, coverage: u8) {
    let (Ok(column), Ok(row)) = (usize::try_from(column), usize::try_from(row)) else { return };
    let [width, height] =
        [pixmap.width(), pixmap.height()].map(|side| usize::try_from(side).unwrap_or(0));
    if coverage == 0 || column >= width || row >= height {
        return;
    }
    let at = (row * width + column) * 4;
    let Some([red, green, blue, _]) = pixmap.data_mut().get_mut(at..at + 4) else { return };
    let Color(r, g, b) = color;
    for (below, above) in [(red, r), (green, g), (blue, b)] {
        let mix =
            u16::from(*below) * u16::from(255 - coverage) + u16::from(above) * u16::from(coverage);
        *below = u8::try_from((mix + 127) / 255).unwrap_or(u8::MAX);
    }
}

#[expect(clippy::as_conversions, reason = "saturates")]
fn pixel(n: f32) -> i32 {
    n.round() as i32
}

#[expect(clippy::as_conversions, reason = "not negative, and below 2^15")]
fn whole(n: f32) -> u32 {
    n as u32
}

#[expect(clippy::as_conversions, reason = "from 0 to 255")]
fn byte(n: f32) -> u8 {
    n as u8
}
