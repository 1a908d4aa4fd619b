//! Makes restarted sessions one curve: computes their new steps.
//!
//! A session restarts if the steps of a tag go back to where the previous session began: in a later
//! file, after a `START`, or within a file. Then all tags with the same steps get the same offset,
//! so that the session's first step comes after the last one before. A program that resumed from a
//! checkpoint goes back to somewhere in the middle, which is handled by a restart policy instead.
//!
//! Runs that are parts of one run, such as `train` and `validation`, share their sessions, matched
//! by time.

mod counter;
mod cursor;
mod survey;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use self::counter::{Counted, Sessions, Why, count};
use self::cursor::Moved;
pub(super) use self::cursor::{Cursor, NewSteps};
use self::survey::{Segment, Survey};
use super::Edit;
use super::job::Job;
use super::report::{ContinuedRun, StepNote, StepNoteKind};
use tbx::error::{Error, Result};

/// Maximum number of groups of tags with different steps; further groups are merged.
const MAX_COUNTERS: usize = 16;

/// The result for runs that share their sessions.
#[derive(Debug, Default)]
pub(super) struct Continued {
    /// The new steps, by run.
    pub(super) steps: Vec<NewSteps>,
    pub(super) runs: Vec<ContinuedRun>,
    pub(super) notes: Vec<StepNote>,
}

/// Finds the new steps of `jobs`, which are parts of one run.
pub(super) fn continue_steps(edit: &Edit, jobs: &[&Job]) -> Result<Vec<(Continued, Vec<usize>)>> {
    let mut survey = Survey::default();
    for job in jobs {
        survey.add(job.files.iter().map(PathBuf::as_path), |tag| edit.wants_tag(tag))?;
    }
    // Without times, it is unknown which sessions of two runs belong together.
    let is_timed = |segment: &Segment| segment.parts.is_empty() || segment.times.is_some();
    if jobs.len() > 1 && !survey.segments.iter().all(is_timed) {
        let apart = jobs.iter().enumerate().map(|(i, job)| {
            let mut alone = Survey::default();
            alone.add(job.files.iter().map(PathBuf::as_path), |tag| edit.wants_tag(tag))?;
            Ok((plan(&alone, &[*job])?, vec![i]))
        });
        return apart.collect();
    }
    Ok(vec![(plan(&survey, jobs)?, (0..jobs.len()).collect())])
}

fn plan(survey: &Survey, jobs: &[&Job]) -> Result<Continued> {
    let stage = |segment: &Segment| jobs.get(segment.run).map_or(0, |job| job.stage(segment.file));
    let order = order(&survey.segments, &stage);
    let mut counters: Vec<HashSet<usize>> = vec![(0..survey.tag_count).collect()];
    let mut sessions: Vec<Sessions> = Vec::new();
    while let Some(members) = counters.get(sessions.len()) {
        match count(survey, &order, stage, |tag| members.contains(&tag)) {
            Counted::Apart(apart) if counters.len() < MAX_COUNTERS => {
                let apart: HashSet<usize> = apart.into_iter().collect();
                if let Some(members) = counters.get_mut(sessions.len()) {
                    members.retain(|tag| !apart.contains(tag));
                }
                counters.push(apart);
            }
            Counted::Apart(_) => sessions.push(Sessions::default()),
            Counted::Sessions(found) => sessions.push(found),
        }
    }
    let mut continued = Continued::default();
    let mut offsets = Vec::with_capacity(sessions.len());
    for (members, sessions) in counters.iter().zip(&mut sessions) {
        let disorder = disorder(&survey.segments, members, sessions);
        if disorder.is_some() || sessions.is_mixed() {
            (sessions.all, sessions.is_one_step) = (Vec::new(), false);
        }
        offsets.push(offsets_of(sessions, jobs)?);
        let notes = sessions.kept.iter().map(|(segment, why)| (*segment, *why));
        for (segment, why) in notes {
            continued.notes.extend(note(survey, jobs, segment, why, sessions));
        }
        continued.notes.extend(disorder.and_then(|(before, after)| {
            let place = |i: usize| path(survey.segments.get(i)?, jobs);
            let ((run, path), (_, other)) = (place(after)?, place(before)?);
            Some(StepNote { run, path, kind: StepNoteKind::Order { other } })
        }));
    }
    for (run, job) in jobs.iter().enumerate() {
        let steps = new_steps(survey, run, job, &counters, &sessions, &offsets);
        continued.runs.extend(summaries(survey, run, job, &counters, &sessions, &offsets));
        continued.steps.push(steps);
    }
    Ok(continued)
}

/// The indices of the segments in the order of time. Segments of a file stay in order, and a
/// segment without a time stays after the one before it.
fn order(segments: &[Segment], stage: &impl Fn(&Segment) -> usize) -> Vec<usize> {
    let mut keys: Vec<(usize, f64, usize)> = Vec::with_capacity(segments.len());
    let mut before: Option<(usize, usize, usize, f64)> = None;
    for (i, segment) in segments.iter().enumerate() {
        let stage = stage(segment);
        let same_file = before.filter(|b| (b.0, b.1) == (segment.run, segment.file));
        let same_run = before.filter(|b| (b.0, b.2) == (segment.run, stage));
        let start = segment.times.map(|(first, _)| first);
        let time = match (same_file, start) {
            (Some((.., latest)), Some(start)) => start.max(latest),
            (None, Some(start)) => start,
            (_, None) => same_run.map_or(f64::NEG_INFINITY, |(.., latest)| latest),
        };
        before = Some((segment.run, segment.file, stage, time));
        keys.push((stage, time, i));
    }
    keys.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))); // stable
    keys.into_iter().map(|(.., i)| i).collect()
}

/// Finds two segments of a tag whose files are not read in the order of their sessions.
fn disorder(
    segments: &[Segment],
    members: &HashSet<usize>,
    sessions: &Sessions,
) -> Option<(usize, usize)> {
    let mut latest: HashMap<usize, (usize, usize)> = HashMap::new();
    for (i, (segment, session)) in segments.iter().zip(&sessions.of_segment).enumerate() {
        for part in segment.parts.iter().filter(|part| members.contains(&part.tag)) {
            if let Some((before, other)) = latest.insert(part.tag, (*session, i))
                && before > *session
            {
                return Some((other, i));
            }
        }
    }
    None
}

/// The offset of each session's steps.
fn offsets_of(sessions: &Sessions, jobs: &[&Job]) -> Result<Vec<i64>> {
    let too_far = || {
        let run = jobs.first().map_or("", |job| &job.name);
        Error::argument(format!("run {run:?}: the continued steps would be out of range"))
    };
    let mut offsets = Vec::with_capacity(sessions.all.len());
    let mut before: Option<(i64, Option<i64>)> = None;
    for session in &sessions.all {
        let gap = match sessions.is_one_step {
            true => Some(1),
            false => session.gap.into_iter().chain(before.and_then(|(_, gap)| gap)).min(),
        };
        let by = match before {
            None => 0,
            Some((last, _)) => {
                let first = last.checked_add(gap.unwrap_or(1));
                first.and_then(|first| first.checked_sub(session.lowest)).ok_or_else(too_far)?
            }
        };
        let more = match sessions.is_one_step {
            true => i64::try_from(session.rounds.saturating_sub(1)).unwrap_or(i64::MAX),
            false => 0,
        };
        let last = session.highest.checked_add(by).and_then(|last| last.checked_add(more));
        before = Some((last.ok_or_else(too_far)?, session.gap));
        offsets.push(by);
    }
    Ok(offsets)
}

fn new_steps(
    survey: &Survey,
    run: usize,
    job: &Job,
    counters: &[HashSet<usize>],
    sessions: &[Sessions],
    offsets: &[Vec<i64>],
) -> NewSteps {
    let counter = |tag: &usize| counters.iter().position(|members| members.contains(tag));
    let tags = survey.tags.get(run).into_iter().flatten();
    let mut files: Vec<Vec<Moved>> = job.files.iter().map(|_| Vec::new()).collect();
    for (i, segment) in of_run(&survey.segments, run) {
        let session_of = |sessions: &Sessions| sessions.of_segment.get(i).copied().unwrap_or(0);
        let by = sessions
            .iter()
            .zip(offsets)
            .map(|(sessions, offsets)| offsets.get(session_of(sessions)).copied().unwrap_or(0));
        let drops_starts = sessions.iter().zip(offsets).any(|(sessions, offsets)| {
            let number = session_of(sessions);
            let is_moved = offsets.get(number).is_some_and(|by| *by != 0);
            let session = sessions.all.get(number).filter(|_| number > 0 && is_moved);
            let start = segment.start.zip(session);
            start.is_some_and(|(start, session)| start <= session.lowest)
        });
        let moved = Moved { first: segment.first, by: by.collect(), drops_starts };
        if let Some(file) = files.get_mut(segment.file) {
            file.push(moved);
        }
    }
    NewSteps {
        counters: tags.filter_map(|(tag, i)| Some((tag.clone(), counter(i)?))).collect(),
        files,
        is_numbered: sessions.iter().map(|sessions| sessions.is_one_step).collect(),
    }
}

/// The report entries of a run, one per counter whose steps change.
fn summaries(
    survey: &Survey,
    run: usize,
    job: &Job,
    counters: &[HashSet<usize>],
    sessions: &[Sessions],
    offsets: &[Vec<i64>],
) -> Vec<ContinuedRun> {
    let mut runs = Vec::new();
    for ((members, sessions), offsets) in counters.iter().zip(sessions).zip(offsets) {
        let (mut seen, mut tags) = (HashSet::new(), HashSet::new());
        let mut before: Option<(i64, i64)> = None;
        let mut after: Option<(i64, i64)> = None;
        let widen = |range: Option<(i64, i64)>, first: i64, last: i64| match range {
            Some((low, high)) => Some((low.min(first), high.max(last))),
            None => Some((first, last)),
        };
        for (i, segment) in of_run(&survey.segments, run) {
            let session = sessions.of_segment.get(i).copied().unwrap_or(0);
            let by = offsets.get(session).copied().unwrap_or(0);
            let more = match sessions.is_one_step {
                true => i64::try_from(segment.rounds.saturating_sub(1)).unwrap_or(i64::MAX),
                false => 0,
            };
            for part in segment.parts.iter().filter(|part| members.contains(&part.tag)) {
                seen.insert(session);
                tags.insert(part.tag);
                before = widen(before, part.first, part.last);
                let first = part.first.saturating_add(by);
                after = widen(after, first, part.last.saturating_add(by).saturating_add(more));
            }
        }
        if let (Some(steps), Some(new_steps)) = (before, after)
            && steps != new_steps
        {
            let (run, tags, sessions) = (job.name.clone(), tags.len(), seen.len());
            runs.push(ContinuedRun { run, tags, sessions, steps, new_steps });
        }
    }
    runs
}

/// The segments of a run, each with its index.
fn of_run(segments: &[Segment], run: usize) -> impl Iterator<Item = (usize, &Segment)> {
    let from = segments.partition_point(|segment| segment.run < run);
    let all = segments.iter().enumerate().skip(from);
    all.take_while(move |(_, segment)| segment.run == run)
}

/// The run name and the path of a segment.
fn path(segment: &Segment, jobs: &[&Job]) -> Option<(String, PathBuf)> {
    let job = jobs.get(segment.run)?;
    Some((job.name.clone(), job.files.get(segment.file)?.clone()))
}

fn note(
    survey: &Survey,
    jobs: &[&Job],
    segment: usize,
    why: Why,
    sessions: &Sessions,
) -> Option<StepNote> {
    let part = survey.segments.get(segment)?;
    let (run, file) = path(part, jobs)?;
    let kind = match why {
        Why::Resumed(step) => {
            let session = sessions.all.get(*sessions.of_segment.get(segment)?)?;
            StepNoteKind::Resumed { step, last: session.highest }
        }
        Why::SameTime(other) => {
            StepNoteKind::SameTime { other: path(survey.segments.get(other)?, jobs)?.1 }
        }
    };
    Some(StepNote { run, path: file, kind })
}
