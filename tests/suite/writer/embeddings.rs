//! Embeddings: files for the projector.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use tbx::{Embedding, ErrorKind, LoadOptions, Logdir, Run, SavedEmbedding, SummaryWriter};

use super::child::{self, Child};
use super::{fixed, names, run};
use crate::common::repository;

const CONFIG: &str = "projector_config.pbtxt";

/// The same points as in `fixtures/make/projector.py`.
fn points(scale: f32) -> Vec<[f32; 3]> {
    let number = |i: u8| scale * (f32::from(i) / 8.0 - 1.0);
    (0..5).map(|row| [0, 1, 2].map(|column| number(3 * row + column))).collect()
}

const LABELS: [&str; 5] = ["null", "eins", "größe", "3", "with space"];

fn table() -> Embedding {
    let rows = LABELS.iter().zip(0..).map(|(label, i)| {
        let even = if i % 2 == 0 { "True" } else { "False" };
        [(*label).to_owned(), i.to_string(), even.to_owned()]
    });
    Embedding::new(points(1.0)).metadata(["name", "number", "even"], rows)
}

/// A run for which only the directory matters.
fn run_in(path: PathBuf) -> Run {
    Logdir::open(path).unwrap().without_logs(".", &LoadOptions::new())
}

fn saved(dir: &Path) -> Vec<SavedEmbedding> {
    run_in(dir.into()).embeddings().unwrap()
}

fn saved_names(dir: &Path) -> Vec<String> {
    saved(dir).iter().map(|embedding| embedding.name().to_owned()).collect()
}

/// Every file below `dir` with its content, except event files.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut directories = vec![dir.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if !path.to_string_lossy().contains("tfevents") {
                found.push((path.strip_prefix(dir).unwrap().into(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn photos() -> Vec<image::RgbImage> {
    let sprite = repository("fixtures/projector/torch/00000/default/sprite.png");
    let sprite = image::open(sprite).unwrap().to_rgb8();
    let cell = |i: u32| image::imageops::crop_imm(&sprite, 4 * (i % 3), 4 * (i / 3), 4, 4);
    (0..5).map(|i| cell(i).to_image()).collect()
}

/// Equal to the byte, except for the sprite, which is equal to the pixel.
#[test]
fn files_are_those_that_pytorch_writes() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let labeled = Embedding::new(points(1.0)).labels(LABELS).sprite(&photos()[..]);
    writer.add_embedding("default", &labeled, 0).unwrap();
    writer.add_embedding("a/b", &table(), 7).unwrap();
    writer.add_embedding("a/b", &Embedding::new(points(2.0)), 8).unwrap();
    writer.close().unwrap();
    let expected = files(&repository("fixtures/projector/torch"));
    let found = files(dir.path());
    let paths =
        |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&found), paths(&expected));
    for ((path, found), (_, expected)) in found.iter().zip(&expected) {
        if path.ends_with("sprite.png") {
            let [found, expected] =
                [found, expected].map(|png| image::load_from_memory(png).unwrap());
            assert!(found.to_rgb8() == expected.to_rgb8());
        } else {
            assert_eq!(String::from_utf8_lossy(found), String::from_utf8_lossy(expected));
        }
    }
}

#[test]
fn embeddings_of_other_programs_are_read() {
    let expected = [
        ("default:00000", Embedding::new(points(1.0)).labels(LABELS)),
        ("a/b:00007", table()),
        ("a/b:00008", Embedding::new(points(2.0))),
    ];
    let directory = |program: &str| repository(&format!("fixtures/projector/{program}"));
    for (found, (name, expected)) in saved(&directory("torch")).iter().zip(&expected) {
        let read = found.load().unwrap();
        assert_eq!(found.name(), *name);
        assert!(read.points().eq(expected.points()), "{name}");
        assert_eq!(read.header(), expected.header());
        assert!(read.metadata_rows().eq(expected.metadata_rows()), "{name}");
        let sprite = read.sprite_image().map(|sprite| (sprite.width, sprite.height));
        assert_eq!(sprite, (*name == "default:00000").then_some((4, 4)));
    }
    let by_tensorboardx = saved(&directory("tensorboardx"));
    let last = by_tensorboardx.last().unwrap();
    assert_eq!((by_tensorboardx.len(), last.name()), (4, "a/b:00008"));
    assert_eq!(last.load().unwrap(), Embedding::new(points(1.0)));

    let [raw, checkpoint, outside] = &saved(&directory("hand"))[..] else { panic!("not three") };
    let raw = raw.load().unwrap();
    assert_eq!((raw.len(), raw.dimensions()), (5, 3));
    assert!(raw.points().skip(1).eq(points(1.0)[1..].iter().map(|point| &point[..])));
    assert!(raw.points().next().unwrap()[0].is_nan());
    for refused in [checkpoint, outside] {
        let error = refused.load().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Value(_)), "{error}");
    }
}

#[test]
fn what_the_configuration_has_stays() {
    let torch = repository("fixtures/projector/torch");
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join(CONFIG);
    fs::copy(torch.join(CONFIG), &config).unwrap();
    let before = fs::read_to_string(&config).unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let one = Embedding::new(points(1.0));
    writer.add_embedding("mine", &one, 0).unwrap();
    assert!(fs::read_to_string(&config).unwrap().starts_with(&before));
    // By another writer, and once more afterwards.
    fixed().create(dir.path()).unwrap().add_embedding("mine", &one, 1).unwrap();
    let theirs = ["default:00000", "a/b:00007", "a/b:00008"];
    let mine = ["mine:00000", "mine:00001"];
    assert_eq!(saved_names(dir.path()), [&theirs[..], &mine].concat());
    // An entry with the same name is replaced completely.
    writer.add_embedding("a/b", &one, 7).unwrap();
    writer.add_embedding("mine", &one.clone().labels(LABELS), 0).unwrap();
    assert_eq!(saved_names(dir.path()), [&theirs[..], &mine].concat());
    let found = saved(dir.path());
    assert_eq!(found[1].load().unwrap(), one);
    assert_eq!(found[3].load().unwrap(), one.clone().labels(LABELS));
    let untouched = before.split_inclusive("\n}\n").next().unwrap();
    assert!(fs::read_to_string(&config).unwrap().starts_with(untouched));
}

#[test]
fn a_configuration_that_cannot_be_read_is_left_alone() {
    for broken in [&b"embeddings { tensor_name: \"x"[..], b"\xff\xfe", b"{}"] {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join(CONFIG);
        fs::write(&config, broken).unwrap();
        let writer = fixed().create(dir.path()).unwrap();
        let error = writer.add_embedding("x", &table(), 0).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Value(_)), "{error}");
        assert_eq!(error.location().path.as_deref(), Some(&*config));
        assert_eq!(fs::read(&config).unwrap(), broken);
        let error = run_in(dir.path().into()).embeddings().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Value(_)), "{error}");
        assert!(!names(dir.path()).iter().any(|name| name.ends_with("lock")));
    }
}

#[test]
fn hostile_tags_stay_in_the_runs_directory() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("run");
    let writer = fixed().create(&dir).unwrap();
    let long = "é".repeat(127);
    let tags = [
        "",
        ".",
        "..",
        "../..",
        "../../etc",
        "/etc",
        "a/../../b",
        "\\..\\..",
        "a\0b",
        "\"}",
        "{",
        "%",
        "x.tfevents",
        "größe 🎉",
        &long,
    ];
    let one = Embedding::new(points(1.0));
    for (tag, step) in tags.iter().zip(0..) {
        writer.add_embedding(tag, &one, step).unwrap();
    }
    writer.close().unwrap();
    assert_eq!(names(outer.path()).into_iter().collect::<Vec<_>>(), ["run"]);
    let expected: Vec<_> =
        tags.iter().zip(0..).map(|(tag, step)| format!("{tag}:{step:05}")).collect();
    assert_eq!(saved_names(&dir), expected);
    for (saved, step) in saved(&dir).iter().zip(0..) {
        assert_eq!(saved.load().unwrap(), one);
        assert_eq!(names(&dir.join(format!("{step:05}"))).len(), 1);
    }
    // No directory is mistaken for a run or an event file.
    assert_eq!(super::runs(outer.path()).len(), 1);
}

#[test]
fn steps_are_those_of_values() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let one = Embedding::new(points(1.0));
    writer.add_embedding("x", &one, None).unwrap();
    writer.add_embedding("x", &one, None).unwrap();
    writer.with_step(7).add_embedding("x", &one, None).unwrap();
    writer.add_embedding("x", &one, -1).unwrap();
    writer.add_embedding("x", &one, 123_456).unwrap();
    let expected = ["x:00000", "x:00001", "x:00007", "x:-0001", "x:123456"];
    assert_eq!(saved_names(dir.path()), expected);
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1, "embeddings are not events");
}

#[test]
fn a_bad_embedding_fails_at_the_call_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let good = Embedding::new(points(1.0));
    let nan = Embedding::new([[0.0, f32::NAN], [0.0, 0.0]]);
    for (tag, bad) in [
        ("x", &Embedding::default()),
        ("x", &nan),
        ("x", &good.clone().labels(["a"])),
        ("x", &good.clone().labels(["a", "b", "c", "d", "e\n"])),
        ("a&b", &good),
    ] {
        let error = writer.add_embedding(tag, bad, 7).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
        assert!(error.to_string().starts_with(&format!("tag {tag:?}, step 7: ")), "{error}");
    }
    assert_eq!(files(dir.path()), []);
    // Without a directory, there is no place for the files.
    let error = SummaryWriter::from_writer(std::io::sink()).unwrap().add_embedding("x", &good, 0);
    assert!(matches!(error.unwrap_err().kind(), ErrorKind::Argument(_)));
    SummaryWriter::noop().add_embedding("x", &nan, 0).unwrap();
}

#[test]
fn a_place_that_is_taken_is_an_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    fs::write(dir.path().join("00000"), "a file").unwrap();
    let error = writer.add_embedding("x", &table(), 0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
    assert!(error.location().path.as_deref().unwrap().starts_with(dir.path().join("00000")));
    writer.add_embedding("x", &table(), 1).unwrap();
}

#[test]
fn threads_and_processes_lose_no_embedding_of_one_another() {
    const THREADS: i64 = 4;
    let dir = tempfile::tempdir().unwrap();
    let test = "writer::embeddings::child_that_adds_embeddings";
    let children: Vec<_> = (0..2).map(|_| Child::start(test, dir.path())).collect();
    let writer = fixed().create(dir.path()).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let writer = &writer;
            scope.spawn(move || add_ten(writer, &format!("thread {thread}")));
        }
        // All threads write the same embeddings.
        scope.spawn(|| add_ten(&writer, "shared"));
        scope.spawn(|| add_ten(&writer, "shared"));
    });
    children.into_iter().for_each(Child::finish);
    let mut names = saved_names(dir.path());
    names.sort();
    assert_eq!(names.len(), 10 * (2 + 4 + 1), "{names:?}");
    names.dedup();
    assert_eq!(names.len(), 70);
    for saved in saved(dir.path()) {
        assert_eq!(saved.load().unwrap(), table());
    }
    let left = files(dir.path());
    assert!(
        left.iter().all(|(path, _)| path.extension().is_some_and(|e| e == "tsv" || e == "pbtxt"))
    );
}

fn add_ten(writer: &SummaryWriter, tag: &str) {
    (0..10).for_each(|step| writer.add_embedding(tag, &table(), step).unwrap());
}

#[test]
#[ignore = "another test starts it in a separate process"]
fn child_that_adds_embeddings() {
    let dir = child::dir();
    let writer = SummaryWriter::create(dir).unwrap();
    add_ten(&writer, &format!("process {}", std::process::id()));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_half_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    writer.add_embedding("x", &table(), 0).unwrap();
    let before = files(dir.path());
    Child::start_on_full_disk("writer::embeddings::child_on_a_full_disk", dir.path(), 8).finish();
    assert_eq!(files(dir.path()), before);
}

#[cfg(unix)]
#[test]
#[ignore = "another test starts it in a separate process"]
fn child_on_a_full_disk() {
    let dir = child::dir();
    let writer = SummaryWriter::create(dir).unwrap();
    let large = Embedding::new(vec![[0.1f32; 100]; 1000]);
    for step in [0, 1] {
        let error = writer.add_embedding("x", &large, step).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
        assert!(error.location().path.as_deref().unwrap().ends_with("x/tensors.tsv"), "{error}");
    }
    // The log itself has not failed.
    writer.add_text("note", "goes on", 0).unwrap();
    writer.close().unwrap();
}
