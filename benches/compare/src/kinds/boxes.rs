//! Images with boxes drawn into them.

use anyhow::Context;
use image::RgbImage;
use tbx::BoundingBox;

use super::{Kind, no_method};
use crate::inputs;
use crate::writers::{Own, TENSORBOARDX, TORCH, Tbx};

const SIDE: u32 = 256;
const COUNT: u8 = 10;

pub const KIND: Kind = Kind {
    name: "boxes",
    what: "256×256×3 image with 10 labelled boxes",
    calls: (400, 50),
    peers: &[(TENSORBOARDX, ""), (TORCH, "")],
    inputs: |folder| Ok(std::fs::write(folder.join("boxes.rgb"), photo().bytes)?),
    write: |own, run| {
        let photo = RgbImage::from_raw(SIDE, SIDE, photo().bytes).context("an image")?;
        match own {
            Own::Tbx => run.calls(|writer: &mut Tbx, step| {
                let boxes: Vec<_> = (0..COUNT).map(found).collect();
                Ok(writer.0.add_image_with_boxes("found", &photo, &boxes, step)?)
            }),
            _ => no_method(),
        }
    },
};

fn photo() -> inputs::Pixels {
    inputs::textured(0, SIDE, SIDE)
}

fn found(number: u8) -> BoundingBox {
    let [x, y] = [20.0 * f32::from(number), 10.0 * f32::from(number) + 20.0];
    BoundingBox::new([x, y, x + 60.0, y + 60.0]).label("person 0.98")
}
