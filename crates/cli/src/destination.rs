//! The destination of subcommands that write new logs.

use std::path::{Path, PathBuf};

use super::output::Format;
use super::render::{bytes, count, name};
use tbx::error::Result;
use tbx::logdir::Logdir;
use tbx_runs::edit::{Destination, SideFiles, Sidecars, tidy};

/// Options for where new logs go.
#[derive(clap::Args)]
pub(super) struct To {
    /// New directory; nothing may be there yet. It appears when it is complete.
    #[arg(
        short,
        long,
        value_name = "DIR",
        required_unless_present_any = ["in_place", "dry_run"],
        conflicts_with = "in_place"
    )]
    out: Option<PathBuf>,

    /// Replace the files, and keep each original next to its new file as *.tf-events.*.bak. No program may
    /// be writing to them.
    #[arg(long)]
    in_place: bool,

    /// Write nothing; only report what would be done.
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Copy event files only, without side files (hparams.yaml, projector files, ...).
    #[arg(long)]
    pub(super) no_sidecars: bool,

    /// Also copy other files through links out of their run. Use it only for logs that you trust: a link
    /// can point to any file of this machine.
    #[arg(long)]
    follow_links: bool,

    /// Text, or JSON: one object.
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

impl To {
    pub(super) fn destination(&self) -> Destination<'_> {
        match &self.out {
            _ if self.dry_run => Destination::Nowhere,
            Some(out) => Destination::Folder(out),
            None => Destination::InPlace,
        }
    }

    /// The directory that has the results.
    pub(super) fn root(&self, logdir: &Logdir) -> PathBuf {
        let path = logdir.path();
        match &self.out {
            Some(out) => out.clone(),
            None if path.is_dir() => path.to_owned(),
            None => path.parent().unwrap_or(Path::new("")).to_owned(),
        }
    }

    /// The logs at `path`. First undoes an interrupted call, so that all logs are found.
    pub(super) fn logs(&self, path: &Path) -> Result<Logdir> {
        if self.in_place && !self.dry_run {
            tidy(path)?;
        }
        Logdir::open(path)
    }

    /// How to treat side files.
    pub(super) fn sidecars(&self) -> SideFiles {
        match (self.no_sidecars, self.follow_links) {
            (true, _) => SideFiles::Leave,
            (false, false) => SideFiles::Copy,
            (false, true) => SideFiles::FollowLinks,
        }
    }

    /// The part of the last line that names the destination.
    pub(super) fn place(&self) -> String {
        match &self.out {
            _ if self.dry_run => "dry run, nothing was written".into(),
            Some(out) => format!("written to {}", name(&out.to_string_lossy())),
            None => "in place, the originals are *.bak".into(),
        }
    }
}

/// The part of the last line about other files.
pub(super) fn others(sidecars: Sidecars) -> Option<String> {
    let Sidecars { files, bytes: size, left, .. } = sidecars;
    let links = match left {
        0 => String::new(),
        1 => ", 1 link left out".into(),
        n => format!(", {} links left out", count(n)),
    };
    match files {
        0 if left == 0 => None,
        1 => Some(format!("1 other file, {}{links}", bytes(size))),
        n => Some(format!("{} other files, {}{links}", count(n), bytes(size))),
    }
}

/// `path` relative to `logdir`.
pub(super) fn below(logdir: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(logdir).ok().filter(|path| path.file_name().is_some());
    name(&relative.unwrap_or(path).to_string_lossy())
}
