//! `tbx mirror`

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;

use super::gc::age;
use super::logs::Choice;
use super::render::{count, counted, name};
use super::{FAILED, FINE, progress, say, warn};
use tbx::error::{Error, Result};
use tbx_runs::mirror::{Mirror, MirrorEvent, Mirrored};
use tbx_runs::table::Folding;
use tbx_runs::trackers::mlflow::StateDir;

/// The trackers.
const MLFLOW: &str = "mlflow";
const WANDB: &str = "wandb";

#[derive(clap::Args)]
#[command(
    after_help = "It can be started before, during or after the training, and stopped or killed at any time: the next one
continues, and nothing is sent twice. While the server is away, it waits and asks again at least every 30 seconds.

MLflow gets new runs, points, images, parameters and tags within about an interval; artifacts and other files of a run
at its end. Credentials come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or from MLFLOW_TRACKING_TOKEN.
What somebody changed or deleted in MLflow stays that way.

For Weights & Biases, the offline directory of a run is written again when the run has changed, and replaced at once;
wandb sync uploads it.

A run has ended if its tbx.json or the end of its hparams session says so, if the process that wrote its log is gone, or
if an unknown process has not changed its log for the time of --silence.

Examples:
  tbx mirror runs --to mlflow --uri http://127.0.0.1:5000
  tbx mirror runs --to mlflow --until-finished && echo done
  tbx mirror runs --to wandb --out wandb --until-finished && wandb sync wandb/offline-run-*"
)]
pub(super) struct Args {
    /// Log directories on this machine, which need not exist yet.
    #[arg(required = true, value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdirs: Vec<PathBuf>,

    #[command(flatten)]
    choice: Choice,

    /// Tracker to keep up to date.
    #[arg(long, value_name = "TRACKER", value_parser = PossibleValuesParser::new([MLFLOW, WANDB]))]
    to: String,

    /// Address of the MLflow server [default: MLFLOW_TRACKING_URI]
    #[arg(long, value_name = "URI")]
    uri: Option<String>,

    /// Directory for the offline runs of Weights & Biases.
    #[arg(short, long, value_name = "DIR", required_if_eq("to", WANDB))]
    out: Option<PathBuf>,

    /// Experiment or project of all runs [default: the one in the runs' metadata, otherwise the logdir's name]
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,

    /// Treat every directory as a run, including `train`, `validation` and similar ones.
    #[arg(long)]
    no_fold: bool,

    /// Do not send artifacts and registered models.
    #[arg(long)]
    no_artifacts: bool,

    /// Do not send images.
    #[arg(long)]
    no_images: bool,

    /// End once all runs have ended and nothing has changed for 10 seconds; waits for the first run.
    #[arg(long)]
    until_finished: bool,

    /// Time between two looks at the log directory, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = interval)]
    interval: f64,

    /// A log that an unknown process writes counts as ended after this time without a change: 90s, 15m, 12h.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = age)]
    silence: Duration,

    /// Directory for notes about what the MLflow server has [default: ~/.local/state/tbx]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

fn interval(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "must be a number of seconds from 0.05 to 3600".into())
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let (mirror, place) = match args.to.as_str() {
        MLFLOW => to_mlflow(args)?,
        _ => to_wandb(args)?,
    };
    let mut mirror = mirror
        .folding(if args.no_fold { Folding::None } else { Folding::Known })
        .artifacts(!args.no_artifacts)
        .images(!args.no_images)
        .until_finished(args.until_finished)
        .every(Duration::from_secs_f64(args.interval))
        .silence(args.silence)
        .on_event(show);
    if let Some(experiment) = &args.experiment {
        mirror = mirror.experiment(experiment);
    }
    let done = mirror.run(&args.logdirs, &args.choice.options())?;
    say(&format!("{} to {}; all runs have ended", sent(&done), name(&place)));
    Ok(if done.has_losses { FAILED } else { FINE })
}

fn to_mlflow(args: &Args) -> Result<(Mirror, String)> {
    if args.out.is_some() {
        return Err(Error::argument("--out has no effect with --to mlflow"));
    }
    let uri = args.uri.clone().or_else(|| std::env::var("MLFLOW_TRACKING_URI").ok());
    let uri = uri.filter(|uri| !uri.is_empty());
    let uri = uri.ok_or_else(|| {
        Error::argument("no tracking server given: set --uri or MLFLOW_TRACKING_URI")
    })?;
    let place = tbx::redact::address(&uri).into_owned();
    let mirror = Mirror::mlflow(uri);
    let mirror = match &args.state {
        Some(dir) => mirror.state(StateDir::At(dir.clone())),
        None => mirror,
    };
    Ok((mirror, place))
}

fn to_wandb(args: &Args) -> Result<(Mirror, String)> {
    let unused = [("uri", args.uri.is_some()), ("state", args.state.is_some())];
    if let Some((option, _)) = unused.iter().find(|(_, is_given)| *is_given) {
        return Err(Error::argument(format!("--{option} has no effect with --to wandb")));
    }
    let out = args.out.clone().unwrap_or_default();
    let place = out.to_string_lossy().into_owned();
    Ok((Mirror::wandb(out), place))
}

fn show(event: MirrorEvent<'_>) {
    match event {
        MirrorEvent::Sent(done) => progress::work(|| sent(done)),
        MirrorEvent::NoLogdir(_) | MirrorEvent::Back => say(&event.to_string()),
        event => warn(event),
    }
}

/// The amount sent so far.
fn sent(done: &Mirrored) -> String {
    let mut parts = vec![counted(done.runs, "run"), format!("{} points", count(done.points))];
    if done.images > 0 {
        parts.push(format!("{} images", count(done.images)));
    }
    if done.files > 0 {
        parts.push(format!("{} files", count(done.files)));
    }
    parts.join(", ")
}
