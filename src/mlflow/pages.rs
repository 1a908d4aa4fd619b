//! Answers that come in pages.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::Client;
use super::calls::text;
use crate::error::Result;

/// Pages of one answer at most.
const MAX_PAGES: usize = 100_000;
/// Things in one answer at most: runs, points of a metric, versions of models. 50 million points take
/// 1.2 GB of memory.
const MAX_THINGS: usize = 50_000_000;
/// Pages in a row at most that have nothing.
const MAX_EMPTY: usize = 100;

impl Client {
    /// All things called `of` in the pages of an answer, each as `take` has it. `ask` asks for the page
    /// of a token; it gives none if the server does not know the question.
    ///
    /// A server that gives a token again, the same page again or no last page is at fault: the error
    /// says how far it came.
    pub(super) fn pages<T>(
        &self,
        path: &str,
        of: &str,
        mut ask: impl FnMut(&str) -> Result<Option<Value>>,
        take: impl Fn(&Value) -> T,
    ) -> Result<Vec<T>> {
        let (mut all, mut token) = (Vec::new(), String::new());
        let (mut tokens, mut last, mut empty) = (HashSet::new(), None, 0);
        for number in 1..=MAX_PAGES {
            let Some(mut page) = ask(&token)? else { break };
            let things = match page.get_mut(of).map(Value::take) {
                Some(Value::Array(things)) => things,
                _ => Vec::new(),
            };
            all.extend(things.iter().map(&take));
            token = text(&page, "next_page_token");
            if token.is_empty() {
                return Ok(all);
            }
            let endless = |why: &str| {
                let what = format!("page {number} of {of} {why}: the server's list has no end");
                Err(self.failed(path, what))
            };
            if !tokens.insert(hash(&token)) {
                return endless("names a page that was there before as the next one");
            }
            empty = if things.is_empty() { empty + 1 } else { 0 };
            if empty > MAX_EMPTY {
                return endless("is empty like those before it");
            }
            let this = (!things.is_empty()).then(|| hash(&things));
            if this.is_some() && this == last {
                return endless("is the same as the one before it");
            }
            last = this;
            if all.len() > MAX_THINGS {
                return Err(self.failed(path, format!("more than {MAX_THINGS} {of}")));
            }
        }
        if token.is_empty() {
            return Ok(all);
        }
        Err(self.failed(path, format!("more than {MAX_PAGES} pages of {of}")))
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
