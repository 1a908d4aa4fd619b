//! Regular expressions for names that remember what they were matched with, for a message if nothing
//! matched.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use regex::Regex;

use tbx::error::{Error, Result};
use tbx_runs::table::near;

/// Maximum number of remembered names that did not match.
const MAX_OTHERS: usize = 10_000;
/// Maximum number of names in the message if none is similar.
const MAX_SAID: usize = 5;

/// A regular expression that remembers what it matched. Clones share this memory.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    regex: Regex,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    found: AtomicBool,
    others: Mutex<BTreeSet<String>>,
}

impl Wanted {
    /// Value parser for clap.
    pub(super) fn parse(text: &str) -> Result<Self, regex::Error> {
        Ok(Self { regex: Regex::new(text)?, seen: Arc::default() })
    }

    pub(super) fn is_match(&self, name: &str) -> bool {
        let is_match = self.regex.is_match(name);
        if is_match {
            self.seen.found.store(true, Ordering::Relaxed);
        } else if !self.seen.found.load(Ordering::Relaxed)
            && let Ok(mut others) = self.seen.others.lock()
            && others.len() < MAX_OTHERS
            && !others.contains(name)
        {
            others.insert(name.to_owned());
        }
        is_match
    }

    /// Fails if there were names, of the kind `what`, and none matched.
    pub(super) fn check(&self, what: &str) -> Result<()> {
        let others = match self.seen.others.lock() {
            Ok(others) if !self.seen.found.load(Ordering::Relaxed) => others,
            _ => return Ok(()),
        };
        if others.is_empty() {
            return Ok(());
        }
        let text = self.regex.as_str();
        let near = near(text, others.iter().map(String::as_str));
        let hint = if near.is_empty() {
            let some: Vec<_> = others.iter().take(MAX_SAID).map(String::as_str).collect();
            let more = others.len().saturating_sub(MAX_SAID);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("there are {}{more}", some.join(", "))
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        Err(Error::argument(format!("no {what} matches {text:?}; {hint}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, names: &[&str]) -> Option<String> {
        let wanted = Wanted::parse(text).unwrap();
        for name in names {
            wanted.clone().is_match(name);
        }
        wanted.check("tag").err().map(|error| error.to_string())
    }

    #[test]
    fn names_that_are_like_the_wanted_are_said() {
        let names = ["train/loss", "train/accuracy", "lr"];
        assert_eq!(said("loss$", &names), None);
        assert_eq!(said("anything", &[]), None);
        let found = said("^lss$", &names).unwrap();
        assert_eq!(found, "no tag matches \"^lss$\"; did you mean train/loss?");
        let found = said("zzz", &["a", "b", "c", "d", "e", "f", "g"]).unwrap();
        assert_eq!(found, "no tag matches \"zzz\"; there are a, b, c, d, e and 2 more");
    }
}
