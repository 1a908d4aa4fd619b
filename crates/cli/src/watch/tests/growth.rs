//! Growing runs: their state, their pace, and their curves.

use std::path::Path;

use ratatui::crossterm::event::KeyCode;

use super::{START, Scene};
use tbx::writer::SummaryWriter;
use tbx_runs::table::ChartX;

#[test]
fn a_run_is_idle_when_nothing_came_for_three_of_its_pauses() {
    let mut scene = Scene::new();
    let writer = SummaryWriter::options().host("host").clock(|| START);
    let writer = writer.create(scene.dir.path().join("slow")).unwrap();
    for epoch in 0..5 {
        let writer = writer.with_wall_time(START + 300.0 * epoch as f64).unwrap();
        writer.add_scalar("loss", 1.0, epoch).unwrap();
    }
    writer.close().unwrap();
    scene.now = START + 1200.0 + 600.0;
    scene.poll();
    assert!(scene.screen(80, 24).contains("1 growing"));
    scene.now += 400.0;
    let screen = scene.screen(80, 24);
    assert!(screen.contains("idle") && !screen.contains("growing"), "{screen}");
}

/// Long logs are thinned out, but look the same on the screen.
#[test]
fn a_long_curve_is_thinned_and_keeps_its_spikes_and_gaps() {
    let scene_of = |n: i64| {
        let mut scene = Scene::new();
        let writer = SummaryWriter::create(scene.dir.path().join("long")).unwrap();
        for step in 0..n {
            let value = match step {
                777 => 50.0,
                1000..1100 => f64::NAN,
                _ => (step as f64 / 500.0).sin(),
            };
            writer.add_scalar("x", value, step).unwrap();
        }
        writer.close().unwrap();
        scene.poll();
        scene
    };
    let scene = scene_of(50_000);
    let curve = scene.app.model.runs["long"].curves["x"].over(ChartX::Step);
    assert!(curve.steps.len() < 8192, "{}", curve.steps.len());
    assert_eq!((curve.steps.first(), curve.steps.last()), (Some(&0), Some(&49_999)));
    assert!(curve.values.contains(&50.0) && curve.values.iter().any(|value| value.is_nan()));
}

#[test]
fn sessions_that_start_again_are_one_after_the_other_over_time() {
    let mut scene = Scene::new();
    scene.write("loop", 0..50, START, 0.1);
    scene.poll();
    // Written in pieces.
    scene.write("loop", 0..5, START + 100.0, 0.1);
    scene.poll();
    scene.write("loop", 5..20, START + 105.0, 0.1);
    scene.now = START + 120.0;
    scene.poll();
    let run = &scene.app.model.runs["loop"];
    let curves = &run.curves["loss/train"];
    assert_eq!(curves.over(ChartX::Step).steps, (0..50).collect::<Vec<_>>());
    for x in [ChartX::Relative, ChartX::Wall] {
        let curve = curves.over(x);
        assert_eq!(curve.steps, (0..50).chain(0..20).collect::<Vec<_>>());
        assert!(curve.wall_times.is_sorted());
    }
    // The run is growing, at the pace of the current session.
    assert_eq!(curves.last().map(|(step, _)| step), Some(19));
    assert_eq!((run.last_event, run.rate()), (Some(START + 119.0), Some(1.0)));
    let screen = scene.screen(100, 24);
    assert!(screen.contains("growing        49    1s"), "{screen}");
    scene.type_in("x");
    let screen = scene.screen(100, 24);
    assert!(screen.contains(" 1m  "), "{screen}");
}

#[test]
fn points_that_a_restart_dropped_are_mentioned() {
    let mut scene = Scene::new();
    resumed(&scene.dir.path().join("run"));
    scene.poll();
    scene.keys([KeyCode::Enter]);
    let screen = scene.screen(100, 24);
    let said = "points of earlier sessions are dropped: --restart keep-all shows them";
    assert!(screen.contains(said), "{screen}");
}

/// A run that resumed at step 5 after step 9.
fn resumed(dir: &Path) {
    let writer = SummaryWriter::options().host("host").clock(|| START).create(dir).unwrap();
    (0..10).for_each(|step| writer.add_scalar("x", 1.0, step).unwrap());
    writer.close().unwrap();
    let writer = SummaryWriter::resume(dir, 5).unwrap();
    (5..12).for_each(|step| writer.add_scalar("x", 2.0, step).unwrap());
    writer.close().unwrap();
}
