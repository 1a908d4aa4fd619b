//! The columns that the runs of an experiment have in common.

use std::collections::BTreeSet;

use super::{HparamValue, MetricInfo, check_time, time};
use crate::error::ErrorKind;
use crate::event::pb::google::protobuf::ListValue;
use crate::event::pb::hparams::{self as wire, DataType};

/// The columns of TensorBoard's hyperparameter table, with their names.
///
/// TensorBoard uses the experiment of a single run, whichever it finds first, and hides all columns
/// that are not in it. A log directory should therefore contain at most one experiment, in a run
/// above the runs of the sessions. Without one, the table has all columns that occur in the
/// sessions.
///
/// ```
/// use tbx::summary::hparams::{Experiment, HparamInfo, MetricDataset, MetricInfo};
///
/// let experiment = Experiment::new()
///     .hparam(HparamInfo::number("lr").interval(1e-5, 0.1).with_display_name("learning rate"))
///     .hparam(HparamInfo::text("optimizer").values(["adam", "sgd"]))
///     .metric(MetricInfo::new("accuracy").with_group("eval").with_dataset(MetricDataset::Validation));
/// # assert_eq!(experiment.hparams.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Experiment {
    /// Name; empty for none.
    pub name: String,
    /// A description in Markdown; empty for none.
    pub description: String,
    /// Owner; empty for none.
    pub user: String,
    /// Creation time, in seconds since the Unix epoch. The writer fills in the current time if this
    /// is `None`.
    pub time_created: Option<f64>,
    /// The hyperparameters.
    pub hparams: Vec<HparamInfo>,
    /// The metrics.
    pub metrics: Vec<MetricInfo>,
}

impl Experiment {
    /// Creates an experiment without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Sets the description, in Markdown.
    #[must_use]
    pub fn with_description(self, markdown: impl Into<String>) -> Self {
        Self { description: markdown.into(), ..self }
    }

    /// Sets the owner.
    #[must_use]
    pub fn with_user(self, name: impl Into<String>) -> Self {
        Self { user: name.into(), ..self }
    }

    /// Sets the creation time, in seconds since the Unix epoch.
    #[must_use]
    pub fn with_time_created(self, secs: f64) -> Self {
        Self { time_created: Some(secs), ..self }
    }

    /// Adds a hyperparameter.
    #[must_use]
    pub fn hparam(mut self, hparam: HparamInfo) -> Self {
        self.hparams.push(hparam);
        self
    }

    /// Adds a metric.
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
                let what = format!("two hyperparameters named {:?}", hparam.name);
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
#[non_exhaustive]
pub struct HparamInfo {
    /// Name in [`Hparams`](super::Hparams).
    pub name: String,
    /// Name to show instead; empty to show the name itself.
    pub display_name: String,
    /// A description in Markdown; empty for none.
    pub description: String,
    /// Type of its values.
    pub kind: HparamType,
    /// Possible values.
    pub domain: Domain,
    /// Whether its value differs between runs. Such columns come first, and TensorBoard initially
    /// shows five of them. [`values`](Self::values) and [`interval`](Self::interval) set this if
    /// they contain more than one value; TensorBoard's own writer never sets it.
    pub differs: bool,
}

impl HparamInfo {
    /// A number.
    pub fn number(name: impl Into<String>) -> Self {
        Self { kind: HparamType::Number, ..Self::unknown(name) }
    }

    /// A string. TensorBoard lets the user filter by its values only if they are
    /// [declared](Self::values).
    pub fn text(name: impl Into<String>) -> Self {
        Self { kind: HparamType::Text, ..Self::unknown(name) }
    }

    /// A boolean. Its [values](Self::values) are both true and false, unless others are declared.
    pub fn bool(name: impl Into<String>) -> Self {
        Self { kind: HparamType::Bool, ..Self::unknown(name) }.values([false, true])
    }

    /// A value of unknown type, which TensorFlow writes for hyperparameters without a domain.
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

    /// Sets the name to show.
    #[must_use]
    pub fn with_display_name(self, name: impl Into<String>) -> Self {
        Self { display_name: name.into(), ..self }
    }

    /// Sets the description, in Markdown.
    #[must_use]
    pub fn with_description(self, markdown: impl Into<String>) -> Self {
        Self { description: markdown.into(), ..self }
    }

    /// Sets the possible values.
    #[must_use]
    pub fn values<V: Into<HparamValue>>(self, values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<_> = values.into_iter().map(Into::into).collect();
        Self { differs: values.len() > 1, domain: Domain::Values(values), ..self }
    }

    /// Allows values from `min` to `max`.
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
            // TensorBoard shows an interval as a slider.
            Domain::Interval { min, max } => match self.kind {
                HparamType::Number if min.is_finite() && max.is_finite() && min <= max => Ok(()),
                kind => refused(format!("the interval from {min} to {max} for a {kind:?}")),
            },
            Domain::Values(values) => {
                let is_of = |value: &HparamValue| match (value, self.kind) {
                    (HparamValue::Bool(_), HparamType::Bool) => true,
                    (HparamValue::Text(_), HparamType::Text) => true,
                    // NaN breaks TensorBoard's response for every experiment, because JSON cannot
                    // represent it.
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

/// The type of a hyperparameter's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HparamType {
    /// Not specified.
    Unset,
    /// Strings.
    Text,
    /// Booleans.
    Bool,
    /// Numbers.
    Number,
}

/// The possible values of a hyperparameter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Domain {
    /// Any value of its type.
    Any,
    /// One of these.
    Values(Vec<HparamValue>),
    /// A number in a closed interval.
    Interval {
        /// Lower bound.
        min: f64,
        /// Upper bound.
        max: f64,
    },
}
