//! `tbx gc`

use super::Folder;

const META: &str = r#"{"schema": "tbx.run/1", "status": "FAILED", "artifacts":
    [{"path": "m.bin", "size": 3, "sha256": "ab", "kind": "model", "time": 1600000000}]}"#;

fn logs() -> Folder {
    let folder = Folder::new();
    for name in ["bad", "good"] {
        std::fs::create_dir_all(folder.path(format!("logs/{name}/artifacts"))).unwrap();
        std::fs::write(folder.path(format!("logs/{name}/artifacts/m.bin")), b"abc").unwrap();
    }
    std::fs::write(folder.path("logs/bad/tbx.json"), META).unwrap();
    std::fs::write(folder.path("logs/good/tbx.json"), r#"{"schema": "tbx.run/1"}"#).unwrap();
    folder
}

#[test]
fn artifacts_are_listed_and_removed_only_when_told() {
    let folder = logs();
    let rules = folder.tbx("gc logs").failed();
    assert!(rules.contains("--older-than"), "{rules}");
    let list = folder.tbx("gc logs --status failed --older-than 30d --kind model").fine();
    assert!(list.contains("bad  m.bin     model  failed   3 B"), "{list}");
    assert!(list.ends_with("1 artifact, 3 B; --delete removes them\n"), "{list}");
    assert!(folder.path("logs/bad/artifacts/m.bin").exists());
    let json = folder.tbx("gc logs --status failed --format json");
    assert!(json.out.contains(r#""size":3,"time":1600000000"#), "{json:?}");

    folder.tbx("models logs register clf good m.bin").fine();
    let done = folder.tbx("gc logs --unregistered --delete").fine();
    assert!(
        done.ends_with(
            "1 artifact, 3 B: 1 removed; 1 more stays, of a registered model or version\n"
        ),
        "{done}"
    );
    assert!(!folder.path("logs/bad/artifacts/m.bin").exists());
    assert!(folder.path("logs/good/artifacts/m.bin").exists());
    let none = folder.tbx("gc logs --unregistered").fine();
    assert!(none.starts_with("0 artifacts, 0 B"), "{none}");
}

#[test]
fn ages_and_sizes_that_cannot_be_are_refused() {
    for wrong in ["--older-than 30", "--older-than d", "--larger-than 1X", "--status running"] {
        logs().tbx(&format!("gc logs {wrong}")).failed();
    }
}

#[test]
fn a_policy_is_a_list_of_rules() {
    let folder = logs();
    let policy = "[[gc.remove]]\nstatus = [\"failed\"]\nolder_than = \"30d\"\n\
                  [[gc.remove]]\nlarger_than = \"1G\"\nunregistered = true\n";
    std::fs::write(folder.path("tbx.toml"), policy).unwrap();
    let list = folder.tbx("gc logs --policy").fine();
    assert!(list.contains("bad  m.bin     model  failed"), "{list}");
    assert!(list.ends_with("1 artifact, 3 B; --delete removes them\n"), "{list}");
    std::fs::write(folder.path("all.toml"), "[[gc.remove]]\nlarger_than = \"2\"\n").unwrap();
    let done = folder.tbx("gc logs --policy --config all.toml --delete").fine();
    assert!(done.ends_with("2 artifacts, 6 B: 2 removed\n"), "{done}");
    folder.tbx("gc logs --policy --kind model").failed();
    for (wrong, said) in [
        ("", "gc.remove"),
        ("[[gc.remove]]\n", "no rule"),
        ("[[gc.remove]]\nstatus = [\"running\"]", "line 2"),
        ("[[gc.remove]]\nolder_than = \"soon\"", "soon"),
        ("[[gc.remove]]\nolder = \"3d\"", "older"),
    ] {
        std::fs::write(folder.path("tbx.toml"), wrong).unwrap();
        let error = folder.tbx("gc logs --policy").failed();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}
