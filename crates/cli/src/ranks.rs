//! Which letter, color and dashes a run has in a chart: its rank.
//!
//! A rank belongs to the run, not to its place on the screen. Runs are numbered in the order in which they
//! began, by the times in the names of their event files, then by name. So a new run changes no other rank,
//! and neither do the order of runs, filters, or the number of drawn runs. All runs of the logdirs count,
//! including those that `--run` and `--where` leave out.
//!
//! Up to [`Line::RANKS`] runs have different ranks. With more, two runs may have the same one. If both are
//! drawn by name, the run with the smaller number keeps it and the other gets the next free rank, which it
//! keeps while the program runs.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::PathBuf;

use tbx::error::Result;
use tbx::logdir::{Logdir, name_in};
use tbx_runs::table::Line;

/// The ranks of runs.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    /// The number of each run in the order of all runs.
    numbers: HashMap<String, usize>,
    /// Ranks that were assigned before.
    given: HashMap<String, usize>,
}

impl Ranks {
    /// The ranks of the runs in these logdirs. Reads no file.
    pub(super) fn of(logdirs: &[PathBuf]) -> Result<Self> {
        let mut ranks = Self::default();
        for path in logdirs {
            let logdir = Logdir::open(path)?;
            let full = |name: &str| match logdirs.len() {
                1 => name.to_owned(),
                _ => name_in(path, name),
            };
            let runs = logdir.runs().iter();
            ranks.add(runs.map(|run| (full(&run.name), began(run.files.iter().map(|f| &**f)))));
        }
        Ok(ranks)
    }

    /// Numbers new runs, each with the time when it [began].
    pub(super) fn add(&mut self, runs: impl IntoIterator<Item = (String, Option<u64>)>) {
        let new = runs.into_iter().filter(|(name, _)| !self.numbers.contains_key(name));
        let mut new: Vec<_> = new.map(|(name, time)| (time.unwrap_or(u64::MAX), name)).collect();
        new.sort();
        for (_, name) in new {
            let next = self.numbers.len();
            self.numbers.entry(name).or_insert(next);
        }
    }

    /// The ranks of runs that are drawn by name in one chart. They all differ, except for more than
    /// [`Line::RANKS`] runs.
    pub(super) fn among<'r>(
        &mut self,
        names: impl IntoIterator<Item = &'r str>,
    ) -> HashMap<String, usize> {
        let number = |name: &str| self.numbers.get(name).copied().unwrap_or(0);
        // Runs that already have a rank go first.
        let order = |name: &str| (!self.given.contains_key(name), number(name));
        let names: BTreeMap<_, &str> =
            names.into_iter().map(|name| ((order(name), name), name)).collect();
        let mut taken = [false; Line::RANKS];
        let mut ranks = HashMap::new();
        for name in names.into_values() {
            let number = self.numbers.get(name).copied().unwrap_or(0);
            let own = self.given.get(name).copied().unwrap_or(number % Line::RANKS);
            let mut from_own = (own..Line::RANKS).chain(0..own);
            let is_free = |rank: &usize| taken.get(*rank).is_some_and(|taken| !taken);
            let rank = from_own.find(is_free).unwrap_or(own);
            if let Some(taken) = taken.get_mut(rank) {
                *taken = true;
            }
            self.given.entry(name.to_owned()).or_insert(rank);
            ranks.insert(name.to_owned(), rank);
        }
        ranks
    }
}

/// When a run began according to the names of its event files, in seconds since the Unix epoch.
pub(super) fn began<'f>(files: impl IntoIterator<Item = &'f OsStr>) -> Option<u64> {
    let seconds = |file: &OsStr| {
        let (_, rest) = file.to_str()?.split_once("tfevents.")?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    };
    files.into_iter().filter_map(seconds).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(names: &[&str]) -> Ranks {
        let mut ranks = Ranks::default();
        ranks.add(names.iter().map(|name| ((*name).to_owned(), None)));
        ranks
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("run_{i:03}")).collect()
    }

    #[test]
    fn a_rank_depends_neither_on_the_order_nor_on_what_else_is_drawn() {
        let names = names(Line::RANKS);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let all = ranks(&names).among(names.iter().rev().copied());
        let mut numbers: Vec<usize> = all.values().copied().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..Line::RANKS).collect::<Vec<_>>(), "all are different");
        for some in [&names[..3], &names[40..], &names[7..8], &["run_049", "run_000"]] {
            let some = ranks(&names).among(some.iter().copied());
            assert!(some.iter().all(|(name, rank)| all[name] == *rank), "{some:?}");
        }
    }

    #[test]
    fn a_run_that_comes_later_changes_no_other() {
        let mut ranks = Ranks::default();
        let run = |name: &str, time| (name.to_owned(), time);
        ranks.add([run("z", Some(10)), run("b", Some(20)), run("a", Some(20)), run("0", None)]);
        let of = |ranks: &mut Ranks| {
            let all = ranks.among(["z", "a", "b", "0"]);
            ["z", "a", "b", "0"].map(|name| all[name])
        };
        assert_eq!(of(&mut ranks), [0, 1, 2, 3]);
        ranks.add([run("y", Some(5)), run("z", Some(1))]);
        assert_eq!(of(&mut ranks), [0, 1, 2, 3]);
        assert_eq!(ranks.among(["y"])["y"], 4);
    }

    #[test]
    fn of_more_runs_than_ranks_those_that_are_drawn_together_differ() {
        let names = names(1000);
        let mut ranks = ranks(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let first = ranks.among(["run_000", "run_050", "run_100", "run_001"]);
        let of = |name: &str| first[name];
        assert_eq!(["run_000", "run_001", "run_050", "run_100"].map(of), [0, 1, 2, 3]);
        // Kept while the program runs.
        assert_eq!(ranks.among(["run_100"])["run_100"], 3);
        assert_eq!(ranks.among(["run_003", "run_100"])["run_003"], 4);
        // More than there are ranks: the last ones share.
        assert_eq!(ranks.among(names.iter().map(String::as_str)).len(), 1000);
    }

    #[test]
    fn the_names_of_event_files_say_when_a_run_began() {
        let began = |files: &[&str]| began(files.iter().map(OsStr::new));
        assert_eq!(began(&["events.out.tfevents.20.h", "events.out.tfevents.7.h.1.0"]), Some(7));
        assert_eq!(began(&["my.tfevents", "tfevents.x", "events.out.tfevents."]), None);
        assert_eq!(began(&["events.out.tfevents.99999999999999999999999.h"]), None);
        assert_eq!(began(&[]), None);
    }
}
