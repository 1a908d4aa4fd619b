//! Values that are read from the log when they are asked for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tbx::error::ErrorKind;
use tbx::summary::graph;
use tbx::{Audio, DataClass, Form, Images, Place, RawValue, ValueReader, store};

use super::count::first_dimension;
use super::{Point, Run, Series};

/// Number of bytes of a value that are read to find the number of its blobs.
const HEAD: usize = 1024;
/// Number of values that are requested at a time from a server, where each takes tens of milliseconds.
const AT_ONCE: usize = 16;

/// The key of one blob, in the form in which it is part of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blob {
    pub(crate) run: String,
    pub(crate) plugin: String,
    pub(crate) tag: String,
    file: usize,
    offset: u64,
    pub(crate) index: usize,
}

impl Blob {
    pub(crate) fn new(run: &str, series: &Series, place: Place, index: usize) -> Self {
        Self {
            run: run.to_owned(),
            plugin: series.metadata.plugin.clone(),
            tag: series.tag.to_string(),
            file: place.file(),
            offset: place.offset(),
            index,
        }
    }

    /// The key as text: base64 without padding.
    pub(crate) fn key(&self) -> String {
        let Self { run, plugin, tag, file, offset, index } = self;
        let json = serde_json::to_vec(&(run, plugin, tag, file, offset, index));
        URL_SAFE_NO_PAD.encode(json.unwrap_or_default())
    }

    /// Reads a key; `None` if it is not one.
    pub(crate) fn parse(key: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(key).ok()?;
        let (run, plugin, tag, file, offset, index) = serde_json::from_slice(&json).ok()?;
        Some(Self { run, plugin, tag, file, offset, index })
    }

    pub(crate) fn place(&self, series: &Series) -> Option<Place> {
        series.place_at(self.file, self.offset)
    }
}

impl Run {
    /// Reads values of a series, in the given order.
    ///
    /// # Errors
    ///
    /// The first value that cannot be read, with its location.
    pub(crate) fn read<'a>(
        &'a self,
        name: &'a str,
        series: &'a Series,
        points: impl IntoIterator<Item = Point<Place>> + 'a,
    ) -> impl Iterator<Item = Point<Result<RawValue, ErrorKind>>> + 'a {
        let (files, kind) = (self.files(), series.kind());
        let read = move |reader: &mut ValueReader<'_>, point: Point<Place>| {
            let value = reader.value(point.value, &series.tag, kind);
            Point { step: point.step, wall_time: point.wall_time, value }
        };
        let is_remote = self.is_remote();
        let mut reader = ValueReader::of_files(name, files);
        let mut points = points.into_iter();
        let groups = std::iter::from_fn(move || {
            let group = points.by_ref().take(if is_remote { AT_ONCE } else { 1 });
            let group: Vec<_> = match is_remote {
                false => group.map(|point| read(&mut reader, point)).collect(),
                true => each(group.collect(), |point| {
                    read(&mut ValueReader::of_files(name, files), point)
                }),
            };
            Some(group).filter(|group| !group.is_empty())
        });
        groups.flatten()
    }

    /// Whether its files are at a URL.
    fn is_remote(&self) -> bool {
        self.files().last().is_some_and(|file| store::is_url(&file.path))
    }

    /// Reads the value at a place of a series.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub(crate) fn value(
        &self,
        name: &str,
        series: &Series,
        place: Place,
    ) -> Result<RawValue, ErrorKind> {
        ValueReader::of_files(name, self.files()).value(place, &series.tag, series.kind())
    }

    /// These points of a series, each with the number of its blobs, without the two texts that an image begins with.
    /// Points that cannot be read are left out. Only the first bytes of most values are read, and each once.
    pub(crate) fn blob_counts(
        &self,
        name: &str,
        series: &Series,
        points: impl IntoIterator<Item = Point<Place>>,
    ) -> Vec<(Point<Place>, usize)> {
        let files = self.files();
        let mut reader = ValueReader::of_files(name, files);
        let known = |point: Point<Place>| {
            let known = series.blobs_known();
            let count = known.and_then(|known| known.get(&point.value).copied());
            (point, count)
        };
        let points: Vec<_> = points.into_iter().map(known).collect();
        let find = |reader: &mut ValueReader<'_>, (point, known): (Point<Place>, Option<usize>)| {
            let count = known.or_else(|| count(reader, series, point.value));
            (point, count)
        };
        let counted: Vec<_> = match self.is_remote() {
            false => points.into_iter().map(|point| find(&mut reader, point)).collect(),
            true => each(points, |point| find(&mut ValueReader::of_files(name, files), point)),
        };
        let counted = counted.into_iter().filter_map(|(point, count)| Some((point, count?)));
        let counted: Vec<_> = counted.collect();
        if let Some(mut known) = series.blobs_known() {
            known.extend(counted.iter().map(|(point, count)| (point.value, *count)));
        }
        counted
    }

    /// The largest number of blobs of the points to show.
    pub(crate) fn max_blobs(&self, name: &str, series: &Series, count: Option<usize>) -> usize {
        let counted = self.blob_counts(name, series, series.places(count));
        counted.into_iter().map(|(_, blobs)| blobs).max().unwrap_or(0)
    }
}

/// The result of `f` for each of `items`. All wait for a server at the same time.
fn each<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    items.into_par_iter().map(f).collect()
}

/// The number of blobs at a place; `None` if it cannot be read now.
fn count(reader: &mut ValueReader<'_>, series: &Series, place: Place) -> Option<usize> {
    let head = reader.head(place, HEAD).ok()?;
    let is_image = series.metadata.plugin == "images";
    match first_dimension(&head.bytes, head.is_event) {
        // An image of v1 has no texts before it.
        Some(1) => Some(1),
        Some(strings) if is_image => Some(strings.saturating_sub(2)),
        Some(strings) => Some(strings),
        None => {
            let value = reader.value(place, &series.tag, series.kind()).ok()?;
            Some(blobs(series, &value).ok()?.len())
        }
    }
}

/// The blobs of a value. Of images, without the two texts that state their size.
///
/// # Errors
///
/// [`ErrorKind::Value`].
pub(crate) fn blobs(series: &Series, value: &RawValue) -> Result<Vec<Bytes>, ErrorKind> {
    match (series.metadata.plugin.as_str(), series.metadata.data_class) {
        ("images", _) => Ok(Images::read(value)?.encoded),
        ("audio", _) => Ok(Audio::read(value)?.encoded),
        (_, DataClass::BlobSequence) if value.form == Form::Tensor => graph::blobs(value),
        _ => Ok(vec![value.bytes.clone()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_others_are_refused() {
        let blob = Blob {
            run: "été/größe=2".into(),
            plugin: "images".into(),
            tag: "a/\"b\"".into(),
            file: 3,
            offset: u64::MAX,
            index: 1,
        };
        let key = blob.key();
        assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{key}");
        assert_eq!(Blob::parse(&key), Some(blob));
        for wrong in ["", "!", "WyJhIl0", "W10=", "bm90IGpzb24"] {
            assert_eq!(Blob::parse(wrong), None, "{wrong}");
        }
    }
}
