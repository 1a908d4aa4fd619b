//! Handles, default steps, writers without a file, and raw events.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use prost::Message;
use tbx::record::RecordReader;
use tbx::{ErrorKind, Graph, Kind, SummaryWriter, pb};

use super::everything::add_everything;
use super::{START, events, fixed, names, numbers, run, steps, values};

#[test]
fn steps_are_of_any_integer_type() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    writer.add_scalar("a", 1.0, 1u8).unwrap();
    writer.add_scalar("a", 1.0, 2i32).unwrap();
    writer.add_scalar("a", 1.0, 3usize).unwrap();
    writer.add_scalar("a", 1.0, Some(4)).unwrap();
    writer.add_scalar("a", 1.0, u64::MAX).unwrap();
    writer.close().unwrap();
    assert_eq!(steps(&run(dir.path()), "a"), [1, 2, 3, 4, i64::MAX]);
}

#[test]
fn a_value_is_any_number() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    writer.add_scalar("a", 7usize, 0).unwrap();
    writer.add_scalar("a", true, 1).unwrap();
    writer.add_scalar("a", half::f16::from_f32(0.5), 2).unwrap();
    let borrowed = &-3i64;
    writer.add_scalar("a", borrowed, 3).unwrap();
    writer.close().unwrap();
    assert_eq!(numbers(&run(dir.path()), "a"), [7.0, 1.0, 0.5, -3.0]);
}

#[test]
fn a_value_without_a_step_has_that_of_the_handle_or_the_next_of_its_tag() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let at_7 = writer.with_step(7);
    for _ in 0..2 {
        writer.add_scalar("a", 1.0, None).unwrap();
        writer.clone().add_text("b", "text", None).unwrap();
    }
    at_7.add_scalar("a", 1.0, None).unwrap();
    at_7.add_scalar("a", 1.0, 9).unwrap();
    at_7.with_step(8).add_scalar("a", 1.0, None).unwrap();
    writer.add_scalar("a", 1.0, None).unwrap();
    writer.add_scalars("c", [("x", 1.0), ("y", 2.0)], None).unwrap();
    writer.add_scalars("c", [("x", 1.0), ("y", 2.0)], None).unwrap();
    writer.add_histogram("bad", [f64::NAN], None).unwrap_err();
    writer.add_histogram("bad", [1.0], None).unwrap();
    writer.close().unwrap();
    let found = run(dir.path());
    assert_eq!(steps(&found, "a"), [0, 1, 7, 9, 8, 2]);
    assert_eq!(steps(&found, "b"), [0, 1]);
    assert_eq!(steps(&found, "bad"), [0], "a failed call used a step");
    for line in ["c_x", "c_y"] {
        assert_eq!(steps(&run(&dir.path().join(line)), "c"), [0, 1]);
    }
    // The counters continue in a resumed run.
    let writer = fixed().purge_step(5).create(dir.path()).unwrap();
    writer.add_scalar("d", 1.0, None).unwrap();
    writer.close().unwrap();
    assert_eq!(steps(&run(dir.path()), "d"), [5]);
}

#[test]
fn handles_keep_what_they_were_told() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let handle = writer.with_wall_time(START + 5.0).unwrap().with_step(3);
    let handle = handle.with_display_name("Loss").with_description("of *all*");
    for tag in ["a", "b"] {
        handle.add_scalar(tag, 0.5, None).unwrap();
        handle.add_scalar(tag, 0.25, 4).unwrap();
    }
    handle.add_histogram("h", [1.0], None).unwrap();
    handle.add_scalars("lines", [("x", 1.0)], None).unwrap();
    writer.add_scalar("plain", 1.0, 0).unwrap();
    writer.close().unwrap();
    let found = run(dir.path());
    for tag in ["a", "b", "h"] {
        let series = found.get(tag).unwrap();
        let about = series.metadata();
        assert_eq!((&*about.display_name, &*about.description), ("Loss", "of *all*"), "{tag}");
        assert!(series.wall_times().iter().all(|time| *time == START + 5.0), "{tag}");
    }
    assert_eq!(steps(&found, "a"), [3, 4]);
    assert_eq!(found.get("plain").unwrap().wall_times(), [START]);
    let line = run(&dir.path().join("lines_x"));
    assert_eq!(line.series[0].metadata().display_name, "Loss");
    // Both loaders show the display name and description of v2 values.
    let described = values(writer.path().unwrap());
    let plain = |value: &&pb::summary::Value| value.metadata.is_none();
    assert_eq!(described.iter().filter(plain).count(), 3, "a, b: second values; plain");
}

#[test]
fn double_precision_keeps_float64() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().double_precision(true).create(dir.path()).unwrap();
    writer.add_scalar("a", 0.1, 0).unwrap();
    writer.add_scalars("b", [("x", 0.1)], 0).unwrap();
    writer.close().unwrap();
    assert_eq!(numbers(&run(dir.path()), "a"), [0.1]);
    assert_eq!(numbers(&run(&dir.path().join("b_x")), "b"), [0.1]);
}

#[test]
fn a_noop_writer_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let here = std::env::current_dir().unwrap();
    let before = names(&here);
    let writer = SummaryWriter::noop();
    for writer in [&writer, &writer.with_step(1), &writer.with_wall_time(1.5).unwrap()] {
        for added in add_everything(writer) {
            added.unwrap();
        }
        writer.add_histogram("bad", [f64::NAN], 0).unwrap(); // not even checked
        writer.flush().unwrap();
        writer.sync().unwrap();
        writer.close().unwrap();
    }
    assert_eq!((writer.logdir(), writer.path()), (None, None));
    assert_eq!(names(&here), before);
    assert!(names(dir.path()).is_empty());
}

/// A stream whose contents can be inspected.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shared = self.0.lock().unwrap();
        if shared.0.len() > 100_000 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the stream is full"));
        }
        shared.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().1 += 1;
        Ok(())
    }
}

#[test]
fn a_log_can_go_to_any_stream() {
    let stream = Shared::default();
    let writer = SummaryWriter::from_writer(stream.clone()).unwrap();
    writer.add_scalar("loss", 0.5, 3).unwrap();
    writer.flush().unwrap();
    let (bytes, flushes) = stream.0.lock().unwrap().clone();
    assert!(flushes >= 2, "the stream was not flushed");
    let mut records = RecordReader::new(&bytes[..]);
    let first = pb::Event::decode(records.read().unwrap().unwrap()).unwrap();
    assert_eq!(first.what, Some(pb::event::What::FileVersion("brain.Event:2".into())));
    let second = pb::Event::decode(records.read().unwrap().unwrap()).unwrap();
    assert_eq!(second.step, 3);
    assert!(records.read().unwrap().is_none() && records.pending() == 0);

    let refused = writer.add_scalars("parts", [("a", 1.0)], 0).unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Argument(_)), "{refused}");
    let error = (0..).find_map(|step| {
        writer.add_text("note", "x".repeat(10_000), step).unwrap();
        writer.flush().err()
    });
    let error = error.unwrap();
    assert_eq!(error.to_string(), "the stream is full");
    assert_eq!(writer.close().unwrap_err().to_string(), "the stream is full");
}

#[test]
fn events_and_summaries_are_logged_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let message = pb::event::What::FileVersion("brain.Event:2".into());
    let event = pb::Event { step: 7, what: Some(message), ..Default::default() };
    writer.add_event(event.clone()).unwrap();
    writer.with_wall_time(9.5).unwrap().add_event(event.clone()).unwrap();
    writer.add_event(pb::Event { wall_time: 3.5, ..event.clone() }).unwrap();
    writer.add_event(pb::Event { wall_time: f64::NAN, ..event }).unwrap_err();
    let number = Some(pb::summary::value::Value::SimpleValue(0.5));
    let value = |tag: &str| pb::summary::Value {
        tag: tag.into(),
        value: number.clone(),
        ..Default::default()
    };
    let summary = pb::Summary { value: vec![value("a"), value("b")] };
    writer.add_summary(summary.clone(), 4).unwrap();
    writer.add_summary(summary.clone(), None).unwrap();
    writer.close().unwrap();
    let events = events(writer.path().unwrap());
    let times: Vec<_> = events.iter().map(|event| (event.wall_time, event.step)).collect();
    assert_eq!(times[1..], [(START, 7), (9.5, 7), (3.5, 7), (START, 4), (START, 0)]);
    assert_eq!(events[4].what, Some(pb::event::What::Summary(summary)));
    assert_eq!(steps(&run(dir.path()), "b"), [4, 0]);
}

#[test]
fn a_graph_has_the_handles_wall_time() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    writer.with_wall_time(START + 1.0).unwrap().add_graph(&Graph::new()).unwrap();
    writer.close().unwrap();
    let found = run(dir.path());
    let graph = found.series.iter().find(|series| series.kind() == Kind::Graph).unwrap();
    assert_eq!(graph.wall_times(), [START + 1.0]);
}
