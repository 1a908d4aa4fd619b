//! The cells of tables.

use std::cmp::Ordering;
use std::fmt;

use super::number::{self, Exact};
use tbx::meta::Param;

/// The content of a table cell.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// The run has no value.
    Empty,
    /// A bool.
    Bool(bool),
    /// An integer, such as a step.
    Int(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A time, in seconds since the Unix epoch.
    Time(f64),
    /// A duration in seconds.
    Duration(f64),
}

impl Cell {
    /// The meaning of the cell: the number or bool that a text represents, otherwise the cell
    /// itself. Several programs write all parameters as text, including MLflow, and YAML may have
    /// numbers in quotes.
    ///
    /// [`number::of_text`] decides which texts are numbers; a bool is `true` or `false`, also in
    /// Python's spelling.
    pub fn meaning(&self) -> Self {
        let Self::Text(text) = self else { return self.clone() };
        match text.trim() {
            "true" | "True" => Self::Bool(true),
            "false" | "False" => Self::Bool(false),
            _ => number::of_text(text).map_or_else(|| self.clone(), Self::Number),
        }
    }

    /// The cell as a number, if its [meaning](Self::meaning) is one. Times and durations are in
    /// seconds, and bools are 0 and 1.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            #[expect(clippy::as_conversions, reason = "rounds beyond 2^53")]
            Self::Int(value) => Some(*value as f64),
            Self::Number(value) | Self::Time(value) | Self::Duration(value) => Some(*value),
            Self::Text(_) => match self.meaning() {
                Self::Text(_) => None,
                other => other.number(),
            },
            Self::Empty => None,
        }
    }

    /// Whether both have the same meaning. NaN equals NaN.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.meaning(), other.meaning()) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Bool(_), _) | (_, Self::Bool(_)) => false,
            (Self::Text(a), Self::Text(b)) => a == b,
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => a == b || a.is_nan() && b.is_nan(),
                _ => a.is_empty() && b.is_empty(),
            },
        }
    }

    /// A text that is equal for cells with the same meaning.
    pub(super) fn identity(&self) -> String {
        match self.meaning() {
            Self::Empty => String::new(),
            Self::Bool(value) => format!("bool {value}"),
            Self::Text(text) => format!("text {text}"),
            other => {
                let number = other.number().unwrap_or(f64::NAN);
                format!("number {}", Exact(if number == 0.0 { 0.0 } else { number }))
            }
        }
    }

    /// Whether the cell is empty.
    pub fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// The sort order of rows: numbers, then texts, then NaN, then empty cells.
    pub fn order(&self, other: &Self) -> Ordering {
        self.ordered(other, false)
    }

    /// Like [`order`](Self::order), from large to small. NaN and empty cells still come last.
    pub fn order_descending(&self, other: &Self) -> Ordering {
        self.ordered(other, true)
    }

    fn ordered(&self, other: &Self, reverse: bool) -> Ordering {
        let numbers = (self.number(), other.number());
        let rank = |cell: &Self, number: Option<f64>| match number {
            Some(number) if number.is_nan() => 2,
            Some(_) => 0,
            None if cell.is_empty() => 3,
            None => 1,
        };
        let ranks = (rank(self, numbers.0), rank(other, numbers.1));
        let order = ranks.0.cmp(&ranks.1).then_with(|| match (self, other, numbers) {
            (_, _, (Some(a), Some(b))) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Self::Text(a), Self::Text(b), _) => a.cmp(b),
            _ => Ordering::Equal,
        });
        let is_turned = reverse && ranks.0 < 2 && ranks.1 < 2;
        if is_turned { order.reverse() } else { order }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&Param> for Cell {
    fn from(param: &Param) -> Self {
        match param {
            Param::Bool(value) => Self::Bool(*value),
            Param::Int(_) | Param::Number(_) => param.number().map_or(Self::Empty, Self::Number),
            Param::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// Formats the value exactly; an empty cell becomes an empty string. Programs for people show fewer
/// digits.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Number(value) | Self::Time(value) | Self::Duration(value) => {
                write!(f, "{}", Exact(*value))
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl serde::Serialize for Cell {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Number(value) | Self::Time(value) | Self::Duration(value) => {
                Exact(*value).serialize(serializer)
            }
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_before_texts_and_nothing_comes_last() {
        let mut cells = [
            Cell::Empty,
            Cell::Number(f64::NAN),
            "b".into(),
            Cell::Number(f64::INFINITY),
            Cell::Int(2),
            "a".into(),
            Cell::Number(-0.5),
        ];
        cells.sort_by(Cell::order);
        let sorted: Vec<_> = cells.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["-0.5", "2", "Infinity", "a", "b", "NaN", ""]);
    }

    #[test]
    fn texts_that_are_numbers_are_ordered_as_numbers() {
        let texts = ["9", "1e-3", " 10 ", "b", "0x10", "1_000", "nan", "inf", "-Infinity", "True"];
        let mut cells: Vec<Cell> = texts.map(Cell::from).into();
        cells.extend([Cell::Number(9.5), Cell::Int(-1), Cell::Empty, Cell::Number(f64::NAN)]);
        cells.sort_by(Cell::order);
        let text = |cells: &[Cell]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let sorted = [
            "-Infinity",
            "-1",
            "1e-3",
            "True",
            "9",
            "9.5",
            " 10 ",
            "inf",
            "0x10",
            "1_000",
            "b",
            "nan",
            "NaN",
            "",
        ];
        assert_eq!(text(&cells), sorted);
        // In either order, non-numbers and empty cells come last.
        cells.sort_by(|a, b| a.order_descending(b));
        let turned = [
            "b",
            "1_000",
            "0x10",
            "inf",
            " 10 ",
            "9.5",
            "9",
            "True",
            "1e-3",
            "-1",
            "-Infinity",
            "nan",
            "NaN",
            "",
        ];
        assert_eq!(text(&cells), turned);
    }

    #[test]
    fn cells_are_the_same_if_they_mean_the_same() {
        let same = [
            (Cell::from("0.10"), Cell::Number(0.1)),
            (Cell::from("1e-1"), Cell::from(" 0.1")),
            (Cell::from("-0"), Cell::Int(0)),
            (Cell::from("True"), Cell::Bool(true)),
            (Cell::from("false"), Cell::from("False")),
            (Cell::from("NaN"), Cell::Number(f64::NAN)),
            (Cell::Empty, Cell::Empty),
        ];
        let others = [
            (Cell::from("1"), Cell::Bool(true)),
            (Cell::from("a"), Cell::from("a ")),
            (Cell::from(""), Cell::Empty),
            (Cell::from("0"), Cell::Empty),
            // They are equal as float64, but different as names.
            (Cell::from("9007199254740993"), Cell::from("9007199254740994")),
            (Cell::from("1e999"), Cell::from("2e999")),
        ];
        for (cells, expected) in same.iter().zip([true; 7]).chain(others.iter().zip([false; 6])) {
            let (a, b) = cells;
            assert_eq!((a.is_same(b), b.is_same(a)), (expected, expected), "{a:?} {b:?}");
            assert_eq!(a.identity() == b.identity(), expected, "{a:?} {b:?}");
        }
    }
}
