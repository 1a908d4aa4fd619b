use tbx::{LoadOptions, RestartPolicy, SummaryWriter, Text};

use super::*;

/// Everything below `path`, with these samples.
fn state(path: &std::path::Path, policy: RestartPolicy, samples: Samples) -> State {
    let state = State::new(samples);
    let options = LoadOptions::new().restart(policy);
    let mut watcher = Watcher::new(&[Source::new(path)], &options).unwrap();
    while watcher.poll(&state, &mut |issues| assert!(issues.is_empty(), "{issues:?}")) {}
    state
}

fn steps(state: &State, tag: &str) -> Vec<i64> {
    let runs = state.runs();
    let series = runs.series(".", "scalars", tag).unwrap();
    series.numbers(None).map(|point| point.step).collect()
}

#[test]
fn texts_are_read_from_their_places() {
    let dir = tempfile::tempdir().unwrap();
    for (file, steps) in [(0, 0..3), (1, 3..6)] {
        let writer = SummaryWriter::create(dir.path()).unwrap();
        for step in steps {
            writer.add_text("note", format!("file {file}, step {step}"), step).unwrap();
            writer.add_scalar("loss", 0.5, step).unwrap();
        }
        writer.close().unwrap();
    }
    let state = state(dir.path(), RestartPolicy::KeepAll, Samples::new());
    let runs = state.runs();
    let (run, series) = (runs.get(".").unwrap(), runs.series(".", "text", "note").unwrap());
    let texts: Vec<String> = run
        .read(".", series, series.places(None))
        .map(|point| Text::read(&point.value.unwrap()).unwrap().strings[0].clone())
        .collect();
    assert_eq!(texts.len(), 6);
    for (step, text) in texts.iter().enumerate() {
        assert_eq!(*text, format!("file {}, step {step}", step / 3));
    }
}

#[test]
fn a_resumed_program_replaces_its_points_as_the_policy_says() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    (0..6).for_each(|step| writer.add_scalar("loss", 1.0, step).unwrap());
    writer.close().unwrap();
    let writer = SummaryWriter::resume(dir.path(), 3).unwrap();
    (3..5).for_each(|step| writer.add_scalar("loss", 2.0, step).unwrap());
    writer.close().unwrap();
    let steps = |policy| steps(&state(dir.path(), policy, Samples::new()), "loss");
    assert_eq!(steps(RestartPolicy::SessionStart), [0, 1, 2, 3, 4]);
    assert_eq!(steps(RestartPolicy::KeepAll), [0, 1, 2, 3, 4, 5, 3, 4]);
}

#[test]
fn memory_is_bounded_and_spikes_stay() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let count = 3 * series::KEPT_POINTS;
    for step in 0..count {
        let value = if step % 10_000 == 77 { 1e6 } else { 0.5 };
        writer.add_scalar("loss", value, step as i64).unwrap();
    }
    writer.close().unwrap();
    let bounded = state(dir.path(), RestartPolicy::SessionStart, Samples::new());
    let runs = bounded.runs();
    let series = runs.series(".", "scalars", "loss").unwrap();
    assert!(series.len() <= series::KEPT_POINTS, "{}", series.len());
    let spikes = |count| series.numbers(count).filter(|point| point.value == 1e6).count();
    let expected = count.div_ceil(10_000);
    assert_eq!((spikes(None), spikes(Some(1000))), (expected, expected));
    let all =
        state(dir.path(), RestartPolicy::SessionStart, Samples::new().plugin("scalars", None));
    assert_eq!(steps(&all, "loss").len(), count);
}

/// However often a series was thinned out, what is shown is spread over all of it.
#[test]
fn the_start_of_a_long_series_stays() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let state = State::new(Samples::new());
    let sources = [Source::new(dir.path()).named("run")];
    let mut watcher = Watcher::new(&sources, &LoadOptions::new()).unwrap();
    let count = 5 * series::KEPT_POINTS;
    for step in 0..count {
        writer
            .add_scalar("loss", if step % 50_000 == 77 { 1e6 } else { 0.5 }, step as i64)
            .unwrap();
        if step % 10_000 == 0 {
            writer.flush().unwrap();
            watcher.poll(&state, &mut drop);
        }
    }
    writer.close().unwrap();
    watcher.poll(&state, &mut drop);
    let runs = state.runs();
    let name = runs.iter().next().unwrap().0.to_owned();
    let series = runs.series(&name, "scalars", "loss").unwrap();
    let shown: Vec<_> = series.numbers(Some(1000)).collect();
    let half = shown.iter().filter(|point| point.step < count as i64 / 2).count();
    assert!(
        half * 10 > shown.len() * 4 && half * 10 < shown.len() * 6,
        "{half} of {}",
        shown.len()
    );
    let spikes = shown.iter().filter(|point| point.value == 1e6).count();
    assert_eq!(spikes, count.div_ceil(50_000));
}

#[test]
fn runs_of_several_log_directories_have_their_names() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "a/below", "b"] {
        let writer = SummaryWriter::create(dir.path().join(name)).unwrap();
        writer.add_scalar("loss", 0.5, 0).unwrap();
        writer.close().unwrap();
    }
    let state = State::new(Samples::new());
    let sources =
        [Source::new(dir.path().join("a")).named("first"), Source::new(dir.path().join("b"))];
    let mut watcher = Watcher::new(&sources, &LoadOptions::new()).unwrap();
    watcher.poll(&state, &mut drop);
    let unnamed = dir.path().join("b").to_string_lossy().into_owned();
    let runs = state.runs();
    let names: Vec<&str> = runs.iter().map(|(name, _)| name).collect();
    let mut expected = vec!["first", "first/below", unnamed.as_str()];
    expected.sort_unstable();
    assert_eq!(names, expected);
}
