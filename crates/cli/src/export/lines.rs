//! Lines about names that changed and series that were left out, for exports to trackers.

use std::collections::BTreeMap;

use crate::render::{counted, name};
use tbx::summary::Kind;

/// Maximum number of names that are shown.
const MAX_NAMES: usize = 3;

/// Names that had to change, if there are any; `why` completes the sentence.
pub(super) fn renamed(names: &BTreeMap<String, String>, why: &str) -> Option<String> {
    let some = names.iter().take(MAX_NAMES);
    let some: Vec<_> = some.map(|(new, old)| format!("{} as {}", name(old), name(new))).collect();
    let more = if names.len() > MAX_NAMES { ", ..." } else { "" };
    let count = counted(names.len(), "name");
    (!names.is_empty()).then(|| format!("{count} {why}: {}{more}", some.join(", ")))
}

/// Series that were left out, by kind, if there are any; `why` completes the sentence.
pub(super) fn left_out(series: &BTreeMap<Kind, u64>, why: &str) -> Option<String> {
    let kinds: Vec<_> = series.iter().map(|(kind, n)| format!("{n} {}", kind.name())).collect();
    (!kinds.is_empty()).then(|| format!("series {why}: {}", kinds.join(", ")))
}
