//! Time as the axis: several points of one step are not duplicates.

use tbx::SummaryWriter;

use super::super::{Folder, START};

/// Logs these points of `tag`, one second apart, starting at `from` seconds.
fn log(writer: &SummaryWriter, tag: &str, from: u32, points: &[(i64, f64)]) {
    for ((step, value), second) in points.iter().zip(from..) {
        let writer = writer.with_wall_time(START + f64::from(second)).unwrap();
        writer.add_scalar(tag, *value, *step).unwrap();
    }
}

/// The end of the lower axis, in seconds, and the number of columns in the plot that are not blank.
fn drawn(folder: &Folder, args: &str) -> (String, usize) {
    let out = folder.tbx(&format!("plot logs --width 70 --height 12 --ascii {args}")).fine();
    let rows: Vec<&str> = out.lines().skip(1).take(10).collect();
    let start = rows[0].find(['|', '+']).unwrap() + 1;
    let width = rows.iter().map(|row| row.len()).max().unwrap();
    let marked = |column: &usize| rows.iter().any(|row| row.as_bytes().get(*column) == Some(&b'*'));
    let columns = (start..width).filter(marked).count();
    (out.lines().nth(11).unwrap().trim_end().to_owned(), columns)
}

#[test]
fn points_without_steps_are_a_curve_over_time() {
    let folder = Folder::new();
    let writer = folder.run("logs/run");
    let points: Vec<_> = (0..10).map(|i| (0, f64::from(i) / 10.0)).collect();
    log(&writer, "acc", 0, &points);
    writer.close().unwrap();
    for x in ["relative", "wall"] {
        for restart in ["session-start", "keep-all", "tensorboard"] {
            let (axis, columns) = drawn(&folder, &format!("--x {x} --restart {restart}"));
            assert!(columns > 50, "{x} {restart}: {axis}");
        }
    }
    let out = folder.tbx("plot logs").fine();
    let legend = "  RUN  LAST  STEP  NOTES\n  run   0.9     0  9 at the step of a later point\n";
    assert!(out.ends_with(legend), "{out}");
    // A policy that drops points reports it.
    let done = folder.tbx("plot logs --x relative --restart rustboard");
    assert_eq!(
        done.err,
        "tbx: 9 points of 1 run dropped by restart policy rustboard; tbx inspect lists them, \
         --restart keep-all keeps them\n"
    );
}

#[test]
fn a_session_that_starts_again_comes_behind_the_one_before() {
    let folder = Folder::new();
    let writer = folder.run("logs/run");
    let session: Vec<_> = (1..=5).map(|step| (step * 1000, step as f64)).collect();
    log(&writer, "rew", 0, &session);
    log(&writer, "rew", 5, &session);
    writer.close().unwrap();
    for args in ["", "--restart keep-all"] {
        let out = folder.tbx(&format!("plot logs --x relative --width 100 {args}")).fine();
        let axis = out.lines().rev().nth(2).unwrap();
        assert!(axis.starts_with("   0 ") && axis.contains(" 6s "), "{out}");
        assert!(out.ends_with("  run     5  5000\n"), "no point is missing: {out}");
    }
    let args = "plot logs --x relative --xlim 4.5:5.5 --ascii --width 60 --height 9";
    assert!(folder.tbx(args).fine().contains('*'), "the line goes back down between the sessions");
}

#[test]
fn points_are_in_the_order_of_time_whatever_the_order_of_the_log() {
    let folder = Folder::new();
    // Two files of one run; the later one is written first.
    for (second, host) in [(50u32, "a"), (0, "b")] {
        let writer = SummaryWriter::options().host(host).clock(|| START);
        let writer = writer.create(folder.path("logs")).unwrap();
        let points: Vec<_> = (0..50).map(|i| (i, f64::from(second) + i as f64)).collect();
        log(&writer, "x", second, &points);
        writer.close().unwrap();
    }
    let out = folder.tbx("plot logs --x relative --width 70 --height 12 --ascii").fine();
    let heights: Vec<usize> = (10..60)
        .filter_map(|column| {
            let rows = out.lines().skip(1).take(10);
            rows.enumerate()
                .filter(|(_, row)| row.as_bytes().get(column) == Some(&b'*'))
                .map(|(i, _)| i)
                .max()
        })
        .collect();
    assert!(heights.len() > 40 && heights.is_sorted_by(|a, b| a >= b), "{out}");
    assert!(out.ends_with("  .      99    49\n"), "{out}");
}

#[test]
fn zero_is_the_first_point_that_is_drawn() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    log(&writer, "early", 0, &[(0, 1.0), (1, 2.0)]);
    log(&writer, "late", 100, &[(0, 1.0), (1, 2.0), (2, 3.0)]);
    writer.close().unwrap();
    let out = folder.tbx("plot logs --x relative --tag late --width 90 --height 6").fine();
    let axis = out.lines().nth(6).unwrap();
    assert!(axis.starts_with("  0s ") && axis.contains(" 1.0s "), "{out}");
    // The plot does not depend on the other tags that are loaded.
    let both = folder.tbx("plot logs --x relative --width 90 --height 6").fine();
    assert!(both.ends_with(&out), "{both}");
}
