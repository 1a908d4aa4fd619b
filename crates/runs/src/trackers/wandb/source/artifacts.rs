//! The files of a run: those in its directory, and those of the artifacts that it logged.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::file::RunFile;
use super::{exported, json};
use crate::trackers::source::{LeftOut, SourceFile, SourceOptions};
use tbx::error::{Effect, Issue, Location, Report};
use tbx::replace::is_temporary;
use tbx::store::{Found, Links, Root, is_outside};
use tbx::wandb::artifact::{Artifact, ManifestEntry};
use tbx::wandb::offline::FILES;

/// The console output, in that directory.
const OUTPUT: &str = "output.log";

/// Maximum number of files of an artifact that the metadata of a run lists.
const MAX_LISTED: usize = 1000;

/// The files of a run.
#[derive(Default)]
pub(super) struct RunFiles {
    pub(super) files: Vec<SourceFile>,
    pub(super) elsewhere: BTreeSet<String>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) is_cut: bool,
}

impl RunFiles {
    /// Adds the files in the directories of the segments. Those of a later segment replace those of the same name and
    /// content; `in_log` are left out, and `facts` are added.
    pub(super) fn of_directories(
        &mut self,
        root: &Root,
        segments: &[RunFile],
        in_log: &HashSet<PathBuf>,
        facts: &HashMap<PathBuf, Map<String, Value>>,
        report: &mut Report,
    ) {
        let mut sizes: HashSet<(String, u64)> = HashSet::new();
        let is_left = |name: &OsStr| is_temporary(name);
        for segment in segments.iter().rev() {
            let dir = segment.dir.join(FILES);
            for found in root.walk(&dir, is_left) {
                let path = match found {
                    Found::File(path) => path,
                    Found::Directory | Found::Again { .. } => continue,
                    Found::Left(path, error) if is_outside(&error) => {
                        self.elsewhere.insert(path.to_string_lossy().into_owned());
                        continue;
                    }
                    Found::Left(path, error) => {
                        self.is_cut = true;
                        let location = Location::of(path);
                        report.issues.push(Issue::new(error.into(), location, Effect::SkippedFile));
                        continue;
                    }
                };
                let Ok(inner) = path.strip_prefix(&dir) else { continue };
                if is_bookkeeping(inner) || in_log.contains(&path) {
                    continue;
                }
                let name = slashed(inner);
                if segment.is_of_tbx() && exported::is_known(&name) {
                    continue;
                }
                // Of a resumed run, each segment has its list of packages.
                let size = path.metadata().map_or(0, |metadata| metadata.len());
                if !sizes.insert((name.clone(), size)) && is_same(root, &path, &name, &self.files) {
                    continue;
                }
                let mut file = SourceFile::local(name, root, &path);
                if let Some(facts) = facts.get(&path) {
                    file.facts = facts.clone();
                }
                self.files.push(file);
            }
        }
    }

    /// Adds the console output, unless the directory has it.
    pub(super) fn add_console(&mut self, text: String) {
        let is_there = self.files.iter().any(|file| file.name == OUTPUT);
        if !text.is_empty() && !is_there {
            self.files.push(SourceFile::of_bytes(OUTPUT, text));
        }
    }

    /// Adds the files of artifacts that are still where they were logged from. They are in the source, or the user
    /// allows others.
    pub(super) fn of_artifacts(
        &mut self,
        root: &Root,
        segments: &[RunFile],
        options: &SourceOptions,
    ) {
        let mut names: HashSet<String> = self.files.iter().map(|file| file.name.clone()).collect();
        let all =
            segments.iter().flat_map(|segment| segment.artifacts.iter().map(move |a| (segment, a)));
        for (segment, artifact) in all {
            let entries = artifact.manifest.iter().flat_map(|manifest| &manifest.contents);
            let mut unlisted = 0u64;
            for (n, entry) in entries.enumerate() {
                let is_unlisted = n >= MAX_LISTED && !segment.is_of_tbx();
                unlisted = unlisted.saturating_add(u64::from(is_unlisted));
                if entry.local_path.is_empty() {
                    continue;
                }
                let path = Path::new(&entry.local_path);
                let Some(root) = root_of(path, root, options) else {
                    self.elsewhere.insert(entry.local_path.clone());
                    continue;
                };
                let name = entry.path.replace('\\', "/");
                // Meshes and tables are also among the files of the run, and versions of a model may have one file.
                if segment.is_of_tbx()
                    && !names.insert(name.clone())
                    && is_same(&root, path, &name, &self.files)
                {
                    continue;
                }
                let mut file = match segment.is_of_tbx() {
                    // A file of a run, whose kind is in the metadata.
                    true => SourceFile::local(name, &root, path),
                    false => {
                        let name = format!("{}/{name}", artifact.name);
                        let mut file = SourceFile::local(name, &root, path);
                        file.kind = Some(artifact.r#type.clone()).filter(|kind| !kind.is_empty());
                        file.facts.insert("digest".into(), entry.digest.as_str().into());
                        file
                    }
                };
                file.size = u64::try_from(entry.size).ok().filter(|size| *size > 0);
                self.files.push(file);
            }
            let what = "files of artifacts that the metadata does not list";
            LeftOut::count(&mut self.left_out, what, unlisted, false);
        }
    }
}

/// The root that a file may be read through; `None` if it may not, or does not exist.
fn root_of(path: &Path, root: &Root, options: &SourceOptions) -> Option<Root> {
    // A record may name a URL, too. `--follow-links` is not for paths that records name.
    if tbx::store::is_url(path) {
        return None;
    }
    let is_in_source = path.canonicalize().is_ok_and(|real| root.contains(&real));
    if is_in_source && root.open(path).is_ok() {
        return Some(root.clone());
    }
    if !options.follow_local_paths {
        return None;
    }
    let outer = Root::new(path.parent()?, Links::All).ok()?;
    outer.open(path).is_ok().then_some(outer)
}

/// Whether the file at `path` has the content of one of the same name in `files`.
fn is_same(root: &Root, path: &Path, name: &str, files: &[SourceFile]) -> bool {
    /// Larger files are kept twice.
    const MAX: u64 = 16 << 20;
    let Ok(bytes) = root.read(path, MAX) else { return false };
    files.iter().filter(|file| file.name == name).any(|file| {
        let mut known = Vec::new();
        let read = file.open_local().map(|mut content| content.read_to_end(&mut known));
        read.is_ok_and(|read| read.is_ok()) && known == bytes
    })
}

/// A relative path with `/` between directories.
fn slashed(path: &Path) -> String {
    let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
    names.join("/")
}

/// The known facts about an artifact.
pub(super) fn facts(artifact: &Artifact) -> Value {
    let mut facts = Map::new();
    for (key, value) in [
        ("type", &artifact.r#type),
        ("name", &artifact.name),
        ("digest", &artifact.digest),
        ("description", &artifact.description),
        ("client_id", &artifact.client_id),
        ("sequence_client_id", &artifact.sequence_client_id),
    ] {
        if !value.is_empty() {
            facts.insert(key.into(), value.as_str().into());
        }
    }
    if !artifact.metadata.is_empty() {
        let metadata = json::parse(&artifact.metadata).map(json::plain);
        let metadata = metadata.unwrap_or_else(|_| artifact.metadata.as_str().into());
        facts.insert("metadata".into(), metadata);
    }
    for (key, list) in [("aliases", &artifact.aliases), ("tags", &artifact.tags)] {
        if !list.is_empty() {
            facts.insert(key.into(), list.clone().into());
        }
    }
    let entries = artifact.manifest.iter().flat_map(|manifest| &manifest.contents);
    let files: Vec<_> = entries.take(MAX_LISTED).map(entry_facts).collect();
    if !files.is_empty() {
        facts.insert("files".into(), files.into());
    }
    facts.into()
}

fn entry_facts(entry: &ManifestEntry) -> Value {
    let mut facts = json!({"path": entry.path, "digest": entry.digest, "size": entry.size});
    if let (Some(object), false) = (facts.as_object_mut(), entry.r#ref.is_empty()) {
        object.insert("ref".into(), entry.r#ref.as_str().into());
    }
    facts
}

/// Whether a file of the directory `files` has only what the records say, too.
fn is_bookkeeping(name: &Path) -> bool {
    ["wandb-metadata.json", "wandb-summary.json", "config.yaml"]
        .iter()
        .any(|known| name == Path::new(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_name_no_file_outside_of_the_source() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("source"), dir.path().join("secret"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("a"), "a").unwrap();
        std::fs::write(&outside, "s").unwrap();
        let up = inside.join("../secret");
        for links in [Links::Inside, Links::All] {
            let root = Root::new(&inside, links).unwrap();
            let mut options = super::super::tests::options();
            options.links = links;
            let is_read =
                |path: &Path, options: &SourceOptions| root_of(path, &root, options).is_some();
            assert!(is_read(&inside.join("a"), &options));
            for path in [outside.as_path(), &up, Path::new("https://host/x"), Path::new("s3://b/x")]
            {
                assert!(!is_read(path, &options), "{}", path.display());
            }
            options.follow_local_paths = true;
            assert!(is_read(&outside, &options) && !is_read(Path::new("https://host/x"), &options));
        }
    }
}
