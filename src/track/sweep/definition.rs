//! A sweep as JSON: the key `sweep` in the metadata of the trials' parent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::goal::Goal;
use super::pruner::Pruner;
use super::space::{Form, Space};
use super::{Method, Sweep};
use crate::error::ErrorKind;

/// The key.
pub(super) const KEY: &str = "sweep";

/// The form of a sweep in JSON.
#[derive(Serialize, Deserialize)]
struct Definition {
    metric: String,
    goal: Goal,
    #[serde(default)]
    method: MethodForm,
    #[serde(default)]
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trials: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pruner: Option<Pruner>,
    /// The names of the parameters in their order, which objects do not keep.
    #[serde(default)]
    order: Vec<String>,
    space: BTreeMap<String, Form>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "name")]
enum MethodForm {
    Grid {
        points: usize,
    },
    #[default]
    Random,
    Tpe,
}

impl Sweep {
    pub(super) fn to_json(&self) -> Value {
        let definition = Definition {
            metric: self.metric.clone(),
            goal: self.goal,
            method: match self.method {
                Method::Grid { points } => MethodForm::Grid { points },
                Method::Random => MethodForm::Random,
                Method::Tpe => MethodForm::Tpe,
            },
            seed: self.seed,
            trials: self.trials,
            target: self.target,
            pruner: self.pruner.clone(),
            order: self.params().map(str::to_owned).collect(),
            space: BTreeMap::new(),
        };
        let mut value = json!(definition);
        if let Some(object) = value.as_object_mut() {
            object.insert("space".into(), self.space.to_json());
        }
        value
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, ErrorKind> {
        let definition = Definition::deserialize(value)
            .map_err(|error| ErrorKind::Value(format!("not the definition of a sweep: {error}")))?;
        let sweep = Self {
            space: Space::from_json(&definition.order, definition.space)?,
            metric: definition.metric,
            goal: definition.goal,
            method: match definition.method {
                MethodForm::Grid { points } => Method::Grid { points },
                MethodForm::Random => Method::Random,
                MethodForm::Tpe => Method::Tpe,
            },
            seed: definition.seed,
            trials: definition.trials,
            target: definition.target,
            pruner: definition.pruner,
        };
        sweep.check()?;
        Ok(sweep)
    }

    /// Returns an error if the sweep has no possible trials, or a rule that makes no sense.
    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        self.space.check()?;
        self.pruner.as_ref().map_or(Ok(()), Pruner::check)
    }
}
