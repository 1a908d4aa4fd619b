//! Runs that are resumed after a crash.

use super::log::Log;

/// Writes a run that is resumed once, and one that is resumed twice.
pub(super) fn write(log: &mut Log) {
    for resumed in [1, 2] {
        let name = format!("resumed/{resumed}");
        let mut run = log.open(&name, false, None);
        for step in [1, 2, 3] {
            run.scalar("a", step as f64, step);
        }
        run.scalar("b", 3.0, 3);
        run.text("c", "three", 3);
        for step in [1, 2, 3] {
            run.lines("d", &[("x", step as f64)], &["d_x"], step);
        }
        run.close();
        for start in 2..2 + resumed {
            let mut run = log.open(&name, false, Some(start));
            run.scalar("a", 10.0 * start as f64, start);
            run.lines("d", &[("x", 10.0 * start as f64)], &["d_x"], start);
            run.close();
        }
    }
}
