//! Start and end of runs with hyperparameters.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use prost::Message;
use tbx::record::RecordReader;
use tbx::summary::hparams::SessionEnd;
use tbx::{Hparams, Logdir, SessionStatus, SummaryWriter, pb};

use super::{ended, records, started};
use crate::writer::{START, events, fixed, run, runs, steps};

/// The session end of a run that `write` writes to `dir`.
fn end_of(dir: &Path, write: impl FnOnce(SummaryWriter)) -> Option<SessionEnd> {
    let writer = fixed().create(dir).unwrap();
    let file = writer.path().unwrap().to_owned();
    writer.add_hparams([("lr", 0.1.into())], []).unwrap();
    write(writer);
    let events = events(&file);
    let tag = |event: &pb::Event| match &event.what {
        Some(pb::event::What::Summary(summary)) => summary.value[0].tag.clone(),
        _ => String::new(),
    };
    let tags: Vec<_> = events.iter().map(tag).collect();
    let found: Vec<_> = (0..).zip(&tags).filter(|(_, tag)| tag.contains("session_end")).collect();
    assert!(found.is_empty() || found == [(tags.len() - 1, tags.last().unwrap())], "{tags:?}");
    ended(&run(dir))
}

#[test]
fn a_session_begins_with_its_writer_and_ends_when_it_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let now = Arc::new(Mutex::new(START));
    let clock = now.clone();
    let options = SummaryWriter::options().clock(move || *clock.lock().unwrap());
    for (name, at, begin, finish) in [
        ("clock", None, None, (START, START + 5.0)),
        ("handle", Some(9.5), None, (9.5, 9.5)),
        ("given", Some(9.5), Some(3.5), (3.5, 9.5)),
    ] {
        *now.lock().unwrap() = START;
        let writer = options.clone().create(dir.path().join(name)).unwrap();
        *now.lock().unwrap() = START + 5.0;
        let at = at.map_or(writer.clone(), |at| writer.with_wall_time(at).unwrap());
        let mut hparams = Hparams::new().with("lr", 0.1);
        hparams.start_time = begin;
        at.add_hparams(hparams, []).unwrap();
        at.close().unwrap();
        let found = run(&dir.path().join(name));
        let end = ended(&found).unwrap();
        assert_eq!((started(&found).start_time, end.end_time), (Some(finish.0), Some(finish.1)));
    }
}

#[test]
fn the_end_is_written_once_and_last() {
    use SessionStatus::{Failure, Running, Success, Unknown};
    let status = |write: fn(SummaryWriter)| {
        let dir = tempfile::tempdir().unwrap();
        end_of(dir.path(), write).map(|end| end.status)
    };
    assert_eq!(status(drop), Some(Success));
    assert_eq!(status(|writer| drop((writer.clone(), writer.with_step(3)))), Some(Success));
    assert_eq!(status(|writer| writer.close().unwrap()), Some(Success));
    assert_eq!(status(|writer| writer.close_as(Success).unwrap()), Some(Success));
    assert_eq!(status(|writer| writer.close_as(Failure).unwrap()), Some(Failure));
    // The run continues elsewhere, so no end is written, not even when the writer is dropped.
    assert_eq!(status(|writer| writer.close_as(Running).unwrap()), None);
    assert_eq!(status(|writer| writer.close_as(Unknown).unwrap()), None);
    let twice = |writer: SummaryWriter| {
        writer.clone().close_as(Failure).unwrap();
        writer.close().unwrap();
        writer.add_hparams([("lr", 0.1.into())], []).unwrap_err();
    };
    assert_eq!(status(twice), Some(Failure));
}

#[test]
fn a_writer_that_a_panic_drops_or_closes_ends_in_failure() {
    struct ClosesWhenDropped(SummaryWriter);
    impl Drop for ClosesWhenDropped {
        fn drop(&mut self) {
            self.0.close().unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let panics = |write: fn(SummaryWriter)| {
        move |writer: SummaryWriter| {
            thread::spawn(move || write(writer)).join().unwrap_err();
        }
    };
    for (name, write) in [
        ("drop", (|writer| panic!("on purpose, with {writer:?}")) as fn(SummaryWriter)),
        ("close", |writer| {
            let _guard = ClosesWhenDropped(writer);
            panic!("on purpose");
        }),
    ] {
        let end = end_of(&dir.path().join(name), panics(write)).unwrap();
        assert_eq!(end.status, SessionStatus::Failure, "{name}");
    }
    // Another handle outlives the panic, so the run continues.
    let end = end_of(&dir.path().join("caught"), |writer| {
        panics(|writer| panic!("on purpose, with {writer:?}"))(writer.clone());
        writer.add_scalar("loss", 0.5, 0).unwrap();
    });
    assert_eq!(end.unwrap().status, SessionStatus::Success);
}

#[test]
fn nothing_follows_the_end_whoever_is_logging() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let end = end_of(dir.path(), |writer| {
            thread::scope(|scope| {
                for _ in 0..2 {
                    let writer = writer.clone();
                    let add = move |step| writer.add_scalar("loss", 0.5, step);
                    scope.spawn(move || (0..).find_map(|step| add(step).err()).unwrap());
                }
                for _ in 0..2 {
                    let writer = writer.clone();
                    scope.spawn(move || writer.close_as(SessionStatus::Failure).unwrap());
                }
            });
        });
        assert_eq!(end.unwrap().status, SessionStatus::Failure);
    }
}

#[test]
fn a_run_without_hparams_has_no_end_nor_has_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path().join("without")).unwrap();
    writer.add_scalars("loss", [("train", 0.5)], 0).unwrap();
    writer.close_as(SessionStatus::Failure).unwrap();
    let writer = fixed().create(dir.path().join("with")).unwrap();
    writer.add_scalars("loss", [("train", 0.5)], 0).unwrap();
    writer.add_hparams([("lr", 0.1.into())], []).unwrap();
    drop(writer);
    let found: BTreeMap<_, _> =
        runs(dir.path()).into_iter().map(|run| (run.name.clone(), records(&run).len())).collect();
    let expected = [("with", 2), ("with/loss_train", 0), ("without", 0), ("without/loss_train", 0)];
    assert!(found.iter().map(|(name, count)| (name.as_str(), *count)).eq(expected), "{found:?}");
}

/// A stream that accepts a limited number of bytes, which can be inspected.
#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>, usize);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = self.0.lock().unwrap();
        if taken.len() + bytes.len() > self.1 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the stream is full"));
        }
        taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_has_the_end_too_unless_it_failed() {
    let stream = Stream(Arc::default(), 10_000);
    let writer = SummaryWriter::from_writer(stream.clone()).unwrap();
    writer.add_hparams([("lr", 0.1.into())], [("loss", 0.5)]).unwrap();
    drop(writer);
    let bytes = stream.0.lock().unwrap();
    let mut records = RecordReader::new(&bytes[..]);
    let mut last = None;
    while let Some(payload) = records.read().unwrap() {
        last = Some(pb::Event::decode(payload).unwrap());
    }
    let Some(pb::event::What::Summary(summary)) = last.unwrap().what else { panic!() };
    assert_eq!(summary.value[0].tag, "_hparams_/session_end_info");

    let stream = Stream(Arc::default(), 300);
    let writer = SummaryWriter::from_writer(stream.clone()).unwrap();
    writer.add_hparams([("lr", 0.1.into())], []).unwrap();
    writer.add_text("note", "x".repeat(1000), 0).unwrap();
    writer.flush().unwrap_err();
    let len = stream.0.lock().unwrap().len();
    for _ in 0..2 {
        let error = writer.close_as(SessionStatus::Failure).unwrap_err();
        assert_eq!(error.to_string(), "the stream is full");
    }
    drop(writer);
    assert_eq!(stream.0.lock().unwrap().len(), len);
}

/// A run with several files has its first start, and the first end in any of the files.
#[test]
fn a_resumed_run_is_a_session_again() {
    use SessionStatus::{Failure, Running, Success};
    for (first, shown) in [(Running, Success), (Failure, Failure)] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().create(dir.path()).unwrap();
        writer.add_hparams([("lr", 0.1.into())], []).unwrap();
        (0..5).for_each(|step| writer.add_scalar("loss", 1.0, step).unwrap());
        writer.close_as(first).unwrap();
        let writer = fixed().clock(|| START + 60.0).purge_step(3).create(dir.path()).unwrap();
        writer.add_hparams([("lr", 0.2.into())], [("loss", 0.25)]).unwrap();
        writer.close_as(Success).unwrap();
        let again = events(writer.path().unwrap());
        let is_record = |event: &&pb::Event| match &event.what {
            Some(pb::event::What::Summary(summary)) => summary.value[0].tag.contains("session"),
            _ => false,
        };
        assert_eq!(again.iter().filter(is_record).count(), 2);
        let found = run(dir.path());
        assert_eq!(started(&found).values["lr"], 0.1.into());
        assert_eq!(ended(&found).unwrap().status, shown);
        let options = tbx::LoadOptions::new();
        let loaded = Logdir::open(dir.path()).unwrap().load(&options).unwrap();
        assert_eq!(steps(&loaded.runs[0], "loss"), [0, 1, 2, 3]);
    }
}
