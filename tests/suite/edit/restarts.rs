//! Points that a restart policy drops are removed permanently.

use std::path::Path;

use tbx::{LoadOptions, RestartPolicy};
use tbx_runs::edit::Edit;
use tbx_runs::table::Sampling;

use super::{all_points, assert_same, edit, edit_records, points};
use crate::common::{file_version, repository, scalar, start, write_resumed};

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
