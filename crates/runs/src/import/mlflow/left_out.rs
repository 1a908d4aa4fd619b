//! Counts the data in MLflow that an import leaves out.

/// Objects of one kind that are not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Name of the kind, in the plural, such as `traces`.
    pub kind: String,
    /// Number of objects.
    pub count: u64,
    /// Whether there may be more.
    pub is_least: bool,
}

/// Adds `count` to the objects of a kind.
pub(in crate::import) fn count(all: &mut Vec<LeftOut>, kind: &str, count: u64, is_least: bool) {
    match all.iter_mut().find(|known| known.kind == kind) {
        Some(known) => {
            known.count = known.count.saturating_add(count);
            known.is_least |= is_least;
        }
        None if count > 0 => all.push(LeftOut { kind: kind.into(), count, is_least }),
        None => {}
    }
}
