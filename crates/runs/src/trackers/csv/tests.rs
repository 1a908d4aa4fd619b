use std::fs;
use std::path::Path;

use super::super::opened::{Opened, options, read, refused};
use super::super::source::{At, Histogram, Points, SourceOptions};
use super::SOURCE;
use tbx::meta::Status;

/// A file that Lightning 2.6 wrote (`fabric/loggers/csv_logs.py`).
const LIGHTNING: &str = "epoch,lr-Adam,step,train_loss,val/acc,val_loss\r\n0,0.1,0,,,\r\n0,,9,0.5,,\r\n\
    0,,9,,0.25,nan\r\n1,,19,0.25,,\r\n";
/// A file that Keras 3.15 wrote, with the separator `;` and a value that is a list.
const KERAS: &str = "epoch;accuracy;loss;lrs;val_accuracy;val_loss\r\n\
    0;0.5;1.0;\"\"\"[0.1, 0.2]\"\"\";0.25;2.0\r\n1;0.6;0.5;\"\"\"[0.1, 0.2]\"\"\";0.25;nan\r\n";
/// A file that Keras 3.15 wrote without validation.
const KERAS_NA: &str = "epoch,loss,val_loss\r\n0,1.0,NA\r\n1,0.5,NA\r\n";
/// A file that Ultralytics 8.4 wrote for a training that resumed.
const ULTRALYTICS: &str = "epoch,time,train/box_loss,metrics/precision(B),val/box_loss,lr/pg0\n\
    1,10.5,1.5,0,nan,0.000123457\n2,14.25,0.75,0.25,0.5,0.000246913\n3,4,0.5,0.5,0.5,0.00037037\n";
/// A file that Stable-Baselines3 2.9 wrote (`common/logger.py`).
const PROGRESS: &str = "time/iterations,time/total_timesteps,note,rollout/ep_rew_mean,time/time_elapsed,flag,train/loss\n\
    1,2048,\"say \"\"hi\"\", you\",nan,10,False,\n2,4096,\"say \"\"hi\"\", you\",1.5,20,True,0.1\n";
/// A file that Stable-Baselines3 2.9 wrote (`common/monitor.py`).
const MONITOR: &str = "#{\"t_start\": 1700000000.25, \"env_id\": \"CartPole-v1\"}\nr,l,t,is_success\n\
    0.0,20,0.5,False\n10.5,21,1.0,False\n21.0,22,1.5,True\n";

fn steps(step: &str, time: Option<&str>) -> SourceOptions {
    SourceOptions { step: Some(step.into()), time: time.map(str::to_owned), ..options() }
}

/// The only run of a file with this name and content.
fn file(name: &str, content: impl AsRef<[u8]>, options: &SourceOptions) -> Opened {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    assert!((SOURCE.is_here)(&path), "{name}");
    let (mut runs, report) = read(&SOURCE, &path, options).unwrap();
    assert!(report.is_lossless(), "{:?}", report.issues);
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

#[test]
fn files_of_known_programs_need_no_options() {
    let run = file("metrics.csv", LIGHTNING, &options());
    assert_eq!(run.values("train_loss"), [(9, 0.5), (19, 0.25)]);
    assert_eq!(run.values("lr-Adam"), [(0, 0.1)]);
    assert_eq!(run.values("epoch"), [(0, 0.0), (9, 0.0), (9, 0.0), (19, 1.0)]);
    assert!(run.values("val_loss")[0].1.is_nan());
    assert_eq!(run.content.series.len(), 5);

    let run = file("training.log", KERAS, &options());
    assert_eq!(run.values("accuracy"), [(0, 0.5), (1, 0.6)]);
    assert_eq!(run.texts("lrs"), [(0, "\"[0.1, 0.2]\""), (1, "\"[0.1, 0.2]\"")]);
    assert_eq!(run.run.name, "training");
    let run = file("history.csv", KERAS_NA, &options());
    assert_eq!(run.content.series.len(), 1);

    let run = file("results.csv", ULTRALYTICS, &options());
    // The last row has the time of the last change.
    let since = |time: f64| std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() - time;
    assert!((-1.0..600.0).contains(&since(run.scalars("lr/pg0")[2].1)));
    let times: Vec<_> = run.scalars("lr/pg0").iter().map(|(_, time, _)| *time).collect();
    assert_eq!([times[1] - times[0], times[2] - times[1]], [3.75, 4.0]);
    assert_eq!(run.values("metrics/precision(B)"), [(1, 0.0), (2, 0.25), (3, 0.5)]);
    // Older versions padded names and numbers, and had no times.
    let old =
        "               epoch,      train/box_loss\n                   0,               1.5\n";
    assert_eq!(file("results.csv", old, &options()).values("train/box_loss"), [(0, 1.5)]);

    let run = file("progress.csv", PROGRESS, &options());
    assert_eq!(run.values("train/loss"), [(4096, 0.1)]);
    assert_eq!(run.values("flag"), [(2048, 0.0), (4096, 1.0)]);
    assert_eq!(run.texts("note")[0], (2048, "say \"hi\", you"));
    let tags: Vec<_> = run.content.series.iter().map(|series| series.tag.as_str()).collect();
    assert_eq!(tags, ["flag", "rollout/ep_rew_mean", "time/iterations", "train/loss", "note"]);

    let run = file("0.monitor.csv", MONITOR, &options());
    let t = 1_700_000_000.25;
    assert_eq!(run.scalars("r"), [(20, t + 0.5, 0.0), (41, t + 1.0, 10.5), (63, t + 1.5, 21.0)]);
    assert_eq!(run.values("l"), [(20, 20.0), (41, 21.0), (63, 22.0)]);
    assert_eq!(run.params(), ["env_id=CartPole-v1"]);
    assert_eq!(run.content.meta.start_time, Some(t));

    let fastai = "epoch,train_loss,valid_loss,time\n0,1.5,2.0,00:10\n1,0.5,None,01:00\n";
    let run = file("history.csv", fastai, &options());
    let times: Vec<_> = run.scalars("train_loss").iter().map(|(_, time, _)| *time).collect();
    assert_eq!(times[1] - times[0], 60.0);
    assert_eq!(run.values("valid_loss"), [(0, 2.0)]);
}

#[test]
fn other_files_need_the_column_of_steps() {
    let csv = "\u{feff}when\tIteration\tloss\tname\t\n2023-11-14T22:13:20Z\t1\t0.5\ta\t7\n\n1700000001\t2.0\t0.25\tb\n";
    let run = file("x.tsv", csv, &steps("Iteration", Some("when")));
    assert_eq!(run.scalars("loss"), [(1, 1.7e9, 0.5), (2, 1.7e9 + 1.0, 0.25)]);
    assert_eq!(run.texts("name"), [(1, "a"), (2, "b")]);
    assert_eq!(run.left_out(), [("cells in columns without a name", 1)]);
    let json = "{\"i\": 1, \"loss\": NaN}\n{\"loss\": 0.5, \"i\": 2, \"new\": \"x\", \"l\": [1]}\n{\"i\": 3, \"loss\": null}";
    let run = file("x.jsonl", json, &steps("i", None));
    assert_eq!(run.values("loss")[1], (2, 0.5));
    assert_eq!(run.texts("l"), [(2, "[1]")]);
    assert_eq!(run.texts("new"), [(2, "x")]);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.csv");
    fs::write(&path, "a,loss\n1,2\n").unwrap();
    let said = refused(&SOURCE, &path, &options());
    assert!(said.contains("`Import::step`. Its columns are \"a\", \"loss\""), "{said}");
    assert!(said.contains("Lightning"), "{said}");
    let said = refused(&SOURCE, &path, &steps("b", None));
    assert!(said.contains("no column \"b\" for steps; its columns are \"a\", \"loss\""), "{said}");
    let said = refused(&SOURCE, &path, &steps("a", Some("c")));
    assert!(said.contains("no column \"c\" for wall times"), "{said}");
    let (_, report) = {
        fs::write(&path, "a,loss\n1,2\nx,3\n,4\n0.5,5\n").unwrap();
        read(&SOURCE, &path, &steps("a", None)).unwrap()
    };
    let said = report.issues[0].kind.to_string();
    assert_eq!(said, "3 rows have no whole number in the column \"a\", the first one at byte 11");
}

#[test]
fn columns_that_appear_later_are_read() {
    let csv = "epoch,loss\n0,1.0\n1,0.5\nepoch,acc,loss\n2,0.75,0.25\n3,0.5,0.125,9\n";
    let run = file("log.csv", csv, &options());
    assert_eq!(run.values("loss"), [(0, 1.0), (1, 0.5), (2, 0.25), (3, 0.125)]);
    assert_eq!(run.values("acc"), [(2, 0.75), (3, 0.5)]);
    assert_eq!(run.left_out(), [("cells in columns without a name", 1)]);
    let mixed = file("log.csv", "epoch,a\n0,1\n1,broken\n", &options());
    assert_eq!(mixed.left_out(), [("texts in columns of numbers", 1)]);
}

#[test]
fn a_directory_is_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("lightning_logs");
    for (name, content) in [
        ("version_0/metrics.csv", LIGHTNING),
        ("version_0/hparams.yaml", "lr: 0.1\nopt:\n  name: adam\n"),
        ("version_1/metrics.csv", LIGHTNING),
        ("version_1/hparams.yaml", "["),
        ("sb3/progress.csv", PROGRESS),
        ("sb3/0.monitor.csv", MONITOR),
        ("detect/train/results.csv", ULTRALYTICS),
        ("detect/train/args.yaml", "epochs: 3\nimgsz: 640\nfreeze: null\n"),
        ("data/points.csv", "x,y\n1,2\n"),
        ("broken/metrics.csv", ""),
        (".hidden/metrics.csv", LIGHTNING),
        ("notes.txt", "epoch,loss\n"),
    ] {
        let path = logs.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    assert!((SOURCE.is_here)(&logs));
    let source = (SOURCE.open)(logs.to_str().unwrap(), &options()).unwrap();
    let mut report = tbx::error::Report::default();
    let experiments = source.experiments(&mut report).unwrap();
    let left_out = source.left_out(&experiments, &mut report).unwrap();
    assert_eq!(left_out.len(), 1);
    assert_eq!((left_out[0].kind.as_str(), left_out[0].count), ("tables of unknown programs", 1));
    let (runs, report) = read(&SOURCE, &logs, &options()).unwrap();
    let names: Vec<_> = runs.iter().map(Opened::name).collect();
    let expected = [
        "detect/train",
        "lightning_logs/version_0",
        "lightning_logs/version_1",
        "sb3/0.monitor",
        "sb3/progress",
    ];
    assert_eq!(names, expected);
    assert_eq!(runs[1].params(), ["lr=0.1", "opt/name=adam"]);
    assert_eq!(runs[0].params(), ["epochs=3", "imgsz=640"]);
    let issues: Vec<_> = report
        .issues
        .iter()
        .map(|issue| {
            issue
                .location
                .path
                .as_ref()
                .unwrap()
                .strip_prefix(logs.canonicalize().unwrap())
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(issues, [Path::new("broken/metrics.csv"), Path::new("version_1/hparams.yaml")]);
    // A file alone has the name of its directory, and the same identity.
    let (alone, _) = read(&SOURCE, &logs.join("version_0/metrics.csv"), &options()).unwrap();
    assert_eq!((alone[0].name(), &alone[0].run.id), (names[1].clone(), &runs[1].run.id));
    let said = refused(&SOURCE, &logs.join("data"), &options());
    assert!(said.contains("Ultralytics") && said.contains("`Import::step`"), "{said}");
    let (runs, _) = read(&SOURCE, &logs.join("data"), &steps("x", None)).unwrap();
    assert_eq!(runs[0].name(), "data/points");
}

#[test]
fn an_export_is_its_runs() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| fs::write(dir.path().join(name), content).unwrap();
    write(
        "scalars.csv",
        "run,tag,step,wall_time,value\na/b,loss,1,1.5,0.10000000149011612\na/b,loss,2,NaN,NaN\n\
        c,loss,1,3.25,-Infinity\na/b,acc,-5,2.5,1e300\n",
    );
    write("wide.csv", "run,step,wall_time,loss\na/b,1,1.5,7\n");
    write(
        "texts.csv",
        "run,tag,step,wall_time,index,text\na/b,t,1,1.0,0,\"x\ny\"\na/b,t,1,1.0,1,\n",
    );
    write(
        "histograms.csv",
        "run,tag,step,wall_time,bucket,left,right,count\nc,h,1,2.0,0,-1.0,0.0,3.0\n\
        c,h,1,2.0,1,0.0,1.0,4.0\nc,h,2,3.0,0,0.0,2.0,1.0\n",
    );
    write(
        "hparams.csv",
        "run,name,type,value,number\na/b,lr,number,0.1,0.1\na/b,n,number,3,3\na/b,deep,bool,true,\na/b,s,text,07,\n",
    );
    write(
        "tags.csv",
        "run,tag,kind,plugin,data_class,display_name,description,count\na/b,loss,scalar,scalars,scalar,,*it*,2\n",
    );
    write(
        "images.csv",
        "run,tag,step,wall_time,index,width,height,format,bytes\nc,i,1,1.0,0,3,4,png,7\nc,i,1,1.0,1,3,4,png,7\n",
    );
    write(
        "runs.csv",
        "run,start,duration,status,step,metric.loss:last\na/b,1.25,2.0,finished,2,0.5\nd,,,,7,0.25\n",
    );
    write(
        "meta.csv",
        "run,meta\nc,\"{\"\"schema\"\":\"\"tbx.run/1\"\",\"\"name\"\":\"\"see\"\",\"\"params\"\":{\"\"x\"\":1.0},\"\"artifacts\"\":[{\"\"path\"\":\"\"m\"\"}]}\"\n",
    );
    assert!((SOURCE.is_here)(dir.path()));
    let (runs, report) = read(&SOURCE, dir.path(), &options()).unwrap();
    let places: Vec<_> = runs.iter().map(|run| run.run.exported_from.as_deref().unwrap()).collect();
    assert_eq!(places, ["a/b", "c", "d"]);
    let [ab, c, d] = &runs[..] else { panic!() };
    assert_eq!(ab.run.name, "b");
    let loss = ab.scalars("loss");
    assert_eq!(loss[0], (1, 1.5, f64::from(0.1f32)));
    assert_eq!((loss[1].0, loss[1].1, loss[1].2.is_nan()), (2, 1.5, true));
    assert_eq!(ab.scalars("acc"), [(-5, 2.5, 1e300)]);
    assert_eq!(ab.texts("t"), [(1, "x\ny"), (1, "")]);
    assert_eq!(ab.params(), ["deep=True", "lr=0.1", "n=3", "s=07"]);
    assert_eq!(ab.content.meta.status, Some(Status::Finished));
    assert_eq!(ab.content.meta.start_time, Some(1.25));
    let series = ab.content.series.iter().find(|series| series.tag == "loss").unwrap();
    assert_eq!(series.description.as_deref(), Some("*it*"));
    assert_eq!(c.scalars("loss"), [(1, 3.25, f64::NEG_INFINITY)]);
    let Points::Histograms(points) = &c.content.series[1].points else { panic!() };
    let first = Histogram { edges: vec![-1.0, 0.0, 1.0], counts: vec![3.0, 4.0] };
    let second = Histogram { edges: vec![0.0, 2.0], counts: vec![1.0] };
    let at = |step, wall_time, value| At { step, wall_time, value };
    assert_eq!(*points, [at(1, 2.0, first), at(2, 3.0, second)]);
    assert_eq!(c.params(), ["x=1.0"]);
    assert_eq!(c.left_out(), [("artifacts", 1), ("images", 2)]);
    assert_eq!(d.content.meta.summary["loss"].value, 0.25);
    let said: Vec<_> = report.issues.iter().map(|issue| issue.kind.to_string()).collect();
    assert_eq!(said[0], "the same values are in another file of the export");
    assert!(said[1].contains("1 wall times are not finite"), "{said:?}");
    assert_eq!(said.len(), 2);
    // One table alone is read, too, and with steps of another column it is any CSV.
    let (runs, _) = read(&SOURCE, &dir.path().join("wide.csv"), &options()).unwrap();
    assert_eq!(runs[0].scalars("loss"), [(1, 1.5, 7.0)]);
}

#[test]
fn hostile_files_are_refused_or_read_within_limits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("metrics.csv");
    for (content, why) in [
        (&b""[..], "it is empty"),
        (b"\xff\xfes\0t\0", "UTF-16"),
        (b"#{\"t_start\": \nr,l,t\n", "the first line"),
        (b"{\"a\": ", "the line at byte 0"),
    ] {
        fs::write(&path, content).unwrap();
        let said = refused(&SOURCE, &path, &options());
        assert!(said.contains(why) && said.contains("metrics.csv"), "{said}");
    }
    // A quotation mark that is not closed takes no more than a row may have.
    let open = format!("step,a\n1,\"{}", "x,\n".repeat(12 << 20));
    fs::write(&path, open).unwrap();
    let said = refused(&SOURCE, &path, &options());
    assert!(said.contains("is a quotation mark missing?"), "{said}");
    fs::write(&path, "a,".repeat(100_001)).unwrap();
    let said = refused(&SOURCE, &path, &options());
    assert!(said.contains("the limit is 100000"), "{said}");
    let file = fs::File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    refused(&SOURCE, &path, &options());
    // Bytes that are not UTF-8 are replaced.
    fs::write(&path, b"step,\xff\n1,2\n3,\xff\n").unwrap();
    let (runs, _) = read(&SOURCE, &path, &options()).unwrap();
    assert_eq!(runs[0].values("\u{fffd}"), [(1, 2.0)]);
    // Names are kept as they are: the import encodes them.
    fs::write(
        &path,
        "run,tag,step,wall_time,value\n../../x,../y,1,1.0,2\n.,z,1,1.0,2\n,z,1,1.0,2\n",
    )
    .unwrap();
    let (runs, _) = read(&SOURCE, &path, &options()).unwrap();
    let places: Vec<_> =
        runs.iter().map(|run| (run.run.name.as_str(), run.run.exported_from.as_deref())).collect();
    assert_eq!(places, [("metrics.csv", None), ("metrics.csv", None), ("x", Some("../../x"))]);
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir_all(logs.join("a")).unwrap();
    fs::write(dir.path().join("metrics.csv"), LIGHTNING).unwrap();
    fs::write(dir.path().join("secret.yaml"), "secret: 1\n").unwrap();
    fs::write(logs.join("a/metrics.csv"), LIGHTNING).unwrap();
    std::os::unix::fs::symlink("../../secret.yaml", logs.join("a/hparams.yaml")).unwrap();
    std::os::unix::fs::symlink("..", logs.join("up")).unwrap();
    std::os::unix::fs::symlink("a/metrics.csv", logs.join("latest.csv")).unwrap();
    fs::create_dir(logs.join("b")).unwrap();
    std::os::unix::fs::symlink("../../metrics.csv", logs.join("b/metrics.csv")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(logs.join("results.csv")).status();
    assert!(made.unwrap().success());
    let (runs, report) = read(&SOURCE, &logs, &options()).unwrap();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].params().is_empty());
    let said = format!("{:?}", report.issues);
    for name in ["hparams.yaml", "results.csv", "b/metrics.csv"] {
        assert!(said.contains(name), "{said}");
    }
    fs::remove_file(logs.join("up")).unwrap();
    let followed = SourceOptions { links: tbx::store::Links::All, ..options() };
    let (runs, _) = read(&SOURCE, &logs, &followed).unwrap();
    assert_eq!(runs.iter().map(Opened::name).collect::<Vec<_>>(), ["logs/a", "logs/b"]);
    assert_eq!(runs[0].params(), ["secret=1"]);
}

#[test]
fn columns_of_json_take_linear_time() {
    use std::fmt::Write as _;
    let mut json = String::new();
    for i in 0..20_000 {
        writeln!(json, "{{\"i\": {i}, \"c{i}\": 1}}").unwrap();
    }
    for i in 0..20_000 {
        writeln!(json, "{{\"i\": {i}, \"c19999\": 2}}").unwrap();
    }
    let run = file("x.jsonl", json, &steps("i", None));
    assert_eq!((run.content.series.len(), run.values("c19999").len()), (20_000, 20_001));
}

#[test]
fn interleaved_runs_take_linear_time() {
    use std::fmt::Write as _;
    let mut csv = "run,tag,step,wall_time,value\n".to_owned();
    for step in 0..50_000 {
        writeln!(csv, "r{},loss,{step},1.0,{step}", step % 100).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("scalars.csv");
    fs::write(&path, csv).unwrap();
    let (runs, _) = read(&SOURCE, &path, &options()).unwrap();
    assert_eq!(runs.len(), 100);
    assert!(runs.iter().all(|run| run.values("loss").len() == 500));
}
