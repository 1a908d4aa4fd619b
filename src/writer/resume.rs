//! Resumes a run after a crash, and hides the points that it will write again.
//!
//! The readers of TensorBoard all drop earlier points for different reasons, so a resumed file
//! begins with something for each of them:
//!
//! - `EventAccumulator` and TensorBoard's Python loader respond to a `SessionLog` `START`, but the
//!   latter only from the second one in a run on (`plugin_event_accumulator.py`,
//!   `_seen_session_start`). So two of them are written.
//! - RustBoard ignores `START`. It drops the points of a series from the step of each later value
//!   on, even if it cannot create a point from that value (`tensorboard/data/server/run.rs`,
//!   `StageTimeSeries`). So each tag that has a point to be dropped gets a value in a form that no
//!   reader shows: an `obsolete_old_style_histogram`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Result, failed};
use crate::event::{EventRef, Peek, What, is_event_file, other_file, pb};
use crate::record::{Scanner, Source, Step};
use crate::store::File;

/// Number of first bytes of a record that contain its step and tag, unless the tag is long.
const PREFIX: usize = 256;

/// The first events of a file in `dir` that resumes at `step`.
pub(super) fn events(dir: Option<&Path>, step: i64, wall_time: f64) -> Result<Vec<pb::Event>> {
    let event = |what| pb::Event { wall_time, step, what: Some(what), ..Default::default() };
    let start = pb::SessionLog {
        status: pb::session_log::SessionStatus::Start.into(),
        ..Default::default()
    };
    let start = event(pb::event::What::SessionLog(start));
    let mut events = vec![start.clone(), start];
    let value: Vec<_> = match dir {
        Some(dir) => tags_from(dir, step)?.into_iter().map(marker).collect(),
        None => Vec::new(),
    };
    if !value.is_empty() {
        events.push(event(pb::event::What::Summary(pb::Summary { value })));
    }
    Ok(events)
}

fn marker(tag: String) -> pb::summary::Value {
    let nothing = pb::summary::value::Value::ObsoleteOldStyleHistogram(Vec::new().into());
    pb::summary::Value { tag, value: Some(nothing), ..Default::default() }
}

/// The tags that have a point at or after `step` in the event files of `dir`.
fn tags_from(dir: &Path, step: i64) -> Result<BTreeSet<String>> {
    let mut tags = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(|error| failed(error, dir))? {
        let entry = entry.map_err(|error| failed(error, dir))?;
        let path = entry.path();
        if is_event_file(&entry.file_name()) && path.is_file() {
            read(&path, step, &mut tags).map_err(|error| failed(error, &path))?;
        }
    }
    Ok(tags)
}

/// Adds the tags of one file. Skips damage, like any reader in this crate.
fn read(path: &Path, from: i64, tags: &mut BTreeSet<String>) -> io::Result<()> {
    let (file, len) = File::open(path)?;
    let mut source = Source::file(file, len, Vec::new());
    if other_file(&mut source)?.is_some() {
        return Ok(()); // not a log, whatever its name
    }
    let mut records = Scanner::new(source, 0);
    loop {
        let len = match records.advance()? {
            Step::Record { len, .. } => len,
            Step::Damage(_) => continue,
            Step::End { .. } => return Ok(()),
        };
        // This is enough for nearly all events, and all that is read of images.
        if let Some(peek) = Peek::of(records.prefix(PREFIX)?, len) {
            if let (true, Ok(tag)) = (peek.step >= from, str::from_utf8(peek.tag)) {
                note(tag, tags);
            }
            continue;
        }
        let Ok(payload) = records.payload()? else { continue };
        let Ok(event) = EventRef::parse(payload) else { continue };
        if let (What::Summary(summary), true) = (&event.what, event.step >= from) {
            summary.values().flatten().for_each(|value| note(value.tag, tags));
        }
    }
}

fn note(tag: &str, tags: &mut BTreeSet<String>) {
    if !tags.contains(tag) {
        tags.insert(tag.to_owned());
    }
}
