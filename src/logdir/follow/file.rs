//! One growing event file.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Reset;
use crate::error::{Effect, ErrorKind, Issue, Location, OtherFile, Report};
use crate::event::{other_file, other_file_issue};
use crate::logdir::file::{Position, read_on};
use crate::logdir::grow::Growing;
use crate::logdir::{EventFile, LoadOptions};
use crate::record::{Growth, Source};
use crate::store::{self, File, Seen, is_replaced};

/// Number of bytes before the resume offset that are compared with the bytes seen there before.
/// They include a checksum of the last record, which covers its wall time.
const FINGERPRINT: u64 = 32;
/// Number of bytes that are requested of an object together with these: new bytes of most logs, and the first read of
/// a window.
const AHEAD: u64 = 64 << 10;
/// A file that changed within this time is checked in each poll.
const HOT: Duration = Duration::from_secs(60);

/// The state of a followed file.
#[derive(Debug)]
pub(super) struct FollowedFile {
    name: OsString,
    /// The number that places in it have until they are returned.
    number: u32,
    /// Its length and more when it was last looked at.
    seen: Option<Seen>,
    /// Whether it is another object of the same length than the one that was read.
    is_replaced: bool,
    /// Time at which a change was last seen.
    changed: Instant,
    /// Whether it was already old when first seen, and has not changed since.
    is_old: bool,
    /// Its length at some time, and that time.
    mark: (u64, Instant),
    /// Number of its bytes that are trusted, see [`Growth::settled`].
    settled: u64,
    offset: u64,
    torn: u32,
    /// The bytes just before `offset`.
    fingerprint: Vec<u8>,
    events: u64,
    pending: u64,
    /// Whether there is new data to read.
    is_due: bool,
    /// Whether the object ends before the length in the list, so that only the next list shows what to read.
    is_stuck: bool,
    /// Whether its last bytes were judged in their current state.
    is_judged: bool,
    issues: usize,
    /// The last failure that was reported, until something could be read again.
    failure: Option<io::ErrorKind>,
    /// Whether it is an event file.
    content: Content,
    /// The other file type that was reported for it.
    said: Option<OtherFile>,
}

/// Whether a file is an event file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// It has not been read yet, or could not be read. Until then its name counts.
    Unread,
    /// It is an event file, or may become one.
    Log,
    /// It looks like something else, but may be incomplete.
    Unsettled,
    /// It is something else.
    Other,
}

/// The results of reading a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) issues: Vec<Issue>,
    pub(super) more_issues: u64,
    /// Issues about values of other files of the run.
    pub(super) elsewhere: Vec<Issue>,
    /// Whether a file no longer exists.
    pub(super) is_gone: bool,
    /// The run's name, if it has no event file any more.
    pub(super) removed: Option<String>,
}

impl FollowedFile {
    pub(super) fn new(name: OsString, number: u32, now: Instant) -> Self {
        Self {
            name,
            number,
            seen: None,
            is_replaced: false,
            changed: now,
            is_old: false,
            mark: (0, now),
            settled: 0,
            offset: 0,
            torn: 0,
            fingerprint: Vec::new(),
            events: 0,
            pending: 0,
            is_due: true,
            is_stuck: false,
            is_judged: false,
            issues: 0,
            failure: None,
            content: Content::Unread,
            said: None,
        }
    }

    /// Resets the state to that of an unread file.
    pub(super) fn rewind(&mut self) {
        (self.offset, self.torn, self.events, self.pending) = (0, 0, 0, 0);
        self.fingerprint.clear();
        (self.content, self.said) = (Content::Unread, None);
        self.is_replaced = false;
        (self.is_due, self.is_judged, self.issues) = (true, false, 0);
        (self.is_old, self.settled, self.mark.0) = (false, 0, 0);
    }

    pub(super) fn name(&self) -> &OsString {
        &self.name
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Whether it is checked in each poll.
    pub(super) fn is_hot(&self, now: Instant) -> bool {
        self.seen.is_none() || now.duration_since(self.changed) < HOT
    }

    /// Checks its size and modification time, and whether there is something to read.
    pub(super) fn look(&mut self, path: &Path, now: Instant, settle: Duration) -> io::Result<bool> {
        let seen = store::look(path)?;
        match self.seen {
            None => {
                let time = seen.modified;
                let age = time.and_then(|time| SystemTime::now().duration_since(time).ok());
                self.is_old = !settle.is_zero() && age.is_some_and(|age| age >= settle);
                self.mark = (seen.len, now);
                self.note(seen, now);
            }
            Some(before) if !seen.is_same(&before) => {
                self.is_old = false;
                self.is_replaced |= self.offset > 0 && seen.replaces(&before);
                self.note(seen, now);
            }
            Some(_) => {}
        }
        if settle.is_zero() || self.is_old {
            self.settled = seen.len;
        } else if now.duration_since(self.mark.1) >= settle {
            self.settled = self.settled.max(self.mark.0);
            self.mark = (seen.len, now);
        }
        self.is_due |= self.failure.is_some() || std::mem::take(&mut self.is_stuck);
        Ok(self.is_to_be_read(now, settle))
    }

    /// Whether there is something to read, or its last bytes must be judged.
    pub(super) fn is_to_be_read(&self, now: Instant, settle: Duration) -> bool {
        self.is_due || (self.pending > 0 && !self.is_judged && self.is_quiet(now, settle))
    }

    fn note(&mut self, seen: Seen, now: Instant) {
        self.seen = Some(seen);
        self.changed = now;
        self.is_due = true;
        self.is_judged = false;
    }

    fn is_quiet(&self, now: Instant, settle: Duration) -> bool {
        let unchanged = now.duration_since(self.changed);
        self.is_old || (unchanged >= settle && !unchanged.is_zero())
    }

    /// Reads on, about `budget` bytes, and returns the number of bytes it advanced. With `quiet`,
    /// the last bytes are judged now.
    ///
    /// # Errors
    ///
    /// The bytes that were read before are no longer there.
    pub(super) fn read(
        &mut self,
        directory: &Path,
        options: &LoadOptions,
        (now, settle, quiet): (Instant, Duration, bool),
        budget: u64,
        growing: &mut Option<Growing<'static>>,
        found: &mut Found,
    ) -> Result<u64, Reset> {
        let path: Arc<Path> = directory.join(&self.name).into();
        let (file, len) = match self.open(&path) {
            Ok(Ok(opened)) => opened,
            Ok(Err(reset)) => return Err(reset),
            Err(error) => {
                self.is_due = false;
                self.failed(&path, error, found);
                return Ok(0);
            }
        };
        let quiet =
            quiet || (Some(len) == self.seen.map(|seen| seen.len) && self.is_quiet(now, settle));
        if self.offset == 0 && !self.looks_like_log(&path, (&file, len), quiet, found) {
            return Ok(0);
        }
        let growth = Growth { settled: self.settled, quiet };
        let from = Position { offset: self.offset, torn: self.torn, growth };
        let Some(mut grown) = growing.take() else { return Ok(0) };
        grown.begin_file(self.number);
        let (span, file) = read_on(&path, (file, len), options, &from, budget, grown);
        *growing = Some(span.growing);
        let went = span.end.saturating_sub(self.offset);
        (self.offset, self.torn) = (span.end, span.torn);
        self.events += span.events;
        self.pending = span.pending;
        self.is_due = span.end.saturating_add(span.pending) < len;
        if self.is_due && went == 0 && budget > 0 && file.local().is_none() {
            (self.is_due, self.is_stuck) = (false, true);
        }
        self.is_judged = quiet && !self.is_due;
        if went > 0 {
            let read = fingerprint(&file, self.offset);
            // A part that cannot be compared with an object later is read again.
            self.is_replaced |= read.is_err() && file.local().is_none();
            self.fingerprint = read.unwrap_or_default();
        }
        self.keep(span.issues, span.more_issues, found);
        found.elsewhere.extend(span.elsewhere);
        Ok(went)
    }

    /// Whether the file, which has not been read so far, is an event file or may become one. A file
    /// that looks like something else is judged once it is quiet.
    fn looks_like_log(
        &mut self,
        path: &Arc<Path>,
        (file, len): (&File, u64),
        quiet: bool,
        found: &mut Found,
    ) -> bool {
        let other = match other_file(&mut Source::file(file.clone(), len, Vec::new())) {
            Ok(None) => {
                self.content = Content::Log;
                return true;
            }
            Ok(Some(other)) => other,
            Err(error) => {
                self.is_due = false;
                self.failed(path, error, found);
                return false;
            }
        };
        // Its bytes are yet to be judged.
        (self.pending, self.is_due, self.is_judged) = (len, false, quiet);
        self.content = match self.content {
            _ if quiet => Content::Other,
            Content::Log => Content::Log, // it was empty
            _ => Content::Unsettled,
        };
        if quiet && self.said != Some(other) {
            self.said = Some(other);
            found.issues.push(other_file_issue(path.clone(), other));
        }
        false
    }

    /// Whether it has not been read yet.
    pub(super) fn is_unread(&self) -> bool {
        self.content == Content::Unread
    }

    /// Whether it is an event file, as far as known.
    pub(super) fn is_log(&self) -> bool {
        matches!(self.content, Content::Unread | Content::Log)
    }

    /// Keeps the issues that are worth reporting.
    fn keep(&mut self, issues: Vec<Issue>, more: u64, found: &mut Found) {
        let before = self.failure.take();
        found.more_issues += more;
        for issue in issues {
            if let ErrorKind::Io(cause) = &issue.kind {
                self.is_due = false; // until the next look
                self.failure = Some(cause.kind());
                // Its replacement is read after the next look.
                if self.failure == before || is_replaced(cause) {
                    continue;
                }
            }
            self.add_issue(issue, found);
        }
    }

    /// Adds an issue about the file, or only counts it if there are too many.
    pub(super) fn add_issue(&mut self, issue: Issue, found: &mut Found) {
        if self.issues < Report::MAX_ISSUES_PER_FILE {
            self.issues += 1;
            found.issues.push(issue);
        } else {
            found.more_issues += 1;
        }
    }

    /// The open file and its length, or the reset if it is a different file than before.
    fn open(&self, path: &Path) -> io::Result<Result<(File, u64), Reset>> {
        let (file, len) = File::open_version(path)?;
        if len < self.offset {
            return Ok(Err(Reset::Shortened(self.name.clone())));
        }
        if self.is_replaced {
            return Ok(Err(Reset::Replaced(self.name.clone())));
        }
        if !self.fingerprint.is_empty() {
            let start = self.offset.saturating_sub(FINGERPRINT);
            file.read_ahead(start..self.offset.saturating_add(AHEAD).min(len))?;
        }
        // Another program may have replaced it with a longer copy of the same log.
        if !self.fingerprint.is_empty() && fingerprint(&file, self.offset)? != self.fingerprint {
            return Ok(Err(Reset::Replaced(self.name.clone())));
        }
        Ok(Ok((file, len)))
    }

    /// Reports once that it cannot be read.
    pub(super) fn failed(&mut self, path: &Path, error: io::Error, found: &mut Found) {
        if error.kind() == io::ErrorKind::NotFound {
            found.is_gone = true; // the directory listing decides
            self.failure = Some(error.kind()); // if it still has it, the next look tries again
            return;
        }
        if self.failure == Some(error.kind()) {
            return;
        }
        self.failure = Some(error.kind());
        if is_replaced(&error) {
            return; // its replacement is read after the next look
        }
        let location = Location::of(path);
        found.issues.push(Issue { location, kind: error.into(), effect: Effect::SkippedFile });
    }

    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Whether all bytes were read that it had when it was last looked at.
    pub(super) fn is_read_up(&self) -> bool {
        let is_at_end = self.seen.is_some_and(|seen| seen.len == self.offset);
        is_at_end && !self.is_due && self.offset > 0
    }

    /// The facts about the file that the caller gets.
    pub(super) fn facts(&self, directory: &Path) -> EventFile {
        EventFile {
            name: self.name.to_string_lossy().into_owned(),
            path: directory.join(&self.name),
            bytes: self.offset.saturating_add(self.pending),
            events: self.events,
            pending_bytes: self.pending,
        }
    }
}

/// The last bytes before `offset`.
fn fingerprint(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let start = offset.saturating_sub(FINGERPRINT);
    store::read_range(file, start..offset)
}
