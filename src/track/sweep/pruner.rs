//! Rules that end trials early.

use serde::{Deserialize, Serialize};

use super::goal::Goal;
use super::reports::{Curve, Point};
use crate::error::ErrorKind;

/// A rule that ends trials early, by the values that they and the other trials of the sweep report.
///
/// ```
/// use tbx::track::Pruner;
///
/// // Stops a trial whose best value is worse than the median of the others at that step.
/// let median = Pruner::median();
/// // Of the trials that reach step 3, the best third goes on to step 9, and so on to 27.
/// let hyperband = Pruner::hyperband(3, 27, 3);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pruner(Rule);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Rule {
    Median {
        startup_trials: usize,
        warmup_steps: i64,
    },
    Hyperband {
        min: i64,
        max: i64,
        eta: u32,
        brackets: u32,
    },
    /// Hyperband with one bracket that compares trials at these steps, which ascend.
    Steps {
        steps: Vec<i64>,
        eta: u32,
    },
}

/// Maximum number of steps at which a bracket compares trials.
const MAX_RUNGS: u32 = 64;

impl Pruner {
    /// The median rule: a trial ends if its best value so far is worse than the median, over the trials that have
    /// finished, of their values at that step. A trial that has no value at the step counts with the last one before
    /// it; of long trials, at most one report in 50 is left out in between. A trial whose values are all NaN ends.
    /// Default: the rule applies once 5 trials have finished, with or without values, from the first step on. A trial
    /// learns of others every two seconds.
    pub fn median() -> Self {
        Self(Rule::Median { startup_trials: 5, warmup_steps: 0 })
    }

    /// For [`median`](Self::median): the number of trials that must have finished before the rule applies.
    #[must_use]
    pub fn startup_trials(mut self, count: usize) -> Self {
        if let Rule::Median { startup_trials, .. } = &mut self.0 {
            *startup_trials = count;
        }
        self
    }

    /// For [`median`](Self::median): the first step at which the rule applies.
    #[must_use]
    pub fn warmup_steps(mut self, step: i64) -> Self {
        if let Rule::Median { warmup_steps, .. } = &mut self.0 {
            *warmup_steps = step;
        }
        self
    }

    /// Hyperband, in its asynchronous form (ASHA): of the trials that reach step `min`, the best part, 1 in `eta`,
    /// goes on; at `min` × `eta` again, and so on below `max`. A trial is compared with those that were there before
    /// it, so that no trial waits. A second bracket begins at `min` × `eta`, a third one at `min` × `eta`², and so on:
    /// a metric that says little at the first steps does not decide about all trials. The number of a trial decides
    /// which bracket it belongs to; each gets about as many steps in total.
    ///
    /// L. Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", 2018, and "A System
    /// for Massively Parallel Hyperparameter Tuning", 2020.
    pub fn hyperband(min: i64, max: i64, eta: u32) -> Self {
        let mut rule = Self(Rule::Hyperband { min, max, eta, brackets: 1 });
        let rungs = rule.rungs(0).len();
        if let Rule::Hyperband { brackets, .. } = &mut rule.0 {
            *brackets = u32::try_from(rungs).unwrap_or(1).max(1);
        }
        rule
    }

    /// For [`hyperband`](Self::hyperband): the number of brackets. With 1, as in W&B, every trial is compared from
    /// the first step on. Default: as many as there are steps at which trials are compared.
    #[must_use]
    pub fn brackets(mut self, count: u32) -> Self {
        if let Rule::Hyperband { brackets, .. } = &mut self.0 {
            *brackets = count;
        }
        self
    }

    /// Hyperband with one bracket that compares trials at `max` / `eta`, `max` / `eta`² and so on, `count` times, rounded
    /// down.
    pub(super) fn from_the_end(max: u64, count: u64, eta: u32) -> Self {
        let whole = |step: u64| i64::try_from(step).unwrap_or(i64::MAX);
        let divided = std::iter::successors(Some(max), |step| step.checked_div(u64::from(eta)));
        let count = usize::try_from(count.min(u64::from(MAX_RUNGS))).unwrap_or(0);
        let mut steps: Vec<i64> =
            divided.skip(1).take(count).take_while(|step| *step > 0).map(whole).collect();
        steps.reverse();
        Self(Rule::Steps { steps, eta })
    }

    /// Returns an error if the numbers of the rule make no sense.
    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        match self.0 {
            Rule::Steps { ref steps, eta }
                if eta < 2 || !steps.is_sorted() || steps.first().is_none_or(|step| *step < 1) =>
            {
                let what = format!(
                    "hyperband at the steps {steps:?} with eta {eta}: steps must be at least 1, eta 2"
                );
                Err(ErrorKind::Argument(what))
            }
            Rule::Hyperband { min, max, eta, brackets }
                if min < 1 || max < min || eta < 2 || brackets < 1 =>
            {
                let what = format!(
                    "hyperband from step {min} to {max} with eta {eta} and {brackets} brackets: the first step \
                     must be at least 1, the last one not before it, eta at least 2, and a bracket is needed"
                );
                Err(ErrorKind::Argument(what))
            }
            _ => Ok(()),
        }
    }

    /// The step at which a trial is to be compared with others, if there is one among those after `from` up to `to`.
    /// Only the last one counts.
    pub(super) fn due(&self, number: u64, from: i64, to: i64) -> Option<i64> {
        match self.0 {
            Rule::Median { warmup_steps, .. } => (to > from && to >= warmup_steps).then_some(to),
            _ => self.rungs_of(number).into_iter().rfind(|rung| from < *rung && *rung <= to),
        }
    }

    /// Whether every step is one at which trials are compared.
    pub(super) fn is_always_due(&self) -> bool {
        matches!(self.0, Rule::Median { .. })
    }

    /// Whether the rule compares a trial with another one, which may have finished.
    pub(super) fn compares(&self, number: u64, with: u64, is_finished: bool) -> bool {
        match self.0 {
            Rule::Median { .. } => is_finished && number != with,
            _ => number != with && self.bracket(number) == self.bracket(with),
        }
    }

    /// Whether a trial with these reports ends at `step`, which is [`due`](Self::due). `others` are the reports of those
    /// that it is compared with.
    pub(super) fn ends<'t>(
        &self,
        goal: Goal,
        step: i64,
        own: &Curve,
        last: Point,
        others: impl Iterator<Item = &'t Curve>,
    ) -> bool {
        match &self.0 {
            Rule::Median { startup_trials, .. } => {
                let (mut finished, mut values) = (0, Vec::new());
                for other in others {
                    finished += 1;
                    values.extend(other.at(step).filter(|value| !value.is_nan()));
                }
                if finished < (*startup_trials).max(1) {
                    return false;
                }
                last.best.is_nan()
                    || median(&mut values).is_some_and(|m| goal.is_better(m, last.best))
            }
            Rule::Hyperband { eta, .. } | Rule::Steps { eta, .. } => {
                let best = own.best_at(step).unwrap_or(last.best);
                let there = others.filter_map(|other| other.best_at(step));
                let there: Vec<f64> = there.filter(|value| !value.is_nan()).collect();
                let better = there.iter().filter(|value| goal.is_better(**value, best)).count();
                let kept = (there.len() + 1) / usize::try_from(*eta).unwrap_or(usize::MAX).max(1);
                best.is_nan() || better >= kept.max(1)
            }
        }
    }

    /// The steps at which a trial is compared; none if that is every step.
    pub(super) fn rungs_of(&self, number: u64) -> Vec<i64> {
        self.rungs(self.bracket(number))
    }

    /// The steps at which a bracket compares trials.
    fn rungs(&self, bracket: u32) -> Vec<i64> {
        let (min, max, eta) = match &self.0 {
            Rule::Median { .. } => return Vec::new(),
            Rule::Steps { steps, .. } => return steps.clone(),
            Rule::Hyperband { min, max, eta, .. } => (*min, *max, i64::from(*eta)),
        };
        let steps = std::iter::successors(Some(min), |step| step.checked_mul(eta));
        let below = steps.take_while(|step| *step > 0 && *step < max);
        below
            .take(usize::try_from(MAX_RUNGS).unwrap_or(0))
            .skip(usize::try_from(bracket).unwrap_or(0))
            .collect()
    }

    /// The bracket of a trial: most trials are in the first one, which costs the fewest steps per trial.
    fn bracket(&self, number: u64) -> u32 {
        let Rule::Hyperband { eta, brackets, .. } = self.0 else { return 0 };
        let brackets = brackets.clamp(1, MAX_RUNGS);
        // Weights as in the paper: with s the number of comparisons, eta^s / (s + 1), rounded up.
        let weight = |bracket: u32| {
            let left = brackets - 1 - bracket;
            u64::from(eta).saturating_pow(left.min(20)).div_ceil(u64::from(left) + 1)
        };
        let sum = (0..brackets).fold(0u64, |sum, bracket| sum.saturating_add(weight(bracket)));
        let mut place = number % sum.max(1);
        for bracket in 0..brackets {
            match place.checked_sub(weight(bracket)) {
                Some(left) => place = left,
                None => return bracket,
            }
        }
        0
    }
}

/// The median; `None` if there are no values.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(0.5 * (values.get(middle.checked_sub(1)?)? + upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a trial ends by its last report.
    fn ends(rule: &Pruner, goal: Goal, reports: &[(i64, f64)], all: &[Curve]) -> bool {
        let own = Curve::of(goal, reports);
        let from = reports.iter().rev().nth(1).map_or(i64::MIN, |(step, _)| *step);
        let last = own.last().unwrap();
        let due = rule.due(9, from, last.step);
        due.is_some_and(|step| rule.ends(goal, step, &own, last, all.iter()))
    }

    fn flat(values: &[f64]) -> Vec<Curve> {
        let flat = |value: &f64| (1..=30).map(|step| (step, *value)).collect::<Vec<_>>();
        values.iter().map(|value| Curve::of(Goal::Minimize, &flat(value))).collect()
    }

    #[test]
    fn the_worse_half_ends_at_the_median() {
        let all = flat(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let rule = Pruner::median();
        let ends = |goal, own: &[(i64, f64)], all: &[Curve]| ends(&rule, goal, own, all);
        assert!(ends(Goal::Minimize, &[(1, 3.1)], &all));
        assert!(!ends(Goal::Minimize, &[(1, 3.0)], &all));
        assert!(!ends(Goal::Minimize, &[(1, 2.0), (2, 9.0)], &all), "its best value counts");
        assert!(ends(Goal::Maximize, &[(1, 2.9)], &all));
        assert!(!ends(Goal::Minimize, &[(0, 9.0)], &all), "nothing to compare with");
        assert!(ends(Goal::Minimize, &[(99, 9.0)], &all), "the last values count");
        assert!(!ends(Goal::Minimize, &[(1, 9.0)], &all[..4]), "too few trials");
        assert!(ends(Goal::Minimize, &[(1, f64::NAN)], &all), "it has diverged");
        assert!(!ends(Goal::Minimize, &[(1, f64::NAN)], &all[..4]), "too few trials");
        let late = Pruner::median().warmup_steps(5).startup_trials(1);
        assert!(!super::tests::ends(&late, Goal::Minimize, &[(4, 9.0)], &all));
        assert!(super::tests::ends(&late, Goal::Minimize, &[(5, 9.0)], &all[..1]));
        assert!(rule.compares(9, 1, true) && !rule.compares(9, 1, false));
    }

    #[test]
    fn a_third_goes_on_at_each_step_of_a_bracket() {
        let rule = Pruner::hyperband(1, 27, 3).brackets(1);
        assert_eq!(rule.rungs(0), [1, 3, 9]);
        let all = flat(&[5.0, 4.0, 3.0, 2.0, 1.0]);
        let ends = |own: &[(i64, f64)], all: &[Curve]| ends(&rule, Goal::Minimize, own, all);
        assert!(!ends(&[(1, 9.0)], &[]), "the first one goes on");
        assert!(!ends(&[(1, 1.5)], &all), "the second of six");
        assert!(ends(&[(1, 2.5)], &all), "the third of six");
        assert!(!ends(&[(1, 0.0), (2, 9.0)], &all), "no comparison at step 2");
        assert!(!ends(&[(1, 0.0), (3, 9.0)], &all), "its best value counts");
        assert!(ends(&[(3, 9.0)], &all));
        assert!(!ends(&[(3, 9.0), (4, 9.0)], &all));
        assert!(ends(&[(1, f64::NAN)], &all));
        // One report that is past two comparisons counts for the last of them.
        assert_eq!(
            (rule.due(9, 0, 4), rule.due(9, 3, 8), rule.due(9, 0, 99)),
            (Some(3), None, Some(9))
        );
        assert!(rule.compares(9, 1, false) && !rule.compares(9, 9, false));
    }

    #[test]
    fn steps_from_the_end_are_rounded_down() {
        let rungs = |max, count, eta| Pruner::from_the_end(max, count, eta).rungs(0);
        assert_eq!(rungs(100, 2, 3), [11, 33]);
        assert_eq!(rungs(27, 9, 3), [1, 3, 9]);
        Pruner::from_the_end(27, 2, 3).check().unwrap();
        Pruner::from_the_end(27, 2, 1).check().unwrap_err();
        Pruner::from_the_end(27, 2, 0).check().unwrap_err();
        Pruner::from_the_end(1, 2, 3).check().unwrap_err();
    }

    /// Of 13 trials: nine in the bracket from 1 on, three from 3 on, one that is compared at 9 only.
    #[test]
    fn brackets_begin_later_with_fewer_trials() {
        let rule = Pruner::hyperband(1, 27, 3);
        let count = |bracket| (0..600).filter(|n| rule.bracket(*n) == bracket).count();
        assert_eq!((0..4).map(count).collect::<Vec<_>>(), [300, 200, 100, 0]);
        assert_eq!(
            [rule.rungs(0), rule.rungs(1), rule.rungs(2)],
            [vec![1, 3, 9], vec![3, 9], vec![9]]
        );
        for rule in
            [Pruner::hyperband(0, 9, 3), Pruner::hyperband(2, 1, 3), Pruner::hyperband(1, 9, 1)]
        {
            rule.check().unwrap_err();
            rule.bracket(3);
        }
        rule.check().unwrap();
        assert_eq!(Pruner::hyperband(1, i64::MAX, 2).rungs(0).len(), 63);
    }
}
