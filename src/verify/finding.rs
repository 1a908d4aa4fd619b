//! What was found, and how findings are gathered.

use super::{Rule, Severity};
use crate::error::Location;

/// One thing that is wrong: at a place in a file, or with a series from a place on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule is broken.
    pub rule: Rule,
    /// Where, or where first.
    pub location: Location,
    /// How often in this file or series; 1 or more.
    pub count: u64,
    /// What exactly is wrong.
    pub message: String,
}

impl Finding {
    /// A finding of one occurrence.
    pub(super) fn new(rule: Rule, location: Location, message: impl Into<String>) -> Self {
        Self { rule, location, count: 1, message: message.into() }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }
}

/// Where in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the file.
    pub(super) file: usize,
    pub(super) offset: u64,
    pub(super) step: i64,
}

/// What is wrong with one series: a rule once, and how often.
#[derive(Debug, Clone, Default)]
pub(super) struct Tallies(pub(super) Vec<Tally>);

#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) rule: Rule,
    pub(super) place: Place,
    pub(super) count: u64,
    pub(super) message: String,
}

impl Tallies {
    /// Counts one more; `message` is asked for the first time only.
    pub(super) fn note(&mut self, rule: Rule, place: Place, message: impl FnOnce() -> String) {
        match self.0.iter_mut().find(|tally| tally.rule == rule) {
            Some(tally) => tally.count += 1,
            None => self.0.push(Tally { rule, place, count: 1, message: message() }),
        }
    }

    /// Notes what is wrong with a series as a whole.
    pub(super) fn once(&mut self, rule: Rule, place: Place, message: impl FnOnce() -> String) {
        if !self.0.iter().any(|tally| tally.rule == rule) {
            self.note(rule, place, message);
        }
    }

    /// Takes over what came later.
    pub(super) fn append(&mut self, later: Self) {
        for tally in later.0 {
            match self.0.iter_mut().find(|own| own.rule == tally.rule) {
                Some(_) if OF_SERIES.contains(&tally.rule) => {}
                Some(own) => own.count += tally.count,
                None => self.0.push(tally),
            }
        }
    }
}

/// Rules that a series breaks as a whole.
const OF_SERIES: [Rule; 3] = [Rule::MetadataChanged, Rule::NoDataClass, Rule::PluginContent];
