//! Metadata is written with the first value of a tag, once per file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use tbx::{Bins, Kind, Numeric, SummaryWriter, WriterOptions};

use super::{fixed, run, steps, values};

/// Number of values with metadata, by tag and plugin. Fails if the first value of a tag has none.
fn described(path: &Path) -> BTreeMap<(String, String), usize> {
    let mut described = BTreeMap::new();
    let mut seen = Vec::new();
    for value in values(path) {
        let plugin = value.metadata.and_then(|metadata| metadata.plugin_data);
        if let Some(plugin) = plugin {
            *described.entry((value.tag.clone(), plugin.plugin_name)).or_default() += 1;
        } else {
            assert!(seen.contains(&value.tag), "the first value of {:?} has none", value.tag);
        }
        seen.push(value.tag);
    }
    described
}

fn once<'a>(
    series: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<(String, String), usize> {
    series.into_iter().map(|(tag, plugin)| ((tag.into(), plugin.into()), 1)).collect()
}

#[test]
fn metadata_comes_with_the_first_value_of_each_tag_and_file() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let writer = fixed().v2(true).create(dir.path()).unwrap();
        for step in 0..20 {
            add_each_kind(&writer, step);
        }
        writer.close().unwrap();
        let expected = once([
            ("loss", "scalars"),
            ("weights", "histograms"),
            ("uniform", "histograms"),
            ("note", "text"),
        ]);
        assert_eq!(described(writer.path().unwrap()), expected);
    }
    let run = run(dir.path());
    let kinds: Vec<_> = run.series.iter().map(|s| (s.tag(), s.kind(), s.len())).collect();
    let expected = [
        ("loss", Kind::Scalar, 40),
        ("note", Kind::Text, 40),
        ("uniform", Kind::Histogram, 40),
        ("weights", Kind::Histogram, 40),
    ];
    assert_eq!(kinds, expected);
}

/// PyTorch's scalars and histograms need no metadata.
#[test]
fn v1_values_have_no_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    (0..20).for_each(|step| add_each_kind(&writer, step));
    writer.close().unwrap();
    let v1 = ["loss", "weights"];
    for value in
        values(writer.path().unwrap()).iter().filter(|value| v1.contains(&value.tag.as_str()))
    {
        assert!(value.metadata.is_none());
    }
}

fn add_each_kind(writer: &SummaryWriter, step: i64) {
    writer.add_scalar("loss", 0.5, step).unwrap();
    writer.add_histogram("weights", numbers(), step).unwrap();
    writer.with_bins(Bins::Uniform(2)).add_histogram("uniform", numbers(), step).unwrap();
    writer.add_text("note", "text", step).unwrap();
}

fn numbers() -> [impl Numeric; 2] {
    [1.0, 2.0]
}

#[test]
fn threads_that_start_a_tag_at_once_write_its_metadata_once() {
    const THREADS: usize = 8;
    let tags: Vec<_> = (0..50).map(|tag| format!("tag {tag}")).collect();
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().v2(true).create(dir.path()).unwrap();
    let ready = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                ready.wait();
                for tag in &tags {
                    writer.add_scalar(tag, 0.5, 0).unwrap();
                }
            });
        }
    });
    writer.close().unwrap();
    let expected = once(tags.iter().map(|tag| (tag.as_str(), "scalars")));
    assert_eq!(described(writer.path().unwrap()), expected);
    assert!(run(dir.path()).series.iter().all(|series| series.len() == THREADS));
}

/// A value without metadata could be of either kind. No value may be lost or taken for the other
/// kind.
#[test]
fn a_tag_of_several_kinds_keeps_the_values_of_each() {
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options: WriterOptions = fixed().v2(v2);
        let writer = options.create(dir.path()).unwrap();
        for step in 0..3 {
            writer.add_scalar("x", 0.5, step).unwrap();
            writer.add_text("x", "text", step).unwrap();
            writer.with_bins(Bins::Uniform(2)).add_histogram("x", numbers(), step).unwrap();
        }
        writer.close().unwrap();
        let run = run(dir.path());
        let kinds: Vec<_> = run.series.iter().map(|s| (s.kind(), s.steps().to_vec())).collect();
        let all = vec![0, 1, 2];
        let expected =
            [(Kind::Scalar, all.clone()), (Kind::Histogram, all.clone()), (Kind::Text, all)];
        assert_eq!(kinds, expected, "v2: {v2}");
        assert_eq!(steps(&run, "x"), [0, 1, 2]);
    }
}
