//! What stands where a row and a column meet.

use std::cmp::Ordering;
use std::fmt;

use super::number::Exact;
use crate::meta::Param;

/// What stands where a row and a column meet.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// The run has nothing there.
    Empty,
    /// Yes or no.
    Bool(bool),
    /// A whole number, such as a step.
    Int(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A time, in seconds since the Unix epoch.
    Time(f64),
    /// A length of time, in seconds.
    Duration(f64),
}

impl Cell {
    /// As a number, if it is one: also times and durations in seconds, and bools as 0 and 1.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            #[expect(clippy::as_conversions, reason = "rounds beyond 2^53")]
            Self::Int(value) => Some(*value as f64),
            Self::Number(value) | Self::Time(value) | Self::Duration(value) => Some(*value),
            Self::Empty | Self::Text(_) => None,
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// The order in which rows are sorted: numbers, then texts, then NaN, then what is empty.
    pub fn order(&self, other: &Self) -> Ordering {
        let rank = |cell: &Self| match cell.number() {
            Some(number) if number.is_nan() => 2,
            Some(_) => 0,
            None if cell.is_empty() => 3,
            None => 1,
        };
        rank(self).cmp(&rank(other)).then_with(|| match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
                _ => Ordering::Equal,
            },
        })
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

/// Exact, and empty for what is empty. Programs for people show fewer digits.
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

#[cfg(feature = "serde")]
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
}
