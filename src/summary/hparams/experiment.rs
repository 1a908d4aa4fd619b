//! What the runs of an experiment have in common.

use std::collections::BTreeSet;

use super::{HparamValue, MetricInfo, check_time, time};
use crate::error::ErrorKind;
use crate::event::pb::google::protobuf::ListValue;
use crate::event::pb::hparams::{self as wire, DataType};

/// The columns of TensorBoard's table of hyperparameters: which there are, and what they are
/// called.
///
/// TensorBoard takes the experiment of one run, whichever it finds first, and shows nothing that
/// is not in it. So there should be one in a log folder, in a run above those of the sessions,
/// or none: then the columns are all that the sessions have.
///
/// ```
/// use tbx::summary::hparams::{Dataset, Experiment, HparamInfo, MetricInfo};
///
/// let experiment = Experiment::new()
///     .hparam(HparamInfo::number("lr").interval(1e-5, 0.1).display_name("learning rate"))
///     .hparam(HparamInfo::text("optimizer").values(["adam", "sgd"]))
///     .metric(MetricInfo::new("accuracy").group("eval").dataset(Dataset::Validation));
/// # assert_eq!(experiment.hparams.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Experiment {
    /// Its name; empty for none.
    pub name: String,
    /// A description in Markdown; empty for none.
    pub description: String,
    /// Whose it is; empty for nobody's.
    pub user: String,
    /// When it was made, in seconds since the Unix epoch. A writer fills in the time of the call.
    pub time_created: Option<f64>,
    /// The hyperparameters.
    pub hparams: Vec<HparamInfo>,
    /// The metrics.
    pub metrics: Vec<MetricInfo>,
}

impl Experiment {
    /// Without any columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// With a description in Markdown.
    #[must_use]
    pub fn description(self, markdown: impl Into<String>) -> Self {
        Self { description: markdown.into(), ..self }
    }

    /// Of this user.
    #[must_use]
    pub fn user(self, name: impl Into<String>) -> Self {
        Self { user: name.into(), ..self }
    }

    /// Made at this time, in seconds since the Unix epoch.
    #[must_use]
    pub fn time_created(self, secs: f64) -> Self {
        Self { time_created: Some(secs), ..self }
    }

    /// With a hyperparameter more.
    #[must_use]
    pub fn hparam(mut self, hparam: HparamInfo) -> Self {
        self.hparams.push(hparam);
        self
    }

    /// With a metric more.
    #[must_use]
    pub fn metric(mut self, metric: MetricInfo) -> Self {
        self.metrics.push(metric);
        self
    }

    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        check_time("an experiment that is made", self.time_created)?;
        let mut names = BTreeSet::new();
        for hparam in &self.hparams {
            hparam.check()?;
            if !names.insert(&hparam.name) {
                let what = format!("two hyperparameters of the name {:?}", hparam.name);
                return Err(ErrorKind::Argument(what));
            }
        }
        let mut names = BTreeSet::new();
        for metric in &self.metrics {
            metric.check()?;
            if !names.insert((&metric.group, &metric.tag)) {
                let what =
                    format!("two metrics of tag {:?} and group {:?}", metric.tag, metric.group);
                return Err(ErrorKind::Argument(what));
            }
        }
        Ok(())
    }

    pub(super) fn to_message(&self, now: f64) -> wire::Experiment {
        wire::Experiment {
            description: self.description.clone(),
            user: self.user.clone(),
            time_created_secs: self.time_created.unwrap_or(now),
            hparam_infos: self.hparams.iter().map(HparamInfo::to_message).collect(),
            metric_infos: self.metrics.iter().map(MetricInfo::to_message).collect(),
            name: self.name.clone(),
        }
    }

    pub(super) fn from_message(message: wire::Experiment) -> Self {
        Self {
            name: message.name,
            description: message.description,
            user: message.user,
            time_created: time(message.time_created_secs),
            hparams: message.hparam_infos.into_iter().map(HparamInfo::from_message).collect(),
            metrics: message.metric_infos.into_iter().map(MetricInfo::from_message).collect(),
        }
    }
}

/// A hyperparameter of an [`Experiment`].
#[derive(Debug, Clone, PartialEq)]
pub struct HparamInfo {
    /// Its name in [`Hparams`](super::Hparams).
    pub name: String,
    /// What is shown instead of the name; empty for the name.
    pub display_name: String,
    /// A description in Markdown; empty for none.
    pub description: String,
    /// What its values are.
    pub kind: HparamType,
    /// Which values there are.
    pub domain: Domain,
    /// Whether runs differ in it: such columns come first, and TensorBoard shows five at the
    /// start. [`values`](Self::values) and [`interval`](Self::interval) set it if they are of
    /// more than one value; TensorBoard's own writer never does.
    pub differs: bool,
}

impl HparamInfo {
    /// A number.
    pub fn number(name: impl Into<String>) -> Self {
        Self { kind: HparamType::Number, ..Self::unknown(name) }
    }

    /// A string. TensorBoard lets the user choose among its values only if they are
    /// [said](Self::values).
    pub fn text(name: impl Into<String>) -> Self {
        Self { kind: HparamType::Text, ..Self::unknown(name) }
    }

    /// True or false, both of which are its [values](Self::values) unless others are said.
    pub fn bool(name: impl Into<String>) -> Self {
        Self { kind: HparamType::Bool, ..Self::unknown(name) }.values([false, true])
    }

    /// Of a type that is not said, as TensorFlow writes what has no domain.
    pub fn unknown(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            display_name: String::new(),
            description: String::new(),
            kind: HparamType::Unset,
            domain: Domain::Any,
            differs: false,
        }
    }

    /// With a name that is shown.
    #[must_use]
    pub fn display_name(self, name: impl Into<String>) -> Self {
        Self { display_name: name.into(), ..self }
    }

    /// With a description in Markdown.
    #[must_use]
    pub fn description(self, markdown: impl Into<String>) -> Self {
        Self { description: markdown.into(), ..self }
    }

    /// With one of these values.
    #[must_use]
    pub fn values<V: Into<HparamValue>>(self, values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<_> = values.into_iter().map(Into::into).collect();
        Self { differs: values.len() > 1, domain: Domain::Values(values), ..self }
    }

    /// With a value from `min` to `max`.
    #[must_use]
    pub fn interval(self, min: f64, max: f64) -> Self {
        Self { differs: min < max, domain: Domain::Interval { min, max }, ..self }
    }

    fn check(&self) -> Result<(), ErrorKind> {
        let name = &self.name;
        let refused = |what: String| {
            Err(ErrorKind::Argument(format!("the hyperparameter {name:?} with {what}")))
        };
        if name.is_empty() {
            return Err(ErrorKind::Argument("a hyperparameter without a name".into()));
        }
        match &self.domain {
            Domain::Any => Ok(()),
            // An interval is shown as a slider.
            Domain::Interval { min, max } => match self.kind {
                HparamType::Number if min.is_finite() && max.is_finite() && min <= max => Ok(()),
                kind => refused(format!("the interval from {min} to {max} for a {kind:?}")),
            },
            Domain::Values(values) => {
                let is_of = |value: &HparamValue| match (value, self.kind) {
                    (HparamValue::Bool(_), HparamType::Bool) => true,
                    (HparamValue::Text(_), HparamType::Text) => true,
                    // With a NaN in it TensorBoard can serve no experiment at all: JSON has none.
                    (HparamValue::Number(value), HparamType::Number) => value.is_finite(),
                    _ => false,
                };
                match values.iter().find(|value| !is_of(value)) {
                    None => Ok(()),
                    Some(value) => refused(format!("the value {value:?} for a {:?}", self.kind)),
                }
            }
        }
    }

    fn to_message(&self) -> wire::HParamInfo {
        let r#type = match self.kind {
            HparamType::Unset => DataType::Unset,
            HparamType::Text => DataType::String,
            HparamType::Bool => DataType::Bool,
            HparamType::Number => DataType::Float64,
        };
        let domain = match &self.domain {
            Domain::Any => None,
            Domain::Values(values) => {
                let values = values.iter().filter_map(HparamValue::to_message).collect();
                Some(wire::h_param_info::Domain::DomainDiscrete(ListValue { values }))
            }
            &Domain::Interval { min, max } => {
                let interval = wire::Interval { min_value: min, max_value: max };
                Some(wire::h_param_info::Domain::DomainInterval(interval))
            }
        };
        wire::HParamInfo {
            name: self.name.clone(),
            display_name: self.display_name.clone(),
            description: self.description.clone(),
            r#type: r#type.into(),
            differs: self.differs,
            domain,
        }
    }

    fn from_message(message: wire::HParamInfo) -> Self {
        let kind = match message.r#type() {
            DataType::Unset => HparamType::Unset,
            DataType::String => HparamType::Text,
            DataType::Bool => HparamType::Bool,
            DataType::Float64 => HparamType::Number,
        };
        let domain = match message.domain {
            None => Domain::Any,
            Some(wire::h_param_info::Domain::DomainDiscrete(list)) => {
                let values = list.values.into_iter().map(HparamValue::from_message);
                Domain::Values(values.filter(|value| *value != HparamValue::Unset).collect())
            }
            Some(wire::h_param_info::Domain::DomainInterval(interval)) => {
                Domain::Interval { min: interval.min_value, max: interval.max_value }
            }
        };
        Self {
            name: message.name,
            display_name: message.display_name,
            description: message.description,
            kind,
            domain,
            differs: message.differs,
        }
    }
}

/// What the values of a hyperparameter are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HparamType {
    /// It is not said.
    Unset,
    /// Strings.
    Text,
    /// True and false.
    Bool,
    /// Numbers.
    Number,
}

/// Which values a hyperparameter may have.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// Any of its type.
    Any,
    /// One of these.
    Values(Vec<HparamValue>),
    /// A number of a closed interval.
    Interval {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
}
