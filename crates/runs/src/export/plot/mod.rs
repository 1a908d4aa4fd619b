//! Charts as files: SVG, or PNG without any system fonts.

mod layout;
mod parallel;
mod png;
mod svg;

use std::path::Path;

use self::layout::Scene;
pub use self::parallel::ParallelPlot;
use super::output::Output;
use crate::table::ScalarChart;
use tbx::error::{Error, Result};

/// Width and height of each chart, without its legend, by default.
const SIZE: (u16, u16) = (800, 450);
/// Number of PNG pixels per unit.
const SCALE: u8 = 2;

/// Draws charts as an image, side by side if there are several.
///
/// ```
/// use tbx_runs::export::plot::Drawing;
/// use tbx_runs::table::{ChartOptions, Curve, ScalarChart};
///
/// let curve: Curve = [(0, 0.0, 3.0), (1, 0.0, 2.0), (2, 0.0, 1.5)].into_iter().collect();
/// let chart = ScalarChart::new("loss", [("first".into(), &curve)], &ChartOptions::new());
/// assert!(Drawing::new(&[chart]).size(400, 300).svg().starts_with("<svg "));
/// ```
#[derive(Debug, Clone)]
pub struct Drawing<'c> {
    charts: &'c [ScalarChart],
    size: Size,
    overwrite: bool,
}

/// Width and height of each chart in units.
#[derive(Debug, Clone, Copy)]
struct Size {
    width: u16,
    height: u16,
}

impl<'c> Drawing<'c> {
    /// Width of each chart in units, by default.
    pub const WIDTH: u16 = SIZE.0;
    /// Height of each chart in units, by default.
    pub const HEIGHT: u16 = SIZE.1;

    /// Draws these charts.
    pub fn new(charts: &'c [ScalarChart]) -> Self {
        let (width, height) = SIZE;
        Self { charts, size: Size { width, height }, overwrite: false }
    }

    /// Width and height of each chart, without its legend, in SVG units. A PNG has two pixels per unit.
    /// Default: 800 by 450.
    #[must_use]
    pub fn size(self, width: u16, height: u16) -> Self {
        Self { size: Size { width, height }, ..self }
    }

    /// Whether [`run`](Self::run) replaces an existing file. Default: false.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// The image as SVG.
    pub fn svg(&self) -> String {
        svg::draw(&Scene::of(self.charts, self.size))
    }

    /// The image as PNG, with the same content as [`svg`](Self::svg).
    ///
    /// Text uses built-in glyphs, which cover the Latin alphabet. Other letters appear as a replacement
    /// character.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): the image would be too large.
    pub fn png(&self) -> Result<Vec<u8>> {
        png::draw(&Scene::of(self.charts, self.size))
    }

    /// Writes the image to the file `out`, in the format given by its extension; `-` writes SVG to the
    /// standard output.
    ///
    /// The file appears under its name once it is complete.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): the name ends neither in `.svg` nor in
    /// `.png`, or the image would be too large. [`ErrorKind::Io`](tbx::ErrorKind::Io): the file
    /// cannot be written, or exists and is not to be [replaced](Self::overwrite).
    pub fn run(&self, out: &Path) -> Result<()> {
        write(&Scene::of(self.charts, self.size), out, self.overwrite)
    }
}

/// Writes an image in the format given by the extension of `out`.
fn write(scene: &Scene, out: &Path, overwrite: bool) -> Result<()> {
    let ending = out.extension().map(|ending| ending.to_ascii_lowercase());
    let bytes = match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("svg") => svg::draw(scene).into_bytes(),
        None if out == Path::new("-") => svg::draw(scene).into_bytes(),
        Some("png") => png::draw(scene)?,
        _ => return Err(Error::argument("the name of an image must end in .svg or .png")),
    };
    let mut output = Output::create(out, overwrite, None)?;
    output.write(bytes)?;
    output.finish()
}
