//! Training programs, mirrors and MLflow's own server are killed at random moments. At the end, the server has every
//! point of the logs exactly once.
//!
//! `TBX_TEST_KILLS` is the number of rounds.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rand_mt::Mt64;
use rusqlite::Connection;
use tbx::{LoadOptions, Logdir};
use tbx_runs::mirror::Mirror;
use tbx_runs::trackers::mlflow::StateDir;

use super::mirror::Mirroring;
use super::real::{Server, python};
use super::{fine, quiet};
use crate::writer::child::{self, Child};

/// Metric, step and time of a point.
type Points = Vec<(String, i64, i64)>;

/// The address of the server, in the directory of the test.
const URI: &str = "uri";
/// The number of the program, the number of its run, and its first step.
const TASK: &str = "task";
/// One of this many programs resumes the run of the one before.
const RESUMED: u32 = 4;
/// Distance between the first steps of programs.
const FAR: i64 = 1_000_000;
/// Number of points between two flushes.
const POINTS: i64 = 20;

/// A program that trains until it is killed. Every other one has a mirror in a thread.
#[test]
#[ignore = "another test starts it"]
fn trains() {
    let dir = child::dir();
    let (logs, uri) = (dir.join("logs"), fs::read_to_string(dir.join(URI)).unwrap());
    let task = fs::read_to_string(dir.join(TASK)).unwrap();
    let task: Vec<i64> = task.split(' ').map(|number| number.parse().unwrap()).collect();
    let [number, run, first] = task.try_into().unwrap();
    let mut options = quiet().heartbeat(Duration::from_millis(200)).param("number", run);
    if number % 2 == 1 {
        let mirror = Mirror::mlflow(uri).state(StateDir::At(dir.join("state")));
        options = options.mirror(mirror.every(Duration::from_millis(50)).on_event(|_| {}));
    }
    let run = options.create(logs.join(name(run))).unwrap();
    for step in first.. {
        run.add_scalar("loss", 1.0 / (step + 1) as f64, step).unwrap();
        run.add_scalar("rate", step as f64, step).unwrap();
        if step % POINTS == POINTS - 1 {
            run.flush().unwrap();
            child::say(step);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn name(run: i64) -> String {
    format!("run-{run:03}")
}

#[test]
fn every_flushed_point_is_on_the_server_exactly_once_whatever_is_killed() {
    let Some(python) = python() else { return };
    let rounds = env::var("TBX_TEST_KILLS").map_or(4, |text| text.parse::<u32>().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let mut server = Server::start(python, dir.path(), &[]);
    let uri = server.uri();
    fs::write(dir.path().join(URI), &uri).unwrap();
    let state = dir.path().join("state");
    let state = ["--state", state.to_str().unwrap()];
    let mut random = Mt64::new(7);
    let mut flushed: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    let mut run = -1;
    let mut mirror = Mirroring::to(&logs, &uri, &state);
    for round in 0..rounds {
        run += i64::from(round % RESUMED != RESUMED - 1);
        let first = i64::from(round) * FAR;
        fs::write(dir.path().join(TASK), format!("{round} {run} {first}")).unwrap();
        let mut program = Child::start("mlflow_server::mirror_killed::trains", dir.path());
        let mut last = program.next();
        // At a random moment: the first half second has the start of the run, with its claim and its first points.
        thread::sleep(Duration::from_millis(random.next_u64() % 700));
        match random.next_u64() % 3 {
            0 => {
                mirror.kill();
                mirror = Mirroring::to(&logs, &uri, &state);
            }
            1 => {
                server.kill();
                thread::sleep(Duration::from_millis(random.next_u64() % 300));
                server.begin();
            }
            _ => {}
        }
        thread::sleep(Duration::from_millis(random.next_u64() % 200));
        last = program.kill().pop().or(last);
        flushed.entry(name(run)).or_default().push((first, last.unwrap()));
    }
    mirror.kill();
    let args = ["--until-finished", state[0], state[1]];
    fine(Mirroring::to(&logs, &uri, &args).end());

    let found = stored(&dir.path().join("mlflow.db"));
    let logged = logged(&logs);
    assert_eq!(found.keys().collect::<Vec<_>>(), logged.keys().collect::<Vec<_>>());
    for (run, (status, points)) in &found {
        assert_eq!(status, "KILLED", "{run}");
        assert_eq!(points, &logged[run], "{run}");
        for (name, (first, last)) in
            ["loss", "rate"].iter().flat_map(|n| flushed[run].iter().map(move |f| (n, f)))
        {
            let steps = points.iter().filter(|(key, ..)| key == name).map(|(_, step, _)| *step);
            let steps: Vec<i64> = steps.filter(|step| (first..=last).contains(&step)).collect();
            assert_eq!(steps, (*first..=*last).collect::<Vec<_>>(), "{run}: {name}");
        }
    }
}

/// The points of each run in the log, sorted.
fn logged(logs: &Path) -> BTreeMap<String, Points> {
    let loaded = Logdir::open(logs).unwrap().load(&LoadOptions::new()).unwrap();
    let points =
        |run: &tbx::Run| {
            let mut points = Points::new();
            for series in run.series.iter().filter(|series| series.scalars().is_some()) {
                let places = series.steps().iter().zip(series.wall_times());
                points.extend(places.map(|(step, time)| {
                    (series.tag().to_owned(), *step, (time * 1e3).round() as i64)
                }));
            }
            points.sort();
            points
        };
    loaded.runs.iter().map(|run| (run.name.clone(), points(run))).collect()
}

/// The status and the points of each active run in MLflow's database, sorted. Fails if a run is there twice.
fn stored(database: &Path) -> BTreeMap<String, (String, Points)> {
    let connection = Connection::open(database).unwrap();
    let query = "SELECT r.run_uuid, r.status, t.value FROM runs r JOIN tags t \
                 ON t.run_uuid = r.run_uuid AND t.key = 'mlflow.tbx.run' \
                 WHERE r.lifecycle_stage = 'active'";
    let mut statement = connection.prepare(query).unwrap();
    let runs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let mut found = BTreeMap::new();
    for run in runs {
        let (id, status, name): (String, String, String) = run.unwrap();
        let query = "SELECT key, step, timestamp FROM metrics WHERE run_uuid = ?1 \
                     ORDER BY key, step, timestamp";
        let mut statement = connection.prepare(query).unwrap();
        let points = statement.query_map([&id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let points: Points = points.unwrap().map(Result::unwrap).collect();
        assert!(found.insert(name.clone(), (status, points)).is_none(), "{name} is there twice");
    }
    found
}
