//! Figures.

use plotters::prelude::{Color, PathElement, RGBColor, Rectangle};
use serde_json::{Value, json};

use super::log::Run;

impl Run<'_> {
    /// Records the shapes in drawing order: a bar without its last row and column, or a line.
    fn figure(&mut self, tag: &str, size: (u32, u32), shapes: &[Value], step: i64) {
        let input = json!({"size": [size.0, size.1], "shapes": shapes});
        let writer = self.call("figure", tag, step, input);
        let draw = |root: &tbx::FigureArea| {
            for shape in shapes {
                let number = |key: &str, i: usize| shape[key][i].as_i64().unwrap() as i32;
                let rgb = [0, 1, 2].map(|i| number("color", i) as u8);
                let color = RGBColor(rgb[0], rgb[1], rgb[2]);
                let corners = [0, 2].map(|i| (number("corners", i), number("corners", i + 1)));
                match shape["filled"].as_bool().unwrap() {
                    true => root.draw(&Rectangle::new(corners, color.filled()))?,
                    false => root.draw(&PathElement::new(corners, color))?,
                }
            }
            Ok(())
        };
        writer.add_figure(tag, size, draw, step).unwrap();
    }
}

fn shape(filled: bool, corners: [i32; 4], color: [u8; 3]) -> Value {
    json!({"filled": filled, "corners": corners, "color": color})
}

pub(super) fn write(run: &mut Run<'_>) {
    for step in 0..3u8 {
        let mut shapes: Vec<_> = (0..8)
            .map(|i| {
                shape(true, [10 * i, 60 - i * i, 10 * i + 8, 60], [30 * i as u8, 0, 80 * step])
            })
            .collect();
        shapes.push(shape(false, [0, 60, 79, 60], [0, 0, 0]));
        shapes.push(shape(false, [5, 2, 5, 62], [0, 128, 0]));
        shapes.push(shape(true, [70, -20, 900, 10], [255, 0, 0]));
        run.figure("figure/bars", (80, 64), &shapes, step.into());
    }
    run.figure("figure/empty", (7, 5), &[], 0);
}
