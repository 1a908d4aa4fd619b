//! Repeats calls with tbx and reads its output.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tbx::record::frame;
use tbx::{Result, SummaryWriter, WriterOptions};

use super::cases::{Args, Case, Written};
use super::{tensorflow, torch};
use crate::common::ranges;

/// The wall time of all events of the peers.
const T0: f64 = 1_700_000_000.5;

/// The output of tbx for the same calls.
pub(super) fn written(case: &Case) -> Result<Written> {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicU32::new(0));
    let options = || {
        let clock = clock.clone();
        options(case).clock(move || T0 + f64::from(clock.load(Ordering::Relaxed)))
    };
    let mut writer = options().create(dir.path())?;
    for (method, args) in &case.calls {
        if method == "SummaryWriter" {
            writer.close()?;
            clock.store(args.integer(&["seconds_later"]).unwrap() as u32, Ordering::Relaxed);
            let step = args.integer(&["purge_step"]).unwrap();
            writer = options().purge_step(step).create(dir.path())?;
        } else {
            call(&writer, method, args)?;
        }
    }
    writer.close()?;
    let mut written = Written { runs: BTreeMap::new(), files: BTreeMap::new() };
    // Only the case without calls compares the first event.
    read(dir.path(), Path::new(""), usize::from(!case.calls.is_empty()), &mut written);
    Ok(written)
}

/// Options for the form in which the last call is written.
fn options(case: &Case) -> WriterOptions {
    let Some((method, args)) = case.calls.last() else { return SummaryWriter::options() };
    let tensorflow = is_of_tensorflow(method) && !method.starts_with("v1.");
    let v2 = tensorflow || args.is_set("new_style");
    SummaryWriter::options().v2(v2).double_precision(args.is_set("double_precision"))
}

fn is_of_tensorflow(method: &str) -> bool {
    method.contains('.')
}

fn call(writer: &SummaryWriter, method: &str, args: &Args) -> Result<()> {
    let mut writer = writer.clone();
    if let Some(step) = args.integer(&["global_step", "step"]) {
        writer = writer.with_step(step);
    }
    if args.get("walltime").is_some() {
        writer = writer.with_wall_time(args.number("walltime"))?;
    }
    if let Some(name) = args.text(&["display_name"]) {
        writer = writer.with_display_name(name);
    }
    if let Some(description) = args.text(&["description", "summary_description"]) {
        writer = writer.with_description(description);
    }
    match is_of_tensorflow(method) {
        true => tensorflow::call(&writer, method, args),
        false => torch::call(&writer, method, args),
    }
}

/// Adds the contents of the subdirectory `below` of a log directory, without the first `skipped`
/// events of each file.
fn read(root: &Path, below: &Path, skipped: usize, written: &mut Written) {
    let entries = fs::read_dir(root.join(below)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let path = below.join(&name);
        if root.join(&path).is_dir() {
            read(root, &path, skipped, written);
            continue;
        }
        let content = fs::read(root.join(&path)).unwrap();
        if !name.to_str().unwrap().contains("tfevents") {
            written.files.insert(path.to_str().unwrap().into(), content);
            continue;
        }
        let run = if below.as_os_str().is_empty() { "." } else { below.to_str().unwrap() };
        let events = ranges(&content).into_iter().skip(skipped);
        let events =
            events.map(|range| frame(&content[range]).unwrap().unwrap().verify().unwrap().to_vec());
        written.runs.entry(run.into()).or_default().extend(events);
    }
}
