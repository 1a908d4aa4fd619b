//! The legend below a chart in a terminal.

use std::collections::BTreeMap;

use super::chart::{Ink, MEDIAN, ansi, color, letter};
use super::render::{DIM, Table, counted, name, number, styled};
use tbx_runs::table::{Line, ScalarChart};

/// One line per named run, and a line about runs and values that are not in the chart.
pub(super) fn legend(chart: &ScalarChart, ink: Ink, width: usize) -> String {
    let named: Vec<&Line> = chart.lines.iter().filter(|line| line.rank.is_some()).collect();
    let mut text = if named.is_empty() { String::new() } else { table(chart, &named, ink, width) };
    for line in notes(chart, ink) {
        text += &styled(DIM, &format!("  {line}"));
        text += "\n";
    }
    text
}

fn table(chart: &ScalarChart, named: &[&Line], ink: Ink, width: usize) -> String {
    let several = chart.lines.len() > 1;
    let is_smoothed = chart.smoothing > 0.0;
    let has_notes = named.iter().any(|line| !line.left_out().is_empty());
    let mut heads = vec!["RUN", ">LAST"];
    heads.extend(is_smoothed.then_some(">SMOOTHED"));
    heads.push(">STEP");
    heads.extend(has_notes.then_some("NOTES"));
    let mut table = Table::of(&heads, if several { 4 } else { 2 });
    for line in named {
        let (step, value) = match line.last {
            Some((step, value)) => (step.to_string(), number(value)),
            None => Default::default(),
        };
        let mut cells = vec![name(&line.name), value];
        cells.extend(is_smoothed.then(|| line.last_smoothed.map_or(String::new(), number)));
        cells.push(step);
        cells.extend(has_notes.then(|| said(line.left_out())));
        table.row(cells);
    }
    let rendered = table.render(Some(width));
    if !several {
        return rendered;
    }
    let mut rows = rendered.lines();
    let mut text = rows.next().map_or(String::new(), |head| format!("{head}\n"));
    for (row, line) in rows.zip(named) {
        let style = ansi(color(line.rank, ink)).bold();
        let letter = styled(style, &letter(line.rank).to_string());
        // The table has left room for the letter.
        text += &format!("  {letter} {}\n", row.get(4..).unwrap_or_default());
    }
    text
}

fn notes(chart: &ScalarChart, ink: Ink) -> Vec<String> {
    let mut notes = Vec::new();
    let faint: Vec<&Line> = chart.lines.iter().filter(|line| line.rank.is_none()).collect();
    if !faint.is_empty() {
        let mut left_out = BTreeMap::new();
        for (what, n) in faint.iter().flat_map(|line| line.left_out()) {
            *left_out.entry(what).or_insert(0) += n;
        }
        let odd = match left_out.is_empty() {
            true => String::new(),
            false => format!(" ({})", said(left_out)),
        };
        let runs = counted(faint.len(), "more run");
        let how = match (chart.is_crowded(), ink.color) {
            (false, true) => "in gray".to_owned(),
            (false, false) => "as dots".to_owned(),
            (true, _) => {
                let dots = if ink.ascii { '.' } else { '·' };
                let all = counted(chart.lines.len(), "run");
                format!("not drawn one by one; {dots} min to max and {MEDIAN} median of all {all}")
            }
        };
        notes.push(format!("{runs} {how}{odd}: --sort and --top select runs"));
    }
    if chart.outside > 0 {
        notes.push(format!("{} outside the chart", counted(chart.outside, "value")));
    }
    if chart.far > 0 {
        let far = counted(chart.far, "value");
        notes.push(format!("{far} far from the others: --ignore-outliers leaves them out"));
    }
    notes
}

/// Number of values of each kind.
fn said(counts: impl IntoIterator<Item = (&'static str, usize)>) -> String {
    let counts = counts.into_iter().map(|(what, n)| format!("{n} {what}"));
    counts.collect::<Vec<_>>().join(", ")
}
