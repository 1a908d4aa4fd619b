//! Signals that ask a process to end.

#[cfg(unix)]
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use tbx::error::{ErrorKind, Result};

/// The signals that this process gets instead of ending.
#[derive(Debug)]
pub(super) struct Signals {
    came: Arc<AtomicBool>,
    count: AtomicU32,
}

impl Signals {
    /// Catches the signals from now on.
    pub(super) fn catch() -> Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        let mut signals = vec![SIGINT, SIGTERM];
        #[cfg(unix)]
        if !ignores_hangups() {
            signals.push(signal_hook::consts::SIGHUP);
        }
        for signal in signals {
            signal_hook::flag::register(signal, came.clone()).map_err(ErrorKind::from)?;
        }
        Ok(Self { came, count: AtomicU32::new(0) })
    }

    /// Number of signals so far; those that come at once count as one.
    pub(super) fn count(&self) -> u32 {
        let new = u32::from(self.came.swap(false, Ordering::SeqCst));
        self.count.fetch_add(new, Ordering::SeqCst).saturating_add(new)
    }
}

/// Whether hangups are ignored, as `nohup` has it. Only Linux tells; elsewhere, hangups are not caught.
#[cfg(unix)]
fn ignores_hangups() -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return true };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 has the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & 1 == 1)
}
