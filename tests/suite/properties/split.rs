//! Large files are read by several threads, one span per thread. The result must not show it.

use tbx::pb::{self, summary::value::Value};
use tbx::summary::{image, scalar};
use tbx::{Checksums, Kind, LoadOptions, Payloads, RestartPolicy};
use tempfile::TempDir;

use crate::common::{
    Rng, event, file_version, load, log_of, mapped, record, scalar, start, summary,
};
use crate::facts::Facts;

/// Loads in a pool of `threads` threads.
fn load_on(threads: usize, dir: &TempDir, options: &LoadOptions) -> Facts {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| Facts::of(&load(dir.path(), options)))
}

/// Fails unless `log` gives the same result on any number of threads, mapped or not.
#[track_caller]
fn loads_alike(log: &[u8], options: &LoadOptions) -> Facts {
    loads_alike_in(&[(2, false), (3, true), (7, false)], log, options)
}

/// The same for these numbers of threads, mapped if `true`, compared with one thread without
/// mapping.
#[track_caller]
fn loads_alike_in(ways: &[(usize, bool)], log: &[u8], options: &LoadOptions) -> Facts {
    let dir = log_of(log);
    let expected = load_on(1, &dir, options);
    for &(threads, is_mapped) in ways {
        let found = load_on(
            threads,
            &dir,
            &if is_mapped { mapped(options.clone()) } else { options.clone() },
        );
        found.assert_same(&expected, &format!("{threads} threads, mapped: {is_mapped}"));
    }
    expected
}

fn keep_all() -> LoadOptions {
    LoadOptions::new().restart(RestartPolicy::KeepAll)
}

/// Records inside the payload of others, which are not part of the log.
fn hidden() -> Vec<u8> {
    let mut rng = Rng(5);
    let mut bytes = Vec::new();
    for step in 0..40_000 {
        let tag = "hidden/".repeat(1 + rng.below(6));
        bytes.extend(scalar(&tag, step, 9.0));
    }
    bytes
}

/// A log of about `mib` MiB: scalars, values whose metadata is written once, restarts, and images
/// full of records, so that most guesses about where a record starts are wrong.
fn treacherous(mib: usize) -> Vec<u8> {
    let hidden = hidden();
    let mut rng = Rng(7);
    let mut log = file_version();
    for step in 0.. {
        if log.len() > mib << 20 {
            break;
        }
        for tag in ["a", "b", "c", "loss/train", "loss/test", "rate"] {
            log.extend(scalar(tag, step, rng.below(1000) as f32));
        }
        for tag in ["v2/a", "v2/b"] {
            let mut value = scalar::v2(tag, step as f32);
            value.metadata = value.metadata.filter(|_| step == 0);
            log.extend(summary(step, vec![value, scalar::v2("v2/always", 1.0)]));
        }
        if step % 37 == 36 {
            log.extend(start(step - 5));
        }
        let len = if step % 50 == 10 { hidden.len() - 9 } else { rng.below(100_000) };
        let png = hidden[rng.below(9)..][..len].to_vec();
        let mut v2 = image::v2("photos", 4, 4, vec![png.clone().into()]);
        v2.metadata = v2.metadata.filter(|_| step == 0);
        let v1 = image::v1("photo", 4, 4, 3, png.into());
        log.extend(summary(step, vec![if step % 2 == 0 { v2 } else { v1 }]));
    }
    log
}

/// Flips bits, cuts out pieces, and overwrites others with noise and zeros.
fn damage(log: &mut Vec<u8>, wounds: usize) {
    let mut rng = Rng(9);
    for wound in 0..wounds {
        let at = rng.below(log.len() - 10_000);
        let len = 1 + rng.below(3000);
        match wound % 5 {
            0 | 1 => log[at] ^= 1 << rng.below(8),
            2 => drop(log.drain(at..at + len)),
            3 => log[at..at + len].fill_with(|| rng.next() as u8),
            _ => log[at..at + len].fill(0),
        }
    }
}

#[test]
fn a_big_log_gives_the_same_on_any_number_of_threads() {
    let mut log = treacherous(40);
    let sound = log_of(&log);
    let facts = load_on(3, &sound, &keep_all());
    assert!(facts.issues.is_empty());
    assert!(facts.series.iter().all(|series| !series.tag.starts_with("hidden")));
    damage(&mut log, 40);
    // The records inside damaged images become visible, which is the price of resynchronization.
    let ways = [2, 3, 7, 1].map(|threads| [(threads, false), (threads, true)]);
    let facts = loads_alike_in(ways.as_flattened(), &log, &LoadOptions::new());
    assert!(facts.issues.len() > 20 && !facts.restarts.is_empty());
}

#[test]
fn places_in_a_big_log_lead_to_the_values_on_any_number_of_threads() {
    let mut log = treacherous(16);
    let dir = log_of(&log);
    let places = keep_all().payloads(Payloads::Placed).checksums(Checksums::Decoded);
    let placed = load_on(3, &dir, &places);
    placed.assert_same(&load_on(1, &dir, &keep_all()), "a sound log");
    damage(&mut log, 15);
    let placed = loads_alike(&log, &LoadOptions::new().payloads(Payloads::Placed));
    placed.assert_same(&loads_alike(&log, &LoadOptions::new()), "a damaged log");
}

#[test]
fn a_filtered_big_log_gives_the_same_on_any_number_of_threads() {
    let mut log = treacherous(16);
    for options in [
        keep_all().kinds([Kind::Scalar]),
        keep_all().payloads(Payloads::Dropped),
        keep_all().payloads(Payloads::Placed).checksums(Checksums::Decoded),
        LoadOptions::new().tags(|tag| tag.starts_with('v')),
    ] {
        loads_alike(&log, &options);
    }
    damage(&mut log, 15);
    loads_alike(&log, &keep_all().kinds([Kind::Scalar]));
}

/// Puts each part of a log roughly in its own span, with 5 MiB of images between them.
fn apart(parts: &[Vec<u8>]) -> Vec<u8> {
    let photo = image::v1("filler", 4, 4, 3, vec![0; 64 << 10].into());
    let filler = summary(0, vec![photo]).repeat(80);
    let mut log = file_version();
    for part in parts {
        log.extend(part);
        log.extend(&filler);
    }
    log
}

#[test]
fn many_torn_records_cost_the_same_points_on_any_number_of_threads() {
    let torn = &summary(1, vec![image::v1("torn", 4, 4, 3, vec![1; 600].into())])[..300];
    let part = |n: usize| [torn, &scalar("a", 1, 1.0).repeat(20)].concat().repeat(n);
    loads_alike(&apart(&[part(20), part(20), part(20)]), &keep_all());
    loads_alike(&apart(&[part(30), part(30), part(30)]), &keep_all());
}

#[test]
fn issues_are_counted_alike_on_any_number_of_threads() {
    let bad = || record(b"\xff\xff").repeat(700);
    let facts = loads_alike(&apart(&[bad(), bad(), bad()]), &keep_all());
    assert_eq!((facts.issues.len(), facts.more_issues), (1000, 1100));
}

/// The record is not whole, but some bytes in it look like the start of a record.
#[test]
fn an_unfinished_record_at_the_end_is_pending_on_any_number_of_threads() {
    let mut decoy = scalar("decoy", 1, 1.0);
    let last = decoy.len() - 1;
    decoy[last] ^= 1;
    let payload = [vec![0; 4 << 20], decoy.repeat(40_000), vec![0; 4 << 20]].concat();
    let photo = summary(1, vec![image::v1("i", 4, 4, 3, payload.into())]);
    let unfinished = &photo[..photo.len() - 10];
    let log = [&file_version()[..], &scalar("a", 1, 1.0), unfinished].concat();
    let facts = loads_alike(&log, &keep_all());
    assert_eq!(facts.files[0].1.pending_bytes, unfinished.len() as u64);
}

/// A v2 scalar with different metadata.
fn described(tag: &str, step: i64, plugin: Option<&str>) -> Vec<u8> {
    let mut value = scalar::v2(tag, step as f32);
    value.metadata = plugin.map(|plugin| pb::SummaryMetadata {
        plugin_data: Some(pb::summary_metadata::PluginData {
            plugin_name: plugin.into(),
            ..Default::default()
        }),
        ..Default::default()
    });
    summary(step, vec![value])
}

#[test]
fn metadata_that_comes_late_counts_on_any_number_of_threads() {
    let bare = |step| described("x", step, None).repeat(3);
    let told = |step| described("x", step, Some("scalars"));
    loads_alike(&apart(&[bare(1), bare(2), told(3), bare(4)]), &keep_all());
    loads_alike(&apart(&[vec![], told(3), bare(4), bare(5)]), &keep_all());
    loads_alike(&apart(&[bare(1), bare(2), bare(3)]), &keep_all());
}

#[test]
fn values_that_are_no_numbers_are_reported_alike_on_any_number_of_threads() {
    let tensor = pb::TensorProto { dtype: 1, float_val: vec![1.0, 2.0], ..Default::default() };
    let two = |step| {
        let value = Some(Value::Tensor(tensor.clone()));
        summary(step, vec![pb::summary::Value { tag: "x".into(), value, ..Default::default() }])
    };
    // The metadata comes after the part that is read before the spans.
    let told = described("x", 1, Some("scalars"));
    loads_alike(&apart(&[vec![], told, two(2), two(3)]), &keep_all());
}

#[test]
fn tags_of_several_kinds_are_told_apart_on_any_number_of_threads() {
    let scalar = |step| described("x", step, Some("scalars"));
    let other = |step| described("x", step, Some("mine"));
    let bare = |step| described("x", step, None);
    loads_alike(&apart(&[scalar(1), other(2), bare(3), other(4)]), &keep_all());
    loads_alike(&apart(&[vec![], scalar(1), bare(2), other(3), bare(4)]), &keep_all());
    loads_alike(&apart(&[vec![], bare(1), other(2), bare(3), scalar(4)]), &keep_all());
}

#[test]
fn metadata_without_anything_in_it_counts_alike_on_any_number_of_threads() {
    // A TF2 scalar with empty metadata, under the tag of v1 scalars.
    let mut value = scalar::v2("x", 0.5);
    value.metadata = Some(pb::SummaryMetadata::default());
    if let Some(Value::Tensor(tensor)) = &mut value.value {
        tensor.float_val.clear();
        tensor.tensor_content = 0.5f32.to_le_bytes().to_vec().into();
    }
    let empty = || summary(2, vec![value.clone()]);
    let numbers = || [scalar("x", 1, 1.0), scalar("x", 2, 1.0)].concat();
    let others = || [scalar("x", 1, 1.0), scalar("y", 2, 1.0)].concat();
    loads_alike(&apart(&[numbers(), empty(), numbers(), empty()]), &keep_all());
    loads_alike(&apart(&[others(), [others(), empty()].concat(), empty()]), &keep_all());
    loads_alike(&apart(&[others(), empty(), [numbers(), empty()].concat()]), &keep_all());
}

/// The first value of a series determines its display name and description.
#[test]
fn the_first_metadata_of_a_series_counts_on_any_number_of_threads() {
    let named = |step, name: &str| {
        let mut value = scalar::v2("x", 1.0);
        value.metadata.as_mut().unwrap().display_name = name.into();
        summary(step, vec![value])
    };
    let facts = loads_alike(
        &apart(&[vec![], named(1, "first"), named(2, "second"), named(3, "third")]),
        &keep_all(),
    );
    let x = facts.series.iter().find(|series| series.tag == "x").unwrap();
    assert_eq!((x.metadata.display_name.as_str(), x.steps.len()), ("first", 3));
}

#[test]
fn restarts_and_old_formats_count_alike_on_any_number_of_threads() {
    let points = |from| (from..from + 20).flat_map(|s| scalar("a", s, 1.0)).collect::<Vec<u8>>();
    let old = || event(0, pb::event::What::FileVersion("brain.Event:1".into()));
    let parts = [points(0), [start(5), points(5)].concat(), [old(), points(3)].concat(), points(9)];
    for policy in [RestartPolicy::SessionStart, RestartPolicy::Tensorboard] {
        loads_alike(&apart(&parts), &LoadOptions::new().restart(policy));
        loads_alike(&apart(&parts[..2]), &LoadOptions::new().restart(policy));
        loads_alike(&apart(&parts)[file_version().len()..], &LoadOptions::new().restart(policy));
    }
}
