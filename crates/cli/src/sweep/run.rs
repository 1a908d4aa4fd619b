//! `tbx sweep run`

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::command::{Template, check_variables, variables};
use super::program::Program;
use super::render::name;
use super::{FINE, NO, say, warn};
use tbx::error::{Error, ErrorKind, Result};
use tbx::track::{ActiveTrial, Next, RunOptions, SweepFile, Worker};
use tbx::{Follower, Kind, LoadOptions};

/// Interval between two attempts to claim a trial.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Interval between two looks at the log of a trial.
const READ_EVERY: Duration = Duration::from_millis(500);
/// Number of trials that may fail at the start of a worker. W&B has the same number.
const MAX_INITIAL_FAILURES: u32 = 5;

#[derive(clap::Args)]
#[command(
    after_help = "SWEEP is a sweep configuration of W&B: method (grid, random or bayes), metric, parameters, early_terminate, run_cap,
program, command. docs/sweeps.md describes it. bayes is a Tree-structured Parzen Estimator.

PROGRAM gets the parameters as arguments, --lr=0.01, after its own, or in place of a macro such as ${args}. It also has
them in its environment: TBX_PARAM_LR, and all of them as JSON in TBX_PARAMS. It writes its event files to the
directory in TBX_TRIAL_DIR, or ${trial_dir}. The best value of the metric in them rates the trial.

Start the command once per trial that should run at once. The workers share the directory of the sweep; there is no
server. If a worker dies, another one takes up its trial. SIGTERM and Ctrl-C give it back at once.

Exit code: 0 when the sweep is over, or --count is reached; 1 if a signal ended the worker."
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
    count: Option<u64>,

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
    Finished,
    Pruned,
    Failed(String),
    GivenBack,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let (worker, file) = join(args)?;
    let template = Template::new(&args.program, file.as_ref(), !args.no_args)?;
    check_variables(worker.sweep().params())?;
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second signal ends the program as usual.
        signal_hook::flag::register_conditional_default(signal, stopped.clone())
            .and_then(|_| signal_hook::flag::register(signal, stopped.clone()))
            .map_err(ErrorKind::from)?;
    }
    let (mut started, mut failed) = (0, 0);
    while args.count.is_none_or(|count| started < count) {
        if stopped.load(Ordering::SeqCst) {
            return Ok(NO);
        }
        let trial = match worker.claim()? {
            Next::Trial(trial) => *trial,
            Next::Wait if !args.no_wait => {
                thread::sleep(LOOK_EVERY);
                continue;
            }
            _ => break,
        };
        started += 1;
        let title = title(&trial);
        let number = trial.number();
        say(&title);
        match run_trial(args, &worker, &template, trial, &stopped)? {
            Ended::Finished => say(&format!("{title}: finished{}", value(&worker, number)?)),
            Ended::Pruned => say(&format!("{title}: pruned{}", value(&worker, number)?)),
            Ended::GivenBack => {
                say(&format!("{title}: given back"));
                return Ok(NO);
            }
            Ended::Failed(why) => {
                warn(format!("{title}: {why}"));
                failed += 1;
                if failed == started && failed == u64::from(MAX_INITIAL_FAILURES) {
                    let what = format!("the first {failed} trials of this worker have failed");
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
    stopped: &AtomicBool,
) -> Result<Ended> {
    let started = start(worker, template, &trial);
    let mut program = match started {
        Ok(program) => program,
        Err(error) => {
            // It is no fault of the trial.
            trial.release()?;
            return Err(error);
        }
    };
    let grace = Duration::from_secs_f64(args.grace);
    let mut news = News::of(worker, trial.dir());
    loop {
        let ended = program.wait(READ_EVERY)?;
        // Who stops the worker may have stopped the program, too, as Slurm does.
        let has_failed = ended.is_none_or(|status| !status.success());
        if stopped.load(Ordering::SeqCst) && has_failed {
            if ended.is_none() {
                program.end(grace)?;
            }
            trial.release()?;
            return Ok(Ended::GivenBack);
        }
        if let Some(status) = ended {
            // What it wrote last counts for other trials.
            news.observe(&mut trial)?;
            return finish(trial, &program, status);
        }
        if news.observe(&mut trial)? {
            program.end(grace)?;
            trial.prune()?;
            return Ok(Ended::Pruned);
        }
    }
}

fn start(worker: &Worker, template: &Template, trial: &ActiveTrial) -> Result<Program> {
    let words = template.words(trial)?;
    let variables = variables(trial, worker.dir())?;
    // An empty file for the program. As long as the program has it, no other worker takes up the trial.
    let claim = trial.claim_file().map_err(ErrorKind::from)?;
    Program::start(&words, variables, Stdio::from(claim))
}

fn finish(trial: ActiveTrial, program: &Program, status: ExitStatus) -> Result<Ended> {
    if status.success() {
        trial.finish()?;
        return Ok(Ended::Finished);
    }
    let why = format!("{} ended with {status}", program.name());
    trial.fail(&io::Error::other(why.clone()))?;
    Ok(Ended::Failed(why))
}

/// The values of the metric that a program adds to its log, for the rule of the sweep.
struct News {
    follower: Option<Follower>,
    /// Number of values.
    count: i64,
}

impl News {
    fn of(worker: &Worker, dir: &Path) -> Self {
        let sweep = worker.sweep();
        let metric = sweep.metric().to_owned();
        let options = LoadOptions::new().kinds([Kind::Scalar]).tags(move |tag| tag == metric);
        let follower = sweep.is_pruned().then(|| Follower::new(dir, &options));
        Self { follower, count: 0 }
    }

    /// Reports new values. The first one is that of step 1, as in W&B. Returns whether the trial should end.
    fn observe(&mut self, trial: &mut ActiveTrial) -> Result<bool> {
        let Some(follower) = &mut self.follower else { return Ok(false) };
        let mut should_end = false;
        for run in follower.poll().runs {
            for new in run.series {
                for value in new.points.scalars().into_iter().flat_map(|scalars| scalars.iter()) {
                    self.count += 1;
                    should_end |= trial.observe(self.count, value)?.is_prune();
                }
            }
        }
        Ok(should_end)
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
