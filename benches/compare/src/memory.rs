//! Memory of another process, from `/proc/<pid>/status`.
//!
//! The kernel records the peak of resident memory (`VmHWM`) but not that of anonymous memory.
//! Resident memory includes the pages of mapped files, which take no memory beyond the page cache.
//! So anonymous memory (`RssAnon`) is sampled while the process loads. Sampling costs processor
//! time, so only the warm-up round, which is not timed, does it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_micros(500);

/// Peaks in bytes.
#[derive(Clone, Copy)]
pub struct Memory {
    pub resident: u64,
    pub anonymous: u64,
}

/// Watches a process from a separate thread.
pub struct Watch {
    process: u32,
    stop: Arc<AtomicBool>,
    sampler: JoinHandle<u64>,
}

impl Watch {
    pub fn start(process: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let sampler = thread::spawn(move || {
            let mut peak = 0;
            while !stopped.load(Ordering::Relaxed) {
                peak = peak.max(read(process, "RssAnon:").unwrap_or(0));
                thread::sleep(INTERVAL);
            }
            peak
        });
        Self { process, stop, sampler }
    }

    /// The peaks so far. The process must still be running and hold the loaded data.
    pub fn finish(self) -> Option<Memory> {
        let anonymous_now = read(self.process, "RssAnon:");
        let resident = read(self.process, "VmHWM:");
        self.stop.store(true, Ordering::Relaxed);
        let sampled = self.sampler.join().ok()?;
        Some(Memory { resident: resident?, anonymous: anonymous_now?.max(sampled) })
    }
}

fn read(process: u32, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
