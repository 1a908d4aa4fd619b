//! `tbx meta`

use std::fs;

use serde_json::Value;
use tbx::meta::{RunMeta, Status};

use super::Folder;

/// A run of another program: no `tbx.json`, and a parameter in the log.
fn foreign() -> Folder {
    let folder = Folder::new();
    for run in ["a", "b"] {
        let writer = folder.run(format!("logs/{run}"));
        writer.add_hparams([("depth", 3.into())], []).unwrap();
        writer.add_scalar("loss", 0.5, 1).unwrap();
        writer.close().unwrap();
    }
    folder
}

#[test]
fn what_is_set_is_shown_by_the_table_and_by_show() {
    let folder = foreign();
    let before = fs::read_dir(folder.path("logs/a")).unwrap().count();
    let set = "meta set logs/a param.lr=1e-3 param.bias=True param.opt=adam param.id=007 name=first \
               experiment=e status=Finished tag.team=vision label.reviewed";
    assert_eq!(folder.tbx(set).fine(), "");
    assert_eq!(fs::read_dir(folder.path("logs/a")).unwrap().count(), before + 1);
    let meta = RunMeta::read(&folder.path("logs/a")).unwrap().unwrap();
    assert_eq!(meta.params["lr"], 0.001.into());
    assert_eq!(meta.params["bias"], true.into());
    assert_eq!(meta.params["id"], "007".into());
    assert_eq!((meta.name.as_deref(), meta.status), (Some("first"), Some(Status::Finished)));
    assert!(meta.labels.contains("reviewed") && meta.updated_at.is_some());
    let shown = folder.tbx("meta show logs/a").fine();
    for line in
        ["name            first", "status          finished", "param.depth     3", "label.reviewed"]
    {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let table = folder.tbx("table logs --format csv --columns run,param.lr,param.depth").fine();
    assert!(table.contains("a,0.001,3"), "{table}");
    let json: Value =
        serde_json::from_str(&folder.tbx("meta show logs/a --format json").fine()).unwrap();
    assert_eq!((&json["params"]["opt"], &json["tags"]["team"]), (&"adam".into(), &"vision".into()));
    // The other run does not have it.
    assert!(!folder.tbx("meta show logs/b").fine().contains("lr"));
}

#[test]
fn what_was_set_can_be_removed_unless_the_log_has_it() {
    let folder = foreign();
    folder.tbx("meta set logs/a param.lr=0.1 label.new notes=text").fine();
    assert_eq!(folder.tbx("meta unset logs/a param.lr label.new description").fine(), "");
    let done = folder.tbx("meta unset logs/a param.lr");
    assert_eq!((done.code, &*done.err), (Some(1), "tbx: the run has no param.lr\n"));
    let done = folder.tbx("meta unset logs/a param.depth");
    let said =
        "tbx: param.depth is in the log itself; use tbx edit --unset-param to remove parameters\n";
    assert_eq!((done.code, &*done.err), (Some(1), said));
}

/// Event files are copied from clusters without their side files. Then the copy in the log counts.
#[test]
fn what_the_copy_in_the_log_says_is_not_lost() {
    let folder = Folder::new();
    let writer = folder.run("logs/run");
    let mut meta = RunMeta::default();
    meta.params.insert("lr".into(), 0.1.into());
    meta.updated_at = Some(1_700_000_000.0);
    writer.add_meta(&meta).unwrap();
    writer.close().unwrap();
    folder.tbx("meta set logs/run name=first").fine();
    let shown = folder.tbx("meta show logs/run").fine();
    assert!(shown.contains("name      first") && shown.contains("param.lr  0.1"), "{shown}");
}

#[test]
fn what_cannot_be_meant_is_refused_and_nothing_is_written() {
    let folder = foreign();
    for (args, said) in [
        ("meta set logs/a", "required arguments were not provided"),
        ("meta set logs/a lr=0.1", "there is no key \"lr\"; there are name, experiment"),
        ("meta set logs/a param.=1", "there is no key \"param.\""),
        ("meta set logs/a param.lr", "\"param.lr\" is not KEY=VALUE"),
        ("meta set logs/a label.x=1", "a label has no value"),
        ("meta set logs/a name=x status=done", "there is no status \"done\"; there are scheduled"),
        (
            "meta set logs name=x",
            "tbx: logs is not a run: it has no event file; runs in it are a, b",
        ),
        ("meta set nowhere name=x", "nowhere"),
        ("meta set s3://b/run name=x", "changes local runs only: download the run"),
    ] {
        let found = folder.tbx(args).failed();
        assert!(found.contains(said), "{args}: {found}");
    }
    assert!(!folder.path("logs/a/tbx.json").exists() && !folder.path("logs/tbx.json").exists());
    fs::write(folder.path("logs/a/tbx.json"), "{").unwrap();
    let said = folder.tbx("meta set logs/a name=x").failed();
    assert!(said.contains("tbx.json") && said.contains("line 1"), "{said}");
    assert_eq!(fs::read_to_string(folder.path("logs/a/tbx.json")).unwrap(), "{");
}

#[test]
fn changes_of_many_programs_at_once_are_all_there() {
    let folder = foreign();
    let commands: Vec<_> = (0..8)
        .map(|i| folder.command(&format!("meta set logs/a param.p{i}={i}")).spawn().unwrap())
        .collect();
    for mut command in commands {
        assert!(command.wait().unwrap().success());
    }
    let meta = RunMeta::read(&folder.path("logs/a")).unwrap().unwrap();
    assert_eq!(meta.params.len(), 8);
}

#[test]
fn names_on_the_screen_cannot_play_with_the_terminal() {
    let folder = foreign();
    RunMeta::update(&folder.path("logs/a"), |meta| meta.name = Some("\u{1b}[31mred".into()))
        .unwrap();
    let shown = folder.tbx("meta show logs/a").fine();
    assert!(!shown.contains('\u{1b}') && shown.contains("red"), "{shown}");
}
