//! Loads one event file, with several threads if it is large.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::grow::{Growing, Keep, Unreadable};
use super::restart::Order;
use super::{Checksums, LoadOptions, Place};
use crate::error::{Effect, ErrorKind, Issue, Location, OtherFile, Report};
use crate::event::{Peek, other_file, other_file_issue};
use crate::record::{Damage, Growth, MAX_TORN, Scanner, Source, Step, map, split};
use crate::store::File;

/// Minimum length of a span: each span costs a merge.
const MIN_SPAN: u64 = 4 << 20;
/// Number of bytes at the start of a split file that are read ahead for the metadata of its tags:
/// some programs write it only with the first value of a tag.
const SEED_LEN: u64 = 256 << 10;
/// Records below this size are read whole: reading only their first bytes would gain nothing.
const MIN_SKIP: usize = 1 << 10;
/// Number of bytes at the start of a record that hold its time, step and tag, unless the tag is
/// long.
const PREFIX: usize = 256;

thread_local! {
    /// The read buffer of the last file, reused for the next.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The result of loading a file.
pub(super) struct FileLoad<'o> {
    pub(super) growing: Growing<'o>,
    /// Whether the file is an event file, or may become one.
    pub(super) is_event_file: bool,
    pub(super) bytes: u64,
    pub(super) events: u64,
    pub(super) pending: u64,
    pub(super) issues: Vec<Issue>,
    pub(super) more_issues: u64,
}

/// The result of reading a span of a file.
pub(super) struct Span<'o> {
    pub(super) growing: Growing<'o>,
    /// Set if the file is not an event file. Nothing else of it is read then.
    other: Option<OtherFile>,
    start: u64,
    /// Offset of the first record after the span.
    pub(super) end: u64,
    pub(super) events: u64,
    pub(super) pending: u64,
    pub(super) torn: u32,
    pub(super) issues: Vec<Issue>,
    pub(super) more_issues: u64,
    /// Issues about values of earlier files, whose kind became known here.
    pub(super) elsewhere: Vec<Issue>,
}

/// Loads the file at `path`. With `order`, its events are read sequentially.
pub(super) fn load<'o>(
    path: &Path,
    options: &'o LoadOptions,
    order: Option<Order>,
) -> FileLoad<'o> {
    match Loader::open(path, options) {
        Ok(loader) => loader.join(loader.spans(order)),
        Err(error) => unreadable_file(path.into(), options, order, error),
    }
}

/// Like [`load`], for a file that follows others of its run. Reads it in one piece, because the tags of the
/// earlier files are known.
pub(super) fn load_after<'o>(
    path: &Path,
    options: &'o LoadOptions,
    order: Option<Order>,
    before: &Growing<'o>,
) -> FileLoad<'o> {
    let mut growing = Growing::with_tags_of(before);
    growing.order = order;
    match Loader::open(path, options) {
        Ok(loader) => loader.join(vec![loader.span(0, u64::MAX, growing)]),
        Err(error) => unreadable_file(path.into(), options, order, error),
    }
}

/// Position at which to resume reading a file that may grow.
pub(super) struct Position {
    pub(super) offset: u64,
    pub(super) torn: u32,
    pub(super) growth: Growth,
}

/// Resumes reading `file`, which is at `path` and has `len` bytes: about `budget` bytes, on this
/// thread, without mapping. Returns the file.
pub(super) fn read_on<'o>(
    path: &Arc<Path>,
    (file, len): (File, u64),
    options: &LoadOptions,
    from: &Position,
    budget: u64,
    growing: Growing<'o>,
) -> (Span<'o>, File) {
    let loader = Loader { path: path.clone(), file, len, options, map: None };
    let mut span = Span::new(from.offset, growing);
    span.growing.begin(path.clone());
    let end = from.offset.saturating_add(budget);
    let source = loader.source().until(end);
    let mut scanner = Scanner::growing(source, from.offset, from.torn, from.growth);
    span.end = match loader.scan(&mut scanner, end, &Keep::Copy, &mut span) {
        Ok(()) => scanner.position(),
        // The record that could not be read is read again.
        Err(error) => {
            loader.io_issue(&mut span, scanner.offset(), error);
            scanner.offset()
        }
    };
    span.torn = scanner.torn();
    BUFFER.set(scanner.into_source().into_buffer());
    (span, loader.file)
}

impl<'o> Span<'o> {
    /// Whether the file can be read and is an event file, as far as known.
    fn may_be_read(&self) -> bool {
        self.other.is_none() && self.issues.is_empty()
    }

    fn new(start: u64, growing: Growing<'o>) -> Self {
        Self {
            growing,
            other: None,
            start,
            end: start,
            events: 0,
            pending: 0,
            torn: 0,
            issues: Vec::new(),
            more_issues: 0,
            elsewhere: Vec::new(),
        }
    }
}

/// Maps the file if that pays off; a file that cannot be mapped is read instead.
fn open_map(file: &File, len: u64, options: &LoadOptions) -> Option<bytes::Bytes> {
    let maps = options.maps()?;
    map(file.local()?, usize::try_from(len).ok()?, maps).ok()
}

fn unreadable_file<'o>(
    path: Arc<Path>,
    options: &'o LoadOptions,
    order: Option<Order>,
    error: io::Error,
) -> FileLoad<'o> {
    let mut growing = Growing::new(options);
    growing.order = order;
    let effect = Effect::SkippedFile;
    let issue = Issue { location: Location::of(path), kind: error.into(), effect };
    FileLoad {
        growing,
        is_event_file: true, // as its name says
        bytes: 0,
        events: 0,
        pending: 0,
        issues: vec![issue],
        more_issues: 0,
    }
}

struct Loader<'o> {
    path: Arc<Path>,
    file: File,
    len: u64,
    map: Option<bytes::Bytes>,
    options: &'o LoadOptions,
}

impl<'o> Loader<'o> {
    fn open(path: &Path, options: &'o LoadOptions) -> io::Result<Self> {
        let (file, len) = File::open_found(path)?;
        let map = open_map(&file, len, options);
        Ok(Self { path: path.into(), file, len, map, options })
    }

    fn source(&self) -> Source {
        match &self.map {
            Some(map) => Source::mapped(map.clone()),
            None => Source::file(self.file.clone(), self.len, BUFFER.take()),
        }
    }

    /// Reads the spans, then rereads those that turned out to start inside a record.
    fn spans(&self, order: Option<Order>) -> Vec<Span<'o>> {
        let whole = || vec![self.span(0, u64::MAX, self.growing(order))];
        let threads = u64::try_from(rayon::current_num_threads()).unwrap_or(1);
        let count = (self.len / MIN_SPAN).min(threads);
        if order.is_some() || count < 2 {
            return whole();
        }
        let seed = self.span(0, SEED_LEN, Growing::new(self.options));
        if seed.other.is_some() {
            return vec![seed];
        }
        let file = || Source::file(self.file.clone(), self.len, Vec::new());
        let starts = split(self.len, count, file).unwrap_or_default();
        if starts.len() < 2 {
            return whole();
        }
        let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
        let ranges: Vec<_> = starts.iter().copied().zip(ends).collect();
        let read = |start, end| {
            let growing = match start {
                0 => Growing::new(self.options),
                _ => Growing::with_tags_of(&seed.growing),
            };
            self.span(start, end, growing)
        };
        let guesses: Vec<_> = ranges.par_iter().map(|&(start, end)| read(start, end)).collect();
        let mut spans: Vec<Span<'_>> = Vec::with_capacity(guesses.len());
        for (guess, &(_, end)) in guesses.into_iter().zip(&ranges) {
            let start = spans.last().map_or(0, |before| before.end);
            if guess.start == start {
                spans.push(guess);
            } else if start < end.min(self.len) {
                spans.push(read(start, end));
            }
        }
        // One reader gives up after a maximum number of torn records; several readers together must
        // not go further. Also, the kind of some values without metadata depends on all earlier
        // values.
        if spans.iter().map(|span| span.torn).sum::<u32>() >= MAX_TORN
            || spans.iter().any(|span| span.growing.ambiguous)
        {
            return whole();
        }
        spans
    }

    fn growing(&self, order: Option<Order>) -> Growing<'o> {
        let mut growing = Growing::new(self.options);
        growing.order = order;
        growing
    }

    /// Reads the records that start in `start..end`.
    fn span(&self, start: u64, end: u64, growing: Growing<'o>) -> Span<'o> {
        let mut span = Span::new(start, growing);
        span.growing.begin(self.path.clone());
        let keep = match &self.map {
            Some(map) => Keep::Slice(map.clone()),
            None => Keep::Copy,
        };
        let mut source = self.source();
        if start == 0 {
            match other_file(&mut source) {
                Ok(other) => span.other = other,
                Err(error) => self.io_issue(&mut span, 0, error),
            }
        }
        if !span.may_be_read() {
            BUFFER.set(source.into_buffer());
            return span;
        }
        let mut scanner = Scanner::new(source.until(end), start);
        if let Err(error) = self.scan(&mut scanner, end, &keep, &mut span) {
            self.io_issue(&mut span, scanner.position(), error);
        }
        span.end = scanner.position();
        span.torn = scanner.torn();
        let source = scanner.into_source();
        if source.len() < self.len {
            let found = self.file.size().unwrap_or(source.len());
            let kind = ErrorKind::Truncated { expected: self.len, found };
            let effect = Effect::LostRest(self.len.saturating_sub(found));
            self.issue(&mut span, Damage { offset: found, kind, effect });
        }
        BUFFER.set(source.into_buffer());
        span
    }

    fn scan(
        &self,
        scanner: &mut Scanner,
        end: u64,
        keep: &Keep,
        span: &mut Span<'_>,
    ) -> io::Result<()> {
        let may_skip = self.options.may_skip();
        let small = if may_skip { MIN_SKIP } else { usize::MAX };
        loop {
            scanner.each_at_hand(end, small, |offset, _, payload| {
                self.event(span, offset, payload, keep);
                Ok(())
            })?;
            if scanner.position() >= end {
                break;
            }
            let (offset, len) = match scanner.advance()? {
                Step::Record { offset, len } => (offset, len),
                Step::Damage(damage) => {
                    self.issue(span, damage);
                    continue;
                }
                Step::End { pending } => {
                    span.pending = pending;
                    break;
                }
            };
            let place = Place::of(offset, len);
            if may_skip && len >= MIN_SKIP && self.pass(scanner, len, place, &mut span.growing)? {
                span.events += 1;
                continue;
            }
            let payload = match scanner.payload_so_far()? {
                Some(Ok(payload)) => payload,
                Some(Err(damage)) => {
                    self.issue(span, damage);
                    continue;
                }
                None => {
                    span.pending = scanner.left();
                    break;
                }
            };
            self.other_event(span, offset, payload, keep);
        }
        Ok(())
    }

    /// Processes an event that was not completely in the read buffer.
    #[inline(never)] // so that only the loop over buffered events contains a copy of `event`
    fn other_event(&self, span: &mut Span<'_>, offset: u64, payload: &[u8], keep: &Keep) {
        self.event(span, offset, payload, keep);
    }

    #[inline(always)]
    fn event(&self, span: &mut Span<'_>, offset: u64, payload: &[u8], keep: &Keep) {
        match span.growing.event(offset, payload, keep) {
            Ok(()) => span.events += 1,
            Err(malformed) => {
                let kind = ErrorKind::Proto(malformed.0);
                self.issue(span, Damage { offset, kind, effect: Effect::SkippedRecord });
            }
        }
        if !span.growing.unreadable.is_empty() {
            self.unreadable_values(span, offset);
        }
    }

    /// Skips a record that was not requested, or whose step alone was requested.
    fn pass(
        &self,
        scanner: &mut Scanner,
        len: usize,
        place: Place,
        growing: &mut Growing<'_>,
    ) -> io::Result<bool> {
        let Some(peek) = Peek::of(scanner.prefix(PREFIX)?, len) else { return Ok(false) };
        let Some((field, rest)) = peek.payload().filter(|(_, rest)| *rest <= len) else {
            return Ok(false);
        };
        let Some(series) = growing.peeked(peek.tag, field) else { return Ok(false) };
        let (step, wall_time) = (peek.step, peek.wall_time);
        // The tail is short, and next to the header that is read next.
        match Peek::metadata(scanner.tail(rest)?) {
            Some(wire) if growing.has_metadata(series, field, wire) => {}
            _ => return Ok(false),
        }
        if !scanner.ends_well()? {
            return Ok(false);
        }
        let decoded_only = self.options.checksums == Checksums::Decoded;
        Ok(growing.pass(series, step, wall_time, place, decoded_only))
    }

    fn unreadable_values(&self, span: &mut Span<'_>, offset: u64) {
        for unreadable in std::mem::take(&mut span.growing.unreadable) {
            let Unreadable { tag, step, kind, effect, origin } = unreadable;
            let (path, offset) = origin.unwrap_or_else(|| (self.path.clone(), offset));
            let is_here = path == self.path;
            let place = Location::of(path).with_offset(offset);
            let location = Location { tag: Some(tag.into()), step: Some(step), ..place };
            let issue = Issue { location, kind, effect };
            match is_here {
                true => push(span, issue),
                false => span.elsewhere.push(issue),
            }
        }
    }

    fn io_issue(&self, span: &mut Span<'_>, offset: u64, error: io::Error) {
        let effect = Effect::LostRest(self.len.saturating_sub(offset));
        self.issue(span, Damage { offset, kind: error.into(), effect });
    }

    fn issue(&self, span: &mut Span<'_>, damage: Damage) {
        let Damage { offset, kind, effect } = damage;
        let location = Location::of(self.path.clone()).with_offset(offset);
        push(span, Issue { location, kind, effect });
    }

    /// Joins the results of the spans.
    fn join(&self, spans: Vec<Span<'o>>) -> FileLoad<'o> {
        let mut spans = spans.into_iter();
        let first = spans.next().unwrap_or_else(|| self.span(0, 0, Growing::new(self.options)));
        let mut load = FileLoad {
            growing: first.growing,
            is_event_file: first.other.is_none(),
            bytes: self.len,
            events: first.events,
            pending: first.pending,
            issues: first.issues,
            more_issues: first.more_issues,
        };
        let other = first.other.map(|other| other_file_issue(self.path.clone(), other));
        load.issues.extend(other);
        for span in spans {
            load.growing.append(span.growing);
            load.events += span.events;
            load.pending = span.pending;
            let cut = |issue: &Issue| matches!(issue.kind, ErrorKind::Truncated { .. });
            let known = load.issues.iter().any(cut); // once is enough
            load.issues.extend(span.issues.into_iter().filter(|issue| !(known && cut(issue))));
            load.more_issues += span.more_issues;
        }
        let kept = load.issues.len().min(Report::MAX_ISSUES_PER_FILE);
        load.more_issues += u64::try_from(load.issues.len() - kept).unwrap_or(0);
        load.issues.truncate(kept);
        load
    }
}

/// Adds an issue, or only counts it if there are too many.
fn push(span: &mut Span<'_>, issue: Issue) {
    if span.issues.len() < Report::MAX_ISSUES_PER_FILE {
        span.issues.push(issue);
    } else {
        span.more_issues += 1;
    }
}
