//! Directories that the program treats as one run. These are tests of the subcommands; the rule
//! itself is tested in `src/table/fold`.

use std::fs;

use tbx::Experiment;
use tbx::summary::hparams::MetricInfo;

use super::Folder;

/// Writes a run in `logs` with these scalars at step 0.
fn run(folder: &Folder, name: &str, scalars: &[(&str, f64)]) {
    let writer = folder.run(format!("logs/{name}"));
    for (tag, value) in scalars {
        writer.add_scalar(tag, *value, 0).unwrap();
    }
    writer.close().unwrap();
}

/// The directories that PyTorch's `add_hparams` makes when one writer calls it several times.
fn trials() -> Folder {
    let folder = Folder::new();
    run(&folder, "exp", &[]);
    for trial in 0..4 {
        let name = format!("logs/exp/{}.{trial}5", 1_700_000_000 + trial);
        let writer = folder.run(name);
        let lr = f64::from(trial) / 8.0;
        writer.add_hparams([("lr", lr.into())], [("acc", f64::from(trial))]).unwrap();
        writer.close().unwrap();
    }
    folder
}

const TRIALS: &str = "\
run,lr,acc
exp/1700000000.05,0,0
exp/1700000001.15,0.125,1
exp/1700000002.25,0.25,2
exp/1700000003.35,0.375,3
";

#[test]
fn each_trial_of_an_experiment_is_a_run_and_their_directory_is_none() {
    let folder = trials();
    let table = "table logs --columns lr,acc --format csv";
    assert_eq!(folder.tbx(table).fine(), TRIALS);
    let apart = folder.tbx(&format!("{table} --no-fold")).fine();
    assert_eq!(apart, TRIALS.replace("acc\n", "acc\nexp,,\n"));
    let best = folder.tbx(&format!("{table} --top 2")).fine();
    assert_eq!(best, TRIALS.lines().take(3).map(|line| format!("{line}\n")).collect::<String>());
    let one = folder.tbx(&format!("{table} --run 01.15")).fine();
    assert_eq!(one, "run,lr,acc\nexp/1700000001.15,0.125,1\n");
    // Folding also uses the hparams records, although their tag and kind are not selected.
    let mean = folder.tbx("reduce logs --op mean,count --format csv").fine();
    assert_eq!(mean, "tag,runs,step,mean,count\nacc,4,0,1.5,4\n");
}

#[test]
fn a_root_that_only_describes_an_experiment_is_no_run() {
    let folder = Folder::new();
    let root = folder.run("logs");
    let experiment = Experiment::new().metric(MetricInfo::new("acc"));
    root.add_hparams_config(&experiment).unwrap();
    root.close().unwrap();
    for (name, acc) in [("run-0", 0.5), ("run-1", 0.75), ("run-2", 0.25)] {
        run(&folder, name, &[("acc", acc)]);
    }
    let table = "table logs --columns acc --format csv";
    assert_eq!(folder.tbx(table).fine(), "run,acc\nrun-0,0.5\nrun-1,0.75\nrun-2,0.25\n");
    assert_eq!(folder.tbx(&format!("{table} --top 1")).fine(), "run,acc\nrun-0,0.5\n");
    assert_eq!(folder.tbx(&format!("{table} --no-fold")).fine().lines().count(), 5);
    // The root has a scalar of its own.
    run(&folder, ".", &[("other", 1.0)]);
    assert!(folder.tbx(table).fine().starts_with("run,acc\n.,\nrun-0"));
}

#[test]
fn runs_that_are_called_like_stages_stay_apart() {
    let folder = Folder::new();
    for (name, value) in [("train", 1.0), ("train2", 2.0), ("train3", 6.0)] {
        run(&folder, name, &[("box/loss", value)]);
    }
    let rows = "run,box/loss\ntrain,1\ntrain2,2\ntrain3,6\n";
    assert_eq!(folder.tbx("table logs --columns box/* --format csv").fine(), rows);
    let mean = folder.tbx("reduce logs --tag box --op mean,count --format csv").fine();
    assert_eq!(mean, "tag,runs,step,mean,count\nbox/loss,3,0,3,3\n");
    assert!(folder.tbx("plot logs --sort box/loss --top 1 --width 40").out.contains("train"));
    let same = folder.tbx("diff logs logs").fine();
    assert_eq!(same, "3 runs the same\n");
}

#[test]
fn what_a_run_is_does_not_depend_on_the_tags_and_runs_that_were_asked_for() {
    let folder = Folder::new();
    run(&folder, "run", &[("lr", 0.5)]);
    run(&folder, "run/loss_a", &[("loss", 1.0)]);
    run(&folder, "run/loss_b", &[("loss", 2.0)]);
    run(&folder, "keras/train", &[("loss", 3.0)]);
    run(&folder, "keras/validation", &[("loss", 4.0)]);
    run(&folder, "one/loss_a", &[("loss", 5.0), ("acc", 1.0)]);
    run(&folder, "one", &[("lr", 0.5)]);
    let table =
        |args: &str| folder.tbx(&format!("table logs --columns * --format csv {args}")).fine();
    let all = "run,acc,loss,loss/a,loss/b,lr,train/loss,validation/loss\n\
               keras,,,,,,3,4\none,,,,,0.5,,\none/loss_a,1,5,,,,,\nrun,,,1,2,0.5,,\n";
    assert_eq!(table(""), all);
    // With this tag, `one/loss_a` looks like a line of `add_scalars`.
    let loss = "run,loss,loss/a,loss/b,train/loss,validation/loss\n\
                keras,,,,3,4\none,,,,,\none/loss_a,5,,,,\nrun,,1,2,,\n";
    assert_eq!(table("--tag ^loss"), loss);
    // If it were alone, each of these would be a separate run.
    assert_eq!(table("--run validation"), "run,validation/loss\nkeras,4\n");
    assert_eq!(table("--run run/loss_b"), "run,loss/b\nrun,2\n");
    assert_eq!(table("--run one/"), "run,acc,loss\none/loss_a,1,5\n");
}

#[test]
fn several_logdirs_are_not_one_run() {
    let folder = Folder::new();
    run(&folder, "train", &[("loss", 1.0)]);
    run(&folder, "validation", &[("loss", 2.0)]);
    let rows = "run,loss\nlogs/train,1\nlogs/validation,2\n";
    let table = "table logs/train logs/validation --columns loss --format csv";
    assert_eq!(folder.tbx(table).fine(), rows);
    let plot = folder.tbx("plot logs/train logs/validation --where loss>1 --width 40").fine();
    assert!(plot.starts_with("loss\n"), "{plot}");
    // Each log directory has its own parts.
    run(&folder, "a/train", &[("loss", 3.0)]);
    run(&folder, "a/validation", &[("loss", 4.0)]);
    let plot = folder.tbx("plot logs/a logs/train --tag loss --width 60 --ascii").fine();
    for line in ["logs/a/train", "logs/a/validation", "logs/train"] {
        assert!(plot.contains(line), "{plot}");
    }
}

#[test]
fn tbx_json_speaks_for_a_run_whose_parts_have_all_its_event_files() {
    let folder = Folder::new();
    run(&folder, "a/train", &[("loss", 1.0)]);
    run(&folder, "b/train", &[("loss", 2.0)]);
    run(&folder, "b/val", &[("loss", 3.0)]);
    let json = r#"{"schema": "tbx.run/1", "id": "0123456789abcdef0123456789abcdef",
                   "name": "best", "status": "FINISHED", "params": {"lr": 0.25}}"#;
    for run in ["a", "b"] {
        fs::write(folder.path(format!("logs/{run}/tbx.json")), json).unwrap();
    }
    let table = folder.tbx("table logs --columns status,lr,*loss --format csv").fine();
    let rows = "run,status,lr,train/loss,val/loss\na,finished,0.25,1,\nb,finished,0.25,2,3\n";
    assert_eq!(table, rows);
    let checked = folder.tbx("check logs --format csv");
    let names: Vec<_> = checked.out.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, ["run", "a", "b"]);
    assert!(!checked.out.contains("params"), "{}", checked.out);
    // A broken `tbx.json` also makes the directory a run, and is reported.
    fs::write(folder.path("logs/b/train/tbx.json"), "{").unwrap();
    let done = folder.tbx("table logs --columns *loss --format csv");
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("b/train/tbx.json"), "{}", done.err);
    assert_eq!(done.out, "run,loss,train/loss\na,,1\nb/train,2,\nb/val,3,\n");
}

/// An MLflow directory has the same runs, and importing them restores them.
#[test]
fn mlflow_gets_the_runs_of_the_table() {
    let folder = trials();
    run(&folder, "keras/train", &[("loss", 3.0)]);
    run(&folder, "keras/validation", &[("loss", 4.0)]);
    run(&folder, "own/test", &[("loss", 5.0)]);
    run(&folder, "own/test2", &[("loss", 6.0)]);
    let said = folder.tbx("export logs --to mlruns --out mlruns");
    assert!(said.err.contains("7 runs, 8 points"), "{}", said.err);
    assert_eq!(folder.tbx("import --from mlflow mlruns --out back").code, Some(0));
    // Imported directories are named after MLflow's runs, so run names are not compared.
    let table = |logs: &str| {
        let args = format!("table {logs} --columns lr,acc,loss,*/loss --format csv");
        let rows = folder.tbx(&args).fine();
        let rows: std::collections::BTreeSet<String> =
            rows.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect();
        rows
    };
    assert_eq!(table("logs").len(), 8);
    assert_eq!(table("back"), table("logs"));
    // With event files, the directory that describes the experiment is exported, too.
    let said = folder.tbx("export logs --to mlruns --out whole --event-files");
    assert!(said.err.contains("8 runs, 8 points"), "{}", said.err);
    assert_eq!(folder.tbx("import --from mlflow whole --out again").code, Some(0));
    let mut all = table("logs");
    all.insert(",,,,".into());
    assert_eq!(table("again"), all);
}

#[test]
fn runs_of_mlflow_that_are_called_like_stages_are_runs() {
    let folder = Folder::new();
    for (i, (name, lr)) in [("train", "0.1"), ("test", "1e-3"), ("train", "10")].iter().enumerate()
    {
        let dir = folder.path(format!("mlruns/1/0000000000000000000000000000000{i}"));
        fs::create_dir_all(dir.join("metrics")).unwrap();
        fs::create_dir_all(dir.join("params")).unwrap();
        let meta = format!(
            "artifact_uri: mlruns/1/0/artifacts\nend_time: 1690000100000\nexperiment_id: '1'\n\
             lifecycle_stage: active\nrun_id: 0000000000000000000000000000000{i}\n\
             run_name: {name}\nstart_time: 1690000000000\nstatus: 3\nuser_id: u\n"
        );
        fs::write(dir.join("meta.yaml"), meta).unwrap();
        fs::write(dir.join("metrics/acc"), format!("1690000000000 0.{i} 1\n")).unwrap();
        fs::write(dir.join("params/lr"), lr).unwrap();
    }
    let experiment = "artifact_location: mlruns/1\nexperiment_id: '1'\nlifecycle_stage: active\n\
                      name: digits\n";
    fs::write(folder.path("mlruns/1/meta.yaml"), experiment).unwrap();
    assert_eq!(folder.tbx("import --from mlflow mlruns --out logs").code, Some(0));
    // All MLflow parameters are text, but they are still sorted as numbers.
    let table = folder.tbx("table logs --columns lr --sort lr --format csv").fine();
    let rates = table.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse());
    assert_eq!(rates.collect::<Vec<_>>(), [Ok(0.001), Ok(0.1), Ok(10.0)]);
    assert_eq!(folder.tbx("check logs --format csv").out.lines().count(), 4);
}

#[test]
fn tracked_runs_are_runs_whatever_they_are_called() {
    let folder = Folder::new();
    for (name, lr) in [("train", 0.5), ("test", 0.25)] {
        let options =
            tbx::track::ActiveRun::options().git(false).environment(false).param("lr", lr);
        let tracked = options.create(folder.path(format!("logs/{name}"))).unwrap();
        tracked.add_scalar("acc", lr * 2.0, 0).unwrap();
        tracked.finish().unwrap();
    }
    let rows = "run,lr,acc\ntest,0.25,0.5\ntrain,0.5,1\n";
    assert_eq!(folder.tbx("table logs --columns lr,acc --format csv").fine(), rows);
}
