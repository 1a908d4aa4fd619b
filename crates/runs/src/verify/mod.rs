//! Finds all problems in logs: damage, and data that some reader shows differently than intended.
//!
//! The rules are a table, see [`Rule`]. Sources: `tensorboard/data/server/run.rs` and
//! `data_compat.rs`, `tensorboard/backend/event_processing/plugin_event_accumulator.py`, and the
//! behavior of both loaders of TensorBoard 2.21.

mod facts;
mod file;
mod finding;
mod hparams;
mod mesh;
mod pass;
mod rule;
mod run;
mod tag;
mod value;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

pub use finding::Finding;
pub use rule::{Rule, Severity};

use crate::progress::{OnProgress, Progress};
use tbx::error::{ErrorKind, Issue, OtherFile};
use tbx::logdir::{Logdir, RunFiles, side_files};
use tbx::store::Links;

/// The checks to make.
///
/// ```
/// use tbx::Logdir;
/// use tbx_runs::verify::{Rule, Verify};
///
/// let logdir = Logdir::open("fixtures/broken/flip_middle_payload")?;
/// let verified = Verify::new().run(&logdir);
/// let finding = &verified.findings[0];
/// assert_eq!((finding.rule, finding.location.offset), (Rule::PayloadCrc, Some(591)));
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Verify {
    rules: Option<Vec<Rule>>,
    allowed: Vec<Rule>,
    runs: Option<Filter>,
    tags: Option<Filter>,
    follow_links: bool,
    on_progress: OnProgress,
}

type Filter = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The findings.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Verified {
    /// The findings, sorted by path, offset, run and tag.
    pub findings: Vec<Finding>,
    /// Number of findings beyond the first thousand of a file, which are only counted.
    pub more: u64,
    /// Number of runs that were checked.
    pub runs: usize,
    /// Number of files that were checked.
    pub files: usize,
    /// Total size of these files in bytes.
    pub bytes: u64,
    /// Number of readable events in these files.
    pub events: u64,
}

impl Verified {
    /// Number of findings with this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity() == severity).count()
    }

    /// Whether there are no problems; notes do not count.
    pub fn is_clean(&self) -> bool {
        self.more == 0 && self.count(Severity::Note) == self.findings.len()
    }

    /// Whether some data could not be checked.
    pub fn is_incomplete(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule == Rule::Io)
    }
}

impl Verify {
    /// Checks everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks only these rules. Default: all.
    #[must_use]
    pub fn rules(self, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { rules: Some(rules.into_iter().collect()), ..self }
    }

    /// Does not check these rules. Default: none.
    #[must_use]
    pub fn allow(self, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self { allowed: rules.into_iter().collect(), ..self }
    }

    /// Checks only runs whose name `wanted` accepts; the files of other runs are not opened.
    /// Default: all.
    #[must_use]
    pub fn runs(self, wanted: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { runs: Some(Arc::new(wanted)), ..self }
    }

    /// Checks only series whose tag `wanted` accepts. Default: all.
    #[must_use]
    pub fn tags(self, wanted: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { tags: Some(Arc::new(wanted)), ..self }
    }

    /// Whether files next to the event files are also read if links lead out of a run's directory.
    /// Default: false.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        Self { follow_links: follow, ..self }
    }

    /// Calls `f` with the progress of the job, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    fn wants_tag(&self, tag: &str) -> bool {
        self.tags.as_ref().is_none_or(|wanted| wanted(tag))
    }

    fn wants(&self, rule: Rule) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.contains(&rule))
            && !self.allowed.contains(&rule)
    }

    /// Checks every event of every file, with all threads of rayon's current pool.
    ///
    /// Memory use grows with the number of series, not with the number of events. Unreadable files
    /// are findings of [`Rule::Io`].
    pub fn run(&self, logdir: &Logdir) -> Verified {
        let wanted = |name: &str| self.runs.as_ref().is_none_or(|wanted| wanted(name));
        let runs: Vec<_> = logdir.runs().iter().filter(|run| wanted(&run.name)).collect();
        let all_runs = runs.len();
        let done = Mutex::new(0);
        let verify = |run: &&RunFiles| {
            let verified = run::verify(run, self);
            let mut runs = done.lock().unwrap_or_else(PoisonError::into_inner);
            *runs += 1;
            self.on_progress.call(Progress { runs: *runs, all_runs, ..Progress::default() });
            verified
        };
        let found: Vec<_> = runs.par_iter().map(verify).collect();
        let mut verified = Verified::default();
        verified.findings.extend(logdir.issues().iter().map(finding));
        let mut sessions = Vec::with_capacity(runs.len());
        for (run, (facts, mut others)) in runs.iter().zip(found) {
            logdir.miss(&mut others);
            others.iter_mut().for_each(|other| other.location.run = Some(run.name.clone()));
            verified.findings.extend(others.iter().map(finding));
            verified.runs += usize::from(facts.files > 0);
            verified.files += facts.files;
            verified.bytes += facts.bytes;
            verified.events += facts.events;
            verified.more += facts.more;
            verified.findings.extend(facts.findings);
            sessions.push((run.name.as_str(), facts.session));
        }
        let links = Links::all_if(self.follow_links);
        let beside = runs.par_iter().flat_map_iter(|run| {
            let issues = side_files::issues(&run.name, &run.path, links).into_iter();
            issues.map(|issue| Finding::new(Rule::SideFile, issue.location, issue.kind.to_string()))
        });
        verified.findings.par_extend(beside);
        if !tbx::store::is_url(logdir.path())
            && let Err(error) = crate::registry::Registry::open(logdir.path())
                .follow_links(self.follow_links)
                .models()
        {
            let location = error.location().clone();
            let what = error.into_kind().to_string();
            verified.findings.push(Finding::new(Rule::SideFile, location, what));
        }
        hparams::check(&sessions, &mut verified.findings);
        verified.findings.retain(|finding| self.wants(finding.rule));
        verified.findings.sort_by(|a, b| (&a.location, a.rule).cmp(&(&b.location, b.rule)));
        verified
    }
}

/// The finding for a file or directory that was not checked.
fn finding(issue: &Issue) -> Finding {
    let rule = match issue.kind {
        ErrorKind::SymlinkLoop(_) => Rule::SymlinkLoop,
        ErrorKind::SameDirectory(_) => Rule::SameDirectory,
        ErrorKind::NameNotUtf8 => Rule::NameNotUtf8,
        ErrorKind::NotEventFile(_) if !issue.effect.is_loss() => Rule::OtherFile,
        ErrorKind::NotEventFile(OtherFile::LfsPointer | OtherFile::AnnexPointer) => Rule::Pointer,
        ErrorKind::NotEventFile(OtherFile::Compressed(_) | OtherFile::Archive(_)) => {
            Rule::Compressed
        }
        ErrorKind::NotEventFile(_) => Rule::NotEventFile,
        _ => Rule::Io,
    };
    Finding::new(rule, issue.location.clone(), issue.kind.to_string())
}

impl fmt::Debug for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify")
            .field("rules", &self.rules)
            .field("allowed", &self.allowed)
            .field("runs", &self.runs.as_ref().map(|_| ".."))
            .field("tags", &self.tags.as_ref().map(|_| ".."))
            .field("follow_links", &self.follow_links)
            .finish()
    }
}
