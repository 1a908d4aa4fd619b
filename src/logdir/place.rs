//! Values that stay in the log until somebody wants them.

use std::io;

use bytes::Bytes;

use super::grow::Keep;
use super::{Run, TimeSeries};
use crate::error::{ErrorKind, Location, Result};
use crate::event::{EventRef, Payload, What};
use crate::record::{FOOTER_LEN, HEADER_LEN, frame};
use crate::store::File;
use crate::summary::{Form, Kind, RawValue};

/// Where a value stands in the files of its run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The index of the file in [`Run::files`].
    pub(super) file: u32,
    /// Where its record starts.
    pub(super) offset: u64,
    /// The index of the value in its event.
    pub(super) value: u32,
    /// Bytes of the record's payload.
    pub(super) len: u32,
}

impl Place {
    /// Of the first value of a record's event.
    #[inline]
    pub(super) fn of(offset: u64, len: usize) -> Self {
        // A payload has less than 2 GiB.
        Self { file: 0, offset, value: 0, len: u32::try_from(len).unwrap_or(u32::MAX) }
    }

    /// The index of the file in [`Run::files`].
    pub fn file(&self) -> usize {
        usize::try_from(self.file).unwrap_or(usize::MAX)
    }

    /// The byte offset of its record in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of its record's payload: a little more than the value has, if it is the only one.
    pub fn bytes(&self) -> u64 {
        self.len.into()
    }
}

/// Reads values of a run from where a load found them.
///
/// ```
/// use tbx::logdir::ValueReader;
/// use tbx::{Images, Kind, LoadOptions, Logdir};
///
/// let options = LoadOptions::new().kinds([Kind::Image]).places();
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
    run: &'r Run,
    /// The file that was read last.
    open: Option<(u32, File)>,
    /// The record that was read last, and where it stands: it may have many values.
    last: Option<((u32, u64), Bytes)>,
}

impl<'r> ValueReader<'r> {
    /// For the values of `run`. One a thread: it keeps the file that it read last open, and the
    /// record in memory. It is fastest in the order of places.
    pub fn new(run: &'r Run) -> Self {
        Self { run, open: None, last: None }
    }

    /// The value of point `point` of `series`, which is one of the run's and was loaded with
    /// [`LoadOptions::places`](super::LoadOptions::places).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PayloadCrc`] and its like: its record is damaged, which a load that verifies
    /// [few checksums](super::Checksums::Decoded) does not look for in big values;
    /// [`ErrorKind::Value`]: something else stands there by now; [`ErrorKind::Argument`]: there is
    /// no such point; [`ErrorKind::Io`].
    pub fn read(&mut self, series: &TimeSeries, point: usize) -> Result<RawValue> {
        let place = series.places().and_then(|places| places.get(point));
        let Some(place) = place else {
            return Err(ErrorKind::Argument(format!("no place of point {point}")).into());
        };
        let value = self.value(*place, series);
        value.map_err(|kind| kind.at(self.location(series, point)))
    }

    /// Where the value of a point stands, for a message about it.
    pub fn location(&self, series: &TimeSeries, point: usize) -> Location {
        let place = series.places().and_then(|places| places.get(point));
        let file = place.and_then(|place| self.run.files.get(place.file()));
        Location {
            path: file.map(|file| file.path.as_path().into()),
            offset: place.map(Place::offset),
            run: Some(self.run.name.clone()),
            tag: Some(series.tag().into()),
            step: series.steps().get(point).copied(),
        }
    }

    fn value(&mut self, place: Place, series: &TimeSeries) -> Result<RawValue, ErrorKind> {
        let record = self.record(place)?;
        let payload = frame(&record)?.ok_or_else(changed)?.payload;
        let event = EventRef::parse(payload).map_err(|malformed| ErrorKind::Proto(malformed.0))?;
        let keep = Keep::Slice(record.clone());
        let raw = |form, body: &[u8]| RawValue { form, bytes: keep.keep(body) };
        let kind = series.kind();
        match &event.what {
            What::GraphDef(graph) if kind == Kind::Graph => Ok(raw(Form::GraphDef, graph)),
            What::Summary(summary) => {
                let at = usize::try_from(place.value).unwrap_or(usize::MAX);
                let value = summary.values().nth(at).and_then(|value| value.ok());
                let value = value.filter(|value| value.tag == series.tag()).ok_or_else(changed)?;
                Ok(match &value.payload {
                    Payload::Image(body) => raw(Form::Image, body),
                    Payload::Histo(body) => raw(Form::Histo, body),
                    Payload::Audio(body) => raw(Form::Audio, body),
                    Payload::Tensor(body) => raw(Form::Tensor, body),
                    _ => raw(Form::None, &[]),
                })
            }
            other => match other.run_metadata() {
                Ok(Some((tag, content))) if tag == series.tag() => {
                    Ok(raw(Form::RunMetadata, content))
                }
                _ => Err(changed()),
            },
        }
    }

    /// All bytes of the record, whose checksums are right.
    fn record(&mut self, place: Place) -> Result<Bytes, ErrorKind> {
        let at = (place.file, place.offset);
        if let Some((_, record)) = self.last.as_ref().filter(|(last, _)| *last == at) {
            return Ok(record.clone());
        }
        self.last = None;
        let file = match &mut self.open {
            Some((open, file)) if *open == place.file => file,
            open => {
                let file = self.run.files.get(place.file()).ok_or_else(changed)?;
                &mut open.insert((place.file, File::open(&file.path)?.0)).1
            }
        };
        let len = usize::try_from(place.len).unwrap_or(usize::MAX);
        let mut record = vec![0; HEADER_LEN.saturating_add(len).saturating_add(FOOTER_LEN)];
        match file.read_exact_at(&mut record, place.offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(changed()),
            read => read?,
        }
        frame(&record)?.ok_or_else(changed)?.verify()?;
        let record = Bytes::from(record);
        self.last = Some((at, record.clone()));
        Ok(record)
    }
}

fn changed() -> ErrorKind {
    ErrorKind::Value("the file has changed since the value was found here".into())
}
