//! Rules that end trials early.

use serde::{Deserialize, Serialize};

use super::goal::Goal;
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
    Median { startup_trials: usize, warmup_steps: i64 },
    Hyperband { min: i64, max: i64, eta: u32, brackets: u32 },
}

/// Maximum number of steps at which a bracket compares trials.
const MAX_RUNGS: u32 = 64;

/// What a trial has reported: its steps, ascending, each with its value.
pub(super) type Reports = [(i64, f64)];

/// Another trial of the sweep, as a rule sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Other<'t> {
    pub(super) number: u64,
    pub(super) reports: &'t Reports,
    /// Whether it ended successfully.
    pub(super) is_finished: bool,
}

impl Pruner {
    /// The median rule: a trial ends if its best value so far is worse than the median, over the trials that have
    /// finished, of their values at that step. A trial that has no value at the step counts with the last one before
    /// it. Default: the rule applies once 5 trials have finished, from the first step on.
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

    /// Returns an error if the numbers of the rule make no sense.
    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        match self.0 {
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

    /// Whether a trial, whose last report is new, ends now.
    pub(super) fn ends<'t>(
        &self,
        goal: Goal,
        number: u64,
        reports: &Reports,
        others: impl Iterator<Item = Other<'t>>,
    ) -> bool {
        let Some((&(step, _), before)) = reports.split_last() else { return false };
        match self.0 {
            Rule::Median { startup_trials, warmup_steps } => {
                let Some(own) = best(goal, reports).filter(|_| step >= warmup_steps) else {
                    return false;
                };
                let finished = others.filter(|other| other.is_finished);
                let at_step = finished.map(|other| at(other.reports, step));
                let mut values: Vec<f64> = at_step.flatten().filter(|v| !v.is_nan()).collect();
                values.len() >= startup_trials.max(1) && goal.is_better(median(&mut values), own)
            }
            Rule::Hyperband { eta, .. } => {
                let bracket = self.bracket(number);
                let rungs = self.rungs(bracket);
                let last = before.last().map_or(i64::MIN, |(step, _)| *step);
                // Only the last of the steps that it has reached with this report.
                let Some(rung) = rungs.into_iter().rfind(|rung| last < *rung && *rung <= step)
                else {
                    return false;
                };
                let own = best(goal, reports).unwrap_or(f64::NAN);
                let same = others.filter(|other| {
                    other.number != number && self.bracket(other.number) == bracket
                });
                let there = same.filter_map(|other| {
                    let reached = other.reports.iter().position(|(step, _)| *step >= rung)?;
                    best(goal, other.reports.get(..=reached)?)
                });
                let there: Vec<f64> = there.collect();
                let better = there.iter().filter(|value| goal.is_better(**value, own)).count();
                let kept = (there.len() + 1) / usize::try_from(eta).unwrap_or(usize::MAX).max(1);
                own.is_nan() || better >= kept.max(1)
            }
        }
    }

    /// The steps at which a bracket compares trials.
    fn rungs(&self, bracket: u32) -> Vec<i64> {
        let Rule::Hyperband { min, max, eta, .. } = self.0 else { return Vec::new() };
        let eta = i64::from(eta);
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

/// The best of the values; none if there is none that is a number.
pub(super) fn best(goal: Goal, reports: &Reports) -> Option<f64> {
    let values = reports.iter().map(|(_, value)| *value).filter(|value| !value.is_nan());
    values.reduce(|best, next| if goal.is_better(next, best) { next } else { best })
}

/// The value at a step, or the last one before it.
fn at(reports: &Reports, step: i64) -> Option<f64> {
    let after = reports.partition_point(|(other, _)| *other <= step);
    reports.get(after.checked_sub(1)?).map(|(_, value)| *value)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        at(middle)
    } else {
        0.5 * (at(middle.saturating_sub(1)) + at(middle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others<'t>(all: &'t [Vec<(i64, f64)>]) -> impl Iterator<Item = Other<'t>> {
        let other = |(number, reports): (usize, &'t Vec<(i64, f64)>)| Other {
            number: number as u64,
            reports,
            is_finished: true,
        };
        all.iter().enumerate().map(other)
    }

    fn flat(values: &[f64]) -> Vec<Vec<(i64, f64)>> {
        values.iter().map(|value| (1..=30).map(|step| (step, *value)).collect()).collect()
    }

    #[test]
    fn the_worse_half_ends_at_the_median() {
        let all = flat(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let rule = Pruner::median();
        let ends = |goal, own: &Reports, all: &[Vec<_>]| rule.ends(goal, 9, own, others(all));
        assert!(ends(Goal::Minimize, &[(1, 3.1)], &all));
        assert!(!ends(Goal::Minimize, &[(1, 3.0)], &all));
        assert!(!ends(Goal::Minimize, &[(1, 2.0), (2, 9.0)], &all), "its best value counts");
        assert!(ends(Goal::Maximize, &[(1, 2.9)], &all));
        assert!(!ends(Goal::Minimize, &[(0, 9.0)], &all), "nothing to compare with");
        assert!(ends(Goal::Minimize, &[(99, 9.0)], &all), "the last values count");
        assert!(!ends(Goal::Minimize, &[(1, 9.0)], &all[..4]), "too few trials");
        assert!(!ends(Goal::Minimize, &[(1, f64::NAN)], &all));
        let late = Pruner::median().warmup_steps(5).startup_trials(1);
        assert!(!late.ends(Goal::Minimize, 9, &[(4, 9.0)], others(&all)));
        assert!(late.ends(Goal::Minimize, 9, &[(5, 9.0)], others(&all[..1])));
    }

    #[test]
    fn a_third_goes_on_at_each_step_of_a_bracket() {
        let rule = Pruner::hyperband(1, 27, 3).brackets(1);
        assert_eq!(rule.rungs(0), [1, 3, 9]);
        let all = flat(&[5.0, 4.0, 3.0, 2.0, 1.0]);
        let ends = |own: &Reports, all: &[Vec<_>]| rule.ends(Goal::Minimize, 9, own, others(all));
        assert!(!ends(&[(1, 9.0)], &[]), "the first one goes on");
        assert!(!ends(&[(1, 1.5)], &all), "the second of six");
        assert!(ends(&[(1, 2.5)], &all), "the third of six");
        assert!(!ends(&[(1, 0.0), (2, 9.0)], &all), "no comparison at step 2");
        assert!(!ends(&[(1, 0.0), (3, 9.0)], &all), "its best value counts");
        assert!(ends(&[(3, 9.0)], &all));
        assert!(!ends(&[(3, 9.0), (4, 9.0)], &all));
        assert!(ends(&[(1, f64::NAN)], &all));
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
