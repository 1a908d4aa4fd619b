//! Embeddings: points of many dimensions, which TensorBoard's projector shows in three.
//!
//! Not events but files: a table of numbers, one of labels, a picture of pictures, and a
//! configuration that names them (`tensorboard/plugins/projector/projector_plugin.py`). What is
//! in those is known here; where they are is the writer's matter, and the reader's.

mod config;
mod place;
mod table;
mod text_format;

use std::fmt;
use std::io;

use bytes::Bytes;

pub use self::config::{CONFIG_FILE, merge, read};
pub use self::place::{METADATA_FILE, Place, SPRITE_FILE, TENSORS_FILE};
use self::table::Table;
use super::histogram::Numeric;
#[cfg(feature = "image")]
use super::image::{IntoBatch, tile};
use crate::error::ErrorKind;
use crate::event::pb::projector::EmbeddingInfo;

/// Pixels of a side of the projector's texture at most
/// (`vz_projector/data-provider.ts`, `MAX_SPRITE_IMAGE_SIZE_PX`).
#[cfg(feature = "image")]
const MAX_SPRITE_SIDE: u32 = 8192;

/// Points for TensorBoard's projector, with labels and pictures if there are any.
///
/// What is wrong with it is said by
/// [`add_embedding`](crate::SummaryWriter::add_embedding), or by [`check`](Self::check).
///
/// ```
/// use tbx::Embedding;
///
/// let vectors = vec![vec![0.1f32, 0.2, 0.3], vec![0.4, 0.5, 0.6]];
/// let labeled = Embedding::new(&vectors).labels(["cat", "dog"]);
/// assert_eq!((labeled.len(), labeled.dimensions()), (2, 3));
/// labeled.check()?;
///
/// let array = ndarray::Array2::<f64>::eye(10);
/// let table = (0..10).map(|i| [format!("axis {i}"), format!("{}", i % 2)]);
/// Embedding::new(array.rows()).metadata(["name", "odd"], table).check()?;
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedding {
    points: Points,
    metadata: Option<Table>,
    sprite: Option<Sprite>,
    /// The first thing that was wrong with what it was made of.
    mistake: Option<String>,
}

/// Rows of numbers.
#[derive(Clone, Default, PartialEq)]
struct Points {
    numbers: Vec<f32>,
    len: usize,
    dimensions: usize,
}

/// The pictures of all points in one, row by row in a square.
#[derive(Clone, PartialEq, Eq)]
pub struct Sprite {
    /// The encoded picture: PNG, unless another program wrote it.
    pub encoded: Bytes,
    /// Width of the picture of a point, in pixels.
    pub width: u32,
    /// Height of the picture of a point, in pixels.
    pub height: u32,
}

impl Embedding {
    /// Points: rows of numbers, all of the same length. Slices and vectors of arrays, slices or
    /// vectors do, and the `rows()` of `ndarray` arrays. Numbers are float32, which is what the
    /// projector reads.
    ///
    /// The projector shows two points or more, of two dimensions or more (its first view, PCA,
    /// wants three), and none with NaN or an infinity in it. It shows the first 100,000 points.
    pub fn new<R>(rows: impl IntoIterator<Item = R>) -> Self
    where
        R: IntoIterator,
        R::Item: Numeric,
    {
        let mut embedding = Self::default();
        for (i, row) in rows.into_iter().enumerate() {
            let start = embedding.points.numbers.len();
            embedding.points.numbers.extend(row.into_iter().map(|number| to_f32(number.to_f64())));
            let dimensions = embedding.points.numbers.len() - start;
            let first = if i == 0 { dimensions } else { embedding.points.dimensions };
            if dimensions != first {
                embedding.note(|| format!("row 0 of {first} numbers, and row {i} of {dimensions}"));
            }
            embedding.points.dimensions = first;
            embedding.points.len += 1;
        }
        embedding
    }

    /// The embedding with a label for each point: anything that can be printed. A label has a
    /// character to be seen, and no tab and no end of a line in it, for which the projector's
    /// format has no words.
    #[must_use]
    pub fn labels<L: ToString>(self, labels: impl IntoIterator<Item = L>) -> Self {
        Self { metadata: Some(Table::of_labels(labels)), ..self }
    }

    /// The embedding with several labels for each point, and a header that names them: a row of
    /// as many as the header has for each point. One column alone is [`labels`](Self::labels);
    /// the projector knows no header then.
    #[must_use]
    pub fn metadata<H: ToString, R>(
        mut self,
        header: impl IntoIterator<Item = H>,
        rows: impl IntoIterator<Item = R>,
    ) -> Self
    where
        R: IntoIterator,
        R::Item: ToString,
    {
        match Table::new(header, rows) {
            Ok(table) => self.metadata = Some(table),
            Err(mistake) => self.note(|| mistake),
        }
        self
    }

    /// The embedding with a picture for each point, all of one size: what
    /// [`add_images`](crate::SummaryWriter::add_images) takes. They are put together to one of
    /// 8192 pixels a side at most, and encoded as PNG.
    #[cfg(feature = "image")]
    #[must_use]
    pub fn sprite<'a>(mut self, images: impl IntoBatch<'a>) -> Self {
        match sprite(images) {
            Ok((count, _)) if count != self.len() => {
                let points = self.len();
                self.note(|| format!("{count} pictures for {points} points"));
            }
            Ok((_, sprite)) => self.sprite = Some(sprite),
            Err(ErrorKind::Argument(mistake)) => self.note(|| mistake),
            Err(other) => self.note(|| other.to_string()),
        }
        self
    }

    /// Notes what is wrong, unless something was before.
    fn note(&mut self, mistake: impl FnOnce() -> String) {
        if self.mistake.is_none() {
            self.mistake = Some(mistake());
        }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.points.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.points.len == 0
    }

    /// How many numbers a point is.
    pub fn dimensions(&self) -> usize {
        self.points.dimensions
    }

    /// The points.
    pub fn points(&self) -> impl Iterator<Item = &[f32]> {
        self.points.numbers.chunks(self.points.dimensions.max(1))
    }

    /// The names of the points' labels; none if there is one label a point, or none.
    pub fn header(&self) -> &[String] {
        self.metadata.as_ref().map_or(&[], Table::header)
    }

    /// The labels of each point; nothing if there are none.
    pub fn metadata_rows(&self) -> impl Iterator<Item = &[String]> {
        self.metadata.iter().flat_map(Table::rows)
    }

    /// The picture of pictures.
    pub fn sprite_image(&self) -> Option<&Sprite> {
        self.sprite.as_ref()
    }

    /// Whether the projector can show it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: fewer than two points, or than two dimensions; rows of several
    /// lengths; a number that is not finite as float32; labels that are not as many as points,
    /// or that no line can hold; pictures that are not as many as points, of several sizes, or
    /// too many for a texture.
    pub fn check(&self) -> Result<(), ErrorKind> {
        let wrong = |what: String| Err(ErrorKind::Argument(format!("an embedding with {what}")));
        if let Some(mistake) = &self.mistake {
            return wrong(mistake.clone());
        }
        let (len, dimensions) = (self.len(), self.dimensions());
        if len < 2 || dimensions < 2 {
            return wrong(format!("{len} points of {dimensions} dimensions, not 2 of 2 or more"));
        }
        if let Some(i) = self.points.numbers.iter().position(|number| !number.is_finite()) {
            let number = self.points.numbers.get(i).copied().unwrap_or_default();
            let (row, column) = (i / dimensions, i % dimensions);
            return wrong(format!("{number:?}, as float32, in row {row}, column {column}"));
        }
        let Some(table) = &self.metadata else { return Ok(()) };
        if table.len() != len {
            return wrong(format!("labels for {} points, not for {len}", table.len()));
        }
        table.mistake().map_or(Ok(()), wrong)
    }

    /// Writes the table of numbers: a line a point, with tabs between them.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_tensors(&self, out: &mut impl io::Write) -> io::Result<()> {
        for point in self.points() {
            let mut separator = "";
            for number in point {
                // The shortest digits that are this float32 and no other.
                write!(out, "{separator}{number:?}")?;
                separator = "\t";
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Writes the table of labels, if there is one.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_metadata(&self, out: &mut impl io::Write) -> io::Result<()> {
        self.metadata.as_ref().map_or(Ok(()), |table| table.write(out))
    }

    /// Whether there are labels.
    pub fn has_metadata(&self) -> bool {
        self.metadata.is_some()
    }

    /// What the files of an embedding hold: the table of numbers, that of labels, the sprite.
    ///
    /// Takes what TensorBoard takes: a table of numbers in text, or as raw float32 in
    /// little-endian order with the shape that `info` has; lines without a number are left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: rows of several lengths, what is no number, raw numbers without
    /// their shape or not as many as it says.
    pub fn from_files(
        info: &EmbeddingInfo,
        tensors: &[u8],
        metadata: Option<&[u8]>,
        sprite: Option<Bytes>,
    ) -> Result<Self, ErrorKind> {
        let points = match str::from_utf8(tensors) {
            Ok(text) => Points::from_text(text)?,
            Err(_) => Points::from_raw(tensors, &info.tensor_shape)?,
        };
        let size = info.sprite.as_ref().map_or(&[][..], |sprite| &sprite.single_image_dim);
        let (width, height) = match size {
            [width, height, ..] => (*width, *height),
            _ => (0, 0),
        };
        let sprite = sprite.map(|encoded| Sprite { encoded, width, height });
        let metadata = metadata.map(|bytes| Table::read(&String::from_utf8_lossy(bytes)));
        Ok(Self { points, metadata, sprite, mistake: None })
    }
}

impl Points {
    fn from_text(text: &str) -> Result<Self, ErrorKind> {
        let mut points = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let start = points.numbers.len();
            for number in line.split('\t') {
                let parsed: f64 = number.trim().parse().map_err(|_| {
                    ErrorKind::Value(format!("{number:?} in row {} of an embedding", points.len))
                })?;
                points.numbers.push(to_f32(parsed));
            }
            let dimensions = points.numbers.len() - start;
            if points.len > 0 && dimensions != points.dimensions {
                let Self { len, dimensions: first, .. } = points;
                let what = format!("row 0 of {first} numbers, and row {len} of {dimensions}");
                return Err(ErrorKind::Value(format!("an embedding with {what}")));
            }
            points.dimensions = dimensions;
            points.len += 1;
        }
        Ok(points)
    }

    fn from_raw(bytes: &[u8], shape: &[u32]) -> Result<Self, ErrorKind> {
        let (numbers, rest) = bytes.as_chunks::<4>();
        let expected = match shape {
            [len, dimensions] => u64::from(*len) * u64::from(*dimensions),
            _ => u64::MAX,
        };
        if !rest.is_empty() || u64::try_from(numbers.len()) != Ok(expected) {
            let what = format!("{} bytes of raw numbers for shape {shape:?}", bytes.len());
            return Err(ErrorKind::Value(format!("an embedding of {what}")));
        }
        let side = |i: usize| shape.get(i).and_then(|side| usize::try_from(*side).ok());
        Ok(Self {
            numbers: numbers.iter().copied().map(f32::from_le_bytes).collect(),
            len: side(0).unwrap_or(0),
            dimensions: side(1).unwrap_or(0),
        })
    }
}

/// The pictures in a square, and how many there are. The projector finds a picture by the number
/// of columns, and its row by that of rows (`scatterPlotVisualizerSprites.ts`): they must be the
/// same.
#[cfg(feature = "image")]
fn sprite<'a>(images: impl IntoBatch<'a>) -> Result<(usize, Sprite), ErrorKind> {
    let pictures = images.into_batch()?;
    let side = pictures.len().isqrt();
    let side = if side * side < pictures.len() { side + 1 } else { side };
    let (width, height) = pictures.first().map_or((0, 0), |one| (one.width(), one.height()));
    let pixels = u32::try_from(side).ok().and_then(|side| side.checked_mul(width.max(height)));
    if pixels.is_none_or(|pixels| pixels > MAX_SPRITE_SIDE) {
        return Err(ErrorKind::Argument(format!(
            "{} pictures of {width}x{height} pixels: {side} in a row are more than the \
             projector's {MAX_SPRITE_SIDE}",
            pictures.len()
        )));
    }
    let encoded = tile(&pictures, side, side)?.to_png()?;
    Ok((pictures.len(), Sprite { encoded, width, height }))
}

#[expect(clippy::as_conversions, reason = "rounds to the nearest float32, or to an infinity")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} of {} numbers>", self.len, self.dimensions)
    }
}

impl fmt::Debug for Sprite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encoded, width, height } = self;
        write!(f, "Sprite({width}x{height}, {} bytes)", encoded.len())
    }
}

#[cfg(test)]
mod tests;
