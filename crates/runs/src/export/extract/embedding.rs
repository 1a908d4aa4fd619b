//! Embeddings for the projector: their files unchanged, and a configuration that names them.

use std::path::Path;

use super::piece::{Facts, Part, Piece, Written};
use super::sink::Sink;
use super::{Extraction, Extractor};
use tbx::error::{Error, ErrorKind, Location, Result};
use tbx::logdir::{LoadOptions, Run, SavedEmbedding};
use tbx::safe_name::SafeNames;
use tbx::store::{self, File};
use tbx::summary::embedding::{CONFIG_FILE, merge};
use tbx::summary::image::header::ImageHeader;

pub(super) const EXTRACTOR: Extractor = Extractor {
    name: "embedding",
    about: "embeddings for the projector: their files and a configuration",
    kind: None,
    make,
};

/// Number of bytes at the start of a sprite image that contain its size.
const HEADER_LEN: u64 = 64 << 10;

fn make(_: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    Ok(Vec::new())
}

/// The embeddings of `run` to extract.
pub(super) fn of(
    run: &Run,
    extraction: &Extraction,
    options: &LoadOptions,
) -> Result<Vec<SavedEmbedding>> {
    let is_wanted = |saved: &SavedEmbedding| {
        options.wants_tag(saved.name())
            && step(saved).is_none_or(|step| extraction.wants_step(step))
    };
    Ok(run.embeddings()?.into_iter().filter(is_wanted).collect())
}

/// The step that PyTorch and tbx append to the tag.
pub(super) fn step(saved: &SavedEmbedding) -> Option<i64> {
    saved.name().rsplit_once(':')?.1.parse().ok()
}

/// Copies the files of an embedding of `run`. Returns an error for each file that cannot be read.
///
/// # Errors
///
/// A file cannot be written.
pub(super) fn write(
    run: &Run,
    saved: &SavedEmbedding,
    sink: &Sink,
    prefix: &str,
    wrote: &(dyn Fn(u64) + Sync),
) -> Result<(Vec<Written>, Vec<Error>)> {
    let mut info = saved.info().clone();
    if info.tensor_path.is_empty() {
        let what = format!("embedding {:?} is stored in a TensorFlow checkpoint", saved.name());
        let lost = ErrorKind::Value(what).at(Location::of(&*run.path));
        return Ok((Vec::new(), vec![lost]));
    }
    let mut names = SafeNames::default();
    names.get_for("configuration", CONFIG_FILE);
    let shape = info.tensor_shape.iter().filter_map(|size| usize::try_from(*size).ok()).collect();
    let shape = Some(shape).filter(|shape: &Vec<usize>| !shape.is_empty());
    let (mut written, mut lost) = (Vec::new(), Vec::new());
    let sprite = info.sprite.as_mut().map(|sprite| &mut sprite.image_path);
    let others = [Some(&mut info.metadata_path), sprite, Some(&mut info.bookmarks_path)];
    let files = [Some(&mut info.tensor_path)].into_iter().chain(others).flatten();
    for (i, path) in files.filter(|path| !path.is_empty()).enumerate() {
        let opened =
            saved.open(path).and_then(|(source, len)| Ok((size(&source, len)?, source, len)));
        let (size, source, len) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                lost.push(error);
                path.clear();
                continue;
            }
        };
        let base = Path::new(path.as_str()).file_name().unwrap_or_default().to_string_lossy();
        let name = names.get_for(&i.to_string(), &base);
        let full = format!("{prefix}{name}");
        let bytes = sink.copy(&full, &mut source.into_reader(len))?;
        wrote(bytes);
        let shape = shape.clone().filter(|_| i == 0);
        written.push(Written {
            name: full,
            bytes,
            facts: Facts { size, shape, ..Facts::default() },
        });
        *path = name;
    }
    if written.is_empty() {
        return Ok((written, lost));
    }
    let name = format!("{prefix}{CONFIG_FILE}");
    let config = merge(b"", &info)?;
    sink.put(&name, &config)?;
    let bytes = u64::try_from(config.len()).unwrap_or(u64::MAX);
    wrote(bytes);
    written.push(Written { name, bytes, facts: Facts::default() });
    Ok((written, lost))
}

/// Width and height of an image.
fn size(file: &File, len: u64) -> Result<Option<(u32, u32)>, ErrorKind> {
    Ok(ImageHeader::of(&store::read_range(file, 0..len.min(HEADER_LEN))?).size)
}
