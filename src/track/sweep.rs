//! Searches for good parameters: over a grid, or at random.

use std::collections::BTreeMap;

use rand_mt::Mt64;

use super::{ActiveRun, RunOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::meta::{Param, Summary};
use crate::summary::hparams::{Experiment, HparamInfo, HparamValue, MetricInfo};

/// Maximum number of trials in a grid. More are probably a mistake.
const MAX_TRIALS: usize = 1_000_000;

/// A search space: the parameters of the trials, and the metric that rates them.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::track::{ActiveRun, RunOptions, Sweep};
///
/// let sweep = Sweep::minimize("loss")
///     .choice("optimizer", ["adam", "sgd"])
///     .log_uniform("lr", 1e-4, 1e-1);
/// // The parent of the trials, without its own row in TensorBoard's table.
/// let parent = ActiveRun::options().card(false).create(dir.path())?;
/// sweep.describe(&parent)?;
/// for trial in sweep.random(8, 7)? {
///     let run = RunOptions::default().trial(&trial).create_child(&parent, &trial.name)?;
///     let lr = trial.number("lr")?;
///     run.add_scalar("loss", (lr - 0.01).abs(), 0)?;
///     run.finish()?;
/// }
/// let best = sweep.best(&parent)?;
/// println!("{}: {}", best.run, best.value);
/// parent.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    space: Vec<(String, Domain)>,
    metric: String,
    goal: Goal,
}

/// Whether small or large values of the metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Minimize,
    Maximize,
}

/// The possible values of a parameter.
#[derive(Debug, Clone, PartialEq)]
enum Domain {
    Choice(Vec<Param>),
    Uniform(f64, f64),
    LogUniform(f64, f64),
}

/// A point in the search space.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Trial {
    /// Name of the trial: `trial-0000` and so on.
    pub name: String,
    /// The value of each parameter.
    pub params: BTreeMap<String, Param>,
}

/// The best trial.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Best {
    /// Name of the trial's run, relative to the parent's directory.
    pub run: String,
    /// The best value of the metric.
    pub value: f64,
    /// The step at which it was first reached.
    pub step: i64,
}

impl Sweep {
    /// Creates a search for the trial with the smallest value of the scalar `metric`.
    pub fn minimize(metric: impl Into<String>) -> Self {
        Self { space: Vec::new(), metric: metric.into(), goal: Goal::Minimize }
    }

    /// Creates a search for the trial with the largest value of the scalar `metric`.
    pub fn maximize(metric: impl Into<String>) -> Self {
        Self { goal: Goal::Maximize, ..Self::minimize(metric) }
    }

    /// Adds a parameter that is one of `values`.
    #[must_use]
    pub fn choice<V: Into<Param>>(
        self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.with(name, Domain::Choice(values.into_iter().map(Into::into).collect()))
    }

    /// Adds a parameter from `min` to `max`.
    #[must_use]
    pub fn uniform(self, name: impl Into<String>, min: f64, max: f64) -> Self {
        self.with(name, Domain::Uniform(min, max))
    }

    /// Adds a parameter from `min` to `max`, both above 0, whose logarithm is uniformly distributed: there are as
    /// many values between 0.001 and 0.01 as between 0.01 and 0.1.
    #[must_use]
    pub fn log_uniform(self, name: impl Into<String>, min: f64, max: f64) -> Self {
        self.with(name, Domain::LogUniform(min, max))
    }

    fn with(mut self, name: impl Into<String>, domain: Domain) -> Self {
        let name = name.into();
        self.space.retain(|(known, _)| *known != name);
        self.space.push((name, domain));
        self
    }

    /// Returns `count` random trials. The same seed gives the same trials on every machine and in every release
    /// (64-bit Mersenne Twister).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a parameter has no values to choose from, an interval is not finite or ends before
    /// it begins, or a logarithmic interval begins at or below 0.
    pub fn random(
        &self,
        count: usize,
        seed: u64,
    ) -> Result<impl Iterator<Item = Trial>, ErrorKind> {
        self.check()?;
        let mut random = Mt64::new(seed);
        Ok((0..count).map(move |number| {
            #[expect(clippy::as_conversions, reason = "53 bits are exact")]
            let mut at = || (random.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0; // 2^53
            self.trial(number, |domain| domain.at(at()))
        }))
    }

    fn check(&self) -> Result<(), ErrorKind> {
        for (name, domain) in &self.space {
            let is_fine = match domain {
                Domain::Choice(values) => !values.is_empty(),
                Domain::Uniform(min, max) => min.is_finite() && max.is_finite() && min <= max,
                Domain::LogUniform(min, max) => max.is_finite() && 0.0 < *min && min <= max,
            };
            if !is_fine {
                let what =
                    format!("a sweep over {name:?}, which has no possible value: {domain:?}");
                return Err(ErrorKind::Argument(what));
            }
        }
        Ok(())
    }

    /// Returns every combination of the choices and of `points` values for each other parameter, including both
    /// ends. The last parameter changes fastest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are more than a million combinations. Otherwise, the same as for
    /// [`random`](Self::random).
    pub fn grid(&self, points: usize) -> Result<impl Iterator<Item = Trial>, ErrorKind> {
        self.check()?;
        let sizes = self.space.iter().map(|(_, domain)| domain.points(points));
        let count = sizes.clone().try_fold(1usize, usize::checked_mul);
        let count = count.filter(|count| *count <= MAX_TRIALS).ok_or_else(|| {
            ErrorKind::Argument(format!("a grid of more than {MAX_TRIALS} trials"))
        })?;
        let sizes: Vec<usize> = sizes.collect();
        Ok((0..count).map(move |number| {
            let (mut rest, mut stride) = (number, count);
            let mut sizes = sizes.iter();
            self.trial(number, |domain| {
                let size = sizes.next().copied().unwrap_or(1).max(1);
                stride = stride.checked_div(size).unwrap_or(1).max(1);
                let index = rest.checked_div(stride).unwrap_or(0);
                rest = rest.checked_rem(stride).unwrap_or(0);
                domain.nth(index, size)
            })
        }))
    }

    fn trial(&self, number: usize, mut value: impl FnMut(&Domain) -> Option<Param>) -> Trial {
        let params = self.space.iter();
        let params = params.filter_map(|(name, domain)| Some((name.clone(), value(domain)?)));
        Trial { name: format!("trial-{number:04}"), params: params.collect() }
    }

    /// Records the search space in `parent`: in its metadata, and in TensorBoard's hyperparameter table, which
    /// then knows the domains and the metric.
    ///
    /// # Errors
    ///
    /// The same as for [`SummaryWriter::add_hparams_config`](crate::SummaryWriter::add_hparams_config), for
    /// example if an interval ends before it begins. Otherwise, the same as for [`ActiveRun::update`].
    pub fn describe(&self, parent: &ActiveRun) -> Result<()> {
        let mut experiment = Experiment::new().metric(MetricInfo::new(&self.metric));
        for (name, domain) in &self.space {
            experiment = experiment.hparam(domain.info(name));
        }
        parent.add_hparams_config(&experiment)?;
        let space: serde_json::Map<_, _> =
            self.space.iter().map(|(name, domain)| (name.clone(), domain.json())).collect();
        let goal = match self.goal {
            Goal::Minimize => "minimize",
            Goal::Maximize => "maximize",
        };
        let said = serde_json::json!({"metric": self.metric, "goal": goal, "space": space});
        parent.update(|meta| {
            meta.other.insert("sweep".into(), said);
        })
    }

    /// Returns the best child of `parent` among those that have the metric. NaN does not count. The result is also
    /// recorded in the `summary` of the metadata of `parent`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: no child has the metric. Otherwise, the same as for
    /// [`Logdir::load`](crate::Logdir::load).
    pub fn best(&self, parent: &ActiveRun) -> Result<Best> {
        let found = parent.of_children(&self.metric, |run, series| {
            let values = series.scalars()?.iter().zip(series.steps().iter().copied());
            let (value, step) =
                values.filter(|(value, _)| !value.is_nan()).reduce(|best, next| {
                    if self.is_better(next.0, best.0) { next } else { best }
                })?;
            Some(Best { run: run.name.clone(), value, step })
        })?;
        let best = found
            .into_iter()
            .reduce(|best, next| if self.is_better(next.value, best.value) { next } else { best });
        let Some(best) = best else {
            let what = format!("no child of this run has the scalar {:?}", self.metric);
            return Err(Error::argument(what));
        };
        parent.update(|meta| {
            let mut summary =
                Summary { value: best.value, step: Some(best.step), ..Summary::default() };
            summary.statistic = Some("best".into());
            summary.other.insert("run".into(), best.run.as_str().into());
            meta.summary.insert(self.metric.clone(), summary);
        })?;
        Ok(best)
    }

    fn is_better(&self, value: f64, than: f64) -> bool {
        match self.goal {
            Goal::Minimize => value < than,
            Goal::Maximize => value > than,
        }
    }
}

impl Trial {
    /// Returns the value of a parameter as a number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the value is not a number, or the parameter does not exist.
    pub fn number(&self, name: &str) -> Result<f64, ErrorKind> {
        let param = self.params.get(name);
        let none = || ErrorKind::Argument(format!("{name:?} is not a number: {param:?}"));
        param.and_then(Param::number).ok_or_else(none)
    }
}

impl RunOptions {
    /// Makes the run a trial of a sweep, and sets the trial's parameters.
    #[must_use]
    pub fn trial(mut self, trial: &Trial) -> Self {
        self.meta.params.extend(trial.params.clone());
        self.meta.role = Some("trial".into());
        self
    }
}

impl Domain {
    /// The value at `x`, from 0 to below 1; `None` if there are no values.
    fn at(&self, x: f64) -> Option<Param> {
        match self {
            #[expect(clippy::as_conversions, reason = "an index into a list, rounded down")]
            Self::Choice(values) => values.get((x * values.len() as f64) as usize).cloned(),
            Self::Uniform(min, max) => Some((min + x * (max - min)).into()),
            Self::LogUniform(min, max) => {
                let value = (min.ln() + x * (max.ln() - min.ln())).exp();
                Some(value.max(*min).min(*max).into())
            }
        }
    }

    /// Number of values in a grid.
    fn points(&self, of_others: usize) -> usize {
        match self {
            Self::Choice(values) => values.len(),
            Self::Uniform(..) | Self::LogUniform(..) => of_others,
        }
    }

    /// Value `index` of `size`, including both ends.
    fn nth(&self, index: usize, size: usize) -> Option<Param> {
        match self {
            Self::Choice(values) => values.get(index).cloned(),
            #[expect(clippy::as_conversions, reason = "no more than a million")]
            Self::Uniform(min, max) | Self::LogUniform(min, max) => match index + 1 == size {
                true if size > 1 => Some((*max).into()),
                _ if index == 0 => Some((*min).into()),
                _ => self.at(index as f64 / (size.max(2) - 1) as f64),
            },
        }
    }

    /// The column in TensorBoard's table.
    fn info(&self, name: &str) -> HparamInfo {
        match self {
            Self::Uniform(min, max) | Self::LogUniform(min, max) => {
                HparamInfo::number(name).interval(*min, *max)
            }
            Self::Choice(values) => {
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

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Choice(values) => serde_json::json!({"values": values}),
            Self::Uniform(min, max) => serde_json::json!({"min": min, "max": max}),
            Self::LogUniform(min, max) => {
                serde_json::json!({"min": min, "max": max, "scale": "log"})
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep() -> Sweep {
        let sweep = Sweep::minimize("loss").choice("opt", ["adam", "sgd"]);
        sweep.uniform("dropout", 0.0, 0.5).log_uniform("lr", 1e-4, 1e-2)
    }

    fn number(trial: &Trial, name: &str) -> f64 {
        trial.number(name).unwrap()
    }

    #[test]
    fn a_grid_has_every_combination_and_both_ends() {
        let grid: Vec<_> = sweep().grid(3).unwrap().collect();
        assert_eq!(grid.len(), 18);
        let line = |trial: &Trial| {
            let lr = (number(trial, "lr").log10() * 1e6).round() / 1e6;
            format!("{} {} {} {lr}", trial.name, trial.params["opt"], number(trial, "dropout"))
        };
        assert_eq!(line(&grid[0]), "trial-0000 adam 0 -4");
        assert_eq!(line(&grid[1]), "trial-0001 adam 0 -3");
        assert_eq!(line(&grid[5]), "trial-0005 adam 0.25 -2");
        assert_eq!(line(&grid[17]), "trial-0017 sgd 0.5 -2");
        assert_eq!(sweep().grid(1).unwrap().count(), 2);
        assert_eq!(sweep().grid(0).unwrap().count(), 0);
        assert!(sweep().grid(100_000).is_err());
    }

    #[test]
    fn the_same_seed_gives_the_same_trials() {
        let sweep = sweep();
        let trials: Vec<_> = sweep.random(200, 7).unwrap().collect();
        assert_eq!(trials, sweep.random(200, 7).unwrap().collect::<Vec<_>>());
        assert_ne!(trials, sweep.random(200, 8).unwrap().collect::<Vec<_>>());
        assert!(trials.iter().all(|t| (0.0..0.5).contains(&number(t, "dropout"))));
        assert!(trials.iter().all(|t| (1e-4..=1e-2).contains(&number(t, "lr"))));
        let adam = trials.iter().filter(|t| t.params["opt"] == "adam".into()).count();
        assert!((70..130).contains(&adam), "{adam}");
        let low = trials.iter().filter(|t| number(t, "lr") < 1e-3).count();
        assert!((70..130).contains(&low), "{low}");
        // Output of release 0.1.
        let first = number(&trials[0], "dropout");
        assert_eq!(format!("{first:.6}"), "0.474651");
    }

    #[test]
    fn what_can_have_no_value_is_refused() {
        let none: [f64; 0] = [];
        for sweep in [
            Sweep::minimize("x").choice("a", none),
            Sweep::minimize("x").uniform("a", 1.0, 0.0),
            Sweep::minimize("x").uniform("a", 0.0, f64::INFINITY),
            Sweep::minimize("x").log_uniform("a", 0.0, 1.0),
            Sweep::minimize("x").log_uniform("a", f64::NAN, 1.0),
        ] {
            assert!(sweep.random(1, 0).is_err() && sweep.grid(2).is_err(), "{sweep:?}");
        }
    }
}
