//! Applies the operations of a log, in their order, as Neptune's servers would have done.

use std::collections::{BTreeSet, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::attributes::{Attribute, Attributes, Located};
use super::super::locate::{Folder, Locator};
use super::super::step::Step;
use super::lines::{Operation, Point, number, value};
use crate::trackers::source::SourceFile;
use tbx::error::Report;

/// Maximum number of searches for files of a run: a short line may ask for one in a large directory.
const MAX_SEARCHES: usize = 1000;

/// Maximum number of files of a set.
const MAX_FILES: usize = 100_000;

/// The attributes of a run while operations are applied.
pub(super) struct State<'a> {
    pub(super) attributes: Attributes,
    /// Facts about attributes, such as the unit of a series.
    pub(super) facts: Map<String, Value>,
    /// The id of the run.
    pub(super) id: &'a str,
    pub(super) locator: &'a Locator,
    /// Number of directories that were searched for files.
    pub(super) searches: usize,
}

/// An image in a log.
#[derive(Deserialize)]
struct ImageValue {
    data: Option<String>,
    name: Option<String>,
    description: Option<String>,
}

impl State<'_> {
    /// Applies an operation; `uploads` has the files that the client kept.
    pub(super) fn apply(
        &mut self,
        operation: &Operation<'_>,
        uploads: &Folder,
        report: &mut Report,
    ) {
        let path = operation.path.as_deref().unwrap_or_default().join("/");
        let single = operation.value;
        match &*operation.kind {
            "AssignFloat" => self.assign(&path, single.and_then(number).map(Attribute::Float)),
            "AssignInt" => self.assign(&path, single.map(integer)),
            "AssignBool" => self.assign(&path, value(single).map(Attribute::Bool)),
            "AssignString" => self.assign(&path, value(single).map(Attribute::Text)),
            "AssignDatetime" => self.assign(&path, value(single).map(Attribute::Time)),
            "AssignArtifact" => {
                self.assign(&path, operation.hash.clone().map(Attribute::Artifact));
            }
            "LogFloats" => {
                self.points(&path, operation.values, |state, step, time, raw| match number(raw) {
                    Some(number) => state.attributes.add_scalar(&path, step, time, number),
                    None => state.unreadable(),
                })
            }
            "LogStrings" => self.points(&path, operation.values, |state, step, time, raw| {
                match value(Some(raw)) {
                    Some(text) => state.attributes.add_text(&path, step, time, text),
                    None => state.unreadable(),
                }
            }),
            "LogImages" => {
                self.points(&path, operation.values, |state, step, time, raw| {
                    match state.image(raw) {
                        Some(file) => state.attributes.add_file(&path, step, time, file),
                        None => state.unreadable(),
                    }
                })
            }
            "AddStrings" => {
                let new: Vec<String> = value(operation.values).unwrap_or_default();
                if self.attributes.has_room(new.iter().map(String::len).sum()) {
                    self.set_of(&path, |texts| texts.extend(new));
                }
            }
            "RemoveStrings" => {
                let old: HashSet<String> = value(operation.values).unwrap_or_default();
                self.set_of(&path, |texts| texts.retain(|text| !old.contains(text)));
            }
            "ClearStringSet" => self.set_of(&path, BTreeSet::clear),
            "ClearFloatLog" | "ClearStringLog" | "ClearImageLog" => {
                match self.attributes.map.get_mut(&path) {
                    Some(Attribute::Scalars(points)) => points.clear(),
                    Some(Attribute::Texts(points)) => points.clear(),
                    Some(Attribute::FileSeries(points)) => points.clear(),
                    _ => {}
                }
            }
            "DeleteAttribute" | "ClearArtifact" => drop(self.attributes.map.remove(&path)),
            "ConfigFloatSeries" => {
                let number = |raw: Option<&RawValue>| raw.and_then(number);
                let (min, max) = (number(operation.min), number(operation.max));
                let fact = json!({ "min": min, "max": max, "unit": operation.unit });
                self.fact("series", &path, fact);
            }
            "UploadFile" => {
                let file = match (&operation.file_path, &operation.tmp_file_name) {
                    (Some(path), _) => Some(self.locator.file(path)),
                    (None, Some(name)) => uploads.file(name.as_bytes(), report),
                    (None, None) => None,
                };
                self.assign(&path, file.map(Attribute::File));
            }
            "UploadFileContent" => {
                let bytes = operation.file_content.as_ref().and_then(|it| BASE64.decode(it).ok());
                let name = match &operation.ext {
                    Some(extension) => format!("file.{extension}"),
                    None => "file".to_owned(),
                };
                let file = bytes.map(|bytes| Located::Here(SourceFile::of_bytes(name, bytes)));
                self.assign(&path, file.map(Attribute::File));
            }
            "UploadFileSet" => self.upload_set(&path, operation, report),
            "DeleteFiles" => {
                if let Some(Attribute::Files(files)) = self.attributes.map.get_mut(&path) {
                    let deleted = operation.file_paths.as_deref().unwrap_or_default();
                    files.retain(|file| !deleted.iter().any(|name| is_at(file, name)));
                }
            }
            "TrackFilesToArtifact" => {
                let entries = operation.entries.clone().unwrap_or_default();
                self.fact("tracked_files", &path, entries);
            }
            "CopyAttribute" => self.copy(&path, operation),
            _ => self.attributes.leave_out("operations of unknown types", 1),
        }
    }

    fn assign(&mut self, path: &str, value: Option<Attribute>) {
        let Some(value) = value else { return self.unreadable() };
        if self.attributes.has_room(value.size().saturating_add(path.len())) {
            self.attributes.set(path, value);
        }
    }

    fn unreadable(&mut self) {
        self.attributes.leave_out("values that are not of the type of their operation", 1);
    }

    fn fact(&mut self, key: &str, path: &str, fact: Value) {
        if !self.attributes.has_room(path.len().saturating_add(fact.to_string().len())) {
            return;
        }
        let facts = self.facts.entry(key).or_insert_with(|| Map::new().into());
        if let Some(facts) = facts.as_object_mut() {
            facts.insert(path.to_owned(), fact);
        }
    }

    /// Calls `add` with the step, the time and the value of each point. A point without a step follows the one
    /// before it.
    fn points(
        &mut self,
        path: &str,
        values: Option<&RawValue>,
        add: impl Fn(&mut Self, Option<Step>, f64, &RawValue),
    ) {
        let Some(points) = value::<Vec<Point<'_>>>(values) else { return self.unreadable() };
        for point in points {
            let step = match point.step {
                Some(step) => Step::parse(step.get()),
                None => self.following(path),
            };
            let time = point.ts.and_then(number).unwrap_or(f64::NAN);
            add(self, step, time, point.value);
        }
    }

    /// The step after the last one of a series.
    fn following(&self, path: &str) -> Option<Step> {
        let last = match self.attributes.get(path) {
            Some(Attribute::Scalars(points)) => points.last().map(|point| point.step),
            Some(Attribute::Texts(points)) => points.last().map(|point| point.step),
            Some(Attribute::FileSeries(points)) => points.last().map(|point| point.step),
            _ => None,
        };
        match last {
            Some(last) => Step::new(last)?.following(),
            None => Step::new(0),
        }
    }

    fn image(&mut self, raw: &RawValue) -> Option<Located> {
        let ImageValue { data, name, description } = value(Some(raw))?;
        let bytes = BASE64.decode(data?).ok()?;
        let is_any = [name, description].iter().flatten().any(|text| !text.is_empty());
        self.attributes.leave_out("names and descriptions of images", is_any.into());
        if !self.attributes.has_room(bytes.len()) {
            return None;
        }
        Some(Located::Here(SourceFile::of_bytes("image.png", bytes)))
    }

    /// Changes a set of texts, which is created if there is none.
    fn set_of(&mut self, path: &str, change: impl FnOnce(&mut BTreeSet<String>)) {
        if self.attributes.get(path).is_none() {
            self.attributes.set(path, Attribute::Set(BTreeSet::new()));
        }
        match self.attributes.map.get_mut(path) {
            Some(Attribute::Set(texts)) => change(texts),
            _ => self.unreadable(),
        }
    }

    fn upload_set(&mut self, path: &str, operation: &Operation<'_>, report: &mut Report) {
        let globs = operation.file_globs.as_deref().unwrap_or_default();
        let (mut files, mut names, mut more) = (Vec::new(), HashSet::new(), 0u64);
        for glob in globs {
            self.searches = self.searches.saturating_add(1);
            let found = match self.searches <= MAX_SEARCHES {
                true => self.locator.matching(glob, report),
                false => vec![Located::Elsewhere(glob.clone())],
            };
            // Several globs may match a file.
            for file in found {
                if names.contains(name(&file)) {
                    continue;
                }
                if files.len() >= MAX_FILES {
                    more = more.saturating_add(1);
                    continue;
                }
                names.insert(name(&file).to_owned());
                files.push(file);
            }
        }
        self.attributes.leave_out(&format!("files beyond {MAX_FILES} of a set"), more);
        // Python's text for a bool.
        let keeps = operation
            .reset
            .as_ref()
            .is_none_or(|reset| reset.as_str() == Some("False") || reset.as_bool() == Some(false));
        if let Some(Attribute::Files(known)) = self.attributes.map.get(path).filter(|_| keeps) {
            let new: HashSet<_> = files.iter().map(name).collect();
            let kept: Vec<_> =
                known.iter().filter(|file| !new.contains(name(file))).cloned().collect();
            files.splice(0..0, kept);
        }
        self.assign(path, Some(Attribute::Files(files)));
    }

    fn copy(&mut self, path: &str, operation: &Operation<'_>) {
        if operation.container_id.as_deref() != Some(self.id) {
            return self.attributes.leave_out("values copied from other runs", 1);
        }
        let from = operation.source_path.as_deref().unwrap_or_default().join("/");
        match self.attributes.get(&from).cloned() {
            // Series are not copied (`supports_copy` in `neptune/attributes/`).
            Some(
                value @ (Attribute::Float(_)
                | Attribute::Int(_)
                | Attribute::Bool(_)
                | Attribute::Text(_)
                | Attribute::Time(_)
                | Attribute::Set(_)
                | Attribute::Artifact(_)),
            ) => self.assign(path, Some(value)),
            _ => self.attributes.leave_out("copies of values that are not there", 1),
        }
    }
}

/// An integer. One beyond 64 bits is kept as text.
fn integer(raw: &RawValue) -> Attribute {
    match raw.get().parse() {
        Ok(number) => Attribute::Int(number),
        Err(_) => Attribute::Text(raw.get().to_owned()),
    }
}

/// Whether a file of a set is the one called `name`, or below it.
fn is_at(file: &Located, name: &str) -> bool {
    let Located::Here(file) = file else { return false };
    let rest = file.name.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || name.ends_with('/'))
}

/// The name of a file of a set, or its place.
fn name(file: &Located) -> &str {
    match file {
        Located::Here(file) => &file.name,
        Located::Elsewhere(place) => place,
    }
}
