//! A whole document, for configurations with a structure of their own.

use std::collections::HashSet;

use saphyr::Scalar;

use super::{inline, typed};
use crate::error::ErrorKind;
use crate::meta::Param;
use crate::yaml::{Document, Value, View};

/// A YAML document with typed values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Value(Param),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Value(value) => serde_json::json!(value),
            Self::List(values) => values.iter().map(Self::to_json).collect(),
            Self::Map(pairs) => {
                pairs.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
            }
        }
    }
}

/// Parses a document, within the limits of [`yaml`]. An empty one is null.
///
/// # Errors
///
/// [`ErrorKind::Value`]: it is not YAML, exceeds the limits, or has a key twice.
pub(crate) fn tree(text: &str) -> Result<Tree, ErrorKind> {
    let document = Document::parse(text)?;
    document.value().map_or(Ok(Tree::Null), subtree)
}

fn subtree(value: Value<'_, '_>) -> Result<Tree, ErrorKind> {
    Ok(match value.view()? {
        View::Scalar(scalar) => match typed(scalar) {
            Some(Scalar::Null) => Tree::Null,
            Some(Scalar::Boolean(value)) => Tree::Value(Param::Bool(value)),
            Some(Scalar::Integer(value)) => Tree::Value(Param::Int(value)),
            Some(Scalar::FloatingPoint(value)) => Tree::Value(Param::Number(value.into_inner())),
            Some(Scalar::String(_)) | None => Tree::Value(Param::Text(inline(value)?)),
        },
        View::List(values) => Tree::List(values.map(subtree).collect::<Result<_, _>>()?),
        View::Map(mut map) => {
            let mut pairs: Vec<(String, Tree)> = Vec::new();
            let mut known = HashSet::new();
            while let Some((key, value)) = map.next_pair() {
                let key = inline(key)?;
                if !known.insert(key.clone()) {
                    return Err(ErrorKind::Value(format!("the key {key:?} occurs twice")));
                }
                pairs.push((key, subtree(value)?));
            }
            Tree::Map(pairs)
        }
    })
}
