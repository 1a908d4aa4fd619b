//! `tbx archive`, `tbx restore`

use super::Folder;

#[test]
fn runs_are_packed_listed_removed_and_brought_back() {
    let folder = Folder::with("keras");
    let before = folder.tbx("inspect logs --format json").fine();
    let done = folder.tbx("archive logs --out a.tar.zst --run train --remove").fine();
    assert!(done.starts_with("1 run, 1 file, ") && done.ends_with(", removed\n"), "{done}");
    assert!(!folder.path("logs/train").exists() && folder.path("logs/validation").exists());
    let list = folder.tbx("restore a.tar.zst --list").fine();
    assert!(list.contains("train/events.out.tfevents."), "{list}");
    let said = folder.tbx("restore a.tar.zst --out logs --run no").failed();
    assert!(said.contains("no run matches"), "{said}");
    let done = folder.tbx("restore a.tar.zst --out logs").fine();
    assert!(done.starts_with("1 file, "), "{done}");
    assert_eq!(folder.tbx("inspect logs --format json").fine(), before);
    assert!(folder.tbx("archive logs --out a.tar.zst").failed().contains("already exists"));
    assert!(folder.tbx("restore logs --out x").failed().contains("logs"));
    assert!(folder.tbx("gc --help").fine().contains("tbx archive"));
}
