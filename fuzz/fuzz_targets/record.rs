//! Records: a log in memory and the same log in a file have the same records and the same damage. A stream has the
//! records before the first damaged length. Spans of a log together have the records of the whole.

#![no_main]

use std::io::{Seek, Write};

use libfuzzer_sys::fuzz_target;
use tbx::record::{
    FOOTER_LEN, HEADER_LEN, RecordReader, Scanner, Source, Step, append, holds_records, split,
};
use tbx_fuzz::{Input, Logs};

/// The content at an offset of a log.
#[derive(Debug, PartialEq)]
enum Item {
    Record(u64, Vec<u8>),
    /// Damage, with its description and effect.
    Damage(u64, String),
    /// The end, and the length of an unfinished record before it.
    End(u64),
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    for log in Logs::read(&mut input).logs() {
        check(log);
    }
});

fn check(log: &[u8]) {
    let mapped = || Source::mapped(log.to_vec().into());
    let found = walk(mapped(), 0, u64::MAX);
    assert_eq!(found, walk(file(log), 0, u64::MAX), "the same log in a file");
    assert_eq!(
        holds_records(&mut mapped()).expect("it is in memory"),
        holds_records(&mut file(log)).expect("it is in memory"),
    );

    // Offsets grow, and a record is as long as it should be.
    let mut end = 0;
    for item in &found {
        match item {
            Item::Record(offset, payload) => {
                assert!(*offset >= end, "{found:?}");
                end = offset + (HEADER_LEN + payload.len() + FOOTER_LEN) as u64;
                let at = usize::try_from(*offset).expect("it is in memory");
                let mut again = Vec::new();
                append(&mut again, |buffer| buffer.extend_from_slice(payload));
                assert!(log[at..].starts_with(&again), "the record at {offset}");
            }
            Item::Damage(offset, _) => assert!(*offset >= end, "{found:?}"),
            Item::End(pending) => assert!(*pending <= log.len() as u64 - end, "{found:?}"),
        }
    }
    assert!(matches!(found.last(), Some(Item::End(_))), "{found:?}");

    streams(log, &found);
    if let [records @ .., Item::End(0)] = &found[..]
        && records.iter().all(|item| matches!(item, Item::Record(..)))
    {
        spans(log, &found);
    }
}

/// Everything in a log from `start` on that begins before `end`.
fn walk(source: Source, start: u64, end: u64) -> Vec<Item> {
    let mut scanner = Scanner::new(source, start);
    let mut found = Vec::new();
    while scanner.position() < end {
        let damage = match scanner.advance().expect("it is in memory") {
            Step::Record { offset, len } => {
                let prefix = scanner.prefix(8).expect("it is in memory").to_vec();
                match scanner.payload().expect("it is in memory") {
                    Ok(payload) => {
                        assert_eq!(payload.len(), len);
                        assert!(
                            prefix.len() >= len.min(8)
                                && payload.starts_with(&prefix[..len.min(8)])
                        );
                        found.push(Item::Record(offset, payload.to_vec()));
                        continue;
                    }
                    Err(damage) => damage,
                }
            }
            Step::Damage(damage) => damage,
            Step::End { pending } => {
                found.push(Item::End(pending));
                break;
            }
        };
        found.push(Item::Damage(damage.offset, format!("{:?} {:?}", damage.kind, damage.effect)));
    }
    found
}

fn file(log: &[u8]) -> Source {
    let mut file =
        tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).expect("a new file");
    file.write_all(log).expect("there is memory");
    file.rewind().expect("it is a file");
    Source::file(file, log.len() as u64, Vec::new())
}

/// A stream cannot be searched for what follows damage. It has the records before that.
fn streams(log: &[u8], found: &[Item]) {
    let mut reader = RecordReader::new(log);
    for item in found {
        let read = reader.read().map(|payload| payload.map(<[u8]>::to_vec));
        match (item, read) {
            (Item::Record(_, expected), Ok(Some(payload))) => assert_eq!(*expected, payload),
            (Item::Record(..), other) => panic!("{other:?} instead of a record"),
            // An unfinished record in the middle of the log ends a stream.
            (Item::Damage(..), Ok(None)) => return,
            (Item::Damage(offset, _), Err(error)) => {
                assert_eq!(error.location().offset, Some(*offset));
                return;
            }
            (Item::Damage(..), Ok(Some(_))) => panic!("a record instead of damage"),
            (Item::End(pending), Ok(None)) => assert_eq!(reader.pending() as u64, *pending),
            (Item::End(_), other) => panic!("{other:?} at the end"),
        }
    }
}

/// In a log without damage, each span that begins at a record has the records up to the next one.
fn spans(log: &[u8], found: &[Item]) {
    let source = || Source::mapped(log.to_vec().into());
    let starts = split(log.len() as u64, 4, source).expect("it is in memory");
    assert_eq!(starts[0], 0);
    assert!(starts.is_sorted(), "{starts:?}");
    let is_start =
        |at: &u64| found.iter().any(|item| matches!(item, Item::Record(offset, _) if offset == at));
    let starts: Vec<u64> = starts.into_iter().filter(|at| *at == 0 || is_start(at)).collect();
    let ends = starts.iter().skip(1).copied().chain([u64::MAX]);
    let parts: Vec<Item> =
        starts.iter().zip(ends).flat_map(|(start, end)| walk(source(), *start, end)).collect();
    assert_eq!(parts, found, "spans from {starts:?}");
}
