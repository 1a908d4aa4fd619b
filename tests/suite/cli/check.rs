//! `tbx check`.

use super::Folder;

const COMPLETE: &str = r#"{"schema": "tbx.run/1", "id": "0123456789abcdef0123456789abcdef",
    "params": {"learning_rate": 0.1}, "seeds": {"all": 7}, "git": {"commit": "ab12", "dirty": false},
    "env": {"lock_sha256": "cd34", "cpu": "x", "variables": {"RUST_LOG": "info"}},
    "tags": {"preprocessing": "none", "data_validation": "passed"},
    "artifacts": [{"path": "config.json", "size": 2, "sha256": "ef"}],
    "datasets": [{"name": "d", "digest": "1"}]}"#;

/// A run with complete metadata and a part, and a run that has only a seed.
fn runs() -> Folder {
    let folder = Folder::new();
    for name in ["logs/good", "logs/good/train", "logs/bare"] {
        let writer = folder.run(name);
        let tag = if name == "logs/good/train" { "loss" } else { "train/other" };
        writer.add_scalar(tag, 0.5, 0).unwrap();
        if name == "logs/bare" {
            writer.add_hparams([("random_seed", 7.into())], [("f(x)", 0.5)]).unwrap();
        }
        writer.close().unwrap();
    }
    std::fs::write(folder.path("logs/good/tbx.json"), COMPLETE).unwrap();
    folder
}

#[test]
fn runs_that_cannot_be_made_again_are_told_with_what_they_lack() {
    let folder = runs();
    let done = folder.tbx("check logs");
    assert_eq!(done.code, Some(1));
    assert_eq!(
        done.out,
        "\
run   missing                     advised                                                                names
bare  commit clean_tree versions  dataset hardware variables architecture preprocessing data_validation  f(x)
good
2 runs: 1 lacks what is required
commit: the commit of its code: run it in a git repository
clean_tree: code without uncommitted changes: commit them before the run
versions: the versions of its packages: RunOptions::environment, with a Cargo.lock
dataset: a digest of its data: RunOptions::dataset, or use_artifact of a dataset
hardware: the processor or the graphics cards: RunOptions::environment
variables: environment variables that matter: RunOptions::variables
architecture: the architecture of its model: add_graph, or an artifact such as config.json or model.onnx
preprocessing: how its data was prepared: a parameter, a tag or an artifact with preprocessing in its name
data_validation: the result of checking its data: a tag or an artifact with data_validation in its name
names f(x): no stage before it, such as train/
names f(x): a character that MLflow rejects: any of ( ) [ ] @ % + = , # \\
"
    );
    let good = folder.tbx("check logs --run good").fine();
    assert!(good.ends_with("good\n1 run: none lacks what is required\n"), "{good}");
    assert_eq!(folder.tbx("check logs --run nothing").code, Some(2));
}

#[test]
fn programs_get_lists() {
    let done = runs().tbx("check logs --run bare --format json");
    assert_eq!(done.code, Some(1));
    let found: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(found["run"], "bare");
    assert_eq!(found["complete"], false);
    assert_eq!(found["missing"], serde_json::json!(["commit", "clean_tree", "versions"]));
    assert_eq!(found["names"][1]["name"], "f(x)");
}

/// A directory is a run exactly if `tbx table` shows it as one.
#[test]
fn directories_are_runs_as_in_tables() {
    let folder = runs();
    let writer = folder.run("logs/good/other");
    writer.add_scalar("train/loss", 0.5, 0).unwrap();
    writer.close().unwrap();
    let names = |args: &str| {
        let lines = folder.tbx(args).out.lines().map(str::to_owned).collect::<Vec<_>>();
        let runs = lines.iter().skip(1).map(|line| line.split(',').next().unwrap().to_owned());
        runs.collect::<Vec<_>>()
    };
    let all = ["bare", "good", "good/other", "good/train"];
    assert_eq!(names("check logs --format csv"), all);
    assert_eq!(names("table logs --format csv"), all);
    std::fs::remove_dir_all(folder.path("logs/good/other")).unwrap();
    assert_eq!(names("check logs --format csv"), ["bare", "good"]);
    assert_eq!(names("check logs --no-fold --format csv"), ["bare", "good", "good/train"]);
}

#[test]
fn a_configuration_silences_and_requires() {
    let folder = runs();
    let writer = folder.run("logs/good/eval");
    writer.add_scalar("validation/acc", 0.5, 0).unwrap();
    writer.close().unwrap();
    let json = |args: &str| -> Vec<serde_json::Value> {
        let out = folder.tbx(&format!("check logs --no-fold --format json {args}")).out;
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let found = json("--run eval");
    let rules: Vec<_> = found[0]["names"].as_array().unwrap().iter().collect();
    assert_eq!(rules[0]["rule"], "short_name");
    assert_eq!(rules[0]["better"], "validation/accuracy");
    assert_eq!(rules[1]["rule"], "stage_prefix");
    assert_eq!(rules[1]["better"], "val/acc");
    let config = "[check]\nsilence = [\"commit\", \"clean_tree\", \"short_name\", \"no_prefix\"]\n\
                  require = [\"dataset\"]\nnames = [\"^f\"]\n";
    std::fs::write(folder.path("other.toml"), config).unwrap();
    let found = json("--config other.toml --run bare");
    assert_eq!(found[0]["missing"], serde_json::json!(["versions", "dataset"]));
    assert_eq!(found[0]["names"], serde_json::json!([]));
    // The file of the current directory needs no option.
    std::fs::write(folder.path("tbx.toml"), "[check]\nsilence = [\"versions\"]\n").unwrap();
    let found = json("--run bare");
    assert_eq!(found[0]["missing"], serde_json::json!(["commit", "clean_tree"]));
    for (wrong, said) in [
        ("[check]\nsilence = [\"nothing\"]", "nothing"),
        ("[check]\nrequire = [\"no_prefix\"]", "no_prefix"),
        ("\n[check]\nsilent = []", "line 3"),
        ("[check]\nnames = [\"(\"]", "regular expression"),
        ("[", "tbx.toml"),
    ] {
        std::fs::write(folder.path("tbx.toml"), wrong).unwrap();
        let error = folder.tbx("check logs").failed();
        assert!(error.contains(said), "{wrong}: {error}");
    }
    folder.tbx("check logs --config nothing.toml").failed();
}
