//! `tbx archive`

use std::path::PathBuf;

use super::empty::Empty;
use super::render::{bytes, counted, name};
use super::wanted::Wanted;
use super::{FAILED, FINE, print, report, warn};
use tbx::error::Result;
use tbx::logdir::Logdir;
use tbx_runs::archive::{Pack, Restore};

#[derive(clap::Args)]
#[command(
    after_help = "Packs whole run directories: event files, tbx.json, artifacts and everything else in them,
including nested runs, with times and permissions, and the lists of versions and models above them. The
archive is read again and all digests are compared before anything is removed. A file that changes meanwhile
is an error. Runs with registered models are packed but never removed. If --remove is interrupted, repeat
the command to finish it.

tbx restore restores the runs byte for byte; so does tar --zstd -x.

Examples:
  tbx archive runs --out runs-2024.tar.zst
  tbx archive runs --out failed.tar.zst --run '^sweep_3/' --remove
  tar --zstd -tf failed.tar.zst"
)]
pub(super) struct Args {
    /// Log directory.
    #[arg(value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdir: PathBuf,

    /// Archive to write; nothing may be there yet.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Only runs whose name matches this regular expression. Can be repeated.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse)]
    run: Vec<Wanted>,

    /// Pack the targets of links. Use it only for logs that you trust: a link can point to any file of this
    /// machine. Without it, a link is an error.
    #[arg(long, conflicts_with = "remove")]
    follow_links: bool,

    /// Remove the runs after they are packed and verified.
    #[arg(long)]
    remove: bool,

    /// Also pack runs that are still running, and replace an existing archive unless it has files that
    /// would be lost.
    #[arg(long)]
    force: bool,

    /// With --force, replace any archive, even if files that only it has are lost.
    #[arg(long, requires = "force")]
    discard: bool,

    #[command(flatten)]
    empty: Empty,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let found = Pack::find(&args.logdir)?;
    // If the archive exists, an earlier call may have removed all runs.
    if found.is_empty() && !args.out.exists() && !Logdir::open(&args.logdir)?.has_logs() {
        return Ok(args.empty.say(&args.logdir));
    }
    let mut pack = found
        .force(args.force)
        .follow_links(args.follow_links)
        .remove(args.remove)
        .discard(args.discard);
    if !args.run.is_empty() {
        if args.remove && !args.force && args.out.is_file() {
            // An interrupted removal may have left none of the runs that a pattern names.
            for name in Restore::new(&args.out).runs().unwrap_or_default() {
                args.run.iter().filter(|run| run.is_match(&name)).count();
            }
        }
        // Every pattern is tested, so that each can report that it matched nothing.
        pack = pack.only(|name| args.run.iter().filter(|run| run.is_match(name)).count() > 0);
        args.run.iter().try_for_each(|run| run.check("run"))?;
    }
    let packed = pack.run(&args.out)?;
    let is_complete = report(&pack.report());
    let removed = match (args.remove, packed.is_removed) {
        (true, true) => ", removed",
        (true, false) => ", not all removed",
        _ => "",
    };
    if packed.discarded > 0 {
        let files = counted(usize::try_from(packed.discarded).unwrap_or(usize::MAX), "file");
        warn(format!("the replaced archive was the only place of {files}"));
    }
    let there = if packed.was_there { " already" } else { "" };
    print(&format!(
        "{}, {}, {}: {} in {}{there}{removed}\n",
        counted(packed.runs.len(), "run"),
        counted(packed.files, "file"),
        bytes(packed.bytes),
        bytes(packed.archive_bytes),
        name(&args.out.to_string_lossy()),
    ))?;
    if args.remove && !packed.is_removed {
        warn("some runs got new files that are not in the archive: these runs stay");
        return Ok(FAILED);
    }
    Ok(if is_complete { FINE } else { FAILED })
}
