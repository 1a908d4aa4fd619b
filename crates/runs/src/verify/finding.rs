//! Findings, and how they are collected.

use std::path::Path;
use std::sync::Arc;

use super::{Rule, Severity};
use tbx::error::Location;

/// A problem at a place in a file, or in a series from a place on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The rule that is broken.
    pub rule: Rule,
    /// The location of the problem, or of its first occurrence.
    pub location: Location,
    /// Number of occurrences in this file or series; at least 1.
    pub count: u64,
    /// The exact problem.
    pub message: String,
}

impl Finding {
    /// A finding with one occurrence.
    pub(super) fn new(rule: Rule, location: Location, message: impl Into<String>) -> Self {
        Self { rule, location, count: 1, message: message.into() }
    }

    /// The severity of the finding.
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }
}

/// A place in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the file.
    pub(super) file: usize,
    pub(super) offset: u64,
    pub(super) step: i64,
}

/// The location of `place`.
pub(super) fn location(paths: &[Arc<Path>], place: Place) -> Location {
    let location = paths.get(place.file).map(|path| Location::of(path.clone())).unwrap_or_default();
    location.with_step(place.step).with_offset(place.offset)
}

/// The problems of one series: each rule once, with a count.
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
    /// Counts an occurrence; `message` is called only for the first one.
    pub(super) fn note(&mut self, rule: Rule, place: Place, message: impl FnOnce() -> String) {
        match self.0.iter_mut().find(|tally| tally.rule == rule) {
            Some(tally) => tally.count += 1,
            None => self.0.push(Tally { rule, place, count: 1, message: message() }),
        }
    }

    /// Notes a problem of a series as a whole.
    pub(super) fn once(&mut self, rule: Rule, place: Place, message: impl FnOnce() -> String) {
        if !self.0.iter().any(|tally| tally.rule == rule) {
            self.note(rule, place, message);
        }
    }

    /// Appends the problems found later.
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

/// Rules that apply to a series as a whole.
const OF_SERIES: [Rule; 3] = [Rule::MetadataChanged, Rule::NoDataClass, Rule::PluginContent];
