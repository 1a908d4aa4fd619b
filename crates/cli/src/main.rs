//! The program `tbx`: one file per subcommand.
//!
//! Data goes to the standard output, everything else to the standard error. Exit codes: 0 for success, 1 if
//! the answer is no, 2 after an error or lost data. A closed pipe is no error: the exit code is 0.

#![cfg_attr(test, allow(clippy::as_conversions))]

mod archive;
mod artifacts;
mod chart;
mod check;
mod completions;
mod config;
mod destination;
mod diff;
mod edit;
mod empty;
mod export;
mod extract;
mod gc;
mod grid;
mod help;
mod import;
mod importance;
mod inspect;
mod legend;
mod logs;
mod man;
mod meta;
mod mirror;
mod models;
mod options_of;
mod output;
mod parallel;
mod plot;
mod progress;
mod ranks;
mod reduce;
mod render;
mod repair;
mod restore;
mod runs;
#[cfg(feature = "serve")]
mod serve;
mod sweep;
mod table;
mod variants;
mod verify;
mod wanted;
mod watch;

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::{env, io, thread};

use clap::{ArgAction, ArgMatches, ColorChoice, FromArgMatches, Parser, Subcommand, ValueEnum};

use self::output::{
    HELP, fail, print, print_json, print_note, report, restarts, restarts_in_short, say, usage,
    warn,
};
use self::progress::Progress;
use tbx::error::{Error, ErrorKind, Result};
use tbx::store;

/// Exit codes of subcommands.
const FINE: u8 = 0;
const NO: u8 = 1;
const FAILED: u8 = 2;

/// Number of threads for URLs: a thread that reads a URL waits most of the time.
const THREADS_FOR_URLS: usize = 64;

/// Heading of the options that many commands share.
const COMMON: &str = "Common options";
/// Place, below that heading, of the options that all commands have.
const LAST: usize = 900;

/// Variable that sets the default of `--color`.
const COLOR: &str = "TBX_COLOR";

/// TensorBoard toolkit: inspect, compare, check, edit and convert event logs.
#[derive(Parser)]
#[command(name = "tbx", version, disable_help_flag = true, styles = HELP)]
#[command(after_help = "Examples:
  tbx inspect ./logs                    runs, tags, values and damage
  tbx inspect ./logs --run 'seed_3' --tag loss
  tbx inspect ./logs --format json | jq '.runs[].name'
  tbx table ./logs --sort val/loss:min --top 5
  tbx plot ./logs --tag loss --smooth 0.6
  tbx watch ./logs
  tbx serve ./logs                      TensorBoard's page, without Python
  tbx export ./logs --to csv --out points.csv
  tbx export ./logs --to mlflow --uri http://127.0.0.1:5000
  tbx mirror ./logs --to mlflow --uri http://127.0.0.1:5000
  tbx extract ./logs --out ./files --kind image
  tbx import ./mlruns --out ./logs
  tbx check ./logs                      metadata that runs lack
  tbx meta set ./logs/1 param.lr=0.1    add metadata to a run
  tbx models ./logs                     registered models
  tbx sweep run sweep.yaml -- python train.py
  tbx artifacts ./logs lineage          which runs logged and used which data
  tbx verify ./logs                     problems, and how to fix them
  tbx repair ./logs --out ./repaired
  tbx edit ./logs --out ./new --rename '^train/' 'training/'
  tbx gc ./logs --older-than 30d        artifacts to remove
  tbx archive ./logs --out logs.tar.zst

URLs work in place of log directories (s3://bucket/logs, gs://, az://) and single files (https://) if tbx \
was built with `--features remote`. Credentials for S3 come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, \
AWS_SESSION_TOKEN and AWS_REGION. AWS_ENDPOINT selects another server, with AWS_ALLOW_HTTP=true for http. \
AWS_SKIP_SIGNATURE=true reads public buckets. Credentials for Google Cloud come from GOOGLE_SERVICE_ACCOUNT \
or GOOGLE_APPLICATION_CREDENTIALS, for Azure from AZURE_STORAGE_ACCOUNT_NAME and \
AZURE_STORAGE_ACCOUNT_KEY. Profiles of the AWS CLI are not read; export them first:
  eval \"$(aws configure export-credentials --format env)\"

Environment: TBX_LOGDIR is the log directory if none is given. TBX_RESTART, TBX_THREADS and TBX_COLOR set the
defaults of --restart, --threads and --color.")]
struct Cli {
    /// Number of threads [default: one per processor; 64 for URLs, which wait for the network].
    #[arg(short = 'j', long, value_name = "N", global = true, env = "TBX_THREADS")]
    #[arg(help_heading = COMMON, display_order = LAST)]
    threads: Option<NonZeroUsize>,

    /// When to use colors. NO_COLOR and CLICOLOR_FORCE are respected.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, global = true, env = COLOR)]
    #[arg(help_heading = COMMON, display_order = LAST + 1)]
    color: ColorChoice,

    /// Print help; -h prints a summary.
    #[arg(short, long, global = true, action = ArgAction::Help)]
    #[arg(help_heading = COMMON, display_order = LAST + 2)]
    help: Option<bool>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List runs, tags, values and damage.
    Inspect(inspect::Args),
    /// Compare runs: one row per run, with parameters and values of scalars.
    Table(table::Args),
    /// Show how two runs or log directories differ.
    Diff(diff::Args),
    /// Combine several runs into one curve: mean, deviation, quantiles.
    Reduce(reduce::Args),
    /// Draw curves in the terminal or to a file.
    Plot(plot::Args),
    /// Show runs while they grow.
    Watch(watch::Args),
    /// Show runs in TensorBoard's page, without Python.
    #[cfg(feature = "serve")]
    Serve(serve::Args),
    /// Start the TensorBoard that is installed, with tbx as its data server.
    #[cfg(feature = "serve")]
    Tensorboard(serve::tensorboard::Args),
    /// Write points, runs and tags to CSV, JSON or Parquet; send runs to MLflow.
    Export(export::Args),
    /// Follow runs and keep MLflow or a directory for Weights & Biases up to date.
    Mirror(mirror::Args),
    /// Save images, audio, texts, graphs, meshes, tensors and embeddings as files.
    Extract(extract::Args),
    /// Import runs of other trackers as event logs.
    Import(import::Args),
    /// Report which runs lack the metadata needed to reproduce them.
    Check(check::Args),
    /// Show and change the metadata of runs: parameters, tags, notes, status.
    Meta(meta::Args),
    /// List and change registered models: versions, stages, aliases.
    Models(models::Args),
    /// Search for good parameters: run trials of a sweep, and show them.
    Sweep(sweep::Args),
    /// List versions of artifacts and their lineage, and fetch them.
    Artifacts(artifacts::Args),
    /// Find damage, and values that TensorBoard shows differently from what was logged.
    Verify(verify::Args),
    /// Write new logs with every sound record of damaged ones.
    Repair(repair::Args),
    /// Write new logs: rename, drop, move or thin out tags, merge or split files.
    Edit(edit::Args),
    /// List artifacts that match rules, and remove them.
    Gc(gc::Args),
    /// Pack runs into one compressed file.
    Archive(archive::Args),
    /// Restore archived runs, byte for byte.
    Restore(restore::Args),
    /// Print the completion script of a shell.
    Completions(completions::Args),
    /// Print one manual page, or write all of them.
    Man(man::Args),
}

impl Command {
    /// True if the command may take long and does not use the terminal itself.
    fn shows_progress(&self) -> bool {
        match self {
            Self::Watch(_) | Self::Sweep(_) | Self::Completions(_) | Self::Man(_) => false,
            #[cfg(feature = "serve")]
            Self::Serve(_) | Self::Tensorboard(_) => false,
            _ => true,
        }
    }
}

/// Runs the program with the arguments of the process.
fn main() -> ExitCode {
    #[cfg(feature = "serve")]
    if serve::data_server::is_asked(env::args_os()) {
        return serve::data_server::main();
    }
    let matches = help::command().try_get_matches_from(help::arguments(env::args_os()));
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            use_colors(color_asked_for().unwrap_or_default());
            let is_error = usage(&error);
            if let Some(hint) = help::hint(env::args()).filter(|_| is_error) {
                say(&hint);
            }
            return ExitCode::from(if is_error { FAILED } else { FINE });
        }
    };
    use_colors(cli.color);
    let code = match run(&cli, &matches) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => FINE,
        Err(error) => {
            fail(&error);
            FAILED
        }
    };
    ExitCode::from(code)
}

fn run(cli: &Cli, matches: &ArgMatches) -> Result<u8> {
    use_threads(cli.threads.map(NonZeroUsize::get).or(threads_for_urls()))?;
    let _progress = cli.command.shows_progress().then(Progress::start);
    // Arguments of the subcommand, which is always there.
    let given = matches.subcommand().map_or(matches, |(_, given)| given);
    match &cli.command {
        Command::Inspect(args) => inspect::run(args),
        Command::Table(args) => table::run(args),
        Command::Check(args) => check::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Reduce(args) => reduce::run(args),
        Command::Plot(args) => plot::run(args),
        Command::Watch(args) => watch::run(args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "serve")]
        Command::Tensorboard(args) => serve::tensorboard::run(args),
        Command::Export(args) => export::run(args, given),
        Command::Mirror(args) => mirror::run(args),
        Command::Extract(args) => extract::run(args),
        Command::Import(args) => import::run(args),
        Command::Meta(args) => meta::run(args),
        Command::Models(args) => models::run(args),
        Command::Sweep(args) => sweep::run(args),
        Command::Artifacts(args) => artifacts::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Repair(args) => repair::run(args),
        Command::Edit(args) => edit::run(args),
        Command::Gc(args) => gc::run(args),
        Command::Archive(args) => archive::run(args),
        Command::Restore(args) => restore::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}

/// Sets the number of threads, if there is one.
fn use_threads(threads: Option<usize>) -> Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global().map_err(|error| Error::argument(error.to_string()))
}

/// The default number of threads if some argument is a URL, also as in `NAME:URL` and `--logdir=URL`.
fn threads_for_urls() -> Option<usize> {
    let args = env::args_os().skip(1).chain(env::var_os("TBX_LOGDIR"));
    let any = args.map(|arg| arg.to_string_lossy().into_owned()).any(|arg| {
        let after = arg.match_indices(['=', ':']).filter_map(|(at, _)| arg.get(at + 1..));
        Some(arg.as_str()).into_iter().chain(after).any(|part| store::is_url(Path::new(part)))
    });
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    any.then(|| processors.max(THREADS_FOR_URLS))
}

/// Sets the color mode of all later output.
fn use_colors(color: ColorChoice) {
    match color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// The value of `--color`, for help and errors: clap does not return it then.
fn color_asked_for() -> Option<ColorChoice> {
    let args: Vec<_> = env::args().collect();
    let next = args.iter().skip_while(|arg| *arg != "--color").nth(1);
    let joined = args.iter().find_map(|arg| arg.strip_prefix("--color="));
    let text = joined.map(str::to_owned).or(next.cloned()).or(env::var(COLOR).ok())?;
    ColorChoice::from_str(&text, true).ok()
}

fn is_broken_pipe(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
}
