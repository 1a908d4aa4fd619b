//! Decides which existing values an export may change: only those that are unchanged since tbx
//! wrote them.
//!
//! People rename runs, mark them as failed and write notes in MLflow's pages. So tbx keeps a digest
//! of each value that it writes, in tags of the same object. If the digest no longer matches,
//! somebody has changed the value.

use std::collections::{BTreeMap, BTreeSet};

use crate::trackers::mlflow::{MAX_TAG, Tags, tags};
use tbx::safe_name::hash;

/// Number of hex digits of the digest of a field's name, and of its value.
const FIELD: usize = 12;
const VALUE: usize = 8;
/// Maximum number of digests per tag.
const IN_TAG: usize = MAX_TAG / (FIELD + VALUE);

/// Digests of the values that tbx wrote last, by digests of the fields' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent(BTreeMap<String, String>);

impl Sent {
    /// Reads the digests from an object's tags.
    fn read(tags: &Tags) -> Self {
        let mut all = BTreeMap::new();
        for (_, text) in tags.iter().filter(|(name, _)| is_sent(name)) {
            let mut rest = text.as_str();
            while let Some((entry, more)) = rest.split_at_checked(FIELD + VALUE) {
                if let Some((field, value)) = entry.split_at_checked(FIELD) {
                    all.insert(field.to_owned(), value.to_owned());
                }
                rest = more;
            }
        }
        Self(all)
    }

    fn tags(&self) -> Tags {
        let entries: Vec<_> =
            self.0.iter().map(|(field, value)| format!("{field}{value}")).collect();
        let name = |i: usize| match i {
            0 => tags::SENT.to_owned(),
            i => format!("{}.{i}", tags::SENT),
        };
        let chunks = entries.chunks(IN_TAG).enumerate();
        chunks.map(|(i, chunk)| (name(i), chunk.concat())).collect()
    }
}

/// Whether a tag of this name contains digests.
pub(super) fn is_sent(name: &str) -> bool {
    let rest = name.strip_prefix(tags::SENT);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn field_digest(field: &str) -> String {
    format!("{:012x}", hash(field) & 0xffff_ffff_ffff)
}

fn value_digest(value: &str) -> String {
    format!("{:08x}", hash(value) & 0xffff_ffff)
}

/// A value that somebody changed in MLflow and that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) field: String,
    pub(super) here: Option<String>,
    pub(super) there: Option<String>,
}

/// The change of a value in MLflow: its new value, or `None` to remove it.
pub(super) type Change = Option<String>;

/// Compares local values with those in MLflow, field by field.
#[derive(Debug, Clone, Default)]
pub(super) struct Merge {
    /// The values that tbx wrote last. Unknown for an export by the first releases.
    was: Sent,
    /// The values that tbx wrote last, once all changes are made.
    now: Sent,
    overwrite: bool,
    pub(super) kept: Vec<Kept>,
}

impl Merge {
    /// Compares with an object that has these tags.
    pub(super) fn with(tags: &Tags, overwrite: bool) -> Self {
        let was = Sent::read(tags);
        Self { now: was.clone(), was, overwrite, kept: Vec::new() }
    }

    /// Records that tbx has just written this value.
    pub(super) fn wrote(&mut self, field: &str, value: &str) {
        self.now.0.insert(field_digest(field), value_digest(value));
        self.was.0.insert(field_digest(field), value_digest(value));
    }

    /// The change of a field; `None` if it stays the same.
    pub(super) fn field(
        &mut self,
        field: &str,
        here: Option<&str>,
        there: Option<&str>,
    ) -> Option<Change> {
        let digest = field_digest(field);
        let was = self.was.0.get(&digest).cloned();
        let is_ours = |value: &str| was.as_ref() == Some(&value_digest(value));
        match (here, there) {
            (Some(here), Some(there)) if here == there => {
                self.now.0.insert(digest, value_digest(here));
                None
            }
            // It was exported, and somebody removed it.
            (Some(_), None) if was.is_some() && !self.overwrite => self.keep(field, here, there),
            (Some(_), Some(there)) if !is_ours(there) && !self.overwrite => {
                self.keep(field, here, Some(there))
            }
            (Some(here), _) => {
                self.now.0.insert(digest, value_digest(here));
                Some(Some(here.to_owned()))
            }
            (None, Some(there)) if is_ours(there) => {
                self.now.0.remove(&digest);
                Some(None)
            }
            (None, None) => {
                self.now.0.remove(&digest);
                None
            }
            // Created by somebody else.
            (None, Some(_)) => None,
        }
    }

    fn keep(&mut self, field: &str, here: Option<&str>, there: Option<&str>) -> Option<Change> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        self.kept.push(Kept { field: field.to_owned(), here: own(here), there: own(there) });
        None
    }

    /// The changes of tags. Tags that are internal to tbx always get their local values, except
    /// those that record the progress of an export.
    pub(super) fn tags(&mut self, here: &Tags, there: &Tags) -> BTreeMap<String, Change> {
        let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
        let mut changes = BTreeMap::new();
        for name in names.into_iter().filter(|name| !is_progress(name)) {
            let (here, there) = (here.get(name), there.get(name));
            let change = match tags::is_hidden(name) || tags::renamed(name).is_some() {
                true => (here != there).then(|| here.cloned()),
                false => {
                    let field = format!("tag {name}");
                    self.field(&field, here.map(String::as_str), there.map(String::as_str))
                }
            };
            changes.extend(change.map(|change| (name.clone(), change)));
        }
        changes
    }

    /// The changes of the tags that contain the digests, for an object that has these tags.
    pub(super) fn digests(&self, there: &Tags) -> BTreeMap<String, Change> {
        let new = self.now.tags();
        let gone = there.keys().filter(|name| is_sent(name) && !new.contains_key(*name));
        let gone: Vec<_> = gone.map(|name| (name.clone(), None)).collect();
        let changed = new.into_iter().filter(|(name, value)| there.get(name) != Some(value));
        changed.map(|(name, value)| (name, Some(value))).chain(gone).collect()
    }
}

/// Whether a tag records the progress of an export.
fn is_progress(name: &str) -> bool {
    is_sent(name) || [tags::CLAIM, tags::MODELS, tags::EXPERIMENT].contains(&name)
}

impl Kept {
    /// A message with the value in MLflow and the local value.
    pub(super) fn text(&self) -> String {
        const MAX_SHOWN: usize = 60;
        let shown = |value: &Option<String>| match value {
            None => "missing".to_owned(),
            Some(text) if text.chars().count() > MAX_SHOWN => {
                format!("{:?}...", text.chars().take(MAX_SHOWN).collect::<String>())
            }
            Some(text) => format!("{text:?}"),
        };
        let field = &self.field;
        format!(
            "{field} is {} in MLflow and stays unchanged; in the logs it is {}",
            shown(&self.there),
            shown(&self.here)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags_of(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// The change of a field that tbx wrote as `was`, that is now `there` in MLflow, and `here` in
    /// the logs.
    fn merged(
        was: Option<&str>,
        here: Option<&str>,
        there: Option<&str>,
    ) -> (Option<Change>, usize) {
        let mut first = Merge::default();
        if let Some(was) = was {
            first.wrote("f", was);
        }
        first.wrote("other", "x");
        let mut merge = Merge::with(&first.now.tags(), false);
        (merge.field("f", here, there), merge.kept.len())
    }

    #[test]
    fn only_what_is_as_tbx_left_it_changes() {
        let set = |text: &str| Some(Some(text.to_owned()));
        // A local change is exported.
        assert_eq!(merged(Some("a"), Some("b"), Some("a")), (set("b"), 0));
        assert_eq!(merged(Some("a"), None, Some("a")), (Some(None), 0));
        assert_eq!(merged(None, Some("b"), None), (set("b"), 0));
        assert_eq!(merged(Some("a"), Some("a"), Some("a")), (None, 0));
        assert_eq!(merged(Some("a"), Some("b"), Some("b")), (None, 0));
        // A change in MLflow is kept, whether or not the local value changed.
        assert_eq!(merged(Some("a"), Some("a"), Some("theirs")), (None, 1));
        assert_eq!(merged(Some("a"), Some("b"), Some("theirs")), (None, 1));
        assert_eq!(merged(Some("a"), Some("a"), None), (None, 1));
        assert_eq!(merged(Some("a"), None, Some("theirs")), (None, 0));
        assert_eq!(merged(None, Some("b"), Some("theirs")), (None, 1));
        assert_eq!(merged(None, None, Some("theirs")), (None, 0));
        assert_eq!(merged(Some("a"), None, None), (None, 0));
    }

    #[test]
    fn what_stays_is_known_as_theirs_until_it_is_overwritten() {
        let mut first = Merge::default();
        first.wrote("f", "a");
        let mut second = Merge::with(&first.now.tags(), false);
        assert_eq!(second.field("f", Some("a"), Some("theirs")), None);
        let mut third = Merge::with(&second.now.tags(), true);
        let change = third.field("f", Some("a"), Some("theirs"));
        assert_eq!((change, third.kept.len()), (Some(Some("a".into())), 0));
        let mut fourth = Merge::with(&third.now.tags(), false);
        assert_eq!(fourth.field("f", Some("b"), Some("a")), Some(Some("b".into())));
        // After an export by the first releases, nothing is known.
        let mut unknown = Merge::with(&Tags::new(), false);
        assert_eq!(unknown.field("f", Some("b"), Some("a")), None);
        assert_eq!(unknown.kept.len(), 1);
        assert_eq!(
            unknown.kept[0].text(),
            "f is \"a\" in MLflow and stays unchanged; in the logs it is \"b\""
        );
        assert_eq!(unknown.field("g", Some("b"), None), Some(Some("b".into())));
    }

    #[test]
    fn digests_of_many_values_take_several_tags_and_shrink_again() {
        let mut merge = Merge::default();
        for i in 0..1000 {
            merge.wrote(&format!("tag {i}"), "x");
        }
        let there = merge.now.tags();
        assert_eq!(there.len(), 3);
        assert!(there.values().all(|value| value.chars().count() <= MAX_TAG));
        assert_eq!(Sent::read(&there), merge.now);
        let mut less = Merge::with(&there, false);
        for i in 10..1000 {
            less.field(&format!("tag {i}"), None, None);
        }
        let changes = less.digests(&there);
        let gone: Vec<_> = changes.iter().filter(|(_, change)| change.is_none()).collect();
        assert_eq!((changes.len(), gone.len()), (3, 2));
    }

    #[test]
    fn tags_that_tbx_keeps_for_itself_are_always_sent() {
        let here = tags_of(&[(tags::MISSING, "seeds"), ("team", "a")]);
        let there = tags_of(&[(tags::MISSING, "params"), (tags::RUN, "x"), ("team", "b")]);
        let mut merge = Merge::with(&there, false);
        let changes = merge.tags(&here, &there);
        let expected =
            [(tags::MISSING.to_owned(), Some("seeds".to_owned())), (tags::RUN.to_owned(), None)];
        assert_eq!(changes, expected.into());
        assert_eq!(merge.kept[0].field, "tag team");
    }
}
