//! `tbx repair`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::destination::{To, below, others};
use super::empty::Empty;
use super::output::Format;
use super::render::{DIM, RED, bytes, count, counted, styled};
use super::{FAILED, FINE, NO, print, print_json, report};
use tbx::error::Result;
use tbx_runs::edit::{FileRepair, Repair, Repaired};

/// Maximum number of files that are listed.
const MAX_LISTED: usize = 20;

#[derive(clap::Args)]
#[command(
    after_help = "Copies every intact event record, byte for byte, and leaves out records that are damaged or \
unfinished. A file without a version gets one. A wall time that is NaN or infinite is replaced by that of \
the previous event. Files without damage are copied unchanged.

Exit code: 0; 1 if a dry run finds something to repair; 2 for an error.

Examples:
  tbx repair runs --dry-run
  tbx repair runs --out repaired
  tbx repair runs --in-place"
)]
pub(super) struct Args {
    /// Log directory, or a single event file.
    #[arg(value_name = "LOGDIR")]
    logdir: PathBuf,

    #[command(flatten)]
    to: To,

    #[command(flatten)]
    empty: Empty,
}

/// The result in JSON.
#[derive(Serialize)]
struct Row<'r> {
    logdir: String,
    dry_run: bool,
    sound_files: usize,
    events: u64,
    files: Vec<FileRow<'r>>,
}

#[derive(Serialize)]
struct FileRow<'r> {
    path: String,
    run: &'r str,
    saved: u64,
    damaged: u64,
    lost_bytes: u64,
    unfinished_bytes: u64,
    wall_times: u64,
    version: bool,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let logdir = args.to.logs(&args.logdir)?;
    if !logdir.has_logs() && args.empty.say(&args.logdir) == NO {
        return Ok(NO);
    }
    let repair = Repair::new().side_files(args.to.sidecars());
    let repaired = repair.run(&logdir, args.to.destination())?;
    let is_complete = report(&repaired.report);
    match args.to.format {
        Format::Text => print(&text(args, &repaired))?,
        Format::Json => print_json(&row(args, &repaired))?,
    }
    Ok(match (is_complete, args.to.dry_run && !repaired.files.is_empty()) {
        (false, _) => FAILED,
        (true, true) => NO,
        (true, false) => FINE,
    })
}

fn row<'r>(args: &Args, repaired: &'r Repaired) -> Row<'r> {
    let file = |file: &'r FileRepair| FileRow {
        path: file.path.to_string_lossy().into_owned(),
        run: &file.run,
        saved: file.saved,
        damaged: file.damaged,
        lost_bytes: file.lost_bytes,
        unfinished_bytes: file.unfinished_bytes,
        wall_times: file.wall_times,
        version: file.version,
    };
    Row {
        logdir: args.logdir.to_string_lossy().into_owned(),
        dry_run: args.to.dry_run,
        sound_files: repaired.sound_files,
        events: repaired.events,
        files: repaired.files.iter().map(file).collect(),
    }
}

fn text(args: &Args, repaired: &Repaired) -> String {
    let mut text = String::new();
    // Losses come first.
    let mut files: Vec<_> = repaired.files.iter().collect();
    files.sort_by_key(|file| !file.is_lost());
    for file in files.iter().take(MAX_LISTED) {
        text += &line(&args.logdir, file);
    }
    if files.len() > MAX_LISTED {
        let more = counted(files.len() - MAX_LISTED, "more file");
        text += &styled(DIM, &format!("... and {more}: --format json lists all\n"));
    }
    let lost = files.iter().filter(|file| file.is_lost()).count();
    let events = counted(usize::try_from(repaired.events).unwrap_or(usize::MAX), "event");
    let mut parts = vec![
        format!("{} sound", counted(repaired.sound_files, "file")),
        format!("{} repaired", count(u64::try_from(files.len() - lost).unwrap_or(0))),
        format!("{} lost", count(u64::try_from(lost).unwrap_or(0))),
        events,
    ];
    parts.extend(others(repaired.sidecars));
    text + &format!("{}; {}\n", parts.join(", "), args.to.place())
}

/// One line about a file.
fn line(logdir: &Path, file: &FileRepair) -> String {
    let path = below(logdir, &file.path);
    if file.is_lost() {
        return format!("{path}: {}\n", styled(RED, "nothing could be saved"));
    }
    let mut parts = Vec::new();
    if file.damaged > 0 {
        let places = counted(usize::try_from(file.damaged).unwrap_or(usize::MAX), "damaged place");
        let lost = bytes(file.lost_bytes.saturating_sub(file.unfinished_bytes));
        parts.push(format!("{places} left out ({lost})"));
    }
    if file.unfinished_bytes > 0 {
        parts.push(format!("{} of an unfinished record left out", bytes(file.unfinished_bytes)));
    }
    if file.version {
        parts.push("file version added".into());
    }
    if file.wall_times > 0 {
        let times = counted(usize::try_from(file.wall_times).unwrap_or(usize::MAX), "wall time");
        parts.push(format!("{times} replaced"));
    }
    format!("{path}: {}\n", parts.join(", "))
}
