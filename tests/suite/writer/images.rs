//! Images that are encoded after the call.

use std::io::{self, Write};
use std::thread;

use image::{Rgb, RgbImage};
use tbx::summary::image::Images;
use tbx::{SummaryWriter, pb};

use super::child::{self, Child};
use super::{assert_counted, events, noise, run, steps, unhurried, values};

/// An image with more bytes than are encoded in the call.
fn photo(seed: u32) -> RgbImage {
    RgbImage::from_fn(96, 80, |x, y| {
        let rough = noise(u64::from(seed) << 32 | u64::from(y << 16 | x)) % 16;
        Rgb([x as u8, (y + seed) as u8, rough as u8])
    })
}

#[test]
fn events_are_in_the_order_of_the_calls() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let mut expected = Vec::new();
    for step in 0..60 {
        writer.add_scalar("before", 0.5, step).unwrap();
        writer.add_image("image", &photo(step as u32), step).unwrap();
        writer.add_image("small", &RgbImage::new(2, 2), step).unwrap();
        writer.add_histogram("after", [1.0, 2.0], step).unwrap();
        expected.extend(["before", "image", "small", "after"].map(|tag| (tag.to_owned(), step)));
    }
    writer.close().unwrap();
    let found: Vec<_> = events(writer.path().unwrap())
        .into_iter()
        .filter_map(|event| match event.what {
            Some(pb::event::What::Summary(summary)) => {
                Some((summary.value[0].tag.clone(), event.step))
            }
            _ => None,
        })
        .collect();
    assert_eq!(found, expected);
    let run = run(dir.path());
    let series = run.get("image").unwrap();
    for (i, value) in series.raw().unwrap().iter().enumerate() {
        let decoded = Images::read(value).unwrap().decode().unwrap();
        assert_eq!(decoded[0].as_bytes(), photo(i as u32).as_raw().as_slice());
    }
}

#[test]
fn flush_sync_close_and_drop_write_every_image() {
    for end in ["flush", "sync", "close", "drop"] {
        let dir = tempfile::tempdir().unwrap();
        let writer = unhurried().create(dir.path()).unwrap();
        for step in 0..20 {
            writer.add_image("image", &photo(0), step).unwrap();
        }
        writer.add_scalar("loss", 0.5, 0).unwrap();
        let path = writer.path().unwrap().to_owned();
        let open = match end {
            "flush" => writer.flush().map(|()| Some(writer)),
            "sync" => writer.sync().map(|()| Some(writer)),
            "close" => writer.close().map(|()| Some(writer)),
            _ => {
                drop(writer);
                Ok(None)
            }
        };
        assert_eq!(values(&path).len(), 21, "{end}");
        drop(open.unwrap());
    }
}

#[test]
fn kill_9_after_flush_loses_no_image() {
    for round in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Child::start("writer::images::child_that_flushes_images", dir.path());
        let mut flushed: Vec<_> =
            (0..noise(round) % 5 + 1).map(|_| child.next().unwrap()).collect();
        flushed.extend(child.kill());
        let last = *flushed.last().unwrap();
        let run = run(dir.path());
        assert_counted(&steps(&run, "image"), last);
        assert_counted(&steps(&run, "loss"), last);
    }
}

#[test]
#[ignore = "another test starts it in a separate process"]
fn child_that_flushes_images() {
    let dir = child::dir();
    let writer = unhurried().create(dir).unwrap();
    let photo = photo(1);
    for step in 0.. {
        writer.add_image("image", &photo, step).unwrap();
        writer.add_scalar("loss", 0.5, step).unwrap();
        if step % 5 == 4 {
            writer.flush().unwrap();
            child::say(step);
        }
    }
}

#[test]
fn many_threads_and_two_writers_log_images_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let options = || SummaryWriter::options().max_encoding_bytes(100_000);
    let writers = [(); 2].map(|()| options().create(dir.path()).unwrap());
    thread::scope(|scope| {
        for (number, writer) in writers.iter().enumerate() {
            for part in 0..3 {
                scope.spawn(move || {
                    let tag = format!("image{number}{part}");
                    let photo = photo(part);
                    for step in 0..20 {
                        writer.add_image(&tag, &photo, step).unwrap();
                        if step % 7 == 0 {
                            writer.flush().unwrap();
                        }
                    }
                });
            }
        }
    });
    writers.into_iter().for_each(|writer| writer.close().unwrap());
    let run = run(dir.path());
    for number in 0..2 {
        for part in 0..3 {
            let all: Vec<i64> = (0..20).collect();
            assert_eq!(steps(&run, &format!("image{number}{part}")), all);
        }
    }
}

#[test]
fn metadata_comes_with_the_first_image_of_a_tag() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::options().v2(true).create(dir.path()).unwrap();
    let described = writer.with_description("**what** it is");
    for step in 0..3 {
        described.add_image("image", &photo(0), step).unwrap();
        described.add_image("image", &RgbImage::new(2, 2), step).unwrap();
    }
    writer.close().unwrap();
    let values = values(writer.path().unwrap());
    let metadata: Vec<_> = values.iter().map(|value| value.metadata.is_some()).collect();
    assert_eq!(metadata, [true, false, false, false, false, false]);
    assert_eq!(values[0].metadata.as_ref().unwrap().summary_description, "**what** it is");
}

#[test]
fn steps_that_are_counted_are_those_of_the_calls() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    for _ in 0..10 {
        writer.add_image("image", &photo(0), None).unwrap();
    }
    writer.close().unwrap();
    assert_counted(&steps(&run(dir.path()), "image"), 9);
}

/// A stream that fails after a number of bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failed_write_ends_the_waiting_of_all_calls() {
    for limit in [0, 30_000, 1 << 20] {
        let options = SummaryWriter::options().max_encoding_bytes(limit);
        let writer = options.from_writer(Full(60_000)).unwrap();
        let photo = photo(0);
        let refused = (0..1000).find_map(|step| writer.add_image("image", &photo, step).err());
        let refused = refused.unwrap_or_else(|| writer.flush().unwrap_err());
        assert_eq!(refused.kind().name(), "io", "{refused}");
        for said in [writer.add_scalar("loss", 0.5, 0), writer.flush(), writer.close()] {
            assert_eq!(said.unwrap_err().kind().name(), "io");
        }
    }
}

#[test]
fn without_room_for_any_image_the_call_encodes() {
    let dir = tempfile::tempdir().unwrap();
    let options = unhurried().max_encoding_bytes(0);
    let writer = options.create(dir.path()).unwrap();
    (0..5).try_for_each(|step| writer.add_image("image", &photo(0), step)).unwrap();
    writer.close().unwrap();
    assert_counted(&steps(&run(dir.path()), "image"), 4);
}
