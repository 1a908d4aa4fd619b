//! Directories that are in the place where runs are exported to.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use prost::Message;

use tbx::error::{Result, failed};
use tbx::replace::{complete_name, sweep_once};
use tbx::store::{Links, Root};
use tbx::wandb::block::{Found, Records};
use tbx::wandb::identity;
use tbx::wandb::offline::{FILES, PRODUCER};
use tbx::wandb::record::{Content, Record};

/// Number of bytes that are compared at a time.
const BUFFER: usize = 1 << 16;

/// The directories of runs, by id.
#[derive(Debug)]
pub(super) struct Existing(HashMap<String, Vec<PathBuf>>);

impl Existing {
    /// Finds the directories in `out`, which need not exist.
    pub(super) fn find(out: &Path) -> Result<Self> {
        // A program that died may have left a directory that lacks nothing but its name.
        sweep_once(out);
        let mut found: HashMap<String, Vec<PathBuf>> = HashMap::new();
        let entries = match fs::read_dir(out) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(found)),
            entries => entries.map_err(|error| failed(error, out))?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed(error, out))?;
            let name = entry.file_name();
            // `offline-run-DATE_TIME-ID`; an id may have a `-`.
            let rest = name.to_str().and_then(|name| name.strip_prefix("offline-run-"));
            if let Some((_, id)) = rest.and_then(|rest| rest.split_once('-')) {
                found.entry(id.to_owned()).or_default().push(entry.path());
            }
        }
        Ok(Self(found))
    }

    /// The directories of the run `id`: several if it was resumed.
    pub(super) fn of(&self, id: &str) -> &[PathBuf] {
        self.0.get(id).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Whether the directory `old` has the files of the run `id` that are in `new`. Other files in it, such as those that
/// `wandb sync` writes, do not count.
pub(super) fn is_same(old: &Path, new: &Path, id: &str) -> io::Result<bool> {
    let name = identity::file(id);
    if !has_same_bytes((old, Path::new(&name)), (new, Path::new(&name)))? {
        return Ok(false);
    }
    for directory in [FILES, super::artifacts::DIRECTORY] {
        for entry in walkdir::WalkDir::new(new.join(directory)) {
            let Ok(entry) = entry else { continue }; // a run without artifacts
            let current = entry.path().strip_prefix(new).unwrap_or(entry.path());
            // Event files get their names when the directory is complete.
            let complete = complete_name(entry.file_name());
            let complete = complete.map_or(current.to_owned(), |name| current.with_file_name(name));
            if entry.file_type().is_file() && !has_same_bytes((old, &complete), (new, current))? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Whether two files have the same bytes. Each is a directory and a path in it.
fn has_same_bytes(old: (&Path, &Path), new: (&Path, &Path)) -> io::Result<bool> {
    let open = |(dir, name): (&Path, &Path)| {
        let (file, len) = Root::new(dir, Links::Inside)?.open(&dir.join(name))?;
        io::Result::Ok((file.into_reader(len), len))
    };
    let Ok((mut old, old_len)) = open(old) else { return Ok(false) };
    let (mut new, new_len) = open(new)?;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    if old_len != new_len {
        return Ok(false);
    }
    loop {
        a.clear();
        b.clear();
        let limit = u64::try_from(BUFFER).unwrap_or(u64::MAX);
        old.by_ref().take(limit).read_to_end(&mut a)?;
        new.by_ref().take(limit).read_to_end(&mut b)?;
        match (a == b, a.is_empty()) {
            (false, _) => return Ok(false),
            (true, true) => return Ok(true),
            (true, false) => {}
        }
    }
}

/// Whether tbx wrote the directory `dir` of the run `id`.
pub(super) fn is_ours(dir: &Path, id: &str) -> bool {
    let first = || {
        let root = Root::new(dir, Links::Inside).ok()?;
        let (file, len) = root.open(&dir.join(identity::file(id))).ok()?;
        let mut records = Records::new(file.into_reader(len)).ok()?;
        match records.next().ok()?? {
            Found::Record { bytes, .. } => Record::decode(bytes).ok()?.content,
            Found::Lost(_) => None,
        }
    };
    match first() {
        Some(Content::Header(header)) => {
            header.version_info.is_some_and(|version| version.producer.starts_with(PRODUCER))
        }
        _ => false,
    }
}
