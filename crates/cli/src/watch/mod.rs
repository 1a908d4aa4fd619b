//! `tbx watch`

mod app;
mod cache;
mod curves;
mod draw;
mod list;
mod model;
mod panels;
mod plain;
mod screen;
mod style;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};

use super::chart::Ink;
use super::logs::Logs;
use super::ranks::Ranks;
use super::{FINE, say, warn};
use tbx::error::{Effect, Result};
use tbx::logdir::{Follower, News, name_in};
use tbx::meta::now;
use tbx::store;
use tbx::summary::Kind;

/// Maximum number of polls that wait for the screen; then reading waits.
const WAITING: usize = 2;

#[derive(clap::Args)]
#[command(
    after_help = "The bottom line shows the keys; ? shows all of them. If the output is not a terminal, one line is
printed for each run that changed.

A URL is listed every 5 seconds or more rarely, and only objects that changed are read.

A run keeps its letter and its color while the program runs, whatever the order and the filter. Letters follow the
order in which the runs began. The first 10 runs and the selected one are drawn by name, the selected one thicker
and on top. Up to 10 other runs are gray lines, or dots if there are no colors. If there are more, one band shows
the smallest and the largest value of all runs, and one line their median.

A run is growing if data came within half a minute, or within three of its usual intervals. Rates cover
the last minute, by the wall times in the log.

Examples:
  tbx watch runs
  tbx watch runs --tag loss --smooth 0.6
  tbx watch runs --run seed_3 | tee seed_3.txt"
)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,

    /// Interval between two reads, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5, value_parser = seconds)]
    interval: f64,

    /// Initial smoothing, as in TensorBoard: a weight from 0 to 1.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = super::plot::weight)]
    smooth: f64,

    /// Print one line for each run that changed, even on a terminal.
    #[arg(long)]
    plain: bool,

    /// Use only ASCII characters.
    #[arg(long)]
    ascii: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "must be a number of seconds from 0.05 to 3600".into())
}

/// News of one log directory.
struct Batch {
    /// Prefix of run names, if there are several log directories.
    prefix: Option<PathBuf>,
    news: News,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    // The shown paths have no secrets.
    let logdirs: Vec<_> = args.logs.logdirs.iter().cloned().map(store::enter).collect();
    // This also fails for a directory that does not exist, instead of waiting for it forever.
    let ranks = Ranks::of(&logdirs)?;
    let batches = follow(args, &logdirs);
    if args.plain || !io::stdout().is_terminal() {
        return lines(&batches);
    }
    let color = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
    let ink = Ink { ascii: args.ascii, color };
    let names: Vec<_> = logdirs.iter().map(|path| path.to_string_lossy()).collect();
    let mut app = app::App::new(names.join(", "), ink, ranks);
    app.set_smoothing(args.smooth);
    screen::run(app, &batches)?;
    Ok(FINE)
}

/// Polls in separate threads, so that a slow disk does not block the keys, and a slow server nothing else.
fn follow(args: &Args, logdirs: &[PathBuf]) -> Receiver<Batch> {
    let (sender, receiver) = sync_channel(WAITING);
    let (urls, local): (Vec<_>, Vec<_>) =
        logdirs.iter().cloned().partition(|path| store::is_url(path));
    for url in urls {
        follow_in_thread(args, vec![url], logdirs.len() > 1, sender.clone());
    }
    if !local.is_empty() {
        follow_in_thread(args, local, logdirs.len() > 1, sender);
    }
    receiver
}

/// Polls log directories in one thread.
fn follow_in_thread(args: &Args, paths: Vec<PathBuf>, several: bool, sender: SyncSender<Batch>) {
    let options = args.logs.options().kinds([Kind::Scalar]);
    let pause = Duration::from_secs_f64(args.interval);
    thread::spawn(move || {
        let follower = |path: &PathBuf| Follower::new(path, &options).budget(16 << 20);
        let mut followers: Vec<_> = paths.iter().map(|path| (path, follower(path))).collect();
        let mut is_first = true;
        loop {
            let mut has_more = false;
            for (path, follower) in &mut followers {
                let news = follower.poll();
                has_more |= news.has_more;
                let prefix = several.then(|| path.clone());
                if (is_first || !news.is_empty()) && send(&sender, Batch { prefix, news }).is_err()
                {
                    return;
                }
            }
            is_first = false;
            if !has_more {
                thread::sleep(pause);
            }
        }
    });
}

/// Fails if the receiver is gone.
fn send(sender: &SyncSender<Batch>, batch: Batch) -> Result<(), ()> {
    sender.send(batch).map_err(|_| ())
}

/// Prints news until the output is closed or the program is ended.
fn lines(batches: &Receiver<Batch>) -> Result<u8> {
    while let Ok(Batch { prefix, news }) = batches.recv() {
        for issue in &news.issues {
            match issue.effect {
                Effect::Kept => {}
                effect if effect.is_loss() => warn(issue),
                _ => say(&issue.to_string()),
            }
        }
        let full = |name: &str| full_name(prefix.as_deref(), name);
        plain::print(&news, now(), full)?;
    }
    Ok(FINE)
}

/// The name of a run, prefixed with its log directory if there are several.
fn full_name(prefix: Option<&Path>, name: &str) -> String {
    match prefix {
        None => name.to_owned(),
        Some(prefix) => name_in(prefix, name),
    }
}
