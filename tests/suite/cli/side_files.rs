//! Side files, and links among them, in logs from untrusted sources.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::Folder;

/// A text that no file of the logs contains.
const SECRET: &str = "TOPSECRET";

/// Two runs, `good` and `bad`, and a directory `secret` next to the logs.
fn logs() -> Folder {
    let folder = Folder::new();
    for name in ["good", "bad"] {
        let writer = folder.run(Path::new("logs").join(name));
        writer.add_scalar("loss", 0.5f32, 1).unwrap();
        writer.close().unwrap();
    }
    fs::write(folder.path("logs/good/hparams.yaml"), "lr: 0.1\n").unwrap();
    fs::create_dir(folder.path("secret")).unwrap();
    fs::write(folder.path("secret/key"), SECRET).unwrap();
    fs::write(folder.path("secret/params.yaml"), format!("{SECRET}: 1\n")).unwrap();
    folder
}

/// The files below `dir` that contain the secret.
fn leaks(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(leaks(&path));
        } else if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(SECRET) {
            found.push(path.display().to_string());
        }
    }
    found
}

impl Folder {
    /// The text with the path of the directory replaced by `DIR`.
    fn plain(&self, text: &str) -> String {
        let real = self.0.path().canonicalize().unwrap();
        text.replace(real.to_str().unwrap(), "DIR")
    }
}

#[test]
fn nothing_outside_of_a_run_is_exported_unless_it_is_asked_for() {
    let folder = logs();
    symlink("../../secret", folder.path("logs/bad/artifacts")).unwrap();
    symlink("../../secret/params.yaml", folder.path("logs/bad/hparams.yaml")).unwrap();
    fs::create_dir_all(folder.path("logs/good/artifacts/sub")).unwrap();
    fs::write(folder.path("logs/good/artifacts/sub/model"), "weights").unwrap();
    symlink("sub/model", folder.path("logs/good/artifacts/latest")).unwrap();
    symlink("../../../secret/key", folder.path("logs/good/artifacts/key")).unwrap();
    let done = folder.tbx("export logs --to mlruns --out m");
    assert_eq!(done.code, Some(2));
    let left = |path: &str, to: &str, run: &str| {
        format!(
            "tbx: logs/{path}: it leads to DIR/secret{to}, outside DIR/logs/{run}, and is not \
             followed; put a copy in its place, or use --follow-links; skipped\n"
        )
    };
    let expected = left("bad/artifacts", "", "bad")
        + &left("bad/hparams.yaml", "/params.yaml", "bad")
        + &left("good/artifacts/key", "/key", "good")
        + "2 runs, 2 points, 5 artifacts (1.2 kB) to m\n";
    let said = folder.plain(&done.err);
    let (issues, _) = said.rsplit_once("2 runs, ").unwrap();
    let (expected, _) = expected.rsplit_once("2 runs, ").unwrap();
    assert_eq!(issues, expected);
    assert_eq!(leaks(&folder.path("m")), [""; 0]);
    let of_run = |name: &str| {
        let entries = fs::read_dir(folder.path("m")).unwrap().flatten();
        let runs =
            entries.flat_map(|experiment| fs::read_dir(experiment.path()).into_iter().flatten());
        let mut runs = runs.flatten().map(|run| run.path());
        runs.find(|run| {
            fs::read_to_string(run.join("tags/mlflow.runName")).is_ok_and(|tag| tag == name)
        })
        .unwrap()
    };
    assert_eq!(fs::read(of_run("good").join("artifacts/latest")).unwrap(), b"weights");
    // Only the option exports it.
    let done = folder.tbx("export logs --to mlruns --out n --follow-links");
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(leaks(&folder.path("n")).len() >= 3, "{:?}", leaks(&folder.path("n")));
}

#[test]
fn parameters_behind_a_link_out_of_the_run_are_an_issue() {
    let folder = logs();
    symlink("../../secret/params.yaml", folder.path("logs/bad/hparams.yaml")).unwrap();
    for command in
        ["table logs", "check logs", "reduce logs", "export logs --to csv --table runs --out -"]
    {
        let done = folder.tbx(command);
        assert!(!done.out.contains(SECRET), "{command}: {}", done.out);
        let said = "tbx: logs/bad/hparams.yaml: it leads to DIR/secret/params.yaml, outside \
                    DIR/logs/bad, and is not followed; put a copy in its place, or use \
                    --follow-links; skipped";
        assert!(folder.plain(&done.err).contains(said), "{command}: {}", done.err);
    }
    let table = folder.tbx("table logs --follow-links").fine();
    assert!(table.contains(SECRET), "{table}");
}

#[test]
fn an_import_takes_nothing_from_outside_of_the_store() {
    let folder = logs();
    let (run, other) = ("0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef");
    let store = |path: String| folder.path("mlruns").join(path);
    for id in [run, other] {
        fs::create_dir_all(store(format!("1/{id}"))).unwrap();
        let meta = format!("run_id: {id}\nrun_name: {}\n", &id[..1]);
        fs::write(store(format!("1/{id}/meta.yaml")), meta).unwrap();
    }
    fs::write(store("1/meta.yaml".into()), "experiment_id: '1'\nname: exp\n").unwrap();
    let secret = folder.path("secret");
    for part in ["artifacts", "params", "tags", "metrics", "inputs"] {
        symlink(&secret, store(format!("1/{run}/{part}"))).unwrap();
    }
    symlink(&secret, store(format!("1/{}", "2".repeat(32)))).unwrap();
    symlink(&secret, store("1/datasets".into())).unwrap();
    symlink(&secret, store("models".into())).unwrap();
    symlink(&secret, store(".trash".into())).unwrap();
    // The place where a server would have stored them.
    fs::create_dir_all(folder.path(format!("mlartifacts/1/{other}"))).unwrap();
    symlink(&secret, folder.path(format!("mlartifacts/1/{other}/artifacts"))).unwrap();
    let uri = format!("artifact_uri: mlflow-artifacts:/1/{other}/artifacts\n");
    let meta = store(format!("1/{other}/meta.yaml"));
    fs::write(&meta, fs::read_to_string(&meta).unwrap() + &uri).unwrap();
    fs::create_dir(store(format!("1/{other}/params"))).unwrap();
    symlink("../tags/same", store(format!("1/{other}/params/same"))).unwrap();
    fs::create_dir(store(format!("1/{other}/tags"))).unwrap();
    fs::write(store(format!("1/{other}/tags/same")), "inside").unwrap();
    fs::remove_file(store(".trash".into())).unwrap();
    let done = folder.tbx("import --from mlflow mlruns --out out");
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert_eq!(leaks(&folder.path("out")), [""; 0]);
    for part in ["artifacts", "params", "tags", "metrics", "inputs"] {
        let said = format!("mlruns/1/{run}/{part}: it leads to DIR/secret, outside DIR/mlruns,");
        assert!(folder.plain(&done.err).contains(&said), "{part}: {}", done.err);
    }
    let json = fs::read_to_string(folder.path("out/exp/1/tbx.json")).unwrap();
    assert!(json.contains(r#""same": "inside""#), "{json}");
    // A store in the trash does not belong to this one.
    symlink(&secret, store(".trash".into())).unwrap();
    folder.tbx("import --from mlflow mlruns --out other").failed();
    let done = folder.tbx("import --from mlflow mlruns --out followed --follow-links");
    assert!(leaks(&folder.path("followed")).len() > 3, "{}", done.err);
}

/// A program that reads one of these blocks forever.
#[test]
fn a_side_file_that_is_no_regular_file_is_an_issue() {
    let folder = logs();
    let made = std::process::Command::new("mkfifo").arg(folder.path("fifo")).status().unwrap();
    assert!(made.success());
    for (name, lost) in [
        ("hparams.yaml", true),
        ("tbx.json", true),
        ("projector_config.pbtxt", false),
        ("plugins/org_tensorflow_tensorboard_projector/projector_config.pbtxt", false),
    ] {
        let path = folder.path("logs/bad").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for (to, what) in [("fifo", "a FIFO"), ("/dev/zero", "a device"), ("secret", "a directory")]
        {
            match to {
                "fifo" => fs::hard_link(folder.path("fifo"), &path).unwrap(),
                "secret" => fs::create_dir(&path).unwrap(),
                _ => symlink(to, &path).unwrap(),
            }
            let why = match to {
                "/dev/zero" => "it leads to /dev/zero, outside".into(),
                _ => format!("logs/bad/{name}: not a regular file but {what}"),
            };
            let done = folder.tbx("inspect logs");
            assert!(done.code == Some(2) && done.out.contains(&why), "{name} {to}: {}", done.out);
            let done = folder.tbx("verify logs --format json");
            assert!(
                done.code == Some(1) && done.out.contains("side_file"),
                "{name} {to}: {}",
                done.out
            );
            if lost {
                for command in ["table logs", "check logs", "export logs --to mlruns --out m"] {
                    let done = folder.tbx(command);
                    assert!(
                        done.code == Some(2) && done.err.contains(&why),
                        "{command}: {}",
                        done.err
                    );
                    let _ = fs::remove_dir_all(folder.path("m"));
                }
            }
            if !lost {
                let done = folder.tbx("extract logs --out x");
                assert!(done.err.contains(&why), "{name}: {}", done.err);
                let _ = fs::remove_dir_all(folder.path("x"));
            }
            match to {
                "secret" => fs::remove_dir(&path).unwrap(),
                _ => fs::remove_file(&path).unwrap(),
            }
        }
    }
    fs::hard_link(folder.path("fifo"), folder.path("logs/tbx.registry.json")).unwrap();
    let said = folder.tbx("export logs --to mlruns --out m").failed();
    let issue = "tbx: logs/tbx.registry.json: not a regular file but a FIFO; skipped\n";
    assert!(said.starts_with(issue), "{said}");
    let done = folder.tbx("verify logs --rule side_file --format json");
    assert!(done.code == Some(1) && done.out.contains("tbx.registry.json"), "{}", done.out);
    for command in ["gc logs --unregistered", "archive logs --out a.tar.zst --remove"] {
        let why = folder.tbx(command).failed();
        assert!(
            why.contains("tbx.registry.json: not a regular file but a FIFO"),
            "{command}: {why}"
        );
    }
}

#[test]
fn one_bad_side_file_costs_its_run_what_it_says_and_nothing_else() {
    let folder = logs();
    let path = folder.path("logs/bad/hparams.yaml");
    let nine = |i: usize| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "));
    let bomb = format!("a0: &a0 [lol]\n{}", (1..10).map(nine).collect::<String>());
    for (text, why) in [
        (
            "lr: [".into(),
            "line 2 column 1: invalid YAML: while parsing a node, did not find expected node \
             content",
        ),
        ("- ".repeat(6000), "line 1 column 129: lists and maps are nested more than 64 deep"),
        (bomb, "it has more than 67108864 bytes with aliases expanded"),
        ("batch_si".into(), "not a map of parameters"),
        ("lr: 1\nbatch_si".into(), "line 3 column 1: invalid YAML: simple key expected"),
    ] {
        fs::write(&path, text).unwrap();
        let done = folder.tbx("table logs --columns run,param.lr,loss");
        let said = format!("tbx: logs/bad/hparams.yaml: {why}");
        assert!(done.code == Some(2) && done.err.starts_with(&said), "{why}: {}", done.err);
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
        assert_eq!(done.out, "run    lr  loss\nbad         0.5\ngood  0.1   0.5\n2 runs\n");
        for command in [
            "check logs",
            "plot logs --tag loss",
            "reduce logs",
            "diff logs logs",
            "export logs --to csv --table runs --out -",
            "export logs --to csv --table hparams --out -",
            "export logs --to json --table meta --out -",
        ] {
            let done = folder.tbx(command);
            assert!(done.code == Some(2) && done.err.contains(&said), "{command}: {}", done.err);
            assert!(!done.out.is_empty(), "{command}");
        }
        let done = folder.tbx("inspect logs");
        assert!(done.code == Some(2) && done.out.contains(&said["tbx: ".len()..]), "{}", done.out);
        let done = folder.tbx("verify logs");
        assert!(done.code == Some(1) && done.out.contains("warning side_file"), "{}", done.out);
    }
    // It must not be read to find that out.
    fs::File::create(&path).unwrap().set_len(100 << 30).unwrap();
    let said =
        "tbx: logs/bad/hparams.yaml: it has 107374182400 bytes, the limit is 4194304; skipped\n";
    assert_eq!(folder.tbx("table logs").err, said);
    fs::write(&path, b"\xff").unwrap();
    let said = "tbx: logs/bad/hparams.yaml: byte 0: it is not UTF-8; skipped\n";
    assert_eq!(folder.tbx("table logs").err, said);
    fs::remove_file(&path).unwrap();
    let deep = format!(r#"{{"schema": "tbx.run/1", "x": {}"#, "[".repeat(100_000));
    fs::write(folder.path("logs/bad/tbx.json"), deep).unwrap();
    let said = "tbx: logs/bad/tbx.json: not the metadata of a run: recursion limit exceeded at line 1 column 156; skipped\n";
    assert_eq!(folder.tbx("table logs").err, said);
}

#[test]
fn each_directory_is_a_run_once_whatever_links_lead_to_it() {
    let folder = logs();
    symlink("good", folder.path("logs/a_link")).unwrap();
    symlink("bad", folder.path("logs/latest")).unwrap();
    let done = folder.tbx("table logs --columns run,loss");
    assert_eq!(done.code, Some(0));
    assert_eq!(done.out, "run   loss\nbad    0.5\ngood   0.5\n2 runs\n");
    assert_eq!(
        done.err,
        "logs/a_link: it is the same directory as logs/good, which is read once; nothing was lost\n\
         logs/latest: it is the same directory as logs/bad, which is read once; nothing was lost\n"
    );
    assert_eq!(folder.tbx("verify logs --rule same_directory").code, Some(0));
    // A link to a run can be given by its own name.
    let done = folder.tbx("table logs/latest --columns run,loss");
    assert_eq!(done.fine(), "run  loss\n.     0.5\n1 run\n");
    // A tree with 2^39 paths.
    fs::create_dir(folder.path("logs/x0")).unwrap();
    symlink("../good", folder.path("logs/x0/a")).unwrap();
    for i in 1..40 {
        fs::create_dir(folder.path(format!("logs/x{i}"))).unwrap();
        for name in ["a", "b"] {
            symlink(format!("../x{}", i - 1), folder.path(format!("logs/x{i}/{name}"))).unwrap();
        }
    }
    for command in
        ["table logs --columns run", "gc logs --older-than 1d", "edit logs --dry-run --merge"]
    {
        let done = folder.tbx(command);
        assert!(done.code == Some(0), "{command}: {}", done.err);
    }
    assert_eq!(folder.tbx("table logs --columns run").out, "run\nbad\ngood\n2 runs\n");
}

/// Every command that reads side files has the option, and mentions it.
#[test]
fn one_option_follows_links_in_every_command() {
    let folder = logs();
    let json = format!(r#"{{"schema": "tbx.run/1", "name": "{SECRET}", "status": "RUNNING"}}"#);
    fs::write(folder.path("secret/tbx.json"), json).unwrap();
    let models = format!(r#"{{"schema": "tbx.registry/1", "models": {{"{SECRET}": {{}}}}}}"#);
    fs::write(folder.path("secret/models.json"), models).unwrap();
    symlink("../../secret/tbx.json", folder.path("logs/bad/tbx.json")).unwrap();
    fs::create_dir(folder.path("logs/good/artifacts")).unwrap();
    fs::write(folder.path("logs/good/artifacts/model"), "weights").unwrap();
    symlink("../../../secret/key", folder.path("logs/good/artifacts/key")).unwrap();
    let hint = "is not followed; put a copy in its place, or use --follow-links";
    for command in ["gc logs --unregistered", "meta show logs/bad", "archive logs --out a.tar.zst"]
    {
        let done = folder.tbx(command);
        assert!(done.code == Some(2) && done.err.contains(hint), "{command}: {done:?}");
        assert!(!done.out.contains(SECRET), "{command}: {done:?}");
    }
    assert!(folder.tbx("meta show logs/bad --follow-links").fine().contains(SECRET));
    // The status of a run may be in a linked file; files behind links are never removed.
    let list = folder.tbx("gc logs --unregistered --follow-links --delete").fine();
    assert!(list.contains("model") && !list.contains("key"), "{list}");
    assert_eq!(fs::read_to_string(folder.path("secret/key")).unwrap(), SECRET);
    symlink("../secret/models.json", folder.path("logs/tbx.registry.json")).unwrap();
    for command in ["models logs", "gc logs --unregistered"] {
        let done = folder.tbx(command);
        assert!(done.code == Some(2) && done.err.contains(hint), "{command}: {done:?}");
    }
    assert!(folder.tbx("models logs --format json --follow-links").out.len() < 1000);
    fs::remove_file(folder.path("logs/tbx.registry.json")).unwrap();
}

#[test]
fn an_archive_has_what_links_lead_to_only_if_that_is_asked_for() {
    let folder = logs();
    fs::create_dir(folder.path("logs/good/artifacts")).unwrap();
    symlink("../../../secret", folder.path("logs/good/artifacts/all")).unwrap();
    symlink("../../../secret/key", folder.path("logs/good/artifacts/key")).unwrap();
    let done = folder.tbx("archive logs --out a.tar.zst");
    assert!(done.code == Some(2) && done.err.contains("--follow-links packs"), "{done:?}");
    assert!(!folder.path("a.tar.zst").exists());
    let done = folder.tbx("archive logs --out a.tar.zst --follow-links --remove");
    assert_eq!(done.code, Some(2), "{done:?}");
    folder.tbx("archive logs --out a.tar.zst --follow-links").fine();
    folder.tbx("restore a.tar.zst --out back").fine();
    let artifacts = folder.path("back/good/artifacts");
    for name in ["key", "all/key"] {
        let path = artifacts.join(name);
        assert!(path.symlink_metadata().unwrap().is_file(), "{name}");
        assert_eq!(fs::read_to_string(path).unwrap(), SECRET);
    }
    // A cycle is an error, not an endless archive.
    symlink("..", folder.path("logs/good/artifacts/up")).unwrap();
    let done = folder.tbx("archive logs --out b.tar.zst --follow-links");
    assert!(done.code == Some(2) && !folder.path("b.tar.zst").exists(), "{done:?}");
}
