//! Files and their order.

use std::collections::BTreeSet;
use std::fs;

use tbx::pb;
use tbx_runs::verify::{Rule, Severity};

use super::{at, files, rules, run_breaks, verify};
use crate::common::{NAME, event, file_version, log_of, repository, scalar, start};

#[test]
fn every_damage_of_the_fixtures_is_found_where_it_is() {
    let manifest = fs::read(repository("fixtures/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let verified = verify(&repository("fixtures/broken"));
    let mut found = BTreeSet::new();
    for finding in &verified.findings {
        let path = finding.location.path.as_ref().unwrap();
        let path = path.strip_prefix(repository("fixtures")).unwrap().to_str().unwrap();
        match finding.rule {
            Rule::Unfinished | Rule::NoEvents | Rule::RestartIgnored | Rule::FileVersion => {}
            rule => {
                let offset = finding.location.offset.unwrap_or(0); // whole files have none
                found.insert((path.replace('\\', "/"), offset, rule.name().to_owned()));
            }
        }
    }
    let mut expected = BTreeSet::new();
    for file in manifest["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        for damage in file["damage"].as_array().unwrap() {
            if path.starts_with("broken/") {
                let kind = damage["kind"].as_str().unwrap();
                let offset = damage["offset"].as_u64().unwrap();
                expected.insert((path.to_owned(), offset, kind.to_owned()));
            }
        }
    }
    assert!(expected.len() > 60);
    assert_eq!(found, expected);
}

#[test]
fn unfinished_and_empty_files_are_notes() {
    let log = [file_version(), scalar("a", 0, 1.0)].concat();
    let dir = log_of(&log[..log.len() - 3]);
    let finding = run_breaks(Rule::Unfinished, dir.path());
    assert_eq!(finding.location.offset, Some(file_version().len() as u64));
    assert!(verify(dir.path()).is_clean());
    assert_eq!(run_breaks(Rule::NoEvents, log_of(b"").path()).severity(), Severity::Note);
}

#[test]
fn files_that_are_no_logs_are_told_apart() {
    let file = |magic: &[u8]| log_of(&[magic, &[7; 40]].concat());
    // A deflate block has one of three types. Type 3, below, is invalid.
    for magic in [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4d"[..], b"\x78\x9cab", b"\x28\xb5\x2f\xfd"] {
        run_breaks(Rule::Compressed, file(magic).path());
    }
    run_breaks(Rule::NotEventFile, file(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x07").path());
    run_breaks(Rule::NotEventFile, file(b"").path());
    run_breaks(Rule::LengthCrc, log_of(&[0; 40]).path());
    run_breaks(Rule::Pointer, file(b"version https://git-lfs.github.com/spec/v1\n").path());
    let dir = log_of(&file_version());
    fs::write(dir.path().join(format!("{NAME}.dvc")), "outs:\n").unwrap();
    assert_eq!(run_breaks(Rule::OtherFile, dir.path()).severity(), Severity::Note);
    let verified = verify(dir.path());
    assert!(verified.is_clean());
    assert_eq!((verified.runs, verified.files), (1, 1));
}

#[test]
fn a_file_without_a_version_or_with_an_old_one_is_found() {
    run_breaks(Rule::FileVersion, log_of(&scalar("a", 0, 1.0)).path());
    let old = event(0, pb::event::What::FileVersion("brain.Event:1".into()));
    let finding = run_breaks(Rule::FileVersion, log_of(&old).path());
    assert_eq!(finding.message, "the version is \"brain.Event:1\"");
}

#[test]
fn files_are_held_against_each_other() {
    let early = [scalar("a", 1, 0.0), scalar("a", 5, 0.0)];
    let late = [scalar("a", 6, 0.0), scalar("a", 9, 0.0)];
    assert!(verify(files(&[("1.tfevents", &early), ("2.tfevents", &late)]).path()).is_clean());
    run_breaks(Rule::FileOrder, files(&[("1.tfevents", &late), ("2.tfevents", &early)]).path());
    let copy = files(&[("1.tfevents", &early), ("1.tfevents.bak", &early)]);
    run_breaks(Rule::FileCopy, copy.path());
    let between = [scalar("b", 2, 0.0), scalar("b", 4, 0.0)];
    let overlap = files(&[("1.tfevents", &early), ("2.tfevents", &between)]);
    run_breaks(Rule::WritersOverlap, overlap.path());
    // The second file is later in time, but has earlier steps.
    let again = [at(1.7e9 + 100.0, 3, "a"), at(1.7e9 + 101.0, 4, "a")];
    let restarted = files(&[("1.tfevents", &early), ("2.tfevents", &again)]);
    let finding = run_breaks(Rule::RestartUnmarked, restarted.path());
    assert_eq!(finding.message, "it starts at step 3, but the previous file ended at 5");
    assert_eq!(finding.location.offset, Some(40));
    // Like each fit() of Keras, it starts again at the first step.
    let again = [at(1.7e9 + 100.0, 1, "a"), at(1.7e9 + 101.0, 2, "a")];
    let repeated = files(&[("1.tfevents", &early), ("2.tfevents", &again)]);
    let finding = run_breaks(Rule::StartsAgain, repeated.path());
    assert_eq!(finding.message, "it starts at step 1, but the previous file ended at 5");
    let again = [at(1.7e9 + 100.0, 3, "a"), at(1.7e9 + 101.0, 4, "a")];
    let marked = [&[start(0)], &early[..]].concat();
    let purged = [&[start(3)], &again[..]].concat();
    let resumed = files(&[("1.tfevents", &marked), ("2.tfevents", &purged)]);
    assert!(verify(resumed.path()).findings.is_empty());
}

#[test]
fn a_folder_called_like_a_file_is_found() {
    let dir = log_of(&file_version());
    fs::create_dir(dir.path().join("old.tfevents")).unwrap();
    run_breaks(Rule::DirectoryName, dir.path());
}

#[cfg(unix)]
#[test]
fn links_and_names_are_noted() {
    use std::os::unix::ffi::OsStrExt;
    let dir = log_of(&file_version());
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    run_breaks(Rule::SymlinkLoop, dir.path());
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&run).unwrap();
    fs::write(run.join(NAME), file_version()).unwrap();
    run_breaks(Rule::NameNotUtf8, dir.path());
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_makes_the_answer_incomplete() {
    let dir = log_of(&file_version());
    std::os::unix::fs::symlink("nowhere", dir.path().join("gone.tfevents")).unwrap();
    let verified = verify(dir.path());
    assert!(verified.is_incomplete() && !verified.is_clean());
    assert_eq!(rules(&verified.findings), BTreeSet::from([Rule::Io]));
}
