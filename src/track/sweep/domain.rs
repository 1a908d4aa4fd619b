//! The possible values of a parameter.

use serde_json::Value;

use super::math::{MAX_WHOLE, exp, float, ln, normal_quantile, whole};
use crate::meta::Param;
use crate::summary::hparams::{HparamInfo, HparamValue};

/// The possible values of a parameter, and how likely they are in a random search.
///
/// ```
/// use tbx::track::{Domain, Sweep};
///
/// let sweep = Sweep::minimize("loss")
///     .param("optimizer", Domain::choice(["adam", "sgd"]).weights([3.0, 1.0]))
///     .param("lr", Domain::log_uniform(1e-5, 1e-1))
///     .param("momentum", Domain::uniform(0.0, 0.99).when("optimizer", ["sgd"]))
///     .param("dropout", Domain::uniform(0.0, 0.5).step(0.1))
///     .param("layers", Domain::int(1, 8))
///     .param("width", Domain::log_int(16, 1024))
///     .param("init", Domain::normal(0.0, 0.02));
/// for trial in sweep.random(100, 7)? {
///     let has_momentum = trial.params.contains_key("momentum");
///     assert_eq!(has_momentum, trial.params["optimizer"] == "sgd".into());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    pub(super) law: Law,
    /// Whether the logarithm has this distribution.
    pub(super) is_log: bool,
    /// Values are multiples of this number.
    pub(super) step: Option<f64>,
    /// Whether values are integers.
    pub(super) is_int: bool,
    pub(super) when: Option<When>,
    /// The texts of a choice that mean a list or a map, as JSON, or nothing: `None`.
    pub(super) json: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Law {
    /// One of these values; weights are relative, and equal if there are none.
    Choice { values: Vec<Param>, weights: Vec<f64> },
    /// The ends are those of the value, not of its logarithm.
    Uniform { min: f64, max: f64 },
    /// Mean and standard deviation, of the logarithm if the law is one of it.
    Normal { mean: f64, std: f64 },
}

/// The condition under which a trial has the parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct When {
    pub(super) param: String,
    pub(super) values: Vec<Param>,
}

/// The law of a number on the scale on which the sampler works: logarithms, if the law is that of the logarithm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prior {
    pub(super) mean: f64,
    pub(super) std: f64,
    /// The ends of the range; infinite for a normal distribution.
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Domain {
    /// One of `values`.
    pub fn choice<V: Into<Param>>(values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self::of(Law::Choice { values, weights: Vec::new() })
    }

    /// A number from `min` to `max`.
    pub fn uniform(min: f64, max: f64) -> Self {
        Self::of(Law::Uniform { min, max })
    }

    /// A number from `min` to `max`, both above 0, whose logarithm is uniformly distributed: there are as many
    /// values between 0.001 and 0.01 as between 0.01 and 0.1.
    pub fn log_uniform(min: f64, max: f64) -> Self {
        Self { is_log: true, ..Self::uniform(min, max) }
    }

    /// An integer from `min` to `max`, both included. Their absolute values are at most 2^53.
    #[expect(clippy::as_conversions, reason = "checked: at most 2^53")]
    pub fn int(min: i64, max: i64) -> Self {
        Self { is_int: true, step: Some(1.0), ..Self::uniform(min as f64, max as f64) }
    }

    /// An integer from `min` to `max`, both included and above 0, whose logarithm is uniformly distributed.
    pub fn log_int(min: i64, max: i64) -> Self {
        Self { is_log: true, ..Self::int(min, max) }
    }

    /// A number with a normal distribution of this mean and standard deviation.
    pub fn normal(mean: f64, std: f64) -> Self {
        Self::of(Law::Normal { mean, std })
    }

    /// A number whose natural logarithm has a normal distribution of this mean and standard deviation.
    pub fn log_normal(mean: f64, std: f64) -> Self {
        Self { is_log: true, ..Self::normal(mean, std) }
    }

    fn of(law: Law) -> Self {
        Self { law, is_log: false, step: None, is_int: false, when: None, json: Vec::new() }
    }

    /// Rounds numbers to multiples of `step`, which must be above 0. Both ends of a range are rounded, too.
    #[must_use]
    pub fn step(self, step: f64) -> Self {
        Self { step: Some(step), ..self }
    }

    /// Sets how likely the values of a [`choice`](Self::choice) are, relative to each other: one number per value,
    /// not negative. Default: all are as likely.
    #[must_use]
    pub fn weights(mut self, each: impl IntoIterator<Item = f64>) -> Self {
        if let Law::Choice { weights, .. } = &mut self.law {
            *weights = each.into_iter().collect();
        }
        self
    }

    /// Makes the parameter conditional: a trial has it only if the parameter `param`, which was added to the sweep
    /// before this one, is one of `values`.
    #[must_use]
    pub fn when<V: Into<Param>>(
        self,
        param: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self { when: Some(When { param: param.into(), values }), ..self }
    }

    /// Whether there is a value, and only values that can be computed.
    pub(super) fn has_values(&self) -> bool {
        let step = self.step.unwrap_or(1.0);
        let has_step = step.is_finite() && step > 0.0;
        has_step
            && match &self.law {
                Law::Choice { values, weights } => {
                    let sum: f64 = weights.iter().sum();
                    let fits = weights.len() == values.len() && sum > 0.0 && sum.is_finite();
                    let is_fine = weights.is_empty() || fits && weights.iter().all(|w| *w >= 0.0);
                    !values.is_empty() && self.step.is_none() && is_fine
                }
                Law::Uniform { min, max } => {
                    let is_range = min.is_finite() && max.is_finite() && min <= max;
                    let is_exact = self.step.is_none_or(|step| {
                        let most = min.abs().max(max.abs()) / step;
                        most <= MAX_WHOLE && (!self.is_log || (max / step).round() >= 1.0)
                    });
                    is_range && is_exact && (max - min).is_finite() && (!self.is_log || *min > 0.0)
                }
                Law::Normal { mean, std } => mean.is_finite() && std.is_finite() && *std > 0.0,
            }
    }

    /// The value at `x`, from 0 to below 1; `None` if there are no values.
    pub(super) fn at(&self, x: f64) -> Option<Param> {
        match &self.law {
            Law::Choice { values, weights } if weights.is_empty() => {
                values.get(whole(x * float(values.len()))).cloned()
            }
            Law::Choice { values, weights } => {
                let mut left = x * weights.iter().sum::<f64>();
                let mut likely = values.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
                let found = likely.find(|(_, weight)| {
                    left -= **weight;
                    left < 0.0
                });
                // The sum of the weights may be rounded up.
                let last = || values.iter().zip(weights).rfind(|(_, weight)| **weight > 0.0);
                found.or_else(last).map(|(value, _)| value.clone())
            }
            Law::Uniform { .. } if self.step.is_some() && !self.is_log => {
                let (first, last) = self.multiples()?;
                Some(self.multiple((first + (x * (last - first + 1.0)).floor()).min(last)))
            }
            Law::Uniform { .. } => {
                let Prior { low, high, .. } = self.prior()?;
                Some(self.value(low + x * (high - low)))
            }
            Law::Normal { mean, std } => {
                // The smallest number that is drawn, except 0, is 2^-53.
                Some(self.value(mean + std * normal_quantile(x.max(0.5 / MAX_WHOLE))))
            }
        }
    }

    /// The values that are texts: only they may be those of a secret.
    pub(super) fn all_texts(&self) -> impl Iterator<Item = Param> {
        let values = match &self.law {
            Law::Choice { values, .. } => values.as_slice(),
            _ => &[],
        };
        values.iter().filter(|value| matches!(value, Param::Text(_))).cloned()
    }

    /// A value of a choice, or of the condition, that is another one when it is read from JSON again.
    pub(super) fn changed_as_json(&self) -> Option<&Param> {
        let values = match &self.law {
            Law::Choice { values, .. } => values.as_slice(),
            _ => &[],
        };
        let of_condition = self.when.iter().flat_map(|when| &when.values);
        values.iter().chain(of_condition).find(|value| {
            let again = serde_json::to_value(value).and_then(serde_json::from_value::<Param>);
            again.ok().as_ref() != Some(*value)
        })
    }

    /// A value as JSON, with the type that it had in a file.
    pub(super) fn json(&self, value: &Param) -> Value {
        match value {
            Param::Text(text) if self.json.contains(text) => {
                // `None` is not JSON.
                serde_json::from_str(text).unwrap_or(Value::Null)
            }
            value => serde_json::json!(value),
        }
    }

    /// Number of values in a grid.
    pub(super) fn points(&self, of_others: usize) -> usize {
        match (&self.law, self.multiples()) {
            (Law::Choice { values, .. }, _) => values.len(),
            (Law::Uniform { .. }, Some((first, last))) => whole(last - first + 1.0),
            _ => of_others,
        }
    }

    /// Value `index` of `size`, including both ends of a range.
    pub(super) fn nth(&self, index: usize, size: usize) -> Option<Param> {
        let part = float(index) / float(size.max(2) - 1);
        match (&self.law, self.multiples()) {
            (Law::Choice { values, .. }, _) => values.get(index).cloned(),
            (Law::Uniform { .. }, Some((first, _))) => Some(self.multiple(first + float(index))),
            (Law::Uniform { max, .. }, _) if index + 1 == size && size > 1 => Some((*max).into()),
            (Law::Uniform { min, .. }, _) if index == 0 => Some((*min).into()),
            (Law::Uniform { .. }, _) => self.at(part),
            (Law::Normal { .. }, _) => self.at((float(index) + 0.5) / float(size)),
        }
    }

    /// The first and the last factor of the step, of a range with one.
    fn multiples(&self) -> Option<(f64, f64)> {
        let Law::Uniform { min, max } = self.law else { return None };
        let step = self.step?;
        let first = (min / step).round();
        Some((if self.is_log { first.max(1.0) } else { first }, (max / step).round()))
    }

    /// The multiple of the step with this factor.
    fn multiple(&self, factor: f64) -> Param {
        let step = self.step.unwrap_or(1.0);
        let parts = (1.0 / step).round();
        // 3 / 10 is 0.3, but 3 * 0.1 is not.
        let is_part = step < 1.0 && (1.0 / step - parts).abs() < 1e-9 * parts;
        let value = if is_part { factor / parts } else { factor * step };
        if self.is_int && value.abs() <= MAX_WHOLE {
            #[expect(clippy::as_conversions, reason = "checked: at most 2^53")]
            return Param::Int(value.round() as i64);
        }
        Param::Number(value + 0.0) // no -0
    }

    /// The law of a number; `None` for a choice.
    pub(super) fn prior(&self) -> Option<Prior> {
        let scaled = |x: f64| if self.is_log { ln(x) } else { x };
        match self.law {
            Law::Choice { .. } => None,
            Law::Normal { mean, std } => {
                let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
                Some(Prior { mean, std, low, high })
            }
            Law::Uniform { min, max } => {
                let (low, high) = match (self.multiples(), self.step) {
                    // Each multiple has the room of a step.
                    (Some((first, last)), Some(step)) => {
                        (scaled((first - 0.5) * step), scaled((last + 0.5) * step))
                    }
                    _ => (scaled(min), scaled(max)),
                };
                Some(Prior { mean: low + 0.5 * (high - low), std: high - low, low, high })
            }
        }
    }

    /// The value for a number on the scale of the [`prior`](Self::prior).
    pub(super) fn value(&self, scaled: f64) -> Param {
        let value = if self.is_log { exp(scaled) } else { scaled };
        match (self.law.clone(), self.step) {
            (_, Some(step)) => {
                let (first, last) = self.multiples().unwrap_or((f64::MIN, f64::MAX));
                self.multiple((value / step).round().max(first).min(last))
            }
            (Law::Uniform { min, max }, None) => value.max(min).min(max).into(),
            _ => value.clamp(f64::MIN, f64::MAX).into(),
        }
    }

    /// A value on the scale of the [`prior`](Self::prior); `None` if it is not a number that has a place there.
    pub(super) fn scaled(&self, value: &Param) -> Option<f64> {
        let value = value.number()?;
        Some(if self.is_log { ln(value) } else { value }).filter(|scaled| scaled.is_finite())
    }

    /// The part of the scale that is rounded to the same value as `scaled`; `None` without a step.
    pub(super) fn cell(&self, scaled: f64) -> Option<(f64, f64)> {
        let step = self.step?;
        let value = self.value(scaled).number()?;
        let end = |x: f64| match self.is_log {
            true if x <= 0.0 => f64::NEG_INFINITY,
            true => ln(x),
            false => x,
        };
        Some((end(value - 0.5 * step), end(value + 0.5 * step)))
    }

    /// The column in TensorBoard's table.
    pub(super) fn info(&self, name: &str) -> HparamInfo {
        match &self.law {
            Law::Uniform { min, max } => HparamInfo::number(name).interval(*min, *max),
            Law::Normal { .. } => HparamInfo::number(name),
            Law::Choice { values, .. } => {
                let is = |of_type: fn(&Param) -> bool| values.iter().all(of_type);
                let info = if is(|value| matches!(value, Param::Bool(_))) {
                    HparamInfo::bool(name)
                } else if is(|value| value.number().is_some()) {
                    HparamInfo::number(name)
                } else if is(|value| matches!(value, Param::Text(_))) {
                    HparamInfo::text(name)
                } else {
                    return HparamInfo::unknown(name);
                };
                info.values(values.iter().map(HparamValue::from))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(domain: &Domain) -> Vec<String> {
        let mut values: Vec<_> =
            (0..1000).filter_map(|i| domain.at(float(i) / 1000.0)).map(|p| p.to_string()).collect();
        values.dedup();
        values
    }

    #[test]
    fn a_step_gives_multiples_and_both_ends() {
        assert_eq!(all(&Domain::int(-1, 2)), ["-1", "0", "1", "2"]);
        assert_eq!(all(&Domain::int(3, 3)), ["3"]);
        assert_eq!(all(&Domain::uniform(0.1, 0.4).step(0.1)), ["0.1", "0.2", "0.3", "0.4"]);
        assert_eq!(all(&Domain::uniform(0.0, 10.0).step(5.0)), ["0.0", "5.0", "10.0"]);
        assert_eq!(all(&Domain::log_int(1, 3)), ["1", "2", "3"]);
        let below_32 = (0..1000).filter(|i| {
            let value = Domain::log_int(1, 1000).at(float(*i) / 1000.0);
            value.and_then(|value| value.number()).is_some_and(|value| value < 32.0)
        });
        assert!((500..600).contains(&below_32.count()));
        let grid = |domain: Domain| -> Vec<String> {
            let size = domain.points(3);
            (0..size).filter_map(|i| domain.nth(i, size)).map(|value| value.to_string()).collect()
        };
        assert_eq!(
            grid(Domain::uniform(0.0, 1.0).step(0.25)),
            ["0.0", "0.25", "0.5", "0.75", "1.0"]
        );
        assert_eq!(grid(Domain::log_int(1, 3)), ["1", "2", "3"]);
        assert_eq!(grid(Domain::normal(1.0, 1.0)).get(1).map(String::as_str), Some("1.0"));
    }

    #[test]
    fn weights_are_how_often_a_value_is_drawn() {
        let domain = Domain::choice(["a", "b", "c"]).weights([1.0, 0.0, 3.0]);
        let count = |text: &str| {
            (0..1000).filter(|i| domain.at(float(*i) / 1000.0) == Some(text.into())).count()
        };
        assert_eq!([count("a"), count("b"), count("c")], [250, 0, 750]);
    }

    #[test]
    fn normal_distributions_have_their_mean_and_deviation() {
        let draws = |domain: Domain| -> Vec<f64> {
            (0..2000).filter_map(|i| domain.at((float(i) + 0.5) / 2000.0)?.number()).collect()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / float(values.len());
        let normal = draws(Domain::normal(3.0, 2.0));
        let variance = mean(&normal.iter().map(|x| (x - 3.0) * (x - 3.0)).collect::<Vec<_>>());
        assert!((mean(&normal) - 3.0).abs() < 1e-9 && (variance - 4.0).abs() < 0.05, "{variance}");
        let log = draws(Domain::log_normal(0.0, 0.5));
        assert!(log.iter().all(|x| *x > 0.0) && (log[1000] - 1.0).abs() < 0.01);
        assert!(Domain::normal(0.0, 1.0).at(0.0).unwrap().number().unwrap().is_finite());
        assert!(draws(Domain::normal(0.0, 5.0).step(2.0)).iter().all(|x| x % 2.0 == 0.0));
    }

    #[test]
    fn domains_without_values_are_known() {
        let none: [f64; 0] = [];
        for domain in [
            Domain::choice(none),
            Domain::choice([1.0]).weights([1.0, 2.0]),
            Domain::choice([1.0]).weights([0.0]),
            Domain::choice([1.0, 2.0]).weights([2.0, -1.0]),
            Domain::choice([1.0]).step(1.0),
            Domain::uniform(0.0, 1.0).step(0.0),
            Domain::uniform(0.0, 1.0).step(f64::NAN),
            Domain::uniform(f64::MIN, f64::MAX),
            Domain::int(i64::MIN, i64::MAX),
            Domain::int(2, 1),
            Domain::log_int(0, 3),
            Domain::log_uniform(0.1, 0.2).step(1.0),
            Domain::normal(0.0, 0.0),
            Domain::normal(f64::NAN, 1.0),
        ] {
            assert!(!domain.has_values(), "{domain:?}");
        }
    }
}
