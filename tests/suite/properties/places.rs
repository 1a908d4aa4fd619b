//! Reading by place gives the values that a load would keep.

use std::fs;

use tbx::logdir::ValueReader;
use tbx::summary::{image, text};
use tbx::{
    Checksums, ErrorKind, Kind, LoadOptions, Loaded, Logdir, Payloads, RestartPolicy, Text, pb,
};

use super::sound_log;
use crate::common::{NAME, file_version, load, log_of, repository, start, summary};
use crate::facts::Facts;

const CHECKSUMS: [Checksums; 3] = [Checksums::All, Checksums::Wanted, Checksums::Decoded];

#[test]
fn a_load_of_places_gives_what_a_load_of_values_gives() {
    let old = log_of(&sound_log()[file_version().len()..]);
    let new = log_of(&sound_log());
    // The rest of the log is in a second file, which repeats some steps.
    let half = sound_log();
    let half = &half[..half.len() / 2];
    fs::write(new.path().join(NAME.replace("1700000000", "1700000001")), half).unwrap();
    for dir in [old.path(), new.path(), &repository("fixtures")] {
        let logdir = Logdir::open(dir).unwrap();
        let some = LoadOptions::new().kinds([Kind::Image, Kind::Text, Kind::Graph]);
        for options in [LoadOptions::new(), some] {
            for policy in RestartPolicy::ALL {
                let options = options.clone().restart(*policy);
                let expected = Facts::of(&logdir.load(&options).unwrap());
                let found =
                    Facts::of(&logdir.load(&options.clone().payloads(Payloads::Placed)).unwrap());
                found.assert_same(&expected, &format!("{}, {policy:?}", dir.display()));
            }
        }
    }
    for checksums in CHECKSUMS {
        let options = LoadOptions::new().restart(RestartPolicy::Tensorboard);
        let expected = Facts::of(&load(new.path(), &options));
        let found =
            Facts::of(&load(new.path(), &options.payloads(Payloads::Placed).checksums(checksums)));
        found.assert_same(&expected, &format!("{checksums:?}"));
    }
}

/// A value of `tag`, with metadata or without.
fn note(tag: &str, words: usize, with_metadata: bool) -> pb::summary::Value {
    let mut value = text::v2(tag, &"word ".repeat(words));
    value.metadata = value.metadata.filter(|_| with_metadata);
    value
}

#[test]
fn values_whose_metadata_comes_late_have_places_too() {
    let mut log = file_version();
    for step in 0..40 {
        let long = if step % 3 == 0 { 1000 } else { 1 };
        log.extend(summary(step, vec![note("a", long, step == 20), note("b", long, step == 39)]));
        if step == 30 {
            log.extend(start(29));
        }
    }
    let dir = log_of(&log);
    for policy in RestartPolicy::ALL {
        for checksums in CHECKSUMS {
            let options = LoadOptions::new().restart(*policy).checksums(checksums);
            let expected = Facts::of(&load(dir.path(), &options));
            assert_eq!(expected.series.len(), 2);
            let found = Facts::of(&load(dir.path(), &options.payloads(Payloads::Placed)));
            found.assert_same(&expected, &format!("{policy:?}, {checksums:?}"));
        }
    }
}

/// Loads the places of a log with one series, and reads its points.
fn read(loaded: &Loaded) -> Vec<Result<String, ErrorKind>> {
    let [run] = &loaded.runs[..] else { panic!("one run") };
    let [series] = &run.series[..] else { panic!("one series") };
    let mut reader = ValueReader::new(run);
    let read = |point| {
        let value = reader.read(series, point);
        let text = value.map_err(|error| {
            assert_eq!(error.location().tag.as_deref(), Some("note"));
            assert_eq!(error.location().step, Some(series.steps()[point]));
            assert_eq!(error.location().run.as_deref(), Some("."));
            assert!(error.location().path.as_deref().is_some_and(|path| path.ends_with(NAME)));
            error.into_kind()
        })?;
        Ok(Text::read(&text)?.strings.concat())
    };
    (0..series.len()).map(read).collect()
}

#[test]
fn a_file_that_changed_since_is_an_error_of_that_value() {
    let mut log = file_version();
    let starts: Vec<usize> = (0..4)
        .map(|step| {
            log.extend(summary(step, vec![note("note", 500, step == 0)]));
            log.len()
        })
        .collect();
    let dir = log_of(&log);
    let file = dir.path().join(NAME);
    let options = LoadOptions::new().payloads(Payloads::Placed).checksums(Checksums::Decoded);
    let loaded = load(dir.path(), &options);
    let is_changed = |read: &Result<String, ErrorKind>| matches!(read, Err(ErrorKind::Value(what)) if what.contains("changed"));
    assert!(
        read(&loaded)
            .iter()
            .all(|read| read.as_ref().is_ok_and(|text| *text == "word ".repeat(500)))
    );

    let mut damaged = log.clone();
    damaged[starts[1] - 100] ^= 1;
    fs::write(&file, &damaged).unwrap();
    let found = read(&loaded);
    assert!(found[0].is_ok() && found[2].is_ok() && found[3].is_ok());
    assert!(matches!(found[1], Err(ErrorKind::PayloadCrc { .. })), "{:?}", found[1]);

    fs::write(&file, &log[..starts[3] - 1]).unwrap();
    let found = read(&loaded);
    assert!(found[..3].iter().all(Result::is_ok) && is_changed(&found[3]));

    let other = [file_version(), summary(0, vec![note("n0te", 500, true)])].concat();
    fs::write(&file, &other).unwrap();
    assert!(is_changed(&read(&loaded)[0]), "another tag");

    fs::write(&file, vec![0xff; log.len()]).unwrap();
    assert!(read(&loaded).iter().all(|read| matches!(read, Err(ErrorKind::LengthCrc { .. }))));

    fs::remove_file(&file).unwrap();
    assert!(read(&loaded).iter().all(|read| matches!(read, Err(ErrorKind::Io(_)))));

    let [run] = &loaded.runs[..] else { panic!("one run") };
    let past_the_end = ValueReader::new(run).read(&run.series[0], 4).unwrap_err();
    assert!(matches!(past_the_end.kind(), ErrorKind::Argument(_)));
}

#[test]
fn several_values_of_one_event_are_told_apart() {
    let values = |step: i64| {
        let photo = |i: u8| vec![b'P', i, step as u8].into();
        let mut values: Vec<_> = (0..5).map(|i| image::v1("p", 1, 1, 3, photo(i))).collect();
        values.insert(2, note("between", 3, true));
        values
    };
    let log = [file_version(), summary(1, values(1)), summary(2, values(2))].concat();
    let dir = log_of(&log);
    let loaded =
        load(dir.path(), &LoadOptions::new().kinds([Kind::Image]).payloads(Payloads::Placed));
    let [run] = &loaded.runs[..] else { panic!("one run") };
    let [series] = &run.series[..] else { panic!("one series") };
    let mut reader = ValueReader::new(run);
    let places = series.places().unwrap();
    assert_eq!(places.len(), 10);
    assert!(places.is_sorted());
    // Points can be read in any order.
    for point in (0..10).chain((0..10).rev()) {
        let images = tbx::Images::read(&reader.read(series, point).unwrap()).unwrap();
        let expected = [b'P', (point % 5) as u8, 1 + (point / 5) as u8];
        assert_eq!(*images.encoded[0], expected);
    }
}
