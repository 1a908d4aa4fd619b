//! Names that MLflow accepts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{ImageName, MAX_NAME, MAX_TAG, tags};
use tbx::safe_name;

/// Maximum size in bytes of the name of a file.
const MAX_FILE_NAME: usize = 255;

/// The place where names are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// On a server.
    Server,
    /// In a database: like a server, except that artifacts are files with any names.
    Database,
    /// As names of files: `a/b` is in the directory `a`, so that there can be no file `a`.
    Files,
}

/// The names of a run's metrics, parameters or tags, in a form that MLflow accepts.
///
/// MLflow rejects names with characters other than letters, digits and `_ / . - : space`, names
/// that are not clean relative paths, and names of more than 250 characters. Each such name is
/// replaced by one with `_` for the rejected characters and a hash of the original name at the end.
/// The result is always the same, so that a later export finds it again.
///
/// ```
/// use tbx_runs::trackers::mlflow::{MetricNames, StoreKind};
///
/// let mut names = MetricNames::new(StoreKind::Server, ["loss(train)", "lr"]);
/// assert_eq!(names.get("lr"), "lr");
/// assert_eq!(names.get("loss(train)"), "loss_train_-61abfa7f");
/// let back = MetricNames::changed_in(&names.tags());
/// assert_eq!(back["loss_train_-61abfa7f"], "loss(train)");
/// ```
#[derive(Debug, Clone)]
pub struct MetricNames {
    store: StoreKind,
    /// Directories that names of files need.
    folders: BTreeSet<String>,
    /// The original names that were replaced, by their replacements.
    changed: BTreeMap<String, String>,
}

impl MetricNames {
    /// Starts with `names`, which may be all names of a run or some of them. With [`StoreKind::Files`], a
    /// name that would be a directory of one of these is replaced.
    pub fn new<'n>(store: StoreKind, names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut folders = BTreeSet::new();
        if store == StoreKind::Files {
            for name in names {
                let slashes = name.match_indices('/');
                folders.extend(slashes.filter_map(|(at, _)| name.get(..at)).map(str::to_owned));
            }
        }
        Self { store, folders, changed: BTreeMap::new() }
    }

    /// The name in MLflow for this name.
    pub fn get(&mut self, name: &str) -> String {
        let is_file = self.store == StoreKind::Files;
        let is_too_long = |part: &str| part.len() > MAX_FILE_NAME;
        let cannot_be_file =
            is_file && (self.folders.contains(name) || name.split('/').any(is_too_long));
        if is_valid(name) && !cannot_be_file {
            return name.to_owned();
        }
        let hash = format!("-{:08x}", safe_name::hash(name) & 0xffff_ffff);
        // A file name of 200 characters can be too long in bytes.
        let max = if is_file { MAX_FILE_NAME / 4 } else { MAX_NAME } - hash.len();
        let parts = name.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
        let clean = parts.map(clean).collect::<Vec<_>>().join("/");
        let cut: String = clean.chars().take(max).collect();
        let new = format!("{}{hash}", cut.trim_end_matches('/'));
        self.changed.insert(new.clone(), name.to_owned());
        new
    }

    /// The original names that were replaced, by their replacements.
    pub const fn changed(&self) -> &BTreeMap<String, String> {
        &self.changed
    }

    /// Names of another kind in the same run.
    pub(super) fn others(&self, names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<_> = names.into_iter().collect();
        Self::new(self.store, names.iter().map(String::as_str))
    }

    /// Adds the replaced names of `other`.
    pub(super) fn join(&mut self, other: &Self) {
        self.changed.extend(other.changed.clone());
    }

    /// Tags that record the original names, except those that do not fit into a tag.
    pub fn tags(&self) -> BTreeMap<String, String> {
        Self::tags_of(&self.changed)
    }

    /// Tags that record these original names by their replacements.
    pub(crate) fn tags_of(changed: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut chunks: Vec<BTreeMap<&str, &str>> = Vec::new();
        let mut len = MAX_TAG;
        for (new, old) in changed {
            // A character takes up to 6 characters in JSON, and a pair has quotes and a colon.
            let pair = 6 * (new.chars().count() + old.chars().count()) + 6;
            if pair > MAX_TAG {
                continue;
            }
            len += pair;
            if len > MAX_TAG {
                chunks.push(BTreeMap::new());
                len = pair;
            }
            if let Some(chunk) = chunks.last_mut() {
                chunk.insert(new, old);
            }
        }
        let tag = |(i, chunk): (usize, &BTreeMap<&str, &str>)| {
            let name = if i == 0 { tags::NAMES.into() } else { format!("{}.{i}", tags::NAMES) };
            (name, serde_json::to_string(chunk).unwrap_or_default())
        };
        chunks.iter().enumerate().map(tag).collect()
    }

    /// The original names that [`tags`](Self::tags) recorded, by their replacements.
    pub fn changed_in(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let ours = tags.iter().filter(|(name, _)| Self::is_tag(name));
        let maps = ours
            .filter_map(|(_, json)| serde_json::from_str::<BTreeMap<String, String>>(json).ok());
        maps.flatten().collect()
    }

    /// Tags under their original names, without those that are internal to tbx.
    pub(crate) fn theirs(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let names = Self::changed_in(tags);
        let tags = tags::modern(tags.clone()).into_iter();
        let theirs = tags.filter(|(name, _)| !tags::is_hidden(name));
        theirs.map(|(name, value)| (names.get(&name).cloned().unwrap_or(name), value)).collect()
    }

    /// Whether a tag of this name records original names.
    pub fn is_tag(name: &str) -> bool {
        let today = tags::renamed(name);
        let rest = today.as_deref().unwrap_or(name).strip_prefix(tags::NAMES);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Whether a store of this kind accepts this name for an artifact. Servers repeatedly decode
/// percent-encoded characters in it, and reject `#` and paths that are absolute on Windows
/// (`mlflow/utils/uri.py`, `validate_path_is_safe`).
pub(crate) fn artifact_stays(store: StoreKind, path: &str) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = path.as_bytes();
    let is_encoded = path.match_indices('%').any(|(at, _)| {
        is_hex(bytes.get(at.saturating_add(1))) && is_hex(bytes.get(at.saturating_add(2)))
    });
    let has_drive = bytes.get(1..3) == Some(b":/");
    let is_refused = is_encoded || has_drive || path.contains(['#', '\\']);
    let is_plain_part = |part: &str| part != ".." && part.len() <= MAX_FILE_NAME;
    let is_plain = !path.contains(char::is_control) && path.split('/').all(is_plain_part);
    is_plain && (store != StoreKind::Server || !is_refused)
}

/// The name of an artifact whose own name is rejected: with `_` for the rejected characters, and a
/// hash before the file extension.
pub(crate) fn changed_artifact(path: &str) -> String {
    // Images of MLflow 2 get the current form of names, which its pages show.
    if let Some(image) = ImageName::of(path).map(|name| name.modern(path))
        && artifact_stays(StoreKind::Server, &image)
    {
        return image;
    }
    let plain = |c: char| match c {
        '%' | '#' | '\\' | ':' => '_',
        c if c.is_control() => '_',
        c => c,
    };
    // A character takes up to 4 bytes.
    let part =
        |part: &str| part.replace("..", "__").chars().map(plain).take(50).collect::<String>();
    let hash = format!("{:08x}", safe_name::hash(path) & 0xffff_ffff);
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_type = |(stem, extension): &(&str, &str)| !stem.is_empty() && extension.len() <= 10;
    let name = match name.rsplit_once('.').filter(is_type) {
        Some((stem, extension)) => format!("{}-{hash}.{}", part(stem), part(extension)),
        None => format!("{}-{hash}", part(name)),
    };
    let folder = folder.split('/').map(part).collect::<Vec<_>>().join("/");
    if folder.is_empty() { name } else { format!("{folder}/{name}") }
}

fn is_valid(name: &str) -> bool {
    // Python's `\w`: letters and digits, but no marks, unlike `\w` of the crate `regex`.
    static TAKEN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\A[/\p{L}\p{N}_.\- :]+\z").ok());
    let is_clean = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let is_taken = TAKEN.as_ref().is_some_and(|taken| taken.is_match(name));
    is_taken && is_clean && name.chars().count() <= MAX_NAME
}

fn clean(part: &str) -> String {
    let mut bytes = [0; 4];
    let mut stays = |c: char| c == '.' || is_valid(c.encode_utf8(&mut bytes));
    part.chars().map(|c| if stays(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_mlflow_refuses_change() {
        let mut names = MetricNames::new(StoreKind::Server, ["a", "a/b"]);
        for name in ["a", "a/b", "train/loss", "é 日本:1", "v1.5-x", "...", "a/...", "-"] {
            assert_eq!(names.get(name), name);
        }
        assert!(names.changed().is_empty() && names.tags().is_empty());
        let long = "x".repeat(251);
        let refused = ["a(b)", "", "/a", "a/", "a//b", "./a", "a/../b", "..", "a\tb", "%", &long];
        let mut new = BTreeSet::new();
        for name in refused {
            let got = names.get(name);
            assert!(is_valid(&got), "{name:?} became {got:?}");
            new.insert(got);
        }
        assert_eq!(new.len(), refused.len());
        let back = MetricNames::changed_in(&names.tags());
        assert_eq!(&back, names.changed());
        assert_eq!(back.values().map(String::as_str).collect::<BTreeSet<_>>(), refused.into());
    }

    #[test]
    fn artifacts_change_their_names_only_where_a_server_would() {
        for path in ["a/b.txt", "50%.txt", "a%st", "größe 1", "a:b", "x/c:y", "events.tfevents.1"]
        {
            assert!(artifact_stays(StoreKind::Server, path), "{path}");
        }
        for path in ["a%41", "x#y", "C:/x", "a\\b", "a\nb", "%252e"] {
            assert!(!artifact_stays(StoreKind::Server, path), "{path}");
            let new = changed_artifact(path);
            assert!(artifact_stays(StoreKind::Server, &new), "{path} became {new}");
        }
        assert!(artifact_stays(StoreKind::Files, "a%41#"));
        let long = format!("a%41{}.png", "x".repeat(100));
        assert!(changed_artifact(&long).ends_with(".png"));
        let of_2 = "images/a#b%step%-3%timestamp%17%5c132975-045b-4e91-5472-68946a48097d";
        let of_3 = "images/a~b+step+-3+timestamp+17+5c132975-045b-4e91-5472-68946a48097d";
        assert_eq!(changed_artifact(&format!("{of_2}.png")), format!("{of_3}.png"));
        let [small, new] = [of_2, of_3].map(|name| format!("{name}%compressed.webp"));
        assert_eq!(changed_artifact(&small), new.replace("%compressed", "+compressed"));
        let new = changed_artifact("d%20/a#b.txt");
        assert!(new.starts_with("d_20/a_b-") && new.ends_with(".txt"), "{new}");
    }

    #[test]
    fn no_file_is_where_a_folder_must_be() {
        let mut names = MetricNames::new(StoreKind::Files, ["a", "a/b", "a/b/c", "d"]);
        assert_eq!(names.get("d"), "d");
        assert_eq!(names.get("a/b/c"), "a/b/c");
        let (a, ab) = (names.get("a"), names.get("a/b"));
        assert!(a.starts_with("a-") && ab.starts_with("a/b-"), "{a} {ab}");
        let wide = "日".repeat(100);
        assert!(names.get(&wide).len() <= MAX_FILE_NAME);
    }

    #[test]
    fn many_names_are_told_by_several_tags() {
        let many: Vec<_> = (0..500).map(|i| format!("\u{1}({i})")).collect();
        let mut names = MetricNames::new(StoreKind::Server, many.iter().map(String::as_str));
        many.iter().for_each(|name| drop(names.get(name)));
        let tags = names.tags();
        assert!(tags.len() > 1 && tags.values().all(|json| json.chars().count() <= MAX_TAG));
        assert_eq!(MetricNames::changed_in(&tags), *names.changed());
    }
}
