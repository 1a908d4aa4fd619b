//! MLflow's own client reads the data that was sent to MLflow's own server.
//!
//! Needs a Python with `tests/mlflow/requirements.txt`: `TBX_TEST_MLFLOW_PYTHON`, otherwise
//! `.venv-mlflow/bin/python` in the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tbx::meta::{Dataset, Process, RunMeta, Status};
use tbx::track::{ActiveRun, RunOptions, Sweep};
use tbx::{LoadOptions, Logdir, SummaryWriter};
use tbx_runs::registry::{OtherVersions, Registry, Stage};

use super::mirror::Mirroring;
use super::{export, fine, quiet};
use crate::common::repository;

/// Maximum time for a server to start.
const START: Duration = Duration::from_secs(90);

/// A running `mlflow server`, which is stopped when this is dropped.
pub(super) struct Server {
    python: PathBuf,
    dir: PathBuf,
    args: Vec<String>,
    port: u16,
    child: Option<Child>,
}

/// A run, as printed by `read.py`.
#[derive(Debug, Deserialize, PartialEq)]
struct ReadRun {
    id: String,
    name: String,
    status: String,
    start: Option<i64>,
    end: Option<i64>,
    params: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    metrics: BTreeMap<String, Vec<(i64, i64, String)>>,
    artifacts: BTreeMap<String, String>,
    datasets: Vec<Used>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Used {
    name: String,
    digest: String,
    source: String,
    tags: BTreeMap<String, String>,
}

type Runs = BTreeMap<String, ReadRun>;

/// The whole output of `read.py`.
#[derive(Debug, Deserialize, PartialEq)]
struct Everything {
    experiments: BTreeMap<String, Runs>,
    models: Vec<Version>,
}

/// A version of a model.
#[derive(Debug, Deserialize, PartialEq)]
struct Version {
    name: String,
    version: u32,
    run_id: String,
    stage: String,
    aliases: Vec<String>,
    description: String,
    tags: BTreeMap<String, String>,
}

/// A Python with MLflow; prints a message if there is none.
pub(super) fn python() -> Option<PathBuf> {
    let venv = repository(".venv-mlflow/bin/python");
    let named = env::var_os("TBX_TEST_MLFLOW_PYTHON").map(PathBuf::from);
    let reason = match named.or_else(|| venv.exists().then_some(venv)) {
        None => "neither TBX_TEST_MLFLOW_PYTHON nor .venv-mlflow/bin/python is there".to_owned(),
        Some(python) => {
            // Found without importing it, which takes seconds.
            let probe = "import importlib.util as u, sys; sys.exit(u.find_spec('mlflow') is None)";
            match Command::new(&python).args(["-c", probe]).status() {
                Ok(status) if status.success() => return Some(python),
                _ => format!("{} has no mlflow", python.display()),
            }
        }
    };
    eprintln!("skipped: MLflow: {reason}");
    assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{reason}");
    None
}

impl Server {
    pub(super) fn start(python: PathBuf, dir: &Path, args: &[&str]) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut server = Self { python, dir: dir.to_owned(), args, port, child: None };
        server.begin();
        server
    }

    pub(super) fn begin(&mut self) {
        let log = fs::File::create(self.dir.join("server.log")).unwrap();
        let child = Command::new(&self.python)
            .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"])
            .args(["--port", &self.port.to_string()])
            .args(["--backend-store-uri", "sqlite:///mlflow.db"])
            .args(&self.args)
            .current_dir(&self.dir)
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .env("MLFLOW_FLASK_SERVER_SECRET_KEY", "of a test")
            .envs(
                Some(self.dir.join("users.ini"))
                    .filter(|file| file.exists())
                    .map(|file| ("MLFLOW_AUTH_CONFIG_PATH", file)),
            )
            .env_remove("MLFLOW_TRACKING_URI")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0) // with its workers
            .spawn();
        self.child = Some(child.unwrap());
        let end = Instant::now() + START;
        while !self.is_healthy() {
            let log = || fs::read_to_string(self.dir.join("server.log")).unwrap();
            let is_over = self.child.as_mut().unwrap().try_wait().unwrap().is_some();
            assert!(!is_over && Instant::now() < end, "no server: {}", log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn is_healthy(&self) -> bool {
        let ask = || -> io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.write_all(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains(" 200 "))
    }

    /// Kills the server, as if its machine lost power.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-9", "--", &group]).status().unwrap();
            child.wait().unwrap();
        }
    }

    pub(super) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The data that MLflow's client reads.
    fn read(&self, variables: &[(&str, &str)]) -> Everything {
        let mut command = Command::new(&self.python);
        command.args(["-B", "-X", "utf8"]).arg(repository("tests/mlflow/read.py")).arg(self.uri());
        command.env("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false").stdin(Stdio::null());
        command.env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let log = || fs::read_to_string(self.dir.join("server.log")).unwrap();
        let said = || format!("{}\n{}", String::from_utf8_lossy(&output.stderr), log());
        assert!(output.status.success(), "{}", said());
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The points of every scalar of a run, as stored in MLflow's databases.
fn points(run: &tbx::Run) -> BTreeMap<String, BTreeSet<(i64, i64, String)>> {
    let scalars = run.series.iter().filter_map(|series| Some((series, series.scalars()?)));
    let of = |(series, values): (&tbx::TimeSeries, &tbx::Scalars)| {
        let places = series.steps().iter().zip(series.wall_times()).zip(values.iter());
        let point = |((step, time), value): ((&i64, &f64), f64)| {
            (*step, (time * 1e3).round() as i64, text(value))
        };
        (series.tag().to_owned(), places.map(point).collect())
    };
    scalars.map(of).collect()
}

/// A number in Python's format, precise enough to compare.
fn text(value: f64) -> String {
    match value {
        value if value.is_nan() => "nan".into(),
        value => format!("{:e}", value.clamp(f64::MIN, f64::MAX) + 0.0), // no -0
    }
}

/// Fails unless MLflow has each scalar of each directory, point by point, under its own name.
#[track_caller]
fn assert_points(logs: &Path, runs: &Runs) {
    let loaded = Logdir::open(logs).unwrap().load(&LoadOptions::new()).unwrap();
    let mut count = 0;
    for run in &loaded.runs {
        let read = &runs[&run.name];
        let expected = points(run);
        let found: BTreeMap<_, BTreeSet<_>> = read
            .metrics
            .iter()
            .map(|(key, points)| {
                let set: BTreeSet<_> = points
                    .iter()
                    .map(|(step, time, value)| (*step, *time, text(value.parse().unwrap())))
                    .collect();
                assert_eq!(set.len(), points.len(), "{key} has points twice");
                (key.clone(), set)
            })
            .collect();
        assert_eq!(found, expected, "run {}", run.name);
        count += found.values().map(BTreeSet::len).sum::<usize>();
    }
    assert!(count > 0);
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A search with nested runs: one failed, and one was killed.
fn write_search(logs: &Path, trials: usize) {
    let sweep =
        Sweep::minimize("loss").choice("optimizer", ["adam", "sgd"]).log_uniform("lr", 1e-4, 0.1);
    let mut data = Dataset::new("spirals", sha256(b"data"));
    data.source = Some("https://example.org/spirals.csv".into());
    data.context = Some("training".into());
    let parent =
        quiet().experiment("search").name("all trials").description("# A *search*").card(false);
    let parent = parent.tag("team", "b").label("nightly").seed("split", 7).dataset(data);
    let parent = parent.create(logs).unwrap();
    sweep.describe(&parent).unwrap();
    for (n, trial) in sweep.random(trials, 7).unwrap().enumerate() {
        let options = RunOptions::default().git(false).environment(false).trial(&trial);
        let run = options.create_child(&parent, &trial.name).unwrap();
        let lr = trial.number("lr").unwrap();
        for step in 0..10 {
            run.add_scalar("loss", lr / f64::from(step + 1), i64::from(step)).unwrap();
            run.add_scalar("val/accuracy", 0.1 * f64::from(step), i64::from(step)).unwrap();
        }
        match n {
            0 => {
                run.log_artifact_bytes("weights/w.bin", &[0, 255, 10, 13], 9).unwrap();
                run.log_artifact_bytes("größe 1.txt", b"", None).unwrap();
                run.fail(&io::Error::other("out of\nmemory")).unwrap();
            }
            _ => run.finish().unwrap(),
        }
    }
    parent.finish().unwrap();
    let registry = Registry::open(logs);
    registry.register("classifier", logs.join("trial-0000"), "weights/w.bin").unwrap();
    let version = "classifier/1".parse().unwrap();
    registry.set_stage(&version, Stage::Production, OtherVersions::Archive).unwrap();
    registry.set_alias(&version, "champion").unwrap();
    registry.tag(&version, "quality", "good").unwrap();
    registry.describe(&version, "the first").unwrap();
    let odd = logs.join("killed");
    let writer = SummaryWriter::create(&odd).unwrap();
    for (step, value) in
        [(-3, f64::NAN), (0, f64::INFINITY), (0, f64::NEG_INFINITY), (1, -0.0), (2, 1e-300)]
    {
        writer.add_scalar("odd é", value, step).unwrap();
    }
    writer.close().unwrap();
    let killed = |meta: &mut RunMeta| {
        meta.id = Some("it's \"killed\"".into());
        meta.experiment = Some("search".into());
        meta.status = Some(Status::Running);
        let mut process = Process::default();
        (process.heartbeat, process.interval) = (1e9, 10.0);
        meta.process = Some(process);
        meta.params.insert("empty".into(), "".into());
        meta.params.insert("lines".into(), "a\nb ".into());
    };
    RunMeta::update(&odd, killed).unwrap();
}

#[test]
fn every_pattern_of_tracking_is_mirrored_while_it_runs() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let server = Server::start(python, dir.path(), &["--serve-artifacts"]);
    let mirror = Mirroring::to(&logs, &server.uri(), &["--until-finished"]);
    crate::examples::run("patterns", &logs);
    let (code, said) = mirror.end();
    assert_eq!(code, Some(0), "{said}");

    let Everything { experiments, models } = server.read(&[]);
    let names: Vec<_> = models.iter().map(|model| (&*model.name, &*model.stage)).collect();
    assert!(names.contains(&("digits", "Production")), "{names:?}");
    let runs: Runs = experiments.into_values().flatten().collect();
    assert_points(&logs, &runs);
    for (name, run) in &runs {
        let meta = RunMeta::read(&logs.join(name)).unwrap().unwrap_or_default();
        let status = match meta.status {
            Some(Status::Failed) => "FAILED",
            Some(Status::Pruned) => "KILLED",
            _ => "FINISHED",
        };
        assert_eq!(run.status, status, "{name}");
        for (param, value) in &meta.params {
            assert_eq!(run.params[param], value.to_string(), "{name}: {param}");
        }
        let is_there = |artifact: &tbx::meta::Artifact| run.artifacts.contains_key(&artifact.path);
        let missing: Vec<_> =
            meta.artifacts.iter().filter(|artifact| !is_there(artifact)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}, {:?}", run.artifacts);
        assert_eq!(run.datasets.len(), meta.datasets.len(), "{name}");
    }
    // The model has the files that MLflow shows and loads.
    let model = &runs["models"].artifacts;
    for file in ["MLmodel", "input_example.json", "model.onnx"] {
        assert!(model.contains_key(&format!("model/{file}")), "{model:?}");
    }
}

#[test]
fn mlflow_reads_a_search_as_it_was_and_a_second_export_changes_nothing() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    write_search(&logs, 50);
    let server = Server::start(python, dir.path(), &[]);
    let said = fine(export(&logs, &server.uri(), &[], &[]));
    assert!(said.contains("52 runs, 1,005 points"), "{said}");
    assert!(said.contains("1 registered version"), "{said}");
    let all = server.read(&[]);
    let runs = &all.experiments["search"];
    assert_eq!(runs.len(), 52);
    assert_points(&logs, runs);

    let parent = &runs["."];
    assert_eq!((&*parent.name, &*parent.status), ("all trials", "FINISHED"));
    assert_eq!(parent.tags["mlflow.note.content"], "# A *search*");
    assert_eq!((&*parent.tags["team"], &*parent.tags["tbx.labels"]), ("b", "[\"nightly\"]"));
    assert_eq!(parent.params["seed/split"], "7");
    let [data] = &parent.datasets[..] else { panic!("{:?}", parent.datasets) };
    assert_eq!((&*data.name, &*data.tags["mlflow.data.context"]), ("spirals", "training"));
    assert_eq!(data.tags["mlflow.tbx.digest"], sha256(b"data"));
    assert!(data.source.contains("https://example.org/spirals.csv"));
    let mut failed = 0;
    for (name, run) in runs.iter().filter(|(name, _)| name.starts_with("trial-")) {
        let meta = RunMeta::read(&logs.join(name)).unwrap().unwrap();
        assert_eq!(run.tags["mlflow.parentRunId"], parent.id);
        let ms = |time: Option<f64>| time.map(|time| (time * 1e3).round() as i64);
        assert_eq!((run.start, run.end), (ms(meta.start_time), ms(meta.end_time)));
        let params: BTreeMap<_, _> =
            meta.params.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
        assert_eq!(run.params, params);
        assert_eq!(run.artifacts["tbx/tbx.json"].len(), 64);
        failed += usize::from(run.status == "FAILED");
    }
    assert_eq!(failed, 1);
    let failed = &runs["trial-0000"];
    assert_eq!(failed.status, "FAILED");
    assert_eq!(failed.tags["tbx.error.message"], "out of\nmemory");
    assert_eq!(failed.artifacts["weights/w.bin"], sha256(&[0, 255, 10, 13]));
    assert_eq!(failed.artifacts["größe 1.txt"], sha256(b""));
    let killed = &runs["killed"];
    assert_eq!((&*killed.status, &*killed.params["lines"]), ("KILLED", "a\nb "));
    assert_eq!(killed.params["empty"], "");

    let [model] = &all.models[..] else { panic!("{:?}", all.models) };
    let expected = Version {
        name: "classifier".into(),
        version: 1,
        run_id: failed.id.clone(),
        stage: "Production".into(),
        aliases: vec!["champion".into()],
        description: "the first".into(),
        tags: [
            ("quality", "good".to_owned()),
            ("mlflow.tbx.version", "1".to_owned()),
            ("mlflow.tbx.sha256", sha256(&[0, 255, 10, 13])),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
    };
    // Tags other than those that record the progress of an export.
    let mut found = model.tags.clone();
    found.retain(|name, _| !["mlflow.tbx.claim", "mlflow.tbx.sent"].contains(&name.as_str()));
    assert_eq!(found, expected.tags);
    let Version { tags: _, name, version, run_id, stage, aliases, description } = model;
    assert_eq!((name, *version, run_id), (&expected.name, expected.version, &expected.run_id));
    assert_eq!(
        (stage, aliases, description),
        (&expected.stage, &expected.aliases, &expected.description)
    );

    for args in [&[][..], &["--no-state", "--no-artifacts"]] {
        let said = fine(export(&logs, &server.uri(), args, &[]));
        assert!(said.contains("52 runs (0 new), 0 points"), "{said}");
    }
    assert!(server.read(&[]) == all, "the second export changed something");
}

#[test]
fn a_server_that_was_killed_in_the_middle_has_everything_once_in_the_end() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    for name in ["a", "b", "c"] {
        let run = quiet().experiment("long").create(logs.join(name)).unwrap();
        for step in 0..8_000 {
            run.add_scalar("loss", step as f32, step).unwrap();
        }
        run.finish().unwrap();
    }
    let root = dir.path().join("artifacts");
    let mut server =
        Server::start(python, dir.path(), &["--default-artifact-root", root.to_str().unwrap()]);
    let uri = server.uri();
    let variables = [("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")];
    let exporting = thread::spawn({
        let (logs, uri) = (logs.clone(), uri.clone());
        move || export(&logs, &uri, &[], &variables)
    });
    let is_begun = || {
        let file = dir.path().join("mlflow.db-wal");
        let file = if file.exists() { file } else { dir.path().join("mlflow.db") };
        fs::metadata(file).map_or(0, |file| file.len())
    };
    let before = is_begun();
    while is_begun() < before + 200_000 && !exporting.is_finished() {
        thread::sleep(Duration::from_millis(20));
    }
    server.kill();
    let (code, said) = exporting.join().unwrap();
    assert!(code == Some(2) && said.contains("run it again"), "{code:?}: {said}");
    server.begin();
    let said = fine(export(&logs, &uri, &[], &variables));
    assert!(said.starts_with("3 runs"), "{said}");
    let runs = &server.read(&[]).experiments["long"];
    assert_points(&logs, runs);
    // In the place where this server's own client looks for them.
    assert_eq!(runs["a"].artifacts.len(), 1);
}

#[test]
fn a_server_with_users_takes_the_runs_of_tensorboard_and_their_pictures() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    copy_all(&repository("fixtures/torch"), &logs);
    let big = ActiveRun::options().git(false).environment(false).create(logs.join("big")).unwrap();
    let bytes: Vec<u8> = (0..11_000_000u32).map(|i| (i % 251) as u8).collect();
    big.log_artifact_bytes("big.bin", &bytes, None).unwrap();
    big.add_scalar("x", 1.0, 0).unwrap();
    big.finish().unwrap();
    let root = dir.path().join("artifacts");
    let args = ["--app-name", "basic-auth", "--default-artifact-root", root.to_str().unwrap()];
    let ini = "[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///users.db\n\
               admin_username = admin\nadmin_password = only for this test\n\
               authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n";
    fs::write(dir.path().join("users.ini"), ini).unwrap();
    let server = Server::start(python, dir.path(), &args);
    let (code, said) = export(&logs, &server.uri(), &[], &[]);
    assert!(code == Some(2) && said.contains("401"), "{said}");
    let variables =
        [("MLFLOW_TRACKING_USERNAME", "admin"), ("MLFLOW_TRACKING_PASSWORD", "only for this test")];
    let said =
        fine(export(&logs, &server.uri(), &["--no-fold", "--experiment", "old"], &variables));
    assert!(said.contains("9 runs") && said.contains("images"), "{said}");
    let runs = &server.read(&variables).experiments["old"];
    assert_points(&logs, runs);
    assert_eq!(runs["big"].artifacts["big.bin"], sha256(&bytes));
    let photos = |run: &ReadRun| run.artifacts.keys().filter(|p| p.ends_with(".png")).count();
    assert!(runs.values().map(photos).sum::<usize>() > 0);
}
