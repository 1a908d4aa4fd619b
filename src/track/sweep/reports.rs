//! The values that a trial has reported, in a file next to its log: a line per point, `STEP VALUE BEST BEST_STEP`.
//!
//! The log has them, too. But every worker reads the reports of other trials, and their logs may be large. So the file
//! has what a rule compares, and no more: each of the first reports, then fewer and fewer, and those that reach a step
//! at which trials are compared.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::goal::Goal;
use crate::error::{Result, failed};
use crate::replace::disk;
use crate::store::{open_no_link, open_to_write};

/// The file.
const FILE: &str = crate::file_names::REPORTS;
/// Maximum number of bytes of a file that are read: about 2,000 points. A million reports make about 550.
const MAX_BYTES: u64 = 64 << 10;
/// Number of reports at the start that are all points.
const ALL: u64 = 50;
/// Later, a report is a point if there were more reports by this part since the last point.
const PART: u64 = 50;

/// A report that is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) step: i64,
    pub(super) value: f64,
    /// The best value so far, of all reports; NaN if none was a number.
    pub(super) best: f64,
    /// The step at which that was first reached.
    pub(super) best_step: i64,
}

/// Points of a trial, with ascending steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Curve(Vec<Point>);

impl Curve {
    /// Adds a point. A trial that goes back to an earlier step repeats the steps from there on.
    fn push(&mut self, point: Point) {
        self.drop_from(point.step);
        self.0.push(point);
    }

    fn drop_from(&mut self, step: i64) {
        let earlier = self.0.partition_point(|other| other.step < step);
        self.0.truncate(earlier);
    }

    pub(super) fn last(&self) -> Option<Point> {
        self.0.last().copied()
    }

    /// The value at a step, or the last one before it.
    pub(super) fn at(&self, step: i64) -> Option<f64> {
        let after = self.0.partition_point(|point| point.step <= step);
        self.0.get(after.checked_sub(1)?).map(|point| point.value)
    }

    /// The best value when a step was reached; `None` if it was not, NaN if there was no number.
    pub(super) fn best_at(&self, step: i64) -> Option<f64> {
        let reached = self.0.partition_point(|point| point.step < step);
        self.0.get(reached).map(|point| point.best)
    }
}

#[cfg(test)]
impl Curve {
    /// The curve of a trial with these reports. All are kept.
    pub(super) fn of(goal: Goal, reports: &[(i64, f64)]) -> Self {
        let mut curve = Self::default();
        for (step, value) in reports {
            curve.push(after(curve.last(), goal, *step, *value));
        }
        curve
    }
}

/// The point of a report after another one.
fn after(before: Option<Point>, goal: Goal, step: i64, value: f64) -> Point {
    match before {
        Some(before)
            if value.is_nan() || !(before.best.is_nan() || goal.is_better(value, before.best)) =>
        {
            Point { step, value, ..before }
        }
        _ => Point { step, value, best: value, best_step: step },
    }
}

/// Reports of a trial, with the file that keeps them.
#[derive(Debug)]
pub(super) struct Reports {
    curve: Curve,
    last: Option<Point>,
    /// Number of reports, and the number from which on the next one is kept.
    count: u64,
    next: u64,
    goal: Goal,
    /// The steps at which the trial is compared with others.
    rungs: Vec<i64>,
    file: File,
}

impl Reports {
    /// Continues the reports of the trial in `dir`.
    pub(super) fn open(dir: &Path, goal: Goal, rungs: Vec<i64>) -> Result<Self> {
        let path = dir.join(FILE);
        let file = open(&path).map_err(|error| failed(error, &path))?;
        let curve = read(dir)?;
        let last = curve.last();
        Ok(Self { curve, last, count: 0, next: 0, goal, rungs, file })
    }

    /// The points and the last report.
    pub(super) fn curve(&self) -> &Curve {
        &self.curve
    }

    pub(super) fn last(&self) -> Option<Point> {
        self.last
    }

    pub(super) fn add(&mut self, dir: &Path, step: i64, value: f64) -> Result<()> {
        let goes_back = self.last.is_some_and(|last| step <= last.step);
        if goes_back {
            self.curve.drop_from(step);
            self.last = self.curve.last();
        }
        let before = self.last.map_or(i64::MIN, |last| last.step);
        let point = after(self.last, self.goal, step, value);
        self.last = Some(point);
        self.count = self.count.saturating_add(1);
        let reaches = self.rungs.iter().any(|rung| before < *rung && *rung <= step);
        if goes_back || reaches || self.count >= self.next {
            self.keep(dir, point)?;
        }
        Ok(())
    }

    /// Writes the last report, whichever it is: later steps of other trials are compared with it.
    pub(super) fn close(&mut self, dir: &Path) -> Result<()> {
        match self.last {
            Some(last) if self.curve.last() != Some(last) => self.keep(dir, last),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, dir: &Path, point: Point) -> Result<()> {
        let Point { step, value, best, best_step } = point;
        // One call writes the line. A line that a killed program did not end is not read.
        let line = format!("\n{step} {value:?} {best:?} {best_step}\n");
        self.file.write_all(line.as_bytes()).map_err(|error| failed(error, dir.join(FILE)))?;
        self.curve.push(point);
        self.next = self.count.saturating_add(1);
        if self.count >= ALL {
            self.next = self.next.saturating_add(self.count / PART - 1);
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut file = match disk::create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => open_to_write(path)?,
        created => created?,
    };
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// The reports of the trial in `dir`; none if it has not reported anything.
pub(super) fn read(dir: &Path) -> Result<Curve> {
    let path = dir.join(FILE);
    let mut bytes = Vec::new();
    match open_no_link(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Curve::default()),
        opened => {
            let (file, _) = opened.map_err(|error| failed(error, &path))?;
            file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| failed(error, &path))?;
        }
    }
    let mut curve = Curve::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").and_then(|line| str::from_utf8(line).ok());
        if let Some(point) = line.and_then(point) {
            curve.push(point);
        }
    }
    Ok(curve)
}

fn point(line: &str) -> Option<Point> {
    let mut words = line.split(' ');
    let mut word = || words.next();
    let point = Point {
        step: word()?.parse().ok()?,
        value: word()?.parse().ok()?,
        best: word()?.parse().ok()?,
        best_step: word()?.parse().ok()?,
    };
    word().is_none().then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Reports {
        Reports::open(dir, Goal::Minimize, vec![1000, 3000]).unwrap()
    }

    #[test]
    fn reports_are_read_again_and_half_a_line_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), Curve::default());
        let mut reports = open(dir.path());
        for (step, value) in [(1, 0.5), (2, f64::INFINITY), (3, 0.1 + 0.2)] {
            reports.add(dir.path(), step, value).unwrap();
        }
        reports.file.write_all(b"4 0.1 0.1").unwrap();
        assert_eq!(read(dir.path()).unwrap(), reports.curve);
        let mut again = open(dir.path());
        again.add(dir.path(), 2, 0.75).unwrap();
        assert_eq!(again.curve, Curve::of(Goal::Minimize, &[(1, 0.5), (2, 0.75)]));
        assert_eq!(again.last.map(|last| (last.best, last.best_step)), Some((0.5, 1)));
        assert_eq!(read(dir.path()).unwrap(), again.curve);
        std::fs::write(
            dir.path().join(FILE),
            b"\xff\xff 1 1 1\nx y 1 1\n7 nan nan 7\n1 2 3\n9 1 1 9",
        )
        .unwrap();
        let read = read(dir.path()).unwrap();
        assert!(matches!(read.0[..], [Point { step: 7, .. }]), "{read:?}");
    }

    /// The file stays small, and what rules compare is exact, or at most two percent old.
    #[test]
    fn of_many_reports_few_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut reports = open(dir.path());
        let value = |step: i64| if step == 777 { -1.0 } else { 1.0 / step as f64 };
        for step in 1..=100_000 {
            reports.add(dir.path(), step, value(step)).unwrap();
        }
        let curve = read(dir.path()).unwrap();
        assert!((300..500).contains(&curve.0.len()), "{}", curve.0.len());
        assert_eq!(curve, reports.curve);
        assert!((1..=50).all(|step| curve.at(step) == Some(value(step))));
        assert_eq!([curve.at(1000), curve.at(3000)], [Some(value(1000)), Some(value(3000))]);
        for step in [100, 5000, 99_999] {
            let step_of_value = 1.0 / curve.at(step).unwrap();
            assert!((0.98 * step as f64..=step as f64 + 0.5).contains(&step_of_value));
        }
        assert_eq!(
            (curve.best_at(700).map(|best| best > 0.0), curve.best_at(1000)),
            (Some(true), Some(-1.0))
        );
        assert_eq!(curve.best_at(200_000), None);
        reports.close(dir.path()).unwrap();
        assert_eq!(
            read(dir.path()).unwrap().last().map(|last| (last.step, last.best_step)),
            Some((100_000, 777))
        );
        assert!(std::fs::metadata(dir.path().join(FILE)).unwrap().len() < MAX_BYTES);
    }

    #[test]
    fn a_number_is_better_than_none() {
        let curve = Curve::of(Goal::Maximize, &[(1, f64::NAN), (2, 3.0), (3, f64::NAN), (4, 2.0)]);
        assert!(curve.best_at(1).is_some_and(f64::is_nan));
        assert_eq!((curve.best_at(2), curve.best_at(4)), (Some(3.0), Some(3.0)));
        assert!(curve.at(3).is_some_and(f64::is_nan));
    }
}
