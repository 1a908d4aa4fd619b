//! Excludes files that have the name of an event file but are not event files.

use std::path::PathBuf;

use rayon::prelude::*;

use super::{Logdir, RunFiles};
use crate::error::{Effect, ErrorKind, Issue};
use crate::event::{other_file_at, other_file_issue};
use crate::store;

impl Logdir {
    /// Returns the same log directory with event files only. Reads the first bytes of every file, with all threads
    /// of rayon's current pool. A file that is not an event file becomes an [issue](Self::issues), and a directory
    /// without event files is not a run. A file that cannot be read is kept.
    ///
    /// A load does the same while it reads. Use this to work with the files themselves.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let logs = dir.path();
    /// std::fs::write(logs.join("plot_tfevents.py"), "print('a program')")?;
    /// let logdir = tbx::Logdir::open(logs)?;
    /// assert_eq!((logdir.runs().len(), logdir.event_files().runs().len()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn event_files(&self) -> Self {
        let look = |run: &RunFiles| {
            let (mut files, mut issues) = (Vec::new(), Vec::new());
            for name in &run.files {
                let path = run.path.join(name);
                match other_file_at(&path) {
                    Ok(Some(other)) => {
                        let mut issue = other_file_issue(path.into(), other);
                        issue.location.run = Some(run.name.clone());
                        issues.push(issue);
                    }
                    Ok(None) | Err(_) => files.push(name.clone()),
                }
            }
            (RunFiles { files, ..run.clone() }, issues)
        };
        let looked: Vec<_> = self.runs().par_iter().map(look).collect();
        let (mut runs, mut issues) = (Vec::with_capacity(looked.len()), self.issues().to_vec());
        for (run, found) in looked {
            runs.extend(Some(run).filter(|run| !run.files.is_empty()));
            issues.extend(found);
        }
        self.miss(&mut issues);
        self.with(runs, issues)
    }

    /// Returns whether there is a log, or something in place of a log, such as an unreadable file or a pointer to
    /// a log. Opens files until it finds one. At a URL, only checks names.
    #[doc(hidden)]
    pub fn has_logs(&self) -> bool {
        let is_log = |path: PathBuf| match other_file_at(&path) {
            Ok(Some(_)) if path == self.path() => true,
            Ok(Some(other)) => other_file_issue(path.into(), other).effect.is_loss(),
            Ok(None) | Err(_) => true,
        };
        let mut paths =
            self.runs().iter().flat_map(|run| run.files.iter().map(|f| run.path.join(f)));
        self.issues().iter().any(|issue| issue.effect.is_loss())
            || match store::is_url(self.path()) {
                true => paths.next().is_some(),
                false => paths.any(is_log),
            }
    }

    /// Marks a file as skipped if the user named it by its own path and it is not an event file, whatever its
    /// name.
    #[doc(hidden)]
    pub fn miss(&self, issues: &mut [Issue]) {
        for issue in issues {
            let is_other = matches!(issue.kind, ErrorKind::NotEventFile(_));
            if is_other && issue.location.path.as_deref() == Some(self.path()) {
                issue.effect = Effect::SkippedFile;
            }
        }
    }
}
