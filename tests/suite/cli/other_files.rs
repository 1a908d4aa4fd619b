//! Files that have the name of an event file but are not. Every command leaves them unchanged and reports
//! each of them once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Done, FILE, Folder};
use crate::common::{file_version, scalar};

fn log() -> Vec<u8> {
    [file_version(), scalar("loss", 1, 0.5), scalar("loss", 2, 0.25)].concat()
}

/// The first line of a command that sees only [`log`].
fn head() -> String {
    format!("logs: 1 run, 1 file, {} B, 3 events", log().len())
}

/// A tar archive with one uncompressed file.
fn tar(content: &[u8]) -> Vec<u8> {
    let mut archive = vec![0; 512];
    archive[..FILE.len()].copy_from_slice(FILE.as_bytes());
    archive[257..263].copy_from_slice(b"ustar\0");
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// A gzip file with uncompressed `content` (RFC 1951, 3.2.4).
fn gzip(content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap();
    let head = b"\x1f\x8b\x08\x08\0\0\0\0\0\x03log\0\x01";
    [&head[..], &len.to_le_bytes(), &(!len).to_le_bytes(), content, &[0; 8]].concat()
}

/// Stray files next to logs: names, contents and messages.
fn strays() -> Vec<(String, Vec<u8>, &'static str)> {
    const NONE: &str = "not an event file: it does not begin with a record";
    let double = [&b"\0\x05\x16\x07\0\x02\0\0Mac OS X        "[..], &[0; 90]].concat();
    vec![
        (
            format!("._{FILE}"),
            double,
            "not an event file: file attributes from macOS (AppleDouble)",
        ),
        (format!("{FILE}.dvc"), b"outs:\n- md5: d41d8\n".to_vec(), NONE),
        (format!("{FILE}.meta"), b"fileFormatVersion: 2\n".to_vec(), NONE),
        (format!(".{FILE}.crc"), b"crc\0\0\0\x02\0\x01\x02\x03\x04".to_vec(), NONE),
        (format!("{FILE}.sha256"), b"0123456789abcdef".to_vec(), NONE),
        (format!(".{FILE}.swp"), b"b0VIM 8.2\0\0\0\0\x10\0\0".to_vec(), NONE),
        ("plot_tfevents.py".into(), b"print('a program of the user')\n".to_vec(), NONE),
        ("plot_tfevents.py~".into(), b"p()".to_vec(), NONE),
        (
            "tfevents.html".into(),
            b"<html>".to_vec(),
            "not an event file but an HTML page, as a failed download leaves",
        ),
    ]
}

/// Files that should be logs but cannot be read: names, contents and messages.
fn missing() -> Vec<(String, Vec<u8>, &'static str)> {
    let lfs = |end: &str| {
        let lines =
            ["version https://git-lfs.github.com/spec/v1", "oid sha256:0123", "size 123456"];
        lines.map(|line| line.to_owned() + end).concat().into_bytes()
    };
    const LFS: &str = "not an event file but a Git LFS pointer to one: `git lfs pull` downloads it";
    let tail = [7; 40];
    let magic = |magic: &[u8]| [magic, &tail].concat();
    vec![
        (FILE.into(), lfs("\n"), LFS),
        (FILE.into(), lfs("\r\n"), LFS),
        (
            FILE.into(),
            b"/annex/objects/SHA256E-s1234--0123\n".to_vec(),
            "not an event file but a git-annex pointer to one: `git annex get` downloads it",
        ),
        (
            format!("{FILE}.gz"),
            gzip(&log()),
            "not an event file: compressed with gzip, decompress it",
        ),
        (FILE.into(), gzip(&log()), "not an event file: compressed with gzip, decompress it"),
        (
            FILE.into(),
            magic(b"\x28\xb5\x2f\xfd"),
            "not an event file: compressed with zstd, decompress it",
        ),
        (FILE.into(), magic(b"\xfd7zXZ\0"), "not an event file: compressed with xz, decompress it"),
        (
            FILE.into(),
            magic(b"BZh91AY&SY"),
            "not an event file: compressed with bzip2, decompress it",
        ),
        (FILE.into(), magic(b"x\x9c"), "not an event file: compressed with zlib, decompress it"),
        (format!("{FILE}.tar"), tar(&log()), "not an event file but an archive (tar): unpack it"),
        (
            FILE.into(),
            [&b"PK\x03\x04"[..], &log()].concat(),
            "not an event file but an archive (zip): unpack it",
        ),
        (
            FILE.into(),
            magic(b"7z\xbc\xaf\x27\x1c"),
            "not an event file but an archive (7z): unpack it",
        ),
        (
            FILE.into(),
            b"\n<!DOCTYPE HTML><title>404</title>".to_vec(),
            "not an event file but an HTML page, as a failed download leaves",
        ),
        (FILE.into(), vec![0xa5; 5000], "not an event file: it does not begin with a record"),
    ]
}

/// A directory with a run, and with stray files next to its log and in directories of their own.
fn with_strays() -> Folder {
    let folder = Folder::new();
    for dir in ["logs/run", "logs/src"] {
        fs::create_dir_all(folder.path(dir)).unwrap();
        for (name, bytes, _) in strays() {
            fs::write(folder.path(dir).join(name), bytes).unwrap();
        }
    }
    fs::write(folder.path("logs/run").join(FILE), log()).unwrap();
    folder
}

/// Every file below a directory, by its relative path.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => dirs.push(path),
                false => {
                    let bytes = fs::read(&path).unwrap();
                    found.insert(path.strip_prefix(dir).unwrap().to_owned(), bytes);
                }
            }
        }
    }
    found
}

/// Fails unless each of these files is named once, with its message.
#[track_caller]
fn says_once(done: &Done, paths: impl IntoIterator<Item = (PathBuf, &'static str)>) {
    let all = format!("{}{}", done.out, done.err);
    for (path, what) in paths {
        let line = format!("{}: {what}", path.display());
        assert_eq!(all.matches(&line).count(), 1, "{line}\n{all}");
    }
}

fn all_strays(dir: &str) -> Vec<(PathBuf, &'static str)> {
    let of = |run: &'static str| {
        strays().into_iter().map(move |(name, _, what)| (Path::new(run).join(name), what))
    };
    of("run").chain(of("src")).map(|(path, what)| (Path::new(dir).join(path), what)).collect()
}

const READERS: [&str; 8] = [
    "inspect logs",
    "table logs",
    "check logs",
    "diff logs/run logs/run",
    "reduce logs --tag loss",
    "plot logs --tag loss --out loss.svg",
    "export logs --to csv --table scalars --out -",
    "extract logs --out files",
];

#[test]
fn readers_leave_out_what_lies_next_to_logs_and_say_so_without_an_error() {
    for args in READERS {
        let folder = with_strays();
        let done = folder.tbx(args);
        // The exit code of these two is 1: there is nothing to extract, and runs lack metadata.
        let is_no = args.starts_with("extract") || args.starts_with("check");
        assert_eq!(done.code, Some(i32::from(is_no)), "{args}: {done:?}");
        let before = files(&folder.path("logs"));
        assert_eq!(before.len(), 2 * strays().len() + 1);
        if args.starts_with("diff") {
            continue; // the run would appear twice
        }
        says_once(&done, all_strays("logs"));
        assert_eq!(files(&folder.path("logs")), before, "{args}");
    }
    let folder = with_strays();
    let table = folder.tbx("table logs --format csv").out;
    assert_eq!(table.lines().count(), 2, "{table}");
    let found = folder.tbx("inspect logs --format json").out;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["runs"].as_array().unwrap().len(), 1);
    let issues = found["issues"].as_array().unwrap();
    assert_eq!(issues.len(), 2 * strays().len());
    assert!(issues.iter().all(|issue| issue["kind"] == "not_event_file" && issue["lost"] == false));
    let verified = folder.tbx("verify logs --rule other_file");
    assert_eq!(verified.code, Some(0));
    assert!(verified.out.starts_with(&(head() + ", 18 notes\n")), "{}", verified.out);
    // Their names below the log directory.
    let below = all_strays("");
    says_once(&verified, below);
}

#[test]
fn writers_leave_what_lies_next_to_logs_as_it_is() {
    let edit = "--rename loss lossy";
    for args in [
        format!("edit logs --out new {edit}"),
        format!("edit logs --in-place {edit}"),
        "edit logs --in-place --merge --shift-steps 1".into(),
        "repair logs --out new".into(),
        "repair logs --in-place".into(),
    ] {
        let folder = with_strays();
        let before = files(&folder.path("logs"));
        let done = folder.tbx(&args);
        assert_eq!(done.code, Some(0), "{args}: {done:?}");
        says_once(&done, all_strays("logs"));
        let out = if args.contains("--out") { "new" } else { "logs" };
        let mut after = files(&folder.path(out));
        for (path, bytes) in before.iter().filter(|(path, _)| !path.ends_with(FILE)) {
            assert_eq!(after.remove(path).as_ref(), Some(bytes), "{args}: {}", path.display());
        }
        after.retain(|path, _| !path.to_string_lossy().ends_with(".bak"));
        assert_eq!(after.len(), 1, "{args}: {:?}", after.keys());
        // A second repair changes nothing.
        assert_eq!(folder.tbx("repair logs --in-place").code, Some(0));
    }
}

#[test]
fn an_archive_has_the_files_next_to_logs_and_brings_them_back() {
    let folder = with_strays();
    let before = files(&folder.path("logs"));
    let done = folder.tbx("archive logs --out logs.tar.zst");
    assert_eq!(done.code, Some(0), "{done:?}");
    says_once(&done, all_strays(&folder.path("logs").canonicalize().unwrap().to_string_lossy()));
    folder.tbx("restore logs.tar.zst --out again").fine();
    let of_run = before.into_iter().filter(|(path, _)| path.starts_with("run")).collect();
    assert_eq!(files(&folder.path("again")), of_run);
    // No run has this name.
    assert_eq!(folder.tbx("restore logs.tar.zst --out x --run ^src$").code, Some(2));
}

#[test]
fn a_log_that_is_not_there_is_missed_by_every_command() {
    for (i, (name, bytes, what)) in missing().into_iter().enumerate() {
        let folder = Folder::new();
        for (dir, name, bytes) in [("run", FILE, &log()), ("lost", &*name, &bytes)] {
            fs::create_dir_all(folder.path("logs").join(dir)).unwrap();
            fs::write(folder.path("logs").join(dir).join(name), bytes).unwrap();
        }
        let lost = Path::new("lost").join(&name);
        let path = Path::new("logs").join(&lost);
        for args in READERS.iter().filter(|args| !args.starts_with("diff")) {
            if i > 0 && !args.starts_with("inspect") {
                continue; // one case is enough
            }
            let done = folder.tbx(args);
            assert_eq!(done.code, Some(2), "{args}: {done:?}");
            says_once(&done, [(path.clone(), what)]);
            assert!(!done.out.contains("\nlost"), "{}", done.out);
        }
        let verified = folder.tbx("verify logs");
        assert_eq!(verified.code, Some(1));
        says_once(&verified, [(lost.clone(), what)]);
        assert!(verified.out.starts_with(&(head() + ", 1 error\n")), "{}", verified.out);
        for args in [
            "edit logs --out new --rename loss lossy",
            "repair logs --out repaired",
            "edit logs --in-place --rename loss lossy",
            "repair logs --in-place",
        ] {
            let done = folder.tbx(args);
            assert_eq!(done.code, Some(2), "{args}: {done:?}");
            says_once(&done, [(path.clone(), what)]);
            let out = args.split(' ').skip_while(|arg| *arg != "--out").nth(1).unwrap_or("logs");
            assert_eq!(fs::read(folder.path(out).join(&lost)).unwrap(), bytes, "{args}");
            assert_eq!(fs::read_dir(folder.path(out).join("lost")).unwrap().count(), 1);
        }
        let packed = folder.tbx("archive logs --out logs.tar.zst");
        assert_eq!(packed.code, Some(2), "{packed:?}");
        assert!(packed.out.starts_with("1 run, 2 files, "), "{}", packed.out);
        // If it is given by name, it is an error under any name.
        let done = folder.tbx(&format!("inspect {}", path.display()));
        assert_eq!(done.code, Some(2));
        says_once(&done, [(path, what)]);
    }
}

#[test]
fn a_file_that_was_named_is_missed_whatever_its_name() {
    let folder = with_strays();
    for (path, what) in all_strays("logs") {
        for args in ["inspect", "table", "export --to csv --out -"] {
            let done = folder.tbx(&format!("{args} {}", path.display()));
            assert_eq!(done.code, Some(2), "{done:?}");
            says_once(&done, [(path.clone(), what)]);
        }
    }
    fs::write(folder.path("notes.txt"), "no log").unwrap();
    let done = folder.tbx("verify notes.txt");
    assert_eq!(done.code, Some(1), "{done:?}");
    let done = folder.tbx("archive logs/src --out src.tar.zst");
    let none = "tbx: logs/src: no event files (their names contain \"tfevents\")\n";
    assert_eq!((done.code, done.err.as_str()), (Some(1), none));
}

/// A file with the content of a log is a log under any name that contains `tfevents`, as in TensorBoard.
#[test]
fn copies_of_logs_under_other_names_are_logs() {
    for name in [
        format!(".{FILE}.AbC123"), // an unfinished copy of rsync
        format!("{FILE} (somebody's conflicted copy 2024-01-01)"),
        format!("{FILE}~"),
        "tfevents.bak".into(),
    ] {
        let folder = Folder::new();
        fs::create_dir(folder.path("logs")).unwrap();
        fs::write(folder.path("logs").join(&name), log()).unwrap();
        assert!(folder.tbx("inspect logs").fine().starts_with(&head()));
        folder.tbx("edit logs --in-place --rename loss lossy").fine();
        assert!(folder.tbx("inspect logs").fine().contains("lossy"));
    }
}

/// It contains nothing that an edit could change.
#[test]
fn an_event_file_without_a_readable_event_stays_as_it_is() {
    let log = log();
    let mut damaged = log.clone();
    damaged.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(3));
    damaged[..12].copy_from_slice(&log[..12]);
    for bytes in [&log[..0], &log[..7], &log[..20], &[0; 4096], &damaged] {
        let folder = Folder::new();
        fs::create_dir_all(folder.path("logs/run")).unwrap();
        fs::write(folder.path("logs/run").join(FILE), bytes).unwrap();
        let later = FILE.replace("1700000000", "1700000001");
        fs::write(folder.path("logs/run").join(&later), &log).unwrap();
        for (args, out) in [
            ("edit logs --out new --rename loss lossy", "new"),
            ("edit logs --out merged --merge", "merged"),
            ("edit logs --in-place --rename loss lossy", "logs"),
            ("repair logs --in-place", "logs"),
        ] {
            let done = folder.tbx(args);
            let is_sound = bytes.len() < 30;
            assert_eq!(done.code, Some(if is_sound || args.contains("repair") { 0 } else { 2 }));
            let found = files(&folder.path(out).join("run"));
            assert_eq!(found[Path::new(FILE)], bytes, "{args}");
            assert!(found[Path::new(&later)].len() > 100, "{args}");
            assert!(!found.contains_key(Path::new(&format!("{FILE}.bak").replace("tf", "tf-"))));
        }
    }
}
