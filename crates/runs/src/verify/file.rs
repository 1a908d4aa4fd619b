//! One pass over one event file, with several threads if it is large.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::facts::{Border, Facts};
use super::finding::Finding;
use super::pass::Pass;
use super::tag::Tags;
use super::{Rule, Verify};
use tbx::error::{ErrorKind, Location, OtherFile, Report};
use tbx::event::other_file;
use tbx::logdir::{Found, walk_span};
use tbx::record::{MAX_TORN, Scanner, Source, split};
use tbx::store::File;

/// Minimum length of a part of a file.
const MIN_SPAN: u64 = 8 << 20;
/// Number of bytes at the start of a file that are read ahead for the metadata of its tags.
const SEED_LEN: u64 = 256 << 10;

/// Checks the file at `path`. `seed` holds the series that earlier files of its run described.
///
/// # Errors
///
/// The type of the file, if it is not an event file.
pub(super) fn verify(
    path: &Path,
    number: usize,
    options: &Verify,
    seed: Option<&Tags>,
) -> Result<Facts, OtherFile> {
    let path: Arc<Path> = path.into();
    let failed = |error: io::Error| {
        let mut facts = Facts::new(path.clone(), number, None);
        let location = Location::of(path.clone());
        facts.findings.push(Finding::new(Rule::Io, location, error.to_string()));
        facts
    };
    let (file, len) = match File::open(&path) {
        Ok(opened) => opened,
        Err(error) => return Ok(failed(error)),
    };
    let file = LogFile { path: path.clone(), number, file, len, options };
    match other_file(&mut file.source()) {
        Ok(None) => {}
        Ok(Some(other)) => return Err(other),
        Err(error) => return Ok(failed(error)),
    }
    let mut facts = file.verify(seed);
    if facts.events == 0 && facts.findings.is_empty() {
        facts.find(Rule::NoEvents, 0, "");
    }
    Ok(facts)
}

/// The result of checking a part of a file.
struct Span {
    facts: Facts,
    /// Offset at which the next part starts.
    end: u64,
    torn: u32,
}

struct LogFile<'o> {
    path: Arc<Path>,
    number: usize,
    file: File,
    len: u64,
    options: &'o Verify,
}

impl LogFile<'_> {
    fn verify(&self, seed: Option<&Tags>) -> Facts {
        let parts = self.parts(seed);
        let mut parts = parts.into_iter();
        let mut facts = parts.next().unwrap_or_else(|| self.span(0, 0, seed).facts);
        for part in parts {
            facts.append(part, Border::Part);
        }
        let kept = facts.findings.len().min(Report::MAX_ISSUES_PER_FILE);
        facts.more += u64::try_from(facts.findings.len() - kept).unwrap_or(0);
        facts.findings.truncate(kept);
        facts.bytes = self.len;
        facts
    }

    /// Facts of the consecutive parts.
    fn parts(&self, seed: Option<&Tags>) -> Vec<Facts> {
        let whole = || vec![self.span(0, u64::MAX, seed).facts];
        let starts = self.split().unwrap_or_default();
        if starts.len() < 2 {
            return whole();
        }
        let head = self.span(0, SEED_LEN, seed).facts;
        let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
        let ranges: Vec<_> = starts.iter().copied().zip(ends).collect();
        let read = |&(start, end): &(u64, u64)| match start {
            0 => self.span(start, end, seed),
            _ => self.span(start, end, Some(&head.tags)),
        };
        let parts: Vec<_> = ranges.par_iter().map(read).collect();
        // A part may begin inside a record, and the kind of a value may depend on earlier ones.
        let is_sound =
            parts.iter().zip(ranges.iter().skip(1)).all(|(p, (start, _))| p.end == *start)
                && parts.iter().map(|part| part.torn).sum::<u32>() < MAX_TORN
                && !parts.iter().skip(1).any(|part| part.facts.is_ambiguous);
        if is_sound { parts.into_iter().map(|part| part.facts).collect() } else { whole() }
    }

    fn split(&self) -> io::Result<Vec<u64>> {
        let threads = u64::try_from(rayon::current_num_threads()).unwrap_or(1);
        let spans = (self.len / MIN_SPAN).min(threads);
        if spans < 2 {
            return Ok(Vec::new());
        }
        split(self.len, spans, || self.source())
    }

    fn source(&self) -> Source {
        Source::file(self.file.clone(), self.len, Vec::new())
    }

    /// Checks the records that start in `start..end`.
    fn span(&self, start: u64, end: u64, seed: Option<&Tags>) -> Span {
        let facts = Facts::new(self.path.clone(), self.number, seed);
        let mut pass = Pass { facts, options: self.options, is_first: start == 0 };
        let mut scanner = Scanner::new(self.source().until(end), start);
        let walked = walk_span(&mut scanner, end, |found| {
            match found {
                Found::Record { offset, payload, .. } => pass.event(offset, payload),
                Found::Damage(damage) => pass.damage(damage),
            }
            Ok(())
        });
        let (next, torn) = (scanner.position(), scanner.torn());
        let source = scanner.into_source();
        match walked {
            Ok(0) => {}
            Ok(pending) => {
                let message = format!("{pending} bytes of an unfinished record");
                pass.facts.find(Rule::Unfinished, self.len.saturating_sub(pending), message);
            }
            Err(error) => pass.facts.find(Rule::Io, next, error.to_string()),
        }
        if source.len() < self.len {
            let kind = ErrorKind::Truncated { expected: self.len, found: source.len() };
            pass.facts.find(Rule::Truncated, source.len(), kind.to_string());
        }
        Span { facts: pass.facts, end: next, torn }
    }
}
