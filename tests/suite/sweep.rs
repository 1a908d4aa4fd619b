//! Sweeps whose trials are programs: `tbx sweep run` and `tbx sweep status`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tbx::SummaryWriter;
use tbx::meta::{RunMeta, Status};
use tbx::track::{TrialRecord, Worker};
use tempfile::TempDir;

use crate::common::Rng;

fn tbx(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
    command.current_dir(dir).stdin(Stdio::null()).env_remove("TBX_THREADS");
    command
}

/// A directory with this sweep as `sweep.yaml`.
fn folder(yaml: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("sweep.yaml"), yaml).unwrap();
    dir
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn trials(sweep: PathBuf) -> Vec<TrialRecord> {
    Worker::open(sweep).unwrap().trials().unwrap()
}

const GRID: &str = "
method: grid
metric: {name: loss, goal: minimize}
parameters:
  x: {values: [1, 5, 6, 7]}
  model: {parameters: {deep: {value: true}}}
";

#[cfg(unix)]
#[test]
fn programs_get_parameters_as_arguments_and_variables() {
    let dir = folder(GRID);
    let script = "echo $# $2 $3 $TBX_PARAM_X $TBX_PARAM_MODEL_DEEP $TBX_PARAMS $TBX_TRIAL_ATTEMPT > $TBX_TRIAL_DIR/said; \
                  cat >> $TBX_TRIAL_DIR/said";
    let mut run = tbx(dir.path());
    let (code, out, err) =
        output(run.args(["sweep", "run", "sweep.yaml", "--", "sh", "-c", script, "0"]));
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let said = fs::read_to_string(dir.path().join("sweep/trial-0001/said")).unwrap();
    assert_eq!(said, "2 --x=5 5 True {\"model/deep\":true,\"x\":5} 1\n");
    assert!(err.contains("trial-0003 model/deep=True x=7: finished, without loss"), "{err}");
    // Another worker has nothing to do, and another sweep another directory.
    let (code, _, err) = output(tbx(dir.path()).args(["sweep", "run", "sweep", "--", "false"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    fs::write(dir.path().join("other.yaml"), GRID.replace('7', "8")).unwrap();
    let other = ["sweep", "run", "other.yaml", "--dir", "sweep", "--", "true"];
    let (code, _, err) = output(tbx(dir.path()).args(other));
    assert!(code == Some(2) && err.contains("sweep has another sweep"), "{err}");
    let (code, _, err) = output(tbx(dir.path()).args(["sweep", "run", "sweep.yaml"]));
    assert!(code == Some(2) && err.contains("no program"), "{err}");
    let (code, _, err) = output(tbx(dir.path()).args(["sweep", "status", "."]));
    assert!(code == Some(2) && err.contains("has no sweep"), "{err}");
}

#[cfg(unix)]
#[test]
fn a_program_that_fails_fails_its_trial_only_and_one_that_is_missing_none() {
    let dir = folder(GRID);
    let missing = ["sweep", "run", "sweep.yaml", "--", "./no-such-program"];
    let (code, _, err) = output(tbx(dir.path()).args(missing));
    assert!(code == Some(2) && err.contains("cannot start \"./no-such-program\""), "{err}");
    assert_eq!(trials(dir.path().join("sweep"))[0].status, Some(Status::Scheduled));
    let script = "test $TBX_PARAM_X != 5 || exit 3";
    let (code, _, err) =
        output(tbx(dir.path()).args(["sweep", "run", "sweep.yaml", "--", "sh", "-c", script]));
    assert!(
        code == Some(0)
            && err.contains("trial-0001 model/deep=True x=5: sh ended with exit status: 3"),
        "{err}"
    );
    let trials = trials(dir.path().join("sweep"));
    let status: Vec<_> = trials.iter().map(|trial| trial.status.unwrap()).collect();
    assert_eq!(status, [Status::Finished, Status::Failed, Status::Finished, Status::Finished]);
    assert_eq!(trials[0].attempts, 2);
    let all = ["sweep", "run", "sweep.yaml", "--dir", "all", "--", "false"];
    fs::write(dir.path().join("sweep.yaml"), GRID.replace("7]", "7, 8, 9, 10]")).unwrap();
    let (code, _, err) = output(tbx(dir.path()).args(all));
    assert!(
        code == Some(2) && err.contains("the first 5 trials of this worker have failed"),
        "{err}"
    );
}

/// The program of trials: writes the metric, and takes its time.
#[test]
fn the_program_of_a_trial() {
    let Ok(dir) = std::env::var("TBX_TRIAL_DIR") else { return };
    let x: f32 = std::env::var("TBX_PARAM_X").unwrap().parse().unwrap();
    let writer = SummaryWriter::create(dir).unwrap();
    for step in 1..=60 {
        writer.add_scalar("loss", x + 1.0 / step as f32, step).unwrap();
        writer.flush().unwrap();
        std::thread::sleep(Duration::from_millis(if x > 1.0 { 100 } else { 1 }));
    }
    writer.close().unwrap();
}

#[cfg(unix)]
#[test]
fn programs_whose_trials_are_pruned_are_ended() {
    let dir = folder(&format!("{GRID}early_terminate: {{type: hyperband, min_iter: 3}}\n"));
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    let args = [
        "sweep",
        "run",
        "sweep.yaml",
        "--no-args",
        "--",
        program,
        "--exact",
        "sweep::the_program_of_a_trial",
    ];
    let (code, _, err) = output(tbx(dir.path()).args(args).stdout(Stdio::null()));
    assert_eq!(code, Some(0), "{err}");
    let trials = trials(dir.path().join("sweep"));
    let ended: Vec<_> = trials.iter().map(|trial| trial.status.unwrap()).collect();
    assert_eq!(ended, [Status::Finished, Status::Pruned, Status::Pruned, Status::Pruned], "{err}");
    assert!(
        (trials[0].value.unwrap() - (1.0 + 1.0 / 60.0)).abs() < 1e-6 && trials[0].step == Some(60)
    );
    assert!(trials[1].step.unwrap() < 60, "{trials:?}");
    let status = ["sweep", "status", "sweep"];
    let (code, out, _) = output(tbx(dir.path()).args(status));
    assert!(
        code == Some(0) && out.contains("4 trials: 1 finished, 3 pruned; the best is trial-0000"),
        "{out}"
    );
    let (_, csv, _) = output(tbx(dir.path()).args(status).args(["--format", "csv"]));
    let head = "trial,status,loss,step,attempts,param.x,param.model/deep,worker\n";
    assert!(csv.starts_with(head) && csv.contains("\ntrial-0001,pruned,"), "{csv}");
    // The directory is a log directory.
    let (code, out, err) = output(tbx(dir.path()).args([
        "table",
        "sweep",
        "--columns",
        "status,x,loss:min",
        "--format",
        "csv",
    ]));
    assert!(code == Some(0) && out.contains("trial-0002,pruned,6,"), "{out}{err}");
    let importance = ["table", "sweep", "--importance", "loss:min", "--format", "csv"];
    let (code, out, err) = output(tbx(dir.path()).args(importance));
    // The other parameter is the same in all trials.
    assert!(code == Some(0) && out.starts_with("param,importance,std\nx,"), "{out}{err}");
    assert_eq!(out.lines().count(), 2, "{out}");
    for (image, start) in [("sweep.png", &b"\x89PNG"[..]), ("sweep.svg", b"<svg ")] {
        let plot = ["plot", "sweep", "--parallel", "loss:min", "--out", image];
        let (code, _, err) = output(tbx(dir.path()).args(plot));
        assert_eq!((code, err), (Some(0), format!("4 runs written to {image}\n")));
        assert!(fs::read(dir.path().join(image)).unwrap().starts_with(start));
    }
    // MLflow gets a status that it knows, and the tag.
    let export = ["export", "sweep", "--to", "mlruns", "--out", "mlruns"];
    let (code, _, err) = output(tbx(dir.path()).args(export));
    assert_eq!(code, Some(0), "{err}");
    let mut found = 0;
    for entry in walkdir::WalkDir::new(dir.path().join("mlruns")) {
        let path = entry.unwrap().into_path();
        if path.ends_with("tags/tbx.pruned") {
            let meta =
                fs::read_to_string(path.ancestors().nth(2).unwrap().join("meta.yaml")).unwrap();
            assert!(meta.contains("\nstatus: 5\n"), "{meta}");
            found += 1;
        }
    }
    assert_eq!(found, 3);
}

#[cfg(unix)]
#[test]
fn a_worker_that_is_asked_to_end_gives_its_trial_back() {
    let dir = folder(GRID);
    let args = ["sweep", "run", "sweep.yaml", "--grace", "1", "--no-args", "--", "sleep", "100"];
    let mut worker = tbx(dir.path()).args(args).stderr(Stdio::null()).spawn().unwrap();
    let trial = dir.path().join("sweep/trial-0000");
    wait_until(|| RunMeta::read(&trial).unwrap().is_some_and(|meta| meta.environment.is_some()));
    let asked = Instant::now();
    Command::new("kill").arg(worker.id().to_string()).status().unwrap();
    assert_eq!(worker.wait().unwrap().code(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(60));
    assert_eq!(trials(dir.path().join("sweep"))[0].status, Some(Status::Scheduled));
}

fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sixteen workers, each of which is killed again and again while its trial runs: no trial is lost, none runs twice at
/// once, and none is started again after it has ended.
#[cfg(unix)]
#[test]
fn workers_that_are_killed_lose_and_repeat_no_trial() {
    const TRIALS: usize = 48;
    const KILLS: usize = 40;
    let yaml =
        format!("method: random\nrun_cap: {TRIALS}\nparameters:\n  x: {{min: 0.0, max: 1.0}}\n");
    let dir = folder(&yaml);
    // Only one program may have the trial's directory `busy` at a time.
    let script = "log=$TBX_SWEEP_DIR/log; mkdir $TBX_TRIAL_DIR/busy || echo twice $TBX_TRIAL >> $log; \
                  echo start $TBX_TRIAL $TBX_PARAM_X >> $log; sleep 0.3; \
                  echo end $TBX_TRIAL >> $log; rmdir $TBX_TRIAL_DIR/busy";
    let start = || -> Child {
        let args = [
            "sweep",
            "run",
            "sweep.yaml",
            "--heartbeat",
            "0.1",
            "--no-args",
            "--",
            "sh",
            "-c",
            script,
        ];
        tbx(dir.path()).args(args).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut workers: Vec<Child> = (0..16).map(|_| start()).collect();
    let mut random = Rng(7);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(random.below(200) as u64));
        let place = random.below(workers.len());
        workers[place].kill().unwrap(); // SIGKILL
        workers[place].wait().unwrap();
        workers[place] = start();
    }
    for worker in &mut workers {
        assert_eq!(worker.wait().unwrap().code(), Some(0));
    }
    let sweep = dir.path().join("sweep");
    let trials = trials(sweep.clone());
    assert_eq!(trials.len(), TRIALS);
    assert!(trials.iter().all(|trial| trial.status == Some(Status::Finished)), "{trials:?}");
    let log = fs::read_to_string(sweep.join("log")).unwrap();
    assert!(!log.contains("twice"), "{log}");
    let (mut starts, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["start", trial, x] => starts.entry(trial).or_insert_with(Vec::new).push(x),
            ["end", trial] => *ends.entry(trial).or_insert(0) += 1,
            _ => panic!("{line}"),
        }
    }
    let mut again = 0;
    for trial in &trials {
        let started = &starts[trial.name.as_str()];
        // A worker may die between its claim and the start of the program.
        assert!(started.len() as u64 <= trial.attempts, "{trial:?} {started:?}");
        assert!(
            started.iter().all(|x| *x == trial.params["x"].to_string()),
            "{trial:?} {started:?}"
        );
        assert!(ends[trial.name.as_str()] >= 1);
        again += trial.attempts - 1;
    }
    assert!((1..=KILLS as u64).contains(&again), "{again} trials were started again");
    let expected = tbx::track::Sweep::minimize("").uniform("x", 0.0, 1.0);
    let expected = expected.random(TRIALS, 0).unwrap().map(|trial| trial.params);
    assert!(trials.iter().map(|trial| trial.params.clone()).eq(expected));
}
