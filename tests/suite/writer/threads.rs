//! Guarantees when several threads use one writer.

use std::fmt::Debug;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use prost::Message;
use tbx::event::encode;
use tbx::record::{RecordReader, append};
use tbx::{SummaryWriter, pb};

use super::{START, noise, run, steps, unhurried};

#[test]
fn the_writer_is_send_sync_and_cheap_to_clone() {
    const fn is_shareable<T: Send + Sync + Clone + Debug + 'static>() {}
    const { is_shareable::<SummaryWriter>() };
    const { is_shareable::<tbx::WriterOptions>() };
    // A pointer and a wall time.
    const { assert!(size_of::<SummaryWriter>() <= 6 * size_of::<u64>()) };
}

/// Counters record the progress of each thread. A thread that flushes reads the counters first,
/// and must find all those points in the file afterwards.
#[test]
fn flush_makes_every_earlier_add_readable() {
    const ADDERS: usize = 4;
    const FLUSHES: usize = 30;
    let dir = tempfile::tempdir().unwrap();
    // Only flushes write to the file.
    let writer = unhurried().create(dir.path()).unwrap();
    let added = [const { AtomicI64::new(-1) }; ADDERS];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for (thread, added) in added.iter().enumerate() {
            let (writer, done) = (writer.clone(), &done);
            scope.spawn(move || {
                let tag = tag(thread);
                for step in 0.. {
                    writer.add_scalar(&tag, 0.5, step).unwrap();
                    added.store(step, Ordering::SeqCst);
                    if step % 10 == 0 {
                        thread::sleep(Duration::from_millis(1));
                    }
                    if done.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        let flush = || {
            let mut log = Tail::open(writer.path().unwrap());
            for _ in 0..FLUSHES {
                let earlier = added.each_ref().map(|added| added.load(Ordering::SeqCst));
                writer.flush().unwrap();
                log.read_on();
                for (thread, step) in earlier.into_iter().enumerate() {
                    let found = log.last[thread];
                    assert!(found >= step, "{}: {found} of {step}", tag(thread));
                }
                thread::sleep(Duration::from_millis(3));
            }
        };
        let flushed = [scope.spawn(flush), scope.spawn(flush)].map(|thread| thread.join());
        done.store(true, Ordering::SeqCst); // even if a thread failed
        flushed.into_iter().for_each(Result::unwrap);
    });
    writer.close().unwrap();
    let run = run(dir.path());
    for (thread, added) in added.into_iter().enumerate() {
        assert!(steps(&run, &tag(thread)).into_iter().eq(0..=added.into_inner()));
    }
}

/// Several megabytes, so that a `flush` has time to return too soon.
#[test]
fn flush_waits_for_what_another_thread_is_writing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let long = "x".repeat(4 << 20);
    let ready = Barrier::new(3);
    for round in 1..=15 {
        writer.add_text("long", &long, round).unwrap();
        let expected = u64::try_from(long.len()).unwrap() * u64::try_from(round).unwrap();
        let flush = || {
            ready.wait();
            writer.flush().unwrap();
            let len = fs::metadata(writer.path().unwrap()).unwrap().len();
            assert!(len >= expected, "{len} bytes of {expected}");
        };
        thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(flush))));
    }
}

fn tag(thread: usize) -> String {
    format!("thread {thread}")
}

/// Reads a growing file and keeps the last step of each thread so far.
struct Tail {
    records: RecordReader<File>,
    last: [i64; 4],
}

impl Tail {
    fn open(path: &Path) -> Self {
        Self { records: RecordReader::new(File::open(path).unwrap()), last: [-1; 4] }
    }

    fn read_on(&mut self) {
        while let Some(payload) = self.records.read().unwrap() {
            let event = pb::Event::decode(payload).unwrap();
            let Some(pb::event::What::Summary(summary)) = event.what else { continue };
            let thread: usize = summary.value[0].tag["thread ".len()..].parse().unwrap();
            assert_eq!(event.step, self.last[thread] + 1, "the order of a thread's events");
            self.last[thread] = event.step;
        }
    }
}

#[test]
fn records_are_never_interleaved() {
    const THREADS: usize = 16;
    const STEPS: i64 = 300;
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let ready = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (writer, ready) = (writer.clone(), &ready);
            scope.spawn(move || {
                let long = thread.to_string().repeat(5000);
                let values: Vec<f64> = (1..100).map(f64::from).collect();
                ready.wait();
                for step in 0..STEPS {
                    writer.add_scalar(&tag(thread), 0.5, step).unwrap();
                    match step % 50 {
                        0 => writer.add_text(&format!("text {thread}"), &long, step).unwrap(),
                        25 => writer.add_histogram("weights", &values, step).unwrap(),
                        _ => {}
                    }
                }
            });
        }
    });
    writer.close().unwrap();
    let run = run(dir.path());
    for thread in 0..THREADS {
        assert!(steps(&run, &tag(thread)).into_iter().eq(0..STEPS), "{}", tag(thread));
        assert_eq!(steps(&run, &format!("text {thread}")), [0, 50, 100, 150, 200, 250]);
    }
    assert_eq!(run.get("weights").unwrap().len(), 6 * THREADS);
    assert_eq!(run.files[0].events, 1 + 16 * (300 + 6 + 6));
}

/// Calls that would exceed the limit write to the file themselves; nothing is dropped.
#[test]
fn memory_is_bounded() {
    const STEPS: i64 = 5000;
    for max in [0, 1, 100, 4096] {
        let dir = tempfile::tempdir().unwrap();
        let writer = unhurried().clock(|| START).max_buffered_bytes(max).create(dir.path());
        let writer = writer.unwrap();
        let written =
            || usize::try_from(fs::metadata(writer.path().unwrap()).unwrap().len()).unwrap();
        let mut added = written();
        for step in 0..STEPS {
            let mut record = Vec::new();
            append(&mut record, |buffer| encode::scalar(buffer, START, step, "loss", 0.5));
            added += record.len();
            writer.add_scalar("loss", 0.5, step).unwrap();
            // The same amount again may be on its way to the file.
            let waiting = added - written();
            assert!(waiting <= 2 * (max + record.len()), "{waiting} bytes wait, not {max}");
        }
        thread::scope(|scope| {
            for thread in 0..4 {
                let writer = writer.clone();
                scope.spawn(move || {
                    let long = "x".repeat(10_000);
                    for step in 0..50 {
                        writer.add_text(&tag(thread), &long, step).unwrap();
                    }
                });
            }
        });
        writer.close().unwrap();
        let run = run(dir.path());
        assert!(steps(&run, "loss").into_iter().eq(0..STEPS));
        assert!((0..4).all(|thread| steps(&run, &tag(thread)).into_iter().eq(0..50)));
    }
}

#[test]
fn dropping_the_last_clone_closes() {
    let dir = tempfile::tempdir().unwrap();
    let writer = unhurried().create(dir.path()).unwrap();
    let clone = writer.with_wall_time(1.5).unwrap();
    writer.add_scalar("loss", 0.0, 0).unwrap();
    writer.add_scalars("parts", [("a", 1.0)], 0).unwrap();
    drop(writer);
    // The writer is still open: the other handle continues in another thread.
    thread::spawn(move || {
        clone.add_scalar("loss", 1.0, 1).unwrap();
        clone.add_scalars("parts", [("a", 1.0)], 1).unwrap();
    })
    .join()
    .unwrap();
    let runs = super::runs(dir.path());
    assert_eq!(steps(&runs[0], "loss"), [0, 1]);
    assert_eq!(steps(&runs[1], "parts"), [0, 1]);
}

/// Values that `add_scalars` accepted are in the file when `close` returns, even if both calls are
/// nearly simultaneous.
#[test]
fn a_line_that_begins_while_the_writer_is_closed_is_written_or_refused() {
    for round in 0..150 {
        let dir = tempfile::tempdir().unwrap();
        let writer = SummaryWriter::create(dir.path()).unwrap();
        let taken: Vec<String> = thread::scope(|scope| {
            let add = |thread| {
                let writer = &writer;
                move || {
                    let names = (0..20).map(|line| format!("{thread}_{line}"));
                    let taken = |name: &String| {
                        writer.add_scalars("parts", [(name.as_str(), 0.5)], 0).is_ok()
                    };
                    names.take_while(taken).collect::<Vec<_>>()
                }
            };
            let threads = [0, 1, 2].map(|thread| scope.spawn(add(thread)));
            thread::sleep(Duration::from_micros(100 + noise(round) % 1000));
            writer.close().unwrap();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        // `writer` is still alive, so that its drop cannot write the values.
        for name in taken {
            let line = run(&dir.path().join(format!("parts_{name}")));
            assert_eq!(steps(&line, "parts"), [0], "{name} in round {round}");
        }
        writer.add_scalars("parts", [("0_0", 0.5)], 1).unwrap_err();
    }
}

/// A thread that panics while it owns a handle loses no data.
#[test]
fn a_panic_elsewhere_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let clone = writer.clone();
    let died = thread::spawn(move || {
        clone.add_scalar("loss", 0.5, 0).unwrap();
        std::panic::resume_unwind(Box::new("on purpose")); // without a message on the terminal
    });
    died.join().unwrap_err();
    writer.add_scalar("loss", 0.5, 1).unwrap();
    writer.close().unwrap();
    assert_eq!(steps(&run(dir.path()), "loss"), [0, 1]);
}
