//! `tbx sweep run`

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::command::{Template, check_variables, variables};
use super::news::News;
use super::program::Program;
use super::render::name;
use super::signals::Signals;
use super::supervise::Exit;
use super::{FINE, NO, say, warn};
use tbx::error::{Error, Result};
use tbx::meta::Status;
use tbx::track::{ActiveTrial, Next, RunOptions, SweepFile, Worker};

/// Interval between two attempts to claim a trial.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Interval between two looks at the log of a trial.
const READ_EVERY: Duration = Duration::from_millis(500);
/// Number of trials that may fail at the start of a worker. W&B has the same number.
const MAX_INITIAL_FAILURES: usize = 5;

#[derive(clap::Args)]
#[command(
    after_help = "SWEEP is a sweep configuration of W&B: method (grid, random or bayes), metric, parameters, early_terminate, run_cap,
program, command. docs/sweeps.md describes it. bayes is a Tree-structured Parzen Estimator.

PROGRAM gets the parameters as arguments, --lr=0.01, after its own, or in place of a macro such as ${args}. It also has
them in its environment: TBX_PARAM_LR, and all of them as JSON in TBX_PARAMS. It writes its event files to the
directory in TBX_TRIAL_DIR, or ${trial_dir}. The best value of the metric in them rates the trial.

Start the command once per trial that should run at once. The workers share the directory of the sweep; there is no
server. If a worker dies, another one takes up its trial. SIGTERM, a closed terminal and Ctrl-C give it back at once; a
second Ctrl-C does not wait for PROGRAM. If the first five trials of a worker fail, it gives them back, and ends.

Exit code: 0 when the sweep is over, or --count is reached; 1 if a signal ended the worker; 2 if the worker cannot go
on."
)]
pub(super) struct Args {
    /// The sweep configuration, or the directory of a sweep that another worker has started.
    #[arg(value_name = "SWEEP")]
    sweep: PathBuf,

    /// Directory of the sweep [default: the name of SWEEP without its extension, in the current directory].
    #[arg(short, long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Number of trials that this worker runs at most.
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<usize>,

    /// Do not append the parameters to the arguments of PROGRAM; they are in its environment.
    #[arg(long)]
    no_args: bool,

    /// Leave when all trials are claimed, instead of waiting in case that a worker dies.
    #[arg(long)]
    no_wait: bool,

    /// Seconds between heartbeats. A trial whose worker misses four counts as left.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    heartbeat: f64,

    /// Seconds between SIGTERM and SIGKILL for a program whose trial is pruned or given back.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    grace: f64,

    /// Program and its arguments [default: program and command of SWEEP].
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let number = text.parse().ok().filter(|seconds| (0.05..=86_400.0).contains(seconds));
    number.ok_or_else(|| "must be a number of seconds from 0.05 to 86400".into())
}

/// How a trial ended.
enum Ended {
    /// With the reason why it has no value, if there is one.
    Finished(Option<String>),
    Pruned,
    Failed(String),
    GivenBack,
    /// Another worker has it.
    Lost,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let (worker, file) = join(args)?;
    let template = Template::new(&args.program, file.as_ref(), !args.no_args)?;
    check_variables(worker.sweep().params())?;
    let signals = Signals::catch()?;
    let (mut started, mut failed, mut warned) = (0, Vec::new(), BTreeSet::new());
    while args.count.is_none_or(|count| started < count) {
        if signals.count() > 0 {
            return Ok(NO);
        }
        let trial = match worker.claim()? {
            Next::Trial(trial) => *trial,
            Next::Wait if !args.no_wait => {
                worker
                    .waits_for()
                    .into_iter()
                    .filter(|what| warned.insert(what.clone()))
                    .for_each(warn);
                thread::sleep(LOOK_EVERY);
                continue;
            }
            Next::Over => {
                forget_exits(&worker)?;
                break;
            }
            _ => break,
        };
        started += 1;
        let title = title(&trial);
        let number = trial.number();
        say(&title);
        match run_trial(args, &worker, &template, trial, &signals)? {
            Ended::Finished(problem) => {
                say(&format!("{title}: finished{}", value(&worker, number)?));
                problem.iter().for_each(warn);
            }
            Ended::Pruned => say(&format!("{title}: pruned{}", value(&worker, number)?)),
            Ended::GivenBack => {
                say(&format!("{title}: given back"));
                return Ok(NO);
            }
            Ended::Lost => warn(format!("{title}: another worker has taken it up")),
            Ended::Failed(why) => {
                warn(format!("{title}: {why}"));
                failed.push(number);
                if started == failed.len() && failed.len() == MAX_INITIAL_FAILURES {
                    // It may be the machine, which would use up all trials.
                    failed.iter().try_for_each(|number| worker.retry(*number))?;
                    let what = format!(
                        "the first {} trials of this worker have failed, so it gives them back and ends",
                        failed.len()
                    );
                    return Err(Error::argument(what));
                }
            }
        }
    }
    Ok(FINE)
}

fn join(args: &Args) -> Result<(Worker, Option<SweepFile>)> {
    let options = RunOptions::default().heartbeat(Duration::from_secs_f64(args.heartbeat));
    if args.sweep.is_dir() {
        if args.dir.is_some() {
            return Err(Error::argument("SWEEP is a directory already: leave out --dir"));
        }
        return Ok((Worker::open(&args.sweep)?.options(options), None));
    }
    let file = SweepFile::read(&args.sweep)?;
    for key in &file.unused {
        say(&format!("{}: {} has no effect", args.sweep.display(), name(key)));
    }
    let stem = args.sweep.file_stem().filter(|_| args.sweep.extension().is_some());
    let dir = match (&args.dir, stem) {
        (Some(dir), _) => dir.clone(),
        (None, Some(stem)) => PathBuf::from(stem),
        (None, None) => return Err(Error::argument("SWEEP has no extension: --dir is needed")),
    };
    let worker = file.sweep.join(&dir)?;
    let named = file.name.clone().map(|name| options.clone().experiment(name));
    Ok((worker.options(named.unwrap_or(options)), Some(file)))
}

fn run_trial(
    args: &Args,
    worker: &Worker,
    template: &Template,
    mut trial: ActiveTrial,
    signals: &Signals,
) -> Result<Ended> {
    let dir = trial.dir().to_owned();
    let ended = match attempt(args, worker, template, &mut trial, signals) {
        Ok(Outcome::Exit(exit)) if exit.code == Some(0) => {
            Ended::Finished(trial.conclude(Status::Finished)?)
        }
        Ok(Outcome::Exit(exit)) => {
            let why = format!("the program ended with {}", exit.status);
            trial.fail(&io::Error::other(why.clone()))?;
            Ended::Failed(why)
        }
        Ok(Outcome::Pruned) => {
            trial.conclude(Status::Pruned)?;
            Ended::Pruned
        }
        Ok(Outcome::Lost) => return Ok(Ended::Lost),
        Ok(Outcome::GivenBack) => {
            let removed = Exit::remove(&dir);
            trial.release()?;
            return removed.map(|()| Ended::GivenBack);
        }
        // It is no fault of the trial.
        Err(error) => {
            trial.release()?;
            return Err(error);
        }
    };
    // Only now: earlier, a kill in between would lose something.
    Exit::remove(&dir)?;
    Ok(ended)
}

/// Removes what is left of trials whose worker was killed right after it had recorded their end. Otherwise, somebody who
/// wants such a trial to be run again would get the old end.
fn forget_exits(worker: &Worker) -> Result<()> {
    let mut ended = worker.trials()?.into_iter().filter(|trial| trial.has_ended());
    ended.try_for_each(|trial| Exit::remove(&worker.dir().join(trial.name)))
}

/// The way a trial is recorded.
enum Outcome {
    /// Its program ended by itself.
    Exit(Exit),
    Pruned,
    GivenBack,
    /// Another worker has it.
    Lost,
}

fn attempt(
    args: &Args,
    worker: &Worker,
    template: &Template,
    trial: &mut ActiveTrial,
    signals: &Signals,
) -> Result<Outcome> {
    let dir = trial.dir().to_owned();
    let mut news = News::of(worker, trial);
    news.catch_up(trial);
    let left = Exit::read(&dir)?.filter(|exit| exit.code.is_some() && !exit.was_asked);
    if let Some(exit) = left {
        // Its program had done its work when the worker died.
        return Ok(Outcome::Exit(exit));
    }
    Exit::remove(&dir)?;
    let words = template.words(worker.sweep(), trial)?;
    let variables = variables(worker.sweep(), trial, worker.dir())?;
    let mut program = Program::start(&words, variables, trial)?;
    let why = watch(&mut program, trial, &mut news, signals);
    if !matches!(why, Ok(Why::Ended)) {
        program.end(Duration::from_secs_f64(args.grace), signals)?;
    }
    match why? {
        Why::Lost => return Ok(Outcome::Lost),
        Why::Bad => return Ok(Outcome::Pruned),
        Why::Ended | Why::Asked => {}
    }
    // Other trials are compared with its last values, too.
    news.finish(trial);
    let exit = Exit::read(&dir)?;
    let exit = exit.unwrap_or_else(|| Exit { status: "its supervisor".into(), ..Exit::default() });
    if let Some(problem) = exit.problem {
        return Err(Error::argument(problem));
    }
    // Who stops the worker may have stopped the program, too, as Slurm does.
    let is_stopped = exit.was_asked || signals.count() > 0 && exit.code != Some(0);
    Ok(if is_stopped { Outcome::GivenBack } else { Outcome::Exit(exit) })
}

/// Why a program is no longer watched.
enum Why {
    Ended,
    /// The rule of the sweep says so.
    Bad,
    /// The worker was asked to end.
    Asked,
    /// Another worker has the trial.
    Lost,
}

fn watch(
    program: &mut Program,
    trial: &mut ActiveTrial,
    news: &mut News<'_>,
    signals: &Signals,
) -> Result<Why> {
    loop {
        if program.wait(READ_EVERY)? {
            return Ok(Why::Ended);
        }
        if signals.count() > 0 {
            return Ok(Why::Asked);
        }
        if trial.is_lost() {
            return Ok(Why::Lost);
        }
        news.read(trial);
        if news.ends(trial) {
            return Ok(Why::Bad);
        }
    }
}

fn title(trial: &ActiveTrial) -> String {
    let again = match trial.attempt() {
        1 => String::new(),
        attempt => format!(", attempt {attempt}"),
    };
    let params = &trial.trial().params;
    let params: Vec<_> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} {}{again}", trial.trial().name, params.join(" "))
}

/// The value of a trial that has ended.
fn value(worker: &Worker, number: u64) -> Result<String> {
    let trials = worker.trials()?;
    let trial = trials.iter().find(|trial| trial.number == number);
    let metric = worker.sweep().metric();
    Ok(match trial.and_then(|trial| trial.value) {
        Some(value) => format!(", {metric} {value}"),
        None if metric.is_empty() => String::new(),
        None => format!(", without {metric}"),
    })
}
