//! Errors of a writer that cannot do what the caller asks.

use std::fs;

use tbx::{Error, ErrorKind, Graph, Node, Result, SummaryWriter};

use super::everything::{add_each, add_everything, moments, read_everything};
use super::{assert_counted, fixed, names, run, runs, steps, unhurried};

#[test]
fn a_closed_writer_says_so() {
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        let clone = writer.clone();
        let handle = writer.with_wall_time(1.5).unwrap();
        writer.add_scalars("parts", [("a", 0.5)], 0).unwrap();
        writer.close().unwrap();
        let before = names(dir.path());
        for writer in [&writer, &clone, &handle, &clone.clone()] {
            for added in add_everything(writer) {
                let error = added.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Closed), "{error}");
                assert!(error.to_string().ends_with(": the writer is closed"), "{error}");
                let path = error.location().path.as_deref().unwrap();
                assert!(path.starts_with(dir.path()), "{error}");
            }
            writer.close().unwrap();
        }
        assert_eq!(names(dir.path()), before, "a closed writer created a file");
        assert_eq!(runs(dir.path())[0].files[0].events, 1);
    }
}

#[test]
fn bad_input_fails_at_the_call_and_writes_nothing() {
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        let raw = |limits: &[f64], counts: &[f64]| {
            writer.add_histogram_raw("bad", moments(), limits, counts, 7)
        };
        let refused = [
            ("no values", writer.add_histogram("bad", [0.0f32; 0], 7)),
            ("only NaN", writer.add_histogram("bad", [f64::NAN; 3], 7)),
            ("only infinities", writer.add_histogram("bad", [f32::INFINITY], 7)),
            ("only beyond all buckets", writer.add_histogram("bad", [1e30, -1e30], 7)),
            ("more limits", raw(&[1.0, 2.0, 3.0], &[1.0, 2.0])),
            ("more counts", raw(&[], &[1.0])),
            ("unsorted limits", raw(&[2.0, 1.0], &[1.0, 2.0])),
            ("a limit that is NaN", raw(&[1.0, f64::NAN], &[1.0, 2.0])),
        ];
        for (what, added) in refused {
            let error = argument(added, what);
            assert!(error.to_string().starts_with("tag \"bad\", step 7: "), "{what}: {error}");
        }
        let twice = Graph::new().node(Node::new("x", "A")).node(Node::new("x", "B"));
        argument(writer.add_graph(&twice), "two nodes of one name");
        let nameless = Graph::new().node(Node::new("", "A"));
        argument(writer.add_graph(&nameless), "a node without a name");
        for wall_time in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            argument(writer.with_wall_time(wall_time), "a wall time that is no time");
        }
        // The writer continues as if nothing had happened.
        writer.add_scalar("bad", 0.5, 8).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        assert_eq!((run.files[0].events, steps(&run, "bad")), (2, vec![8]));
    }
}

#[test]
fn a_bad_picture_fails_at_the_call_and_writes_nothing() {
    use image::RgbImage;
    use tbx::summary::image::Pixels;

    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        let sizes = [RgbImage::new(2, 2), RgbImage::new(2, 3)];
        let channels =
            [(1, vec![0; 4]), (3, vec![0; 12])].map(|(n, s)| Pixels::new(2, 2, n, s).unwrap());
        let refused = [
            ("no pixels", writer.add_image("bad", &RgbImage::new(0, 5), 7)),
            ("no images", writer.add_images("bad", &sizes[..0], 7)),
            ("two sizes", writer.add_images("bad", &sizes[..], 7)),
            ("two numbers of channels", writer.add_images("bad", &channels[..], 7)),
        ];
        for (what, added) in refused {
            let error = argument(added, what);
            assert!(error.to_string().starts_with("tag \"bad\", step 7: "), "{what}: {error}");
        }
        writer.close().unwrap();
        assert_eq!(run(dir.path()).files[0].events, 1);
    }
}

/// Protobuf parsers stop at 2 GiB.
#[cfg(target_pointer_width = "64")]
#[test]
fn an_event_that_no_reader_would_take_is_refused() {
    use tbx::pb;

    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    // Zeros that are never touched take no memory.
    let tensor_content = vec![0; 1 << 31].into();
    let tensor = pb::TensorProto { tensor_content, ..Default::default() };
    let value = Some(pb::summary::value::Value::Tensor(tensor));
    let value = pb::summary::Value { tag: "bad".into(), value, ..Default::default() };
    let summary = pb::Summary { value: vec![value] };
    let error = argument(writer.add_summary(summary, 7), "a summary of 2 GiB");
    assert!(error.to_string().contains("2147483647"), "{error}");
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
}

#[test]
fn a_file_name_has_no_separators_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("run");
    for part in ["/", "../up", "a\\b", "a\0b"] {
        argument(fixed().suffix(part).create(&inside), part);
        argument(fixed().host(part).create(&inside), part);
    }
    assert!(names(dir.path()).iter().all(|name| name == "run"));
    assert!(!inside.exists() || names(&inside).is_empty());
}

fn argument<T>(result: Result<T>, what: &str) -> Error {
    let Err(error) = result else { panic!("{what} was taken") };
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{what}: {error}");
    error
}

/// A limit on the file size simulates a full disk: `write` accepts the bytes that fit, then fails.
#[cfg(unix)]
#[test]
fn a_full_disk_fails_the_next_call_and_what_was_written_stays_readable() {
    use super::child::Child;

    let test = "writer::misuse::child_on_a_full_disk";
    for blocks in [8, 61] {
        let dir = tempfile::tempdir().unwrap();
        Child::start_on_full_disk(test, dir.path(), blocks).finish();
        let runs = runs(dir.path());
        let names: Vec<_> = runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names[..4], ["every", "every/others_new", "every/parts_a", "flushed"]);
        assert_eq!(names[4..], ["line", "line/parts_a", "unflushed"]);
        let every = runs.iter().find(|run| run.name == "every").unwrap();
        read_everything(every);
        assert!(every.files[0].bytes <= 1024 * u64::from(blocks));
        for run in runs.iter().filter(|run| !run.name.starts_with("every") && run.name != "line") {
            assert_counted(run.series[0].steps(), 0);
            let file = &run.files[0];
            // Up to the last block: the writer did not give up too early.
            assert!(file.bytes >= u64::from(blocks) * 512, "{} bytes", file.bytes);
            assert!(file.pending_bytes < 100, "{} pending bytes", file.pending_bytes);
        }
    }
}

#[cfg(unix)]
#[test]
#[ignore = "another test starts it in a separate process"]
fn child_on_a_full_disk() {
    let dir = super::child::dir();
    let writer = unhurried().create(dir.join("flushed")).unwrap();
    let error = (0..)
        .find_map(|step| {
            writer.add_scalar("loss", 0.5, step).unwrap();
            writer.flush().err()
        })
        .unwrap();
    assert_full(&error, &writer);

    let writer = SummaryWriter::create(dir.join("unflushed")).unwrap();
    let error = (0..).find_map(|step| writer.add_scalar("loss", 0.5, step).err()).unwrap();
    assert_full(&error, &writer);

    let writer = SummaryWriter::create(dir.join("every")).unwrap();
    let full = |error: &Error| matches!(error.kind(), ErrorKind::Io(_));
    let errors = (0..).find_map(|step| {
        let added = add_each(&writer, step).into_iter().filter_map(Result::err);
        Some(added.collect::<Vec<_>>()).filter(|errors| !errors.is_empty())
    });
    errors.unwrap().iter().for_each(|error| assert!(full(error), "{error}"));
    assert!(full(&writer.close().unwrap_err()));

    // There is room for the run itself, but not for one of its lines.
    let writer = SummaryWriter::create(dir.join("line")).unwrap();
    let add = |step| writer.add_scalars("parts", [("a", 0.5)], step);
    let error = (0..).find_map(|step| add(step).err()).unwrap();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
    assert!(error.location().path.as_deref().unwrap().starts_with(dir.join("line/parts_a")));
    writer.add_scalar("loss", 0.5, 0).unwrap();
    writer.close().unwrap_err();
}

/// Fails unless every call returns the error with its place, and nothing follows in the file.
#[cfg(unix)]
fn assert_full(error: &Error, writer: &SummaryWriter) {
    let len = fs::metadata(writer.path().unwrap()).unwrap().len();
    let is_full = |error: &Error| {
        let is_io = matches!(error.kind(), ErrorKind::Io(cause) if cause.raw_os_error().is_some());
        assert!(is_io, "{error}");
        assert_eq!(error.location().path.as_deref(), Some(writer.path().unwrap()));
    };
    is_full(error);
    for added in add_everything(writer).into_iter().chain(add_everything(&writer.clone())) {
        is_full(&added.unwrap_err());
    }
    for done in [writer.flush(), writer.sync(), writer.close(), writer.flush()] {
        is_full(&done.unwrap_err());
    }
    assert_eq!(fs::metadata(writer.path().unwrap()).unwrap().len(), len);
}

/// The file was removed, but the operating system would still accept writes to it.
#[cfg(unix)]
#[test]
fn a_directory_that_vanishes_fails_the_next_call() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let writer = unhurried().create(&run).unwrap();
    writer.add_scalar("loss", 0.5, 0).unwrap();
    writer.flush().unwrap();
    fs::remove_dir_all(&run).unwrap();
    writer.add_scalar("loss", 0.5, 1).unwrap(); // not noticed yet
    let error = writer.flush().unwrap_err();
    assert_eq!(error.location().path.as_deref(), writer.path());
    assert!(error.to_string().ends_with(": the file was removed"), "{error}");
    for added in add_everything(&writer) {
        added.unwrap_err();
    }
    writer.close().unwrap_err();
    assert!(!run.exists(), "a call recreated the directory");

    // A renamed directory still accepts everything.
    let writer = unhurried().create(&run).unwrap();
    fs::rename(&run, dir.path().join("moved")).unwrap();
    writer.add_scalar("loss", 0.5, 1).unwrap();
    writer.close().unwrap();
    assert_eq!(steps(&super::run(&dir.path().join("moved")), "loss"), [1]);
}
