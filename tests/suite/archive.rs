//! Archives of runs in one compressed file, their restoration, and the removal of old artifacts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tbx::meta::Status;
use tbx::{ErrorKind, SummaryWriter};
use tbx_runs::archive::{Pack, Restore, Rules};
use tbx_runs::registry::Registry;
use tempfile::TempDir;

fn write(path: PathBuf, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn meta(status: &str, artifacts: &Value) -> String {
    json!({"schema": "tbx.run/1", "status": status, "artifacts": artifacts}).to_string()
}

/// A directory `logs` with three runs, one of them inside another.
fn logs() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("logs");
    for name in ["first", "first/part", "bad"] {
        let writer = SummaryWriter::create(root.join(name)).unwrap();
        writer.add_scalar("loss", 0.5, 0).unwrap();
        writer.close().unwrap();
    }
    write(root.join("first/artifacts/model.bin"), vec![7; 300_000]);
    write(root.join("first/artifacts").join("x".repeat(120)).join("größe.txt"), "long");
    write(root.join("first/empty"), "");
    write(root.join("bad/artifacts/model.bin"), "bad model");
    write(root.join("bad/artifacts/note.txt"), "note");
    let old = json!([{"path": "model.bin", "size": 9, "sha256": "ab", "kind": "model",
        "time": 1_600_000_000.0, "owner": "me"}]);
    write(root.join("bad/tbx.json"), meta("FAILED", &old));
    write(root.join("first/tbx.json"), meta("FINISHED", &json!([])));
    let odd = UNIX_EPOCH + Duration::new(1_650_000_000, 123_456_700);
    File::options().write(true).open(root.join("first/empty")).unwrap().set_modified(odd).unwrap();
    (dir, root)
}

/// Content, modification time and mode of every file.
fn all(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime, u32)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                dirs.push(path);
                continue;
            }
            #[cfg(unix)]
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
            #[cfg(not(unix))]
            let mode = 0;
            let value = (fs::read(&path).unwrap(), metadata.modified().unwrap(), mode);
            found.insert(path.strip_prefix(root).unwrap().to_owned(), value);
        }
    }
    found
}

#[test]
fn models_come_back_with_their_versions() {
    let dir = tempfile::tempdir().unwrap();
    let make = |logs: &str, model: &[u8]| {
        let root = dir.path().join(logs);
        fs::create_dir_all(root.join("first/artifacts")).unwrap();
        fs::write(root.join("first/tbx.json"), r#"{"schema": "tbx.run/1"}"#).unwrap();
        fs::write(root.join("first/artifacts/model.bin"), model).unwrap();
        let registry = Registry::open(&root);
        registry.register("classifier", root.join("first"), "model.bin").unwrap();
        registry.set_alias(&"classifier/1".parse().unwrap(), "champion").unwrap();
        root
    };
    let root = make("logs", b"weights");
    let out = dir.path().join("a.tar.zst");
    Pack::find(&root).unwrap().run(&out).unwrap();
    let to = dir.path().join("again");
    Restore::new(&out).run(&to).unwrap();
    assert_eq!(all(&to), all(&root));
    let path = Registry::open(&to).path(&"classifier/champion".parse().unwrap()).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"weights");

    // Next to another model of the same name.
    let other = make("other", b"other weights");
    fs::rename(other.join("first"), other.join("second")).unwrap();
    Restore::new(&out).run(&other).unwrap();
    let before = Registry::open(&other).models().unwrap();
    let numbers: Vec<_> = before["classifier"].versions.iter().map(|it| it.version).collect();
    assert_eq!((numbers, before["classifier"].aliases["champion"]), (vec![1, 2], 1));
    let path = Registry::open(&other).path(&"classifier/2".parse().unwrap()).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"weights");
    Restore::new(&out).run(&other).unwrap();
    assert_eq!(Registry::open(&other).models().unwrap(), before);
}

#[test]
fn runs_come_back_byte_for_byte() {
    let (dir, root) = logs();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(root.join("first/empty"), fs::Permissions::from_mode(0o640)).unwrap();
    }
    let before = all(&root);
    let out = dir.path().join("a.tar.zst");
    let packed = Pack::find(&root).unwrap().run(&out).unwrap();
    let names: Vec<_> = packed.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!((names.as_slice(), packed.files), (["bad", "first"].as_slice(), before.len()));
    assert_eq!(all(&root), before);

    let to = dir.path().join("again");
    let restored = Restore::new(&out).run(&to).unwrap();
    assert_eq!(restored.files, before.len());
    assert_eq!(all(&to), before);
    let again = Restore::new(&out).run(&to).unwrap();
    assert_eq!((again.files, again.same), (0, before.len()));

    // Another program reads the same file.
    let tar = dir.path().join("tar");
    fs::create_dir(&tar).unwrap();
    let tar_of =
        |args: &[&str]| Command::new("tar").args(args).arg(&out).arg("-C").arg(&tar).output();
    match tar_of(&["--zstd", "-xpf"]) {
        Ok(done) if done.status.success() => assert_eq!(all(&tar), before),
        Ok(done) if !String::from_utf8_lossy(&done.stderr).contains("zstd") => panic!("{done:?}"),
        _ => println!("skipped: no tar with zstd"),
    }
}

#[test]
fn runs_are_chosen_when_they_are_packed_and_when_they_come_back() {
    let (dir, root) = logs();
    let out = dir.path().join("a.tar.zst");
    let packed = Pack::find(&root).unwrap().only(|name| name == "first").run(&out).unwrap();
    assert_eq!(packed.runs.len(), 1);
    let restore = Restore::new(&out).only(|name| name == "first/part").unwrap();
    let to = dir.path().join("again");
    assert_eq!(restore.run(&to).unwrap().files, 1);
    assert!(to.join("first/part").is_dir() && !to.join("first/tbx.json").exists());
    let none = Pack::find(&root).unwrap().only(|_| false).run(&dir.path().join("b"));
    assert!(matches!(none.unwrap_err().kind(), ErrorKind::Argument(_)));
}

#[test]
fn what_was_packed_is_removed_when_told_but_no_registered_model() {
    let (dir, root) = logs();
    Registry::open(&root).register("clf", "first", "model.bin").unwrap();
    let before = all(&root);
    let out = dir.path().join("a.tar.zst");
    let pack = Pack::find(&root).unwrap().remove(true);
    let error = pack.run(&out).unwrap_err();
    assert!(error.to_string().contains("registered"), "{error}");
    assert!(all(&root) == before && !out.exists());
    let bad = Pack::find(&root).unwrap().remove(true).only(|name| name == "bad");
    assert!(bad.run(&out).unwrap().is_removed);
    assert!(!root.join("bad").exists());
    Restore::new(&out).run(&root).unwrap();
    assert_eq!(all(&root), before);
}

#[test]
fn what_should_not_be_packed_is_refused() {
    let (dir, root) = logs();
    let pack = Pack::find(&root).unwrap();
    let refused = |out: &Path| pack.run(out).unwrap_err().to_string();
    assert!(refused(&dir.path().join("a.tfevents.tar.zst")).contains("tfevents"));
    assert!(refused(&root.join("first/a.tar.zst")).contains("elsewhere"));
    write(dir.path().join("there"), "x");
    assert!(refused(&dir.path().join("there")).contains("already exists"));
    let out = dir.path().join("a.tar.zst");
    let running = json!({"schema": "tbx.run/1", "status": "RUNNING"}).to_string();
    write(root.join("first/part/tbx.json"), running);
    assert!(refused(&out).contains("running"));
    pack.clone().force(true).run(&out).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", root.join("bad/link")).unwrap();
        let error = pack.clone().force(true).run(&out).unwrap_err().to_string();
        assert!(error.contains("link") && error.contains("links"), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "something was left behind");
}

#[test]
fn files_that_are_there_stay_unless_told() {
    let (dir, root) = logs();
    let out = dir.path().join("a.tar.zst");
    Pack::find(&root).unwrap().run(&out).unwrap();
    let to = dir.path().join("again");
    write(to.join("first/tbx.json"), "mine");
    let error = Restore::new(&out).run(&to).unwrap_err().to_string();
    assert!(error.contains("different content"), "{error}");
    assert_eq!(all(&to).len(), 1, "nothing is written");
    Restore::new(&out).overwrite(true).run(&to).unwrap();
    assert_eq!(all(&to), all(&root));
}

/// Writes an archive with exactly these entries.
fn hostile(path: &Path, entries: &[(&str, tar::EntryType, &[u8])]) {
    let mut tar = tar::Builder::new(zstd::Encoder::new(File::create(path).unwrap(), 1).unwrap());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if kind.is_symlink() {
            header.set_link_name("/etc").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

#[test]
fn archives_that_lead_elsewhere_are_refused_and_nothing_is_written() {
    use tar::EntryType::{Char, Directory, Fifo, GNULongName, GNUSparse, Link, Regular, Symlink};

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar.zst");
    let to = dir.path().join("to");
    let good = ("good.txt", Regular, &b"good"[..]);
    for (name, kind, content) in [
        ("../evil", Regular, &b"x"[..]),
        ("a/../../evil", Regular, b"x"),
        ("/tmp/evil", Regular, b"x"),
        ("../evil/", Directory, b""),
        ("link", Symlink, b""),
        ("link", Link, b""),
        ("pipe", Fifo, b""),
        ("device", Char, b""),
        ("sparse", GNUSparse, b""),
        ("long", GNULongName, &vec![b'x'; 2 << 20]),
    ] {
        hostile(&path, &[good, (name, kind, content)]);
        let error = Restore::new(&path).run(&to).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Io(_)), "{name}: {error}");
        assert!(!to.exists(), "{name}");
    }
    hostile(&path, &[good]);
    Restore::new(&path).run(&to).unwrap();
    assert_eq!(fs::read(to.join("good.txt")).unwrap(), b"good");
}

#[test]
fn archives_that_contradict_themselves_are_refused_before_anything_is_written() {
    use tar::EntryType::{Directory, GNULongName, Regular};

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar.zst");
    let to = dir.path().join("to");
    let refused = |why: &str| {
        let said = Restore::new(&path).run(&to).unwrap_err().to_string();
        assert!(said.contains(why), "{why}: {said}");
        assert!(!to.exists(), "{why}");
        Restore::new(&path).list(|_| Ok(())).unwrap_err();
    };
    let good = ("good.txt", Regular, &b"good"[..]);
    let long = "x".repeat(300);
    let deep = "x/".repeat(3000) + "y";
    for (entries, why) in [
        (vec![good, good], "occurs twice"),
        (vec![good, ("good.txt", Directory, b"")], "is both a file and a directory"),
        (vec![("good.txt", Directory, b""), good], "is both a file and a directory"),
        (vec![good, ("good.txt/a", Regular, b"x")], "is inside another entry that is a file"),
        (vec![("good.txt/a", Regular, b"x"), good], "is both a file and a directory"),
        (vec![good, ("dir", Directory, b"bytes")], "is a directory, but has content"),
        (vec![good, ("name/", Regular, b"x")], "its name is not that of a file"),
        (vec![good, ("l", GNULongName, long.as_bytes()), ("x", Regular, b"x")], "more than 255"),
        (vec![good, ("l", GNULongName, deep.as_bytes()), ("x", Regular, b"x")], "more than 4096"),
        (vec![good, ("l", GNULongName, b"other")], "ends too early"),
        (
            vec![good, ("l", GNULongName, b"a"), ("l", GNULongName, b"b"), ("x", Regular, b"x")],
            "has two names",
        ),
        (vec![good, (".tbx~1-1.job", Regular, b"x")], "temporary file of tbx"),
    ] {
        hostile(&path, &entries);
        refused(why);
    }
    // Cut off between entries, and followed by other data.
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_path("good.txt").unwrap();
    header.set_size(4);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_cksum();
    tar.append(&header, &b"good"[..]).unwrap();
    let whole = tar.into_inner().unwrap();
    for (tar, why) in [
        (whole[..1024].to_vec(), "the archive ends too early"),
        (whole[..600].to_vec(), ""),
        ([&whole[..], &whole[..]].concat(), "data after the end of the archive"),
        ([&whole[..], b"x"].concat(), "data after the end of the archive"),
    ] {
        fs::write(&path, zstd::encode_all(&tar[..], 1).unwrap()).unwrap();
        refused(why);
    }
    let packed = zstd::encode_all(&whole[..], 1).unwrap();
    for bytes in [&packed[..packed.len() - 3], &[&packed[..], b"garbage"].concat()] {
        fs::write(&path, bytes).unwrap();
        refused("");
    }
    fs::write(&path, packed).unwrap();
    assert_eq!(Restore::new(&path).run(&to).unwrap().files, 1);
}

#[test]
fn an_archive_with_files_that_are_nowhere_else_is_not_replaced() {
    let (dir, root) = logs();
    let out = dir.path().join("a.tar.zst");
    Pack::find(&root).unwrap().run(&out).unwrap();
    let before = fs::read(&out).unwrap();
    fs::remove_dir_all(root.join("bad")).unwrap();
    let pack = || Pack::find(&root).unwrap().force(true);
    let said = pack().run(&out).unwrap_err().to_string();
    assert!(
        said.contains("has 4 files that would not be in the new archive, for example bad/"),
        "{said}"
    );
    assert!(said.contains("`Pack::discard`"), "{said}");
    assert_eq!(fs::read(&out).unwrap(), before);
    let packed = pack().discard(true).run(&out).unwrap();
    assert_eq!((packed.discarded, packed.runs.len()), (4, 1));
    // A changed file is a newer version, not a discarded file.
    write(root.join("first/empty"), "no longer");
    assert_eq!(pack().run(&out).unwrap().discarded, 0);
    fs::write(&out, &before[..before.len() / 2]).unwrap();
    let said = pack().run(&out).unwrap_err().to_string();
    assert!(said.contains("cannot be read as an archive"), "{said}");
    // Runs are not removed if the archive is incomplete.
    fs::write(&out, &before).unwrap();
    let said = Pack::find(&root).unwrap().remove(true).run(&out).unwrap_err().to_string();
    assert!(said.contains("does not match the current runs"), "{said}");
    assert!(root.join("first/empty").exists());
}

#[test]
#[cfg(unix)]
fn nothing_is_written_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar.zst");
    hostile(&path, &[("a/b.txt", tar::EntryType::Regular, b"x")]);
    let (to, elsewhere) = (dir.path().join("to"), dir.path().join("elsewhere"));
    fs::create_dir(&to).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, to.join("a")).unwrap();
    Restore::new(&path).overwrite(true).run(&to).unwrap_err();
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn bombs_and_damage_are_found_before_anything_is_written() {
    let (dir, root) = logs();
    let path = dir.path().join("a.tar.zst");
    let to = dir.path().join("to");
    hostile(&path, &[("zeros", tar::EntryType::Regular, &vec![0; 8 << 20])]);
    let error = Restore::new(&path).max_bytes(1 << 20).run(&to).unwrap_err().to_string();
    assert!(error.contains("1048576 bytes"), "{error}");
    fs::remove_file(&path).unwrap();
    Pack::find(&root).unwrap().run(&path).unwrap();
    let sound = fs::read(&path).unwrap();
    for at in [sound.len() / 2, sound.len() - 1] {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        Restore::new(&path).run(&to).unwrap_err();
        fs::write(&path, &sound[..at]).unwrap();
        Restore::new(&path).run(&to).unwrap_err();
        assert!(!to.exists(), "{at}");
    }
}

fn names(rules: Rules, root: &Path) -> Vec<String> {
    let found = rules.find(root).unwrap();
    found.files.iter().map(|file| format!("{}/{}", file.run.name, file.artifact)).collect()
}

#[test]
fn artifacts_go_by_rules_that_all_hold() {
    let (_dir, root) = logs();
    let error = Rules::new().find(&root).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    let year = Duration::from_secs(365 * 86_400);
    assert_eq!(names(Rules::new().older_than(year), &root), ["bad/model.bin"]);
    assert_eq!(names(Rules::new().kind("model"), &root), ["bad/model.bin"]);
    assert_eq!(names(Rules::new().larger_than(9), &root), ["first/model.bin"]);
    let failed = || Rules::new().statuses([Status::Failed, Status::Killed]);
    assert_eq!(names(failed(), &root), ["bad/model.bin", "bad/note.txt"]);
    assert_eq!(names(failed().larger_than(9), &root).len(), 0);
    assert_eq!(names(Rules::new().unregistered(), &root).len(), 4);
}

#[test]
fn what_was_removed_is_still_known_and_nothing_registered_goes() {
    let (_dir, root) = logs();
    let registry = Registry::open(&root);
    registry.register("clf", "first", "model.bin").unwrap();
    // The search may also start below or above the directory of the registry.
    for folder in [root.clone(), root.join("first"), root.parent().unwrap().to_owned()] {
        let found = Rules::new().unregistered().find(&folder).unwrap();
        assert_eq!(found.registered, 1, "{folder:?}");
        assert!(found.files.iter().all(|file| !file.path.ends_with("first/artifacts/model.bin")));
    }
    let found = Rules::new().unregistered().find(&root).unwrap();
    assert_eq!(found.files.len(), 3);
    // Registered after the search: it must not be removed.
    registry.register("notes", "bad", "note.txt").unwrap();
    assert_eq!(found.remove().unwrap(), 2);
    assert!(root.join("bad/artifacts/note.txt").exists());
    registry.path(&"clf/1".parse().unwrap()).unwrap();
    assert!(!root.join("bad/artifacts/model.bin").exists());
    let meta: Value =
        serde_json::from_slice(&fs::read(root.join("bad/tbx.json")).unwrap()).unwrap();
    let artifact = &meta["artifacts"][0];
    assert_eq!((&artifact["sha256"], &artifact["owner"]), (&json!("ab"), &json!("me")));
    assert!(artifact["removed"].as_f64().unwrap() > 1.7e9);

    fs::write(root.join(tbx_runs::registry::FILE), "{").unwrap();
    Rules::new().unregistered().find(&root).unwrap_err();
}

#[test]
fn artifacts_of_running_runs_and_links_stay() {
    let (dir, root) = logs();
    write(root.join("bad/tbx.json"), meta("RUNNING", &json!([])));
    write(dir.path().join("elsewhere/x"), "x");
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), root.join("first/artifacts/link"))
        .unwrap();
    let found = names(Rules::new().unregistered(), &root);
    assert!(found.iter().all(|name| name.starts_with("first/") && !name.contains("link")));
    assert_eq!(found.len(), 2);
}
