//! Values that stay in the log until they are needed.

use std::collections::HashSet;
use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::grow::Keep;
use super::{EventFile, Place, Run, TimeSeries};
use crate::error::{ErrorKind, Location, Result};
use crate::event::{EventRef, Payload, ValueRef, What};
use crate::record::{FOOTER_LEN, HEADER_LEN, frame};
use crate::store::File;
use crate::summary::{Form, Kind, RawValue};

/// Reads the values of a run from the places that a load recorded.
///
/// Each record is read whole once, to verify its checksums. If it holds many values, its other
/// values are then read individually, so that the work is linear in the bytes of the log, whatever
/// the order of the calls.
///
/// ```
/// use tbx::logdir::ValueReader;
/// use tbx::{Images, Kind, LoadOptions, Logdir, Payloads};
///
/// let options = LoadOptions::new().kinds([Kind::Image]).payloads(Payloads::Placed);
/// for run in Logdir::open("fixtures/tf2")?.load(&options)?.runs {
///     let mut reader = ValueReader::new(&run);
///     for series in &run.series {
///         for point in 0..series.len() {
///             let images = Images::read(&reader.read(series, point)?)?;
///             assert!(!images.encoded.is_empty());
///         }
///     }
/// }
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug)]
pub struct ValueReader<'r> {
    run: &'r str,
    files: &'r [EventFile],
    /// The file that was read last.
    open: Option<(u32, File)>,
    /// The record that was read last, and its place: it may hold many values.
    last: Option<((u32, u64), Bytes)>,
    /// Records with many values whose checksums were verified.
    verified: HashSet<(u32, u64)>,
    /// Number of bytes read from files.
    #[cfg(test)]
    bytes_read: u64,
}

impl<'r> ValueReader<'r> {
    /// A reader for the values of `run`. Use one per thread: it keeps the last file open and the
    /// last record in memory. Reading in the order of places is fastest.
    pub fn new(run: &'r Run) -> Self {
        Self::of_files(&run.name, &run.files)
    }

    /// A reader for the values that a [`Follower`](super::Follower) found: `run` is the name of
    /// the run, and `files` are [`RunNews::files`](super::RunNews::files).
    ///
    /// ```
    /// use tbx::{Follower, Kind, LoadOptions, Payloads, Text, ValueReader};
    ///
    /// let options = LoadOptions::new().kinds([Kind::Text]).payloads(Payloads::Placed);
    /// for run in Follower::new("fixtures/tf2", &options).poll().runs {
    ///     let mut reader = ValueReader::of_files(&run.name, &run.files);
    ///     for new in &run.series {
    ///         for point in 0..new.points.len() {
    ///             assert!(!Text::read(&reader.read(&new.points, point)?)?.strings.is_empty());
    ///         }
    ///     }
    /// }
    /// # Ok::<(), tbx::Error>(())
    /// ```
    pub fn of_files(run: &'r str, files: &'r [EventFile]) -> Self {
        Self {
            run,
            files,
            open: None,
            last: None,
            verified: HashSet::new(),
            #[cfg(test)]
            bytes_read: 0,
        }
    }

    /// The value of point `point` of `series`, which must belong to the run and have been loaded
    /// with [`Payloads::Placed`](super::Payloads::Placed).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PayloadCrc`] and similar: its record is damaged, which a load that verifies
    /// [few checksums](super::Checksums::Decoded) does not detect in large values;
    /// [`ErrorKind::Value`]: the file has changed at that place; [`ErrorKind::Argument`]: there is
    /// no such point; [`ErrorKind::Io`].
    pub fn read(&mut self, series: &TimeSeries, point: usize) -> Result<RawValue> {
        let place = series.places().and_then(|places| places.get(point));
        let Some(place) = place else {
            return Err(ErrorKind::Argument(format!("no place of point {point}")).into());
        };
        let value = self.value(*place, series.tag(), series.kind());
        value.map_err(|kind| kind.at(self.location(series, point)))
    }

    /// Location of a point's value, for messages about it.
    pub fn location(&self, series: &TimeSeries, point: usize) -> Location {
        let place = series.places().and_then(|places| places.get(point));
        let file = place.and_then(|place| self.files.get(place.file()));
        Location {
            path: file.map(|file| file.path.as_path().into()),
            offset: place.map(Place::offset),
            run: Some(self.run.to_owned()),
            tag: Some(series.tag().into()),
            step: series.steps().get(point).copied(),
        }
    }

    /// The value at `place`, which belongs to the series `tag` of `kind`.
    ///
    /// # Errors
    ///
    /// The same as for [`read`](Self::read).
    #[doc(hidden)]
    pub fn value(&mut self, place: Place, tag: &str, kind: Kind) -> Result<RawValue, ErrorKind> {
        if place.size != 0 {
            let bytes = self.value_bytes(place)?;
            let value = ValueRef::parse(&bytes).map_err(|_| changed())?;
            return raw_value(&value, tag, &Keep::Slice(bytes.clone()));
        }
        let record = self.record(place)?;
        let payload = frame(&record)?.ok_or_else(changed)?.payload;
        let event = EventRef::parse(payload).map_err(|malformed| ErrorKind::Proto(malformed.0))?;
        let keep = Keep::Slice(record.clone());
        let raw = |form, body: &[u8]| RawValue { form, bytes: keep.keep(body) };
        match &event.what {
            What::GraphDef(graph) if kind == Kind::Graph => Ok(raw(Form::GraphDef, graph)),
            What::Summary(summary) => {
                let value = summary.values().next().and_then(|value| value.ok());
                raw_value(&value.ok_or_else(changed)?, tag, &keep)
            }
            other => match other.run_metadata() {
                Ok(Some((own, content))) if own == tag => Ok(raw(Form::RunMetadata, content)),
                _ => Err(changed()),
            },
        }
    }

    /// The first bytes of a value, at most `len`, without its checksums.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]; [`ErrorKind::Value`]: the file has changed at that place.
    #[doc(hidden)]
    pub fn head(&mut self, place: Place, len: usize) -> Result<Head, ErrorKind> {
        let size = if place.size == 0 { place.len } else { place.size };
        let len = usize::try_from(size).unwrap_or(usize::MAX).min(len);
        let start = u64::try_from(HEADER_LEN).unwrap_or(0).saturating_add(place.start.into());
        let bytes = self.read_at(place.file, place.offset.saturating_add(start), len)?;
        Ok(Head { bytes, is_event: place.size == 0 })
    }

    /// The bytes of a value. The checksums of its record are right, or were when it was first read.
    fn value_bytes(&mut self, place: Place) -> Result<Bytes, ErrorKind> {
        let range = in_record(place).ok_or_else(changed)?;
        let at = (place.file, place.offset);
        let is_at_hand = self.last.as_ref().is_some_and(|(last, _)| *last == at);
        if !is_at_hand && self.verified.contains(&at) {
            let start = place.offset.checked_add(u64::try_from(range.start).unwrap_or(u64::MAX));
            return self.read_at(place.file, start.ok_or_else(changed)?, range.len());
        }
        let record = self.record(place)?;
        if place.has_more() {
            self.verified.insert(at);
        }
        if range.end > record.len() {
            return Err(changed());
        }
        Ok(record.slice(range))
    }

    /// All bytes of the record, with verified checksums.
    fn record(&mut self, place: Place) -> Result<Bytes, ErrorKind> {
        let at = (place.file, place.offset);
        if let Some((_, record)) = self.last.as_ref().filter(|(last, _)| *last == at) {
            return Ok(record.clone());
        }
        self.last = None;
        let len = usize::try_from(place.len).unwrap_or(usize::MAX);
        let len = HEADER_LEN.saturating_add(len).saturating_add(FOOTER_LEN);
        let record = self.read_at(place.file, place.offset, len)?;
        frame(&record)?.ok_or_else(changed)?.verify()?;
        self.last = Some((at, record.clone()));
        Ok(record)
    }

    /// The `len` bytes of a file from `offset` on.
    fn read_at(&mut self, number: u32, offset: u64, len: usize) -> Result<Bytes, ErrorKind> {
        let file = match &mut self.open {
            Some((open, file)) if *open == number => file,
            open => {
                let number_of = usize::try_from(number).unwrap_or(usize::MAX);
                let path = &self.files.get(number_of).ok_or_else(changed)?.path;
                &mut open.insert((number, File::open(path)?.0)).1
            }
        };
        let mut bytes = vec![0; len];
        match file.read_exact_at(&mut bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(changed()),
            read => read?,
        }
        #[cfg(test)]
        {
            self.bytes_read += u64::try_from(len).unwrap_or(u64::MAX);
        }
        Ok(bytes.into())
    }
}

/// The first bytes of a value.
#[doc(hidden)]
#[derive(Debug)]
pub struct Head {
    pub bytes: Bytes,
    /// Whether these are the bytes of the event that the value is the only one of.
    pub is_event: bool,
}

/// The content of `value`, which should belong to the series `tag`.
fn raw_value(value: &ValueRef<'_>, tag: &str, keep: &Keep) -> Result<RawValue, ErrorKind> {
    if value.tag != tag {
        return Err(changed());
    }
    let raw = |form, body: &[u8]| RawValue { form, bytes: keep.keep(body) };
    Ok(match &value.payload {
        Payload::Image(body) => raw(Form::Image, body),
        Payload::Histo(body) => raw(Form::Histo, body),
        Payload::Audio(body) => raw(Form::Audio, body),
        Payload::Tensor(body) => raw(Form::Tensor, body),
        _ => raw(Form::None, &[]),
    })
}

/// The bytes of the value in its record.
fn in_record(place: Place) -> Option<Range<usize>> {
    let start = HEADER_LEN.checked_add(usize::try_from(place.start).ok()?)?;
    Some(start..start.checked_add(usize::try_from(place.size).ok()?)?)
}

fn changed() -> ErrorKind {
    ErrorKind::Value("the file has changed since the value was found here".into())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::event::pb;
    use crate::logdir::{LoadOptions, Logdir, Payloads};
    use crate::record::append;
    use crate::summary::text;

    /// Creates a log of `events` events, each with a text for each of `tags` tags. With `parts`, each value is in
    /// a separate summary, which no known writer does.
    fn log(events: i64, tags: usize, parts: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        for step in 0..events {
            let value = |tag| text::v2(&format!("t{tag:05}"), &format!("{step}/{tag}"));
            let mut event = pb::Event { wall_time: 1.0, step, ..Default::default() };
            let values: Vec<_> = (0..tags).map(value).collect();
            let payload = if parts {
                let mut payload = event.encode_to_vec();
                for value in values {
                    let summary = pb::Summary { value: vec![value] };
                    let what = Some(pb::event::What::Summary(summary));
                    payload.extend(pb::Event { what, ..Default::default() }.encode_to_vec());
                }
                payload
            } else {
                event.what = Some(pb::event::What::Summary(pb::Summary { value: values }));
                event.encode_to_vec()
            };
            append(&mut bytes, |buffer| buffer.extend_from_slice(&payload));
        }
        std::fs::write(dir.path().join("events.out.tfevents.1.host"), bytes).unwrap();
        dir
    }

    #[test]
    fn reading_all_values_of_big_events_by_tag_reads_each_byte_twice_at_most() {
        for parts in [false, true] {
            let dir = log(3, 500, parts);
            let logdir = Logdir::open(dir.path()).unwrap();
            let run =
                logdir.load(&LoadOptions::new().payloads(Payloads::Placed)).unwrap().runs.remove(0);
            assert_eq!(run.series.len(), 500);
            let mut reader = ValueReader::new(&run);
            for (tag, series) in run.series.iter().enumerate() {
                assert_eq!(series.len(), 3);
                for point in 0..3 {
                    let value = reader.read(series, point).unwrap();
                    let text = text::Text::read(&value).unwrap();
                    assert_eq!(text.strings, [format!("{point}/{tag}")]);
                }
            }
            let bytes = run.files[0].path.metadata().unwrap().len();
            assert!(reader.bytes_read <= 2 * bytes, "{} of {bytes}", reader.bytes_read);
        }
    }

    #[test]
    fn a_value_that_changed_after_the_load_is_an_error() {
        let dir = log(2, 4, false);
        let run = Logdir::open(dir.path()).unwrap();
        let run = run.load(&LoadOptions::new().payloads(Payloads::Placed)).unwrap().runs.remove(0);
        let mut reader = ValueReader::new(&run);
        reader.read(&run.series[0], 0).unwrap();
        reader.read(&run.series[0], 1).unwrap();
        let path = &run.files[0].path;
        std::fs::write(path, vec![0; std::fs::read(path).unwrap().len()]).unwrap();
        let error = reader.read(&run.series[1], 0).unwrap_err().to_string();
        assert!(error.contains("the file has changed"), "{error}");
    }
}
