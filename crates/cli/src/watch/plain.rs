//! The output of a watch that does not go to a terminal.

use std::io::{self, Write};

use crate::render::{date, name, number};
use tbx::error::{ErrorKind, Result};
use tbx::logdir::{News, RunNews};

/// Maximum number of values per line.
const MAX_VALUES: usize = 6;

/// Prints one line per run that changed. `full` returns the full name of a run.
pub(super) fn print(news: &News, now: f64, full: impl Fn(&str) -> String) -> Result<()> {
    let mut out = anstream::stdout();
    let mut text = String::new();
    for run in &news.removed {
        text += &format!("{}  {}  removed\n", date(now), name(&full(run)));
    }
    for run in &news.runs {
        if let Some(line) = line(run) {
            text += &format!("{}  {}  {line}\n", date(now), name(&full(&run.name)));
        }
    }
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error: io::Error| ErrorKind::from(error).into())
}

/// The changes of a run; none if only the size of its files changed.
fn line(run: &RunNews) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(reset) = &run.reset {
        parts.push(format!("read again: {}", name(&reset.to_string())));
    }
    let with_points = || run.series.iter().filter(|new| !new.points.is_empty());
    if let Some(step) = with_points().filter_map(|new| new.points.steps().last()).max() {
        parts.push(format!("step {step}"));
    }
    for new in with_points().take(MAX_VALUES) {
        let last = new.points.scalars().and_then(|scalars| scalars.iter().last());
        parts.push(format!("{} {}", name(new.points.tag()), last.map_or(String::new(), number)));
    }
    let more = with_points().count().saturating_sub(MAX_VALUES);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    (!parts.is_empty()).then(|| parts.join("  "))
}
