//! Comparable facts about a log.

use std::path::Path;
use std::time::Duration;

use tbx::{Checksums, FileMaps, Follower, Kind, LoadOptions, Logdir, Payloads, RestartPolicy};

use crate::facts::{Column, Facts};
use crate::kept::{Kept, facts_of_load};
use crate::logs::Logs;

pub fn open(dir: &Path) -> Logdir {
    Logdir::open(dir).expect("the directory is there")
}

/// Everything that a load returns.
pub struct Reading(Facts);

impl Reading {
    pub fn of(dir: &Path, options: &LoadOptions) -> Self {
        let loaded = open(dir).load(options).expect("damage is in the report");
        Self(Facts::of(&loaded))
    }

    /// Fails unless both readings are equal in every respect.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, what: &str) {
        self.0.assert_same(&other.0, what);
    }

    /// Fails unless both readings have the same points with the same values, regardless of files and
    /// damage.
    #[track_caller]
    pub fn assert_same_points(&self, other: &Self, what: &str) {
        Self::points(&self.0).assert_same(&Self::points(&other.0), what);
    }

    /// Fails unless both readings are equal except for wall times that are not finite, which were replaced.
    #[track_caller]
    pub fn assert_same_but_times(&self, repaired: &Self, what: &str) {
        let (mut before, after) = (Self::points(&self.0), Self::points(&repaired.0));
        for (series, new) in before.series.iter_mut().zip(&after.series) {
            for (time, new) in series.wall_times.iter_mut().zip(&new.wall_times) {
                if !f64::from_bits(*time).is_finite() {
                    *time = *new;
                }
            }
        }
        before.assert_same(&after, what);
    }

    /// True if no record was lost; single values may be.
    pub fn is_sound(&self) -> bool {
        let of_records = ["length_crc", "payload_crc", "too_long", "torn", "proto"];
        !self
            .0
            .issues
            .iter()
            .any(|issue| of_records.iter().any(|name| issue.contains(&format!(": {name}, "))))
            && self.0.files.iter().all(|(_, file)| file.pending_bytes == 0)
    }

    fn points(facts: &Facts) -> Facts {
        let series = facts.series.iter().filter(|series| !series.steps.is_empty());
        Facts { series: series.cloned().collect(), ..Facts::default() }
    }
}

/// Fails unless every way to read `dir` gives the same result.
pub fn ways_agree(dir: &Path, policy: RestartPolicy) {
    let options = LoadOptions::new().restart(policy);
    let read = Reading::of(dir, &options);
    // SAFETY: no other process writes to the input.
    let maps = unsafe { FileMaps::allow() };
    for (way, what) in [
        (options.clone().map(maps), "mapped"),
        (options.clone().payloads(Payloads::Placed), "places"),
        (options.clone().checksums(Checksums::All), "all checksums"),
    ] {
        read.assert_same(&Reading::of(dir, &way), what);
    }
    let mut without = read.0.clone();
    for series in &mut without.series {
        if let Column::Raw(_) = series.values {
            series.values = Column::Dropped;
        }
    }
    let dropped = Reading::of(dir, &options.clone().payloads(Payloads::Dropped));
    without.assert_same(&dropped.0, "no payloads");
    // Only scalars, and only some tags.
    let some = |facts: &Facts, wanted: &dyn Fn(&str, Kind) -> bool| {
        let mut some = Reading::points(facts);
        some.series.retain(|series| wanted(&series.tag, series.metadata.kind));
        some
    };
    let scalars = Reading::of(dir, &options.clone().kinds([Kind::Scalar]));
    some(&read.0, &|_, kind| kind == Kind::Scalar)
        .assert_same(&Reading::points(&scalars.0), "only scalars");
    let tags = |tag: &str| tag.starts_with('a');
    let tagged = Reading::of(dir, &options.clone().tags(tags));
    some(&read.0, &|tag, _| tags(tag)).assert_same(&Reading::points(&tagged.0), "some tags");
    let logdir = open(dir);
    let is_lossless = logdir.load(&options).expect("damage is in the report").report.is_lossless();
    let strict = logdir.load(&options.clone().strict(true));
    assert_eq!(is_lossless, strict.is_ok(), "strict: {:?}", strict.err());
    logdir.load(&options.check_values(true)).expect("damage is in the report");
}

/// Fails unless a follower of `logs`, while they grow in `dir`, ends with the result of a load.
pub fn follows(logs: &Logs, dir: &Path, policy: RestartPolicy) {
    let options = LoadOptions::new().restart(policy);
    let mut follower = Follower::new(dir, &options).settle(Duration::ZERO);
    let mut kept = Kept::default();
    logs.grow(dir, || {
        let mut has_more = true;
        while has_more {
            let news = follower.poll();
            has_more = news.has_more;
            kept.add(news);
        }
    });
    kept.add(follower.finish());
    let loaded = open(dir).load(&options).expect("damage is in the report");
    kept.facts().assert_same(&facts_of_load(&loaded), "followed");
}
