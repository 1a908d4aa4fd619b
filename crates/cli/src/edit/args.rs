//! The options of `tbx edit`.

use std::path::PathBuf;

use clap::ArgAction;
use regex::Regex;

use crate::destination::To;
use crate::empty::Empty;
use crate::variants::variant;
use tbx::error::Error;
use tbx::logdir::RestartPolicy;
use tbx::meta::Param;
use tbx::summary::Kind;
use tbx_runs::table::Sampling;

#[derive(clap::Args)]
#[command(
    after_help = "REGEX matches any part of a tag or a run's name: ^ and $ match its ends. $1 in NEW and NAME is the
first group; write ${1} before a letter, a digit or _. Options refer to the original tags; --rename is applied last.
Records that do not change keep their bytes, including fields that tbx does not know.

--continue-steps is for programs that start at step 0 again, such as Keras with each fit(). All points are
kept. The steps of each session follow those of the session before, by the same offset for all tags. A session
that resumed from a checkpoint starts in the middle: its steps stay, and --compact --restart rustboard drops the
points that it replaced. --join does the same over several runs.

Examples:
  tbx edit runs --out new --rename '^train/' 'training/' --drop-tag '^grad/'
  tbx edit runs --out new --sample scalar=minmax:1000
  tbx edit runs --out new --split-tags '^(train|val)/' '$1'
  tbx edit runs --out new --compact --merge
  tbx edit runs --out new --continue-steps
  tbx edit runs --out new --join monday,tuesday --into week
  tbx edit runs/1 --in-place --set-param lr=0.1 --set-param optimizer=adam
  tbx edit runs --in-place --drop-run '^debug' --dry-run"
)]
pub(in super::super) struct Args {
    /// Log directory, or a single event file.
    #[arg(value_name = "LOGDIR")]
    pub(super) logdir: PathBuf,

    #[command(flatten)]
    pub(super) to: To,

    #[command(flatten)]
    pub(super) empty: Empty,

    /// Replace matches of REGEX in tags. It is an error if two tags of a run become the same.
    #[arg(long, num_args = 2, value_names = ["REGEX", "NEW"], action = ArgAction::Append, allow_hyphen_values = true)]
    pub(super) rename: Vec<String>,

    /// Drop values of these tags.
    #[arg(long, value_name = "REGEX")]
    pub(super) drop_tag: Vec<Regex>,

    /// Drop values of all other tags.
    #[arg(long, value_name = "REGEX")]
    pub(super) keep_tag: Vec<Regex>,

    /// Drop these runs.
    #[arg(long, value_name = "REGEX")]
    pub(super) drop_run: Vec<Regex>,

    /// Drop all other runs.
    #[arg(long, value_name = "REGEX")]
    pub(super) keep_run: Vec<Regex>,

    /// Merge the files of each run into one.
    #[arg(long)]
    pub(super) merge: bool,

    /// Make one curve of sessions that start at the first step again: their steps follow those of the
    /// session before. Wall times stay. In a run whose points are all at one step, each point of a tag gets
    /// its own step.
    #[arg(long)]
    pub(super) continue_steps: bool,

    /// Treat train, validation and other parts of a run as runs. --continue-steps then looks for sessions
    /// in each of them, and --set-param adds a row for each.
    #[arg(long)]
    pub(super) no_fold: bool,

    /// Join runs in this order, with steps that continue as with --continue-steps. If they are directories
    /// of runs, the runs of the same name in them are joined.
    #[arg(long, value_name = "RUN,RUN..", requires = "into")]
    pub(super) join: Vec<String>,

    /// Name of the joined run.
    #[arg(long, value_name = "NAME", requires = "join")]
    pub(super) into: Vec<String>,

    /// Split files that are longer than this, for example 100MB.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) split_size: Option<u64>,

    /// Move these tags to a run called NAME below their own run.
    #[arg(long, num_args = 2, value_names = ["REGEX", "NAME"], action = ArgAction::Append, allow_hyphen_values = true)]
    pub(super) split_tags: Vec<String>,

    /// Add this to every step.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(super) shift_steps: i64,

    /// Add this number of seconds to every wall time.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.0,
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub(super) shift_time: f64,

    /// Set a parameter of each run in TensorBoard's hyperparameter table, and in tbx.json where a run has
    /// one. A run without hyperparameters gets a row in the table. Values are bools, numbers or texts, as
    /// in Python and JSON: 0.1, True, adam; double quotes make a text. To set a parameter of one run, use
    /// its directory as LOGDIR, or see tbx meta.
    #[arg(long, value_name = "NAME=VALUE", value_parser = param)]
    pub(super) set_param: Vec<(String, Param)>,

    /// Remove a parameter from each run.
    #[arg(long, value_name = "NAME")]
    pub(super) unset_param: Vec<String>,

    /// Thin out series of one kind, or of all: reservoir:N keeps N random points, as TensorBoard does;
    /// minmax:N keeps N points with all peaks, lttb:N keeps N that preserve the shape of the line
    /// (scalars); every:N keeps every N-th. The last point is always kept.
    #[arg(long, value_name = "[KIND=]METHOD:N", value_parser = sample)]
    pub(super) sample: Vec<(Option<Kind>, Sampling)>,

    /// Drop points that a restart replaced, and repeated metadata.
    #[arg(long)]
    pub(super) compact: bool,

    /// Restart policy of --compact.
    #[arg(
        long,
        value_name = "POLICY",
        value_parser = variant::<RestartPolicy>(),
        default_value = "session-start",
        requires = "compact"
    )]
    pub(super) restart: RestartPolicy,
}

/// Parses a number of bytes: `100MB`, `1.5GiB`, `4096`.
fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = text.get(digits.len()..).unwrap_or("").trim().to_lowercase();
    let unit: f64 = match unit.as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        unit => return Err(format!("there is no unit {unit:?}; try kB, MB or GB")),
    };
    let number: f64 = digits.parse().map_err(|_| "not a number of bytes".to_owned())?;
    #[expect(clippy::as_conversions, reason = "saturates, and takes NaN to 0")]
    let bytes = (number * unit) as u64;
    if bytes == 0 { Err("less than a byte".into()) } else { Ok(bytes) }
}

/// Parses `NAME=VALUE`.
fn param(text: &str) -> std::result::Result<(String, Param), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), Param::inferred(value))),
        _ => Err(format!("{text:?} is not NAME=VALUE")),
    }
}

fn sample(text: &str) -> std::result::Result<(Option<Kind>, Sampling), String> {
    let (kind, method) = match text.split_once('=') {
        Some((kind, method)) => {
            let kind = kind.parse().map_err(|error: Error| error.to_string())?;
            (Some(kind), method)
        }
        None => (None, text),
    };
    let sampling = method.parse::<Sampling>().map_err(|error| error.to_string())?;
    Ok((kind, sampling))
}
