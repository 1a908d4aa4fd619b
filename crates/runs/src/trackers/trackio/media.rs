//! Values that are objects: media, histograms, tables and texts.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::value::RawValue;
use serde_json::{Map, json};

use super::super::gathered::Gathered;
use super::super::local::Local;
use super::super::python_json::{Plain, fields, items, plain};
use super::super::source::{At, Content, Histogram, Image, Points, Series, SourceFile};
use super::object::{self, File};
use tbx::error::ErrorKind;

/// The directory of media, next to the databases.
const MEDIA: &str = "media";
/// Extensions of images that a log can have.
const IMAGES: [&str; 6] = ["png", "jpg", "jpeg", "gif", "bmp", "webp"];
/// The extension of audio clips that a log can have.
const AUDIO: &str = "wav";
/// Maximum number of media files of a run.
const MAX_FILES: usize = 1 << 20;
/// Maximum number of buckets of a run's histograms. They are held in memory until they are written.
const MAX_BUCKETS: usize = 1 << 24;

/// The media of a run.
#[derive(Default)]
pub(super) struct Media {
    images: BTreeMap<String, Vec<At<File>>>,
    audio: BTreeMap<String, Vec<At<File>>>,
    histograms: BTreeMap<String, Vec<At<Histogram>>>,
    /// Other files, which become artifacts: their tags and steps.
    files: Vec<(String, At<File>)>,
    count: usize,
    buckets: usize,
}

impl Media {
    /// Adds a value of this kind.
    pub(super) fn add(
        &mut self,
        kind: &str,
        tag: &str,
        at: At<&RawValue>,
        gathered: &mut Gathered,
    ) -> Result<(), ErrorKind> {
        match kind {
            "trackio.histogram" => self.histogram(tag, at, gathered),
            "trackio.table" => {
                let mut files = Vec::new();
                let value = object::table(at.value, &mut files)?;
                for file in files {
                    self.file(
                        tag,
                        At { step: at.step, wall_time: at.wall_time, value: file },
                        gathered,
                    );
                }
                gathered.text(tag, At { step: at.step, wall_time: at.wall_time, value });
                Ok(())
            }
            "trackio.markdown" => {
                let value = object::texts(at.value)?.remove("_value").unwrap_or_default();
                gathered.text(tag, At { step: at.step, wall_time: at.wall_time, value });
                Ok(())
            }
            _ => match object::file(at.value)? {
                Some(value) => {
                    let At { step, wall_time, .. } = at;
                    if let Some(caption) = value.caption.clone() {
                        gathered.text(
                            &format!("{tag}/caption"),
                            At { step, wall_time, value: caption },
                        );
                    }
                    self.medium(kind, tag, At { step, wall_time, value }, gathered);
                    Ok(())
                }
                None => {
                    gathered.count("values of unknown kinds");
                    Ok(())
                }
            },
        }
    }

    fn medium(&mut self, kind: &str, tag: &str, at: At<File>, gathered: &mut Gathered) {
        let extension = Path::new(&at.value.path).extension().unwrap_or_default();
        let extension = extension.to_string_lossy().to_lowercase();
        let of = match kind {
            "trackio.image" if IMAGES.contains(&&*extension) => &mut self.images,
            "trackio.audio" if extension == AUDIO => &mut self.audio,
            _ => return self.file(tag, at, gathered),
        };
        if self.count >= MAX_FILES {
            return gathered.count(&format!("media beyond {MAX_FILES} of a run"));
        }
        self.count += 1;
        of.entry(tag.to_owned()).or_default().push(at);
    }

    fn file(&mut self, tag: &str, at: At<File>, gathered: &mut Gathered) {
        if self.count >= MAX_FILES {
            return gathered.count(&format!("media beyond {MAX_FILES} of a run"));
        }
        self.count += 1;
        self.files.push((tag.to_owned(), at));
    }

    fn histogram(
        &mut self,
        tag: &str,
        at: At<&RawValue>,
        gathered: &mut Gathered,
    ) -> Result<(), ErrorKind> {
        let mut value = Histogram::default();
        fields(at.value.get(), |key, list| {
            let numbers = match &*key {
                "bins" => &mut value.edges,
                "values" => &mut value.counts,
                _ => return Ok(()),
            };
            items(list.get(), |number| {
                match plain(number) {
                    Plain::Number(number) => numbers.push(number),
                    _ => {
                        return Err(ErrorKind::Value(
                            "a histogram has a value that is no number".into(),
                        ));
                    }
                }
                Ok(())
            })
        })?;
        let len = value.counts.len();
        if len == 0 {
            gathered.count("empty histograms");
        } else if value.edges.len() != len + 1 {
            let what = format!("a histogram has {} edges and {len} counts", value.edges.len());
            return Err(ErrorKind::Value(what));
        } else if self.buckets.saturating_add(len) > MAX_BUCKETS {
            gathered.count(&format!("histograms beyond {MAX_BUCKETS} buckets of a run"));
        } else {
            self.buckets += len;
            let At { step, wall_time, .. } = at;
            self.histograms.entry(tag.to_owned()).or_default().push(At { step, wall_time, value });
        }
        Ok(())
    }

    /// Adds the series and the files.
    pub(super) fn finish(self, source: &Local, series: &mut Vec<Series>, content: &mut Content) {
        // Without that directory, there is no file below it, and nothing is opened.
        let root = source.inside(MEDIA).unwrap_or_else(|_| source.root.clone());
        let open = |file: File| {
            let path = below(&source.dir().join(MEDIA), &file.path);
            SourceFile::local(format!("{MEDIA}/{}", file.path), &root, path)
        };
        let mut add = |tag, points| series.push(Series { tag, description: None, points });
        for (tag, points) in self.histograms {
            add(tag, Points::Histograms(points));
        }
        for (tag, points) in self.images {
            let image = |at: At<File>| {
                let image = Image { file: open(at.value), boxes: Vec::new() };
                At { step: at.step, wall_time: at.wall_time, value: vec![image] }
            };
            add(tag, Points::Images(points.into_iter().map(image).collect()));
        }
        for (tag, points) in self.audio {
            let clip = |at: At<File>| At {
                step: at.step,
                wall_time: at.wall_time,
                value: vec![open(at.value)],
            };
            add(tag, Points::Audio(points.into_iter().map(clip).collect()));
        }
        for (tag, at) in self.files {
            let mut facts = Map::new();
            facts.insert("tag".into(), tag.into());
            facts.insert("step".into(), json!(at.step));
            content.files.push(SourceFile { facts, ..open(at.value) });
        }
    }
}

/// The path of a record below a directory. Parts that would lead out of it are left out, as a root that follows all
/// links would follow them, too.
fn below(dir: &Path, path: &str) -> PathBuf {
    let parts = Path::new(path).components();
    let names = parts.filter(|part| matches!(part, Component::Normal(_)));
    names.fold(dir.to_owned(), |path, name| path.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_leads_out_of_the_directory_of_media() {
        let dir = Path::new("/s/media");
        assert_eq!(below(dir, "p/r/1/a.png"), Path::new("/s/media/p/r/1/a.png"));
        assert_eq!(below(dir, "../../etc/passwd"), Path::new("/s/media/etc/passwd"));
        assert_eq!(below(dir, "/etc/passwd"), Path::new("/s/media/etc/passwd"));
    }
}
