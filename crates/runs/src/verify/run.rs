//! Checks a run: its files in the order in which they are read.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::facts::{Border, Facts};
use super::finding::{Finding, Place, location};
use super::hparams::Session;
use super::tag::{KindName, Tag};
use super::{Rule, Verify, file, mesh};
use tbx::error::{Issue, Location};
use tbx::event::{is_event_file, other_file_issue};
use tbx::logdir::RunFiles;
use tbx::summary::Kind;

/// The facts about a run.
#[derive(Debug)]
pub(super) struct RunFacts {
    pub(super) files: usize,
    pub(super) bytes: u64,
    pub(super) events: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) more: u64,
    pub(super) session: Session,
}

/// Checks the files of `run`. Also returns the files that are not event files.
pub(super) fn verify(run: &RunFiles, options: &Verify) -> (RunFacts, Vec<Issue>) {
    let paths: Vec<Arc<Path>> = run.files.iter().map(|name| run.path.join(name).into()).collect();
    let files = paths.par_iter().enumerate();
    let looked: Vec<_> =
        files.map(|(number, path)| file::verify(path, number, options, None)).collect();
    let (mut files, mut others) = (Vec::with_capacity(looked.len()), Vec::new());
    for (file, path) in looked.into_iter().zip(&paths) {
        match file {
            Ok(facts) => files.push(facts),
            Err(other) => others.push(other_file_issue(path.clone(), other)),
        }
    }
    let count = files.len();
    let mut findings = directories(run);
    let borders = borders(&files, &mut findings);
    let mut joined: Option<Facts> = None;
    for (file, border) in files.into_iter().zip(borders) {
        match &mut joined {
            None => joined = Some(file),
            Some(joined) => {
                // The kind of its values may depend on metadata that only an earlier file has.
                let again = file
                    .is_ambiguous
                    .then(|| file::verify(&file.path, file.file, options, Some(&joined.tags)).ok());
                joined.append(again.flatten().unwrap_or(file), border);
            }
        }
    }
    let mut joined = joined.unwrap_or_else(|| Facts::new(Path::new("").into(), 0, None));
    findings.append(&mut joined.findings);
    // A second one for the same step takes effect: that is how tbx resumes a run.
    let again = joined.starts.get(1).copied();
    if let Some((place, Some(highest))) = joined.first_start
        && place.step <= highest
        && again.is_none_or(|step| step > place.step)
    {
        let message = format!("a START at step {}, after step {highest}", place.step);
        findings.push(Finding::new(Rule::RestartIgnored, location(&paths, place), message));
    }
    let session = Session::of(&joined.tags.all, &paths, &mut findings);
    mesh::check(&joined.tags.all, &paths, &mut findings);
    for tag in joined.tags.all {
        series(tag, &paths, &mut findings);
    }
    for finding in &mut findings {
        finding.location.run = Some(run.name.clone());
    }
    let Facts { bytes, events, more, .. } = joined;
    (RunFacts { files: count, bytes, events, findings, more, session }, others)
}

/// Directories next to the files that are named like event files.
fn directories(run: &RunFiles) -> Vec<Finding> {
    let entries = run.path.read_dir().into_iter().flatten().flatten();
    let folders =
        entries.filter(|entry| is_event_file(&entry.file_name()) && entry.path().is_dir());
    let finding =
        |path| Finding::new(Rule::DirectoryName, Location::of(path), "a directory, not a file");
    let mut findings: Vec<_> = folders.map(|entry| finding(entry.path())).collect();
    findings.sort_by(|a, b| a.location.cmp(&b.location));
    findings
}

/// The border before each file. Also checks that the files follow each other in time.
fn borders(files: &[Facts], findings: &mut Vec<Finding>) -> Vec<Border> {
    let mut before: Option<&Facts> = None;
    let mut borders = Vec::with_capacity(files.len());
    for file in files {
        let disorder = before.and_then(|before| Some((disorder(before, file)?, before)));
        if let Some((rule, before)) = disorder {
            let other = before.path.file_name().unwrap_or_default().to_string_lossy();
            let message = match rule {
                Rule::FileCopy => format!("the same events as {other}"),
                Rule::FileOrder => format!("all of it is older than {other}"),
                _ => format!("it starts before the end of {other}"),
            };
            findings.push(Finding::new(rule, Location::of(file.path.clone()), message));
        }
        borders.push(Border::File { in_order: disorder.is_none() });
        if file.times.is_some() {
            before = Some(file);
        }
    }
    borders
}

/// The rule that `file` breaks by not following `before`, if any.
fn disorder(before: &Facts, file: &Facts) -> Option<Rule> {
    let ((first_before, last_before), (first, last)) = (before.times?, file.times?);
    let size = |facts: &Facts| (facts.bytes, facts.events, facts.tags.all.len());
    if (first_before, last_before) == (first, last) && size(before) == size(file) {
        Some(Rule::FileCopy)
    } else if last < first_before {
        Some(Rule::FileOrder)
    } else if first < last_before {
        Some(Rule::WritersOverlap)
    } else {
        None
    }
}

/// Reports the problems of a series.
fn series(mut tag: Tag, paths: &[Arc<Path>], findings: &mut Vec<Finding>) {
    let mut find = |rule, place, count, message: String| {
        let mut location = location(paths, place);
        location.tag = Some(tag.name.to_string());
        findings.push(Finding { rule, location, count, message });
    };
    if let Some(first) = tag.first.filter(|first| first.is_bare) {
        let message = match first.is_empty {
            true => "no value and no metadata",
            false => "a tensor without metadata",
        };
        find(Rule::NoMetadata, first.place, tag.bare.max(1), message.into());
    }
    let is_zero = tag.steps.repeats && !tag.steps.not_zero;
    if let Some(first) = tag.first_step.filter(|_| is_zero) {
        find(Rule::StepsZero, first, tag.steps.count, String::new());
        let is_same =
            |rule| matches!(rule, Rule::StepsRepeat | Rule::StartsAgain | Rule::RestartUnmarked);
        tag.tallies.0.retain(|tally| !is_same(tally.rule));
    }
    if let [(_, _, _), (_, place, _), ..] = tag.kinds.as_slice() {
        let name = |((kind, plugin), _, count): &(KindName, Place, u64)| match kind {
            Kind::Tensor => format!("{count} of plugin {plugin:?}"),
            kind => format!("{count} {kind}"),
        };
        let kinds: Vec<_> = tag.kinds.iter().map(name).collect();
        let others = tag.kinds.iter().skip(1).map(|(_, _, count)| count).sum();
        find(Rule::KindsMixed, *place, others, kinds.join(", "));
    }
    for tally in std::mem::take(&mut tag.tallies.0) {
        find(tally.rule, tally.place, tally.count, tally.message);
    }
}
