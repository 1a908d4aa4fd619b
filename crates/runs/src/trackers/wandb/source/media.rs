//! Values that are no numbers: texts, histograms, and objects whose content is in files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use super::history::TYPE;
use super::{json, shapes, table};
use crate::trackers::source::{At, Image, LeftOut, Points, Series, SourceFile};
use tbx::error::{Effect, ErrorKind, Issue, Location, Report};
use tbx::store::Root;
use tbx::wandb::media::text_of_page;

/// Maximum size of a file that becomes a text or a mesh.
const MAX_FILE: u64 = 16 << 20;

/// Maximum number of kinds of values that are counted by name, and of characters in the name.
const MAX_KINDS: usize = 100;
const MAX_KIND: usize = 64;

/// The text that the package puts before the content of HTML files.
const HTML_HEAD: &str = "<base target=\"_blank\"><link rel=\"stylesheet\" type=\"text/css\" \
                         href=\"https://app.wandb.ai/normalize.css\" />";

/// A place in the history.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) step: i64,
    pub(super) time: f64,
}

impl When {
    pub(super) fn at<T>(self, value: T) -> At<T> {
        At { step: self.step, wall_time: self.time, value }
    }
}

/// The directory `files` of a run, where the content of objects is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) root: &'a Root,
    /// The directory of the run.
    pub(super) dir: &'a Path,
    /// Whether boxes are wanted.
    pub(super) draw_boxes: bool,
}

impl Files<'_> {
    /// The path of a file of the run, whose name does not lead out of `files`.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        // Windows has `\` between directories.
        let name = name.replace('\\', "/");
        let is_inside = |part| matches!(part, Component::Normal(_));
        let is_valid = !name.is_empty() && Path::new(&name).components().all(is_inside);
        is_valid.then(|| self.dir.join("files").join(name))
    }
}

/// The kinds of series. A tag with values of several kinds has several series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Text,
    Histogram,
    Image,
    Audio,
    Mesh,
}

/// The values of a run that are no numbers.
#[derive(Default)]
pub(super) struct Values {
    series: BTreeMap<(String, Kind), Points>,
    /// Files whose bytes are in the log.
    pub(super) in_log: HashSet<PathBuf>,
    /// Facts about the other files.
    pub(super) facts: HashMap<PathBuf, Map<String, Value>>,
    pub(super) left_out: Vec<LeftOut>,
}

/// Adds the values of a tag at a step.
pub(super) struct Adder<'a, 'r> {
    pub(super) files: Files<'a>,
    pub(super) run: &'a str,
    pub(super) tag: &'a str,
    pub(super) when: When,
    pub(super) values: &'a mut Values,
    pub(super) report: &'r mut Report,
}

impl Values {
    /// Counts a value of a kind that has no form in a log.
    fn count_kind(&mut self, kind: &str) {
        let kind: String = kind.chars().take(MAX_KIND).collect();
        let mut what = format!("values of the type {kind}");
        let is_known = self.left_out.iter().any(|left| left.kind == what);
        if !is_known && self.left_out.len() >= MAX_KINDS {
            what = "values of further types".into();
        }
        LeftOut::count(&mut self.left_out, &what, 1, false);
    }

    /// The series, by tag.
    pub(super) fn take_series(&mut self) -> Vec<Series> {
        let series = std::mem::take(&mut self.series).into_iter();
        series.map(|((tag, _), points)| Series { tag, description: None, points }).collect()
    }
}

impl Adder<'_, '_> {
    /// Adds a value.
    pub(super) fn add(&mut self, value: Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Object(object) => self.object(&object),
            other => self.text(json::to_text(&other)),
        }
    }

    fn object(&mut self, object: &Map<String, Value>) {
        let kind = object.get(TYPE).and_then(Value::as_str).unwrap_or_default();
        let list = |name: &str| {
            let list = object.get(name).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_object).collect::<Vec<_>>()
        };
        match kind {
            "histogram" => match shapes::histogram(object) {
                Some(histogram) => self.push(Kind::Histogram, histogram, Points::Histograms),
                None => self.problem(None, "it is not a histogram: one edge more than counts"),
            },
            "image-file" => self.images(&[object]),
            "images/separated" => self.separated(object),
            "audio-file" => self.audio(&[object]),
            "audio" => self.audio(&list("audio")),
            "video-file" => self.videos(&[object]),
            "videos" => self.videos(&list("videos")),
            "html-file" => self.html(&[object]),
            "html" => self.html(&list("html")),
            "table-file" => self.table(object),
            "object3D-file" => self.mesh(object),
            _ => {
                self.values.count_kind(kind);
                if let Some(file) = self.file(object) {
                    self.note(&file, object);
                }
            }
        }
    }

    fn push<T>(&mut self, kind: Kind, value: T, points: fn(Vec<At<T>>) -> Points)
    where
        Points: AsPoints<T>,
    {
        self.push_to(self.tag.to_owned(), kind, value, points);
    }

    fn push_to<T>(&mut self, tag: String, kind: Kind, value: T, points: fn(Vec<At<T>>) -> Points)
    where
        Points: AsPoints<T>,
    {
        let series = self.values.series.entry((tag, kind)).or_insert_with(|| points(Vec::new()));
        if let Some(series) = series.as_points() {
            series.push(self.when.at(value));
        }
    }

    fn text(&mut self, text: String) {
        self.push(Kind::Text, text, Points::Texts);
    }

    /// Captions, which have no place next to images: a text of their own.
    fn captions(&mut self, captions: &[Option<String>]) {
        if captions.iter().all(Option::is_none) {
            return;
        }
        let text = match captions {
            [Some(caption)] => caption.clone(),
            several => {
                let line = |caption: &Option<String>| {
                    format!("1. {}\n", caption.as_deref().unwrap_or_default())
                };
                several.iter().map(line).collect()
            }
        };
        self.push_to(format!("{}/caption", self.tag), Kind::Text, text, Points::Texts);
    }

    fn images(&mut self, objects: &[&Map<String, Value>]) {
        let (mut images, mut captions) = (Vec::new(), Vec::new());
        for object in objects {
            let Some(file) = self.file(object) else { continue };
            images.push(Image { boxes: self.boxes(object), file: self.in_log(file) });
            captions.push(text_of(object, "caption"));
        }
        if !images.is_empty() {
            self.push(Kind::Image, images, Points::Images);
            self.captions(&captions);
        }
    }

    /// A list of images: their files and captions are lists.
    fn separated(&mut self, object: &Map<String, Value>) {
        let list = |name: &str| object.get(name).and_then(Value::as_array);
        let names = list("filenames").map(Vec::as_slice).unwrap_or_default();
        let at = |name: &str, n: usize| list(name).and_then(|list| list.get(n)).cloned();
        let images: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(n, name)| {
                let mut image = Map::new();
                image.insert("path".into(), name.clone());
                for (key, all) in [("caption", "captions"), ("boxes", "all_boxes")] {
                    image.extend(at(all, n).map(|value| (key.to_owned(), value)));
                }
                for key in ["width", "height"] {
                    image.extend(object.get(key).map(|value| (key.to_owned(), value.clone())));
                }
                image
            })
            .collect();
        if images.is_empty() {
            self.problem(None, "the list of images has no file names");
        }
        self.images(&images.iter().collect::<Vec<_>>());
    }

    /// The boxes of an image, if they are wanted. They are files of their own.
    fn boxes(&mut self, object: &Map<String, Value>) -> Vec<([f64; 4], String)> {
        if !self.files.draw_boxes {
            return Vec::new();
        }
        let size = |name: &str| object.get(name).and_then(json::number);
        let Some(size) = size("width").zip(size("height")) else { return Vec::new() };
        let mut boxes = Vec::new();
        let groups = object.get("boxes").and_then(Value::as_object);
        for group in groups.into_iter().flat_map(Map::values).filter_map(Value::as_object) {
            let value = self.file(group).and_then(|file| self.read_json(&file));
            boxes.extend(value.iter().flat_map(|value| shapes::boxes(value, size)));
        }
        boxes
    }

    fn audio(&mut self, objects: &[&Map<String, Value>]) {
        let (mut clips, mut captions) = (Vec::new(), Vec::new());
        for object in objects {
            let Some(file) = self.file(object) else { continue };
            if !has_extension(&file, "wav") {
                self.note(&file, object);
                continue;
            }
            clips.push(self.in_log(file));
            captions.push(text_of(object, "caption"));
        }
        if !clips.is_empty() {
            self.push(Kind::Audio, clips, Points::Audio);
            self.captions(&captions);
        }
    }

    /// Videos: a GIF is an image, others stay files.
    fn videos(&mut self, objects: &[&Map<String, Value>]) {
        let mut gifs = Vec::new();
        for object in objects {
            let path = text_of(object, "path").unwrap_or_default();
            if path.to_lowercase().ends_with(".gif") {
                gifs.push(*object);
            } else if let Some(file) = self.file(object) {
                self.note(&file, object);
            }
        }
        self.images(&gifs);
    }

    fn html(&mut self, objects: &[&Map<String, Value>]) {
        let mut texts = Vec::new();
        for object in objects {
            let Some(file) = self.file(object) else { continue };
            let text = match self.read(&file).map(String::from_utf8) {
                Some(Ok(text)) => text,
                Some(Err(_)) => {
                    self.problem(Some(&file), "it is not UTF-8");
                    self.note(&file, object);
                    continue;
                }
                None => {
                    self.note(&file, object);
                    continue;
                }
            };
            if let Some(text) = text_of_page(&text) {
                // A page that an export made of a text.
                texts.push(text);
                self.in_log(file);
            } else {
                texts.push(text.strip_prefix(HTML_HEAD).unwrap_or(&text).to_owned());
                self.note(&file, object);
            }
        }
        if !texts.is_empty() {
            self.text(texts.join("\n"));
        }
    }

    fn table(&mut self, object: &Map<String, Value>) {
        let Some(file) = self.file(object) else { return };
        self.note(&file, object);
        let Some(value) = self.read_json(&file) else { return };
        match table::markdown(&value, &file.name) {
            Some(text) => self.text(text),
            None => self.problem(Some(&file), "it is not a table: columns and data"),
        }
    }

    fn mesh(&mut self, object: &Map<String, Value>) {
        let Some(file) = self.file(object) else { return };
        self.note(&file, object);
        if !file.name.ends_with(".pts.json") {
            return;
        }
        let Some(value) = self.read_json(&file) else { return };
        match shapes::cloud(&value) {
            Some(mesh) => self.push(Kind::Mesh, mesh, Points::Meshes),
            None => self.problem(Some(&file), "it is not a list of points"),
        }
    }

    /// The file of an object, if it exists.
    fn file(&mut self, object: &Map<String, Value>) -> Option<SourceFile> {
        let name = text_of(object, "path")?;
        let Some(path) = self.files.path(&name) else {
            self.problem(None, &format!("{name:?} is not the path of a file of the run"));
            return None;
        };
        if let Err(error) = self.files.root.open(&path) {
            let issue = Issue::new(error.into(), self.location(&path), Effect::SkippedValue);
            self.push_issue(issue);
            return None;
        }
        let mut file = SourceFile::local(name.replace('\\', "/"), self.files.root, path);
        file.size = object.get("size").and_then(json::number).and_then(to_size);
        file.sha256 = text_of(object, "sha256").map(|digest| digest.to_lowercase());
        Some(file)
    }

    /// The same file, whose bytes are in the log.
    fn in_log(&mut self, file: SourceFile) -> SourceFile {
        if let Some(path) = self.files.path(&file.name) {
            self.values.in_log.insert(path);
        }
        file
    }

    /// Notes facts about a file that stays one.
    fn note(&mut self, file: &SourceFile, object: &Map<String, Value>) {
        let Some(path) = self.files.path(&file.name) else { return };
        let facts = self.values.facts.entry(path).or_default();
        facts.insert("tag".into(), self.tag.into());
        facts.insert("step".into(), json!(self.when.step));
        for key in [TYPE, "caption"] {
            let fact = object.get(key).map(|value| (key.trim_matches('_'), value));
            facts.extend(fact.map(|(key, value)| (key.to_owned(), json::plain(value.clone()))));
        }
    }

    fn read(&mut self, file: &SourceFile) -> Option<Vec<u8>> {
        let path = self.files.path(&file.name)?;
        let bytes = match self.files.root.read(&path, MAX_FILE) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.problem(Some(file), &error.to_string());
                return None;
            }
        };
        let digest = file.sha256.as_ref().filter(|digest| tbx::digest::sha256(&bytes) != **digest);
        if digest.is_some() {
            self.problem(Some(file), "its SHA-256 is not the one that was recorded");
            return None;
        }
        Some(bytes)
    }

    fn read_json(&mut self, file: &SourceFile) -> Option<Value> {
        let bytes = self.read(file)?;
        let parsed = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned());
        match parsed.and_then(|text| json::parse(&text)) {
            Ok(value) => Some(value),
            Err(what) => {
                self.problem(Some(file), &what);
                None
            }
        }
    }

    fn location(&self, path: &Path) -> Location {
        Location::of(path).with_run(self.run).with_tag(self.tag).with_step(self.when.step)
    }

    /// Reports that a value cannot be shown.
    fn problem(&mut self, file: Option<&SourceFile>, what: &str) {
        let path = file.and_then(|file| self.files.path(&file.name));
        let location = self.location(&path.unwrap_or_else(|| self.files.dir.to_owned()));
        self.push_issue(Issue::new(ErrorKind::Value(what.into()), location, Effect::SkippedValue));
    }

    fn push_issue(&mut self, issue: Issue) {
        if self.report.issues.len() < Report::MAX_ISSUES_PER_FILE {
            self.report.issues.push(issue);
        } else {
            LeftOut::count(&mut self.values.left_out, "values with further problems", 1, false);
        }
    }
}

/// The points of a series of one kind.
trait AsPoints<T> {
    fn as_points(&mut self) -> Option<&mut Vec<At<T>>>;
}

/// Implements [`AsPoints`] for a kind of points.
macro_rules! as_points {
    ($($variant:ident: $value:ty),*) => {$(
        impl AsPoints<$value> for Points {
            fn as_points(&mut self) -> Option<&mut Vec<At<$value>>> {
                match self {
                    Self::$variant(points) => Some(points),
                    _ => None,
                }
            }
        }
    )*};
}

as_points! {
    Texts: String,
    Histograms: crate::trackers::source::Histogram,
    Images: Vec<Image>,
    Audio: Vec<SourceFile>,
    Meshes: crate::trackers::source::Mesh
}

fn text_of(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn to_size(size: f64) -> Option<u64> {
    super::row::whole(size).and_then(|size| u64::try_from(size).ok())
}

fn has_extension(file: &SourceFile, extension: &str) -> bool {
    let found = Path::new(&file.name).extension();
    found.is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_counted_by_name_are_limited() {
        let mut values = Values::default();
        for n in 0..1000 {
            values.count_kind(&format!("{n}{}", "x".repeat(1000)));
        }
        assert_eq!(values.left_out.len(), MAX_KINDS + 1);
        assert_eq!(values.left_out.iter().map(|left| left.count).sum::<u64>(), 1000);
        assert!(values.left_out.iter().all(|left| left.kind.len() < 100));
    }
}
