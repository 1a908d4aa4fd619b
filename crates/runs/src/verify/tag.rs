//! State of a series while its file is read.

use std::collections::HashMap;

use super::Rule;
use super::finding::{Place, Tallies};
use tbx::event::PeekScalar;
use tbx::summary::{Kind, Metadata};

/// The series of a file, or of a part of it.
#[derive(Debug, Default)]
pub(super) struct Tags {
    pub(super) all: Vec<Tag>,
    by_name: HashMap<Box<str>, usize>,
    /// The series of the last value: programs usually log their tags in the same order each time.
    last: usize,
}

impl Tags {
    /// Index of the series that is expected next.
    #[inline]
    pub(super) fn expected(&self) -> Option<usize> {
        self.all.get(self.last).map(|last| last.follower)
    }

    /// Index of the series `name`, which is created if it is new.
    #[inline]
    pub(super) fn find(&mut self, name: &str) -> usize {
        let expected = self.expected();
        if let Some(i) = expected.filter(|i| self.all.get(*i).is_some_and(|t| *t.name == *name)) {
            self.last = i;
            return i;
        }
        let found = match self.by_name.get(name) {
            Some(found) => *found,
            None => {
                self.by_name.insert(name.into(), self.all.len());
                self.all.push(Tag::new(name));
                self.all.len() - 1
            }
        };
        if let Some(last) = self.all.get_mut(self.last) {
            last.follower = found;
        }
        self.last = found;
        found
    }

    /// Advances to the series of the expected value.
    #[inline]
    pub(super) fn advance(&mut self, to: usize) {
        self.last = to;
    }

    /// The same series with their metadata, before their first values.
    pub(super) fn described(&self) -> Self {
        let mut tags = Self::default();
        for tag in &self.all {
            let i = tags.find(&tag.name);
            if let Some(new) = tags.all.get_mut(i) {
                new.kind = tag.kind;
                new.metadata.clone_from(&tag.metadata);
                new.wire.clone_from(&tag.wire);
            }
        }
        tags
    }
}

/// One series.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: Box<str>,
    /// The series of the value that followed this one's last time.
    follower: usize,
    /// The kind of its values, if known.
    pub(super) kind: Option<Kind>,
    /// The metadata of the first value that has any, or that is of a v1 form.
    pub(super) metadata: Option<Metadata>,
    /// The first metadata as encoded; empty if there is none.
    pub(super) wire: Vec<u8>,
    /// The place of the first metadata, if it is in this file or part.
    pub(super) described: Option<Place>,
    /// The last metadata that differs from the first.
    pub(super) other_wire: Vec<u8>,
    pub(super) first: Option<First>,
    /// Number of values that have no metadata although only metadata could give their kind.
    pub(super) bare: u64,
    /// The place of its first value with a step that counts.
    pub(super) first_step: Option<Place>,
    /// The kinds of its values, each with its first place and the number of values.
    pub(super) kinds: Vec<(KindName, Place, u64)>,
    pub(super) steps: Steps,
    pub(super) tallies: Tallies,
}

/// A kind; for tensors of plugins, the plugin's name.
pub(super) type KindName = (Kind, Box<str>);

/// The first value of a series.
#[derive(Debug, Clone, Copy)]
pub(super) struct First {
    pub(super) place: Place,
    /// Whether only metadata could give its kind, and it has none.
    pub(super) is_bare: bool,
    /// Whether it has no payload either.
    pub(super) is_empty: bool,
}

/// The steps of a series.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steps {
    pub(super) count: u64,
    /// The last step, or a lower one if a `START` dropped that.
    pub(super) last: i64,
    pub(super) not_zero: bool,
    /// Whether a step occurred twice in one file.
    pub(super) repeats: bool,
    /// The lowest step of a `START` before its first value in this file or part.
    pub(super) start_before: Option<i64>,
    /// Number of `START`s before the last value.
    epoch: usize,
    /// The first and the last number, as bits; `None` if the value is not a number.
    first_bits: Option<u64>,
    last_bits: Option<u64>,
}

impl Tag {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            follower: 0,
            kind: None,
            metadata: None,
            wire: Vec::new(),
            described: None,
            other_wire: Vec::new(),
            first: None,
            bare: 0,
            first_step: None,
            kinds: Vec::new(),
            steps: Steps::default(),
            tallies: Tallies::default(),
        }
    }

    /// Whether `scalar`, of tag `name`, continues the scalars of this series in a form that needs
    /// no further check.
    #[inline]
    pub(super) fn takes(&self, name: &[u8], scalar: &PeekScalar<'_>) -> bool {
        let described = match scalar.metadata {
            None => !scalar.is_v2 || !self.wire.is_empty(),
            Some(wire) => wire == self.wire,
        };
        // With more than one kind, each kind has its own count.
        described
            && self.kind == Some(Kind::Scalar)
            && self.kinds.len() == 1
            && name == self.name.as_bytes()
    }

    /// Records a value's step. `bits` are the bits of its number, if it is one; `starts` the steps
    /// of the `START`s so far.
    #[inline]
    pub(super) fn step(&mut self, place: Place, bits: Option<u64>, starts: &[i64]) {
        let steps = &mut self.steps;
        if steps.epoch != starts.len() {
            steps.restart(starts);
        }
        let step = place.step;
        if steps.count == 0 {
            self.first_step = Some(place);
            steps.first_bits = bits;
        } else if step <= steps.last {
            steps.repeats |= step == steps.last;
            // If the number is the same at the same step, nothing is lost.
            if step < steps.last || bits.is_none() || bits != steps.last_bits {
                Steps::note(place, steps.last, &mut self.tallies);
            }
        }
        steps.count += 1;
        steps.last = step;
        steps.not_zero |= step != 0;
        steps.last_bits = bits;
    }

    /// Counts a value of this kind.
    #[inline]
    pub(super) fn count_kind(&mut self, kind: Kind, plugin: &str, place: Place) {
        let same = |(seen, _, _): &&mut (KindName, Place, u64)| {
            seen.0 == kind && (kind != Kind::Tensor || *seen.1 == *plugin)
        };
        match self.kinds.iter_mut().find(same) {
            Some((_, _, count)) => *count += 1,
            None => self.kinds.push(((kind, plugin.into()), place, 1)),
        }
    }
}

impl Steps {
    /// Applies the `START`s since the last value.
    #[cold]
    fn restart(&mut self, starts: &[i64]) {
        let lowest = self.start_after(starts);
        self.epoch = starts.len();
        match lowest {
            Some(lowest) if self.count > 0 => {
                self.last = self.last.min(lowest.saturating_sub(1));
            }
            lowest => self.start_before = lowest,
        }
    }

    /// The lowest step of a `START` after the last value, if there is one.
    pub(super) fn start_after(&self, starts: &[i64]) -> Option<i64> {
        starts.get(self.epoch..).unwrap_or(&[]).iter().copied().min()
    }

    /// Notes that a value at `place` does not come after step `last`.
    #[cold]
    pub(super) fn note(place: Place, last: i64, tallies: &mut Tallies) {
        let step = place.step;
        if step < last {
            tallies.note(Rule::StepsBack, place, || format!("step {step} comes after step {last}"));
        } else {
            tallies.note(Rule::StepsRepeat, place, String::new);
        }
    }

    /// The last step that counts before the first value of `later`, after the `START`s in `starts`;
    /// `None` if there is no value.
    pub(super) fn meet(&mut self, later: &Self, starts: &[i64]) -> Option<i64> {
        if self.epoch != starts.len() {
            self.restart(starts);
        }
        if let Some(lowest) = later.start_before {
            self.last = self.last.min(lowest.saturating_sub(1));
        }
        (self.count > 0).then_some(self.last)
    }

    /// Whether the first number of `later` equals the last one here.
    pub(super) fn is_same_number(&self, later: &Self) -> bool {
        later.first_bits.is_some() && later.first_bits == self.last_bits
    }

    /// Appends the steps that follow; `starts` is the number of `START`s before them.
    pub(super) fn append(&mut self, later: Self, starts: usize) {
        if self.count == 0 {
            self.first_bits = later.first_bits;
            self.start_before = [self.start_before, later.start_before].into_iter().flatten().min();
        }
        self.count += later.count;
        self.last = later.last;
        self.not_zero |= later.not_zero;
        self.repeats |= later.repeats;
        self.epoch = starts + later.epoch;
        self.last_bits = later.last_bits;
    }
}
