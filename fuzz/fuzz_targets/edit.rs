//! A repaired log is sound, has all points, and is not changed by another repair. Edits that change nothing
//! keep all points. An edit and its reverse restore the points, and repeating an edit changes nothing.
//! Editing in place gives the same result as editing into a new directory.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tbx::{Checksums, LoadOptions, Payloads, RestartPolicy};
use tbx_fuzz::{Files, Input, Logs, Reading, Sandbox, files, open, policy};
use tbx_runs::edit::{Destination, Edit, Repair, SideFiles};
use tbx_runs::verify::{Rule, Verify};

fn points(dir: &Path, policy: RestartPolicy) -> Reading {
    Reading::of(dir, &LoadOptions::new().restart(policy))
}

/// The files without the backups.
fn without_backups(mut files: Files) -> Files {
    files.retain(|path, _| path.extension().is_none_or(|extension| extension != "bak"));
    files
}

/// True if no record is an event only for some loaders: a repair leaves such records out.
fn all_read_the_same(logs: &Path) -> bool {
    let verified = Verify::new().rules([Rule::Proto]).run(&open(logs));
    let loaded =
        open(logs).load(&LoadOptions::new().checksums(Checksums::All).payloads(Payloads::Placed));
    let issues = loaded.expect("damage is in the report").report.issues;
    let proto = issues.iter().filter(|issue| issue.kind.name() == Rule::Proto.name());
    verified.findings.len() == proto.count()
}

fn repairs(sandbox: &Sandbox) {
    let (logs, one, two) = (sandbox.logs(), sandbox.path("one"), sandbox.path("two"));
    Repair::new().run(&open(&logs), Destination::Folder(&one)).expect("damage is reported");
    let repaired = points(&one, RestartPolicy::KeepAll);
    assert!(repaired.is_sound());
    if all_read_the_same(&logs) {
        points(&logs, RestartPolicy::KeepAll).assert_same_but_times(&repaired, "repaired");
    }
    let again = Repair::new().run(&open(&one), Destination::Folder(&two)).expect("it is sound");
    assert!(again.files.is_empty(), "{:?}", again.files);
    assert_eq!(files(&one), files(&two));
    sandbox.check(&["one", "two"]);
}

/// Edits the logs in `from` into a new directory. Returns whether that was possible.
fn edit(sandbox: &Sandbox, edit: &Edit, from: &str, to: &str) -> bool {
    let from = if from == "logs" { sandbox.logs() } else { sandbox.path(from) };
    let done = edit.run(&open(&from), Destination::Folder(&sandbox.path(to)));
    assert_eq!(done.is_ok(), sandbox.path(to).is_dir(), "{:?}", done.err());
    done.is_ok()
}

fn edits(sandbox: &Sandbox, policy: RestartPolicy, which: usize) {
    let logs = sandbox.logs();
    match which {
        0 => {
            let nothing = Edit::new();
            assert!(
                edit(sandbox, &nothing, "logs", "one") && edit(sandbox, &nothing, "one", "two")
            );
            points(&logs, policy)
                .assert_same_points(&points(&sandbox.path("one"), policy), "copied");
            assert_eq!(files(&sandbox.path("one")), files(&sandbox.path("two")));
        }
        1 => {
            if edit(sandbox, &Edit::new().shift_steps(3), "logs", "one") {
                assert!(edit(sandbox, &Edit::new().shift_steps(-3), "one", "two"));
                let back = points(&sandbox.path("two"), policy);
                points(&logs, policy).assert_same_points(&back, "shifted there and back");
            }
        }
        2 => {
            let continued = Edit::new().continue_steps(true);
            if edit(sandbox, &continued, "logs", "one") {
                assert!(edit(sandbox, &continued, "one", "two"));
                let (one, two) = (files(&sandbox.path("one")), files(&sandbox.path("two")));
                assert!(one == two, "continued twice is not continued once");
            }
        }
        3 => {
            let compact = Edit::new().compact(policy);
            if !edit(sandbox, &compact, "logs", "one") {
                return sandbox.check(&[]);
            }
            let before = points(&logs, policy);
            let compacted = points(&sandbox.path("one"), RestartPolicy::KeepAll);
            before.assert_same_points(&compacted, "compacted");
            assert!(edit(sandbox, &compact, "one", "two"));
            let again = points(&sandbox.path("two"), RestartPolicy::KeepAll);
            compacted.assert_same_points(&again, "compacted twice");
        }
        _ => {
            if edit(sandbox, &Edit::new().merge(true), "logs", "one") {
                let merged = points(&sandbox.path("one"), RestartPolicy::KeepAll);
                points(&logs, RestartPolicy::KeepAll).assert_same_points(&merged, "merged");
            }
        }
    }
    sandbox.check(&["one", "two"]);
}

/// In place: only event files change, and a second repair changes nothing.
fn repairs_in_place(sandbox: &Sandbox) {
    let logs = sandbox.logs();
    let before = files(&logs);
    let one = sandbox.path("one");
    Repair::new()
        .side_files(SideFiles::Leave)
        .run(&open(&logs), Destination::Folder(&one))
        .expect("damage is reported");
    Repair::new()
        .side_files(SideFiles::Leave)
        .run(&open(&logs), Destination::InPlace)
        .expect("damage is reported");
    let repaired = files(&logs);
    for (path, content) in files(&one) {
        assert_eq!(Some(&content), repaired.get(&path), "{}", path.display());
    }
    for (path, content) in &before {
        let is_kept = repaired.values().any(|kept| kept == content);
        assert!(is_kept, "{} is nowhere any more", path.display());
    }
    Repair::new()
        .side_files(SideFiles::Leave)
        .run(&open(&logs), Destination::InPlace)
        .expect("it is sound");
    assert!(repaired == files(&logs), "a second repair in place changed something");
    assert_eq!(
        without_backups(before).into_keys().collect::<Vec<_>>(),
        without_backups(repaired).into_keys().collect::<Vec<_>>()
    );
    sandbox.check(&["one"]);
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (what, policy) = (input.below(8), policy(&mut input));
    let logs = Logs::read(&mut input);
    let sandbox = Sandbox::new(data);
    logs.write_to(&sandbox.logs());
    if what == 7 {
        return repairs_in_place(&sandbox);
    }
    let before = files(&sandbox.logs());
    match what {
        0 | 1 => repairs(&sandbox),
        which => edits(&sandbox, policy, which - 2),
    }
    assert!(before == files(&sandbox.logs()), "the log itself was changed");
});
