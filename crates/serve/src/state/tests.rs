use tbx::{LoadOptions, RestartPolicy, SummaryWriter, Text};

use super::*;

/// Writes one scalar of a run.
fn write(run: &std::path::Path, tag: &str) {
    let writer = SummaryWriter::create(run).unwrap();
    writer.add_scalar(tag, 0.5, 0).unwrap();
    writer.close().unwrap();
}

fn names(state: &State) -> Vec<String> {
    state.runs().iter().map(|(name, _)| name.to_owned()).collect()
}

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

#[test]
fn an_answer_keeps_what_it_began_with_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    writer.add_scalar("loss", 0.5, 0).unwrap();
    writer.flush().unwrap();
    let state = State::new(Samples::new());
    let mut watcher = Watcher::new(&[Source::new(dir.path())], &LoadOptions::new()).unwrap();
    watcher.poll(&state, &mut drop);
    let before = state.runs();
    writer.add_scalar("loss", 0.5, 1).unwrap();
    writer.flush().unwrap();
    // This would not return if an answer kept a lock.
    watcher.poll(&state, &mut drop);
    let len = |runs: &Runs| runs.series(".", "scalars", "loss").unwrap().len();
    assert_eq!((len(&before), len(&state.runs())), (1, 2));
}

#[test]
fn log_directories_that_show_the_same_runs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (all, one) = (dir.path().join("runs"), dir.path().join("runs/a"));
    write(&one, "loss");
    let source = |path: &std::path::Path| Source::new(path);
    let refused = |sources: &[Source]| Watcher::new(sources, &LoadOptions::new()).err();
    let other = dir.path().join("other");
    assert!(refused(&[source(&all), source(&other)]).is_none());
    assert!(refused(&[source(&all).named("x"), source(&other).named("y")]).is_none());
    for wrong in [
        &[source(&all), source(&one)][..],
        &[source(&one), source(&other), source(&all)],
        &[source(&one).named("x"), source(&one).named("y")],
        &[source(&all).named("x"), source(&other).named("x")],
        &[],
    ] {
        assert!(refused(wrong).is_some(), "{wrong:?}");
    }
    #[cfg(unix)]
    {
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&one, &link).unwrap();
        assert!(refused(&[source(&all), source(&link)]).is_some());
    }
}

#[test]
fn runs_of_the_same_name_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    write(&one.join("b"), "first");
    write(&two, "second");
    let state = State::new(Samples::new());
    // A name may contain what separates the names of runs.
    let sources = [Source::new(&one).named("a"), Source::new(&two).named("a/b")];
    let mut watcher = Watcher::new(&sources, &LoadOptions::new()).unwrap();
    let mut issues = Vec::new();
    for _ in 0..2 {
        watcher.poll(&state, &mut |more| issues.extend(more));
    }
    assert_eq!(names(&state), ["a/b", "a/b (2)"]);
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert!(issues[0].to_string().contains("a/b (2)"), "{}", issues[0]);
    let runs = state.runs();
    assert!(runs.series("a/b", "scalars", "first").is_some());
    assert!(runs.series("a/b (2)", "scalars", "second").is_some());
    // The loss of one is not the loss of the other.
    std::fs::remove_dir_all(one.join("b")).unwrap();
    watcher.look_again();
    watcher.poll(&state, &mut drop);
    assert_eq!(names(&state), ["a/b (2)"]);
}

/// Of a run of many files, only those are looked up whose place in the list has changed.
#[test]
fn the_files_of_a_run_keep_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let state = State::new(Samples::new());
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    let mut watcher = Watcher::new(&[Source::new(dir.path())], &options).unwrap();
    for step in 0..5_i64 {
        let suffix = format!(".{}", 5 - step);
        let writer = SummaryWriter::options().suffix(suffix).create(dir.path()).unwrap();
        writer.add_text("note", format!("{step}"), step).unwrap();
        writer.close().unwrap();
        watcher.poll(&state, &mut drop);
    }
    let runs = state.runs();
    let (run, series) = (runs.get(".").unwrap(), runs.series(".", "text", "note").unwrap());
    for point in run.read(".", series, series.places(None)) {
        assert_eq!(Text::read(&point.value.unwrap()).unwrap().strings, [point.step.to_string()]);
    }
    assert_eq!(series.len(), 5);
}

/// Bytes after a damaged record are judged at once when nothing more is waited for.
#[test]
fn one_load_reads_all_of_a_file_that_was_just_written() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    (0..100).for_each(|step| writer.add_scalar("loss", 0.5, step).unwrap());
    writer.close().unwrap();
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let state = std::sync::Arc::new(State::new(Samples::new()));
    let watcher = Watcher::new(&[Source::new(dir.path())], &LoadOptions::new()).unwrap();
    watcher.run_once(&std::sync::Arc::downgrade(&state), drop);
    let steps = steps(&state, "loss");
    assert!(steps.contains(&99) && steps.len() >= 97, "{steps:?}");
}

#[test]
fn the_number_of_clips_is_counted_once_it_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    for step in 0..3 {
        let clip = tbx::Clip::mono(&[0.5; 8000], 8000).unwrap();
        let clips = vec![clip; step as usize + 1];
        writer.add_audios("tone", &clips, step).unwrap();
    }
    writer.close().unwrap();
    let state = state(dir.path(), RestartPolicy::KeepAll, Samples::new());
    let runs = state.runs();
    let (run, series) = (runs.get(".").unwrap(), runs.series(".", "audio", "tone").unwrap());
    let file = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let away = dir.path().join("away");
    std::fs::rename(&file, &away).unwrap();
    assert_eq!(run.max_blobs(".", series, Some(10)), 0);
    std::fs::rename(&away, &file).unwrap();
    assert_eq!(run.max_blobs(".", series, Some(10)), 3);
    // Another number of points has its own maximum.
    assert_eq!(run.max_blobs(".", series, Some(0)), 0);
    let counts = run.blob_counts(".", series, series.places(None));
    assert_eq!(counts.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn answers_wait_for_the_first_load_but_not_forever() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut state = State::new(Samples::new());
    state.deadline = Instant::now() + Duration::from_millis(50);
    runtime.block_on(state.loaded());
    // The time is counted per server, not per request.
    let started = Instant::now();
    runtime.block_on(state.loaded());
    assert!(started.elapsed() < Duration::from_millis(40));
    let state = State::new(Samples::new());
    state.is_complete();
    runtime.block_on(state.loaded());
    assert!(started.elapsed() < PATIENCE);
}
