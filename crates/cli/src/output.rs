//! Output of the program, in one style for all commands.
//!
//! Results go to the standard output. Everything else goes to the standard error: errors and warnings start
//! with `tbx:` in red or yellow, notes have no prefix.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use clap::builder::Styles;
use serde::Serialize;

use super::options_of::with_options;
use super::progress;
use super::render::{self, DIM, counted, name, styled};
use tbx::error::{Error, ErrorKind, Issue, Report, Result};
use tbx::logdir::RestartPolicy;
use tbx::redact;
use tbx_runs::printable::{Escape, ForTerminal};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HEAD: Style = AnsiColor::Green.on_default().bold();
const LITERAL: Style = AnsiColor::Cyan.on_default().bold();
const PLACEHOLDER: Style = AnsiColor::Cyan.on_default();

/// Output formats of results that are not tables. [`grid`](super::grid) has those of tables.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Colors of the help.
pub(super) const HELP: Styles = Styles::styled()
    .header(HEAD)
    .usage(HEAD)
    .literal(LITERAL)
    .placeholder(PLACEHOLDER)
    .error(ERROR)
    .valid(LITERAL)
    .invalid(WARNING);

/// Maximum number of issues that are listed.
const MAX_ISSUES: usize = 20;
/// Maximum number of series with dropped points that are listed.
const MAX_RESTARTS: usize = 20;

/// Prints text, with colors where they are visible.
pub(super) fn print(text: &str) -> Result<()> {
    progress::clear();
    let mut out = anstream::stdout();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(|error| ErrorKind::from(error).into())
}

/// Prints a line of JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<()> {
    let line = serde_json::to_string(value).map_err(io::Error::from);
    let printed = line.and_then(|line| stdout(Escape::Json).write_all((line + "\n").as_bytes()));
    printed.map_err(|error| ErrorKind::from(error).into())
}

/// The standard output for data that other programs read. Bytes are unchanged, except on a terminal, where
/// control characters in names are escaped.
pub(super) fn stdout(escape: Escape) -> Box<dyn Write> {
    progress::clear();
    let out = io::stdout().lock();
    if out.is_terminal() { Box::new(ForTerminal::new(out, escape)) } else { Box::new(out) }
}

/// Prints a note that follows a result, dimmed.
pub(super) fn print_note(text: &str) -> Result<()> {
    print(&format!("{}\n", styled(DIM, text)))
}

/// Prints a line to the standard error. Control characters are escaped and secrets are hidden.
pub(super) fn say(line: &str) {
    progress::clear();
    // A failed write to the standard error cannot be reported anywhere.
    let _ = writeln!(anstream::stderr(), "{}", name(&redact::text(&with_options(line))));
}

/// Prints a warning.
pub(super) fn warn(what: impl Display) {
    prefixed(WARNING, &what.to_string());
}

/// Prints an error.
pub(super) fn fail(error: &Error) {
    match error.kind() {
        // A message of the program may have several lines; a name in it may not.
        ErrorKind::Argument(text) => {
            let mut lines = text.lines();
            prefixed(ERROR, lines.next().unwrap_or_default());
            lines.for_each(say);
        }
        _ => prefixed(ERROR, &error.to_string()),
    }
}

fn prefixed(style: Style, line: &str) {
    progress::clear();
    let _ = writeln!(
        anstream::stderr(),
        "{style}tbx:{style:#} {}",
        name(&redact::text(&with_options(line)))
    );
}

/// Prints help, the version or a usage error from clap. Returns whether it is an error.
pub(super) fn usage(error: &clap::Error) -> bool {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        // The message repeats arguments.
        let text = text.replacen("error:", "tbx:", 1);
        let _ = write!(anstream::stderr(), "{}", redact::text(&text));
    } else {
        let _ = write!(anstream::stdout(), "{text}");
    }
    error.use_stderr()
}

/// Prints damage, then notes. Returns whether no data was lost.
pub(super) fn report(report: &Report) -> bool {
    let (losses, notes): (Vec<&Issue>, Vec<&Issue>) =
        report.issues.iter().partition(|issue| issue.effect.is_loss());
    losses.iter().take(MAX_ISSUES).for_each(warn);
    let more = u64::try_from(losses.len().saturating_sub(MAX_ISSUES)).unwrap_or(u64::MAX);
    let more = report.more_issues.saturating_add(more);
    if more > 0 {
        warn(format!("{} more problems; tbx inspect shows them", render::count(more)));
    }
    notes.iter().take(MAX_ISSUES).for_each(|note| say(&note.to_string()));
    if let Some(more) = notes.len().checked_sub(MAX_ISSUES).filter(|more| *more > 0) {
        say(&format!("{}; tbx inspect shows them", render::counted(more, "more note")));
    }
    report.is_lossless()
}

/// Warns about points that the restart policy dropped: one line per series.
pub(super) fn restarts(report: &Report, policy: RestartPolicy) {
    let policy = policy.name();
    for dropped in report.restarts.iter().take(MAX_RESTARTS) {
        let (run, tag) = (&dropped.run, &dropped.tag);
        warn(format!("run {run:?}, tag {tag:?}: {dropped} by restart policy {policy}"));
    }
    if let Some(more) = report.restarts.len().checked_sub(MAX_RESTARTS).filter(|more| *more > 0) {
        warn(format!("{more} more series had points dropped; tbx inspect shows them"));
    }
}

/// Warns about dropped points in one line, for commands that show curves or numbers of many runs.
pub(super) fn restarts_in_short(report: &Report, policy: RestartPolicy) {
    if report.restarts.is_empty() {
        return;
    }
    let points = counted(report.restarts.iter().map(|dropped| dropped.points).sum(), "point");
    let runs: BTreeSet<_> = report.restarts.iter().map(|dropped| &dropped.run).collect();
    let runs = counted(runs.len(), "run");
    let policy = policy.name();
    warn(format!(
        "{points} of {runs} dropped by restart policy {policy}; tbx inspect lists them, --restart \
         keep-all keeps them"
    ));
}
