//! The files that a writer creates, and their first bytes.

use std::fs;
use std::path::Path;
use std::thread;

use tbx::pb::event::What;
use tbx::{ErrorKind, SummaryWriter, Text};

use super::child::{self, Child};
use super::{START, events, fixed, names, numbers, run, runs, steps, unhurried};

#[test]
fn the_first_record_is_the_file_version_and_the_file_is_never_empty() {
    let dir = tempfile::tempdir().unwrap();
    for options in [fixed(), fixed().v2(true), fixed().purge_step(3), unhurried().clock(|| START)] {
        let writer = options.create(dir.path()).unwrap();
        let first = events(writer.path().unwrap()).remove(0);
        assert_eq!(first.what, Some(What::FileVersion("brain.Event:2".into())));
        assert_eq!((first.wall_time, first.step), (START, 0));
        let source = first.source_metadata.unwrap().writer;
        assert_eq!(source, concat!("tbx ", env!("CARGO_PKG_VERSION")));
    }
    let writer = fixed().create(dir.path()).unwrap();
    writer.add_scalars("parts", [("a", 1.0)], 0).unwrap();
    let line = dir.path().join("parts_a");
    let file = names(&line).into_iter().next().unwrap();
    let first = events(&line.join(file)).remove(0);
    assert_eq!(first.what, Some(What::FileVersion("brain.Event:2".into())));
}

#[test]
fn a_file_is_named_as_tensorboard_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().suffix(".resumed").create(dir.path().join("new/folder")).unwrap();
    assert_eq!(writer.logdir().unwrap(), dir.path().join("new/folder"));
    assert_eq!(writer.path().unwrap().parent(), Some(writer.logdir().unwrap()));
    let name = writer.path().unwrap().file_name().unwrap().to_str().unwrap();
    let start = format!("events.out.tfevents.1700000000.host.{}.", std::process::id());
    let uid = name.strip_prefix(&start).and_then(|rest| rest.strip_suffix(".resumed"));
    assert!(uid.is_some_and(|uid| uid.parse::<u64>().is_ok()), "{name}");
    // Without options, with any host name.
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let name = writer.path().unwrap().file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("events.out.tfevents."), "{name}");
}

/// Several writers start in the same second on the same host, and the file names already exist.
#[test]
fn an_existing_file_is_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    let first = fixed().create(dir.path()).unwrap();
    let bytes = fs::read(first.path().unwrap()).unwrap();
    let name = first.path().unwrap().file_name().unwrap().to_str().unwrap();
    let uid: u64 = name.rsplit('.').next().unwrap().parse().unwrap();
    let taken: Vec<_> = (uid + 1..uid + 200).map(|uid| dir.path().join(file_name(uid))).collect();
    for path in &taken {
        fs::write(path, "older").unwrap();
    }
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for step in 0..25 {
                    let writer = fixed().create(dir.path()).unwrap();
                    writer.add_scalar("loss", 0.5, step).unwrap();
                    writer.close().unwrap();
                }
            });
        }
    });
    first.close().unwrap();
    assert_eq!(fs::read(first.path().unwrap()).unwrap(), bytes);
    assert!(taken.iter().all(|path| fs::read(path).unwrap() == b"older"));
    assert_eq!(names(dir.path()).len(), 1 + taken.len() + 8 * 25);
    taken.iter().for_each(|path| fs::remove_file(path).unwrap());
    assert_eq!(run(dir.path()).get("loss").unwrap().len(), 8 * 25);
}

fn file_name(uid: u64) -> String {
    format!("events.out.tfevents.1700000000.host.{}.{uid}", std::process::id())
}

/// Even with the same clock and host.
#[test]
fn many_processes_of_many_threads_write_one_run() {
    const PROCESSES: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let start = |_| Child::start("writer::files::child_that_writes_a_run", dir.path());
    let mut children: Vec<_> = (0..PROCESSES).map(start).collect();
    let ids: Vec<_> = children.iter_mut().map(|child| child.next().unwrap()).collect();
    children.into_iter().for_each(Child::finish);
    let run = run(dir.path());
    assert_eq!(run.files.len(), PROCESSES);
    let per_file = 1 + THREADS as u64 * (STEPS as u64 + 2);
    assert!(run.files.iter().all(|file| file.events == per_file && file.pending_bytes == 0));
    for id in ids {
        for thread in 0..THREADS {
            let tag = format!("{id}/{thread}");
            assert!(steps(&run, &tag).into_iter().eq(0..STEPS), "{tag}");
            let texts = run.get(&format!("{tag}/text")).unwrap().raw().unwrap();
            assert_eq!(Text::read(&texts[0]).unwrap().strings, [tag.repeat(3000)]);
            assert_eq!(run.get(&format!("{tag}/weights")).unwrap().len(), 1);
        }
    }
}

const THREADS: usize = 32;
const STEPS: i64 = 200;

#[test]
#[ignore = "another test starts it in a separate process"]
fn child_that_writes_a_run() {
    let dir = child::dir();
    let id = std::process::id();
    child::say(id.into());
    let writer = fixed().create(dir).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let writer = writer.clone();
            scope.spawn(move || {
                let tag = format!("{id}/{thread}");
                for step in 0..STEPS {
                    writer.add_scalar(&tag, 0.5, step).unwrap();
                    if step == STEPS / 2 {
                        let (text, weights) = (format!("{tag}/text"), format!("{tag}/weights"));
                        writer.add_text(&text, tag.repeat(3000), step).unwrap();
                        writer.add_histogram(&weights, [0.5; 100], step).unwrap();
                    }
                }
            });
        }
    });
    writer.close().unwrap();
}

#[test]
fn a_run_without_events_is_a_run_without_series() {
    let dir = tempfile::tempdir().unwrap();
    drop(fixed().create(dir.path()).unwrap());
    let run = run(dir.path());
    assert!(run.series.is_empty());
    assert_eq!((run.files.len(), run.files[0].events), (1, 1));
    assert_eq!(run.start_time, Some(START));
}

#[test]
fn add_scalars_makes_a_run_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    for step in 0..3 {
        let lines = [("train", 1.0), ("a/b", 2.0), ("été", f64::NAN)];
        writer.with_wall_time(START).unwrap().add_scalars("loss/all", lines, step).unwrap();
    }
    writer.add_scalars("loss/all", std::iter::empty::<(&str, f32)>(), 3).unwrap();
    writer.close().unwrap();
    let mut runs = runs(dir.path());
    let names: Vec<_> = runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, [".", "loss_all_a%2fb", "loss_all_train", "loss_all_été"]);
    assert!(runs.remove(0).series.is_empty());
    for (run, expected) in runs.iter().zip([2.0, 1.0, f64::NAN]) {
        assert_eq!((run.series.len(), steps(run, "loss/all")), (1, vec![0, 1, 2]));
        let same = |number: f64| number == expected || number.is_nan() && expected.is_nan();
        assert!(numbers(run, "loss/all").into_iter().all(same));
        assert_eq!(run.series[0].wall_times(), [START; 3]);
    }
}

#[test]
fn hostile_names_in_add_scalars_stay_inside_the_directory() {
    let outside = tempfile::tempdir().unwrap();
    let dir = outside.path().join("logs/run");
    let writer = SummaryWriter::create(&dir).unwrap();
    let hostile = [
        "",
        ".",
        "..",
        "../../out",
        "/etc",
        "\\\\host\\share",
        "C:\\x",
        "a\0b",
        "\u{1b}[2J",
        "a\n/..",
        "/",
        "%2f",
        "*?<>|\"",
        "~",
        "$HOME",
        "-rf",
        "été",
        "\u{202e}",
    ];
    for main_tag in hostile {
        for name in hostile {
            writer.add_scalars(main_tag, [(name, 1.0)], 0).unwrap();
        }
    }
    writer.close().unwrap();
    assert!(names(outside.path()).into_iter().eq(["logs"]));
    assert!(names(&outside.path().join("logs")).into_iter().eq(["run"]));
    // One level deep, with names that every file system accepts.
    for name in names(&dir).iter().filter(|name| dir.join(name).is_dir()) {
        assert!(!name.contains(|c: char| c.is_control() || "/\\:*?\"<>|".contains(c)), "{name}");
        assert!(names(&dir.join(name)).iter().all(|file| dir.join(name).join(file).is_file()));
    }
    let found = runs(&dir).iter().map(|run| run.series.len()).sum::<usize>();
    assert_eq!(found, hostile.len() * hostile.len(), "two lines share a series");
}

#[test]
fn a_line_that_cannot_be_made_is_an_error_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let long = "x".repeat(5000); // shortened, and made unique by a hash
    writer.add_scalars("parts", [(long.as_str(), 1.0)], 0).unwrap();
    fs::write(dir.path().join("parts_taken"), "a file").unwrap();
    let error = writer.add_scalars("parts", [("taken", 1.0)], 0).unwrap_err();
    assert_io(&error, &dir.path().join("parts_taken"));
    writer.add_scalars("parts", [("good", 1.0)], 0).unwrap();
    writer.add_scalar("loss", 1.0, 0).unwrap();
    writer.close().unwrap();
    assert_eq!(fs::read(dir.path().join("parts_taken")).unwrap(), b"a file");
    assert_eq!(runs(dir.path()).len(), 3);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_io(&SummaryWriter::create(file.join("run")).unwrap_err(), &file.join("run"));
    assert_io(&SummaryWriter::create(&file).unwrap_err(), &file);
}

fn assert_io(error: &tbx::Error, path: &Path) {
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
    let at = error.location().path.as_deref();
    assert!(at.is_some_and(|at| at.starts_with(path)), "{error}");
}
