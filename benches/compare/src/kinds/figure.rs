//! Charts; both drawing and writing are measured.

use plotters::prelude::{ChartBuilder, LineSeries, RED};

use super::{Kind, no_inputs, no_method};
use crate::writers::{Own, TENSORBOARDX, TORCH, Tbx};

const NOTE: &str = "drawn by matplotlib, with antialiasing";

pub const KIND: Kind = Kind {
    name: "figure",
    what: "640×480 figure of a line of 640 points",
    calls: (100, 10),
    peers: &[(TENSORBOARDX, NOTE), (TORCH, NOTE)],
    inputs: no_inputs,
    write: |own, run| match own {
        Own::Tbx => run.calls(|writer: &mut Tbx, step| {
            let draw = |root: &tbx::FigureArea| {
                let mut chart = ChartBuilder::on(root)
                    .caption("loss", ("sans-serif", 30))
                    .x_label_area_size(40)
                    .y_label_area_size(50)
                    .build_cartesian_2d(0..640_u32, 0_f32..1_f32)?;
                chart.configure_mesh().draw()?;
                let line = (0..640).map(|x| (x, (x as f32 / 40.0).sin() / 2.0 + 0.5));
                chart.draw_series(LineSeries::new(line, &RED))?;
                Ok(())
            };
            Ok(writer.0.add_figure("loss", (640, 480), draw, step)?)
        }),
        _ => no_method(),
    },
};
