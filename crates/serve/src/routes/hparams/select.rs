//! Filters and the order of rows.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::Value as Json;

use super::columns::Value;
use super::request::{Column, Order};
use super::sessions::Group;
use crate::http::Refusal;
use crate::routes::json::by_size;

/// The groups that pass all filters, in the order that was asked for, with the hyperparameters that were asked for.
///
/// # Errors
///
/// [`Refusal::Invalid`]: a column is neither a metric nor a hyperparameter, or a filter does not fit its values.
pub(super) fn select(mut groups: Vec<Group>, columns: &[Column]) -> Result<Vec<Group>, Refusal> {
    for column in columns {
        if column.metric.is_none() && column.hparam.is_none() {
            let what = "a column that is neither a metric nor a hyperparameter";
            return Err(Refusal::Invalid(what.to_owned()));
        }
        let Some(filter) = Filter::of(column)? else { continue };
        let mut passing = Vec::with_capacity(groups.len());
        for group in groups {
            let passes = match value(&group, column) {
                None => !column.exclude_missing_values,
                Some(value) => filter.passes(&value)?,
            };
            if passes {
                passing.push(group);
            }
        }
        groups = passing;
    }
    // The first column counts most, so it is sorted by last.
    for column in columns.iter().rev() {
        let is_descending = match column.order {
            Order::Unspecified => continue,
            Order::Ascending => false,
            Order::Descending => true,
        };
        groups.sort_by(|a, b| compare(value(a, column), value(b, column), column, is_descending));
    }
    if columns.iter().any(|column| column.include_in_result.is_some()) {
        let is_left_out = |column: &&Column| column.include_in_result == Some(false);
        let wanted = columns.iter().filter(|column| !is_left_out(column));
        let wanted: Vec<&String> = wanted.filter_map(|column| column.hparam.as_ref()).collect();
        for group in &mut groups {
            group.hparams.retain(|name, _| wanted.contains(&name));
        }
    }
    Ok(groups)
}

/// The value of a group in a column.
fn value(group: &Group, column: &Column) -> Option<Value> {
    match (&column.metric, &column.hparam) {
        (Some(metric), _) => {
            let found = group.metric_values.iter().find(|value| value.name == *metric)?;
            Some(Value::Number(found.value))
        }
        (None, Some(name)) => group.hparams.get(name).cloned(),
        (None, None) => None,
    }
}

fn compare(a: Option<Value>, b: Option<Value>, column: &Column, is_descending: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => {
            let ordering = order(&a, &b);
            if is_descending { ordering.reverse() } else { ordering }
        }
        (None, None) => Ordering::Equal,
        (None, Some(_)) if column.missing_values_first => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) if column.missing_values_first => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
    }
}

/// A number, or a boolean as one: true is 1, as in Python.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Number(value) => Some(*value),
        Value::Text(_) => None,
    }
}

/// Numbers and booleans by size, texts by letters, texts last.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b, number(a), number(b)) {
        (Value::Text(a), Value::Text(b), _, _) => a.cmp(b),
        (_, _, Some(a), Some(b)) => by_size(a, b),
        (_, _, None, _) => Ordering::Greater,
        (_, _, _, None) => Ordering::Less,
    }
}

enum Filter {
    Pattern(Regex),
    Interval(f64, f64),
    OneOf(Vec<Json>),
    Any,
}

impl Filter {
    fn of(column: &Column) -> Result<Option<Self>, Refusal> {
        Ok(if let Some(pattern) = &column.filter_regexp {
            let wrong = |error| Refusal::Invalid(format!("the pattern {pattern:?}: {error}"));
            Some(Self::Pattern(Regex::new(pattern).map_err(wrong)?))
        } else if let Some(interval) = &column.filter_interval {
            Some(Self::Interval(interval.min_value, interval.max_value))
        } else if let Some(values) = &column.filter_discrete {
            Some(Self::OneOf(values.clone()))
        } else {
            column.exclude_missing_values.then_some(Self::Any)
        })
    }

    fn passes(&self, value: &Value) -> Result<bool, Refusal> {
        let unfit =
            |what: &str| Refusal::Invalid(format!("{what} does not fit the value {value:?}"));
        match (self, value) {
            (Self::Any, _) => Ok(true),
            (Self::Pattern(regex), Value::Text(text)) => Ok(regex.is_match(text)),
            (Self::Pattern(_), _) => Err(unfit("a pattern")),
            (Self::Interval(min, max), value) => match number(value) {
                Some(number) => Ok(*min <= number && number <= *max),
                None => Err(unfit("an interval")),
            },
            (Self::OneOf(values), value) => Ok(values.iter().any(|one| match (one, value) {
                (Json::String(a), Value::Text(b)) => a == b,
                (Json::Bool(a), value) => Some(f64::from(u8::from(*a))) == number(value),
                (Json::Number(a), value) => a.as_f64().is_some_and(|a| Some(a) == number(value)),
                _ => false,
            })),
        }
    }
}
