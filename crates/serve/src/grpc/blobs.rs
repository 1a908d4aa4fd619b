//! Blobs by key.

use bytes::Bytes;
use tbx::{Images, RawValue};

use super::status::Status;
use crate::state::{Blob, Point, Run, Runs, Series, blobs};

/// Number of texts before the images of a value: width and height.
const IMAGE_SIZES: usize = 2;

/// Number of blobs of a value that are not blobs for the page.
pub(super) fn first(series: &Series) -> usize {
    if series.metadata.plugin == "images" { IMAGE_SIZES } else { 0 }
}

/// All blobs of a value, with the sizes of images.
fn all(series: &Series, value: &RawValue) -> Option<Vec<Bytes>> {
    let blobs = blobs(series, value).ok()?;
    if first(series) == 0 {
        return Some(blobs);
    }
    let image = Images::read(value).ok()?;
    let sizes = [image.width, image.height].map(|size| Bytes::from(size.to_string()));
    Some(sizes.into_iter().chain(blobs).collect())
}

/// The keys of the blobs of each point. A point that cannot be read is left out.
pub(super) fn keys(
    name: &str,
    run: &Run,
    series: &Series,
    count: Option<usize>,
) -> Vec<Point<Vec<String>>> {
    let keys = |place, blobs: usize| {
        (0..first(series) + blobs).map(move |index| Blob::new(name, series, place, index).key())
    };
    let counted = run.blob_counts(name, series, series.places(count)).into_iter();
    let points = counted.map(|(point, blobs)| {
        let value = keys(point.value, blobs).collect();
        Point { step: point.step, wall_time: point.wall_time, value }
    });
    points.collect()
}

/// The blob of a key.
///
/// # Errors
///
/// It is not a key, or what it names is gone.
pub(super) fn read(runs: &Runs, key: &str) -> Result<Bytes, Status> {
    let blob = Blob::parse(key);
    let blob = blob.ok_or_else(|| Status::invalid(format!("{key:?} is not the key of a blob")))?;
    let gone =
        || Status::not_found(format!("run {:?}, tag {:?} has no such blob", blob.run, blob.tag));
    let run = runs.get(&blob.run).ok_or_else(gone)?;
    let series = run.get(&blob.plugin, &blob.tag).ok_or_else(gone)?;
    let place = blob.place(series).ok_or_else(gone)?;
    let value = run.value(&blob.run, series, place);
    let value =
        value.map_err(|error| Status::internal(format!("the value is damaged: {error}")))?;
    all(series, &value).and_then(|all| all.into_iter().nth(blob.index)).ok_or_else(gone)
}
