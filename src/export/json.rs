//! JSON Lines: an object a line, a line a point. NaN and infinities are strings.

use super::Target;
use super::output::Output;
use crate::error::{ErrorKind, Result};
use crate::logdir::Run;
use crate::table::number::Exact;

pub(super) const TARGET: Target =
    Target { name: "json", about: "JSON Lines, an object a point", head: |_| Ok(()), run };

/// The point of a line; the names of its fields are the columns.
#[derive(serde::Serialize)]
struct Point<'a> {
    run: &'a str,
    tag: &'a str,
    step: i64,
    wall_time: Exact,
    value: Exact,
}

fn run(run: &Run, output: &mut Output) -> Result<()> {
    for series in &run.series {
        let Some(scalars) = series.scalars() else { continue };
        let points = series.steps().iter().zip(series.wall_times()).zip(scalars.iter());
        for ((step, wall_time), value) in points {
            let point = Point {
                run: &run.name,
                tag: series.tag(),
                step: *step,
                wall_time: Exact(*wall_time),
                value: Exact(value),
            };
            serde_json::to_writer(&mut output.buffer, &point)
                .map_err(|error| ErrorKind::from(std::io::Error::from(error)))?;
            output.end_line()?;
        }
    }
    Ok(())
}
