//! Restarted sessions become one curve.

mod join;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prost::Message;
use tbx::summary::hparams;
use tbx::{Hparams, LoadOptions, Logdir, RestartPolicy, SummaryWriter, pb};
use tbx_runs::edit::{Destination, Edit, StepNoteKind};
use tempfile::TempDir;

use super::{Result, all_points, edit, points};
use crate::common::{Rng, record};

/// Start of the first session.
const START: f64 = 1_700_000_000.0;

/// A log directory that is written event by event.
struct Log(TempDir);

/// A file of the log.
struct File<'l> {
    log: &'l Log,
    path: String,
    bytes: Vec<u8>,
    time: f64,
    /// Seconds between two events.
    every: f64,
}

impl Log {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file of `run` that begins after this many seconds.
    fn file(&self, run: &str, seconds: u32) -> File<'_> {
        let path = format!("{run}/events.out.tfevents.{}.host.1.0", 1_700_000_000 + seconds);
        let time = START + f64::from(seconds);
        let file = File { log: self, path, bytes: Vec::new(), time, every: 1.0 };
        file.event(0, pb::event::What::FileVersion("brain.Event:2".into()))
    }

    fn continued(&self) -> Result {
        edit(&Edit::new().continue_steps(true), self.path()).unwrap()
    }
}

impl File<'_> {
    fn event(mut self, step: i64, what: pb::event::What) -> Self {
        let event =
            pb::Event { wall_time: self.time, step, what: Some(what), ..Default::default() };
        self.bytes.extend(record(&event.encode_to_vec()));
        self
    }

    fn value(mut self, tag: &str, step: i64) -> Self {
        self.time += self.every;
        let value = Some(pb::summary::value::Value::SimpleValue(self.time as f32));
        let value = pb::summary::Value { tag: tag.into(), value, ..Default::default() };
        self.event(step, pb::event::What::Summary(pb::Summary { value: vec![value] }))
    }

    /// A point of each of these tags at each of these steps.
    fn values(mut self, tags: &[&str], steps: impl IntoIterator<Item = i64>) -> Self {
        for step in steps {
            for tag in tags {
                self = self.value(tag, step);
            }
        }
        self
    }

    /// A point of each of these tags at each of these steps, in one event.
    fn together(mut self, tags: &[&str], steps: impl IntoIterator<Item = i64>) -> Self {
        for step in steps {
            self.time += self.every;
            let value = Some(pb::summary::value::Value::SimpleValue(self.time as f32));
            let of = |tag: &&str| pb::summary::Value {
                tag: (*tag).into(),
                value: value.clone(),
                ..Default::default()
            };
            let value = tags.iter().map(of).collect();
            self = self.event(step, pb::event::What::Summary(pb::Summary { value }));
        }
        self
    }

    /// Training, with a validation after every tenth step.
    fn train(mut self, steps: i64) -> Self {
        for step in 0..steps {
            self = self.value("loss", step);
            if step % 10 == 9 {
                self = self.value("val", step);
            }
        }
        self
    }

    fn start(self, step: i64) -> Self {
        let status = pb::session_log::SessionStatus::Start.into();
        let log = pb::SessionLog { status, ..Default::default() };
        self.event(step, pb::event::What::SessionLog(log))
    }
}

impl Drop for File<'_> {
    fn drop(&mut self) {
        let path = self.log.path().join(&self.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &self.bytes).unwrap();
    }
}

/// The steps of each tag, by `run/tag`, in the order of the log.
fn steps(dir: &Path, policy: RestartPolicy) -> BTreeMap<String, Vec<i64>> {
    let all = points(dir, &LoadOptions::new().restart(policy));
    all.into_iter().map(|(run, tag, _, steps, ..)| (format!("{run}/{tag}"), steps)).collect()
}

fn all_steps(dir: &Path) -> BTreeMap<String, Vec<i64>> {
    steps(dir, RestartPolicy::KeepAll)
}

/// Fails unless all points were kept with only their steps changed, every reader shows all of them,
/// and the same edit of the result changes nothing. Returns the steps.
#[track_caller]
fn whole(log: &Log, done: &Result) -> BTreeMap<String, Vec<i64>> {
    let without_steps = |dir: &Path| {
        let all = all_points(dir).into_iter();
        all.map(|(run, tag, kind, steps, times, values)| {
            (run, tag, kind, steps.len(), times, values)
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(without_steps(log.path()), without_steps(&done.path()));
    let found = all_steps(&done.path());
    for policy in RestartPolicy::ALL {
        assert_eq!(steps(&done.path(), *policy), found, "{policy:?}");
    }
    assert!(found.values().all(|steps| steps.is_sorted_by(|a, b| a < b)), "{found:?}");
    unchanged(&done.path());
    found
}

/// Fails if the same edit changes anything again.
#[track_caller]
fn unchanged(dir: &Path) {
    let again = edit(&Edit::new().continue_steps(true), dir).unwrap();
    assert_eq!(again.edited.continued, []);
    for run in Logdir::open(dir).unwrap().runs() {
        for name in &run.files {
            let path = run.path.strip_prefix(dir).unwrap().join(name);
            let (before, after) = (fs::read(dir.join(&path)), fs::read(again.path().join(&path)));
            assert_eq!(before.unwrap(), after.unwrap(), "{}", path.display());
        }
    }
}

fn steps_of(range: std::ops::Range<i64>) -> Vec<i64> {
    range.collect()
}

fn ranges<const N: usize>(ranges: [std::ops::Range<i64>; N]) -> Vec<i64> {
    ranges.into_iter().flatten().collect()
}

#[test]
fn sessions_in_later_files_go_on_with_one_offset_for_all_tags() {
    let log = Log::new();
    log.file("run", 0).train(15);
    log.file("run", 100).train(30);
    log.file("run", 200).train(8);
    let done = log.continued();
    let found = whole(&log, &done);
    assert_eq!(found["run/loss"], steps_of(0..53));
    assert_eq!(found["run/val"], [9, 15 + 9, 15 + 19, 15 + 29]);
    let continued = &done.edited.continued[0];
    assert_eq!((continued.sessions, continued.tags), (3, 2));
    assert_eq!((continued.steps, continued.new_steps), ((0, 29), (0, 52)));
}

#[test]
fn sessions_inside_a_file_go_on_too() {
    let log = Log::new();
    log.file("run", 0).train(20).train(20).train(5);
    let found = whole(&log, &log.continued());
    assert_eq!(found["run/loss"], steps_of(0..45));
    assert_eq!(found["run/val"], [9, 19, 29, 39]);
}

#[test]
fn the_interval_of_logging_lies_between_sessions() {
    for (first, every, behind) in [(0, 10, 100), (10, 10, 110), (1, 1, 11), (1000, 1000, 11_000)] {
        let log = Log::new();
        let session = || (0..10).map(|i| first + i * every);
        log.file("run", 0).values(&["loss"], session());
        log.file("run", 100).values(&["loss"], session());
        let found = whole(&log, &log.continued());
        assert_eq!(found["run/loss"][10], behind);
        assert_eq!(found["run/loss"][19], behind + 9 * every);
    }
}

#[test]
fn sessions_of_one_step_count_one() {
    let log = Log::new();
    for session in 0..4 {
        log.file("run", 100 * session).values(&["loss", "acc"], [0]);
    }
    let found = whole(&log, &log.continued());
    assert_eq!(found["run/loss"], [0, 1, 2, 3]);
    assert_eq!(found["run/acc"], [0, 1, 2, 3]);
}

#[test]
fn points_that_are_all_at_one_step_get_steps_of_their_own() {
    for step in [0, 7] {
        let log = Log::new();
        let mut file = log.file("run", 0);
        for i in 0..10 {
            file = file.value("loss", step);
            file = if i % 5 == 4 { file.value("val", step) } else { file };
        }
        drop(file);
        log.file("run", 100).values(&["loss"], [step; 3]);
        let found = whole(&log, &log.continued());
        assert_eq!(found["run/loss"], (step..step + 13).collect::<Vec<_>>());
        assert_eq!(found["run/val"], [step + 4, step + 9]);
    }
}

/// Keras counts epochs from 0 in each `fit()`, and the optimizer's iterations across all of them.
#[test]
fn tags_that_go_on_by_themselves_keep_their_steps() {
    let log = Log::new();
    for (fit, seconds) in [(0, 0), (1, 100), (2, 200)] {
        log.file("train", seconds).values(&["epoch_loss"], 0..3);
        let mut file = log.file("validation", seconds);
        for epoch in 0..3 {
            file = file.value("evaluation_loss_vs_iterations", 188 * (3 * fit + epoch + 1));
            file = file.value("epoch_loss", epoch);
        }
    }
    let parts = Edit::new().continue_steps(true).parts(["train", "validation"]);
    for change in [Edit::new().continue_steps(true), parts] {
        let done = edit(&change, log.path()).unwrap();
        let found = whole(&log, &done);
        assert_eq!(found["train/epoch_loss"], steps_of(0..9));
        assert_eq!(found["validation/epoch_loss"], steps_of(0..9));
        let iterations: Vec<_> = (1..10).map(|i| 188 * i).collect();
        assert_eq!(found["validation/evaluation_loss_vs_iterations"], iterations);
    }
}

/// Steps that count batches restart in each epoch; those that count epochs restart in each
/// training.
#[test]
fn counters_inside_each_other_go_on_apart() {
    let log = Log::new();
    for seconds in [0, 1000] {
        let mut file = log.file("run", seconds);
        for epoch in 0..5 {
            file = file.values(&["batch_loss"], 0..20).value("epoch_loss", epoch);
        }
    }
    let found = whole(&log, &log.continued());
    assert_eq!(found["run/batch_loss"], steps_of(0..200));
    assert_eq!(found["run/epoch_loss"], steps_of(0..10));
}

#[test]
fn parts_of_a_run_share_their_sessions() {
    let log = Log::new();
    for seconds in [0, 1000] {
        log.file("run/train", seconds).values(&["loss"], 0..95);
        log.file("run/validation", seconds + 5).values(&["loss"], (9..95).step_by(10));
        log.file("other", seconds).values(&["loss"], 0..10);
    }
    let alone = whole(&log, &log.continued());
    assert_eq!(alone["run/validation/loss"][9], 99, "on its own, its steps simply continue");
    let change = Edit::new().continue_steps(true).parts(["run/train", "run/validation"]);
    let found = whole(&log, &edit(&change, log.path()).unwrap());
    assert_eq!(found["run/train/loss"][95], 95);
    assert_eq!(found["run/validation/loss"][9], 95 + 9);
    assert_eq!(found["other/loss"], steps_of(0..20));
}

#[test]
fn files_that_are_open_at_the_same_time_are_no_sessions() {
    let log = Log::new();
    // Training and evaluation in one directory: both files stay open.
    let files = || {
        let (mut train, mut eval) = (log.file("run", 0), log.file("run", 1));
        (train.every, eval.every) = (1.0, 10.0);
        (train, eval)
    };
    let (train, eval) = files();
    train.values(&["loss"], 0..100);
    eval.values(&["eval/loss"], (0..100).step_by(10));
    let before = all_steps(log.path());
    let done = log.continued();
    assert_eq!((whole(&log, &done), done.edited.continued.len()), (before, 0));
    // Both restart, in the same files.
    let (train, mut eval) = files();
    train.values(&["loss"], 0..100).values(&["loss"], 0..50);
    eval = eval.values(&["eval/loss"], (0..100).step_by(10));
    eval.values(&["eval/loss"], (0..50).step_by(10));
    let found = whole(&log, &log.continued());
    assert_eq!(found["run/loss"], steps_of(0..150));
    assert_eq!(found["run/eval/loss"], (0..150).step_by(10).collect::<Vec<_>>());
}

#[test]
fn writers_of_the_same_tags_at_the_same_time_keep_their_steps() {
    let log = Log::new();
    log.file("run", 0).values(&["loss"], 0..50);
    log.file("run", 10).values(&["loss"], 0..50);
    let done = log.continued();
    assert_eq!(all_steps(&done.path()), all_steps(log.path()));
    let notes = &done.edited.step_notes;
    assert!(matches!(&notes[..], [note] if matches!(note.kind, StepNoteKind::SameTime { .. })));
    let said = notes[0].to_string();
    let expected = "run \"run\": events.out.tfevents.1700000010.host.1.0 was written at the same time \
                    as events.out.tfevents.1700000000.host.1.0: the steps of both stay unchanged";
    assert_eq!(said, expected);
    unchanged(&done.path());
}

#[test]
fn a_resume_from_a_checkpoint_keeps_its_steps() {
    for with_start in [false, true] {
        let log = Log::new();
        // Each program logs a configuration at step 0.
        log.file("run", 0).value("config", 0).train(520);
        let mut file = log.file("run", 1000);
        file = if with_start { file.start(500).start(500) } else { file };
        file.value("config", 0).values(&["loss"], 500..600);
        let done = log.continued();
        assert_eq!(all_points(&done.path()), all_points(log.path()));
        for policy in RestartPolicy::ALL {
            assert_eq!(steps(&done.path(), *policy), steps(log.path(), *policy), "{policy:?}");
        }
        let notes = &done.edited.step_notes;
        assert!(
            matches!(notes[0].kind, StepNoteKind::Resumed { last: 599, .. }),
            "{with_start}: {notes:?}"
        );
        unchanged(&done.path());
    }
}

#[test]
fn a_resume_in_a_later_session_goes_along_with_it() {
    let log = Log::new();
    log.file("run", 0).train(100);
    log.file("run", 1000).train(60);
    log.file("run", 2000).start(50).start(50).values(&["loss"], 50..100);
    log.file("run", 3000).train(10);
    let done = log.continued();
    let kept = |policy| steps(&done.path(), policy)["run/loss"].clone();
    assert_eq!(kept(RestartPolicy::KeepAll), ranges([0..160, 150..200, 200..210]));
    for policy in
        [RestartPolicy::SessionStart, RestartPolicy::Tensorboard, RestartPolicy::Rustboard]
    {
        assert_eq!(kept(policy), steps_of(0..210), "{policy:?}");
    }
    unchanged(&done.path());
}

#[test]
fn starts_of_sessions_that_go_on_would_hide_points_and_go() {
    let log = Log::new();
    log.file("run", 0).start(0).train(30);
    log.file("run", 1000).start(0).train(30).start(0).train(30);
    let found = whole(&log, &log.continued());
    assert_eq!(found["run/loss"], steps_of(0..90));
}

/// `SummaryWriter::resume` also marks each tag, for RustBoard. The marks are not points.
#[test]
fn sessions_that_tbx_resumed_at_their_first_step_go_on() {
    for first in [0, 9] {
        let log = Log::new();
        for fit in 0..3 {
            let start = START + 1000.0 * f64::from(fit);
            let writer = SummaryWriter::options().host("host").clock(move || start);
            let writer = if fit == 1 { writer.purge_step(0) } else { writer };
            let writer = writer.create(log.path()).unwrap();
            for step in (first..100).step_by(10) {
                let writer = writer.with_wall_time(start + step as f64).unwrap();
                writer.add_scalar("loss", step as f64, step).unwrap();
            }
            writer.close().unwrap();
        }
        let found = whole(&log, &log.continued());
        assert_eq!(found["./loss"], (0..30).map(|i| first + 10 * i).collect::<Vec<_>>());
    }
}

#[test]
fn a_file_that_goes_on_where_the_last_one_stopped_belongs_to_its_session() {
    let log = Log::new();
    log.file("run", 0).values(&["loss"], 0..50);
    log.file("run", 100).values(&["loss"], 50..80);
    log.file("run", 200).values(&["loss"], 0..50);
    log.file("run", 300).values(&["loss"], 50..70);
    let found = whole(&log, &log.continued());
    assert_eq!(found["run/loss"], steps_of(0..150));
}

#[test]
fn files_that_are_not_read_in_the_order_of_time_keep_their_steps() {
    let log = Log::new();
    let mut later = log.file("run", 0);
    later.time += 1000.0;
    later.values(&["loss"], 0..10);
    log.file("run", 1).values(&["loss"], 0..10);
    let done = log.continued();
    assert_eq!(all_points(&done.path()), all_points(log.path()));
    let said = done.edited.step_notes[0].to_string();
    assert!(said.ends_with("unchanged; rename the files so that they sort by time"), "{said}");
}

#[test]
fn records_that_are_no_points_stay_where_they_are() {
    let log = Log::new();
    for seconds in [0, 100] {
        let session = hparams::session_start(&Hparams::new().with("lr", 0.1), START).unwrap();
        let session = pb::Summary { value: vec![session] };
        let mut file = log.file("run", seconds).event(0, pb::event::What::Summary(session));
        file = file.event(0, pb::event::What::GraphDef(b"\x0a\0".to_vec().into()));
        file.values(&["loss"], 0..10);
    }
    let done = log.continued();
    let found = all_steps(&done.path());
    assert_eq!(found["run/loss"], steps_of(0..20));
    assert_eq!(found["run/_hparams_/session_start_info"], [0, 0]);
    assert_eq!(found["run/__run_graph__"], [0, 0]);
    unchanged(&done.path());
}

#[test]
fn steps_go_on_before_samples_are_taken_and_restarts_carried_out() {
    let log = Log::new();
    log.file("run", 0).values(&["loss"], 0..100);
    log.file("run", 1000).start(0).values(&["loss"], 0..60);
    log.file("run", 2000).values(&["loss"], 50..100);
    let change = Edit::new()
        .continue_steps(true)
        .compact(RestartPolicy::Rustboard)
        .sample(None, tbx_runs::table::Sampling::Every(50))
        .shift_steps(1000)
        .merge(true);
    let done = edit(&change, log.path()).unwrap();
    assert_eq!(all_steps(&done.path())["run/loss"], [1000, 1050, 1100, 1150, 1199]);
    assert_eq!(done.edited.files_after, 1);
}

#[test]
fn steps_out_of_range_are_refused() {
    let log = Log::new();
    log.file("run", 0).values(&["loss"], [0, i64::MAX - 1]);
    log.file("run", 100).values(&["loss"], [0, 1, 2]);
    let said = edit(&Edit::new().continue_steps(true), log.path()).map(|_| ()).unwrap_err();
    assert_eq!(said.to_string(), "run \"run\": the continued steps would be out of range");
}

#[test]
fn in_place_and_dry_runs_do_the_same() {
    let log = Log::new();
    log.file("run", 0).train(20);
    log.file("run", 100).train(20);
    let expected = log.continued();
    let change = Edit::new().continue_steps(true);
    let logdir = Logdir::open(log.path()).unwrap();
    let before = all_points(log.path());
    let dry = change.run(&logdir, Destination::Nowhere).unwrap();
    assert_eq!(dry.continued, expected.edited.continued);
    assert_eq!(all_points(log.path()), before);
    let done = change.run(&logdir, Destination::InPlace).unwrap();
    assert_eq!(done.continued, expected.edited.continued);
    assert_eq!(all_points(log.path()), all_points(&expected.path()));
    // Only the changed file was replaced.
    let names = fs::read_dir(log.path().join("run")).unwrap();
    let names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    change.run(&Logdir::open(log.path()).unwrap(), Destination::InPlace).unwrap();
    assert_eq!(fs::read_dir(log.path().join("run")).unwrap().count(), 3, "nothing changed again");
}

/// An event has one step, so its tags cannot get different ones.
#[test]
fn tags_that_share_an_event_are_not_told_apart() {
    let log = Log::new();
    // `batch` goes on where `loss` restarts, except for an event with both.
    for session in 0..4 {
        let file = log.file("a", 100 * session).values(&["loss"], 0..4);
        let first = i64::from(session) * 10 + 100;
        drop(file.values(&["batch"], first..first + 5).together(&["loss", "batch"], [first + 5]));
    }
    let done = log.continued();
    whole(&log, &done);
    let alone = Log::new();
    for session in 0..4 {
        let file = alone.file("a", 100 * session).values(&["loss"], 0..4);
        let first = i64::from(session) * 10 + 100;
        drop(file.values(&["batch"], first..first + 5));
    }
    let steps = whole(&alone, &alone.continued());
    assert_eq!(steps["a/batch"], all_steps(alone.path())["a/batch"]);
}

/// Logs of programs that start at random times, some of them at the same time as others.
fn random(seed: u64) -> Log {
    let mut rng = Rng(seed);
    let log = Log::new();
    let mut seconds = 0;
    for _ in 0..1 + rng.below(5) {
        let run = ["a", "b"][rng.below(2) * rng.below(2)];
        let mut file = log.file(run, seconds);
        for _ in 0..1 + rng.below(4) {
            if rng.below(4) == 0 {
                file = file.start(rng.below(8) as i64);
            }
            let tags = [&["x"][..], &["x", "y"], &["y"], &["z", "x"]][rng.below(4)];
            let first = [0, 0, 0, 1, 5, 30][rng.below(6)];
            let every = [1, 1, 3][rng.below(3)];
            let n = [1, 1, 4, 12][rng.below(4)];
            let steps = (0..n).map(|i| first + i * every);
            file = match rng.below(4) {
                0 => file.together(tags, steps),
                _ => file.values(tags, steps),
            };
        }
        seconds += [0, 3, 30, 300][rng.below(4)];
    }
    log
}

#[test]
fn nothing_is_lost_and_nothing_changes_twice_whatever_the_log() {
    let mut changed = 0;
    for seed in 0..300 {
        let log = random(seed);
        for change in
            [Edit::new().continue_steps(true), Edit::new().continue_steps(true).parts(["a", "b"])]
        {
            let done = edit(&change, log.path()).unwrap();
            let facts = |dir: &Path| {
                let all = all_points(dir).into_iter();
                all.map(|(run, tag, .., times, values)| (run, tag, times, values))
                    .collect::<Vec<_>>()
            };
            assert_eq!(facts(&done.path()), facts(log.path()), "seed {seed}");
            let again = edit(&change, &done.path()).unwrap();
            let (once, twice) = (all_steps(&done.path()), all_steps(&again.path()));
            assert_eq!(once, twice, "seed {seed}: {:?}", all_steps(log.path()));
            assert_eq!(again.edited.continued, [], "seed {seed}");
            changed += usize::from(!done.edited.continued.is_empty());
        }
    }
    assert!(changed > 200, "{changed}");
}
