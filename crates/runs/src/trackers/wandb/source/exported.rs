//! Runs that tbx exported: a file of the run has the metadata that it had, with everything that W&B has no place for.

use std::collections::HashSet;
use std::path::Path;

use tbx::error::{Effect, Issue, Location, Report};
use tbx::meta::RunMeta;
use tbx::store::{Root, is_missing};
use tbx::wandb::describe;
use tbx::wandb::offline::{FILES, META, PACKAGES, WALL_TIMES};

use crate::trackers::source::SourceFile;

/// Maximum size in bytes of the file.
const MAX_META: u64 = 16 << 20;

/// The metadata that the run in the directory `dir` had; `None` if it had none.
pub(super) fn meta(root: &Root, dir: &Path, report: &mut Report) -> Option<RunMeta> {
    let path = dir.join(FILES).join(META);
    let error = match root.read(&path, MAX_META) {
        Err(error) if is_missing(&error, &path) => return None,
        Err(error) => error.into(),
        Ok(bytes) => match RunMeta::from_json(&bytes) {
            Ok(meta) => return Some(meta),
            Err(error) => error,
        },
    };
    report.issues.push(Issue::new(error, Location::of(path), Effect::SkippedFile));
    None
}

/// Whether a file of such a run has only what the metadata and the series have, too.
pub(super) fn is_known(name: &str) -> bool {
    [META, PACKAGES, WALL_TIMES].contains(&name)
}

/// The metadata of a run that had `before`, with what its records say now.
pub(super) fn restored(mut before: RunMeta, now: RunMeta, files: &[SourceFile]) -> RunMeta {
    // Of files that are not there any more, nothing is known.
    let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    before.artifacts.retain(|artifact| names.contains(artifact.path.as_str()));
    if before.status.is_none_or(|status| !status.is_final()) {
        (before.status, before.end_time) = (now.status, now.end_time);
    }
    before
}

/// The console without the error at its end, which the metadata has.
pub(super) fn console(mut text: String, meta: &RunMeta) -> String {
    let error = describe::error_text(meta).unwrap_or_default();
    if let Some(rest) = text.strip_suffix(&error) {
        text.truncate(rest.len());
    }
    text
}
