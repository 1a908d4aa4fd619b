//! Writes the values of a run.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::files::{Copied, check};
use super::{files, images, points};
use crate::trackers::source::{
    At, Histogram, Image, LeftOut, Mesh, Place, Points, Series, Source, SourceFile,
};
use tbx::digest;
use tbx::error::{Effect, ErrorKind, Issue, Location, Report, Result};
use tbx::event::pb;
use tbx::summary::histogram::Moments;
use tbx::summary::{Kind, Metadata, mesh};
use tbx::writer::SummaryWriter;

/// Maximum size of an image or an audio clip in bytes.
const MAX_BYTES: u64 = 32 << 20;
/// Maximum size in bytes of the images or clips of one step.
const MAX_STEP: usize = 128 << 20;
/// Size of a scalar in memory, the unit of [`weight`].
const POINT: usize = 24;

/// Counts of what was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) scalars: points::Written,
    /// Number of values of other kinds.
    pub(super) others: u64,
}

/// Shared input for values in files.
pub(super) struct Media<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) copies: Copies,
    pub(super) draw_boxes: bool,
    /// The name of the run.
    pub(super) run: &'a str,
}

/// The files that were already copied, by their places in the source.
#[derive(Default)]
pub(super) struct Copies(HashMap<Key, Option<PathBuf>>);

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Local(PathBuf),
    Remote(&'static str, String, String),
}

impl Key {
    fn of(place: &Place) -> Option<Self> {
        match place {
            Place::Local(_, path) => Some(Self::Local(path.clone())),
            Place::Remote { of, id, path } => Some(Self::Remote(of, id.clone(), path.clone())),
            Place::Bytes(_) => None,
        }
    }
}

impl Copies {
    /// The copies of `files` in the run's directory.
    pub(super) fn new(dir: &Path, files: &[SourceFile], copied: &Copied) -> Self {
        let places = copied.places.iter();
        let places = places.map(|place| place.as_ref().map(|place| dir.join(place)));
        let keys = files.iter().map(|file| Key::of(&file.place));
        Self(keys.zip(places).filter_map(|(key, place)| Some((key?, place))).collect())
    }
}

/// The memory that the points need, in sizes of a scalar.
pub(super) fn weight(points: &Points) -> usize {
    let file = |file: &SourceFile| match &file.place {
        Place::Bytes(bytes) => bytes.len(),
        _ => size_of::<SourceFile>(),
    };
    let bytes: usize = match points {
        Points::Scalars(points) => return points.len(),
        Points::Histograms(points) => points.iter().map(|at| at.value.counts.len() * 16).sum(),
        Points::Images(points) => {
            points.iter().flat_map(|at| &at.value).map(|image| file(&image.file)).sum()
        }
        Points::Audio(points) => points.iter().flat_map(|at| &at.value).map(file).sum(),
        Points::Texts(points) => points.iter().map(|at| at.value.len()).sum(),
        Points::Meshes(points) => {
            let len = |mesh: &Mesh| mesh.vertices.len() * 15 + mesh.faces.len() * 12;
            points.iter().map(|at| len(&at.value)).sum()
        }
    };
    points.len() + bytes / POINT
}

/// The time of the earliest value.
pub(super) fn first_time(all: &[Series]) -> Option<f64> {
    fn first<T>(points: &[At<T>]) -> Option<f64> {
        points.iter().map(|at| at.wall_time).min_by(f64::total_cmp)
    }
    let of = |series: &Series| match &series.points {
        Points::Scalars(points) => first(points),
        Points::Histograms(points) => first(points),
        Points::Images(points) => first(points),
        Points::Audio(points) => first(points),
        Points::Texts(points) => first(points),
        Points::Meshes(points) => first(points),
    };
    all.iter().filter_map(of).min_by(f64::total_cmp)
}

/// Writes all series, one after another.
pub(super) fn write(
    writer: &SummaryWriter,
    all: &[Series],
    float64: bool,
    media: &Media<'_>,
    left_out: &mut Vec<LeftOut>,
    report: &mut Report,
) -> Result<Written> {
    let mut written = Written::default();
    for series in all {
        let described;
        let writer = match &series.description {
            Some(description) => {
                described = writer.with_description(description);
                &described
            }
            None => writer,
        };
        let tag = series.tag.as_str();
        let description = series.description.as_deref();
        let mut out = Out { writer, tag, description, media, left_out, report, written: 0 };
        match &series.points {
            Points::Scalars(points) => {
                points::write(writer, tag, points, float64, &mut written.scalars)?;
            }
            Points::Histograms(points) => out.each(points, Out::histogram)?,
            Points::Images(points) => out.each(points, Out::images)?,
            Points::Audio(points) => out.each(points, Out::audio)?,
            Points::Texts(points) => out.each(points, |out, writer, at| {
                writer.add_text(out.tag, at.value.as_str(), at.step).map(|()| Ok(true))
            })?,
            Points::Meshes(points) => out.each(points, Out::mesh)?,
        }
        written.others += out.written;
    }
    Ok(written)
}

/// A series that is being written.
struct Out<'o> {
    writer: &'o SummaryWriter,
    tag: &'o str,
    description: Option<&'o str>,
    media: &'o Media<'o>,
    left_out: &'o mut Vec<LeftOut>,
    report: &'o mut Report,
    /// Number of values that were written.
    written: u64,
}

/// Whether something was written. The inner error concerns a single value.
type Done = Result<Result<bool, ErrorKind>>;

impl Out<'_> {
    /// Writes each point with `write`. Points that cannot be written are issues.
    fn each<T>(
        &mut self,
        points: &[At<T>],
        write: impl Fn(&mut Self, &SummaryWriter, &At<T>) -> Done,
    ) -> Result<()> {
        for at in points {
            let writer = self.writer.with_wall_time(at.wall_time)?;
            match write(self, &writer, at)? {
                Ok(is_written) => self.written += u64::from(is_written),
                Err(kind) => {
                    let location = Location::default().with_run(self.media.run);
                    let location = location.with_tag(self.tag).with_step(at.step);
                    let issue = Issue::new(kind, location, Effect::SkippedValue);
                    files::push(self.report, issue);
                }
            }
        }
        Ok(())
    }

    fn histogram(&mut self, writer: &SummaryWriter, at: &At<Histogram>) -> Done {
        let Histogram { edges, counts } = &at.value;
        let limits = edges.get(1..).unwrap_or_default();
        let is_valid = edges.len() == counts.len().saturating_add(1)
            && edges.iter().chain(counts).all(|number| number.is_finite())
            && edges.is_sorted();
        let (Some(min), Some(max), true) = (edges.first(), edges.last(), is_valid) else {
            let what = format!(
                "a histogram of {} edges and {} counts, which are not those of sorted buckets",
                edges.len(),
                counts.len()
            );
            return Ok(Err(ErrorKind::Value(what)));
        };
        // The values are unknown: each counts as the middle of its bucket. TensorBoard takes the smallest and the
        // largest value for the outer edges of the buckets that are not empty.
        let filled = || counts.iter().enumerate().filter(|(_, count)| **count != 0.0);
        let edge = |place: Option<usize>| place.and_then(|place| edges.get(place)).copied();
        let mut moments = Moments {
            min: edge(filled().next().map(|(place, _)| place)).unwrap_or(*min),
            max: edge(filled().next_back().map(|(place, _)| place + 1)).unwrap_or(*max),
            num: 0.0,
            sum: 0.0,
            sum_squares: 0.0,
        };
        for (pair, count) in edges.windows(2).zip(counts) {
            let middle = pair.iter().map(|edge| edge / 2.0).sum::<f64>();
            moments.num += count;
            moments.sum += middle * count;
            moments.sum_squares += middle * middle * count;
        }
        writer.add_histogram_raw(self.tag, moments, limits, counts, at.step).map(|()| Ok(true))
    }

    fn mesh(&mut self, writer: &SummaryWriter, at: &At<Mesh>) -> Done {
        let Mesh { vertices, colors, faces } = &at.value;
        let mesh = mesh::Mesh::new(vertices).and_then(|mesh| match colors.is_empty() {
            true => Ok(mesh),
            false => mesh.with_colors(colors),
        });
        let mesh = mesh.and_then(|mesh| match faces.is_empty() {
            true => Ok(mesh),
            false => mesh.with_faces(faces),
        });
        match mesh {
            Ok(mesh) => writer.add_mesh(self.tag, &mesh, at.step).map(|()| Ok(true)),
            Err(kind) => Ok(Err(ErrorKind::Value(format!("not a mesh: {kind}")))),
        }
    }

    fn audio(&mut self, writer: &SummaryWriter, at: &At<Vec<SourceFile>>) -> Done {
        let mut clips = Vec::new();
        for file in &at.value {
            match self.read(file, &clips) {
                Ok(Some(clip)) => clips.push(clip),
                Ok(None) => {}
                Err(kind) => return Ok(Err(kind)),
            }
        }
        if clips.is_empty() {
            return Ok(Err(ErrorKind::Value("no audio clip of the step can be read".into())));
        }
        let rows = i64::try_from(clips.len()).unwrap_or(i64::MAX);
        let dim = |size| pb::tensor_shape_proto::Dim { size, ..Default::default() };
        let shape = pb::TensorShapeProto { dim: vec![dim(rows), dim(2)], ..Default::default() };
        // Each clip has a label, which TensorBoard does not show.
        let tensor = pb::TensorProto {
            dtype: pb::DataType::DtString.into(),
            tensor_shape: Some(shape),
            string_val: clips.into_iter().flat_map(|clip| [clip, Bytes::new()]).collect(),
            ..Default::default()
        };
        let value = pb::summary::Value {
            tag: self.tag.to_owned(),
            metadata: Some(Metadata::new(Kind::Audio).to_message()),
            value: Some(pb::summary::value::Value::Tensor(tensor)),
            ..Default::default()
        };
        self.add(writer, at.step, value)
    }

    fn images(&mut self, writer: &SummaryWriter, at: &At<Vec<Image>>) -> Done {
        let mut encoded = Vec::new();
        let mut boxes = 0usize;
        let are_copied = at.value.iter().all(|image| self.is_copied(&image.file));
        for image in &at.value {
            let bytes = match self.read(&image.file, &encoded) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(kind) => return Ok(Err(kind)),
            };
            let draws = self.media.draw_boxes && !image.boxes.is_empty();
            if !draws {
                boxes += image.boxes.len();
            }
            match images::shown(bytes, if draws { &image.boxes } else { &[] }) {
                Ok(bytes) => encoded.push(bytes),
                // It is an artifact, whatever it is.
                Err(_) if self.is_copied(&image.file) => {}
                Err(kind) => return Ok(Err(kind)),
            }
        }
        let boxes = u64::try_from(boxes).unwrap_or(u64::MAX);
        LeftOut::count(self.left_out, "boxes of images", boxes, false);
        let Some(value) = images::value(self.tag, encoded, self.description.is_some()) else {
            if are_copied && !at.value.is_empty() {
                return Ok(Ok(false)); // nothing is lost: all are artifacts
            }
            return Ok(Err(ErrorKind::Value("the step has no image that can be shown".into())));
        };
        self.add(writer, at.step, value).map(|done| done.map(|is_new| is_new && !are_copied))
    }

    /// Writes a value that is already encoded.
    fn add(&self, writer: &SummaryWriter, step: i64, mut value: pb::summary::Value) -> Done {
        if let (Some(metadata), Some(description)) = (&mut value.metadata, self.description) {
            description.clone_into(&mut metadata.summary_description);
        }
        writer.add_summary(pb::Summary { value: vec![value] }, step).map(|()| Ok(true))
    }

    fn is_copied(&self, file: &SourceFile) -> bool {
        Key::of(&file.place).is_some_and(|key| self.media.copies.0.contains_key(&key))
    }

    /// The bytes of a file; `None` if it is in the report as an artifact that could not be copied.
    /// `others` are those of the same step.
    fn read(&self, file: &SourceFile, others: &[Bytes]) -> Result<Option<Bytes>, ErrorKind> {
        let copy = Key::of(&file.place).and_then(|key| self.media.copies.0.get(&key));
        let content: Box<dyn Read + '_> = match copy {
            Some(Some(path)) => Box::new(File::open(path)?),
            Some(None) => return Ok(None),
            None => self.media.source.open(file).map_err(tbx::Error::into_kind)?,
        };
        let mut bytes = Vec::new();
        content.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let before: usize = others.iter().map(Bytes::len).sum();
        if len > MAX_BYTES || before.saturating_add(bytes.len()) > MAX_STEP {
            if copy.is_some() {
                return Ok(None); // it is an artifact
            }
            let what = format!(
                "{} has more than {MAX_BYTES} bytes, or its step more than {MAX_STEP}",
                file.name
            );
            return Err(ErrorKind::Value(what));
        }
        if copy.is_none() {
            let sha256 = file.sha256.as_ref().map(|_| digest::sha256(&bytes)).unwrap_or_default();
            let failed = |error| ErrorKind::Value(format!("{}: {error}", file.name));
            check(file, len, &sha256).map_err(failed)?;
        }
        Ok(Some(bytes.into()))
    }
}
