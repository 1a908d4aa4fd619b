//! `tbx export`: the files that it replaces, and when.

use std::fs;

use super::super::Folder;
use super::names;

#[test]
fn a_name_that_nothing_matches_leaves_no_file() {
    let folder = Folder::with("keras");
    let said = folder.tbx("export logs --to csv --out points.csv --tag ^epoch_lss$").failed();
    assert!(said.contains("did you mean epoch_loss"), "{said}");
    folder.tbx("export logs --to csv --table all --out data --run nothing").failed();
    assert_eq!(names(&folder), ["logs"]);
}

#[test]
fn of_several_tables_none_appears_if_one_cannot() {
    let folder = Folder::with("keras");
    fs::create_dir(folder.path("data")).unwrap();
    fs::write(folder.path("data/runs.csv"), "precious").unwrap();
    let said = folder.tbx("export logs --to csv --table all --out data").failed();
    assert_eq!(said, "tbx: data/runs.csv: the file exists\n");
    assert_eq!(fs::read_dir(folder.path("data")).unwrap().count(), 1);
    let forced = folder.tbx("export logs --to csv --table all --out data --force");
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    assert!(fs::read_to_string(folder.path("data/runs.csv")).unwrap().starts_with("run,"));
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    use std::os::unix::fs::symlink;

    let folder = Folder::with("keras");
    fs::create_dir(folder.path("elsewhere")).unwrap();
    fs::write(folder.path("elsewhere/file"), "precious").unwrap();
    symlink("elsewhere/file", folder.path("points.csv")).unwrap();
    folder.tbx("export logs --to csv --out points.csv").failed();
    assert_eq!(fs::read(folder.path("elsewhere/file")).unwrap(), b"precious");
    assert_eq!(folder.tbx("export logs --to csv --out points.csv --force").code, Some(0));
    assert!(folder.path("points.csv").symlink_metadata().unwrap().is_symlink());
    assert!(fs::read_to_string(folder.path("elsewhere/file")).unwrap().starts_with("run,"));
    // A dangling link is not replaced.
    fs::remove_file(folder.path("elsewhere/file")).unwrap();
    for force in ["", "--force"] {
        folder.tbx(&format!("export logs --to csv --out points.csv {force}")).failed();
        assert!(folder.path("points.csv").symlink_metadata().unwrap().is_symlink());
    }
    assert_eq!(fs::read_dir(folder.path("elsewhere")).unwrap().count(), 0);
}
