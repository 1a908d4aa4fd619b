//! A row a sound clip, without the clip.

use bytes::Bytes;

use super::Table;
use super::rows::count;
use super::values::ValueRows;
use crate::error::ErrorKind;
use crate::export::batch::Type;
use crate::summary::audio::Audio;
use crate::summary::{Kind, RawValue};
use crate::table::Cell;

pub(super) const TABLE: Table = Table {
    name: "audio",
    about: "a row a clip, without it: run, tag, step, wall_time, index, sample_rate, channels, \
            frames, bytes",
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
        let one = Audio { declared: None, encoded: vec![encoded.clone()] };
        // What is no WAV has a length at least.
        let clip = one.decode().ok().and_then(|clips| clips.into_iter().next());
        let sizes = match clip {
            Some(clip) => [
                Cell::Int(clip.sample_rate().into()),
                Cell::Int(clip.channels().into()),
                count(clip.frames()),
            ],
            None => [Cell::Empty, Cell::Empty, Cell::Empty],
        };
        [count(i)].into_iter().chain(sizes).chain([count(encoded.len())]).collect()
    };
    Ok(audio.encoded.iter().enumerate().map(row).collect())
}
