//! What every subcommand that reads logs lets one choose.

use crate::variants::{Variants, variant};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::COMMON;
use super::empty::{Empty, Opened};
use super::wanted::Wanted;
use tbx::error::Result;
use tbx::logdir::{Checksums, LoadOptions, Logdir, RestartPolicy};
use tbx::summary::Kind;

/// The logs and what of them is wanted.
#[derive(clap::Args)]
pub(super) struct Logs {
    /// Log folders, or single event files; or URLs of them, see `tbx --help`.
    #[arg(required = true, value_name = "LOGDIR", env = "TBX_LOGDIR")]
    pub(super) logdirs: Vec<PathBuf>,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    pub(super) empty: Empty,
}

/// What of some logs is wanted.
#[derive(clap::Args)]
pub(super) struct Choice {
    /// Only runs whose name matches this regular expression.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse, help_heading = COMMON)]
    run: Option<Wanted>,

    /// Only tags that match this regular expression.
    #[arg(long, value_name = "REGEX", value_parser = Wanted::parse, help_heading = COMMON)]
    tag: Option<Wanted>,

    /// What a resumed program's points do to those it wrote before.
    #[arg(
        long,
        value_name = "POLICY",
        value_parser = variant::<RestartPolicy>(),
        default_value = "session-start",
        env = "TBX_RESTART",
        help_heading = COMMON
    )]
    restart: RestartPolicy,

    /// Stop at the first damage instead of reading on behind it.
    #[arg(long, help_heading = COMMON)]
    strict: bool,

    /// Also read files that go along with a run (hparams.yaml, artifacts) behind links that lead out
    /// of its directory. Only for logs that you trust: a link can lead to any file of this machine.
    #[arg(long, help_heading = COMMON)]
    follow_links: bool,
}

impl Logs {
    /// Opens the log directories, and says which of them have no logs.
    pub(super) fn open(&self) -> Result<Opened> {
        self.empty.open(&self.logdirs)
    }

    /// The same, where a log directory also counts if `has_other` holds for it.
    pub(super) fn open_or(&self, has_other: fn(&Path) -> bool) -> Result<Opened> {
        let logdirs = self.logdirs.iter().map(Logdir::open).collect::<Result<_>>()?;
        Ok(self.empty.opened_or(logdirs, has_other))
    }

    /// Whether runs were chosen.
    pub(super) fn has_run(&self) -> bool {
        self.choice.run.is_some()
    }

    /// Whether tags were chosen.
    pub(super) fn has_tag(&self) -> bool {
        self.choice.tag.is_some()
    }

    /// Whether a tag of this name was asked for.
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
    /// What to load. Nothing is mapped: a file may be cut short while the program reads it.
    pub(super) fn options(&self) -> LoadOptions {
        let mut options = LoadOptions::new()
            .payloads(false)
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

    /// Once all is loaded: that what was asked for by name was there.
    pub(super) fn check(&self) -> Result<()> {
        self.run.as_ref().map_or(Ok(()), |run| run.check("run"))?;
        self.tag.as_ref().map_or(Ok(()), |tag| tag.check("tag"))
    }
}

/// The parser of `--kind`.
pub(super) fn kind_parser() -> impl TypedValueParser<Value = Kind> {
    let names = Kind::ALL.iter().map(|kind| kind.name());
    PossibleValuesParser::new(names).map(|name| Kind::from_name(&name).unwrap_or(Kind::Tensor))
}

/// Which checksums are verified.
pub(super) fn checksums(no_checksum: bool) -> Checksums {
    if no_checksum { Checksums::Decoded } else { Checksums::Wanted }
}

impl Variants for RestartPolicy {
    const ALL: &'static [Self] = Self::ALL;

    fn described(self) -> (&'static str, &'static str) {
        let help = match self {
            Self::SessionStart => "a START drops earlier points from its step on",
            Self::KeepAll => "every point counts",
            Self::Tensorboard => "as TensorBoard with --load_fast=false",
            Self::Rustboard => "as TensorBoard's default loader",
            _ => "",
        };
        (self.name(), help)
    }
}
