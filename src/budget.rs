//! How much a server may ask for: of time, of requests, of memory.
//!
//! A server may be broken or hostile. It may send a byte a second, a list without an end, a file that is
//! longer than it said. Whoever waits for one charges what comes here, and what is [`Spent`] says which
//! limit it was.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Bytes that come in a second at least, on average, once a [`Rate`]'s patience is over. The slowest
/// modems had more.
const MIN_RATE: u64 = 1024;
/// Pages of a list that are taken however little is on them.
const FREE_PAGES: usize = 1000;
/// Things on a page, on average, once these are used up.
const MIN_PER_PAGE: usize = 10;
/// A longer token of a page fits into no address.
const MAX_TOKEN: usize = 16 << 10;

/// Which limit was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It sends too slowly: so many bytes in so much time.
    Rate(u64, Duration),
    /// It sends more than so many bytes.
    Bytes(u64),
    /// It sends fewer or more bytes than it said.
    Length { said: u64, sent: u64 },
    /// It has the same page come again.
    Circle,
    /// So many pages have hardly anything on them.
    Pages(usize),
    /// More than so many things are in a list.
    Things(usize),
    /// It names the next page by more than [`MAX_TOKEN`] bytes.
    Token,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(bytes, time) => {
                write!(
                    f,
                    "the server sent {bytes} bytes in {} s, too slowly to go on",
                    time.as_secs()
                )
            }
            Self::Bytes(max) => write!(f, "the server's answer has more than {max} bytes"),
            Self::Length { said, sent } if sent > said => {
                write!(f, "the server sends more than the {said} bytes that it listed")
            }
            Self::Length { said, sent } => {
                write!(f, "the server sent {sent} of the {said} bytes that it listed")
            }
            Self::Circle => f.write_str("the server's list goes in a circle: a page comes again"),
            Self::Pages(pages) => {
                write!(f, "the server's list has no end: there is hardly anything on {pages} pages")
            }
            Self::Things(max) => write!(f, "the server's list has more than {max} entries"),
            Self::Token => f.write_str("the server's list has no next page: its name is too long"),
        }
    }
}

impl std::error::Error for Spent {}

impl From<Spent> for io::Error {
    fn from(spent: Spent) -> Self {
        Self::other(spent)
    }
}

/// Of a body that comes: whether it comes fast enough.
#[derive(Debug)]
pub(crate) struct Rate {
    start: Instant,
    /// So long nothing need come.
    patience: Duration,
    bytes: u64,
}

impl Rate {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { start: Instant::now(), patience, bytes: 0 }
    }

    /// So many bytes came now.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Spent> {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let time = self.start.elapsed();
        match time.saturating_sub(self.patience).as_secs() > self.bytes / MIN_RATE {
            true => Err(Spent::Rate(self.bytes, time)),
            false => Ok(()),
        }
    }
}

/// A body that is read: not more than it may have, and not too slowly.
#[derive(Debug)]
pub(crate) struct Limited<R> {
    body: R,
    rate: Rate,
    left: u64,
    limit: Limit,
}

/// How many bytes a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// So many at most.
    Most(u64),
    /// As many as a list said.
    Listed(u64),
}

impl<R: Read> Limited<R> {
    pub(crate) fn new(body: R, limit: Limit, patience: Duration) -> Self {
        let (Limit::Most(left) | Limit::Listed(left)) = limit;
        Self { body, rate: Rate::new(patience), left, limit }
    }

    /// That another byte came, though there may be none.
    fn too_long(&self) -> Spent {
        match self.limit {
            Limit::Most(max) => Spent::Bytes(max),
            Limit::Listed(said) => Spent::Length { said, sent: said.saturating_add(1) },
        }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A byte more tells whether it is too long.
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).max(1);
        let end = buffer.len().min(most);
        let n = self.body.read(buffer.get_mut(..end).unwrap_or_default())?;
        self.rate.charge(n)?;
        if n == 0 {
            return match self.limit {
                Limit::Listed(said) if self.left > 0 && end > 0 => {
                    Err(Spent::Length { said, sent: said - self.left }.into())
                }
                _ => Ok(0),
            };
        }
        let bytes = u64::try_from(n).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.too_long())?;
        Ok(n)
    }
}

/// The pages of a list, one after the other.
#[derive(Debug)]
pub(crate) struct Pages {
    max: usize,
    pages: usize,
    things: usize,
    /// Hashes of what named the next page, and of what was on them.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Pages {
    /// Of a list that has at most `max` entries.
    pub(crate) fn new(max: usize) -> Self {
        let (seen, hasher) = (HashSet::new(), RandomState::new());
        Self { max, pages: 0, things: 0, seen, hasher }
    }

    /// A page came with so many things, and what names the next one, if there is one; that it may be
    /// asked for. `content` tells pages apart; it may be nothing that tells them.
    pub(crate) fn turn<'t>(
        &mut self,
        things: usize,
        content: Option<impl Hash>,
        next: Option<&'t str>,
    ) -> Result<Option<&'t str>, Spent> {
        self.pages += 1;
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
        if self.pages > FREE_PAGES.saturating_add(self.things / MIN_PER_PAGE) {
            return Err(Spent::Pages(self.pages));
        }
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes one at a time.
    struct Drip(u64);

    impl Read for Drip {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = usize::from(self.0 > 0).min(buffer.len());
            self.0 -= n as u64;
            Ok(n)
        }
    }

    const LONG: Duration = Duration::from_secs(1000);

    fn read(len: u64, limit: Limit) -> Result<u64, String> {
        let mut body = Limited::new(Drip(len), limit, LONG);
        io::copy(&mut body, &mut io::sink()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_has_the_length_that_was_said() {
        assert_eq!(read(10, Limit::Most(10)), Ok(10));
        assert_eq!(read(3, Limit::Most(10)), Ok(3));
        assert_eq!(read(0, Limit::Listed(0)), Ok(0));
        assert_eq!(read(10, Limit::Listed(10)), Ok(10));
        assert_eq!(read(11, Limit::Most(10)).unwrap_err(), Spent::Bytes(10).to_string());
        let longer = read(u64::MAX, Limit::Listed(10)).unwrap_err();
        assert_eq!(longer, "the server sends more than the 10 bytes that it listed");
        let shorter = read(9, Limit::Listed(10)).unwrap_err();
        assert_eq!(shorter, "the server sent 9 of the 10 bytes that it listed");
        assert_eq!(read(1, Limit::Most(0)).unwrap_err(), Spent::Bytes(0).to_string());
        // Who asks for nothing is told nothing.
        assert_eq!(Limited::new(Drip(5), Limit::Listed(5), LONG).read(&mut []).unwrap(), 0);
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
        let mut pages = Pages::new(5000);
        assert_eq!(pages.turn(10, none, Some("a")), Ok(Some("a")));
        assert_eq!(pages.turn(10, none, None), Ok(None));
        assert_eq!(pages.turn(10, none, Some("")), Ok(None));
        assert_eq!(pages.turn(10, none, Some("a")), Err(Spent::Circle));
        assert_eq!(pages.turn(5000, none, None), Err(Spent::Things(5000)));
        assert_eq!(pages.turn(0, none, Some(&"x".repeat(1 << 20))), Err(Spent::Things(5000)));
        let mut pages = Pages::new(5000);
        assert_eq!(pages.turn(1, Some("same"), Some("a")), Ok(Some("a")));
        assert_eq!(pages.turn(1, Some("same"), Some("b")), Err(Spent::Circle));
        assert_eq!(pages.turn(1, none, Some(&"x".repeat(1 << 20))), Err(Spent::Token));
        let mut pages = Pages::new(usize::MAX);
        let spent = (0..).find_map(|i| pages.turn(1, Some(i), Some(&i.to_string())).err());
        assert_eq!(spent, Some(Spent::Pages(1112)));
    }
}
