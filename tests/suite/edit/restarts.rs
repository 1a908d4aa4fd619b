//! Points that a restart policy drops are removed permanently.

use std::path::Path;

use tbx::pb::{self, summary::value::Value};
use tbx::{LoadOptions, RestartPolicy};
use tbx_runs::edit::Edit;
use tbx_runs::table::Sampling;

use super::{all_points, assert_same, edit, edit_records, points};
use crate::common::{
    file_version, log_of, record, repository, scalar, start, summary, write_resumed,
};

#[test]
fn a_compacted_log_has_what_its_policy_keeps_whoever_reads_it() {
    for folder in ["restarts", "torch", "tensorboardx", "tf1", "tf2", "keras"] {
        let logs = repository("fixtures").join(folder);
        for policy in RestartPolicy::ALL {
            let expected = points(&logs, &LoadOptions::new().restart(*policy));
            for merge in [false, true] {
                let done = edit(&Edit::new().compact(*policy).merge(merge), &logs).unwrap();
                assert_same(&all_points(&done.path()), &expected, &format!("{folder} {policy:?}"));
                // No START is left that would drop more. Logs without a version have other rules,
                // which RustBoard applies to all logs.
                if *policy != RestartPolicy::KeepAll && folder != "restarts" {
                    let again = points(&done.path(), &LoadOptions::new());
                    assert_same(&again, &expected, &format!("{folder} {policy:?}"));
                }
            }
        }
    }
}

#[test]
fn what_tbx_resumed_stays_hidden_in_every_copy() {
    let dir = tempfile::tempdir().unwrap();
    write_resumed(dir.path());
    let of = |dir: &Path, policy| points(dir, &LoadOptions::new().restart(policy));
    for policy in RestartPolicy::ALL {
        for merge in [false, true] {
            let done = edit(&Edit::new().compact(*policy).merge(merge), dir.path()).unwrap();
            let expected = of(dir.path(), *policy);
            assert_same(&all_points(&done.path()), &expected, &format!("{policy:?}"));
            // The events that hide points hide no more of them, unless all points were kept.
            let later = if *policy == RestartPolicy::KeepAll { RestartPolicy::ALL } else { &[] };
            for later in later {
                let found = of(&done.path(), *later);
                assert_same(&found, &of(dir.path(), *later), &format!("{later:?}"));
            }
        }
    }
    // Sampling selects only real points, not the events that hide others.
    let change = Edit::new().sample(None, Sampling::Every(2));
    let done = edit(&change, dir.path()).unwrap();
    let all = all_points(&done.path());
    let late = all.iter().find(|series| series.1 == "late").unwrap();
    assert_eq!(late.3, [6, 8, 5, 7, 9, 11]);
    for policy in RestartPolicy::ALL.iter().filter(|policy| **policy != RestartPolicy::KeepAll) {
        let found = of(&done.path(), *policy);
        let late = found.iter().find(|series| series.1 == "late").unwrap();
        assert_eq!(late.3, [5, 7, 9, 11], "{policy:?}");
        assert!(found.iter().all(|series| series.1 != "late weights"), "{policy:?}");
    }
}

#[test]
fn compact_logs_have_metadata_once_a_file() {
    let logs = repository("fixtures/tf2/scalars");
    let done = edit(&Edit::new().compact(RestartPolicy::KeepAll), &logs).unwrap();
    assert!(done.edited.bytes_after < done.edited.bytes_before * 9 / 10);
    assert_eq!(done.edited.events_after, done.edited.events_before);
    assert_eq!(done.edited.changes, []);
    let again = edit(&Edit::new().compact(RestartPolicy::KeepAll), &done.path()).unwrap();
    assert_eq!(again.edited.bytes_after, done.edited.bytes_after);
}

#[test]
fn restarts_come_before_samples() {
    let log: Vec<_> = [file_version(), start(0)]
        .into_iter()
        .chain((0..50).map(|step| scalar("a", step, 0.0)))
        .chain([start(20)])
        .chain((20..40).map(|step| scalar("a", step, 1.0)))
        .collect();
    let change = Edit::new().compact(RestartPolicy::SessionStart).sample(None, Sampling::Every(10));
    let found = all_points(&edit_records(&change, &log).path());
    assert_eq!(found[0].3, [0, 10, 20, 30, 39]);
    let ones = found[0].5.iter().filter(|bits| **bits == 1f64.to_bits()).count();
    assert_eq!(ones, 3);
}

/// Compacts a log with these records for each policy, and compares it with what a load keeps.
fn compacts_as_it_loads(records: &[Vec<u8>], what: &str) {
    for version in [file_version(), Vec::new()] {
        let log = log_of(&[version, records.concat()].concat());
        for policy in RestartPolicy::ALL {
            let expected = points(log.path(), &LoadOptions::new().restart(*policy));
            let done = edit(&Edit::new().compact(*policy), log.path()).unwrap();
            assert_same(&all_points(&done.path()), &expected, &format!("{what} {policy:?}"));
        }
    }
}

/// A tensor value of tag `x`, with the metadata of a plugin or without.
fn tensor(plugin: Option<&str>) -> pb::summary::Value {
    let plugin_data = |name: &str| pb::summary_metadata::PluginData {
        plugin_name: name.into(),
        ..Default::default()
    };
    let metadata = plugin.map(|name| pb::SummaryMetadata {
        plugin_data: Some(plugin_data(name)),
        ..Default::default()
    });
    let value = Some(Value::Tensor(pb::TensorProto {
        dtype: 1,
        tensor_content: 0.5f32.to_le_bytes().to_vec().into(),
        ..Default::default()
    }));
    pb::summary::Value { tag: "x".into(), metadata, value, ..Default::default() }
}

#[test]
fn an_event_that_a_load_skips_does_not_count_in_a_compaction() {
    use prost::Message;

    let of = |step, plugin| summary(step, vec![tensor(plugin)]);
    // The metadata of the last value, a string that is not UTF-8, ends the event.
    let skipped = |step| {
        let value = vec![tensor(Some("scalars")), tensor(Some("broken"))];
        let what = pb::event::What::Summary(pb::Summary { value });
        let event = pb::Event { wall_time: 1.0, step, what: Some(what), ..Default::default() };
        let mut event = event.encode_to_vec();
        let at = event.windows(6).position(|bytes| bytes == b"broken").unwrap();
        event[at] = 0xff;
        record(&event)
    };
    // A START that cannot be read at all.
    let no_start = record(b"\x09\0\0\0\0\0\0\xf8\x3f\x10\x01\x3a\x02\x08\xff");
    let plugin = Some("scalars");
    let log = [
        skipped(1),
        of(2, plugin),
        of(3, plugin),
        skipped(2),
        of(4, None),
        no_start,
        of(5, plugin),
        start(5),
        of(5, plugin),
    ];
    compacts_as_it_loads(&log, "skipped");
    let edited = edit_records(&Edit::new(), &[vec![file_version()], log.to_vec()].concat()).edited;
    let issues: Vec<_> = edited.report.issues.iter().map(|issue| issue.kind.name()).collect();
    assert_eq!(issues, ["proto"; 3]);
}

/// The value with the metadata of its tag is dropped, and there are others in between.
#[test]
fn values_stay_in_their_series_when_the_one_with_the_metadata_is_gone() {
    let plain = || pb::summary::Value { value: Some(Value::SimpleValue(0.5)), ..tensor(None) };
    let obsolete = |plugin| {
        let value = Some(Value::ObsoleteOldStyleHistogram(Default::default()));
        pb::summary::Value { value, ..tensor(plugin) }
    };
    let (mine, other) = (Some("mine"), Some("scalars"));
    for (what, between) in [
        ("v1", plain()),
        ("another plugin", tensor(other)),
        ("no kind", obsolete(None)),
        ("no kind, with metadata", obsolete(mine)),
    ] {
        let of = |step, value: &pb::summary::Value| summary(step, vec![value.clone()]);
        let log = [
            of(5, &tensor(mine)),
            start(3),
            of(3, &between),
            of(4, &tensor(None)),
            of(5, &tensor(mine)),
            of(6, &tensor(None)),
            of(7, &tensor(mine)),
            of(8, &between),
            of(9, &tensor(None)),
        ];
        compacts_as_it_loads(&log, what);
        compacts_as_it_loads(&log[2..], what);
    }
}
