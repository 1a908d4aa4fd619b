//! The table as a file.

use serde::{Serialize, Serializer};

use super::columns::{Columns, Value};
use super::sessions::Group;
use crate::routes::json::Number;
use crate::routes::scalars::python;

/// The visible columns of the rows.
#[derive(Serialize)]
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

enum Cell {
    Hparam(Option<Value>),
    Metric(Option<f64>),
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Hparam(Some(value)) => value.serialize(serializer),
            Self::Hparam(None) => serializer.serialize_str(""),
            Self::Metric(value) => value.map(Number).serialize(serializer),
        }
    }
}

impl Table {
    /// `visible` says of each column whether it is in the table; columns beyond it are not.
    pub(super) fn new(columns: &Columns, groups: &[Group], visible: &[bool]) -> Self {
        let or = |name: &str, other: &str| (if name.is_empty() { other } else { name }).to_owned();
        let hparams = columns.hparam_infos.iter().map(|info| or(&info.display_name, &info.name));
        let metrics =
            columns.metric_infos.iter().map(|info| or(&info.display_name, &info.name.tag));
        let row = |group: &Group| {
            let hparams = columns.hparam_infos.iter();
            let hparams = hparams.map(|info| Cell::Hparam(group.hparams.get(&info.name).cloned()));
            let metrics = columns.metric_infos.iter().map(|info| {
                let found = group.metric_values.iter().find(|value| value.name == info.name);
                Cell::Metric(found.map(|found| found.value))
            });
            shown(hparams.chain(metrics), visible)
        };
        Self {
            header: shown(hparams.chain(metrics), visible),
            rows: groups.iter().map(row).collect(),
        }
    }

    pub(super) fn to_csv(&self) -> String {
        let line = |cells: Vec<String>| cells.join(",") + "\r\n";
        let header = line(self.header.iter().map(|name| quoted(name)).collect());
        let cell = |cell: &Cell| match cell {
            Cell::Hparam(Some(Value::Text(text))) => quoted(text),
            Cell::Hparam(Some(Value::Bool(value))) => {
                (if *value { "True" } else { "False" }).to_owned()
            }
            Cell::Hparam(Some(Value::Number(number))) | Cell::Metric(Some(number)) => {
                python(*number)
            }
            Cell::Hparam(None) | Cell::Metric(None) => String::new(),
        };
        let rows = self.rows.iter().map(|row| line(row.iter().map(cell).collect()));
        std::iter::once(header).chain(rows).collect()
    }

    pub(super) fn to_latex(&self) -> String {
        let line = |cells: Vec<String>| cells.join(" & ") + " \\\\";
        let header = line(self.header.iter().map(|name| escaped(name)).collect());
        let cell = |cell: &Cell| match cell {
            Cell::Hparam(Some(Value::Text(text))) => escaped(text),
            Cell::Hparam(Some(Value::Bool(value))) => format!("${}$", u8::from(*value)),
            Cell::Hparam(Some(Value::Number(number))) | Cell::Metric(Some(number)) => {
                latex(*number)
            }
            Cell::Hparam(None) => String::new(),
            Cell::Metric(None) => "-".to_owned(),
        };
        let rows: String =
            self.rows.iter().map(|row| line(row.iter().map(cell).collect()) + "\n").collect();
        let columns = "l".repeat(self.header.len());
        format!(
            "\\begin{{table}}[tbp]\n\\begin{{tabular}}{{{columns}}}\n{header} \\hline\n{rows}\\hline\n\
             \\end{{tabular}}\n\\end{{table}}\n"
        )
    }
}

fn shown<T>(cells: impl Iterator<Item = T>, visible: &[bool]) -> Vec<T> {
    cells.zip(visible).filter(|(_, visible)| **visible).map(|(cell, _)| cell).collect()
}

/// A text as a cell of CSV.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// A text in LaTeX.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '\\' => out.push_str("\\textbackslash{}"),
            _ => out.push(c),
        }
    }
    out
}

/// A number with three digits.
fn latex(number: f64) -> String {
    if number.is_nan() {
        return "$\\mathrm{NaN}$".to_owned();
    }
    if number.is_infinite() {
        return format!("${}\\infty$", if number < 0.0 { '-' } else { '+' });
    }
    let scientific = format!("{number:.2e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    match exponent {
        -4..=2 => {
            let decimals = usize::try_from(2 - exponent).unwrap_or(0);
            format!("${}$", trim(&format!("{number:.decimals$}")))
        }
        _ => format!("${}\\cdot 10^{{{exponent}}}$", trim(digits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_in_latex() {
        for (number, expected) in [
            (0.0, "$0$"),
            (0.5, "$0.5$"),
            (123.4, "$123$"),
            (0.00012345, "$0.000123$"),
            (0.000012345, "$1.23\\cdot 10^{-5}$"),
            (1234.0, "$1.23\\cdot 10^{3}$"),
            (f64::NEG_INFINITY, "$-\\infty$"),
        ] {
            assert_eq!(latex(number), expected);
        }
    }

    #[test]
    fn cells_are_quoted_and_escaped() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(escaped("a_b 5%"), "a\\_b 5\\%");
    }
}
