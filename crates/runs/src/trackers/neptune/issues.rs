//! Adds problems to reports.

use std::path::Path;

use tbx::error::{Effect, ErrorKind, Issue, Location, Report};

/// Adds an issue to a report.
pub(super) fn push(report: &mut Report, issue: Issue) {
    if report.issues.len() < Report::MAX_ISSUES_PER_FILE {
        report.issues.push(issue);
    } else {
        report.more_issues = report.more_issues.saturating_add(1);
    }
}

/// An issue about a file or a directory.
pub(super) fn issue(report: &mut Report, path: &Path, kind: impl Into<ErrorKind>, effect: Effect) {
    push(report, Issue::new(kind.into(), Location::of(path), effect));
}
