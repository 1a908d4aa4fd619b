//! Writes events to the files of a run and of those below it.

use std::mem;
use std::path::PathBuf;

use super::names;
use super::output::OutFile;
use super::run::Pass;
use tbx::error::{Error, ErrorKind, Result};
use tbx::event::{Rewrite, ValueRewrite, rewrite};

/// A run that is being written.
pub(super) struct Sub {
    /// Its directory, as if it were in the logs.
    pub(super) path: PathBuf,
    pub(super) file: Option<OutFile>,
    pub(super) done: Vec<OutFile>,
    /// For each tag, whether its metadata is in the run, or in the last part of a split file.
    pub(super) described: Flags,
    /// For each tag, whether its metadata is in this file.
    pub(super) in_file: Flags,
    pub(super) parts: usize,
}

/// The decision about a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fate {
    pub(super) plan: usize,
    pub(super) sub: usize,
    pub(super) stays: bool,
    pub(super) metadata: MetadataFate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetadataFate {
    Same,
    /// The metadata is there already.
    Strip,
    /// The value that held the metadata is gone.
    Add,
    /// The value is a session start with changed parameters.
    Session,
}

impl Sub {
    pub(super) fn new(path: PathBuf) -> Self {
        let (described, in_file) = (Flags::default(), Flags::default());
        Self { path, file: None, done: Vec::new(), described, in_file, parts: 1 }
    }

    /// Completes the file, if there is one.
    pub(super) fn complete(&mut self) -> Result<()> {
        if let Some(mut file) = self.file.take() {
            file.complete()?;
            self.done.push(file);
        }
        self.in_file = Flags::default();
        Ok(())
    }
}

/// One bit per tag.
#[derive(Debug, Default)]
pub(super) struct Flags(Vec<bool>);

impl Flags {
    /// Sets the bit of tag `plan`. Returns whether it was set before.
    pub(super) fn set(&mut self, plan: usize) -> bool {
        if self.0.len() <= plan {
            self.0.resize(plan + 1, false);
        }
        self.0.get_mut(plan).is_some_and(|flag| mem::replace(flag, true))
    }
}

impl Pass<'_> {
    /// Writes an event, whose values are decided, to each run that one of them goes to.
    pub(super) fn summary(&mut self, record: &[u8], payload: &[u8], change: Rewrite) -> Result<()> {
        let mut fates = mem::take(&mut self.fates);
        for number in 0..self.subs.len() {
            let goes_here = |fate: &Fate| fate.stays && fate.sub == number;
            // An event without values goes to the run itself.
            let is_empty = number == 0 && fates.is_empty();
            if !is_empty && !fates.iter().any(goes_here) {
                continue;
            }
            self.make_room(number, record.len(), &fates)?;
            let Some(sub) = self.subs.get_mut(number) else { continue };
            let mut is_same = change == Rewrite::default();
            for fate in &mut fates {
                if !goes_here(fate) {
                    is_same = false;
                    continue;
                }
                let plan = self.tags.plans.get(fate.plan);
                let has_wire = plan.is_some_and(|plan| !plan.wire.is_empty());
                if has_wire {
                    let (known, in_file) =
                        (sub.described.set(fate.plan), sub.in_file.set(fate.plan));
                    fate.metadata = match fate.metadata {
                        MetadataFate::Add if known => MetadataFate::Same,
                        MetadataFate::Strip if !in_file => MetadataFate::Same,
                        fate => fate,
                    };
                }
                let renamed = plan.is_some_and(|plan| plan.target.is_some());
                is_same &= !renamed && fate.metadata == MetadataFate::Same;
            }
            if is_same {
                self.put(number, record, payload, Rewrite::default())?;
                continue;
            }
            let (plans, session) = (&self.tags.plans, &self.session);
            let value = |i: usize| {
                let Some(fate) = fates.get(i).filter(|fate| goes_here(fate)) else {
                    return ValueRewrite::Drop;
                };
                let plan = plans.get(fate.plan);
                let tag = plan.and_then(|plan| plan.target.as_deref());
                let metadata = match fate.metadata {
                    MetadataFate::Same => None,
                    MetadataFate::Strip => Some(&[][..]),
                    MetadataFate::Add => plan.map(|plan| &plan.wire[..]),
                    MetadataFate::Session => Some(&session[..]),
                };
                match (tag, metadata) {
                    (None, None) => ValueRewrite::Keep,
                    (tag, metadata) => ValueRewrite::Change { tag, metadata },
                }
            };
            let mut out = mem::take(&mut self.scratch);
            out.clear();
            rewrite(payload, change, value, &mut out).map_err(|e| ErrorKind::Proto(e.0))?;
            if let Some(file) = self.subs.get_mut(number).and_then(|sub| sub.file.as_mut()) {
                file.payload(&out)?;
            }
            self.scratch = out;
        }
        self.fates = fates;
        Ok(())
    }

    pub(super) fn rewritten(&self, payload: &[u8], change: Rewrite) -> Result<Vec<u8>> {
        if change == Rewrite::default() {
            return Ok(payload.to_vec());
        }
        let mut out = Vec::with_capacity(payload.len() + 16);
        rewrite(payload, change, |_| ValueRewrite::Keep, &mut out)
            .map_err(|malformed| ErrorKind::Proto(malformed.0))?;
        Ok(out)
    }

    /// Writes an event unchanged, or with `payload` if that differs.
    pub(super) fn put(
        &mut self,
        number: usize,
        record: &[u8],
        payload: &[u8],
        change: Rewrite,
    ) -> Result<()> {
        self.make_room(number, record.len(), &[])?;
        let file = self.subs.get_mut(number).and_then(|sub| sub.file.as_mut());
        match file {
            Some(file) if change == Rewrite::default() => file.record(record),
            Some(file) => file.payload(payload),
            None => Ok(()),
        }
    }

    /// Ensures that there is a file for an event of run `number`: a new one if the file would get
    /// too long.
    pub(super) fn make_room(&mut self, number: usize, len: usize, fates: &[Fate]) -> Result<()> {
        let Some(sub) = self.subs.get(number) else { return Ok(()) };
        let Some(file) = &sub.file else { return self.open(number) };
        let Some(most) = self.edit.max_file_bytes else { return Ok(()) };
        // Maximum growth from renaming, metadata and new lengths.
        let more = fates.iter().filter_map(|fate| self.tags.plans.get(fate.plan));
        let more = more.map(|plan| {
            plan.wire.len() + plan.target.as_ref().map_or(0, |target| target.len()) + 32
        });
        let len = u64::try_from(len + more.sum::<usize>()).unwrap_or(u64::MAX);
        let has_more = file.events > u64::from(self.version.is_some());
        if !has_more || file.bytes.saturating_add(len) <= most {
            return Ok(());
        }
        if let Some(sub) = self.subs.get_mut(number) {
            sub.complete()?;
            sub.parts += 1;
            sub.described = Flags::default();
        }
        self.open(number)
    }

    /// Starts a file of run `number`.
    pub(super) fn open(&mut self, number: usize) -> Result<()> {
        let Some(sub) = self.subs.get_mut(number) else { return Ok(()) };
        let name = match sub.parts {
            1 => self.base.clone(),
            n => names::part(&self.base, n),
        };
        let is_part = sub.parts > 1;
        let exists = number == 0 && self.run.files.contains(&sub.path.join(&name));
        if is_part && exists && !self.merges {
            let what = "its files were split before; also merge them";
            return Err(Error::argument(format!("run {:?}: {what}", self.run.name)));
        }
        let mut file = self.outputs.file(&sub.path, &name, exists)?;
        if number > 0 || is_part {
            // A separate file begins like the original.
            if let Some((_, version)) = &self.version {
                file.payload(version)?;
            }
        }
        if number > 0 && !is_part {
            self.starts.iter().try_for_each(|start| file.payload(start))?;
        }
        sub.file = Some(file);
        Ok(())
    }
}
