//! Local names of artifacts.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use tbx::safe_name;

/// Maximum length in bytes of a path among artifacts: systems allow 4096 bytes, which include the
/// path of the log directory.
const MAX_LEN: usize = 1024;

/// Local paths for files that are called `paths` in the tracker, with `/` between directories.
///
/// No name leaves the directory, and none is the name of an event file. If two files would be the
/// same on some system, or a file would be the directory of another, the second one gets a
/// different name.
pub(super) fn local<'p>(paths: impl IntoIterator<Item = &'p str>) -> Vec<String> {
    let plain: Vec<_> = paths.into_iter().map(encode).collect();
    let mut directories = HashSet::new();
    for path in &plain {
        let lower = path.to_lowercase();
        let ends = lower.match_indices('/').filter_map(|(at, _)| lower.get(..at));
        directories.extend(ends.map(str::to_owned));
    }
    let (mut taken, mut numbers) = (HashSet::new(), HashMap::new());
    let mut free = |path: String| {
        let mut found = path.clone();
        // Continues with the last number for the same path, so that many files with one name take
        // linear time.
        let number = numbers.entry(path.to_lowercase()).or_insert(1u64);
        loop {
            let lower = found.to_lowercase();
            if !directories.contains(&lower) && taken.insert(lower) {
                return found;
            }
            *number = number.saturating_add(1);
            // Encoding never produces `%~`.
            found = format!("{path}%~{number}");
        }
    };
    plain.into_iter().map(&mut free).collect()
}

fn encode(path: &str) -> String {
    let parts: Vec<_> = path.split('/').map(safe_name::encode).collect();
    let local = parts.join("/");
    if local.len() <= MAX_LEN {
        return local;
    }
    let name = parts.last().map_or("", String::as_str);
    format!("%~{:016x}/{name}", safe_name::hash(path))
}

/// Converts a local path to a path of the file system.
pub(super) fn path(local: &str) -> PathBuf {
    local.split('/').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_files_are_one_and_no_file_is_a_directory() {
        let long = "d/".repeat(2000);
        let (a, b) = (format!("{long}x"), format!("{long}/x"));
        let paths = [
            "x",
            "x/y",
            "X",
            "x/Y",
            "x/y/z",
            "a:b",
            "a%3ab",
            "tail.",
            "con",
            "a.tfevents.1",
            "",
            "../up",
            &a,
            &b,
            "x%~2",
        ];
        let local = local(paths);
        let expected = [
            "x%~2",
            "x/y%~2",
            "X%~3",
            "x/Y%~3",
            "x/y/z",
            "a%3ab",
            "a%253ab",
            "tail%2e",
            "%63on",
            "a.tfevent%73.1",
            "%",
            "%2e%2e/up",
        ];
        assert_eq!(local[..12], expected);
        assert!(local[12].len() < 100 && local[13].len() < 100 && local[12] != local[13]);
        let lower: HashSet<_> = local.iter().map(|path| path.to_lowercase()).collect();
        assert_eq!(lower.len(), local.len());
        for path in &local {
            assert!(!local.iter().any(|other| other.starts_with(&format!("{path}/"))), "{path}");
        }
    }

    #[test]
    fn many_files_of_one_name_are_numbered() {
        let names = local(["same", "SAME", "same"]);
        assert_eq!(names, ["same", "SAME%~2", "same%~3"]);
    }
}
