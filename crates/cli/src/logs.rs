//! Options of every subcommand that reads logs.

use crate::variants::{Variants, variant};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::COMMON;
use super::empty::{Empty, Opened};
use super::wanted::Wanted;
use tbx::error::Result;
use tbx::logdir::{Checksums, LoadOptions, Logdir, Payloads, RestartPolicy};
use tbx::summary::Kind;

/// The log directories, and the options that select from them.
#[derive(clap::Args)]
pub(super) struct Logs {
    /// Log directories or single event files, or their URLs (see `tbx --help`).
    #[arg(required = true, value_name = "LOGDIR", env = "TBX_LOGDIR")]
    pub(super) logdirs: Vec<PathBuf>,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    pub(super) empty: Empty,
}

/// The options that select runs and tags and say how to read them.
#[derive(clap::Args)]
pub(super) struct Choice {
    /// Only runs whose name matches this regular expression.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse, help_heading = COMMON)]
    run: Option<Wanted>,

    /// Only tags that match this regular expression.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse, help_heading = COMMON)]
    tag: Option<Wanted>,

    /// How points of a resumed program replace the earlier ones.
    #[arg(
        long,
        value_name = "POLICY",
        value_parser = variant::<RestartPolicy>(),
        default_value = "session-start",
        env = "TBX_RESTART",
        help_heading = COMMON
    )]
    restart: RestartPolicy,

    /// Stop at the first damaged record.
    #[arg(long, help_heading = COMMON)]
    strict: bool,

    /// Also follow links out of a run's directory when reading its side files (hparams.yaml, artifacts).
    /// Use it only for logs that you trust: a link can point to any file of this machine.
    #[arg(long, help_heading = COMMON)]
    follow_links: bool,
}

impl Logs {
    /// Opens the log directories and reports those without logs.
    pub(super) fn open(&self) -> Result<Opened> {
        self.empty.open(&self.logdirs)
    }

    /// Opens the log directories like [`open`](Self::open). A directory also counts if `has_other` holds
    /// for it.
    pub(super) fn open_or(&self, has_other: fn(&Path) -> bool) -> Result<Opened> {
        let logdirs = self.logdirs.iter().map(Logdir::open).collect::<Result<_>>()?;
        Ok(self.empty.opened_or(logdirs, has_other))
    }

    /// True if `--run` was given.
    pub(super) fn has_run(&self) -> bool {
        self.choice.run.is_some()
    }

    /// True if `--tag` was given.
    pub(super) fn has_tag(&self) -> bool {
        self.choice.tag.is_some()
    }

    /// True if `--run` matches this name, or was not given.
    pub(super) fn has_run_like(&self, name: &str) -> bool {
        self.choice.run.as_ref().is_none_or(|run| run.is_match(name))
    }

    /// True if links out of a directory are followed.
    pub(super) fn follows_links(&self) -> bool {
        self.choice.follow_links
    }

    /// True if `--tag` matches this name, or was not given.
    pub(super) fn has_tag_like(&self, name: &str) -> bool {
        self.choice.tag.as_ref().is_none_or(|tag| tag.is_match(name))
    }

    pub(super) fn options(&self) -> LoadOptions {
        self.choice.options()
    }

    /// See [`Choice::check`].
    pub(super) fn check(&self) -> Result<()> {
        self.choice.check()
    }
}

impl Choice {
    /// The load options. Files are not mapped, since a file may be cut short while the program reads it.
    pub(super) fn options(&self) -> LoadOptions {
        let mut options = LoadOptions::new()
            .payloads(Payloads::Dropped)
            .restart(self.restart)
            .strict(self.strict)
            .follow_links(self.follow_links);
        if let Some(run) = self.run.clone() {
            options = options.runs(move |name| run.is_match(name));
        }
        if let Some(tag) = self.tag.clone() {
            options = options.tags(move |name| tag.is_match(name));
        }
        options
    }

    /// Fails if `--run` or `--tag` matched nothing. Call it after everything is loaded.
    pub(super) fn check(&self) -> Result<()> {
        self.run.as_ref().map_or(Ok(()), |run| run.check("run"))?;
        self.tag.as_ref().map_or(Ok(()), |tag| tag.check("tag"))
    }
}

/// The parser of `--kind`.
pub(super) fn kind_parser() -> impl TypedValueParser<Value = Kind> {
    let names = Kind::ALL.iter().map(|kind| kind.name());
    PossibleValuesParser::new(names).map(|name| name.parse().unwrap_or(Kind::Tensor))
}

/// The checksums to verify.
pub(super) fn checksums(no_checksum: bool) -> Checksums {
    if no_checksum { Checksums::Decoded } else { Checksums::Wanted }
}

impl Variants for RestartPolicy {
    const ALL: &'static [Self] = Self::ALL;

    fn described(self) -> (&'static str, &'static str) {
        let help = match self {
            Self::SessionStart => "a START event drops earlier points from its step on",
            Self::KeepAll => "keep every point",
            Self::Tensorboard => "like TensorBoard with --load_fast=false",
            Self::Rustboard => "like TensorBoard's default loader",
            _ => "",
        };
        (self.name(), help)
    }
}
