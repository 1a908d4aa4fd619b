//! One row per image, without the image itself.

use super::Table;
use super::rows::count;
use super::values::ValueRows;
use crate::export::batch::Type;
use crate::table::Cell;
use tbx::error::ErrorKind;
use tbx::summary::image::Images;
use tbx::summary::image::header::ImageHeader;
use tbx::summary::{Kind, RawValue};

pub(super) const TABLE: Table = Table {
    name: "images",
    about: "one row per image, without the image: run, tag, step, wall_time, index, width, height, \
            format, bytes",
    is_rare: true,
    has_values: true,
    kinds: &[Kind::Image],
    make: |settings, _, _| Ok(Box::new(ValueRows::new(Kind::Image, &COLUMNS, rows, settings))),
};

const COLUMNS: [(&str, Type); 5] = [
    ("index", Type::Int),
    ("width", Type::Int),
    ("height", Type::Int),
    ("format", Type::Text),
    ("bytes", Type::Int),
];

fn rows(value: &RawValue) -> Result<Vec<Vec<Cell>>, ErrorKind> {
    let images = Images::read(value)?;
    let [width, height] = [images.width, images.height].map(|size| Cell::Int(size.into()));
    let row = |(i, encoded): (usize, &bytes::Bytes)| {
        let header = ImageHeader::of(encoded);
        let format = match header.is_known {
            true => Cell::Text(header.format.to_lowercase()),
            false => Cell::Empty,
        };
        vec![count(i), width.clone(), height.clone(), format, count(encoded.len())]
    };
    Ok(images.encoded.iter().enumerate().map(row).collect())
}
