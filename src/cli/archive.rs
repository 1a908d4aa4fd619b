//! `tbx archive`

use std::path::PathBuf;

use super::render::{bytes, counted, name};
use super::wanted::Wanted;
use super::{FAILED, FINE, print, report, warn};
use crate::archive::Pack;
use crate::error::Result;

#[derive(clap::Args)]
#[command(
    after_help = "Packs whole directories of runs: event files, tbx.json, artifacts, all that is in
them, also runs inside of runs, with times and permissions. The archive is read again
and all digests are compared before anything is removed. A file that changes meanwhile
is an error. Runs with registered models are packed, but never removed.

tbx restore brings the runs back byte for byte; so does tar --zstd -x.

Examples:
  tbx archive runs --out runs-2024.tar.zst
  tbx archive runs --out failed.tar.zst --run '^sweep_3/' --remove
  tar --zstd -tf failed.tar.zst"
)]
pub(super) struct Args {
    /// The log folder.
    #[arg(value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdir: PathBuf,

    /// The new file; nothing may be there yet.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Only runs whose name matches this regular expression; several times for several.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse)]
    run: Vec<Wanted>,

    /// Remove the runs once they are in the archive.
    #[arg(long)]
    remove: bool,

    /// Also runs that are running, and over a file that is there.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let mut pack = Pack::find(&args.logdir)?.force(args.force).remove(args.remove);
    if !args.run.is_empty() {
        // All are asked, so that each can say that it found none.
        pack = pack.only(|name| args.run.iter().filter(|run| run.is_match(name)).count() > 0);
        args.run.iter().try_for_each(|run| run.check("run"))?;
    }
    let packed = pack.write(&args.out)?;
    let is_complete = report(&pack.report());
    let removed = match (args.remove, packed.is_removed) {
        (true, true) => ", removed",
        (true, false) => ", not all removed",
        _ => "",
    };
    print(&format!(
        "{}, {}, {}: {} in {}{removed}\n",
        counted(packed.runs.len(), "run"),
        counted(packed.files, "file"),
        bytes(packed.bytes),
        bytes(packed.archive_bytes),
        name(&args.out.to_string_lossy()),
    ))?;
    if args.remove && !packed.is_removed {
        warn("files came into the directories meanwhile: they are not in the archive and stay");
        return Ok(FAILED);
    }
    Ok(if is_complete { FINE } else { FAILED })
}
