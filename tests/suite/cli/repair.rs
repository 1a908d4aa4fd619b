//! `tbx repair`

use std::fs;

use serde_json::Value;

use super::{FILE, Folder};

#[test]
fn what_was_done_is_said_file_by_file() {
    let folder = Folder::new();
    for name in ["flip_middle_payload", "cut_in_payload", "flip_first_payload", "zeros_only"] {
        folder.copy(&format!("broken/{name}"), format!("logs/{name}"));
    }
    folder.copy("odd/wall_times", "logs/times");
    folder.copy("keras/train", "logs/train");
    let expected = format!(
        "\
zeros_only/{FILE}: nothing could be saved
cut_in_payload/{FILE}: 20 B of an unfinished record left out
flip_first_payload/{FILE}: 1 damaged place left out (88 B), file version added
flip_middle_payload/{FILE}: 1 damaged place left out (177 B)
times/{FILE}: 3 wall times replaced
1 file sound, 4 repaired, 1 lost, 93 events; "
    );
    let dry = folder.tbx("repair logs --dry-run");
    assert_eq!((dry.code, dry.err.as_str()), (Some(1), ""));
    assert_eq!(dry.out, format!("{expected}dry run, nothing was written\n"));
    let out = folder.tbx("repair logs --out new").fine();
    assert_eq!(out, format!("{expected}written to new\n"));
    let out = folder.tbx("repair new --dry-run").fine();
    // The repaired log has one more version event.
    let sound = "5 files sound, 0 repaired, 0 lost, 94 events; dry run, nothing was written\n";
    assert_eq!(out, sound);
    let found = folder.tbx("repair logs --dry-run --format json");
    let found: Value = serde_json::from_str(&found.out).unwrap();
    let file = &found["files"][1];
    assert_eq!((&file["version"], &file["lost_bytes"]), (&true.into(), &88.into()));
}

#[test]
fn a_repair_in_place_keeps_the_originals() {
    let folder = Folder::with("broken/cut_in_payload");
    let before = fs::read(folder.path(format!("logs/{FILE}"))).unwrap();
    let out = folder.tbx("repair logs --in-place").fine();
    assert!(out.ends_with("; in place, the originals are *.bak\n"), "{out}");
    let kept = FILE.replace("tfevents", "tf-events") + ".bak";
    assert_eq!(fs::read(folder.path(format!("logs/{kept}"))).unwrap(), before);
    folder.tbx("repair logs --dry-run").fine();
    assert_eq!(folder.tbx("verify logs").fine().lines().count(), 1);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_said_and_the_rest_saved() {
    let folder = Folder::with("broken/cut_in_payload");
    std::os::unix::fs::symlink("nowhere", folder.path("logs/gone.tfevents")).unwrap();
    let done = folder.tbx("repair logs --out new");
    assert_eq!(done.code, Some(2));
    assert!(done.err.starts_with("tbx: logs/gone.tfevents: "), "{}", done.err);
    assert!(folder.path(format!("new/{FILE}")).exists());
    assert!(folder.tbx("repair logs").failed().contains("--out <DIR>"));
}
