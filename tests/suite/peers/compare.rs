//! Compares the output of two programs.

use std::collections::BTreeSet;

use super::cases::Written;
use super::document::ABSENT;
use super::fields::{self, Fields, Item};

/// A field, the peer's value and that of tbx.
pub(super) type Found = (String, String, String);

pub(super) fn compare(theirs: &Written, ours: &Written) -> Vec<Found> {
    let mut found = Vec::new();
    for (theirs, ours) in pairs(items(theirs), items(ours)) {
        match (theirs, ours) {
            (Some(theirs), Some(ours)) => compare_fields(&theirs.fields, &ours.fields, &mut found),
            (theirs, ours) => {
                let [theirs, ours] =
                    [theirs, ours].map(|item| item.map_or(ABSENT.into(), |item| item.name));
                found.push(("event".into(), theirs, ours));
            }
        }
    }
    let files = |written: &Written| -> Fields {
        written.files.iter().flat_map(|(path, content)| fields::file(path, content)).collect()
    };
    compare_fields(&files(theirs), &files(ours), &mut found);
    found
}

fn items(written: &Written) -> Vec<Item> {
    written.runs.iter().flat_map(|(run, events)| fields::items(run, events)).collect()
}

/// Pairs items with the same tag, form and step, otherwise tag and form, otherwise tag. Remaining
/// items are paired in order if both sides have the same number.
fn pairs(theirs: Vec<Item>, mut ours: Vec<Item>) -> Vec<(Option<Item>, Option<Item>)> {
    let mut left = theirs;
    let mut pairs = Vec::new();
    for alike in [Item::is_of_step, Item::is_of_form, Item::is_named] {
        for item in std::mem::take(&mut left) {
            match ours.iter().position(|other| alike(&item, other)) {
                Some(place) => pairs.push((Some(item), Some(ours.remove(place)))),
                None => left.push(item),
            }
        }
    }
    if left.len() == ours.len() {
        pairs.extend(left.into_iter().map(Some).zip(ours.into_iter().map(Some)));
    } else {
        pairs.extend(left.into_iter().map(|item| (Some(item), None)));
        pairs.extend(ours.into_iter().map(|item| (None, Some(item))));
    }
    pairs
}

impl Item {
    fn is_named(&self, other: &Self) -> bool {
        self.name == other.name
    }

    fn is_of_form(&self, other: &Self) -> bool {
        self.is_named(other) && self.form == other.form
    }

    fn is_of_step(&self, other: &Self) -> bool {
        self.is_of_form(other) && self.fields.get("step") == other.fields.get("step")
    }
}

fn compare_fields(theirs: &Fields, ours: &Fields, found: &mut Vec<Found>) {
    let paths: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    for path in paths {
        let [theirs, ours] =
            [theirs, ours].map(|fields| fields.get(path).map_or(ABSENT, String::as_str));
        if theirs != ours {
            found.push((general(path), theirs.into(), ours.into()));
        }
    }
}

/// The path without element indices and map keys.
fn general(path: &str) -> String {
    let mut general = String::new();
    let mut depth = 0;
    for c in path.chars() {
        depth -= i32::from(c == ']');
        if depth == 0 {
            general.push(c);
        }
        depth += i32::from(c == '[');
    }
    general
}
