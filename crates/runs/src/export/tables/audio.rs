//! One row per audio clip, without the clip itself.

use bytes::Bytes;

use super::Table;
use super::rows::count;
use super::values::ValueRows;
use crate::export::batch::Type;
use crate::table::Cell;
use tbx::error::ErrorKind;
use tbx::summary::audio::Audio;
use tbx::summary::audio::header::{AudioHeader, Sound};
use tbx::summary::{Kind, RawValue};

pub(super) const TABLE: Table = Table {
    name: "audio",
    about: "one row per clip, without the clip: run, tag, step, wall_time, index, sample_rate, \
            channels, frames, bytes",
    is_rare: true,
    has_values: true,
    kinds: &[Kind::Audio],
    make: |settings, _, _| Ok(Box::new(ValueRows::new(Kind::Audio, &COLUMNS, rows, settings))),
};

const COLUMNS: [(&str, Type); 5] = [
    ("index", Type::Int),
    ("sample_rate", Type::Int),
    ("channels", Type::Int),
    ("frames", Type::Int),
    ("bytes", Type::Int),
];

fn rows(value: &RawValue) -> Result<Vec<Vec<Cell>>, ErrorKind> {
    let audio = Audio::read(value)?;
    let row = |(i, encoded): (usize, &Bytes)| {
        // Audio that is not WAV still has a length.
        let sizes = match AudioHeader::of(encoded).sound {
            Some(Sound { sample_rate, channels, frames }) => {
                [sample_rate, channels.into(), frames].map(|n| Cell::Int(n.into()))
            }
            None => [Cell::Empty, Cell::Empty, Cell::Empty],
        };
        [count(i)].into_iter().chain(sizes).chain([count(encoded.len())]).collect()
    };
    Ok(audio.encoded.iter().enumerate().map(row).collect())
}
