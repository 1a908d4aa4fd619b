//! Finds tables in a directory.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::local::{Local, issue, refused};
use super::preset;
use super::sheet::Sheet;
use super::tables;
use tbx::error::{Effect, Report, Result};
use tbx::store::{File, Found};

/// Maximum number of files.
const MAX_FILES: usize = 100_000;
/// How many directories below a source are looked at to tell whether it is here, and how many entries of them.
const LOOK: (usize, usize) = (2, 2000);
/// Directories of files that a run of MLflow, tbx or Weights & Biases produced. A table in one does not make the run
/// one of a table.
const ARTIFACTS: [&str; 2] = ["artifacts", "files"];
/// Number of bytes that say whether a file under any name is a table.
const HEAD: usize = 4096;

/// The extensions of files with tables.
const EXTENSIONS: [&str; 5] = ["csv", "tsv", "jsonl", "ndjson", "log"];

/// Whether it is a table, or a directory with one under a name that a program gives to it.
pub(super) fn is_here(path: &Path) -> bool {
    match path.is_dir() {
        true => has_table(path, LOOK.0, &mut LOOK.1.clone()),
        false => is_table(path),
    }
}

fn has_table(dir: &Path, depth: usize, left: &mut usize) -> bool {
    let mut dirs = Vec::new();
    for entry in dir.read_dir().into_iter().flatten().flatten() {
        let Some(less) = left.checked_sub(1) else { return false };
        *left = less;
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        let is_known =
            name.to_str().is_some_and(|name| preset::is_name(name) || tables::is_name(name));
        if kind.is_file() && is_known {
            return true;
        }
        if kind.is_dir() && !is_hidden(&name) && !ARTIFACTS.iter().any(|of| name == *of) {
            dirs.push(entry.path());
        }
    }
    depth > 0 && dirs.iter().any(|dir| has_table(dir, depth - 1, left))
}

/// Whether a file has the extension of a table, or begins like one of a known program.
fn is_table(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
    match extension.as_str() {
        "csv" | "tsv" | "jsonl" | "ndjson" => true,
        _ => {
            let head = || {
                let (file, len) = File::open(path).ok()?;
                let len = usize::try_from(len).unwrap_or(HEAD).min(HEAD);
                let mut head = vec![0; len];
                file.read_exact_at(&mut head, 0).ok()?;
                let line = head.split(|byte| *byte == b'\n').next()?;
                let line = str::from_utf8(line).ok()?;
                let split = |c: char| matches!(c, ',' | ';' | '\t');
                Some(line.split(split).map(|name| name.trim().to_owned()).collect::<Vec<_>>())
            };
            let columns = head().unwrap_or_default();
            columns.len() > 1 && preset::find("", &columns, false).is_some()
        }
    }
}

/// The tables in a directory and below it, in the order of their paths, and the number of tables of unknown
/// programs, for which `is_known` does not hold.
pub(super) fn sheets(
    source: &Local,
    is_known: impl Fn(&Sheet) -> bool,
    report: &mut Report,
) -> Result<(Vec<Sheet>, u64)> {
    let (mut sheets, mut unknown) = (Vec::new(), 0);
    for path in files(source, report)? {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
        match Sheet::open(&source.root, &path) {
            Ok(sheet) if is_known(&sheet) => sheets.push(sheet),
            Ok(_) if name.ends_with(".log") => {}
            Ok(_) => unknown += 1,
            Err(error) if preset::is_name(&name) || tables::is_name(&name) => {
                issue(report, &path, error, Effect::SkippedFile);
            }
            Err(_) => {}
        }
    }
    Ok((sheets, unknown))
}

fn files(source: &Local, report: &mut Report) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    // A link to a file in the directory is no other file.
    let is_again = |path: &Path| {
        path.is_symlink() && path.canonicalize().is_ok_and(|real| source.root.contains(&real))
    };
    for found in source.root.walk(source.dir(), is_hidden) {
        let path = match found {
            Found::File(path) if !is_again(&path) => path,
            Found::Left(path, error) if is_wanted(&path) => {
                issue(report, &path, error, Effect::SkippedFile);
                continue;
            }
            _ => continue,
        };
        if is_wanted(&path) {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            let what =
                format!("it has more than {MAX_FILES} files; import its directories one by one");
            return Err(refused(&source.path, what));
        }
    }
    files.sort();
    Ok(files)
}

fn is_wanted(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
    EXTENSIONS.contains(&extension.as_str())
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}
