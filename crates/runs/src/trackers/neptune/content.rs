//! Converts attributes to the content of a run: metadata, series and files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Read;

use serde_json::{Map, Value};

use super::super::source::{At, Content, Image, LeftOut, Points, Series, SourceFile};
use super::about::About;
use super::attributes::{Attribute, Attributes, Located, NEPTUNE};
use super::issues::push;
use super::metadata::metadata;
use super::step::{MILLION, decimal, make_whole};
use tbx::error::{Effect, ErrorKind, Issue, Report, Result};

/// Where Neptune puts values about the machine, and where tbx does.
const MONITORING: &str = "monitoring/";
const SYSTEM: &str = "system/";
/// Minimum number of hex digits that are the id of a process after [`MONITORING`].
const MIN_PROCESS_DIGITS: usize = 6;
/// The number of steps with more digits than Neptune keeps, which were shortened.
const ROUNDED: &str = "digits of steps beyond the sixth after the point";
/// Number of bytes that show what kind of file it is.
const HEAD: u64 = 16;

/// The content of an object with these attributes. `artifacts` says whether its files are wanted.
pub(super) fn content(
    about: &About,
    attributes: Attributes,
    artifacts: bool,
    report: &mut Report,
) -> Content {
    let Attributes { mut map, mut left_out, rounded_steps, .. } = attributes;
    LeftOut::count(&mut left_out, ROUNDED, rounded_steps, false);
    if map.get("").is_some_and(|attribute| !has_files_or_steps(attribute)) {
        map.remove("");
        LeftOut::count(&mut left_out, "values without a name", 1, false);
    }
    let mut tags = Tags::of(&map);
    let mut builder = Builder {
        content: Content { left_out, ..Content::default() },
        names: HashSet::new(),
        factors: Map::new(),
        artifacts,
        run: about.unique_id(),
    };
    let (series, values): (BTreeMap<_, _>, BTreeMap<_, _>) =
        map.into_iter().partition(|(_, attribute)| has_files_or_steps(attribute));
    let mut meta = metadata(about, values);
    let start = meta.start_time.unwrap_or_default();
    for (path, attribute) in series {
        let tag = tags.get(&path);
        match attribute {
            Attribute::Scalars(points) => builder.add(tag, points, start, Points::Scalars),
            Attribute::Texts(points) => builder.add(tag, points, start, Points::Texts),
            Attribute::Histograms(points) => builder.add(tag, points, start, Points::Histograms),
            Attribute::FileSeries(points) => {
                builder.add_file_series(&path, tag, points, start, report);
            }
            Attribute::File(file) => builder.add_file(&path, file),
            Attribute::Files(files) => {
                for file in files {
                    builder.add_member(&path, file);
                }
            }
            _ => {}
        }
    }
    if let Some(facts) = meta.other.get_mut(NEPTUNE).and_then(Value::as_object_mut)
        && !builder.factors.is_empty()
    {
        facts.insert("step_factors".into(), builder.factors.into());
    }
    builder.content.meta = meta;
    builder.content
}

fn has_files_or_steps(attribute: &Attribute) -> bool {
    matches!(
        attribute,
        Attribute::Scalars(_)
            | Attribute::Texts(_)
            | Attribute::Histograms(_)
            | Attribute::FileSeries(_)
            | Attribute::File(_)
            | Attribute::Files(_)
    )
}

/// The names of tags.
struct Tags {
    /// Processes with an id below [`MONITORING`].
    processes: usize,
    /// Paths that are not below [`MONITORING`], and tags that were given.
    taken: BTreeSet<String>,
}

impl Tags {
    fn of(map: &BTreeMap<String, Attribute>) -> Self {
        let processes: BTreeSet<_> = map.keys().filter_map(|path| Some(process(path)?.0)).collect();
        let taken = map.keys().filter(|path| path.starts_with(SYSTEM)).cloned().collect();
        Self { processes: processes.len(), taken }
    }

    /// The tag of an attribute: its path, or, for `monitoring/<process>/cpu`, `system/cpu`. With several processes,
    /// their ids stay.
    fn get(&mut self, path: &str) -> String {
        let Some(rest) = path.strip_prefix(MONITORING) else { return path.to_owned() };
        let rest = match process(path) {
            Some((_, rest)) if self.processes == 1 => rest,
            _ => rest,
        };
        let tag = format!("{SYSTEM}{rest}");
        if rest.is_empty() || !self.taken.insert(tag.clone()) { path.to_owned() } else { tag }
    }
}

/// The id of the process and the rest of the path of an attribute about the machine.
fn process(path: &str) -> Option<(&str, &str)> {
    let (process, rest) = path.strip_prefix(MONITORING)?.split_once('/')?;
    let is_id =
        process.len() >= MIN_PROCESS_DIGITS && process.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some((process, rest))
}

/// The content of a run while it is collected.
struct Builder {
    content: Content,
    /// Names of files.
    names: HashSet<String>,
    /// The factors by which the steps of some tags are multiplied.
    factors: Map<String, Value>,
    /// Whether files are wanted.
    artifacts: bool,
    run: String,
}

impl Builder {
    /// Adds a series with points of one kind. Those without a time get the time of the run's start.
    fn add<T>(
        &mut self,
        tag: String,
        mut points: Vec<At<T>>,
        start: f64,
        of: fn(Vec<At<T>>) -> Points,
    ) {
        if points.is_empty() {
            return;
        }
        let factor = make_whole(&mut points);
        for point in &mut points {
            if !point.wall_time.is_finite() {
                point.wall_time = start;
            }
        }
        let description = (factor > 1).then(|| {
            self.factors.insert(tag.clone(), factor.into());
            format!("Steps are those in Neptune multiplied by {factor}.")
        });
        self.content.series.push(Series { tag, description, points: of(points) });
    }

    /// Adds a series of files: images and audio clips as values, others as files.
    fn add_file_series(
        &mut self,
        path: &str,
        tag: String,
        points: Vec<At<Located>>,
        start: f64,
        report: &mut Report,
    ) {
        let (mut images, mut clips) = (Vec::new(), Vec::new());
        let mut others = Vec::new();
        for At { step, wall_time, value } in points {
            let mut file = match value {
                Located::Here(file) => file,
                Located::Elsewhere(place) => {
                    self.content.elsewhere.push(place);
                    continue;
                }
            };
            match FileKind::of(&file) {
                Ok(FileKind::Image) => {
                    file.name = numbered(path, step, &file.name);
                    let value = vec![Image { file, boxes: Vec::new() }];
                    images.push(At { step, wall_time, value });
                }
                Ok(FileKind::Audio) => {
                    clips.push(At { step, wall_time, value: vec![file] });
                }
                Ok(FileKind::Other) => {
                    let name = numbered(path, step, &file.name);
                    // The keys are those of artifacts, whose steps are whole.
                    match step.checked_rem(MILLION) {
                        Some(0) => {
                            file.facts.insert("step".into(), step.div_euclid(MILLION).into())
                        }
                        _ => file.facts.insert("fractional_step".into(), decimal(step).into()),
                    };
                    if wall_time.is_finite() {
                        file.facts.insert("time".into(), wall_time.into());
                    }
                    others.push((name, file));
                }
                Err(error) => {
                    let kind = error.kind().clone();
                    let location =
                        error.location().clone().with_run(self.run.clone()).with_tag(tag.clone());
                    push(report, Issue::new(kind, location, Effect::SkippedValue));
                }
            }
        }
        self.add(tag.clone(), images, start, Points::Images);
        self.add(tag, clips, start, Points::Audio);
        for (name, file) in others {
            self.add_named(name, file);
        }
    }

    /// Adds the file of an attribute. Its name is the path of the attribute, with the extension of the file.
    fn add_file(&mut self, path: &str, file: Located) {
        match file {
            Located::Here(file) => {
                let name = with_extension(path, &file.name);
                // Another attribute may have that path.
                let name = if self.names.contains(&name) { path.to_owned() } else { name };
                self.add_named(name, file);
            }
            Located::Elsewhere(place) => self.content.elsewhere.push(place),
        }
    }

    /// Adds a file of a set of files, which has its path in the set as name.
    fn add_member(&mut self, path: &str, file: Located) {
        match file {
            Located::Here(file) => self.add_named(format!("{path}/{}", file.name), file),
            Located::Elsewhere(place) => self.content.elsewhere.push(place),
        }
    }

    fn add_named(&mut self, name: String, file: SourceFile) {
        if self.artifacts {
            self.names.insert(name.clone());
            self.content.files.push(SourceFile { name, ..file });
        }
    }
}

/// `path` with the extension of the file `name`, unless it has one.
fn with_extension(path: &str, name: &str) -> String {
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    match last(name).rsplit_once('.') {
        Some((before, extension)) if !before.is_empty() && !last(path).contains('.') => {
            format!("{path}.{extension}")
        }
        _ => path.to_owned(),
    }
}

/// The name of the file of a series at a step, in millionths.
fn numbered(path: &str, step: i64, name: &str) -> String {
    with_extension(&format!("{path}/step_{}", decimal(step).replace('.', "_")), name)
}

/// The kind of a file in a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Image,
    Audio,
    Other,
}

impl FileKind {
    /// Reads the first bytes of a file.
    fn of(file: &SourceFile) -> Result<Self> {
        let mut head = Vec::new();
        let read = file.open_local()?.take(HEAD).read_to_end(&mut head);
        read.map_err(ErrorKind::from)?;
        Ok(Self::of_bytes(&head))
    }

    fn of_bytes(head: &[u8]) -> Self {
        let riff = |kind: &[u8]| head.starts_with(b"RIFF") && head.get(8..12) == Some(kind);
        let image: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"];
        // After its size, a bitmap has four reserved bytes.
        let is_bitmap = head.starts_with(b"BM") && head.get(6..10) == Some(&[0; 4]);
        if image.iter().any(|start| head.starts_with(start)) || riff(b"WEBP") || is_bitmap {
            Self::Image
        } else if riff(b"WAVE") {
            Self::Audio
        } else {
            Self::Other
        }
    }
}
