//! The tables in `docs/differences.md`.

use std::fmt;
use std::fs;

use crate::common::repository;

/// Stands for any value.
const ANY: &str = "…";
/// Stands for numbers that differ only in their last bits.
const NEAR: &str = "≈";
/// Stands for a missing value.
pub(super) const ABSENT: &str = "absent";

/// A field that has different values in the output of the peer and of tbx.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Difference {
    pub(super) peer: String,
    /// Name of the case.
    pub(super) case: String,
    /// Path of the field, without element indices and map keys.
    pub(super) field: String,
    pub(super) theirs: String,
    pub(super) ours: String,
}

/// A row of a table.
pub(super) struct Row {
    line: usize,
    pub(super) peers: Vec<String>,
    /// Methods or cases.
    pub(super) calls: Vec<String>,
    field: String,
    theirs: String,
    ours: String,
}

impl Row {
    /// Every row of every table. All tables have the columns peer, call, field, theirs, ours, why.
    pub(super) fn all() -> Vec<Self> {
        let document = fs::read_to_string(repository("docs/differences.md")).unwrap();
        let lines = document.lines().zip(1..).filter(|(line, _)| line.starts_with("| "));
        let rows = lines.map(|(text, line)| {
            let cells = text.trim_matches(['|', ' ']).split(" | ");
            let cells: Vec<_> = cells.map(|cell| cell.trim().replace('`', "")).collect();
            let [peers, calls, field, theirs, ours, why] = <[String; 6]>::try_from(cells)
                .unwrap_or_else(|cells| panic!("line {line} has {} columns", cells.len()));
            assert!(!why.is_empty(), "line {line} has no reason");
            let list = |cell: &str| cell.split(", ").map(Into::into).collect();
            Self { line, peers: list(&peers), calls: list(&calls), field, theirs, ours }
        });
        rows.filter(|row| row.peers != ["peer"]).collect()
    }

    /// Whether the row is about this case.
    fn is_of(&self, peer: &str, case: &str) -> bool {
        self.peers.iter().any(|one| one == peer) && self.calls.iter().any(|call| names(call, case))
    }

    /// Whether the row documents this difference.
    pub(super) fn states(&self, found: &Difference) -> bool {
        let is_field = match self.field.strip_suffix(".*") {
            Some(above) => {
                found.field.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'))
            }
            None => self.field == found.field,
        };
        let is_value = |cell: &str, value: &str| match cell {
            ANY => value != ABSENT,
            NEAR => near(&found.theirs, &found.ours),
            cell => cell == value,
        };
        self.is_of(&found.peer, &found.case)
            && is_field
            && is_value(&self.theirs, &found.theirs)
            && is_value(&self.ours, &found.ours)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, field, theirs, ours, .. } = self;
        write!(f, "docs/differences.md:{line} ({field}: {theirs} | {ours})")
    }
}

/// Prints the beginning of a row that would document the difference.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, case, field, theirs, ours } = self;
        let short = |text: &str| match text.char_indices().nth(100) {
            Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
            None => text.to_owned(),
        };
        write!(f, "| {peer} | {case} | {field} | {} | {} |", short(theirs), short(ours))
    }
}

/// Whether a cell names the case: by its full name, or by its method, possibly with an exception.
pub(super) fn names(call: &str, case: &str) -> bool {
    let Some((method, variant)) = case.split_once(": ") else { return call == case };
    let (named, without) = call.split_once(" but not ").unwrap_or((call, ""));
    call == case || named == method && without != variant
}

/// Whether two lists of numbers are equal up to the rounding of a few float64 operations.
fn near(theirs: &str, ours: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<f64>> {
        text.split(' ').map(|number| number.parse().ok()).collect()
    };
    let (Some(theirs), Some(ours)) = (numbers(theirs), numbers(ours)) else { return false };
    theirs.len() == ours.len()
        && theirs.iter().zip(&ours).all(|(a, b)| (a - b).abs() <= 1e-14 * a.abs().max(b.abs()))
}
