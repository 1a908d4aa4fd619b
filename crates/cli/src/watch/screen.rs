//! The terminal: drawing, keys, and restoring it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::app::App;
use super::{Batch, now};
use crate::FINE;
use crate::render::terminal_width;
use tbx::error::{Error, ErrorKind, Result};

/// Maximum time to wait for a key before other work.
const TICK: Duration = Duration::from_millis(200);
/// Interval between updates of ages, and the time that the screen has to end by itself.
const AGES: Duration = Duration::from_secs(1);

/// Shows the screen until a key or a signal ends the program. Restores the terminal even after a panic.
pub(super) fn run(mut app: App, batches: &Receiver<Batch>) -> Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in signals() {
        signal_hook::flag::register(signal, ended.clone()).map_err(ErrorKind::from)?;
    }
    let mut terminal = ratatui::try_init().map_err(ErrorKind::from)?;
    let done = Arc::new(AtomicBool::new(false));
    watchdog(ended.clone(), done.clone());
    let shown = show(&mut terminal, &mut app, batches, &ended);
    done.store(true, Ordering::Relaxed);
    let restored = ratatui::try_restore();
    shown?;
    restored.map_err(|error| ErrorKind::from(error).into())
}

/// Ends the program if the screen does not: when a terminal is gone, crossterm 0.29 reads the end of file
/// in a loop and never returns.
fn watchdog(ended: Arc<AtomicBool>, done: Arc<AtomicBool>) {
    thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) && terminal_width().is_some() {
            thread::sleep(TICK);
        }
        ended.store(true, Ordering::Relaxed);
        thread::sleep(AGES);
        if !done.load(Ordering::Relaxed) {
            let _ = ratatui::try_restore();
            std::process::exit(FINE.into());
        }
    });
}

fn signals() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    #[cfg(unix)]
    signals.push(signal_hook::consts::SIGHUP);
    signals
}

fn show(
    terminal: &mut DefaultTerminal,
    app: &mut App,
    batches: &Receiver<Batch>,
    ended: &AtomicBool,
) -> Result<()> {
    let mut drawn: Option<Instant> = None;
    while !ended.load(Ordering::Relaxed) {
        let mut changed = false;
        while !app.paused {
            match batches.try_recv() {
                Ok(Batch { prefix, news }) => {
                    app.news(news, prefix.as_deref(), now());
                    changed = true;
                }
                Err(TryRecvError::Empty) => break,
                // The reading thread has panicked and printed the message.
                Err(TryRecvError::Disconnected) => return Err(stopped()),
            }
        }
        if changed || drawn.is_none_or(|drawn| drawn.elapsed() >= AGES) {
            draw(terminal, app)?;
            drawn = Some(Instant::now());
        }
        // A signal interrupts the wait.
        if !retried(event::poll(TICK))? {
            continue;
        }
        match retried_event(event::read())? {
            Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                if !app.key(key) {
                    return Ok(());
                }
            }
            Some(Event::Resize(..)) => {}
            _ => continue,
        }
        drawn = None;
    }
    Ok(())
}

fn draw(terminal: &mut DefaultTerminal, app: &mut App) -> Result<()> {
    let drawn = terminal.draw(|frame| app.draw(frame.area(), frame.buffer_mut(), now()));
    drawn.map(|_| ()).map_err(|error| ErrorKind::from(error).into())
}

fn retried(result: io::Result<bool>) -> Result<bool> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        result => result.map_err(|error| ErrorKind::from(error).into()),
    }
}

fn retried_event(result: io::Result<Event>) -> Result<Option<Event>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        result => result.map(Some).map_err(|error| ErrorKind::from(error).into()),
    }
}

fn stopped() -> Error {
    ErrorKind::from(io::Error::other("the thread that reads the logs has stopped")).into()
}
