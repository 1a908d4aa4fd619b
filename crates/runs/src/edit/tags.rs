//! The changes to each tag of a run.

use std::collections::HashMap;

use super::Edit;
use super::report::TagChange;
use super::select::Selections;
use tbx::error::{Error, Result};
use tbx::safe_name;
use tbx::summary::graph::RUN_GRAPH_TAG;

/// The changes to a tag.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) tag: Box<str>,
    pub(super) is_kept: bool,
    /// The index of the run that it moves to: 0 for this one, otherwise one below it.
    pub(super) sub: usize,
    /// Its new name, if it has one.
    pub(super) target: Option<Box<str>>,
    /// Its first metadata, as encoded; empty if there is none.
    pub(super) wire: Vec<u8>,
    /// Which of its values are kept; `None` if all are.
    selection: Option<Vec<bool>>,
    values: usize,
    left: u64,
}

impl Plan {
    /// Whether the next value is kept.
    #[inline]
    pub(super) fn next(&mut self) -> bool {
        let selected = self.selection.as_ref();
        let stays = self.is_kept
            && selected.is_none_or(|all| all.get(self.values).copied().unwrap_or(true));
        self.values += 1;
        self.left += u64::from(stays);
        stays
    }
}

/// The tags of a run.
#[derive(Debug)]
pub(super) struct Tags<'e> {
    edit: &'e Edit,
    run: &'e str,
    selections: Selections,
    pub(super) plans: Vec<Plan>,
    by_tag: HashMap<Box<str>, usize>,
    /// The tag that uses a name, by run and name.
    taken: HashMap<(usize, Box<str>), usize>,
    /// Names of the runs below this one; the first is empty and means this one.
    pub(super) subs: Vec<String>,
    last: usize,
    /// The tag that followed each tag last time.
    followers: Vec<usize>,
}

impl<'e> Tags<'e> {
    pub(super) fn new(edit: &'e Edit, run: &'e str, selections: Selections) -> Self {
        Self {
            edit,
            run,
            selections,
            plans: Vec::new(),
            by_tag: HashMap::new(),
            taken: HashMap::new(),
            subs: vec![String::new()],
            last: 0,
            followers: Vec::new(),
        }
    }

    /// The index of `tag`.
    #[inline]
    pub(super) fn find(&mut self, tag: &str) -> Result<usize> {
        let guess = self.followers.get(self.last).copied();
        if let Some(guess) = guess
            && self.plans.get(guess).is_some_and(|plan| *plan.tag == *tag)
        {
            self.last = guess;
            return Ok(guess);
        }
        let found = match self.by_tag.get(tag) {
            Some(found) => *found,
            None => self.add(tag)?,
        };
        if let Some(follower) = self.followers.get_mut(self.last) {
            *follower = found;
        }
        self.last = found;
        Ok(found)
    }

    fn add(&mut self, tag: &str) -> Result<usize> {
        let number = self.plans.len();
        let is_kept = self.edit.wants_tag(tag);
        let sub = if is_kept { self.sub(tag) } else { 0 };
        let target = renamed(self.edit, tag).filter(|_| is_kept && tag != RUN_GRAPH_TAG);
        if is_kept {
            let name: Box<str> = target.as_deref().unwrap_or(tag).into();
            if let Some(other) = self.taken.insert((sub, name.clone()), number) {
                let other = self.plans.get(other).map_or("", |plan| &plan.tag);
                return Err(Error::argument(format!(
                    "run {:?}: tags {other:?} and {tag:?} would both be called {name:?}",
                    self.run
                )));
            }
        }
        self.by_tag.insert(tag.into(), number);
        self.followers.push(0);
        self.plans.push(Plan {
            tag: tag.into(),
            is_kept,
            sub,
            target,
            wire: Vec::new(),
            selection: self.selections.remove(tag),
            values: 0,
            left: 0,
        });
        Ok(number)
    }

    /// The index of the run that `tag` moves to.
    fn sub(&mut self, tag: &str) -> usize {
        let mut name = String::new();
        for (regex, template) in &self.edit.sub_runs {
            if let Some(groups) = regex.captures(tag) {
                groups.expand(template, &mut name);
                break;
            }
        }
        // Whatever the tag contains, the run stays below this one.
        let parts = name.split('/').filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.map(safe_name::encode).collect();
        let name = parts.join("/");
        match self.subs.iter().position(|sub| *sub == name) {
            Some(found) => found,
            None => {
                self.subs.push(name);
                self.subs.len() - 1
            }
        }
    }

    /// The tags that changed.
    pub(super) fn changes(self) -> impl Iterator<Item = TagChange> {
        let (run, subs) = (self.run.to_owned(), self.subs);
        self.plans.into_iter().filter_map(move |plan| {
            let values = u64::try_from(plan.values).unwrap_or(u64::MAX);
            let is_same = plan.target.is_none() && plan.sub == 0 && plan.left == values;
            (!is_same).then(|| TagChange {
                run: run.clone(),
                tag: plan.tag.into(),
                new_tag: plan.target.map(String::from),
                sub_run: subs.get(plan.sub).filter(|name| !name.is_empty()).cloned(),
                values,
                left: plan.left,
            })
        })
    }
}

/// The new name of `tag`, if it is renamed.
fn renamed(edit: &Edit, tag: &str) -> Option<Box<str>> {
    let mut name = tag.to_owned();
    for (regex, replacement) in &edit.renames {
        name = regex.replace_all(&name, replacement.as_str()).into_owned();
    }
    (name != tag).then(|| name.into())
}
