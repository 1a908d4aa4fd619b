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
    let script = "echo $# $2 $3 $TBX_PARAM_X $TBX_PARAM_MODEL_DEEP $TBX_PARAMS $TBX_TRIAL_ATTEMPT \
                  ${TBX_PARAM_OUTER-none} > $TBX_TRIAL_DIR/said; \
                  cat >> $TBX_TRIAL_DIR/said";
    let mut run = tbx(dir.path());
    // As if this worker were the program of a trial of another sweep.
    run.env("TBX_PARAM_OUTER", "3");
    let (code, out, err) =
        output(run.args(["sweep", "run", "sweep.yaml", "--", "sh", "-c", script, "0"]));
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let said = fs::read_to_string(dir.path().join("sweep/trial-0001/said")).unwrap();
    assert_eq!(said, "2 --x=5 5 True {\"model/deep\":true,\"x\":5} 1 none\n");
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
            && err
                .contains("trial-0001 model/deep=True x=5: the program ended with exit status: 3"),
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
    // It may be the machine: another one can still run them.
    let left = self::trials(dir.path().join("all"));
    assert!(left.len() == 5 && left.iter().all(|trial| trial.status == Some(Status::Scheduled)));
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
        std::thread::sleep(Duration::from_millis(if x > 1.0 { 100 } else { 0 }));
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
    // The same from W&B's form.
    let export = ["export", "sweep", "--to", "wandb", "--out", "wandb"];
    let (code, _, err) = output(tbx(dir.path()).args(export));
    assert_eq!(code, Some(0), "{err}");
    let import = ["import", "wandb", "--out", "back"];
    let (code, _, err) = output(tbx(dir.path()).args(import));
    assert_eq!(code, Some(0), "{err}");
    let back = walkdir::WalkDir::new(dir.path().join("back")).into_iter().flatten();
    let back = back.filter_map(|entry| RunMeta::read(entry.path()).ok().flatten());
    assert_eq!(back.filter(|meta| meta.status == Some(Status::Pruned)).count(), 3);
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

/// Starts a worker of the grid whose first trial runs this script, and waits until the script has made `here`.
#[cfg(unix)]
fn busy_worker(dir: &Path, script: &str) -> Child {
    let script = format!("echo $$ > $TBX_TRIAL_DIR/here; {script}");
    let args = ["sweep", "run", "sweep.yaml", "--heartbeat", "0.1", "--grace", "60", "--no-args"];
    let mut worker = tbx(dir);
    let worker = worker.args(args).args(["--", "sh", "-c", &script]).stderr(Stdio::null());
    let worker = worker.spawn().unwrap();
    wait_until(|| !program(dir).is_empty());
    worker
}

/// The process of the first trial's program.
#[cfg(unix)]
fn program(dir: &Path) -> String {
    let text = fs::read_to_string(dir.join("sweep/trial-0000/here")).unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(unix)]
fn signal(signal: &str, process: &str) {
    assert!(Command::new("kill").args(["-s", signal, "--", process]).status().unwrap().success());
}

/// Whether a process is there, and no zombie.
#[cfg(unix)]
fn is_alive(process: &str) -> bool {
    let shown = Command::new("ps").args(["-o", "stat=", "-p", process]).output().unwrap().stdout;
    shown.first().is_some_and(|letter| *letter != b'Z')
}

#[cfg(unix)]
#[test]
fn a_worker_that_is_asked_to_end_gives_its_trial_back() {
    for name in ["TERM", "HUP"] {
        if name == "HUP" && ignores_hangups() {
            continue; // of a program that nohup started, which goes on
        }
        let dir = folder(GRID);
        let mut worker = busy_worker(dir.path(), "sleep 100");
        let asked = Instant::now();
        signal(name, &worker.id().to_string());
        assert_eq!(worker.wait().unwrap().code(), Some(1));
        assert!(asked.elapsed() < Duration::from_secs(50));
        assert_eq!(trials(dir.path().join("sweep"))[0].status, Some(Status::Scheduled));
        wait_until(|| !is_alive(&program(dir.path())));
    }
}

/// Whether this process ignores SIGHUP, and so do the programs that it starts.
#[cfg(unix)]
fn ignores_hangups() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    u64::from_str_radix(ignored.trim(), 16).is_ok_and(|signals| signals & 1 == 1)
}

/// As Slurm does it: the program ends before the worker has seen its own signal. It may end with any code.
#[cfg(unix)]
#[test]
fn a_trial_whose_processes_are_all_asked_to_end_is_given_back() {
    for script in [
        "sleep 100",
        "trap 'exit 3' TERM; sleep 100 & wait",
        "trap 'exit 0' TERM; sleep 100 & wait",
    ] {
        let dir = folder(GRID);
        let mut worker = busy_worker(dir.path(), script);
        let group =
            Command::new("ps").args(["-o", "pgid=", "-p", &program(dir.path())]).output().unwrap();
        let group = String::from_utf8(group.stdout).unwrap();
        signal("TERM", &format!("-{}", group.trim()));
        signal("TERM", &worker.id().to_string());
        assert_eq!(worker.wait().unwrap().code(), Some(1), "{script}");
        assert_eq!(trials(dir.path().join("sweep"))[0].status, Some(Status::Scheduled), "{script}");
    }
}

/// A program that does not want to end, and a person who does not want to wait.
#[cfg(unix)]
#[test]
fn the_second_signal_kills_the_program_and_gives_the_trial_back() {
    let dir = folder(GRID);
    let mut worker = busy_worker(dir.path(), "trap '' TERM INT; while :; do sleep 1; done");
    let id = worker.id().to_string();
    signal("INT", &id);
    std::thread::sleep(Duration::from_millis(500));
    assert!(is_alive(&program(dir.path())));
    signal("INT", &id);
    let asked = Instant::now();
    assert_eq!(worker.wait().unwrap().code(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(50));
    assert_eq!(trials(dir.path().join("sweep"))[0].status, Some(Status::Scheduled));
    wait_until(|| !is_alive(&program(dir.path())));
}

/// The program goes on, and its result counts.
#[cfg(unix)]
#[test]
fn a_program_that_outlives_its_worker_is_not_run_again() {
    let dir = folder(&GRID.replace("[1, 5, 6, 7]", "[1]"));
    // It leaves a process that has the lock as its input.
    let script = "echo once >> $TBX_TRIAL_DIR/log; sleep 2; sleep 300 > /dev/null 2>&1 <&0 & \
                  echo $! > $TBX_TRIAL_DIR/left";
    let mut worker = busy_worker(dir.path(), script);
    worker.kill().unwrap();
    worker.wait().unwrap();
    let again = ["sweep", "run", "sweep", "--heartbeat", "0.1", "--", "false"];
    let (code, _, err) = output(tbx(dir.path()).args(again));
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("trial-0000: its worker is silent"), "{err}");
    assert!(err.contains("attempt 2: finished"), "{err}");
    let trial = dir.path().join("sweep/trial-0000");
    assert_eq!(fs::read_to_string(trial.join("log")).unwrap(), "once\n");
    assert!(!trial.join("tbx.exit.json").exists());
    signal("KILL", fs::read_to_string(trial.join("left")).unwrap().trim());
}

/// When the machine dies, everything dies with the worker.
#[cfg(unix)]
#[test]
fn a_program_that_dies_with_its_worker_is_run_again() {
    let dir = folder(&GRID.replace("[1, 5, 6, 7]", "[1]"));
    let mut worker = busy_worker(dir.path(), "sleep 100");
    worker.kill().unwrap();
    worker.wait().unwrap();
    let group =
        Command::new("ps").args(["-o", "pgid=", "-p", &program(dir.path())]).output().unwrap();
    signal("KILL", &format!("-{}", String::from_utf8(group.stdout).unwrap().trim()));
    let script = "echo $TBX_TRIAL_ATTEMPT > $TBX_TRIAL_DIR/again";
    let again =
        ["sweep", "run", "sweep", "--heartbeat", "0.1", "--no-args", "--", "sh", "-c", script];
    let (code, _, err) = output(tbx(dir.path()).args(again));
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(fs::read_to_string(dir.path().join("sweep/trial-0000/again")).unwrap(), "2\n");
    assert_eq!(trials(dir.path().join("sweep"))[0].status, Some(Status::Finished));
}

fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sixteen workers, each of which is killed again and again while its trial runs: no program runs twice, and every trial
/// ends. Of a worker that dies, the program goes on.
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
        // There are more attempts if a worker died before it started the program, or before it recorded the end.
        assert_eq!(started[..], [trial.params["x"].to_string()], "{trial:?}");
        assert_eq!(ends[trial.name.as_str()], 1, "{trial:?}");
        again += trial.attempts - 1;
    }
    assert!((1..=KILLS as u64).contains(&again), "{again} trials were taken up");
    let expected = tbx::track::Sweep::minimize("").uniform("x", 0.0, 1.0);
    let expected = expected.random(TRIALS, 0).unwrap().map(|trial| trial.params);
    assert!(trials.iter().map(|trial| trial.params.clone()).eq(expected));
}
