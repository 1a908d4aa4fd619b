//! Locates files that MLflow names by URI.

use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::reader::below;
use super::{Files, MODEL, issue};
use crate::trackers::mlflow::LoggedModelRecord;
use crate::trackers::source::SourceFile;
use tbx::error::{Effect, ErrorKind, Report};
use tbx::store::{Links, Root};

/// Maximum number of files per run.
const MAX_FILES: usize = 1_000_000;

/// The path of a `file:` URL.
pub(super) fn file_url(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("file:")?;
    let path = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//")).unwrap_or(rest);
    Some(PathBuf::from(percent_decode_str(path).decode_utf8_lossy().into_owned()))
}

/// The directory that MLflow means by `uri`, if it is on this machine.
///
/// It must end in `<id>/artifacts`, as MLflow's own directories do: a store from an untrusted
/// source could otherwise name any directory of this machine, and its files would be copied. A
/// directory that moved together with `base`, which contains the store, is found there.
pub(super) fn folder(uri: &str, base: &Path, id: &str, links: Links) -> Option<(Root, PathBuf)> {
    let proxied = uri.strip_prefix("mlflow-artifacts:");
    let path = match proxied {
        Some(rest) => {
            let decoded = percent_decode_str(rest).decode_utf8_lossy().into_owned();
            // Without the optional server name.
            let path = decoded.strip_prefix("//").map_or(decoded.clone(), |rest| {
                rest.split_once('/').map_or_else(String::new, |(_, path)| path.to_owned())
            });
            PathBuf::from(path.trim_start_matches('/'))
        }
        None if uri.contains("://") && !uri.starts_with("file:") => return None,
        None => file_url(uri).unwrap_or_else(|| PathBuf::from(uri)),
    };
    let parts: Vec<_> = path.components().collect();
    let is_clean = !parts.iter().any(|part| matches!(part, Component::ParentDir));
    let ends = [Component::Normal(id.as_ref()), Component::Normal("artifacts".as_ref())];
    if !is_clean || id.is_empty() || !parts.ends_with(&ends) {
        return None;
    }
    // A link there must not lead anywhere else.
    let real = |path: PathBuf| {
        let root = Root::new(&path, links).ok().filter(|_| path.is_dir())?;
        let is_of_run =
            root.path().is_some_and(|path| path.components().collect::<Vec<_>>().ends_with(&ends));
        (is_of_run || links == Links::All).then_some((root, path))
    };
    if proxied.is_none() {
        let there = base.join(&path); // this is `path` if `path` is absolute
        if let Some(found) = real(there) {
            return Some(found);
        }
    }
    // `<experiment>/<run>/artifacts`, or with `models` before the id of a model.
    let tail = |n: usize| parts.iter().skip(parts.len().saturating_sub(n)).collect::<PathBuf>();
    let roots = ["mlartifacts", "mlruns", "."].map(|name| base.join(name));
    let found = roots.iter().flat_map(|root| [4, 3].map(|n| root.join(tail(n))));
    found.into_iter().find_map(real)
}

/// Whether the directory for the files of all experiments exists. MLflow creates the directory of a
/// run in it with the run's first file.
pub(super) fn is_reachable(uri: &str, base: &Path) -> bool {
    let is_proxied = uri.starts_with("mlflow-artifacts:");
    let path = file_url(uri).unwrap_or_else(|| PathBuf::from(uri));
    // `<experiment>/<run>/artifacts`
    let above = base.join(path);
    let is_there = !is_proxied && above.ancestors().nth(3).is_some_and(Path::is_dir);
    is_there || ["mlartifacts", "mlruns"].iter().any(|name| base.join(name).is_dir())
}

/// Adds the files below `folder` that are in `root`, with `prefix` before their paths.
pub(super) fn list(
    root: &Root,
    folder: &Path,
    prefix: &str,
    model: Option<&str>,
    files: &mut Files,
    report: &mut Report,
) {
    for path in below(root, folder, report) {
        if files.files.len() >= MAX_FILES {
            let what = format!("it has more than {MAX_FILES} files");
            return issue(report, folder, ErrorKind::Value(what), Effect::SkippedFile);
        }
        let relative = path.strip_prefix(folder).unwrap_or(&path);
        if relative.to_str().is_none() {
            issue(report, &path, ErrorKind::NameNotUtf8, Effect::Kept);
        }
        let names: Vec<_> = relative.iter().map(|name| name.to_string_lossy()).collect();
        let mut file = SourceFile::local(format!("{prefix}{}", names.join("/")), root, path);
        if let Some(id) = model {
            file.kind = Some(MODEL.to_owned());
            file.facts.insert(MODEL.to_owned(), id.into());
        }
        files.files.push(file);
    }
}

/// Adds the files of a logged model, with `prefix` before their paths.
pub(super) fn list_model(
    model: &LoggedModelRecord,
    base: &Path,
    links: Links,
    prefix: &str,
    files: &mut Files,
    report: &mut Report,
) {
    match folder(&model.location, base, &model.id, links) {
        Some((root, found)) => list(&root, &found, prefix, Some(&model.id), files, report),
        None if is_reachable(&model.location, base) => {} // the model has no files
        None => files.elsewhere.push(model.location.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_folders_of_mlflows_form_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        let of_run = base.join("mlruns/1/abc/artifacts");
        fs::create_dir_all(&of_run).unwrap();
        fs::create_dir_all(base.join("mlartifacts/2/abc/artifacts")).unwrap();
        fs::create_dir_all(base.join("secret")).unwrap();
        let found = |uri: &str| folder(uri, base, "abc", Links::Inside).map(|(_, path)| path);
        assert_eq!(found(&of_run.to_string_lossy()).as_ref(), Some(&of_run));
        assert_eq!(found(&format!("file://{}", of_run.display())).as_ref(), Some(&of_run));
        assert_eq!(found("./mlruns/1/abc/artifacts"), Some(base.join("./mlruns/1/abc/artifacts")));
        // It was somewhere else when it was written.
        assert_eq!(found("/home/me/mlruns/1/abc/artifacts").as_ref(), Some(&of_run));
        let proxied = base.join("mlartifacts/2/abc/artifacts");
        assert_eq!(found("mlflow-artifacts:/2/abc/artifacts").as_ref(), Some(&proxied));
        assert_eq!(found("mlflow-artifacts://host:1/2/abc/artifacts").as_ref(), Some(&proxied));
        let secret = base.join("secret");
        for uri in [
            &*secret.to_string_lossy(),
            "/",
            "",
            "s3://bucket/1/abc/artifacts",
            "/etc/../abc/artifacts",
            "mlflow-artifacts:/../1/abc/artifacts",
        ] {
            assert_eq!(found(uri), None, "{uri}");
        }
    }
}
