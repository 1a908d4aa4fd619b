//! Several runs are joined into one, in order.
#![cfg(test)]

use super::*;

#[test]
fn runs_are_joined_in_the_order_that_was_asked_for() {
    let log = Log::new();
    log.file("b", 0).train(20);
    log.file("a", 100).train(20);
    log.file("c", 50).train(10); // at a time of its own
    log.file("other", 0).train(5);
    fs::write(log.path().join("a/hparams.yaml"), "lr: 1").unwrap();
    fs::write(log.path().join("b/notes.txt"), "b").unwrap();
    let done = edit(&Edit::new().join(["a", "b", "c"], "all"), log.path()).unwrap();
    let found = all_steps(&done.path());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["all/loss", "all/val", "other/loss"]);
    assert_eq!(found["all/loss"], steps_of(0..50));
    assert_eq!(found["all/val"], [9, 19, 29, 39, 49]);
    assert_eq!(done.edited.joined[0].runs, ["a", "b", "c"]);
    assert_eq!(fs::read_to_string(done.path().join("all/hparams.yaml")).unwrap(), "lr: 1");
    assert_eq!(fs::read_to_string(done.path().join("b/notes.txt")).unwrap(), "b");
    for policy in RestartPolicy::ALL {
        assert_eq!(steps(&done.path(), *policy), found, "{policy:?}");
    }
    // The result has the name of one of the runs, in place.
    let join = Edit::new().join(["b", "a"], "a");
    join.run(&Logdir::open(log.path()).unwrap(), Destination::InPlace).unwrap();
    let found = all_steps(log.path());
    assert_eq!(found["a/loss"], steps_of(0..40));
    assert!(!found.contains_key("b/loss"));
    assert_eq!(fs::read_to_string(log.path().join("a/hparams.yaml")).unwrap(), "lr: 1");
}

#[test]
fn a_run_that_went_on_in_another_directory_keeps_its_steps_when_it_is_joined() {
    let log = Log::new();
    log.file("version_0", 0).train(520);
    log.file("version_1", 1000).values(&["loss"], 500..600);
    log.file("version_2", 2000).values(&["loss"], 600..700);
    let runs = ["version_0", "version_1", "version_2"];
    let done = edit(&Edit::new().join(runs, "all"), log.path()).unwrap();
    let loss = |policy| steps(&done.path(), policy)["all/loss"].clone();
    assert_eq!(loss(RestartPolicy::KeepAll), ranges([0..520, 500..600, 600..700]));
    assert_eq!(loss(RestartPolicy::Rustboard), steps_of(0..700));
    let note = &done.edited.step_notes[0];
    assert!(note.to_string().contains("resumes at step 500 after step"), "{note}");
}

#[test]
fn directories_of_runs_are_joined_with_shared_sessions() {
    let log = Log::new();
    for (fit, seconds) in [("fit1", 0), ("fit2", 1000)] {
        log.file(&format!("{fit}/train"), seconds).values(&["loss"], 0..95);
        log.file(&format!("{fit}/val"), seconds).values(&["loss"], (9..95).step_by(10));
    }
    let done = edit(&Edit::new().join(["fit1", "fit2"], "all"), log.path()).unwrap();
    let found = all_steps(&done.path());
    assert_eq!(found["all/train/loss"], steps_of(0..190));
    assert_eq!(found["all/val/loss"][9], 95 + 9);
}

#[test]
fn a_file_without_events_does_not_come_between_runs_that_are_joined() {
    let log = Log::new();
    log.file("a", 0).train(10);
    log.file("c", 0).train(10);
    let name = "events.out.tfevents.1700000000.host.1.0";
    fs::create_dir(log.path().join("b")).unwrap();
    fs::write(log.path().join("b").join(name), b"").unwrap();
    let done = edit(&Edit::new().join(["a", "b", "c"], "all"), log.path()).unwrap();
    assert_eq!(all_steps(&done.path())["all/loss"], steps_of(0..20));
    assert!(done.path().join("b").join(name).exists(), "it stays where it was");
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let log = Log::new();
    for run in ["a", "b", "c"] {
        log.file(run, 0).train(5);
    }
    let said = |edit: Edit| {
        let error = super::edit(&edit, log.path()).map(|_| ()).unwrap_err();
        error.to_string()
    };
    let join = |runs: &[&str], into: &str| Edit::new().join(runs.iter().copied(), into);
    assert_eq!(
        said(join(&["a", "x"], "y")),
        "no run \"x\" to join, and no run below it; the runs are a, b, c"
    );
    assert!(said(join(&["a", "b"], "c")).starts_with("two runs would both be called \"c\""));
    assert!(said(join(&["a", "a"], "y")).contains("would be joined twice"));
    assert!(said(join(&["a", "b"], "y").join(["b", "c"], "z")).contains("would be joined twice"));
    // A name cannot lead out of the directory.
    let done = edit(&join(&["a", "b"], "../../out"), log.path()).unwrap();
    assert!(all_steps(&done.path()).contains_key("%2e%2e/%2e%2e/out/loss"), "{:?}", done.edited);
}
