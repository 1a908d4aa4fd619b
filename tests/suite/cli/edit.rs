//! `tbx edit`

mod params;
mod sessions;

use std::fs;

use serde_json::Value;

use super::{FILE, Folder, done};

#[test]
fn changes_are_said_and_made() {
    let folder = Folder::with("keras");
    let args = "edit logs --rename ^epoch_ epoch/ --drop-tag ^keras$ --split-tags ^batch batches \
                --sample histogram=every:2 --keep-run train";
    let expected = "\
run validation is dropped
TAG                                NOW                  VALUES  RUNS
batch_loss                         in run .../batches        6     1
batch_mae                          in run .../batches        6     1
epoch_learning_rate                epoch/learning_rate       3     1
epoch_loss                         epoch/loss                3     1
epoch_mae                          epoch/mae                 3     1
keras                              dropped                   1     1
sequential/dense/bias/histogram    thinned out          2 of 3     1
sequential/dense/kernel/histogram  thinned out          2 of 3     1
sequential/out/bias/histogram      thinned out          2 of 3     1
sequential/out/kernel/histogram    thinned out          2 of 3     1
1 run: 1 file, 14.0 kB, 35 events → 2 files, 8.1 kB, 31 events; 1 other file, 4.6 kB; ";
    let dry = folder.tbx(&format!("{args} --dry-run")).fine();
    assert_eq!(dry, format!("{expected}dry run, nothing was written\n"));
    let out = folder.tbx(&format!("{args} --out new")).fine();
    assert_eq!(out, format!("{expected}written to new\n"));
    let found = folder.tbx("inspect new --format json").fine();
    let found: Value = serde_json::from_str(&found).unwrap();
    let runs = found["runs"].as_array().unwrap();
    assert_eq!((&runs[0]["name"], &runs[1]["name"]), (&"train".into(), &"train/batches".into()));
    assert_eq!(runs[1]["tags"][0]["count"], 6);
    assert_eq!(folder.tbx("verify new").fine().lines().count(), 1);
}

#[test]
fn json_is_one_object() {
    let folder = Folder::with("keras");
    let out = folder.tbx("edit logs --rename ^epoch_loss$ loss --dry-run --format json").fine();
    assert_eq!(out.lines().count(), 1);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&found["runs"], &found["dry_run"]), (&2.into(), &true.into()));
    assert_eq!(found["events_before"], found["events_after"]);
    let change = &found["changes"][1];
    assert_eq!((&change["run"], &change["tag"]), (&"validation".into(), &"epoch_loss".into()));
    assert_eq!((&change["new_tag"], &change["values"]), (&"loss".into(), &3.into()));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let folder = Folder::with("keras");
    for (args, said) in [
        ("edit logs --out new", "tbx: nothing to change; tbx edit --help lists the options\n"),
        ("edit logs --merge", "--out <DIR>"),
        ("edit logs --merge --out new --in-place", "cannot be used with"),
        ("edit logs --out new --rename a(b x", "unclosed group"),
        ("edit logs --out new --drop-tag a(b", "unclosed group"),
        ("edit logs --out new --rename a", "2 values required"),
        ("edit logs --out new --rename ^(e) $1_x", "has no group \"1_x\"; ${1}_x is group 1"),
        (
            "edit logs --out new --sample median:5",
            "\"median:5\" is not one of reservoir:N, minmax:N, every:N, lttb:N",
        ),
        ("edit logs --out new --sample scalr=every:5", "there is no kind \"scalr\""),
        ("edit logs --out new --sample text=minmax:5", "minmax:5 needs numbers, and text has none"),
        (
            "edit logs --out new --split-size 5parsecs",
            "there is no unit \"parsecs\"; try kB, MB or GB",
        ),
        ("edit logs --out new --split-size 0", "less than a byte"),
        ("edit logs --out new --merge --restart keep-all", "--compact"),
        ("edit logs --out logs/new --merge", "tbx: logs/new is inside logs\n"),
        ("edit logs --out logs --merge", "is inside logs"),
        ("edit nowhere --out new --merge", "tbx: nowhere: "),
    ] {
        let found = folder.tbx(args).failed();
        assert!(found.contains(said), "{args}: {found}");
        assert!(!folder.path("new").exists(), "{args}");
    }
    let said = folder.tbx("edit logs --out new --rename ^epoch_.* same").failed();
    let tags = "tags \"epoch_loss\" and \"epoch_mae\"";
    assert_eq!(said, format!("tbx: run \"train\": {tags} would both be called \"same\"\n"));
    assert_eq!(fs::read_dir(folder.path(".")).unwrap().count(), 1);
}

#[test]
fn damage_is_said_and_makes_the_program_fail() {
    let folder = Folder::with("broken/flip_middle_payload");
    let done = folder.tbx("edit logs --out new --merge");
    assert_eq!(done.code, Some(2));
    let expected = format!(
        "tbx: logs/{FILE} at byte 591: payload checksum is 0xd698385d, the record says 0xd6c3b670; \
         skipped this record\ntbx: damaged records were left out; tbx repair shows details\n"
    );
    assert_eq!(done.err, expected);
    let expected = "1 run: 1 file, 1.6 kB, 16 events → 1 file, 1.4 kB, 16 events; written to new\n";
    assert_eq!(done.out, expected);
}

#[test]
fn many_changes_stay_readable() {
    let folder = Folder::new();
    for run in ["a", "b", "c"] {
        let writer = folder.run(format!("logs/{run}"));
        for tag in 0..500 {
            writer.add_scalar(&format!("old/{tag:03}"), 0.5, 0).unwrap();
        }
        writer.close().unwrap();
    }
    fs::write(folder.path("logs/a/hparams.yaml"), "lr: 1").unwrap();
    let out = folder.tbx("edit logs --rename ^old/ new/ --out edited").fine();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 43);
    assert_eq!(lines[1], "old/000  new/000       3     3");
    assert_eq!(lines[41], "... and 460 more tags: --format json lists all");
    assert!(lines[42].starts_with("3 runs: 3 files, "), "{}", lines[42]);
    assert!(lines[42].ends_with("; 1 other file, 5 B; written to edited"), "{}", lines[42]);
}

#[test]
fn sizes_have_units() {
    let folder = Folder::with("keras");
    for (size, files) in [("1GiB", 2), ("4k", 5), ("4.096kB", 5), ("4096", 5), ("4KiB", 5)] {
        let args = format!("edit logs --split-size {size} --merge --dry-run --format json");
        let found: Value = serde_json::from_str(&folder.tbx(&args).fine()).unwrap();
        assert_eq!(found["files_after"], files, "{size}");
    }
}

#[test]
fn an_edit_in_place_keeps_the_originals() {
    let folder = Folder::with("torch/scalars");
    let before = fs::read(folder.path(format!("logs/{FILE}"))).unwrap();
    let out = folder.tbx("edit logs --in-place --drop-tag double").fine();
    assert!(out.ends_with("; in place, the originals are *.bak\n"), "{out}");
    let kept = FILE.replace("tfevents", "tf-events") + ".bak";
    assert_eq!(fs::read(folder.path(format!("logs/{kept}"))).unwrap(), before);
    assert!(!folder.tbx("inspect logs").fine().contains("double"));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    for step in 0..50_000 {
        writer.add_scalar("loss", 0.5, step).unwrap();
    }
    writer.close().unwrap();
    // The shell's limit on file sizes simulates a full disk; its signal must be ignored.
    let script = format!(
        "trap '' XFSZ; ulimit -f 100; exec {} edit logs --out new --shift-steps 1",
        env!("CARGO_BIN_EXE_tbx")
    );
    let mut command = std::process::Command::new("sh");
    let ended = done(command.args(["-c", &script]).current_dir(folder.path(".")));
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.err.contains("File too large"), "{}", ended.err);
    assert_eq!(fs::read_dir(folder.path(".")).unwrap().count(), 1);
}
