//! Searches for good parameters: over a grid, at random, or by what earlier trials showed.

#[cfg(test)]
mod compared;
mod definition;
mod domain;
mod goal;
mod history;
mod join;
mod math;
mod metric;
mod pruner;
mod reports;
mod space;
mod tpe;
mod trial;
mod worker;
#[cfg(test)]
mod worker_tests;
mod yaml;
#[cfg(test)]
mod yaml_tests;
mod yaml_values;

use std::collections::BTreeMap;

use rand_mt::Mt64;

pub use self::domain::Domain;
use self::goal::Goal;
pub use self::history::TrialRecord;
pub use self::pruner::Pruner;
use self::space::Space;
pub use self::trial::{ActiveTrial, Verdict};
pub use self::worker::{Next, Worker};
pub use self::yaml::SweepFile;
use super::{ActiveRun, RunOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::meta::{Param, Summary};
use crate::summary::hparams::{Experiment, MetricInfo};

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
///
/// Several programs can share a sweep: [`join`](Self::join) makes each one a [`Worker`] of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    space: Space,
    metric: String,
    goal: Goal,
    method: Method,
    seed: u64,
    trials: Option<u64>,
    target: Option<f64>,
    pruner: Option<Pruner>,
}

/// How the [`Worker`]s of a sweep choose parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Method {
    /// Every combination, as in [`Sweep::grid`].
    Grid {
        /// The number of values of each parameter that is neither a choice nor has a step.
        points: usize,
    },
    /// At random, as in [`Sweep::random`].
    #[default]
    Random,
    /// By a Tree-structured Parzen Estimator, which learns from the trials before: [`Sweep::suggest`].
    Tpe,
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
        Self {
            space: Space::default(),
            metric: metric.into(),
            goal: Goal::Minimize,
            method: Method::default(),
            seed: 0,
            trials: None,
            target: None,
            pruner: None,
        }
    }

    /// Creates a search for the trial with the largest value of the scalar `metric`.
    pub fn maximize(metric: impl Into<String>) -> Self {
        Self { goal: Goal::Maximize, ..Self::minimize(metric) }
    }

    /// Adds a parameter. One of the same name is replaced.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, domain: Domain) -> Self {
        self.space.set(name.into(), domain);
        self
    }

    /// Adds a parameter that is one of `values`.
    #[must_use]
    pub fn choice<V: Into<Param>>(
        self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.param(name, Domain::choice(values))
    }

    /// Adds a parameter from `min` to `max`.
    #[must_use]
    pub fn uniform(self, name: impl Into<String>, min: f64, max: f64) -> Self {
        self.param(name, Domain::uniform(min, max))
    }

    /// Adds a parameter from `min` to `max`, both above 0, whose logarithm is uniformly distributed: there are as
    /// many values between 0.001 and 0.01 as between 0.01 and 0.1.
    #[must_use]
    pub fn log_uniform(self, name: impl Into<String>, min: f64, max: f64) -> Self {
        self.param(name, Domain::log_uniform(min, max))
    }

    /// Sets how workers choose parameters. Default: at random.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Sets the seed of the workers' random numbers. Default: 0.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the number of trials of all workers together. Default: a grid ends with its last combination, other
    /// sweeps do not end.
    #[must_use]
    pub fn trials(self, count: u64) -> Self {
        Self { trials: Some(count), ..self }
    }

    /// Sets a value of the metric that is good enough: no trial starts after one has reached it. Default: none.
    #[must_use]
    pub fn target(self, value: f64) -> Self {
        Self { target: Some(value), ..self }
    }

    /// Sets the rule that ends trials early. Default: none.
    #[must_use]
    pub fn pruner(self, pruner: Pruner) -> Self {
        Self { pruner: Some(pruner), ..self }
    }

    /// The scalar that rates the trials.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// Whether the trial with the smallest value of the metric is the best one.
    pub fn is_minimized(&self) -> bool {
        self.goal == Goal::Minimize
    }

    /// Whether a rule may end trials early.
    pub fn is_pruned(&self) -> bool {
        self.pruner.is_some()
    }

    /// The names of the parameters, in the order in which they were added.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.space.iter().map(|(name, _)| name)
    }

    /// A value of a parameter as JSON. Lists, maps and nulls of a sweep file are texts in the parameters of trials; here
    /// they are what they were in the file.
    #[doc(hidden)]
    pub fn json(&self, name: &str, value: &Param) -> serde_json::Value {
        let domain = self.space.get(name);
        domain.map_or_else(|| serde_json::json!(value), |domain| domain.json(value))
    }

    /// Returns `count` random trials. The same seed gives the same trials on every machine and in every release
    /// (64-bit Mersenne Twister; logarithms and the like are computed without the system's functions).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a parameter has no values to choose from, an interval is not finite or ends before
    /// it begins, a logarithmic interval begins at or below 0, or a condition names a parameter that is not before
    /// it.
    pub fn random(
        &self,
        count: usize,
        seed: u64,
    ) -> Result<impl Iterator<Item = Trial>, ErrorKind> {
        self.space.check()?;
        let mut random = Mt64::new(seed);
        Ok((0..count).map(move |number| Trial::of(number, self.space.random(&mut random))))
    }

    /// Returns every combination of the choices, of the multiples of steps, and of `points` values for each other
    /// parameter, including both ends. The last parameter changes fastest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are more than a million combinations. Otherwise, the same as for
    /// [`random`](Self::random).
    pub fn grid(&self, points: usize) -> Result<impl Iterator<Item = Trial>, ErrorKind> {
        self.space.check()?;
        let grid = self.space.grid(points)?.enumerate();
        Ok(grid.map(|(number, params)| Trial::of(number, params)))
    }

    /// Returns the next trial of a Tree-structured Parzen Estimator, given all trials before it with their values of
    /// the metric. NaN means a trial without one: it has failed, or is still running. The first ten are random.
    /// The same seed and the same values give the same trials on every machine.
    ///
    /// ```
    /// use tbx::track::Sweep;
    ///
    /// let sweep = Sweep::minimize("loss").uniform("x", -5.0, 5.0).seed(7);
    /// let mut trials = Vec::new();
    /// for _ in 0..40 {
    ///     let trial = sweep.suggest(&trials)?;
    ///     let loss = (trial.number("x")? - 2.0).powi(2);
    ///     trials.push((trial, loss));
    /// }
    /// let best = trials.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
    /// assert!(best < 0.1, "{best}");
    /// # Ok::<(), tbx::ErrorKind>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`random`](Self::random).
    pub fn suggest(&self, trials: &[(Trial, f64)]) -> Result<Trial, ErrorKind> {
        self.space.check()?;
        let known = trials.iter().map(|(trial, value)| (&trial.params, Some(*value), 0u8));
        let params = self.learned(u64::try_from(trials.len()).unwrap_or(u64::MAX), known);
        Ok(Trial::of(trials.len(), params))
    }

    /// The parameters of a trial by what is known of others: their parameters, their values, and a class. All of a
    /// class are better than those of a larger one.
    fn learned<'t>(
        &self,
        number: u64,
        known: impl Iterator<Item = (&'t space::Params, Option<f64>, u8)>,
    ) -> space::Params {
        let known: Vec<_> = known.collect();
        let with_value = known.iter().enumerate().filter_map(|(place, (_, value, class))| {
            let loss = value.filter(|value| !value.is_nan()).map(|value| self.goal.loss(value))?;
            Some((*class, loss, place))
        });
        let mut order: Vec<_> = with_value.collect();
        order.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let ranks: BTreeMap<usize, usize> =
            order.into_iter().enumerate().map(|(rank, (_, _, place))| (place, rank)).collect();
        let known: Vec<_> = known
            .into_iter()
            .enumerate()
            .map(|(place, (params, ..))| tpe::Known { params, rank: ranks.get(&place).copied() })
            .collect();
        tpe::next(&self.space, &known, &mut Mt64::new(math::mixed(self.seed, number)))
    }

    /// Records the search space in `parent`: in its metadata, and in TensorBoard's hyperparameter table, which
    /// then knows the domains and the metric.
    ///
    /// # Errors
    ///
    /// The same as for [`SummaryWriter::add_hparams_config`](crate::SummaryWriter::add_hparams_config), for
    /// example if an interval ends before it begins. Otherwise, the same as for [`ActiveRun::update`].
    pub fn describe(&self, parent: &ActiveRun) -> Result<()> {
        parent.add_hparams_config(&self.experiment())?;
        parent.update(|meta| {
            meta.other.insert(definition::KEY.into(), self.to_json());
        })
    }

    fn experiment(&self) -> Experiment {
        let mut experiment = Experiment::new().metric(MetricInfo::new(&self.metric));
        for (name, domain) in self.space.iter() {
            experiment = experiment.hparam(domain.info(name));
        }
        experiment
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
                    if self.goal.is_better(next.0, best.0) { next } else { best }
                })?;
            Some(Best { run: run.name.clone(), value, step })
        })?;
        let best = found.into_iter().reduce(|best, next| {
            if self.goal.is_better(next.value, best.value) { next } else { best }
        });
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
}

impl Trial {
    fn of(number: usize, params: space::Params) -> Self {
        Self { name: history::name(u64::try_from(number).unwrap_or(u64::MAX)), params }
    }

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
