//! `tbx models`.

use super::Folder;

#[test]
fn models_are_registered_moved_and_loaded() {
    let folder = Folder::new();
    for (run, bytes) in [("a", "one"), ("b", "three")] {
        let artifacts = folder.path(format!("logs/{run}/artifacts"));
        std::fs::create_dir_all(&artifacts).unwrap();
        std::fs::write(artifacts.join("model.bin"), bytes).unwrap();
    }
    let done =
        folder.tbx("models logs register clf a model.bin --alias champion --stage production");
    assert_eq!((done.code, &*done.out), (Some(0), "clf/1\n"));
    folder.tbx("models logs register clf b model.bin --tag lr=0.1 --description better");
    let done = folder.tbx("models logs stage clf/2 production --archive-existing");
    assert_eq!((done.code, &*done.out, &*done.err), (Some(0), "", ""));
    assert_eq!(folder.tbx("models logs alias clf/latest champion").code, Some(0));
    let listed = folder.tbx("models logs --format csv").out;
    let without_times: String =
        listed.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n").collect();
    assert_eq!(
        without_times,
        "\
model,version,stage,aliases,run,artifact,size,source
clf,1,Archived,,a,model.bin,3,
clf,2,Production,champion,b,model.bin,5,
"
    );
    assert!(folder.tbx("models logs").out.contains("champion"));
    let json = folder.tbx("models logs --format json").out;
    assert!(json.contains(r#""aliases":["champion"]"#) && json.contains(r#""lr":"0.1""#), "{json}");
    let path = folder.tbx("models logs path clf/champion").out;
    assert_eq!(std::fs::read_to_string(folder.path(path.trim())).unwrap(), "three");

    std::fs::write(folder.path("logs/b/artifacts/model.bin"), "other").unwrap();
    let done = folder.tbx("models logs path clf/champion");
    assert_eq!((done.code, &*done.out), (Some(2), ""));
    assert!(done.err.contains("SHA-256"), "{}", done.err);
    assert_eq!(folder.tbx("models logs path clf/none").code, Some(2));
    assert_eq!(folder.tbx("models logs alias clf/1 latest").code, Some(2));
}

#[test]
fn a_version_whose_files_are_elsewhere_says_where() {
    let folder = Folder::new();
    let json = r#"{"schema": "tbx.registry/1", "models": {"clf": {"aliases": {"best": 1}, "versions": [
        {"version": 1, "run": "a", "path": "", "source": "s3://bucket/model", "stage": "Production"}]}}}"#;
    std::fs::create_dir(folder.path("logs")).unwrap();
    std::fs::write(folder.path("logs/tbx.registry.json"), json).unwrap();
    let listed = folder.tbx("models logs").fine();
    assert_eq!(
        listed,
        "\
model  version  stage       aliases  run  artifact                      size  registered
clf          1  Production  best     a    s3://bucket/model (not here)
"
    );
    let csv = folder.tbx("models logs --format csv").fine();
    assert_eq!(
        csv,
        "\
model,version,stage,aliases,run,artifact,size,source,registered
clf,1,Production,best,a,,,s3://bucket/model,
"
    );
    let said = folder.tbx("models logs path clf/best").failed();
    assert_eq!(
        said,
        "tbx: logs/tbx.registry.json: the files of clf/best are at s3://bucket/model, not in the \
         log directory\n"
    );
    // Such a version has no local file, so there is nothing to remove.
    let gc = folder.tbx("gc logs --larger-than 1");
    assert_eq!(gc.code, Some(0), "{gc:?}");
}

#[test]
fn registries_below_the_logdir_are_found_and_named() {
    let folder = Folder::new();
    for run in ["plain", "team/first", "team/second"] {
        let artifacts = folder.path(format!("logs/{run}/artifacts"));
        std::fs::create_dir_all(&artifacts).unwrap();
        std::fs::write(artifacts.join("model.bin"), run).unwrap();
    }
    folder.tbx("models logs/team register clf first model.bin --alias champion").fine();
    // The new version goes to the registry that is closest above its run.
    let done = folder.tbx("models logs register clf team/second model.bin");
    assert_eq!((done.code, &*done.out), (Some(0), "clf/2\n"));
    assert!(!folder.path("logs/tbx.registry.json").exists());
    folder.tbx("models logs register other plain model.bin").fine();
    let listed = folder.tbx("models logs --format csv").out;
    let without_times: String =
        listed.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n").collect();
    assert_eq!(
        without_times,
        "\
model,version,stage,aliases,run,artifact,size,source
other,1,None,,plain,model.bin,5,
clf,1,None,champion,team/first,model.bin,10,
clf,2,None,,team/second,model.bin,11,
"
    );
    let text = folder.tbx("models logs").out;
    assert!(text.ends_with("registry found below the logdir: team\n"), "{text}");
    let json = folder.tbx("models logs --format json").out;
    assert!(json.contains(r#""registry":"team""#) && json.contains(r#""run":"team/first""#));
    let path = folder.tbx("models logs path clf/champion").out;
    assert_eq!(std::fs::read_to_string(folder.path(path.trim())).unwrap(), "team/first");
    folder.tbx("models logs stage clf/2 staging").fine();
    assert!(folder.tbx("models logs/team").out.contains("Staging"));

    // A model with the same name in another registry makes the name ambiguous.
    folder.tbx("models logs/plain register clf . model.bin").fine();
    let said = folder.tbx("models logs path clf/champion").failed();
    assert!(said.contains("logs/plain") && said.contains("logs/team"), "{said}");
    // An artifact of a run is not a registry.
    std::fs::write(folder.path("logs/plain/tbx.json"), r#"{"schema": "tbx.run/1"}"#).unwrap();
    let kept = folder.path("logs/plain/artifacts/tbx.registry.json");
    std::fs::write(kept, "not a registry").unwrap();
    folder.tbx("models logs").fine();
    folder.tbx("gc logs --unregistered").fine();
}

#[test]
fn arguments_in_the_wrong_order_are_told_apart() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("logs/first/artifacts")).unwrap();
    std::fs::write(folder.path("logs/first/artifacts/model.bin"), "weights").unwrap();
    let order = "the order is tbx models LOGDIR register MODEL RUN ARTIFACT";
    for (args, said) in [
        ("first clf model.bin", format!("there is no run clf in logs, but first is one: {order}")),
        (
            "clf model.bin first",
            format!("there is no run model.bin in logs, but first is one: {order}"),
        ),
        ("clf second model.bin", format!("there is no run second in logs: {order}")),
    ] {
        let done = folder.tbx(&format!("models logs register {args}"));
        assert_eq!(done.failed(), format!("tbx: {said}\n"));
    }
    assert!(folder.tbx("models logs register clf first").failed().contains("<ARTIFACT>"));
    let said = folder.tbx("models register clf first model.bin").failed();
    assert!(said.contains("<LOGDIR>") && said.contains("LOGDIR comes before register"), "{said}");
    let said = folder.tbx("models register logs clf first model.bin").failed();
    assert!(said.contains("LOGDIR comes before register"), "{said}");
    let registered = folder.tbx("models logs register clf first model.bin").fine();
    assert_eq!(registered, "clf/1\n");
    let mut command = folder.command("models register clf first model.bin");
    assert_eq!(super::done(command.env("TBX_LOGDIR", "logs")).fine(), "clf/1\n");
}
