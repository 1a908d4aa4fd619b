//! Limits on the time, the requests and the memory that a server can use up.
//!
//! A server may be broken or hostile. It may send one byte per second, an endless list, or a file
//! that is longer than announced. The receiver charges everything that arrives, and [`Spent`] names
//! the limit that was exceeded.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::io;
use std::io::Read;
use std::time::{Duration, Instant};

/// Minimum number of bytes per second, on average, once a [`Rate`]'s patience is over. The slowest
/// modems were faster.
const MIN_RATE: u64 = 1024;
/// Number of pages of a list that are accepted however few entries they have.
const FREE_PAGES: usize = 1000;
/// Minimum average number of entries per page after that.
const MIN_PER_PAGE: usize = 10;
/// Maximum length of a page token: a longer one does not fit into a URL.
const MAX_TOKEN: usize = 16 << 10;

/// The limit that was exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spent {
    /// The server sends too slowly: this number of bytes in this time.
    Rate(u64, Duration),
    /// The server sends more than this number of bytes.
    Bytes(u64),
    /// The answer has more than this number of values.
    Values(usize),
    /// The server returns the same page again.
    Circle,
    /// This number of pages have hardly any entries.
    Pages(usize),
    /// A list has more than this number of entries.
    Things(usize),
    /// The token of the next page is longer than `MAX_TOKEN` bytes.
    Token,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(bytes, time) => {
                write!(f, "the server is too slow: it sent {bytes} bytes in {} s", time.as_secs())
            }
            Self::Bytes(max) => write!(f, "the server's response has more than {max} bytes"),
            Self::Values(max) => write!(f, "the server's response has more than {max} values"),
            Self::Circle => f.write_str("the server's list does not end: it returned a page twice"),
            Self::Pages(pages) => {
                write!(f, "the server's list does not end: its {pages} pages are almost empty")
            }
            Self::Things(max) => write!(f, "the server's list has more than {max} entries"),
            Self::Token => f.write_str("the server's token for the next page is too long"),
        }
    }
}

impl std::error::Error for Spent {}

impl From<Spent> for io::Error {
    fn from(spent: Spent) -> Self {
        Self::other(spent)
    }
}

/// Checks that a body arrives fast enough.
#[derive(Debug)]
pub struct Rate {
    start: Instant,
    /// Time in which nothing has to arrive.
    patience: Duration,
    bytes: u64,
}

impl Rate {
    pub fn new(patience: Duration) -> Self {
        Self { start: Instant::now(), patience, bytes: 0 }
    }

    /// Counts bytes that have just arrived.
    pub fn charge(&mut self, bytes: usize) -> Result<(), Spent> {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let time = self.start.elapsed();
        match time.saturating_sub(self.patience).as_secs() > self.bytes / MIN_RATE {
            true => Err(Spent::Rate(self.bytes, time)),
            false => Ok(()),
        }
    }
}

/// Reads a body, limited in size and with a minimum speed.
#[derive(Debug)]
pub struct Limited<R> {
    body: R,
    rate: Rate,
    max: u64,
    left: u64,
}

impl<R: Read> Limited<R> {
    pub fn new(body: R, max: u64, patience: Duration) -> Self {
        Self { body, rate: Rate::new(patience), max, left: max }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One more byte shows whether the body is too long.
        let most = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX);
        let end = buffer.len().min(most);
        let n = self.body.read(buffer.get_mut(..end).unwrap_or_default())?;
        self.rate.charge(n)?;
        let bytes = u64::try_from(n).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(bytes).ok_or(Spent::Bytes(self.max))?;
        Ok(n)
    }
}

/// Checks that JSON has at most `max` values: a value takes 3 bytes in JSON, and up to 600 in
/// memory.
pub fn values(json: &[u8], max: usize) -> Result<(), Spent> {
    let (mut count, mut is_text, mut is_escaped) = (1usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            // A value begins after each of these, except in empty lists and maps.
            b'[' | b'{' | b',' | b':' if !is_text => count += 1,
            _ => {}
        }
    }
    if count > max { Err(Spent::Values(max)) } else { Ok(()) }
}

/// Checks the consecutive pages of a list.
#[derive(Debug)]
pub struct Pages {
    max: usize,
    max_empty: usize,
    pages: usize,
    /// Number of consecutive empty pages.
    empty: usize,
    things: usize,
    /// Hashes of page tokens and of page contents.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Pages {
    /// For a list with at most `max` entries and at most `max_empty` consecutive empty pages.
    pub fn new(max: usize, max_empty: usize) -> Self {
        let (seen, hasher) = (HashSet::new(), RandomState::new());
        Self { max, max_empty, pages: 0, empty: 0, things: 0, seen, hasher }
    }

    /// Counts a page with `things` entries and checks that the next page, if there is one, may be
    /// requested. `content` distinguishes pages; it may be `None`.
    pub fn turn<'t>(
        &mut self,
        things: usize,
        content: Option<impl Hash>,
        next: Option<&'t str>,
    ) -> Result<Option<&'t str>, Spent> {
        self.pages += 1;
        self.empty = if things == 0 { self.empty + 1 } else { 0 };
        self.things = self.things.saturating_add(things);
        if self.things > self.max {
            return Err(Spent::Things(self.max));
        }
        let Some(next) = next.filter(|next| !next.is_empty()) else { return Ok(None) };
        let is_new_token = self.seen.insert(self.hasher.hash_one(("token", next)));
        let is_new = content
            .is_none_or(|content| self.seen.insert(self.hasher.hash_one(("content", content))));
        if next.len() > MAX_TOKEN {
            return Err(Spent::Token);
        }
        if !is_new_token || !is_new {
            return Err(Spent::Circle);
        }
        let most = FREE_PAGES.saturating_add(self.things / MIN_PER_PAGE);
        if self.pages > most || self.empty > self.max_empty {
            return Err(Spent::Pages(self.pages));
        }
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns its bytes one at a time.
    struct Drip(u64);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = usize::from(self.0 > 0).min(buffer.len());
            self.0 -= n as u64;
            Ok(n)
        }
    }

    const LONG: Duration = Duration::from_secs(1000);

    #[test]
    fn a_body_has_no_more_than_it_may_have() {
        let read = |len, max| {
            let mut body = Limited::new(Drip(len), max, LONG);
            io::copy(&mut body, &mut io::sink()).map_err(|error| error.to_string())
        };
        assert_eq!(read(10, 10), Ok(10));
        assert_eq!(read(0, 0), Ok(0));
        assert_eq!(read(11, 10).unwrap_err(), Spent::Bytes(10).to_string());
        assert_eq!(read(1, 0).unwrap_err(), Spent::Bytes(0).to_string());
        assert_eq!(Limited::new(Drip(5), 5, LONG).read(&mut []).unwrap(), 0);
    }

    #[test]
    fn values_are_counted_outside_of_texts() {
        values(br#"{"a": "[,{:\"[,", "b": [1, 2]}"#, 8).unwrap();
        assert_eq!(values(b"[[],[],[]]", 5), Err(Spent::Values(5)));
    }

    #[test]
    fn what_drips_is_given_up() {
        let mut rate = Rate::new(Duration::ZERO);
        rate.start = Instant::now() - Duration::from_secs(100);
        assert!(matches!(rate.charge(1), Err(Spent::Rate(1, _))));
        rate.charge(200 * 1024).unwrap();
        let mut patient = Rate::new(LONG);
        patient.start = rate.start;
        patient.charge(0).unwrap();
    }

    #[test]
    fn a_list_has_an_end() {
        let none: Option<()> = None;
        let mut pages = Pages::new(5000, 100);
        assert_eq!(pages.turn(10, none, Some("a")), Ok(Some("a")));
        assert_eq!(pages.turn(10, none, None), Ok(None));
        assert_eq!(pages.turn(10, none, Some("")), Ok(None));
        assert_eq!(pages.turn(10, none, Some("a")), Err(Spent::Circle));
        assert_eq!(pages.turn(5000, none, None), Err(Spent::Things(5000)));
        assert_eq!(pages.turn(0, none, Some(&"x".repeat(1 << 20))), Err(Spent::Things(5000)));
        let mut pages = Pages::new(5000, 100);
        assert_eq!(pages.turn(1, Some("same"), Some("a")), Ok(Some("a")));
        assert_eq!(pages.turn(1, Some("same"), Some("b")), Err(Spent::Circle));
        assert_eq!(pages.turn(1, none, Some(&"x".repeat(1 << 20))), Err(Spent::Token));
        let mut pages = Pages::new(usize::MAX, 100);
        let spent = (0..).find_map(|i| pages.turn(1, Some(i), Some(&i.to_string())).err());
        assert_eq!(spent, Some(Spent::Pages(1112)));
        let mut pages = Pages::new(usize::MAX, 100);
        let spent = (0..).find_map(|i| pages.turn(0, none, Some(&i.to_string())).err());
        assert_eq!(spent, Some(Spent::Pages(101)));
    }
}
