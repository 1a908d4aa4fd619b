//! A run that is resumed after a crash: the points that it hides, and from which loaders.

use std::path::Path;

use tbx::pb::event::What;
use tbx::pb::session_log::SessionStatus;
use tbx::pb::summary::value::Value;
use tbx::{LoadOptions, Logdir, RestartPolicy, SummaryWriter, WriterOptions};

use super::{START, events, fixed};

/// Writes a run of ten steps to `dir`, with a tag that begins late and one of another kind.
fn crashed(dir: &Path) {
    let writer = fixed().create(dir).unwrap();
    for step in 0..10 {
        writer.add_scalar("x", 1.0, step).unwrap();
        writer.add_scalar("other", 1.0, step).unwrap();
        writer.add_text("note", "text", step).unwrap();
        if step >= 6 {
            writer.add_scalar("late", 1.0, step).unwrap();
            writer.add_histogram("late weights", [1.0], step).unwrap();
        }
    }
    drop(writer);
}

fn resumed(step: i64) -> WriterOptions {
    SummaryWriter::options().host("host").clock(|| START + 60.0).purge_step(step)
}

/// Every tag with its steps.
fn series(dir: &Path, policy: RestartPolicy) -> Vec<(String, Vec<i64>)> {
    let options = LoadOptions::new().restart(policy);
    let loaded = Logdir::open(dir).unwrap().load(&options).unwrap();
    assert!(loaded.report.issues.is_empty(), "{:?}", loaded.report.issues);
    let all = loaded.runs.iter().flat_map(|run| &run.series);
    all.map(|series| (series.tag().to_owned(), series.steps().to_vec())).collect()
}

#[test]
fn a_resumed_run_hides_what_it_writes_again_under_every_policy() {
    let dir = tempfile::tempdir().unwrap();
    crashed(dir.path());
    let writer = resumed(5).create(dir.path()).unwrap();
    writer.add_scalar("x", 2.0, 7).unwrap();
    writer.close().unwrap();
    let expected = [
        ("note".to_owned(), vec![0, 1, 2, 3, 4]),
        ("other".to_owned(), vec![0, 1, 2, 3, 4]),
        ("x".to_owned(), vec![0, 1, 2, 3, 4, 7]),
    ];
    for policy in
        [RestartPolicy::SessionStart, RestartPolicy::Tensorboard, RestartPolicy::Rustboard]
    {
        assert_eq!(series(dir.path(), policy), expected, "{policy:?}");
    }
    // Nothing is deleted: the earlier file is unchanged.
    let all = series(dir.path(), RestartPolicy::KeepAll);
    assert_eq!(all.iter().map(|(_, steps)| steps.len()).sum::<usize>(), 10 + 10 + 10 + 4 + 4 + 1);

    // Resumed again, further back.
    let again = SummaryWriter::options().host("host").clock(|| START + 120.0).purge_step(3);
    let again = again.create(dir.path()).unwrap();
    again.add_scalar("late", 3.0, 9).unwrap();
    again.close().unwrap();
    let expected = [
        ("late".to_owned(), vec![9]),
        ("note".to_owned(), vec![0, 1, 2]),
        ("other".to_owned(), vec![0, 1, 2]),
        ("x".to_owned(), vec![0, 1, 2]),
    ];
    for policy in
        [RestartPolicy::SessionStart, RestartPolicy::Tensorboard, RestartPolicy::Rustboard]
    {
        assert_eq!(series(dir.path(), policy), expected, "{policy:?}");
    }
}

#[test]
fn a_resumed_file_begins_with_two_starts_and_the_tags_to_be_hidden() {
    let dir = tempfile::tempdir().unwrap();
    crashed(dir.path());
    let writer = resumed(8).create(dir.path()).unwrap();
    writer.close().unwrap();
    let events = events(writer.path().unwrap());
    assert_eq!(events.len(), 4);
    for start in &events[1..3] {
        let Some(What::SessionLog(session)) = &start.what else { panic!("{start:?}") };
        assert_eq!(session.status(), SessionStatus::Start);
    }
    let Some(What::Summary(summary)) = &events[3].what else { panic!("{:?}", events[3]) };
    let tags: Vec<_> = summary.value.iter().map(|value| value.tag.as_str()).collect();
    assert_eq!(tags, ["late", "late weights", "note", "other", "x"]);
    for value in &summary.value {
        assert!(matches!(value.value, Some(Value::ObsoleteOldStyleHistogram(_))), "{value:?}");
    }
    assert!(events[1..].iter().all(|event| (event.step, event.wall_time) == (8, START + 60.0)));
}

#[test]
fn a_run_resumed_behind_its_end_or_before_it_began_hides_nothing() {
    for (dir_is_new, step) in [(false, 10), (true, 5)] {
        let dir = tempfile::tempdir().unwrap();
        if !dir_is_new {
            crashed(dir.path());
        }
        let before = series(dir.path(), RestartPolicy::KeepAll);
        let writer = resumed(step).create(dir.path()).unwrap();
        writer.close().unwrap();
        assert_eq!(events(writer.path().unwrap()).len(), 3);
        assert_eq!(series(dir.path(), RestartPolicy::default()), before);
    }
}

#[test]
fn a_line_goes_on_like_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    (0..5).for_each(|step| writer.add_scalars("parts", [("a", 1.0)], step).unwrap());
    drop(writer);
    let writer = resumed(2).create(dir.path()).unwrap();
    writer.add_scalars("parts", [("a", 2.0)], 4).unwrap();
    writer.close().unwrap();
    for policy in
        [RestartPolicy::SessionStart, RestartPolicy::Tensorboard, RestartPolicy::Rustboard]
    {
        let options = LoadOptions::new().restart(policy);
        let loaded = Logdir::open(dir.path()).unwrap().load(&options).unwrap();
        let line = loaded.runs.iter().find(|run| run.name == "parts_a").unwrap();
        assert_eq!(line.get("parts").unwrap().steps(), [0, 1, 4], "{policy:?}");
    }
}

#[test]
fn a_damaged_log_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    crashed(dir.path());
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 3); // torn by the crash
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    let writer = resumed(5).create(dir.path()).unwrap();
    writer.close().unwrap();
    let Some(What::Summary(summary)) = &events(writer.path().unwrap())[3].what else { panic!() };
    assert!(summary.value.iter().any(|value| value.tag == "x"));
}
