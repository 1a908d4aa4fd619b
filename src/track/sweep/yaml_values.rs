//! Values in a sweep's YAML, with the errors that name their keys.

use crate::error::ErrorKind;
use crate::meta::Param;
use crate::meta::yaml::Tree;

/// A value of a parameter; a list or map as JSON.
pub(super) fn param(value: &Tree) -> Param {
    match value {
        Tree::Value(value) => value.clone(),
        Tree::Null => "None".into(),
        other => other.to_json().to_string().into(),
    }
}

pub(super) fn map<'t>(key: &str, value: &'t Tree) -> Result<&'t [(String, Tree)], ErrorKind> {
    match value {
        Tree::Map(keys) => Ok(keys),
        _ => Err(wrong(key, "not a map")),
    }
}

pub(super) fn text(key: &str, value: &Tree) -> Result<String, ErrorKind> {
    match value {
        Tree::Value(value) => Ok(value.to_string()),
        _ => Err(wrong(key, "not a text")),
    }
}

pub(super) fn list(key: &str, value: &Tree) -> Result<Vec<String>, ErrorKind> {
    match value {
        Tree::List(values) => values.iter().map(|value| text(key, value)).collect(),
        _ => Err(wrong(key, "not a list")),
    }
}

pub(super) fn number(key: &str, value: &Tree) -> Result<f64, ErrorKind> {
    let number = match value {
        // YAML 1.1, which W&B reads, takes `1e-3` as a text, and W&B converts it.
        Tree::Value(Param::Text(text)) => text.trim().parse().ok(),
        Tree::Value(value) => value.number(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite()).ok_or_else(|| wrong(key, "not a number"))
}

pub(super) fn count(key: &str, value: &Tree) -> Result<u64, ErrorKind> {
    match value {
        Tree::Value(Param::Int(value)) => u64::try_from(*value).map_err(|_| wrong(key, "negative")),
        _ => Err(wrong(key, "not an integer")),
    }
}

pub(super) fn wrong(key: &str, what: &str) -> ErrorKind {
    let at = if key.is_empty() { String::new() } else { format!("{key}: ") };
    ErrorKind::Value(format!("not a sweep: {at}{what}"))
}
