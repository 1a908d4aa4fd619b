//! Charts as files: SVG, or PNG without any system fonts.

mod layout;
mod png;
mod svg;

use std::path::Path;

use self::layout::Scene;
use super::output::Output;
use crate::table::Chart;
use tbx::error::{Error, Result};

/// The size of each chart, without its legend, in SVG units. A PNG has two pixels per unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartSize {
    /// Width in units.
    pub width: u16,
    /// Height in units.
    pub height: u16,
}

impl Default for ChartSize {
    /// 800 by 450.
    fn default() -> Self {
        Self { width: 800, height: 450 }
    }
}

/// Number of PNG pixels per unit.
const SCALE: u8 = 2;

/// Draws charts into one SVG file, side by side if there are several.
///
/// ```
/// use tbx_runs::export::plot::{ChartSize, svg};
/// use tbx_runs::table::{Chart, ChartOptions, Curve};
///
/// let curve =
///     Curve { steps: vec![0, 1, 2], values: vec![3.0, 2.0, 1.5], wall_times: vec![0.0; 3] };
/// let chart = Chart::new("loss", [("first".into(), &curve)], &ChartOptions::default());
/// assert!(svg(&[chart], ChartSize::default()).starts_with("<svg "));
/// ```
pub fn svg(charts: &[Chart], size: ChartSize) -> String {
    svg::draw(&Scene::of(charts, size))
}

/// Draws charts into one PNG file, with the same content as [`svg`].
///
/// Text uses built-in glyphs, which cover the Latin alphabet. Other letters appear as a replacement
/// character.
///
/// # Errors
///
/// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the image would be too large.
pub fn png(charts: &[Chart], size: ChartSize) -> Result<Vec<u8>> {
    png::draw(&Scene::of(charts, size))
}

/// Writes charts to the file `out`, in the format given by its extension; `-` writes SVG to the
/// standard output.
///
/// The file appears under its name once it is complete.
///
/// # Errors
///
/// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the name ends neither in `.svg` nor in
/// `.png`, or the image would be too large. [`ErrorKind::Io`](crate::ErrorKind::Io): the file
/// cannot be written, or exists and `overwrite` is false.
pub fn write(charts: &[Chart], size: ChartSize, out: &Path, overwrite: bool) -> Result<()> {
    let ending = out.extension().map(|ending| ending.to_ascii_lowercase());
    let bytes = match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("svg") => svg(charts, size).into_bytes(),
        None if out == Path::new("-") => svg(charts, size).into_bytes(),
        Some("png") => png(charts, size)?,
        _ => return Err(Error::argument("the name of an image must end in .svg or .png")),
    };
    let mut output = Output::create(out, overwrite, None)?;
    output.write(bytes)?;
    output.finish()
}
