//! Embeddings: points of many dimensions, which TensorBoard's projector shows in three.
//!
//! They are stored in files, not in events: a table of numbers, a table of labels, a sprite image
//! with an image for each point, and a configuration that lists these files
//! (`tensorboard/plugins/projector/projector_plugin.py`). This module handles the contents of the
//! files. Their location is left to the writer and the reader.

mod config;
mod place;
mod table;
mod text_format;

use std::fmt;
use std::io;

use bytes::Bytes;

#[doc(hidden)]
pub use self::config::{CONFIG_FILE, merge, read};
pub(crate) use self::place::EmbeddingPlace;
pub use self::place::{METADATA_FILE, SPRITE_FILE, TENSORS_FILE};
use self::table::Table;
use super::histogram::Numeric;
#[cfg(feature = "image")]
use super::image::{IntoBatch, tile};
use crate::decimal::to_f32;
use crate::error::ErrorKind;
use crate::event::pb::projector::EmbeddingInfo;

/// Maximum side of the projector's texture, in pixels (`vz_projector/data-provider.ts`,
/// `MAX_SPRITE_IMAGE_SIZE_PX`).
#[cfg(feature = "image")]
const MAX_SPRITE_SIDE: u32 = 8192;

/// Points for TensorBoard's projector, optionally with labels and images.
///
/// Mistakes are reported by [`add_embedding`](crate::SummaryWriter::add_embedding), or by
/// [`check`](Self::check).
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
    /// The first mistake in the arguments of the builder methods.
    mistake: Option<String>,
}

/// Rows of numbers.
#[derive(Clone, Default, PartialEq)]
struct Points {
    numbers: Vec<f32>,
    len: usize,
    dimensions: usize,
}

/// The images of all points in one image, row by row in a square.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sprite {
    /// The encoded image: PNG, unless another program wrote it.
    pub encoded: Bytes,
    /// Width of the image of one point, in pixels.
    pub width: u32,
    /// Height of the image of one point, in pixels.
    pub height: u32,
}

impl Embedding {
    /// Creates an embedding from points: rows of numbers, all of the same length. Accepts slices
    /// and vectors of arrays, slices or vectors, and the `rows()` of `ndarray` arrays. Numbers are
    /// converted to float32, which is what the projector reads.
    ///
    /// The projector needs at least two points with at least two dimensions (three for its first
    /// view, PCA), and no NaN or infinity. It shows the first 100,000 points.
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
                embedding.note(|| format!("row 0 of {first} numbers, but row {i} of {dimensions}"));
            }
            embedding.points.dimensions = first;
            embedding.points.len += 1;
        }
        embedding
    }

    /// Adds a label for each point, which may be anything that implements `ToString`. A label must
    /// contain a visible character, and no tab or line break, because the projector's format has no
    /// way to escape them.
    #[must_use]
    pub fn labels<L: ToString>(self, labels: impl IntoIterator<Item = L>) -> Self {
        Self { metadata: Some(Table::of_labels(labels)), ..self }
    }

    /// Adds several labels for each point, and a header that names them. Each row has as many
    /// labels as the header. A single column is the same as [`labels`](Self::labels), because the
    /// projector then does not support a header.
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

    /// Adds an image for each point, all of the same size. Accepts the same types as
    /// [`add_images`](crate::SummaryWriter::add_images). They are combined into one image of at
    /// most 8192 pixels per side and encoded as PNG.
    #[cfg(feature = "image")]
    #[must_use]
    pub fn sprite<'a>(mut self, images: impl IntoBatch<'a>) -> Self {
        match sprite(images) {
            Ok((count, _)) if count != self.len() => {
                let points = self.len();
                self.note(|| format!("{count} images for {points} points"));
            }
            Ok((_, sprite)) => self.sprite = Some(sprite),
            Err(ErrorKind::Argument(mistake)) => self.note(|| mistake),
            Err(other) => self.note(|| other.to_string()),
        }
        self
    }

    /// Notes a mistake, unless there is an earlier one.
    fn note(&mut self, mistake: impl FnOnce() -> String) {
        if self.mistake.is_none() {
            self.mistake = Some(mistake());
        }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.points.len
    }

    /// Returns whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.points.len == 0
    }

    /// Number of dimensions of each point.
    pub fn dimensions(&self) -> usize {
        self.points.dimensions
    }

    /// The points.
    pub fn points(&self) -> impl Iterator<Item = &[f32]> {
        self.points.numbers.chunks(self.points.dimensions.max(1))
    }

    /// Names of the points' labels; empty if there is only one label per point, or none.
    pub fn header(&self) -> &[String] {
        self.metadata.as_ref().map_or(&[], Table::header)
    }

    /// The labels of each point; empty if there are none.
    pub fn metadata_rows(&self) -> impl Iterator<Item = &[String]> {
        self.metadata.iter().flat_map(Table::rows)
    }

    /// The sprite: one image that contains those of all points.
    pub fn sprite_image(&self) -> Option<&Sprite> {
        self.sprite.as_ref()
    }

    /// Checks whether the projector can show this embedding.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are fewer than two points or fewer than two dimensions; rows
    /// differ in length; a number is not finite as float32; the number of labels differs from the
    /// number of points, or a label cannot be written on a line; the number of images differs from
    /// the number of points, images differ in size, or there are too many of them for a texture.
    pub fn check(&self) -> Result<(), ErrorKind> {
        let wrong = |what: String| Err(ErrorKind::Argument(format!("an embedding with {what}")));
        if let Some(mistake) = &self.mistake {
            return wrong(mistake.clone());
        }
        let (len, dimensions) = (self.len(), self.dimensions());
        if len < 2 || dimensions < 2 {
            return wrong(format!(
                "{len} points of {dimensions} dimensions, not at least 2 of at least 2"
            ));
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

    /// Writes the table of numbers: one line per point, with numbers separated by tabs.
    ///
    /// # Errors
    ///
    /// I/O errors from `out`.
    pub fn write_tensors(&self, out: &mut impl io::Write) -> io::Result<()> {
        for point in self.points() {
            let mut separator = "";
            for number in point {
                // The shortest digits that identify this float32.
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
    /// I/O errors from `out`.
    pub fn write_metadata(&self, out: &mut impl io::Write) -> io::Result<()> {
        self.metadata.as_ref().map_or(Ok(()), |table| table.write(out))
    }

    /// Returns whether there are labels.
    pub fn has_metadata(&self) -> bool {
        self.metadata.is_some()
    }

    /// Reads the files of an embedding: the table of numbers, the table of labels and the sprite.
    ///
    /// Accepts what TensorBoard accepts: a table of numbers as text, or as raw little-endian
    /// float32 with the shape given in `info`. Empty lines are skipped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: rows differ in length, an entry is not a number, or raw numbers have
    /// no shape or do not match it.
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
                let what = format!("row 0 of {first} numbers, but row {len} of {dimensions}");
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

/// Combines the images into a square, and returns their number as well. The projector locates an
/// image's column by the number of columns and its row by the number of rows
/// (`scatterPlotVisualizerSprites.ts`), so the two must be equal.
#[cfg(feature = "image")]
fn sprite<'a>(images: impl IntoBatch<'a>) -> Result<(usize, Sprite), ErrorKind> {
    let images = images.into_batch()?;
    let side = images.len().isqrt();
    let side = if side * side < images.len() { side + 1 } else { side };
    let (width, height) = images.first().map_or((0, 0), |one| (one.width(), one.height()));
    let pixels = u32::try_from(side).ok().and_then(|side| side.checked_mul(width.max(height)));
    if pixels.is_none_or(|pixels| pixels > MAX_SPRITE_SIDE) {
        return Err(ErrorKind::Argument(format!(
            "{} images of {width}x{height} pixels: {side} in a row are more than the \
             projector's {MAX_SPRITE_SIDE}",
            images.len()
        )));
    }
    let encoded = tile(&images, side, side)?.to_png()?;
    Ok((images.len(), Sprite { encoded, width, height }))
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
