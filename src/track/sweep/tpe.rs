//! The Tree-structured Parzen Estimator: a search that learns from the trials before.
//!
//! Sources: J. Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011; S. Falkner et al., "BOHB: Robust
//! and Efficient Hyperparameter Optimization at Scale", 2018; S. Watanabe, "Tree-Structured Parzen Estimator:
//! Understanding Its Algorithm Components and Their Roles for Better Empirical Performance", 2023.
//!
//! The trials are split into a few good ones and the others. The density of each group is a mixture with one
//! component per trial, around all of its parameters at once, so that the search learns which values go together.
//! Candidates are drawn from the density of the good ones. The one with the largest quotient of the two densities is
//! the next trial.

use rand_mt::Mt64;

use super::domain::{Domain, Law, Prior};
use super::math::{draw, exp, float, ln, normal_below, normal_quantile};
use super::space::{Params, Space};
use crate::meta::Param;

/// Number of random trials before the first one that is not.
const STARTUP: usize = 10;
/// Number of candidates for each trial.
const CANDIDATES: usize = 24;
/// Largest number of good trials.
const MAX_GOOD: usize = 25;
/// Number of the latest trials that have the full weight.
const FULL_WEIGHT: usize = 25;
/// Half of the logarithm of 2π.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// A trial that the search learns from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'t> {
    pub(super) params: &'t Params,
    /// Its rank among the trials with a value: smaller is better. `None` for a trial without one, which is not good.
    pub(super) rank: Option<usize>,
}

/// The parameters of the next trial. `known` is in the order of the trials.
pub(super) fn next(space: &Space, known: &[Known<'_>], random: &mut Mt64) -> Params {
    let with_value = known.iter().filter(|trial| trial.rank.is_some()).count();
    if with_value < STARTUP {
        return space.random(random);
    }
    // A tenth of the trials, rounded up.
    let count = with_value.div_ceil(10).min(MAX_GOOD);
    let is_good = |trial: &&Known<'_>| trial.rank.is_some_and(|rank| rank < count);
    let (good, others): (Vec<_>, Vec<_>) = known.iter().partition(is_good);
    let good = Mixture::of(space, &good);
    let others = Mixture::of(space, &others);
    let scored = (0..CANDIDATES).map(|_| {
        let params = good.draw(space, random);
        (good.log_density(space, &params) - others.log_density(space, &params), params)
    });
    // The first of those with the largest score.
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map_or_else(Params::new, |(_, params)| params)
}

/// A component per trial, and the prior as the last one.
struct Mixture {
    /// Of each component, its distributions in the order of the parameters.
    components: Vec<Vec<Kernel>>,
    /// The logarithms of the weights, whose sum is 1.
    weights: Vec<f64>,
}

/// The distribution of a parameter in a component.
#[derive(Clone, Copy)]
enum Kernel {
    /// Mostly the value at a place, otherwise a random one; the prior is random only.
    Choice { place: Option<usize>, others: f64 },
    /// A normal distribution that ends at the ends of the range.
    Normal(Normal),
}

#[derive(Clone, Copy)]
struct Normal {
    mean: f64,
    std: f64,
    /// The parts of the distribution below the range, and below its end.
    below: (f64, f64),
    prior: Prior,
}

impl Mixture {
    fn of(space: &Space, trials: &[&Known<'_>]) -> Self {
        let count = trials.len();
        let mut components = vec![Vec::new(); count + 1];
        for (name, domain) in space.iter() {
            let kernels = kernels(domain, trials.iter().map(|trial| trial.params.get(name)));
            for (component, kernel) in components.iter_mut().zip(kernels) {
                component.push(kernel);
            }
        }
        let weights = weights(count);
        let sum: f64 = weights.iter().sum();
        Self { components, weights: weights.into_iter().map(|weight| ln(weight / sum)).collect() }
    }

    fn draw(&self, space: &Space, random: &mut Mt64) -> Params {
        let mut left = draw(random);
        let place = self.weights.iter().position(|weight| {
            left -= exp(*weight);
            left < 0.0
        });
        let component =
            place.and_then(|place| self.components.get(place)).or(self.components.last());
        let mut kernels = component.into_iter().flatten();
        space.params(|_, domain, is_there| {
            let kernel = kernels.next()?;
            if is_there { kernel.draw(domain, random) } else { None }
        })
    }

    fn log_density(&self, space: &Space, params: &Params) -> f64 {
        let of_component = |(component, weight): (&Vec<Kernel>, &f64)| {
            let parameters = space.iter().zip(component);
            let densities = parameters.filter_map(|((name, domain), kernel)| {
                Some(kernel.log_density(domain, params.get(name)?))
            });
            weight + densities.sum::<f64>()
        };
        let all: Vec<f64> = self.components.iter().zip(&self.weights).map(of_component).collect();
        let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            return f64::MIN;
        }
        most + ln(all.iter().map(|density| exp(density - most)).sum())
    }
}

/// The distributions of a parameter around its values in trials, and the prior, which is also that of a trial without
/// the parameter.
fn kernels<'v>(
    domain: &Domain,
    values: impl ExactSizeIterator<Item = Option<&'v Param>>,
) -> Vec<Kernel> {
    let count = float(values.len());
    let Some(prior) = domain.prior() else {
        let Law::Choice { values: all, .. } = &domain.law else { return Vec::new() };
        let size = float(all.len());
        let kernel = |value: Option<&Param>| {
            let place = value.and_then(|value| all.iter().position(|other| other == value));
            let others = place.map_or(1.0, |_| size / (size + count + 1.0));
            Kernel::Choice { place, others }
        };
        return values.chain([None]).map(kernel).collect();
    };
    let scaled: Vec<_> = values.map(|value| domain.scaled(value?)).collect();
    let least = prior.std / (count + 2.0).min(100.0);
    let of_prior = Kernel::Normal(Normal::new(prior.mean, prior.std, prior));
    let widths = widths(&scaled, (prior.low, prior.high));
    let kernel = |(mean, width): (Option<f64>, f64)| match mean {
        None => of_prior,
        Some(mean) => Kernel::Normal(Normal::new(mean, width.max(least).min(prior.std), prior)),
    };
    scaled.into_iter().zip(widths).map(kernel).chain([of_prior]).collect()
}

/// The larger distance of each value to a neighbor in their order; a single value has the ends of the range. Of equal
/// values, the earliest is the first one, so one has the gap below them, another the gap above them.
fn widths(values: &[Option<f64>], (low, high): (f64, f64)) -> Vec<f64> {
    let there = values.iter().enumerate().filter_map(|(place, value)| Some(((*value)?, place)));
    let mut sorted: Vec<(f64, usize)> = there.collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut widths = vec![0.0; values.len()];
    for (at, (value, place)) in sorted.iter().enumerate() {
        let neighbor = |at: Option<usize>| at.and_then(|at| sorted.get(at)).map(|other| other.0);
        let width = match (neighbor(at.checked_sub(1)), neighbor(Some(at + 1))) {
            (None, None) => (value - low).max(high - value),
            (before, next) => {
                let gap = |other: Option<f64>| other.map_or(0.0, |other| (other - value).abs());
                gap(before).max(gap(next))
            }
        };
        if let Some(of_place) = widths.get_mut(*place) {
            *of_place = width;
        }
    }
    widths
}

/// The relative weights of trials, oldest first, and of the prior, which is the last one.
fn weights(trials: usize) -> Vec<f64> {
    let old = trials.saturating_sub(FULL_WEIGHT);
    // From 1/n to 1.
    let least = 1.0 / float(trials.max(1));
    let step = (1.0 - least) / float(old.max(2) - 1);
    let of_trial = |trial: usize| if trial < old { least + step * float(trial) } else { 1.0 };
    (0..trials).map(of_trial).chain([1.0]).collect()
}

impl Kernel {
    fn draw(&self, domain: &Domain, random: &mut Mt64) -> Option<Param> {
        match self {
            Self::Choice { place, others } => match (&domain.law, place) {
                (Law::Choice { values, .. }, Some(place)) if draw(random) >= *others => {
                    values.get(*place).cloned()
                }
                _ => domain.at(draw(random)),
            },
            Self::Normal(normal) => Some(domain.value(normal.draw(random))),
        }
    }

    fn log_density(&self, domain: &Domain, value: &Param) -> f64 {
        match (self, &domain.law) {
            (Self::Choice { place, others }, Law::Choice { values, weights }) => {
                let at = values.iter().position(|other| other == value);
                let random = match at.and_then(|at| weights.get(at)) {
                    Some(weight) => weight / weights.iter().sum::<f64>(),
                    None => 1.0 / float(values.len()),
                };
                let own = if at == *place { 1.0 - others } else { 0.0 };
                ln((others * random + own).max(f64::MIN_POSITIVE))
            }
            (Self::Normal(normal), _) => match domain.scaled(value) {
                Some(x) => normal.log_density(x, domain.cell(x)),
                None => f64::MIN,
            },
            // A kernel is made for its domain.
            (Self::Choice { .. }, _) => f64::MIN,
        }
    }
}

impl Normal {
    fn new(mean: f64, std: f64, prior: Prior) -> Self {
        // The range of a parameter with a single value is empty.
        let std = std.max(f64::MIN_POSITIVE);
        let (low, high) = ((prior.low - mean) / std, (prior.high - mean) / std);
        Self { mean, std, below: (normal_below(low), normal_below(high)), prior }
    }

    fn draw(&self, random: &mut Mt64) -> f64 {
        let (from, to) = self.below;
        let part = (from + draw(random) * (to - from)).max(f64::MIN_POSITIVE);
        let drawn = self.mean + self.std * normal_quantile(part);
        drawn.max(self.prior.low).min(self.prior.high).clamp(f64::MIN, f64::MAX)
    }

    /// The density at `x`; with a cell, the part of the distribution in it.
    fn log_density(&self, x: f64, cell: Option<(f64, f64)>) -> f64 {
        let (from, to) = self.below;
        let inside = ln((to - from).max(f64::MIN_POSITIVE));
        let Some((low, high)) = cell else {
            let distance = (x - self.mean) / self.std;
            return -0.5 * distance * distance - HALF_LN_TAU - ln(self.std) - inside;
        };
        let part = |x: f64| normal_below((x - self.mean) / self.std);
        let (low, high) = (low.max(self.prior.low), high.min(self.prior.high));
        ln((part(high) - part(low)).max(f64::MIN_POSITIVE)) - inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrored_values_have_mirrored_widths() {
        let of = |values: &[f64]| {
            let values: Vec<_> = values.iter().copied().map(Some).collect();
            let mut widths = widths(&values, (0.0, 6.0));
            widths.sort_by(f64::total_cmp);
            widths
        };
        assert_eq!(of(&[1.0, 5.0, 5.0, 5.0]), [0.0, 0.0, 4.0, 4.0]);
        assert_eq!(of(&[5.0, 1.0, 1.0, 1.0]), [0.0, 0.0, 4.0, 4.0]);
        assert_eq!(of(&[1.0, 2.0, 2.0, 5.0]), [1.0, 1.0, 3.0, 3.0]);
        assert_eq!(of(&[5.0, 4.0, 4.0, 1.0]), [1.0, 1.0, 3.0, 3.0]);
        assert_eq!(of(&[2.0]), [4.0]);
        assert_eq!(widths(&[None, Some(2.0), None, Some(3.0)], (0.0, 6.0)), [0.0, 1.0, 0.0, 1.0]);
    }
}
