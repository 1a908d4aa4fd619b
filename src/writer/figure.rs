//! Logs figures.

#![cfg(feature = "plotters")]

use std::error::Error;

use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::image::{FigureArea, figure};

impl SummaryWriter {
    /// Logs a figure of `size` pixels (width and height), which `draw` draws with `plotters`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use plotters::prelude::*;
    /// use tbx::SummaryWriter;
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let points = [(0.0, 1.0), (1.0, 0.5), (2.0, 0.25), (3.0, 0.125)];
    /// writer.add_figure("loss", (640, 480), |root| {
    ///     let mut chart = ChartBuilder::on(root)
    ///         .caption("loss", ("sans-serif", 30))
    ///         .margin(10)
    ///         .x_label_area_size(40)
    ///         .y_label_area_size(50)
    ///         .build_cartesian_2d(0.0..3.0, 0.0..1.0)?;
    ///     chart.configure_mesh().x_desc("epoch").draw()?;
    ///     chart.draw_series(LineSeries::new(points, &RED))?;
    ///     Ok(())
    /// }, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The background is white. Text needs neither a system font nor a font file: see
    /// [`FigureBackend`](crate::summary::image::FigureBackend). To log a figure drawn into your own buffer, for
    /// example with other fonts, pass [`Pixels`](crate::Pixels) to [`add_image`](Self::add_image).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): `draw` failed, in which case the message includes its
    /// error; or the size is 0 or too large. Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    pub fn add_figure<F>(
        &self,
        tag: &str,
        size: (u32, u32),
        draw: F,
        step: impl IntoStep,
    ) -> Result<()>
    where
        F: FnOnce(&FigureArea) -> Result<(), Box<dyn Error>>,
    {
        self.add_encoded(tag, step, || figure(size, draw))
    }
}
