//! The rule that decides which directories are parts of a run.
//!
//! It considers one set of siblings at a time: the directories with event files that are directly
//! in one directory, the deepest first. Either all of them become parts of the same run, or none
//! does. They do if each of them is a part of one of these three kinds:
//!
//! - **A stage**: `train`, `validation`, `eval` and the like, from Keras, TensorFlow's estimators,
//!   fairseq and CatBoost. The parent directory is the run. It holds event files or a `tbx.json`,
//!   or a sibling is another stage; and no sibling has the same name with a different number at its
//!   end (`train2`).
//! - **A line of `add_scalars`**: the directory has one scalar tag and is called
//!   `<tag with / as _>_<line>` (`torch/utils/tensorboard/writer.py`) or `<tag>/<line>`
//!   (tensorboardX), below a directory that holds event files and is the run.
//! - **The session of `add_hparams`**: the directory is named after the time and has parameters.
//!   The parent directory holds event files and is the run.
//!
//! and if nothing shows that one of them is itself a run: a `tbx.json`, a run below it, a second
//! sibling with parameters, or a tag or parameter that the run already has, which would hide the
//! other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::stage::stage;
use super::{Directory, Parts, Rename, above, depth, split};
use tbx::meta::Param;

/// The run of each directory that is part of one, and the names of its tags in that run.
pub(super) fn decide(directories: &[&Directory]) -> HashMap<String, (String, Rename)> {
    let mut deciding = Deciding::new(directories);
    let mut siblings: BTreeMap<(Reverse<usize>, &str), Vec<&Directory>> = BTreeMap::new();
    let with_logs = directories.iter().filter(|directory| directory.has_logs);
    for directory in with_logs.filter(|directory| directory.name != ".") {
        let (parent, _) = split(&directory.name);
        siblings.entry((Reverse(depth(parent)), parent)).or_default().push(directory);
    }
    for ((_, parent), siblings) in siblings {
        deciding.decide(parent, siblings);
    }
    deciding.parts
}

/// Directories above runs that have only configuration, such as that of an experiment.
pub(super) fn only_above_runs<'d>(directories: &'d [Directory], parts: &Parts) -> HashSet<&'d str> {
    let with_logs = directories.iter().filter(|directory| directory.has_logs);
    let runs =
        with_logs.clone().filter(|directory| parts.run_of(&directory.name) == directory.name);
    let above: HashSet<&str> = runs.flat_map(|directory| above(&directory.name)).collect();
    let is_empty = |directory: &&Directory| {
        let Directory { is_read, is_run, tags, params, has_data, .. } = directory;
        *is_read && !is_run && tags.is_empty() && params.is_empty() && !has_data
    };
    let names = with_logs.filter(is_empty).map(|directory| directory.name.as_str());
    names.filter(|name| above.contains(name)).collect()
}

/// Maximum number of tags to try for the name of a directory that was not read.
const MAX_GUESSES: usize = 64;

/// Tags and parameters of a directory and its parts.
#[derive(Debug, Default)]
struct Contents {
    tags: BTreeSet<String>,
    params: BTreeMap<String, Param>,
}

struct Deciding<'d> {
    directories: HashMap<&'d str, &'d Directory>,
    contents: HashMap<String, Contents>,
    /// The last components of the names in each directory that have logs or have some below them.
    names: HashMap<&'d str, BTreeSet<&'d str>>,
    /// Directories with a run below them.
    above_runs: HashSet<String>,
    parts: HashMap<String, (String, Rename)>,
}

/// The directories with logs that are directly in one directory.
struct Siblings<'d> {
    parent: &'d str,
    all: Vec<&'d Directory>,
    /// Whether the stages among them are parts of the parent directory, judged by the stages alone.
    has_stages: bool,
    /// Names that differ only in a number at their end, without that number.
    numbered: HashSet<&'d str>,
    /// The tags of the directories that have exactly one tag.
    only_tags: Vec<&'d str>,
}

impl<'d> Deciding<'d> {
    fn new(directories: &[&'d Directory]) -> Self {
        let contents = |directory: &&Directory| {
            let Directory { name, tags, params, .. } = *directory;
            (name.clone(), Contents { tags: tags.clone(), params: params.clone() })
        };
        let mut names: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for directory in directories.iter().filter(|directory| directory.has_logs) {
            let path = std::iter::once(directory.name.as_str()).chain(above(&directory.name));
            for (parent, last) in path.filter(|name| *name != ".").map(split) {
                names.entry(parent).or_default().insert(last);
            }
        }
        Self {
            directories: directories.iter().map(|one| (one.name.as_str(), *one)).collect(),
            contents: directories.iter().map(contents).collect(),
            names,
            above_runs: HashSet::new(),
            parts: HashMap::new(),
        }
    }

    /// Decides about the directories with logs that are directly in `parent`.
    fn decide(&mut self, parent: &'d str, all: Vec<&'d Directory>) {
        let siblings = self.siblings(parent, all);
        let ways = [true, false].into_iter().filter_map(|lines| self.parts_of(&siblings, lines));
        let way = ways.into_iter().find(|way| self.fits(&siblings, way));
        let Some((run, renames)) = way else {
            for run in siblings.all {
                self.above_runs.extend(above(&run.name).map(str::to_owned));
            }
            return;
        };
        for (part, rename) in siblings.all.iter().zip(renames) {
            let Contents { tags, params } = self.contents.remove(&part.name).unwrap_or_default();
            let of_run = self.contents.entry(run.to_owned()).or_default();
            of_run.tags.extend(tags.iter().map(|tag| rename.of(tag)));
            of_run.params.extend(params);
            self.parts.insert(part.name.clone(), (run.to_owned(), rename));
        }
        if !self.has_logs(run) {
            self.above_runs.extend(above(run).map(str::to_owned));
        }
    }

    fn siblings(&self, parent: &'d str, all: Vec<&'d Directory>) -> Siblings<'d> {
        let is_run = self.directories.get(parent).is_some_and(|one| one.has_logs || one.is_run);
        let stages = all.iter().filter_map(|one| stage(split(&one.name).1));
        let has_stages = is_run || stages.collect::<HashSet<_>>().len() > 1;
        let mut once = HashSet::new();
        let names = self.names.get(parent).into_iter().flatten().map(|name| unnumbered(name));
        let numbered = names.filter(|name| !once.insert(*name)).collect();
        let only_tags: BTreeSet<&str> = all.iter().filter_map(|one| self.only_tag(one)).collect();
        let only_tags = only_tags.into_iter().take(MAX_GUESSES).collect();
        Siblings { parent, all, has_stages, numbered, only_tags }
    }

    /// The run that has all siblings as parts, and the renames of their tags.
    fn parts_of(&self, siblings: &Siblings<'d>, lines: bool) -> Option<(&'d str, Vec<Rename>)> {
        let all = &siblings.all;
        if all.iter().any(|one| one.is_run || self.above_runs.contains(&one.name)) {
            return None;
        }
        if all.iter().filter(|one| self.has_params(one)).count() > 1 {
            return None;
        }
        let mut run = None;
        let mut renames = Vec::with_capacity(all.len());
        for one in all {
            let line = lines.then(|| self.line(siblings, one)).flatten();
            let (of, rename) = line.or_else(|| {
                let rename = stage_of(siblings, one).or_else(|| self.session(siblings, one))?;
                Some((siblings.parent, rename))
            })?;
            if *run.get_or_insert(of) != of {
                return None;
            }
            renames.push(rename);
        }
        Some((run?, renames))
    }

    fn session(&self, siblings: &Siblings<'_>, one: &Directory) -> Option<Rename> {
        let has_name = is_time(split(&one.name).1);
        let is_session = has_name && self.has_params(one) && self.has_logs(siblings.parent);
        is_session.then_some(Rename::Keep)
    }

    /// The run of a line, and its rename. For a directory that was not read, the tags of its
    /// siblings are tried.
    fn line(&self, siblings: &Siblings<'d>, one: &'d Directory) -> Option<(&'d str, Rename)> {
        let own: Vec<&str> = self.only_tag(one).into_iter().collect();
        let tags = if one.is_read { &own } else { &siblings.only_tags };
        for run in above(&one.name).filter(|name| self.has_logs(name)) {
            let path = if run == "." { &one.name } else { one.name.strip_prefix(run)? };
            let path = path.replace(std::path::MAIN_SEPARATOR, "/");
            let path = path.trim_start_matches('/');
            let line = tags.iter().find_map(|tag| {
                let torch = path.strip_prefix(&tag.replace('/', "_"));
                let torch = torch.and_then(|rest| rest.strip_prefix('_'));
                let x = path.strip_prefix(tag).and_then(|rest| rest.strip_prefix('/'));
                torch.or(x).filter(|line| !line.is_empty())
            });
            if let Some(line) = line {
                return Some((run, Rename::Line(line.to_owned())));
            }
        }
        None
    }

    /// The tag of a directory that, including its parts, has exactly one tag and no parameters.
    fn only_tag(&self, one: &'d Directory) -> Option<&'d str> {
        let contents = self.contents.get(&one.name)?;
        let is_alone = contents.tags.len() == 1 && contents.params.is_empty();
        one.tags.iter().next().map(String::as_str).filter(|_| is_alone)
    }

    /// Whether the run would show everything that each of its parts has.
    fn fits(&self, siblings: &Siblings<'_>, (run, renames): &(&str, Vec<Rename>)) -> bool {
        let empty = Contents::default();
        let of_run = self.contents.get(*run).unwrap_or(&empty);
        let mut taken = HashSet::new();
        siblings.all.iter().zip(renames).all(|(one, rename)| {
            let own = self.contents.get(&one.name).unwrap_or(&empty);
            let mut tags = own.tags.iter().map(|tag| rename.of(tag));
            let mut params = own.params.iter();
            tags.all(|tag| !of_run.tags.contains(&tag) && taken.insert(tag))
                && params.all(|(name, value)| {
                    of_run.params.get(name).is_none_or(|other| is_same(value, other))
                })
        })
    }

    fn has_params(&self, one: &Directory) -> bool {
        self.contents.get(&one.name).is_some_and(|contents| !contents.params.is_empty())
    }

    fn has_logs(&self, name: &str) -> bool {
        self.directories.get(name).is_some_and(|directory| directory.has_logs)
    }
}

fn stage_of(siblings: &Siblings<'_>, one: &Directory) -> Option<Rename> {
    let (_, last) = split(&one.name);
    let is_part = siblings.has_stages && !siblings.numbered.contains(unnumbered(last));
    (stage(last).is_some() && is_part).then(|| Rename::Prefix(last.to_owned()))
}

fn is_same(a: &Param, b: &Param) -> bool {
    match (a, b) {
        (Param::Number(a), Param::Number(b)) => a == b || a.is_nan() && b.is_nan(),
        (a, b) => a == b,
    }
}

/// Removes a number from the end of a name: `train2`, `train_2` and `train` all give `train`.
fn unnumbered(name: &str) -> &str {
    let without = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match without.len() == name.len() {
        true => name,
        false => without.trim_end_matches(['_', '-', '.', ' ']),
    }
}

/// Whether `name` is a time in the format of Python's `str(time.time())`.
fn is_time(name: &str) -> bool {
    name.contains('.')
        && name.chars().all(|c| c.is_ascii_digit() || c == '.')
        && name.parse::<f64>().is_ok_and(|secs| secs > 1e9)
}
