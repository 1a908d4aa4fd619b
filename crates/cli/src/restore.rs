//! `tbx restore`

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::gc::size;
use super::render::{bytes, counted, date, name};
use super::wanted::Wanted;
use super::{FINE, print, progress};
use tbx::error::{ErrorKind, Result};
use tbx_runs::archive::Restore;

#[derive(clap::Args)]
#[command(
    after_help = "Reads the whole archive before it writes anything. Links, devices and paths that lead out of the
directory are refused. An existing file with different content is an error without --force.

Examples:
  tbx restore runs-2024.tar.zst --list
  tbx restore runs-2024.tar.zst --out runs
  tbx restore runs-2024.tar.zst --out runs --run 'seed_3$'"
)]
pub(super) struct Args {
    /// Archive from tbx archive.
    archive: PathBuf,

    /// Log directory; created if it does not exist.
    #[arg(short, long, value_name = "LOGDIR", required_unless_present = "list")]
    out: Option<PathBuf>,

    /// Only runs whose name matches this regular expression. Can be repeated.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse)]
    run: Vec<Wanted>,

    /// Only list the contents of the archive.
    #[arg(long, conflicts_with = "out")]
    list: bool,

    /// Replace existing files with different content.
    #[arg(long)]
    force: bool,

    /// Maximum number of bytes to unpack [default: 1000 times the size of the archive, at least 1 GiB].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let mut restore = Restore::new(&args.archive).overwrite(args.force);
    if let Some(max) = args.max_size {
        restore = restore.max_bytes(max);
    }
    if !args.run.is_empty() {
        restore =
            restore.only(|name| args.run.iter().filter(|run| run.is_match(name)).count() > 0)?;
        args.run.iter().try_for_each(|run| run.check("run"))?;
    }
    let Some(out) = args.out.as_ref() else { return list(&restore) };
    let restored = restore.run(out)?;
    let same = match restored.same {
        0 => String::new(),
        n => format!(", {} there already", counted(n, "file")),
    };
    print(&format!(
        "{}, {}: written to {}{same}\n",
        counted(restored.files, "file"),
        bytes(restored.bytes),
        name(&out.to_string_lossy()),
    ))?;
    Ok(FINE)
}

fn list(restore: &Restore) -> Result<u8> {
    progress::end();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut closed = None;
    let listed = restore.list(|entry| {
        if entry.is_dir {
            return Ok(());
        }
        let modified = entry.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = date(modified.as_secs_f64());
        let path = name(&entry.path.to_string_lossy());
        writeln!(out, "{:>12}  {date}  {path}", entry.size).inspect_err(|error| {
            closed = Some(io::Error::from(error.kind()));
        })
    });
    // A closed pipe is not an error of the archive.
    let printed = match closed {
        Some(error) => Err(error),
        None => out.flush(),
    };
    printed.map_err(ErrorKind::from)?;
    listed.map(|()| FINE)
}
