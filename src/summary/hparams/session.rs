//! The start and the end of a session.

use std::collections::BTreeMap;

use super::{HparamValue, check_time, time};
use crate::error::ErrorKind;
use crate::event::pb::hparams::{SessionEndInfo, SessionStartInfo, Status};
#[cfg(feature = "track")]
use crate::meta::Param;
#[cfg(feature = "serde")]
use crate::summary::flatten::{Leaf, Sequences, flatten};

/// The hyperparameters of a run, and other facts about its start.
///
/// ```
/// use tbx::Hparams;
///
/// let hparams = Hparams::new().with("lr", 0.1).with("bias", true).with("dropout", None::<f64>);
/// assert_eq!(hparams.values.len(), 2);
///
/// // From values of several types, from values of one type, and from a map.
/// let hparams = Hparams::from([("lr", 0.1.into()), ("optimizer", "adam".into())]);
/// let sizes = Hparams::from_iter([("width", 64), ("height", 48)]);
/// # assert_eq!((hparams.values.len(), sizes.values.len()), (2, 2));
/// ```
///
/// With the feature `serde`, [`of`](Self::of) converts any struct.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Hparams {
    /// The values by name.
    pub values: BTreeMap<String, HparamValue>,
    /// Group of the run. The runs of a group are repetitions of one trial. They are a single row of TensorBoard's
    /// table, which shows the average of their metrics and the values of one of them. If empty, the run is a
    /// separate group with the name of the run.
    pub group: String,
    /// URL at which the run can be watched; empty for none.
    pub monitor_url: String,
    /// Location of the trained model; empty for none.
    pub model_uri: String,
    /// Start time, in seconds since the Unix epoch. PyTorch writes none. If this is `None`, the writer uses the
    /// wall time of its [handle](crate::SummaryWriter::with_wall_time), or else the time at which it was created.
    pub start_time: Option<f64>,
}

impl Hparams {
    /// Creates an empty set of hyperparameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Converts a struct, or anything else that serde can serialize, to hyperparameters.
    ///
    /// ```
    /// use tbx::Hparams;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Adam {
    ///     lr: f32,
    ///     betas: (f64, f64),
    /// }
    ///
    /// #[derive(serde::Serialize)]
    /// struct Config {
    ///     batch: usize,
    ///     dropout: Option<f64>,
    ///     adam: Adam,
    /// }
    ///
    /// let adam = Adam { lr: 0.1, betas: (0.9, 0.99) };
    /// let hparams = Hparams::of(&Config { batch: 32, dropout: None, adam })?;
    /// let expected =
    ///     Hparams::new().with("batch", 32).with("adam/lr", 0.1).with("adam/betas", "[0.9, 0.99]");
    /// assert_eq!(hparams, expected);
    /// # Ok::<(), tbx::Error>(())
    /// ```
    ///
    /// Names of nested values are joined by `/`. A variant without content becomes its name; a variant with
    /// content adds a level. A sequence becomes a text, as in JSON, unless it contains structs or maps: then the
    /// index of each element adds a level. `None` and units are left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the value does not consist of named values, two values have the same name, a map
    /// key is not a string, number or bool, or the value's own serialization fails.
    #[cfg(feature = "serde")]
    pub fn of<T: serde::Serialize + ?Sized>(value: &T) -> Result<Self, ErrorKind> {
        let mut hparams = Self::new();
        for (name, leaf) in leaves(value)? {
            hparams.set(name, leaf.into());
        }
        Ok(hparams)
    }

    /// Sets a value. Replaces an earlier value with the same name; `None` removes it.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<HparamValue>) -> Self {
        self.set(name.into(), value.into());
        self
    }

    /// Makes the run a repetition of the trial `name`, see its field [`group`](Self::group).
    ///
    /// TensorFlow and Keras by default name a group after a hash of its values, so that runs with the same values
    /// share a row. tbx by default keeps runs apart.
    #[must_use]
    pub fn with_group(self, name: impl Into<String>) -> Self {
        Self { group: name.into(), ..self }
    }

    /// Sets the URL at which the run can be watched.
    #[must_use]
    pub fn with_monitor_url(self, url: impl Into<String>) -> Self {
        Self { monitor_url: url.into(), ..self }
    }

    /// Sets the location of the trained model.
    #[must_use]
    pub fn with_model_uri(self, uri: impl Into<String>) -> Self {
        Self { model_uri: uri.into(), ..self }
    }

    /// Sets the start time, in seconds since the Unix epoch.
    #[must_use]
    pub fn with_start_time(self, secs: f64) -> Self {
        Self { start_time: Some(secs), ..self }
    }

    fn set(&mut self, name: String, value: HparamValue) {
        match value {
            HparamValue::Unset => self.values.remove(&name),
            value => self.values.insert(name, value),
        };
    }

    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        if self.values.contains_key("") {
            return Err(ErrorKind::Argument("a hyperparameter without a name".into()));
        }
        check_time("a session that begins", self.start_time)
    }

    pub(super) fn to_message(&self, now: f64) -> SessionStartInfo {
        let values = self.values.iter();
        SessionStartInfo {
            hparams: values.filter_map(|(k, v)| Some((k.clone(), v.to_message()?))).collect(),
            model_uri: self.model_uri.clone(),
            monitor_url: self.monitor_url.clone(),
            group_name: self.group.clone(),
            start_time_secs: self.start_time.unwrap_or(now),
        }
    }

    pub(super) fn from_message(message: SessionStartInfo) -> Self {
        let values = message.hparams.into_iter();
        Self {
            group: message.group_name,
            monitor_url: message.monitor_url,
            model_uri: message.model_uri,
            start_time: time(message.start_time_secs),
            ..values.map(|(name, value)| (name, HparamValue::from_message(value))).collect()
        }
    }
}

/// The values in `value` by name. Each name occurs once.
#[cfg(feature = "serde")]
fn leaves<T: serde::Serialize + ?Sized>(value: &T) -> Result<BTreeMap<String, Leaf>, ErrorKind> {
    let mut leaves = BTreeMap::new();
    for (name, leaf) in flatten("", value, Sequences::Text)? {
        if name.is_empty() {
            return Err(ErrorKind::Argument("a hyperparameter without a name".into()));
        }
        if leaves.contains_key(&name) {
            let what = format!("two hyperparameters named {name:?}");
            return Err(ErrorKind::Argument(what));
        }
        leaves.insert(name, leaf);
    }
    Ok(leaves)
}

/// The hyperparameters in `value` as parameters, which distinguish integers from floating-point numbers.
#[cfg(feature = "track")]
pub(crate) fn params_of<T: serde::Serialize + ?Sized>(
    value: &T,
) -> Result<BTreeMap<String, Param>, ErrorKind> {
    let param = |leaf| match leaf {
        Leaf::Int(value) => Some(value.into()),
        Leaf::Number(value) => Some(value.into()),
        // The float64 with the same shortest decimal form.
        Leaf::F32(value) => value.to_string().parse().ok().map(Param::Number),
        leaf => HparamValue::from(leaf).into_param(),
    };
    let params = leaves(value)?.into_iter();
    Ok(params.filter_map(|(name, leaf)| Some((name, param(leaf)?))).collect())
}

#[cfg(feature = "serde")]
#[expect(clippy::as_conversions, reason = "rounds beyond 2^53, as documented")]
impl From<Leaf> for HparamValue {
    fn from(leaf: Leaf) -> Self {
        match leaf {
            Leaf::Nothing => Self::Unset,
            Leaf::Bool(value) => value.into(),
            Leaf::F32(value) => value.into(),
            Leaf::Int(value) => Self::Number(value as f64),
            Leaf::Number(value) => value.into(),
            Leaf::Text(text) | Leaf::List(text) => text.into(),
        }
    }
}

impl<K: Into<String>, V: Into<HparamValue>> FromIterator<(K, V)> for Hparams {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(values: I) -> Self {
        let mut hparams = Self::new();
        values.into_iter().for_each(|(name, value)| hparams.set(name.into(), value.into()));
        hparams
    }
}

impl<K: Into<String>, const N: usize> From<[(K, HparamValue); N]> for Hparams {
    fn from(values: [(K, HparamValue); N]) -> Self {
        values.into_iter().collect()
    }
}

impl<K: Into<String>> From<Vec<(K, HparamValue)>> for Hparams {
    fn from(values: Vec<(K, HparamValue)>) -> Self {
        values.into_iter().collect()
    }
}

impl From<BTreeMap<String, HparamValue>> for Hparams {
    fn from(values: BTreeMap<String, HparamValue>) -> Self {
        values.into_iter().collect()
    }
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SessionEnd {
    /// Status of the run at its end.
    pub status: SessionStatus,
    /// End time, in seconds since the Unix epoch. PyTorch writes none.
    pub end_time: Option<f64>,
}

impl SessionEnd {
    /// An end with this status, at a time in seconds since the Unix epoch if it is known.
    pub fn new(status: SessionStatus, end_time: Option<f64>) -> Self {
        Self { status, end_time }
    }

    pub(super) fn to_message(self) -> SessionEndInfo {
        let status = match self.status {
            SessionStatus::Unknown => Status::Unknown,
            SessionStatus::Success => Status::Success,
            SessionStatus::Failure => Status::Failure,
            SessionStatus::Running => Status::Running,
        };
        SessionEndInfo { status: status.into(), end_time_secs: self.end_time.unwrap_or(0.0) }
    }

    pub(super) fn from_message(message: &SessionEndInfo) -> Self {
        let status = match message.status() {
            Status::Unknown => SessionStatus::Unknown,
            Status::Success => SessionStatus::Success,
            Status::Failure => SessionStatus::Failure,
            Status::Running => SessionStatus::Running,
        };
        Self { status, end_time: time(message.end_time_secs) }
    }
}

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionStatus {
    /// Unknown. TensorBoard shows this for a run without an end.
    Unknown,
    /// The run succeeded.
    Success,
    /// The run failed.
    Failure,
    /// The run has not ended.
    Running,
}

#[cfg(feature = "meta")]
impl From<crate::meta::Status> for SessionStatus {
    fn from(status: crate::meta::Status) -> Self {
        use crate::meta::Status;

        match status {
            Status::Finished | Status::Pruned => Self::Success,
            Status::Failed | Status::Killed => Self::Failure,
            Status::Scheduled | Status::Running => Self::Running,
        }
    }
}

impl SessionStatus {
    /// Converts to the status of a run; `None` if it is unknown.
    #[cfg(feature = "meta")]
    pub fn to_run_status(self) -> Option<crate::meta::Status> {
        match self {
            Self::Unknown => None,
            Self::Success => Some(crate::meta::Status::Finished),
            Self::Failure => Some(crate::meta::Status::Failed),
            Self::Running => Some(crate::meta::Status::Running),
        }
    }

    /// The name, as a single word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Running => "running",
        }
    }
}
